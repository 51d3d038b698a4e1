//! One adapter a domain: what the cluster file asks of it, what it asks a machine, how it reads the answers, and its plan. Whatever is listed by domain is
//! listed here, one line each. Who waits for another domain is said in [`super::order`] alone.

pub(super) mod encryption;
pub(super) mod keyserver;
pub(super) mod kubeadm;
pub(super) mod kubelet;
pub(super) mod machine;
pub(super) mod node;
pub(super) mod objects;
pub(super) mod secret;
pub(super) mod service;
pub(super) mod storage;

use kubestead_core::fact::{Fact, Gap};
use kubestead_core::plan::{Kind, Kinds};
use kubestead_core::probe::Section;
use kubestead_core::{claim, key, put};

use crate::bundle::Bundle;
use crate::file::{Cluster, Node};
use crate::kubeadm::KubeadmSpec;
use crate::secret::SecretsWanted;

/// What each domain asks a node, in the order of the sections.
const NODES: [fn(&Wanted<'_>, &Node) -> Asked; 8] =
    [machine::asks, storage::asks, keyserver::asks, node::asks, kubelet::asks, kubeadm::asks, encryption::asks, objects::asks];

/// The kinds of steps of each domain, and of what all share.
const KINDS: [&[Kind]; 11] = [
    claim::KINDS,
    key::KINDS,
    kubestead_storage::ids::KINDS,
    crate::keyserver::ids::KINDS,
    crate::node::ids::KINDS,
    crate::kubelet::ids::KINDS,
    crate::kubeadm::ids::KINDS,
    crate::encryption::ids::KINDS,
    crate::objects::ids::KINDS,
    crate::secret::ids::KINDS,
    crate::service::ids::KINDS,
];

/// The kinds of steps of all domains.
pub fn kinds() -> Kinds {
    Kinds::of(&KINDS)
}

/// What the cluster file asks, with the files beside it: worked out once for all machines.
pub(super) struct Wanted<'a> {
    pub cluster: &'a Cluster,
    pub wish: &'a SecretsWanted,
    /// `None` when the file asks for no Kubernetes, or its software cannot be read.
    pub software: Option<node::Software>,
    /// `None` when the file asks for no Kubernetes.
    pub members: Option<KubeadmSpec>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(cluster: &'a Cluster, bundle: &Fact<Bundle>, keyring: &Fact<String>, wish: &'a SecretsWanted) -> Self {
        Self { cluster, wish, software: node::Software::of(cluster, bundle, keyring), members: kubeadm::spec(cluster) }
    }

    /// Whether a node begins the cluster.
    pub(super) fn is_first(&self, node: &Node) -> bool {
        self.members.as_ref().is_some_and(|members| members.first == node.name)
    }
}

/// What a domain asks a node in the one probe.
#[derive(Default)]
pub(super) struct Asked {
    /// Files that are ours alone.
    pub own: Vec<String>,
    /// Files of ours that the machine makes itself.
    pub made: Vec<String>,
    /// Where files belong that are never replaced.
    pub places: Vec<String>,
    /// Its own questions.
    pub sections: Vec<Section>,
}

/// What all domains together ask a node.
pub(super) fn asked(wanted: &Wanted<'_>, node: &Node) -> Asked {
    let mut all = Asked::default();
    for asks in NODES {
        let Asked { own, made, places, sections } = asks(wanted, node);
        all.own.extend(own);
        all.made.extend(made);
        all.places.extend(places);
        all.sections.extend(sections);
    }
    all
}

impl Asked {
    /// The sections of it: what is where its files belong is one for all.
    pub(super) fn into_sections(self) -> Vec<Section> {
        let files = put::section(self.own.into_iter().chain(self.made), self.places);
        std::iter::once(files).chain(self.sections).collect()
    }
}

/// What was read where there may be no cluster.
fn if_there<T>(read: Result<Option<T>, Gap>) -> Fact<T> {
    match read {
        Ok(Some(facts)) => Fact::Known(facts),
        Ok(None) => Fact::Absent,
        Err(gap) => Fact::Unknown(gap),
    }
}
