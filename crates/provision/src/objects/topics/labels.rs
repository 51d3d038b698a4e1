//! Labels of nodes.

use serde_json::json;

use super::super::spec::ObjectsSpec;
use super::super::topic::Topic;

pub(super) fn topic(spec: &ObjectsSpec) -> Topic {
    let node = |(name, labels)| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}});
    Topic {
        name: "labels",
        why: "labels of nodes",
        manifests: spec.nodes.iter().map(node).collect(),
        ready: false,
        needs: None,
        cost: None,
        after: spec.joined.clone(),
        held: Vec::new(),
    }
}
