//! What kubeadm does for us.

use std::collections::BTreeSet;

use kubestead_core::claim::Adoption;
use kubestead_core::name::Name;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use super::components::Components;
use super::served::owned;
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
    /// Gives the programs of a control plane what the file adds to them; those that change start again, one after the other.
    Components {
        /// The cluster, with what shall be added.
        spec: KubeadmSpec,
        /// The node.
        node: Name,
        /// Its address.
        address: String,
        /// What is added now.
        before: Box<Components>,
        /// The folders that the API server mounts for KMS plugins.
        plugins: Vec<String>,
        /// Whether the API server starts again although its arguments are the same: a file that it reads was changed.
        again: bool,
        /// Whether a run was cut off: all programs are looked at, and the certificate.
        all: bool,
        /// Files that nothing names any more.
        old: BTreeSet<String>,
    },
    /// Puts the manifests of a control plane back that others took the place of, which were not seen to run.
    PutBack,
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
            Self::Prepare { spec } => spec.prepared(),
            Self::Components { spec, .. } => owned(&spec.added.files).collect(),
            Self::Join { spec, .. } => vec![spec.record()],
            Self::Adoption(_) | Self::Init { .. } | Self::Mount { .. } | Self::PutBack | Self::StartKubelet | Self::Reset { .. } => {
                Vec::new()
            }
        }
    }
}
