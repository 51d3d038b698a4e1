//! Objects through the API.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::kube::ObjectRef;
use kubestead_core::name::{HostName, Name};
use kubestead_core::probe::Answers;
use kubestead_storage::pv;

use super::super::order;
use super::{Asked, Wanted, kubeadm as membership};
use crate::bundle::Bundle;
use crate::file::{Cluster, Node, POOL_ROOT, Role};
use crate::kubeadm::KubeadmSpec;
use crate::objects::{self, Alive, ApiFacts, ObjectsSpec};
use crate::secret;

/// What shall be in the cluster, with the nodes that are inside.
pub(in super::super) fn spec(
    cluster: &Cluster,
    members: &KubeadmSpec,
    bundle: Option<&Bundle>,
    inside: &dyn Fn(&Name) -> bool,
) -> ObjectsSpec {
    let image = |part: &str, otherwise: &str| {
        let own = bundle.and_then(|b| b.files.iter().filter_map(|f| f.image.clone()).find(|i| i.contains(part)));
        own.unwrap_or_else(|| otherwise.to_owned())
    };
    let carriers = cluster.nodes.iter().filter(|n| cluster.volumes_of(&n.name).any(|v| v.path == POOL_ROOT));
    let mut storage = pv::classes(&cluster.pools, &cluster.named);
    storage.extend(carriers.flat_map(|n| pv::volumes(n.name.as_str(), n.hostname.as_str(), POOL_ROOT, &cluster.pools, &cluster.named)));
    let labels = |node: &Node| {
        let mut labels = node.labels.clone();
        if node.roles.contains(&Role::Worker) {
            labels.insert("node-role.kubernetes.io/worker".to_owned(), String::new());
        }
        labels
    };
    let inside: Vec<&Node> = cluster.nodes.iter().filter(|n| inside(&n.name)).collect();
    let nodes: BTreeMap<HostName, _> = inside.iter().map(|n| (n.hostname.clone(), labels(n))).collect();
    ObjectsSpec {
        pods: members.pods.clone(),
        endpoint: members.endpoint.clone(),
        interfaces: cluster.network.interfaces.clone(),
        backend: cluster.network.backend,
        images: (image("/flannel:", objects::IMAGES.0), image("/flannel-cni-plugin:", objects::IMAGES.1)),
        storage,
        namespace: cluster.namespace.clone(),
        logins: cluster.kubernetes.iter().flat_map(|wanted| wanted.registries.values()).filter_map(|r| r.credentials.clone()).collect(),
        annotations: inside.iter().filter(|n| !n.annotations.is_empty()).map(|n| (n.hostname.clone(), n.annotations.clone())).collect(),
        nodes,
        asked: BTreeSet::new(),
        after: order::before_asking(members),
        joined: order::before_nodes(members, inside.iter().map(|n| &n.name)),
    }
}

/// The names of the objects that the file asks for, whatever is there: whoever made one, it is looked at.
pub fn names(cluster: &Cluster) -> Vec<ObjectRef> {
    membership::spec(cluster).map(|members| objects::names(&spec(cluster, &members, None, &|_| true))).unwrap_or_default()
}

/// The namespace whose pods are looked at.
pub fn looked_at(cluster: &Cluster) -> Option<&Name> {
    cluster.namespace.as_ref().filter(|namespace| namespace.pod_security.is_some()).map(|namespace| &namespace.name)
}

/// What pods that run would be refused, a sentence each.
pub fn refusals(cluster: &Cluster, facts: &ApiFacts) -> Vec<String> {
    cluster.namespace.as_ref().map(|namespace| objects::refusals(namespace, facts)).unwrap_or_default()
}

/// Every node tells which boot and containers are alive; the first control plane asks the API, for Secrets too.
pub(super) fn asks(wanted: &Wanted<'_>, node: &Node) -> Asked {
    let mut sections = Vec::new();
    if wanted.cluster.kubernetes.is_some() {
        sections.push(objects::alive_section());
    }
    if wanted.is_first(node) {
        sections.push(objects::section(&secret::paths(wanted.wish), &names(wanted.cluster), looked_at(wanted.cluster)));
    }
    Asked { sections, ..Asked::default() }
}

/// `alive`: what the machines tell of themselves, by their names in Kubernetes.
pub(in super::super) fn read(wanted: &Wanted<'_>, answers: &Answers, alive: &BTreeMap<String, Alive>) -> Fact<ApiFacts> {
    super::if_there(objects::read(answers, alive, secret::paths(wanted.wish).len(), &names(wanted.cluster), looked_at(wanted.cluster)))
}
