//! What the API knows of volumes of machines, whatever their disks say: persistent volumes that are bound were there once, and so were the
//! volumes of a node that is a member of the cluster and whose machine knows nothing of it.

use std::collections::BTreeMap;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_storage::facts::StorageFacts;
use serde_json::Value;

use super::{NodeSeen, Seen};
use crate::file::{Cluster, POOL_ROOT};
use crate::kubeadm::State;
use crate::objects::ApiFacts;

/// Holds what the API tells against what disks say.
pub(super) fn testify(cluster: &Cluster, seen: &mut Seen) {
    let Fact::Known(api) = &seen.api else { return };
    for (node, fact) in &mut seen.nodes {
        if let Fact::Known(NodeSeen { storage, kubeadm: Some(member), .. }) = fact
            && blank_member(api, node, member.state, storage)
        {
            let who = "the cluster has its node as a member";
            storage.witnesses = storage.volumes.keys().map(|volume| (volume.clone(), who.to_owned())).collect();
        }
    }
    for (node, (volume, who)) in bound(cluster, api) {
        if let Some(Fact::Known(found)) = seen.nodes.get_mut(&node) {
            found.storage.witnesses.insert(volume, who);
        }
    }
}

/// By node: the volume that carries bound persistent volumes, and which these are.
fn bound(cluster: &Cluster, api: &ApiFacts) -> BTreeMap<Name, (Name, String)> {
    let mut bound: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for object in api.objects.iter().filter(|o| o.object.kind == "PersistentVolume" && o.bound()) {
        let object = &object.content;
        if let Some(node) = object["metadata"]["labels"]["volume.node"].as_str() {
            bound.entry(node).or_default().push(describe(object));
        }
    }
    let nodes: BTreeMap<&str, &Name> = cluster.nodes.iter().map(|n| (n.name.as_str(), &n.name)).collect();
    let carried = |(node, volumes): (&str, Vec<String>)| {
        let node = *nodes.get(node)?;
        let carrier = cluster.volumes_of(node).find(|v| v.path == POOL_ROOT)?;
        Some((node.clone(), (carrier.name.clone(), format!("bound persistent volumes are on it: {}", volumes.join(", ")))))
    };
    bound.into_iter().filter_map(carried).collect()
}

/// Whether a node is a member by the API, and its machine has no trace of that and of no volume: it was installed anew, or its disks were
/// all replaced. A first run that was cut off has no member yet, and a member that gets its first volumes knows that it is one.
fn blank_member(api: &ApiFacts, node: &Name, state: State, storage: &StorageFacts) -> bool {
    let traceless = storage.volumes.values().all(|v| v.logical == Fact::Absent && v.crypttab.is_none() && v.fstab.is_none());
    api.nodes.contains_key(node.as_str()) && state == State::Fresh && traceless
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
    use crate::file;
    use crate::objects::Live;

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

    #[test]
    fn a_member_whose_machine_is_blank_had_volumes_and_one_that_knows_of_itself_did_not_lose_them() {
        let name = |text: &str| Name::new(text).unwrap();
        let text = include_str!("../../../../examples/three-nodes/cluster.yaml");
        let cluster = file::load("cluster.yaml", text, Path::new("/x")).unwrap();
        let spec = crate::compose::storage(&cluster, &name("kube1"));
        let lvm = ("storage/lvm", 0, "{\"report\": []}");
        let blank = kubestead_storage::observe::read(&spec, &kubestead_core::probe::Answers::from_pairs([lvm]));
        let state = crate::objects::NodeState { ready: true, ..crate::objects::NodeState::default() };
        let api = ApiFacts { answers: true, nodes: BTreeMap::from([("kube1".to_owned(), state)]), ..ApiFacts::default() };
        assert!(blank_member(&api, &name("kube1"), State::Fresh, &blank));
        assert!(!blank_member(&api, &name("kube2"), State::Fresh, &blank), "a first run has no member yet");
        assert!(!blank_member(&api, &name("kube1"), State::Worker, &blank), "its first volumes");
        let mut lines = blank.clone();
        lines.volumes.values_mut().next().unwrap().crypttab = Some("luks-kubelet".into());
        assert!(!blank_member(&api, &name("kube1"), State::Fresh, &lines), "its lines say more");
    }
}
