//! From what files ask for and what the cluster has to steps. A value that somebody else set, or that is nowhere in the files, goes only
//! with consent.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::Severity;
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Risk, StepId, Target};
use serde::{Deserialize, Serialize};

use super::ids;
use super::observe::{Live, SecretFacts};
use super::spec::{SecretSpec, Wish, owner};
use crate::objects::LAST_APPLIED;

/// What can be done with a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Applies one from its file.
    Apply {
        /// What the file asks for; it must still do so.
        secret: SecretSpec,
        /// What was in the cluster; it must still be there.
        on: On,
    },
    /// Deletes one that is in no file any more.
    Delete {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Which object of that name.
        uid: String,
    },
}

/// What is in the cluster where a Secret is to be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum On {
    /// Nothing.
    Nothing,
    /// Ours, as it was applied from an earlier file.
    Ours {
        /// Which object.
        uid: String,
    },
    /// Ours, with values that somebody else set or took away: they are overwritten.
    Changed {
        /// Which object.
        uid: String,
        /// The names of those values.
        keys: BTreeSet<String>,
    },
    /// Somebody else's: it is taken over, and values of these names are overwritten.
    Foreign,
    /// Ours, which the API server does not let change: it is deleted and made anew.
    Fixed {
        /// Which object.
        uid: String,
    },
}

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

/// The steps, and what is held. `made` is the namespace that the same plan makes; `after` the steps after which the API answers.
pub fn plan(wish: &Wish, facts: &Fact<SecretFacts>, made: Option<&Name>, after: &BTreeSet<StepId>) -> Part<Action> {
    let mut part = Part::default();
    for finding in wish.findings.iter().filter(|f| f.severity == Severity::Error) {
        let object = format!("{}:{}", finding.place.file, finding.place.line);
        part.held.push(Held::file(object, finding.message.clone(), finding.hint.clone().unwrap_or_default()));
    }
    let fresh = SecretFacts { namespaces: BTreeMap::new(), types: BTreeMap::new(), ours: BTreeMap::new() };
    let facts = match facts {
        Fact::Known(facts) => facts,
        Fact::Absent => &fresh,
        Fact::Unknown(gap) => {
            let hint = "look with kubectl on the control plane; no Secret is touched before they can be seen";
            part.held.push(Held::cluster("secrets", gap.to_string(), hint));
            return part;
        }
    };
    for secret in &wish.secrets {
        one(secret, judge_in(secret, facts, made), facts, after, &mut part);
    }
    for (name, live) in orphans(wish, facts) {
        let object = object_id(&name);
        if wish.is_whole() {
            let Some((namespace, name)) = name.split_once('/') else { continue };
            let why = format!("delete Secret {}, which is in no file any more, with {}", owner(namespace, name), words(&live.keys));
            let action = Action::Delete { namespace: namespace.into(), name: name.into(), uid: live.uid.clone() };
            part.push(ids::DELETE.step(Target::Cluster, &object, action, why).risk(Risk::Destroys).after(after.clone()));
        } else {
            let hint = "mend the folder first: a file that cannot be read may ask for it";
            part.held.push(Held::cluster(&object, "no file that can be read asks for this Secret", hint));
        }
    }
    part
}

/// Every Secret of the files, and every one of ours that is in none, with its state.
pub fn states(wish: &Wish, facts: &SecretFacts, made: Option<&Name>) -> BTreeMap<String, State> {
    let wanted = wish.secrets.iter().map(|secret| (secret.owner(), judge_in(secret, facts, made)));
    wanted.chain(orphans(wish, facts).into_iter().map(|(name, _)| (name, State::Orphan))).collect()
}

/// What is called `secret.NAMESPACE.NAME` in a step's id: a namespace has no dot in it.
fn object_id(name: &str) -> String {
    format!("secret.{}", name.replacen('/', ".", 1))
}

fn words(keys: &BTreeSet<String>) -> String {
    match keys.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => "no value".to_owned(),
        [one] => format!("the value {one}"),
        several => format!("the values {}", several.join(", ")),
    }
}

fn orphans<'a>(wish: &Wish, facts: &'a SecretFacts) -> Vec<(String, &'a Live)> {
    let wanted: BTreeSet<String> = wish.secrets.iter().map(SecretSpec::owner).collect();
    let left = facts.ours.iter().filter(|(name, live)| !wanted.contains(*name) && live.digest.is_some() && !live.deleting);
    left.map(|(name, live)| (name.clone(), live)).collect()
}

fn judge_in(secret: &SecretSpec, facts: &SecretFacts, made: Option<&Name>) -> State {
    let name = secret.owner();
    match facts.namespaces.get(&secret.namespace) {
        Some(true) => {}
        Some(false) => return State::Waits(format!("namespace {} is being deleted", secret.namespace)),
        None if made.is_some_and(|made| made.as_str() == secret.namespace) => return State::Missing,
        None => return State::Waits(format!("there is no namespace {}", secret.namespace)),
    }
    match (facts.ours.get(&name), facts.types.get(&name)) {
        (None, None) => State::Missing,
        (None, Some(kind)) => State::Foreign(kind.clone()),
        (Some(live), kind) => judge(secret, live, kind.map(String::as_str)),
    }
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

fn one(secret: &SecretSpec, state: State, facts: &SecretFacts, after: &BTreeSet<StepId>, part: &mut Part<Action>) {
    let object = object_id(&secret.owner());
    let (name, file) = (secret.owner(), &secret.file);
    let uid = || facts.ours.get(&name).map(|live| live.uid.clone()).unwrap_or_default();
    let (deed, risk, on, why) = match state {
        State::InSync | State::Orphan => return,
        State::Waits(reason) => {
            let hint = "make the namespace, or name another one in the file";
            return part.held.push(Held::cluster(&object, reason, hint));
        }
        State::Foreign(kind) if kind != secret.kind => {
            let reason = format!("a Secret that kubestead did not make is there, of type {kind}, and {file} says {}", secret.kind);
            return part.held.push(Held::cluster(&object, reason, "rename one of them, or delete it by hand"));
        }
        State::Missing => (ids::APPLY, Risk::Safe, On::Nothing, format!("make Secret {name} from {file}, with {}", words(&secret.keys))),
        State::Stale(why) => (
            ids::APPLY,
            Risk::Safe,
            On::Ours { uid: uid() },
            format!("apply Secret {name} from {file}, with {}: {why}", words(&secret.keys)),
        ),
        State::Changed(keys) => {
            let who: Vec<String> = keys.iter().map(|(key, who)| format!("{key} was {who}")).collect();
            let why = format!("overwrite what was changed in Secret {name} in the cluster, from {file}: {}", who.join(", "));
            (ids::OVERWRITE, Risk::Destroys, On::Changed { uid: uid(), keys: keys.into_keys().collect() }, why)
        }
        State::Foreign(_) => {
            let why =
                format!("take over Secret {name}, which kubestead did not make, and overwrite {} in it from {file}", words(&secret.keys));
            (ids::ADOPT, Risk::Destroys, On::Foreign, why)
        }
        State::Fixed(why) => {
            (ids::REPLACE, Risk::Destroys, On::Fixed { uid: uid() }, format!("delete Secret {name} and make it anew from {file}: {why}"))
        }
    };
    let action = Action::Apply { secret: secret.clone(), on };
    let step = deed.step(Target::Cluster, &object, action, why).risk(risk);
    // Nothing is put into a namespace that is somebody else's before the yes to it.
    part.push(step.after(after.clone()));
}
