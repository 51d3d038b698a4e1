//! What can be done for keys.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kubestead_core::claim::Adoption;
use kubestead_core::name::Name;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use super::account::PublicKey;
use super::spec::Site;

/// What can be done for keys. Each carries what it needs and no more: a plan of many nodes has thousands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Adopts or writes down a file before one of ours takes its place.
    Adoption(Adoption),
    /// Sets the key server up: account, folder, forced command, sshd's rules for the account.
    Setup {
        /// Where.
        site: Site,
        /// An address that a node comes from: sshd is asked what it takes for the account from there.
        from: IpAddr,
    },
    /// Makes a node's key pair, on the node; a private key that can be read stays.
    KeyPair,
    /// Writes the node's ssh configuration for key servers.
    Client {
        /// Its files.
        files: Vec<Owned>,
    },
    /// Lets a node in with the key that it has.
    Enrol {
        /// Where.
        site: Site,
        /// The node.
        node: Name,
        /// The address that it comes from.
        address: IpAddr,
        /// The node's public key when this was planned; `None` if the plan makes it.
        key: Option<PublicKey>,
        /// The lines that go: of another key, or of another address.
        replaces: Vec<Replaced>,
        /// Whether it was shut out.
        revoked: bool,
    },
    /// Makes the server's shares of the keys of a node's volumes, on the server.
    Shares {
        /// Where.
        site: Site,
        /// The node.
        node: Name,
        /// The volumes.
        volumes: Vec<Name>,
        /// What lies in the place of some, is no share, and goes, with its number of bytes.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        damaged: BTreeMap<Name, u64>,
    },
    /// Gives a server the shares of a node that another one has.
    Copy {
        /// Where; the other server has them in the same folder.
        site: Site,
        /// The server that has them.
        from: Name,
        /// The node.
        node: Name,
        /// The volumes, each with the sha256 of its share, hex; `None` if the plan makes it.
        shares: BTreeMap<Name, Option<String>>,
        /// What lies in the place of some, is no share, and goes, with its number of bytes.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        damaged: BTreeMap<Name, u64>,
    },
    /// Shuts a node out: its line goes, a mark stays, and its connections end. Its shares stay.
    Revoke {
        /// Where.
        site: Site,
        /// The node.
        node: Name,
        /// The addresses whose connections end, as lines have them.
        addresses: Vec<String>,
    },
    /// Deletes the server's share of a node that was shut out.
    Wipe {
        /// Where.
        site: Site,
        /// The node.
        node: Name,
        /// The volume.
        volume: Name,
    },
}

impl Action {
    /// The files of ours that it writes whole.
    pub fn writes(&self) -> Vec<Owned> {
        match self {
            Self::Setup { site, .. } => site.files().into(),
            Self::Client { files } => files.clone(),
            Self::Adoption(_)
            | Self::KeyPair
            | Self::Enrol { .. }
            | Self::Shares { .. }
            | Self::Copy { .. }
            | Self::Revoke { .. }
            | Self::Wipe { .. } => Vec::new(),
        }
    }
}

/// A line that an enrolment replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    /// Its key.
    pub key: PublicKey,
    /// Its address.
    pub address: String,
}
