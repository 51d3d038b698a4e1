//! How an object is that the file asks for, against what it shall be.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::kube::ObjectRef;
use serde_json::Value;

use super::action::Marks;
use super::fixed;
use super::object::{Index, Live, says, shared, whole};
use super::observe::{ApiFacts, NodeState};

/// What the API has, each object found without looking at the others.
pub(super) struct There<'a> {
    objects: Index<'a>,
    nodes: &'a BTreeMap<String, NodeState>,
}

impl<'a> There<'a> {
    pub(super) fn of(facts: &'a ApiFacts) -> Self {
        Self { objects: Index::of(&facts.objects), nodes: &facts.nodes }
    }

    /// The object of a manifest that is wholly ours.
    pub(super) fn live(&self, object: &ObjectRef) -> Option<&'a Live> {
        self.objects.get(object)
    }

    /// What has to be done for a manifest.
    pub(super) fn judge(&self, object: &ObjectRef, manifest: &Value) -> State<'a> {
        if whole(object) { judge(manifest, self.live(object)) } else { labels(manifest, self.nodes.get(&object.name)) }
    }
}

/// How an object is that the file asks for.
pub(super) enum State<'a> {
    /// As the file says.
    Same,
    /// It is not there, or ours and not as the file says: it is applied.
    Apply,
    /// Ours, and somebody else set fields to something else: which, and who.
    Overwrite(&'a Live, BTreeMap<String, String>),
    /// A node with labels and annotations that others set to other values: these, and for each who did and what the file says.
    Relabel(Marks, Vec<String>),
    /// Somebody else made it.
    Adopt(&'a Live),
    /// It cannot become what the file says.
    Held(String, &'static str),
}

fn judge<'a>(manifest: &Value, live: Option<&'a Live>) -> State<'a> {
    let Some(live) = live else { return State::Apply };
    let same = says(&live.content, manifest);
    if live.deleting {
        return State::Held("it is being deleted".to_owned(), "wait until it is gone, or see which finalizer holds it; then run up again");
    }
    if let Some(field) = fixed::field(&live.content, manifest) {
        let whose = if live.ours { "" } else { "kubestead did not make it, and " };
        let reason = format!("{whose}its {} is not what the file asks for and can never change", &field[1..].replace('/', "."));
        return State::Held(reason, "delete it by hand if nobody needs it, or choose another name in the file");
    }
    let stays = if same { Vec::new() } else { live.stays(manifest) };
    if !stays.is_empty() {
        let reason = format!("others added {}, which stays whatever is applied", some(&stays));
        return State::Held(reason, "take it away by hand, or delete the whole object: it is made anew");
    }
    if !live.ours && !shared(&live.object) {
        return State::Adopt(live);
    }
    let conflicts = live.conflicts(manifest);
    match same {
        true => State::Same,
        false if conflicts.is_empty() => State::Apply,
        false => State::Overwrite(live, conflicts),
    }
}

/// Labels and annotations of a node. One that the API does not know yet is applied once it is in.
fn labels<'a>(manifest: &Value, node: Option<&NodeState>) -> State<'a> {
    let Some(node) = node else { return State::Apply };
    let mut who = Vec::new();
    let labels = overwritten(&manifest["metadata"]["labels"], (&node.labels, &node.owned, &node.others), &mut who);
    let own = &node.annotations;
    let annotations = overwritten(&manifest["metadata"]["annotations"], (&own.values, &own.owned, &own.others), &mut who);
    match (labels, annotations) {
        (None, None) => State::Same,
        (labels, annotations) => {
            let seen = Marks { labels: labels.unwrap_or_default(), annotations: annotations.unwrap_or_default() };
            if who.is_empty() { State::Apply } else { State::Relabel(seen, who) }
        }
    }
}

type Seen<'a> = (&'a BTreeMap<String, String>, &'a BTreeSet<String>, &'a BTreeMap<String, String>);

/// The values of others that would be overwritten; `None` if all is as it shall be.
fn overwritten(wanted: &Value, (values, owned, others): Seen<'_>, who: &mut Vec<String>) -> Option<BTreeMap<String, String>> {
    let wanted = wanted.as_object().into_iter().flatten();
    let wanted: BTreeMap<&str, &str> = wanted.map(|(k, v)| (k.as_str(), v.as_str().unwrap_or_default())).collect();
    let gone = owned.iter().any(|key| !wanted.contains_key(key.as_str()));
    if !gone && wanted.iter().all(|(key, value)| values.get(*key).is_some_and(|live| live == value)) {
        return None;
    }
    let mut seen = BTreeMap::new();
    for (key, value) in values {
        if let (Some(manager), Some(wanted)) = (others.get(key), wanted.get(key.as_str()))
            && wanted != value
        {
            seen.insert(key.clone(), value.clone());
            who.push(format!("{key} is {value:?} (set by {manager}), and the file says {wanted:?}"));
        }
    }
    Some(seen)
}

/// A few of many, for a sentence.
pub(crate) fn some(all: &[String]) -> String {
    const MOST: usize = 5;
    let more = all.len().saturating_sub(MOST);
    let words = all[..all.len() - more].join(", ");
    if more == 0 { words } else { format!("{words} and {more} more") }
}
