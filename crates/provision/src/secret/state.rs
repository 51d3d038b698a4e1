//! How a Secret of ours is, by what its file asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::observe::Live;
use super::spec::SecretSpec;
use crate::objects::LAST_APPLIED;

/// How a Secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// As its file says.
    InSync,
    /// Not in the cluster.
    Missing,
    /// Its file asks for another one than was applied, or something besides values is not as it should be.
    Stale(String),
    /// Values were changed or taken away in the cluster: by key, who did.
    Changed(BTreeMap<String, String>),
    /// One of that name is there that kubestead did not make; its type.
    Foreign(String),
    /// It is not as its file says, and the API server lets nobody change it: why.
    Fixed(String),
    /// It cannot be applied now, and why not.
    Waits(String),
    /// Ours, and in no file any more.
    Orphan,
}

/// How one of ours is. `kind` is its type, where that was seen.
pub(super) fn judge(secret: &SecretSpec, live: &Live, kind: Option<&str>) -> State {
    if live.deleting {
        return State::Waits("it is being deleted".to_owned());
    }
    let state = differs(secret, live);
    if let Some(kind) = kind.filter(|kind| *kind != secret.kind) {
        return State::Fixed(format!("its type is {kind}, and its file says {}", secret.kind));
    }
    if live.immutable && state != State::InSync {
        return State::Fixed("it is immutable, and its file says something else than was applied".to_owned());
    }
    state
}

fn differs(secret: &SecretSpec, live: &Live) -> State {
    // A value that another manager sets to something else is not ours any more; so is one that was taken away. Keys that others added stay
    // theirs, and so does a key that a changed file brings anew.
    let same = live.digest.as_ref() == Some(&secret.digest);
    let lost = secret.keys.difference(&live.keys);
    let changed: BTreeMap<String, String> = lost
        .filter_map(|key| match live.others.get(key) {
            Some(manager) => Some((key.clone(), format!("set by {manager}"))),
            None => same.then(|| (key.clone(), "taken away".to_owned())),
        })
        .collect();
    if !changed.is_empty() {
        return State::Changed(changed);
    }
    let within = |wanted: &BTreeMap<String, String>, live: &BTreeMap<String, String>| wanted.iter().all(|(k, v)| live.get(k) == Some(v));
    if live.annotations.contains_key(LAST_APPLIED) {
        State::Stale("`kubectl apply` left a copy of its values in an annotation, which is taken away".to_owned())
    } else if live.digest.is_none() {
        State::Stale("nobody knows what was applied".to_owned())
    } else if !same {
        State::Stale("its file has changed".to_owned())
    } else if live.keys != secret.keys {
        State::Stale("it holds more values than its file".to_owned())
    } else if !within(&secret.labels, &live.labels) || !within(&secret.annotations, &live.annotations) {
        State::Stale("its labels or annotations were changed in the cluster".to_owned())
    } else {
        State::InSync
    }
}
