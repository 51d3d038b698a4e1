//! What kubestead has in a cluster: one file a topic, and for each one line in the lists below.

mod flannel;
mod labels;
mod namespace;
mod network;
mod pod_security;
mod storage;

use kubestead_core::kube::{FIELD_MANAGER, ObjectRef};
use serde_json::Value;

use super::marks::MANAGED_BY;
use super::object::{shared, whole};
use super::spec::ObjectsSpec;
use super::topic::Topic;

pub use flannel::IMAGES;
pub(crate) use namespace::{LEVEL, OPEN};
pub(super) use pod_security::{guarded, rank};

/// All topics, in the order in which they are applied.
pub(super) fn all(spec: &ObjectsSpec) -> Vec<Topic> {
    let mut all = vec![network::topic(spec), pod_security::topic(spec), storage::topic(spec), namespace::topic(spec), labels::topic(spec)];
    all.iter_mut().flat_map(|topic| &mut topic.manifests).for_each(label);
    all
}

/// Every object that is wholly ours says so.
fn label(manifest: &mut Value) {
    let object = ObjectRef::of(manifest);
    if whole(&object) && !shared(&object) {
        manifest["metadata"]["labels"][MANAGED_BY] = FIELD_MANAGER.into();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::namespaces::WORKLOADS;
    use super::*;

    /// A workload elsewhere would be applied and never waited for.
    #[test]
    fn every_workload_of_a_topic_is_where_readiness_is_looked_for() {
        let spec = super::super::plan::tests::spec();
        let workload = |manifest: &&Value| ["DaemonSet", "Deployment", "StatefulSet"].iter().any(|kind| manifest["kind"] == *kind);
        let topics = all(&spec);
        let found: Vec<&Value> = topics.iter().flat_map(|topic| &topic.manifests).filter(workload).collect();
        assert!(!found.is_empty() && found.iter().all(|m| WORKLOADS.iter().any(|namespace| m["metadata"]["namespace"] == *namespace)));
        let names: BTreeSet<&str> = topics.iter().map(|topic| topic.name).collect();
        assert_eq!(names.len(), topics.len(), "a name is one topic's steps");
    }
}
