//! Pools and named volumes as Kubernetes objects: local persistent volumes on a node's encrypted volume.

use kubestead_core::name::Name;
use kubestead_core::size::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A number of equal volumes on every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name, and that of its StorageClass.
    pub name: Name,
    /// How many on each node.
    pub count: u32,
    /// How large each is.
    pub size: Bytes,
}

/// One volume on every node, chosen by its label `volume.group`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedVolume {
    /// Its name.
    pub name: Name,
    /// How large it is.
    pub size: Bytes,
}

/// The StorageClass of named volumes.
pub const NAMED_CLASS: &str = "local-named";

fn slots<'a>(pools: &'a [Pool], named: &'a [NamedVolume]) -> impl Iterator<Item = (String, &'a str, &'a Name, Bytes)> {
    let pooled = pools.iter().flat_map(|p| (1..=p.count).map(move |n| (format!("{}-{n:04}", p.name), p.name.as_str(), &p.name, p.size)));
    pooled.chain(named.iter().map(|v| (v.name.to_string(), NAMED_CLASS, &v.name, v.size)))
}

/// The folders of all volumes below a root.
pub fn directories(root: &str, pools: &[Pool], named: &[NamedVolume]) -> Vec<String> {
    slots(pools, named).map(|(slot, ..)| format!("{root}/{slot}")).collect()
}

/// The StorageClasses: bound when a pod asks, kept when it goes.
pub fn classes(pools: &[Pool], named: &[NamedVolume]) -> Vec<Value> {
    let mut names: Vec<&str> = pools.iter().map(|p| p.name.as_str()).collect();
    if !named.is_empty() {
        names.push(NAMED_CLASS);
    }
    let class = |name: &str| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
            "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Retain"})
    };
    names.into_iter().map(class).collect()
}

/// The PersistentVolumes of a node, the same on every run. `hostname` is the node's label `kubernetes.io/hostname`.
pub fn volumes(node: &str, hostname: &str, root: &str, pools: &[Pool], named: &[NamedVolume]) -> Vec<Value> {
    slots(pools, named)
        .map(|(slot, class, group, size)| {
            json!({"apiVersion": "v1", "kind": "PersistentVolume",
                "metadata": {"name": format!("{node}-{slot}"), "labels": {"volume.group": group.as_str(), "volume.node": node}},
                "spec": {"capacity": {"storage": size.to_string()}, "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
                    "persistentVolumeReclaimPolicy": "Retain", "storageClassName": class, "local": {"path": format!("{root}/{slot}")},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions":
                        [{"key": "kubernetes.io/hostname", "operator": "In", "values": [hostname]}]}]}}}})
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_the_same_on_every_run_and_never_shared() {
        let pools = [Pool { name: Name::new("pool-s").unwrap(), count: 2, size: Bytes(200 << 20) }];
        let named = [NamedVolume { name: Name::new("share").unwrap(), size: Bytes(1 << 30) }];
        let found = volumes("kube1", "kube1", "/v", &pools, &named);
        let names: Vec<&str> = found.iter().filter_map(|v| v["metadata"]["name"].as_str()).collect();
        assert_eq!(names, ["kube1-pool-s-0001", "kube1-pool-s-0002", "kube1-share"]);
        assert_eq!(directories("/v", &pools, &named), ["/v/pool-s-0001", "/v/pool-s-0002", "/v/share"]);
        assert_eq!(classes(&pools, &named).len(), 2);
        assert_eq!(found, volumes("kube1", "kube1", "/v", &pools, &named));
    }
}
