//! What each action does to the facts: for tests, and to see ahead.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fields;
use kubestead_core::kube::{FIELD_MANAGER, ObjectRef};
use serde_json::{Value, json};

use super::action::Action;
use super::object::{Live, whole};
use super::observe::{Annotations, ApiFacts};

/// The facts after an action that succeeded.
pub fn model(action: &Action, facts: &mut ApiFacts) {
    match action {
        Action::Apply { manifests } => manifests.iter().for_each(|manifest| apply(manifest, facts)),
        Action::Take { manifest, .. } | Action::Label { manifest, .. } => apply(manifest, facts),
        Action::Delete { objects } => facts.objects.retain(|live| !objects.iter().any(|on| on.object == live.object)),
        Action::Reach => facts.answers = true,
        Action::Wait { nodes, .. } => {
            for name in nodes {
                facts.nodes.entry(name.to_string()).or_default().ready = true;
            }
            facts.unready.clear();
            facts.gone.clear();
        }
    }
}

fn apply(manifest: &Value, facts: &mut ApiFacts) {
    let object = ObjectRef::of(manifest);
    if whole(&object) {
        let mut now = manifest.clone();
        now["metadata"]["uid"] = object.to_string().into();
        now["metadata"]["managedFields"] = json!([{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields::claimed(manifest)}]);
        facts.objects.retain(|live| live.object != object);
        facts.objects.extend(Live::read(&object.api_version, &object.kind, now));
    } else {
        let node = facts.nodes.entry(object.name).or_default();
        mark((&mut node.labels, &mut node.owned, &mut node.others), &manifest["metadata"]["labels"]);
        let Annotations { values, owned, others } = &mut node.annotations;
        mark((values, owned, others), &manifest["metadata"]["annotations"]);
    }
}

type Marks<'a> = (&'a mut BTreeMap<String, String>, &'a mut BTreeSet<String>, &'a mut BTreeMap<String, String>);

/// Labels or annotations, those of ours and who set the others.
fn mark((values, owned, others): Marks<'_>, wanted: &Value) {
    // What our manager does not say any more, the server takes away.
    for key in std::mem::take(owned) {
        values.remove(&key);
    }
    for (key, value) in wanted.as_object().into_iter().flatten() {
        values.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
        others.remove(key);
        owned.insert(key.clone());
    }
}
