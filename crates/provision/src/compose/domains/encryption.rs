//! Encryption at rest.

use kubestead_core::fact::Fact;
use kubestead_core::key::ESCROW;
use kubestead_core::plan::{Held, Part, Target};
use kubestead_core::probe::Answers;

use super::super::{Action, KeyKind, Seen};
use super::{Asked, Wanted};
use crate::encryption::{self, EncryptionFacts, Entry, escrow_name};
use crate::file::{Cluster, Node};
use crate::kubeadm::{self, Candidate, KubeadmSpec};

pub(super) fn asks(wanted: &Wanted<'_>, node: &Node) -> Asked {
    let sections = match &wanted.cluster.kubernetes {
        Some(kubernetes) if node.is_control_plane() => encryption::sections(&kubernetes.encryption, wanted.is_first(node)),
        Some(_) | None => Vec::new(),
    };
    Asked { sections, ..Asked::default() }
}

pub(in super::super) fn read(wanted: &Wanted<'_>, node: &Node, answers: &Answers) -> Fact<EncryptionFacts> {
    if wanted.cluster.kubernetes.is_some() && node.is_control_plane() { Fact::from_result(encryption::read(answers)) } else { Fact::Absent }
}

/// What keeps a control plane from beginning the cluster: its key file is there already, and its key is not in the escrow. Another key would be made,
/// and the file is never replaced.
pub(in super::super) fn other_key(spec: &KubeadmSpec, first: &Candidate<'_>, seen: &Seen) -> Option<Held> {
    let Entry::Key { name, .. } = &spec.encryption.entry else { return None };
    let begun = matches!(first.facts.state, kubeadm::State::Fresh | kubeadm::State::Begun);
    let key = escrow_name(name);
    (begun && first.facts.encryption && !seen.escrow.contains(&key)).then(|| {
        let reason = format!("{} is there, and {key} is not in the escrow", encryption::FILE);
        let hint = format!("restore {key}.age from the repository's history; if nothing was encrypted with it, move that file away");
        Held::on(first.name, "encryption", reason, hint)
    })
}

/// The key of encryption at rest, made when it is asked for the first time.
pub(in super::super) fn escrow(spec: &KubeadmSpec, seen: &Seen) -> Part<Action> {
    let mut part = Part::default();
    if let Entry::Key { name, .. } = &spec.encryption.entry
        && !seen.escrow.contains(&escrow_name(name))
    {
        let name = escrow_name(name);
        let action = Action::Escrow { name: name.clone(), kind: KeyKind::Encryption };
        let why = "make the key that encrypts values in etcd and keep it encrypted";
        part.push(ESCROW.step(Target::Operator, name, action, why));
    }
    part
}

/// Encryption at rest on a cluster that is there: nothing to do, or the stages of a rotation. All control planes must be seen. An API server
/// that does not answer may be one whose KMS plugin does not: that is said.
pub(in super::super) fn plan(cluster: &Cluster, spec: &KubeadmSpec, seen: &Seen, answers: bool) -> Part<encryption::Action> {
    let mut servers = Vec::new();
    let only = |held| Part { steps: Vec::new(), held };
    for node in cluster.control_planes() {
        let fact = seen.nodes.get(&node.name).and_then(Fact::known).map(|found| &found.encryption);
        match fact {
            Some(Fact::Known(facts)) => servers.push(encryption::Server { name: &node.name, facts }),
            Some(Fact::Unknown(gap)) => {
                let hint = "fix the file, or restore it: nothing is done to it before it is understood";
                return only(vec![Held::on(&node.name, "encryption", gap.to_string(), hint)]);
            }
            Some(Fact::Absent) | None => return Part::default(), // the node itself is held, with its reason
        }
    }
    if !answers {
        return only(encryption::silent(&servers));
    }
    encryption::plan(&spec.encryption, &servers, &seen.escrow)
}

/// An API server's mounts are in the manifest that kubeadm makes.
pub(in super::super) fn at_home(cluster: &Cluster, spec: &KubeadmSpec, action: encryption::Action) -> Action {
    match action {
        encryption::Action::Mount { node, before, folders, sockets } => {
            let address = cluster.nodes.iter().find(|n| n.name == node).map(|n| n.address.clone()).unwrap_or_default();
            Action::Kubeadm(kubeadm::Action::Mount { spec: spec.clone(), node, address, before, folders, sockets })
        }
        other => Action::Encryption(other),
    }
}
