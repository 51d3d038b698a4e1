//! Puts the domains' parts together: what is seen, one plan, and who carries each action out.

mod apply;
mod check;
mod domains;
mod model;
mod observe;
mod order;
mod reset;
mod shared;
mod unlock;
mod up;
mod witness;

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::claim::Adoption;
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::put::Owned;
use kubestead_storage::observe::StorageFacts;
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::encryption::{self, EncryptionFacts};
use crate::keyserver::{self, ClientFacts, ServerFacts};
use crate::kubeadm::{self, KubeadmFacts};
use crate::kubelet::{self, KubeletFacts};
use crate::machine::Machine;
use crate::node::{self};
use crate::objects::{self, ApiFacts};
use crate::secret::{self, SecretFacts, SecretsWanted};
use crate::service::{self, ServiceFacts, ServicesWanted};

pub use apply::Executor;
pub use check::check;
pub use domains::keyserver::specs as servers;
pub use domains::kinds;
pub use domains::kubeadm::{first, spec as kubeadm_spec};
pub use domains::objects::{looked_at, names as object_names, refusals};
pub use domains::secret::wish;
pub use domains::service::services;
pub use domains::storage::spec as storage;
pub use model::World;
pub use observe::{observe, own_paths, sections};
pub use reset::reset;
pub use shared::Same;
pub use unlock::unlock;
pub use up::plan;

/// What a key in the escrow is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyKind {
    /// It opens a volume.
    Recovery,
    /// It encrypts values in etcd.
    Encryption,
}

/// Everything that can be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Makes a key and keeps it, encrypted, beside the cluster file.
    Escrow {
        /// Its name.
        name: String,
        /// What it is for, which says how it is made.
        kind: KeyKind,
    },
    /// For the key servers.
    Keys(keyserver::Action),
    /// For disks and volumes.
    Storage(kubestead_storage::action::Action),
    /// For a node's kernel and software.
    Node(node::Action),
    /// For settings of a node's kubelet.
    Kubelet(kubelet::Action),
    /// For membership in the cluster.
    Kubeadm(kubeadm::Action),
    /// For encryption at rest.
    Encryption(encryption::Action),
    /// Through the API.
    #[serde(rename = "cluster")]
    Objects(objects::Action),
    /// For Kubernetes Secrets.
    Secret(secret::Action),
    /// For the users' own services.
    Service(service::Action),
}

impl Action {
    /// The adoption that it is, if it is one.
    pub fn adoption(&self) -> Option<&Adoption> {
        match self {
            Self::Keys(keyserver::Action::Adoption(adoption))
            | Self::Storage(kubestead_storage::plan::Action::Adoption(adoption))
            | Self::Node(node::Action::Adoption(adoption))
            | Self::Kubelet(kubelet::Action::Adoption(adoption))
            | Self::Kubeadm(kubeadm::Action::Adoption(adoption)) => Some(adoption),
            Self::Escrow { .. }
            | Self::Keys(_)
            | Self::Storage(_)
            | Self::Node(_)
            | Self::Kubelet(_)
            | Self::Kubeadm(_)
            | Self::Encryption(_)
            | Self::Objects(_)
            | Self::Secret(_)
            | Self::Service(_) => None,
        }
    }

    /// The files of ours that it writes whole.
    pub fn writes(&self) -> Vec<Owned> {
        match self {
            Self::Keys(action) => action.writes(),
            Self::Storage(action) => action.writes().to_vec(),
            Self::Node(action) => action.writes().to_vec(),
            Self::Kubelet(action) => action.writes().to_vec(),
            Self::Kubeadm(action) => action.writes(),
            Self::Escrow { .. } | Self::Encryption(_) | Self::Objects(_) | Self::Secret(_) | Self::Service(_) => Vec::new(),
        }
    }
}

impl Action {
    /// The files of ours that are gone after it, where it is one that takes some away.
    fn removes(&self) -> &[&'static str] {
        match self {
            Self::Kubelet(action) => action.removes(),
            Self::Escrow { .. }
            | Self::Keys(_)
            | Self::Storage(_)
            | Self::Node(_)
            | Self::Kubeadm(_)
            | Self::Encryption(_)
            | Self::Objects(_)
            | Self::Secret(_)
            | Self::Service(_) => &[],
        }
    }
}

/// A node as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSeen {
    /// The machine.
    pub machine: Machine,
    /// Its storage.
    pub storage: StorageFacts,
    /// Its set-up; `None` if the file asks for no Kubernetes.
    pub setup: Option<node::NodeFacts>,
    /// Its membership.
    pub kubeadm: Option<KubeadmFacts>,
    /// Encryption at rest; absent on a node that is no control plane.
    pub encryption: Fact<EncryptionFacts>,
}

/// All that was seen. No secret ever enters it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen<N = Fact<NodeSeen>> {
    /// The nodes.
    pub nodes: BTreeMap<Name, N>,
    /// The nodes' side of the keys.
    pub keys: BTreeMap<Name, Fact<ClientFacts>>,
    /// The key servers.
    pub servers: BTreeMap<Name, Fact<ServerFacts>>,
    /// The names of the secrets in the escrow.
    pub escrow: BTreeSet<String>,
    /// The bundle on this computer; absent when the file names none.
    pub bundle: Fact<Bundle>,
    /// The key of the packages' repository; absent when the file names none.
    pub keyring: Fact<String>,
    /// What the API has; absent when there is no cluster.
    pub api: Fact<ApiFacts>,
    /// What the folder of secrets asks for; nothing when the file asks for no Kubernetes.
    pub wish: SecretsWanted,
    /// The cluster's Secrets without their values; absent when there is no cluster.
    pub secrets: Fact<SecretFacts>,
    /// What the files of services ask for; nothing when the file asks for no Kubernetes.
    pub asked: ServicesWanted,
    /// What the cluster has of services; absent when there is no cluster that answers.
    pub services: Fact<ServiceFacts>,
    /// What kubelets say that they run with, of the fields that the file sets.
    #[serde(default, skip_serializing_if = "KubeletFacts::is_empty")]
    pub kubelets: KubeletFacts,
    /// Machines that did not answer.
    pub unreachable: BTreeSet<Name>,
}
