//! What kubeadm does for us.

use std::collections::BTreeSet;

use kubestead_core::claim::Adoption;
use kubestead_core::name::Name;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use super::spec::KubeadmSpec;

/// What kubeadm does for us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Adopts or writes down a file before one of ours takes its place.
    Adoption(Adoption),
    /// Lays the configuration of encryption at rest and of admission ready.
    Prepare {
        /// The cluster.
        spec: KubeadmSpec,
    },
    /// Begins the cluster, or finishes a beginning that was cut off.
    Init {
        /// The cluster.
        spec: KubeadmSpec,
        /// The node's address.
        address: String,
    },
    /// Brings a worker in, or finishes a join that was cut off.
    Join {
        /// The cluster.
        spec: KubeadmSpec,
        /// The node.
        node: Name,
        /// Its address.
        address: String,
    },
    /// Has the API server mount folders of KMS plugins, which restarts it; [`crate::encryption`] says when.
    Mount {
        /// The cluster.
        spec: KubeadmSpec,
        /// The node.
        node: Name,
        /// Its address.
        address: String,
        /// The folders that its manifest mounts for plugins now.
        before: Vec<String>,
        /// Those that it shall mount.
        folders: Vec<String>,
        /// At these sockets a plugin must answer before.
        sockets: BTreeSet<String>,
    },
    /// Starts a kubelet that is stopped.
    StartKubelet,
    /// Takes a node out of the cluster; its volumes stay.
    Reset {
        /// The cluster.
        spec: KubeadmSpec,
    },
}

impl Action {
    /// The files of ours that it writes whole. The configuration of encryption at rest is not among them: one that is there is never replaced.
    pub fn writes(&self) -> Vec<Owned> {
        match self {
            Self::Prepare { spec } => vec![spec.record(), spec.admission()],
            Self::Join { spec, .. } => vec![spec.record()],
            Self::Adoption(_) | Self::Init { .. } | Self::Mount { .. } | Self::StartKubelet | Self::Reset { .. } => Vec::new(),
        }
    }
}
