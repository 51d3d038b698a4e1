//! What can be done to a node.

use std::path::PathBuf;

use kubestead_core::claim::Adoption;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use super::runtime::Package;
use crate::bundle::BundleFile;

/// What can be done to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Writes modules and settings of the kernel, and loads them.
    Kernel {
        /// The files.
        files: Vec<Owned>,
    },
    /// Adopts or writes down a file before one of ours takes its place.
    Adoption(Adoption),
    /// Swap off, now and at boot.
    SwapOff {
        /// Units that are masked.
        mask: Vec<String>,
    },
    /// Installs programs of the bundle.
    Install {
        /// The bundle's folder on the operator's computer.
        bundle: PathBuf,
        /// Which files.
        files: Vec<BundleFile>,
    },
    /// Writes the source of apt and its keyring.
    Source {
        /// The files.
        files: Vec<Owned>,
    },
    /// Installs kubeadm, kubelet and kubectl as packages, and holds them.
    Packages {
        /// Exactly this version, such as `1.37.1`.
        version: String,
        /// The repository of its minor.
        address: String,
    },
    /// Writes containerd's configuration and, for the bundle's, its unit, and starts it; a package of it is installed and held in between.
    Containerd {
        /// The files.
        files: Vec<Owned>,
        /// What is installed, if the machine has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        package: Option<Package>,
    },
    /// Imports images of the bundle, pinned so that no garbage collection takes them.
    Images {
        /// The bundle's folder on the operator's computer.
        bundle: PathBuf,
        /// Which files.
        files: Vec<BundleFile>,
    },
    /// Writes the kubelet's unit and lets it start at boot.
    Kubelet {
        /// The files.
        files: Vec<Owned>,
    },
}

impl Action {
    /// The files of ours that it writes whole. Programs are of the bundle.
    pub fn writes(&self) -> &[Owned] {
        match self {
            Self::Kernel { files } | Self::Source { files } | Self::Containerd { files, .. } | Self::Kubelet { files } => files,
            Self::Adoption(_) | Self::SwapOff { .. } | Self::Install { .. } | Self::Packages { .. } | Self::Images { .. } => &[],
        }
    }
}
