//! Settings of kubelets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kubestead_core::name::Name;
use kubestead_core::plan::Part;
use kubestead_core::probe::Answers;

use super::super::{NodeSeen, Seen};
use super::{Asked, Wanted};
use crate::file::{Cluster, Node};
use crate::kubeadm::{KubeadmFacts, KubeadmSpec, State};
use crate::kubelet::{self, APPROVER, Candidate, Known, KubeletFacts, KubeletSpec, LINK, PATHS, RESOLVERS, Settings};
use crate::service::What;

/// What a node's kubelet shall run with; `None` if the file sets nothing for it.
fn settings(cluster: &Cluster, node: &Node) -> Option<Settings> {
    let kubernetes = cluster.kubernetes.as_ref()?;
    let certified = is_certified(cluster).then(|| Settings(BTreeMap::from([("serverTLSBootstrap".to_owned(), true.into())])));
    // The cluster's own service beside it: whoever finds no cache, which starts anew or has left, asks there.
    let asked = |cache: Ipv4Addr| vec![cache.to_string(), cluster.network.dns_service().to_string()];
    let names = resolver(cluster).map(|cache| Settings(BTreeMap::from([(RESOLVERS.to_owned(), asked(cache).into())])));
    let all = [certified.as_ref(), names.as_ref(), kubernetes.kubelet.as_ref(), node.kubelet.as_ref()];
    all.into_iter().flatten().cloned().reduce(|all, own| all.with(&own))
}

/// Whether kubelets are known by certificates of the cluster's own authority: something asks them that believes no other.
fn is_certified(cluster: &Cluster) -> bool {
    cluster.built().any(What::asks_kubelets)
}

/// The address of the cache of names that each node has, if the file asks for one.
fn resolver(cluster: &Cluster) -> Option<Ipv4Addr> {
    cluster.built().find_map(What::resolver)
}

/// The nodes whose certificates a machine approves: all, by the first control plane.
fn approved(cluster: &Cluster, first: &Name, node: &Node) -> Vec<Known> {
    if node.name != *first || !is_certified(cluster) {
        return Vec::new();
    }
    // An address of the file is one.
    let known = |node: &Node| Some(Known { hostname: node.hostname.clone(), address: node.address.parse().ok()? });
    cluster.nodes.iter().filter_map(known).collect()
}

/// Kubelets are asked by the first control plane, those that have settings.
pub(super) fn asks(wanted: &Wanted<'_>, node: &Node) -> Asked {
    if wanted.members.is_none() {
        return Asked::default();
    }
    let mut own: Vec<String> = if settings(wanted.cluster, node).is_some() { PATHS.map(str::to_owned).into() } else { Vec::new() };
    if resolver(wanted.cluster).is_some() {
        own.extend(LINK.map(str::to_owned));
    }
    if wanted.is_first(node) && is_certified(wanted.cluster) {
        own.extend(APPROVER.map(str::to_owned));
    }
    let mut sections = Vec::new();
    if wanted.is_first(node) {
        let all = wanted.cluster.nodes.iter().filter(|node| settings(wanted.cluster, node).is_some());
        let hosts: Vec<_> = all.map(|node| &node.hostname).collect();
        if !hosts.is_empty() {
            sections.push(kubelet::section(&hosts));
        }
    }
    Asked { own, sections, ..Asked::default() }
}

/// Reads what the first control plane was told. A look that brought nothing is one at which no kubelet said anything.
pub(in super::super) fn read(wanted: &Wanted<'_>, answers: &Answers) -> KubeletFacts {
    let cluster = wanted.cluster;
    let all: Vec<Settings> = cluster.nodes.iter().filter_map(|node| settings(cluster, node)).collect();
    if all.is_empty() {
        return KubeletFacts::default();
    }
    let fields: BTreeSet<&str> = all.iter().flat_map(Settings::names).collect();
    kubelet::read(answers, &fields).unwrap_or_default()
}

/// The settings of one node.
pub(in super::super) fn plan(
    cluster: &Cluster,
    spec: &KubeadmSpec,
    seen: &Seen,
    node: &Node,
    found: &NodeSeen,
    member: &KubeadmFacts,
) -> Part<kubelet::Action> {
    let Some(setup) = &found.setup else { return Part::default() };
    let hostname = node.hostname.clone();
    let ready = seen.api.known().and_then(|api| api.nodes.get(hostname.as_str())).is_some_and(|node| node.ready);
    let is_member = matches!(member.state, State::ControlPlane | State::Worker);
    let mut part = kubelet::approver(&node.name, &approved(cluster, &spec.first, node), &setup.files);
    part.extend(kubelet::link(&node.name, resolver(cluster), &setup.files));
    part.extend(kubelet::plan(&Candidate {
        told: seen.kubelets.0.get(hostname.as_str()),
        spec: &KubeletSpec { name: node.name.clone(), hostname, settings: settings(cluster, node), first: spec.first.clone() },
        files: &setup.files,
        runs: is_member && member.kubelet,
        ready,
    }));
    part
}
