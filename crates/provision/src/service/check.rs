//! The second pair of eyes over steps for services: what must not run on what was seen. It shares no code with the planner.

use std::collections::BTreeMap;

use kubestead_core::kube::ObjectRef;
use kubestead_core::plan::{Risk, Step};
use serde_json::Value;

use super::action::Action;
use super::observe::{Found, ServiceFacts};
use super::sealed::Sealed;
use crate::objects::{Exactly, SERVICE};

/// What goes with what it holds.
const DATA: [&str; 4] = ["PersistentVolume", "PersistentVolumeClaim", "Namespace", "CustomResourceDefinition"];

/// Which steps must not run, each a sentence.
pub fn faults<'a, A: 'a>(facts: Option<&ServiceFacts>, steps: impl IntoIterator<Item = (&'a Step<A>, &'a Action)>) -> Vec<String> {
    let objects = facts.map(|facts| facts.objects.as_slice()).unwrap_or_default();
    let live: BTreeMap<&ObjectRef, &Found> = objects.iter().map(|found| (&found.live.object, found)).collect();
    let mut found = Vec::new();
    for (step, action) in steps {
        let faults: Vec<String> = match action {
            Action::Apply { manifests, sealed } => manifests.iter().filter_map(|manifest| refused(&live, manifest, sealed)).collect(),
            Action::Take { manifest, sealed, .. } => {
                let unasked = (!step.needs_consent()).then(|| "it overwrites what others set, unasked".to_owned());
                unasked.into_iter().chain(of_kubernetes(manifest)).chain(clear(manifest, sealed)).collect()
            }
            Action::Delete { objects } => objects.iter().filter_map(|on| kept(&live, on, step.risk)).collect(),
            Action::Record { .. } | Action::Establish { .. } | Action::Ready { .. } | Action::Forget { .. } => Vec::new(),
        };
        found.extend(faults.into_iter().map(|why| format!("{}: {why}", step.id)));
    }
    found
}

fn of_kubernetes(manifest: &Value) -> Option<String> {
    let object = ObjectRef::of(manifest);
    // What serves a part of the API reads there whom to believe.
    let role = &manifest["roleRef"];
    let reader = object.kind == "RoleBinding" && role["kind"] == "Role" && role["name"] == "extension-apiserver-authentication-reader";
    let own = object.namespace.starts_with("kube-") && !reader
        || object.kind == "Namespace" && (object.name.starts_with("kube-") || object.name == "default");
    own.then(|| format!("{object} is the cluster's own"))
}

/// A Secret whose value nothing stands for, or one that would come into another object.
fn clear(manifest: &Value, sealed: &Sealed) -> Option<String> {
    let object = ObjectRef::of(manifest);
    let holds = |text: &str| sealed.keys().any(|mark| text.contains(mark.as_str()));
    if object.kind != "Secret" || object.api_version != "v1" {
        return holds(&manifest.to_string()).then(|| format!("an encrypted value would come into {object}"));
    }
    let values = ["data", "stringData"].into_iter().flat_map(|field| manifest[field].as_object().into_iter().flatten());
    let mut clear = values.filter(|(_, value)| value.as_str().is_none_or(|text| !text.is_empty() && !holds(text)));
    clear.next().map(|(key, _)| format!("{object} has {key} in the clear"))
}

fn refused(live: &BTreeMap<&ObjectRef, &Found>, manifest: &Value, sealed: &Sealed) -> Option<String> {
    let object = ObjectRef::of(manifest);
    if let Some(clear) = clear(manifest, sealed) {
        return Some(clear);
    }
    if !manifest["metadata"]["labels"][SERVICE].is_string() {
        return Some(format!("{object} does not say whose it is"));
    }
    let foreign = live.get(&object).is_some_and(|found| !found.live.ours);
    of_kubernetes(manifest).or_else(|| foreign.then(|| format!("kubestead did not make {object}")))
}

fn kept(live: &BTreeMap<&ObjectRef, &Found>, on: &Exactly, risk: Risk) -> Option<String> {
    let ours = live.get(&on.object).is_some_and(|found| {
        let live = &found.live;
        live.ours && live.uid == on.uid && live.service().is_some()
    });
    if !ours {
        return Some(format!("{} is not proven to be of a service", on.object));
    }
    (DATA.contains(&on.object.kind.as_str()) && risk != Risk::Destroys).then(|| format!("data goes with {}, unasked", on.object))
}
