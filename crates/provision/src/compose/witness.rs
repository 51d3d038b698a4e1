//! What the API knows of volumes of machines: persistent volumes that are bound were there once, whatever the disk says.

use std::collections::BTreeMap;

use kubestead_core::name::Name;
use serde_json::Value;

use crate::cluster::ApiFacts;
use crate::file::{Cluster, POOL_ROOT};

/// By node: the volume that carries bound persistent volumes, and which these are.
pub(super) fn bound(cluster: &Cluster, api: &ApiFacts) -> BTreeMap<Name, (Name, String)> {
    let mut bound: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for object in api.objects.iter().filter(|live| live.object.kind == "PersistentVolume" && live.bound()).map(|live| &live.content) {
        if let Some(node) = object["metadata"]["labels"]["volume.node"].as_str() {
            bound.entry(node).or_default().push(describe(object));
        }
    }
    let carried = |(node, volumes): (&str, Vec<String>)| {
        let node = &cluster.nodes.iter().find(|n| n.name.as_str() == node)?.name;
        let carrier = cluster.volumes_of(node).find(|v| v.path == POOL_ROOT)?;
        Some((node.clone(), (carrier.name.clone(), format!("bound persistent volumes are on it: {}", volumes.join(", ")))))
    };
    bound.into_iter().filter_map(carried).collect()
}

/// The persistent volume, and the claim that it is bound to.
fn describe(object: &Value) -> String {
    let (name, claim) = (object["metadata"]["name"].as_str().unwrap_or_default(), &object["spec"]["claimRef"]);
    match (claim["namespace"].as_str(), claim["name"].as_str()) {
        (Some(namespace), Some(claim)) => format!("{name} for {namespace}/{claim}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::cluster::Live;
    use crate::file;

    #[test]
    fn bound_persistent_volumes_of_a_node_are_told_of_the_volume_that_carries_them() {
        let text = include_str!("../../../../examples/three-nodes/cluster.yaml");
        let cluster = file::load("cluster.yaml", text, Path::new("/x")).unwrap();
        let volume = |name: &str, node: &str, phase: &str| {
            let object = json!({"metadata": {"name": name, "uid": "u", "labels": {"volume.node": node}}, "status": {"phase": phase},
                "spec": {"claimRef": {"namespace": "apps", "name": "data"}}});
            Live::read("v1", "PersistentVolume", object).unwrap()
        };
        let objects = vec![volume("kube1-a", "kube1", "Bound"), volume("kube1-b", "kube1", "Available"), volume("gone-a", "gone", "Bound")];
        let told = bound(&cluster, &ApiFacts { answers: true, objects, ..ApiFacts::default() });
        let told: Vec<(String, String)> = told.into_iter().map(|(node, (v, who))| (format!("{node}/{v}"), who)).collect();
        assert_eq!(told, [("kube1/volkube".to_owned(), "bound persistent volumes are on it: kube1-a for apps/data".to_owned())]);
    }
}
