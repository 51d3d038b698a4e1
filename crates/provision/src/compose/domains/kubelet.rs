//! Settings of kubelets.

use std::collections::BTreeSet;

use kubestead_core::plan::Part;
use kubestead_core::probe::Answers;

use super::super::{NodeSeen, Seen};
use super::{Asked, Wanted};
use crate::file::{Cluster, Node};
use crate::kubeadm::{KubeadmFacts, KubeadmSpec, State};
use crate::kubelet::{self, Candidate, KubeletFacts, KubeletSpec, PATHS, Settings};

/// What a node's kubelet shall run with; `None` if the file sets nothing for it.
fn settings(cluster: &Cluster, node: &Node) -> Option<Settings> {
    match (cluster.kubernetes.as_ref()?.kubelet.as_ref(), node.kubelet.as_ref()) {
        (Some(all), Some(own)) => Some(all.with(own)),
        (one, other) => one.or(other).cloned(),
    }
}

/// Kubelets are asked by the first control plane, those that have settings.
pub(super) fn asks(wanted: &Wanted<'_>, node: &Node) -> Asked {
    if wanted.members.is_none() {
        return Asked::default();
    }
    let own = if settings(wanted.cluster, node).is_some() { PATHS.map(str::to_owned).into() } else { Vec::new() };
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
    let all = cluster.kubernetes.iter().filter_map(|kubernetes| kubernetes.kubelet.as_ref());
    let all: Vec<&Settings> = all.chain(cluster.nodes.iter().filter_map(|node| node.kubelet.as_ref())).collect();
    if all.is_empty() {
        return KubeletFacts::default();
    }
    let fields: BTreeSet<&str> = all.into_iter().flat_map(Settings::names).collect();
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
    kubelet::plan(&Candidate {
        told: seen.kubelets.0.get(hostname.as_str()),
        spec: &KubeletSpec { name: node.name.clone(), hostname, settings: settings(cluster, node), first: spec.first.clone() },
        files: &setup.files,
        runs: is_member && member.kubelet,
        ready,
    })
}
