//! The second pair of eyes over steps at the API: what must not run on what was seen. It shares no code with the planner.

use std::collections::BTreeMap;

use kubestead_core::kube::ObjectRef;
use kubestead_core::plan::Step;
use serde_json::Value;

use super::action::Action;
use super::object::{Exactly, Live};
use super::observe::ApiFacts;

/// Which steps must not run, each a sentence.
pub fn faults<'a, A: 'a>(facts: Option<&ApiFacts>, steps: impl IntoIterator<Item = (&'a Step<A>, &'a Action)>) -> Vec<String> {
    let objects = facts.map(|api| api.objects.as_slice()).unwrap_or_default();
    let live: BTreeMap<&ObjectRef, &Live> = objects.iter().map(|live| (&live.object, live)).collect();
    let mut found = Vec::new();
    for (step, action) in steps {
        let faults: Vec<String> = match action {
            Action::Apply { manifests } => manifests.iter().filter_map(|manifest| taken(&live, manifest)).collect(),
            Action::Delete { objects } => objects.iter().filter_map(|on| not_ours(&live, on)).collect(),
            Action::Take { .. } | Action::Label { .. } if !step.needs_consent() => {
                vec!["it overwrites what others set, unasked".to_owned()]
            }
            Action::Take { .. } | Action::Label { .. } | Action::Reach | Action::Wait { .. } => Vec::new(),
        };
        found.extend(faults.into_iter().map(|why| format!("{}: {why}", step.id)));
    }
    found
}

fn taken(live: &BTreeMap<&ObjectRef, &Live>, manifest: &Value) -> Option<String> {
    let object = ObjectRef::of(manifest);
    if object.kind == "Namespace" && ["kube-system", "kube-public", "kube-node-lease", "default"].contains(&object.name.as_str()) {
        return Some(format!("{object} belongs to Kubernetes"));
    }
    // The account of pods that name none is everybody's: what others set of it, the API server keeps from us.
    let everybodys = object.kind == "ServiceAccount" && object.name == "default";
    live.get(&object).filter(|live| !live.ours && !everybodys).map(|_| format!("kubestead did not make {object}"))
}

fn not_ours(live: &BTreeMap<&ObjectRef, &Live>, on: &Exactly) -> Option<String> {
    let exact = live.get(&on.object).is_some_and(|live| live.ours && live.uid == on.uid && !live.bound());
    (!exact).then(|| format!("{} is not proven ours and free", on.object))
}
