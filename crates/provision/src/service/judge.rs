//! How an object of a service is, against what its manifest asks for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::claims::lost;
use super::observe::Found;
use super::spec::DIGEST;
use crate::objects::{Live, fixed_field};

/// How an object is that a service asks for.
pub(super) enum State<'a> {
    /// As its manifest says.
    Same,
    /// It is not there, or ours and not as its manifest says: it is applied.
    Apply,
    /// Ours, and somebody else set fields to something else: which, and who.
    Overwrite(&'a Live, BTreeMap<String, String>),
    /// Somebody else made it.
    Adopt(&'a Live),
    /// It cannot become what its manifest says.
    Held(String, &'static str),
}

/// How an object is.
pub(super) fn judge<'a>(manifest: &Value, found: Option<&'a Found>) -> State<'a> {
    let Some(Found { live, own }) = found else { return State::Apply };
    if live.deleting {
        return State::Held("it is being deleted".to_owned(), "wait until it is gone, or see which finalizer holds it; then run up again");
    }
    let same = live.content["metadata"]["annotations"][DIGEST] == manifest["metadata"]["annotations"][DIGEST];
    // What was applied from this very manifest asks for no other value of such a field, however the server writes it.
    if let Some(field) = fixed_field(&live.content, manifest).filter(|_| !(same && live.ours)) {
        let whose = if live.ours { "" } else { "kubestead did not make it, and " };
        let reason = format!("{whose}its {} is not what its manifest asks for and can never change", &field[1..].replace('/', "."));
        return State::Held(reason, "delete it by hand if nobody needs it, or choose another name in the manifest");
    }
    if !live.ours {
        return State::Adopt(live);
    }
    let lost = lost(manifest, own);
    if same && lost.is_empty() {
        return State::Same;
    }
    let mut conflicts = live.conflicts(manifest);
    // What was applied from this very manifest and is still ours is no conflict, however the server writes its value.
    if same {
        conflicts.retain(|path, _| lost.iter().any(|lost| path.starts_with(lost.as_str())));
    }
    if conflicts.is_empty() { State::Apply } else { State::Overwrite(live, conflicts) }
}
