//! Labels and annotations of nodes.

use serde_json::json;

use super::super::spec::ObjectsSpec;
use super::super::topic::Topic;

pub(super) fn topic(spec: &ObjectsSpec) -> Topic {
    let node = |(name, labels)| {
        let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}});
        if let Some(annotations) = spec.annotations.get(name) {
            node["metadata"]["annotations"] = json!(annotations);
        }
        node
    };
    Topic {
        name: "labels",
        why: "labels and annotations of nodes",
        manifests: spec.nodes.iter().map(node).collect(),
        ready: false,
        needs: None,
        cost: None,
        after: spec.joined.clone(),
        held: Vec::new(),
    }
}
