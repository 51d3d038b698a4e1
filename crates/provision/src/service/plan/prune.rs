//! What services do not ask for any more. What holds data goes only with consent, and nothing goes while some file cannot be read.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::kube::ObjectRef;
use kubestead_core::plan::{Held, Part, Risk, StepId, Target};

use super::Around;
use crate::objects::{COPIES, Live, some};
use crate::service::action::Action;
use crate::service::ids;
use crate::service::kinds::{holds_data, namespaced, rank, same_name, takes_claims};
use crate::service::observe::{Recorded, ServiceFacts};
use crate::service::spec::ServicesWanted;

/// Adds the steps. `after` are those of a service that must come before anything of it goes: what is new is there before the old goes. `None` if the new is
/// held.
pub(super) fn prune(
    wish: &ServicesWanted,
    facts: &ServiceFacts,
    records: &BTreeMap<String, Recorded>,
    after: &dyn Fn(&str) -> Option<BTreeSet<StepId>>,
    around: &Around,
    part: &mut Part<Action>,
) {
    let wanted: BTreeSet<_> = wish.objects().map(|object| same_name(&object)).collect();
    let elsewhere: BTreeSet<_> = around.asked.iter().map(same_name).collect();
    let named: BTreeSet<&str> = wish.services.iter().map(|service| service.name.as_str()).collect();
    let mut left: BTreeMap<&str, Vec<&Live>> = records.keys().map(|service| (service.as_str(), Vec::new())).collect();
    let (mut seen, mut handed) = (BTreeSet::new(), BTreeSet::new());
    for live in facts.objects.iter().map(|found| &found.live) {
        // One object may be listed in two versions of its kind.
        if let (Some(service), true) = (live.service().filter(|_| live.ours), seen.insert(&live.uid)) {
            let name = same_name(&live.object);
            if elsewhere.contains(&name) {
                handed.insert(service);
            } else if !wanted.contains(&name) {
                left.entry(service).or_default().push(live);
            }
        }
    }
    let whole = wish.services.iter().all(|service| service.whole);
    for (service, objects) in left {
        let is_named = named.contains(service);
        if is_named && objects.is_empty() {
            continue;
        }
        let names: Vec<String> = objects.iter().map(|live| live.object.to_string()).collect();
        if !whole {
            if !names.is_empty() {
                let reason = format!("no file that can be read asks for {} of service {service}", some(&names));
                part.held.push(Held::cluster(ids::of(service), reason, "correct the files first: one that cannot be read may ask for it"));
            }
            continue;
        }
        let Some(mut before) = after(service) else {
            let reason = format!("{} would go, and waits for what is held of service {service}", some(&names));
            part.held.push(Held::cluster(ids::of(service), reason, "fix that first"));
            continue;
        };
        before.extend(around.after.iter().cloned());
        let steps = one(service, objects, &before, part);
        // What asks for an object now takes the label of the service away when it applies it; until then the record finds it.
        if let (false, false, Some(recorded)) = (is_named, handed.contains(service), records.get(service)) {
            forget(service, recorded, facts, before.into_iter().chain(steps).collect(), part);
        }
    }
}

/// Deletes objects of one service; returns the steps.
fn one(service: &str, mut objects: Vec<&Live>, after: &BTreeSet<StepId>, part: &mut Part<Action>) -> BTreeSet<StepId> {
    objects.retain(|live| !live.deleting);
    // What needs others goes first.
    objects.sort_by_key(|live| std::cmp::Reverse(rank(&live.object)));
    let (asks, goes): (Vec<&Live>, Vec<&Live>) =
        objects.into_iter().partition(|live| holds_data(&live.object, &live.content) || live.adopted().is_some());
    let mut steps = BTreeSet::new();
    if !goes.is_empty() {
        let names: Vec<String> = goes.iter().map(|live| live.object.to_string()).collect();
        let why = format!("delete what no file asks for any more of service {service}: {}", names.join(", "));
        let action = Action::Delete { objects: goes.iter().map(|live| live.exactly()).collect() };
        let step = ids::PRUNE.step(Target::Cluster, ids::of(service), action, why).risk(Risk::Disrupts);
        steps.insert(part.push(step.after(after.clone())));
    }
    let before: BTreeSet<StepId> = after.union(&steps).cloned().collect();
    let mut asked: Vec<StepId> = Vec::new();
    for live in asks {
        let step = ids::DELETE.step(
            Target::Cluster,
            ids::object(&live.object),
            Action::Delete { objects: vec![live.exactly()] },
            lost(service, live),
        );
        let id = part.push(step.risk(Risk::Destroys).after(before.clone()).behind(asked.iter().cloned()));
        asked.push(id);
    }
    steps.extend(asked);
    steps
}

/// What goes with an object.
fn lost(service: &str, live: &Live) -> String {
    let object: &ObjectRef = &live.object;
    let with = match object.kind.as_str() {
        "Namespace" => " with all that is in it, whoever made it",
        "CustomResourceDefinition" => " with all objects of its kind, whoever made them",
        "PersistentVolumeClaim" => " with the data of its volume, if that is not retained",
        "StatefulSet" if takes_claims(&live.content) => " with the claims of its pods, as its persistentVolumeClaimRetentionPolicy says",
        _ if namespaced(object).is_none() => " with what its controller made for it, which may be data",
        "PersistentVolume" if live.bound() => ", to which a claim is bound,",
        _ => "",
    };
    let whose = live
        .adopted()
        .map_or_else(String::new, |copy| format!("; kubestead did not make it, and ConfigMap {COPIES}/{copy} holds it as it was"));
    format!("delete {object}{with}: no file asks for it any more (it was of service {service}){whose}")
}

/// The record of a service that no file names goes when nothing of it is left.
fn forget(service: &str, recorded: &Recorded, facts: &ServiceFacts, after: BTreeSet<StepId>, part: &mut Part<Action>) {
    let kinds = match &recorded.kinds {
        Ok(kinds) => kinds,
        Err(line) => {
            let reason = format!("its record has a line that is no kind: {line:?}: what is left of it cannot be known");
            return part.held.push(Held::cluster(ids::of(service), reason, "take the line away by hand"));
        }
    };
    if let Some(kind) = kinds.iter().find(|kind| facts.silent.contains(kind)) {
        let reason = format!("what serves the kind {kind} does not answer: what is left of it cannot be known");
        return part.held.push(Held::cluster(ids::of(service), reason, "see `kubectl get apiservices`"));
    }
    let action = Action::Forget { service: service.to_owned(), kinds: kinds.clone(), record: recorded.on.clone() };
    let why = format!("wait until nothing of service {service} is left, and delete its record");
    part.push(ids::FORGET.step(Target::Cluster, ids::of(service), action, why).after(after));
}
