//! Membership in the cluster.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, StepId};
use kubestead_core::probe::Answers;

use super::super::{NodeSeen, Seen};
use super::{Asked, Wanted};
use crate::file::{Cluster, Node, Role, host_port};
use crate::kubeadm::{self, Added, Candidate, KubeadmFacts, KubeadmSpec};

/// The control plane that begins the cluster; `None` when the file asks for no Kubernetes.
pub fn first(cluster: &Cluster) -> Option<&Name> {
    cluster.kubernetes.as_ref()?;
    cluster.control_planes().map(|n| &n.name).next()
}

/// The cluster for kubeadm; `None` when the file asks for no Kubernetes.
pub fn spec(cluster: &Cluster) -> Option<KubeadmSpec> {
    let wanted = cluster.kubernetes.as_ref()?;
    let first = cluster.control_planes().next()?;
    let endpoint = cluster.endpoint.clone().unwrap_or_else(|| host_port(&first.address, 6443));
    let mut components = wanted.components.clone();
    // The endpoint's own name is in the certificate in any case, and is not told beside it.
    components.names.remove(kubeadm::host(&endpoint));
    let files = kubeadm::serve(&mut components, wanted.audit.as_ref(), wanted.oidc.as_ref());
    Some(KubeadmSpec {
        name: cluster.name.clone(),
        version: wanted.version.clone(),
        endpoint,
        first: first.name.clone(),
        hostnames: cluster
            .nodes
            .iter()
            .filter(|n| n.hostname.as_str() != n.name.as_str())
            .map(|n| (n.name.clone(), n.hostname.clone()))
            .collect(),
        pods: cluster.network.pods.to_string(),
        services: cluster.network.services.to_string(),
        dns_domain: cluster.network.dns_domain.clone(),
        pods_here: cluster.nodes.len() == 1 || first.roles.contains(&Role::Worker),
        encryption: wanted.encryption.clone(),
        added: Box::new(Added {
            components,
            files,
            taints: cluster.nodes.iter().filter(|n| !n.taints.is_empty()).map(|n| (n.name.clone(), n.taints.clone())).collect(),
        }),
        ignore_preflight: wanted.ignore_preflight.clone(),
        lab: wanted.lab,
    })
}

pub(super) fn asks(wanted: &Wanted<'_>, node: &Node) -> Asked {
    let of = |paths: Option<Vec<&str>>| paths.unwrap_or_default().into_iter().map(str::to_owned).collect();
    let members = wanted.members.as_ref();
    Asked {
        own: of(members.map(|members| members.own_paths(&node.name))),
        places: of(members.map(|members| members.places(&node.name))),
        sections: if wanted.cluster.kubernetes.is_some() { kubeadm::sections() } else { Vec::new() },
        ..Asked::default()
    }
}

pub(in super::super) fn read(wanted: &Wanted<'_>, answers: &Answers) -> Result<Option<KubeadmFacts>, Gap> {
    wanted.cluster.kubernetes.as_ref().map(|_| kubeadm::read(answers)).transpose()
}

/// Where the file describes another cluster than the one that is there: nothing of Kubernetes is done by it.
pub(in super::super) fn another(cluster: &Cluster, spec: &KubeadmSpec, seen: &Seen) -> Vec<Held> {
    let api = seen.api.known();
    let own = seen.nodes.get(&spec.first).and_then(Fact::known).and_then(|found| found.kubeadm.as_ref());
    let fixed = api.map(|api| kubeadm::fixed(spec, api)).unwrap_or_default();
    let backend = api.and_then(|api| kubeadm::backend(cluster.network.backend, api));
    kubeadm::version(spec, api, own).into_iter().chain(fixed).chain(backend).collect()
}

/// Taints of the file that members lack.
pub(in super::super) fn taints(spec: &KubeadmSpec, seen: &Seen) -> Vec<Held> {
    seen.api.known().map(|api| kubeadm::taints(spec, api)).unwrap_or_default()
}

/// What the file adds to the programs of the control plane, where a cluster that is there has it otherwise. What its API server mounts is seen with
/// encryption at rest; where it is not, that is held there.
pub(in super::super) fn components(cluster: &Cluster, spec: &KubeadmSpec, seen: &Seen) -> Part<kubeadm::Action> {
    let part = || {
        let api = seen.api.known().filter(|api| api.answers)?;
        let node = cluster.nodes.iter().find(|node| node.name == spec.first)?;
        let found = seen.nodes.get(&node.name)?.known()?;
        let (plugins, member) = (&found.encryption.known()?.plugins, found.kubeadm.as_ref()?);
        let is_cut = member.cut != kubeadm::Cut::None;
        let plane = kubeadm::Plane { name: &node.name, address: &node.address, plugins, files: &member.files, is_cut };
        Some(kubeadm::change(spec, &plane, api))
    };
    part().unwrap_or_default()
}

/// What comes of membership.
pub(in super::super) struct Members<'a> {
    pub part: Part<kubeadm::Action>,
    /// The nodes that are in or get in.
    pub names: BTreeSet<&'a Name>,
    /// Whether the first control plane has yet to begin the cluster.
    pub fresh: bool,
}

pub(in super::super) fn plan<'a>(
    spec: &KubeadmSpec,
    seen: &Seen,
    candidates: &[Candidate<'a>],
    prepared: &BTreeMap<String, BTreeSet<StepId>>,
) -> Members<'a> {
    let mut part = kubeadm::plan(spec, candidates, prepared);
    let fresh = candidates.iter().any(|c| *c.name == spec.first && c.facts.state != kubeadm::State::ControlPlane);
    // Whether the file still describes this cluster is not known before its API answers: nobody joins it by that file.
    if !fresh && !seen.api.known().is_some_and(|api| api.answers) {
        part.steps.retain(|step| !matches!(step.action, kubeadm::Action::Join { .. }));
        part.steps.extend(candidates.iter().filter(|c| *c.name == spec.first).filter_map(kubeadm::put_back));
    }
    let out: BTreeSet<&str> = part.held.iter().filter_map(Held::on_host).collect();
    let names = candidates.iter().map(|c| c.name).filter(|name| !out.contains(name.as_str())).collect();
    Members { part, names, fresh }
}

/// The end of the cluster on the nodes that were seen; what was not is held.
pub(in super::super) fn reset(cluster: &Cluster, seen: &Seen) -> Part<kubeadm::Action> {
    let mut part = Part::default();
    let mut candidates = Vec::new();
    for node in &cluster.nodes {
        match seen.nodes.get(&node.name).map(|fact| fact.known().ok_or(fact.gap())) {
            Some(Ok(NodeSeen { kubeadm: Some(facts), .. })) => {
                candidates.push(Candidate { name: &node.name, address: &node.address, facts })
            }
            Some(Err(gap)) => {
                let reason = gap.map_or_else(|| "it was not looked at".to_owned(), ToString::to_string);
                let mut held = Held::host(&node.name, reason, "reset it when it can be reached");
                held.unreachable = seen.unreachable.contains(&node.name);
                part.held.push(held);
            }
            Some(Ok(_)) | None => {}
        }
    }
    if let Some(spec) = spec(cluster) {
        part.extend(kubeadm::reset(&spec, &candidates));
    }
    part
}
