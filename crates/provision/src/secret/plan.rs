//! From what files ask for and what the cluster has to steps. A value that somebody else set, or that is nowhere in the files, goes only
//! with consent.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::Severity;
use kubestead_core::fact::Fact;
use kubestead_core::kube::ObjectRef;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Risk, StepId, Target};

use super::action::{Action, Expected};
use super::ids;
use super::observe::{Live, SecretFacts};
use super::spec::{self, SecretSpec, SecretsWanted, owner};
use super::state::{State, judge};

/// The steps, and what is held. `made` is the namespace that the same plan makes; `elsewhere` are the objects that
/// services ask for; `after` the steps after which the API answers.
pub fn plan(
    wish: &SecretsWanted,
    facts: &Fact<SecretFacts>,
    made: Option<&Name>,
    elsewhere: &BTreeSet<ObjectRef>,
    after: &BTreeSet<StepId>,
) -> Part<Action> {
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
        let Some((namespace, secret)) = name.split_once('/') else { continue };
        if elsewhere.contains(&spec::object(namespace, secret)) {
            continue;
        }
        let object = object_id(&name);
        if wish.is_whole() {
            let why = format!("delete Secret {}, which is in no file any more, with {}", owner(namespace, secret), words(&live.keys));
            let action = Action::Delete { namespace: namespace.into(), name: secret.into(), uid: live.uid.clone() };
            part.push(ids::DELETE.step(Target::Cluster, &object, action, why).risk(Risk::Destroys).after(after.clone()));
        } else {
            let hint = "fix the folder first: a file that cannot be read may ask for it";
            part.held.push(Held::cluster(&object, "no file that can be read asks for this Secret", hint));
        }
    }
    part
}

/// Every Secret of the files, and every one of ours that is in none, with its state.
pub fn states(wish: &SecretsWanted, facts: &SecretFacts, made: Option<&Name>) -> BTreeMap<String, State> {
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

fn orphans<'a>(wish: &SecretsWanted, facts: &'a SecretFacts) -> Vec<(String, &'a Live)> {
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
        State::Missing => {
            (ids::APPLY, Risk::Safe, Expected::Nothing, format!("make Secret {name} from {file}, with {}", words(&secret.keys)))
        }
        State::Stale(why) => (
            ids::APPLY,
            Risk::Safe,
            Expected::Ours { uid: uid() },
            format!("apply Secret {name} from {file}, with {}: {why}", words(&secret.keys)),
        ),
        State::Changed(keys) => {
            let who: Vec<String> = keys.iter().map(|(key, who)| format!("{key} was {who}")).collect();
            let why = format!("overwrite what was changed in Secret {name} in the cluster, from {file}: {}", who.join(", "));
            (ids::OVERWRITE, Risk::Destroys, Expected::Changed { uid: uid(), keys: keys.into_keys().collect() }, why)
        }
        State::Foreign(_) => {
            let why =
                format!("take over Secret {name}, which kubestead did not make, and overwrite {} in it from {file}", words(&secret.keys));
            (ids::ADOPT, Risk::Destroys, Expected::Foreign, why)
        }
        State::Fixed(why) => (
            ids::REPLACE,
            Risk::Destroys,
            Expected::Fixed { uid: uid() },
            format!("delete Secret {name} and make it anew from {file}: {why}"),
        ),
    };
    let action = Action::Apply { secret: secret.clone(), on };
    let step = deed.step(Target::Cluster, &object, action, why).risk(risk);
    // Nothing is put into a namespace that is somebody else's before the yes to it.
    part.push(step.after(after.clone()));
}
