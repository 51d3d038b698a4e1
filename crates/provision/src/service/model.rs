//! What each action does to the facts: for tests, and to see ahead.

use kubestead_core::fields;
use kubestead_core::kube::{FIELD_MANAGER, ObjectRef};
use serde_json::{Value, json};

use super::action::Action;
use super::health::is_workload;
use super::kinds::{defined, is_definition};
use super::observe::{Found, ServiceFacts};
use crate::objects::{self, ApiFacts};

/// The facts after an action that succeeded. Records are among the objects of `api`.
pub fn model(action: &Action, facts: &mut ServiceFacts, api: &mut ApiFacts) {
    match action {
        Action::Record { record } => objects::model(&objects::Action::Apply { manifests: vec![record.clone()] }, api),
        Action::Apply { manifests, .. } => manifests.iter().for_each(|manifest| apply(manifest, facts)),
        Action::Take { manifest, .. } => apply(manifest, facts),
        Action::Establish { definitions, kinds } => {
            facts.unready.retain(|(object, _)| !definitions.contains(object));
            facts.lacks.retain(|kind| !kinds.contains(kind));
        }
        Action::Ready { workloads } => facts.unready.retain(|(object, _)| !workloads.contains(object)),
        Action::Delete { objects } => facts.objects.retain(|found| !objects.iter().any(|on| on.object == found.live.object)),
        Action::Forget { record, .. } => objects::model(&objects::Action::Delete { objects: vec![record.clone()] }, api),
    }
}

fn apply(manifest: &Value, facts: &mut ServiceFacts) {
    let object = ObjectRef::of(manifest);
    let mut now = manifest.clone();
    now["metadata"]["uid"] = object.to_string().into();
    now["metadata"]["managedFields"] = json!([{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields::claimed(manifest)}]);
    facts.objects.retain(|found| found.live.object != object);
    facts.objects.extend(Found::read(&object.api_version, &object.kind, now));
    facts.objects.sort_by(|a, b| a.live.object.cmp(&b.live.object));
    if object.kind == "Namespace" {
        facts.namespaces.insert(object.name.clone());
    }
    if is_definition(&object) {
        facts.namespaced.extend(defined(manifest));
    }
    if is_definition(&object) || is_workload(&object) {
        facts.unready.retain(|(other, _)| *other != object);
        facts.unready.push((object, "it begins".to_owned()));
    }
}
