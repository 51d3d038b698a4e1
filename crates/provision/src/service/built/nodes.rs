//! The nodes that services are on: those that pods begin on by themselves, and those that are chosen.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::file::{Cluster, Effect, Node, Role};

/// Whether pods begin on a node that tolerate nothing.
pub(super) fn takes_pods(node: &Node, cluster: &Cluster) -> bool {
    let kept_away = node.taints.iter().any(|taint| taint.effect != Effect::PreferNoSchedule);
    // kubeadm's taint is on every control plane but a first one that shall have pods.
    let first = cluster.control_planes().next().is_some_and(|first| first.name == node.name);
    let open = cluster.nodes.len() == 1 || first && node.roles.contains(&Role::Worker);
    !kept_away && (!node.is_control_plane() || open)
}

/// What selects nodes by their names.
pub(super) fn named(chosen: &[&Node]) -> Value {
    let names: Vec<&str> = chosen.iter().map(|node| node.hostname.as_str()).collect();
    json!({"key": "kubernetes.io/hostname", "operator": "In", "values": names})
}

/// What lets pods begin on the nodes that were chosen for them.
pub(super) fn tolerations(chosen: &[&Node]) -> Vec<Value> {
    let plane = ("node-role.kubernetes.io/control-plane", Effect::NoSchedule);
    let planes = chosen.iter().any(|node| node.is_control_plane()).then_some(plane);
    let own = chosen.iter().flat_map(|node| &node.taints).map(|taint| (taint.key.as_str(), taint.effect));
    let all: BTreeMap<(&str, &str), Value> = planes
        .into_iter()
        .chain(own)
        .map(|(key, effect)| ((key, effect.word()), json!({"key": key, "operator": "Exists", "effect": effect.word()})))
        .collect();
    all.into_values().collect()
}
