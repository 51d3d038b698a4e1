//! What the steps for the cluster's objects are called. Those about one object are called by its kind and name: see `of`.

use kubestead_core::kube::ObjectRef;
use kubestead_core::plan::{Deed, DeedOf, Kind, StepId, Target};

/// It is waited for the API server.
pub const REACH: Deed = Deed::cluster("api", "reach");
/// It is waited for nodes and workloads.
pub const READY: Deed = Deed::cluster("nodes", "ready");
/// What the file does not name any more is deleted.
pub const LEFTOVERS: Deed = Deed::cluster("leftovers", "delete");
/// The topic of the users' namespace.
pub(super) const NAMESPACE: &str = "namespace";
/// The topic of what pods may.
pub(super) const POD_SECURITY: &str = "pod-security";
/// A topic is applied; it is called by the topic.
pub const APPLY: DeedOf = DeedOf::cluster("apply");
/// An object that somebody else made is taken over.
pub const ADOPT: DeedOf = DeedOf::cluster("adopt");
/// Fields that somebody else set are overwritten.
pub const OVERWRITE: DeedOf = DeedOf::cluster("overwrite");
/// An object is deleted that nobody misses unasked.
pub const DELETE: DeedOf = DeedOf::cluster("delete");

/// All kinds of steps.
pub const KINDS: &[Kind] = &[REACH.kind(), READY.kind(), LEFTOVERS.kind(), APPLY.kind(), ADOPT.kind(), OVERWRITE.kind(), DELETE.kind()];

/// What an object is called: a namespace has no dot in it.
pub(super) fn of(object: &ObjectRef) -> String {
    let kind = object.kind.to_lowercase();
    if object.namespace.is_empty() { format!("{kind}.{}", object.name) } else { format!("{kind}.{}.{}", object.namespace, object.name) }
}

/// The step that takes over an object which somebody else made.
pub(crate) fn adopted(object: &ObjectRef) -> StepId {
    ADOPT.at(&Target::Cluster, of(object))
}

/// The step that applies a topic.
pub(super) fn applied(topic: &str) -> StepId {
    APPLY.at(&Target::Cluster, topic)
}

/// The steps before something may be put into a namespace: one that the file asks for is made, one of somebody else's is taken over.
pub(crate) fn before_namespace(name: &str) -> [StepId; 2] {
    [applied(NAMESPACE), adopted(&namespace(name))]
}

pub(super) fn namespace(name: &str) -> ObjectRef {
    ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: String::new(), name: name.to_owned() }
}
