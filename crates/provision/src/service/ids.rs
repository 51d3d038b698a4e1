//! What the steps for services are called: those of a service as a whole by `manifests.NAME`, those about one object by its kind and name.

use kubestead_core::kube::ObjectRef;
use kubestead_core::plan::{DeedOf, Kind, StepId, Target};

use super::kinds::{group, namespaced};

/// Its kinds are written down.
pub const RECORD: DeedOf = DeedOf::cluster("record");
/// Its definitions, or its other objects, are applied.
pub const APPLY: DeedOf = DeedOf::cluster("apply");
/// It is waited for the kinds of its definitions.
pub const ESTABLISH: DeedOf = DeedOf::cluster("establish");
/// It is waited for its workloads.
pub const READY: DeedOf = DeedOf::cluster("ready");
/// What its files do not name any more is deleted.
pub const PRUNE: DeedOf = DeedOf::cluster("prune");
/// Its record is deleted.
pub const FORGET: DeedOf = DeedOf::cluster("forget");
/// An object that somebody else made is taken over.
pub const ADOPT: DeedOf = DeedOf::cluster("adopt");
/// Fields that somebody else set are overwritten.
pub const OVERWRITE: DeedOf = DeedOf::cluster("overwrite");
/// An object is deleted that nobody misses unasked.
pub const DELETE: DeedOf = DeedOf::cluster("delete");

/// All kinds of steps.
pub const KINDS: &[Kind] = &[
    RECORD.kind(),
    APPLY.kind(),
    ESTABLISH.kind(),
    READY.kind(),
    PRUNE.kind(),
    FORGET.kind(),
    ADOPT.kind(),
    OVERWRITE.kind(),
    DELETE.kind(),
];

/// What a service is called.
pub fn of(service: &str) -> String {
    format!("manifests.{service}")
}

/// What its definitions are called.
pub(super) fn definitions(service: &str) -> String {
    format!("manifests.{service}.definitions")
}

/// What an object is called: a namespace has no dot in it, and two groups may have a kind of one name.
pub(super) fn object(object: &ObjectRef) -> String {
    let kind = object.kind.to_lowercase();
    let group = if namespaced(object).is_none() { format!(".{}", group(&object.api_version)) } else { String::new() };
    let namespace = if object.namespace.is_empty() { String::new() } else { format!(".{}", object.namespace) };
    format!("{kind}{group}{namespace}.{}", object.name)
}

/// The step that takes a namespace over which somebody else made.
pub(super) fn adopted_namespace(name: &str) -> StepId {
    let namespace = ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: String::new(), name: name.to_owned() };
    ADOPT.at(&Target::Cluster, object(&namespace))
}
