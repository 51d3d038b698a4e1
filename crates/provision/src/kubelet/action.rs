//! What can be done for a kubelet.

use std::net::Ipv4Addr;

use kubestead_core::claim::Adoption;
use kubestead_core::name::{HostName, Name};
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use super::approver::APPROVER;
use super::link::LINK;
use super::spec::{PATHS, Settings};

/// What can be done for a kubelet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Adopts or writes down a file before one of ours takes its place.
    Adoption(Adoption),
    /// Writes settings, after the kubelet that is installed has read them; one that runs starts again with them.
    Settings {
        /// The files.
        files: Vec<Owned>,
        /// What it shall say that it runs with.
        settings: Settings,
        /// Its node's name in Kubernetes.
        hostname: HostName,
        /// Where a kubelet runs, the control plane that asks it once it has started again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asks: Option<Name>,
    },
    /// Writes what approves certificates of kubelets, and starts it.
    Approver {
        /// The files.
        files: Vec<Owned>,
    },
    /// Takes it away.
    NoApprover,
    /// Writes what gives the node the address of its cache of names, and does so.
    Link {
        /// The files.
        files: Vec<Owned>,
        /// The address.
        address: Ipv4Addr,
    },
    /// Takes it away; the address stays until the node starts anew.
    NoLink,
    /// Takes settings away that the file does not name any more; a kubelet that runs starts again without them.
    Unset {
        /// Whether one runs.
        runs: bool,
    },
}

impl Action {
    /// The files of ours that it writes whole.
    pub fn writes(&self) -> &[Owned] {
        match self {
            Self::Settings { files, .. } | Self::Approver { files } | Self::Link { files, .. } => files,
            Self::Adoption(_) | Self::Unset { .. } | Self::NoApprover | Self::NoLink => &[],
        }
    }

    /// The files of ours that are gone after it.
    pub fn removes(&self) -> &[&'static str] {
        match self {
            Self::Unset { .. } => &PATHS,
            Self::NoApprover => &APPROVER,
            Self::NoLink => &LINK,
            Self::Adoption(_) | Self::Settings { .. } | Self::Approver { .. } | Self::Link { .. } => &[],
        }
    }

    /// Whether a kubelet that runs starts again.
    pub fn starts_again(&self) -> bool {
        match self {
            Self::Settings { asks, .. } => asks.is_some(),
            Self::Unset { runs } => *runs,
            Self::Adoption(_) | Self::Approver { .. } | Self::NoApprover | Self::Link { .. } | Self::NoLink => false,
        }
    }
}
