//! What the storage of one host shall be.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;
use kubestead_core::plan::StepId;
use kubestead_core::size::Bytes;
use serde::{Deserialize, Serialize};

/// A filesystem that volumes may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// ext4(5).
    Ext4,
    /// xfs(5).
    Xfs,
}

impl Filesystem {
    /// The name that mount(8) and fstab(5) use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

/// One LV, LUKS2, filesystem and mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The LV's name, and the key's name on the key server.
    pub name: Name,
    /// Its volume group.
    pub group: Name,
    /// Its size; rounded up to whole extents.
    pub size: Bytes,
    /// Its filesystem.
    pub filesystem: Filesystem,
    /// Number of inodes (ext4), when the default does not do.
    pub inodes: Option<u64>,
    /// Its mount point.
    pub path: String,
    /// Whether discards reach the disk.
    pub discard: bool,
}

impl Volume {
    /// `/dev/GROUP/VOLUME`: never `/dev/mapper/GROUP-VOLUME`, where hyphens double.
    pub fn device(&self) -> String {
        format!("/dev/{}/{}", self.group, self.name)
    }

    /// The device-mapper name of the opened volume.
    pub fn mapper(&self) -> String {
        format!("luks-{}", self.name)
    }
}

/// A key server as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyServer {
    /// Its IP address: names may not resolve at boot.
    pub address: String,
    /// sshd's port.
    pub port: u16,
    /// The user that nodes log in as.
    pub user: String,
}

/// Folders for persistent volumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolRoot {
    /// Must be the mount point of a volume of this host.
    pub path: String,
    /// Absolute folders below it.
    pub directories: Vec<String>,
}

/// The storage of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostStorage {
    /// The host.
    pub node: Name,
    /// Volume group to devices, as `/dev/disk/by-…` paths.
    pub groups: BTreeMap<Name, Vec<String>>,
    /// Its volumes.
    pub volumes: Vec<Volume>,
    /// The key servers, in the order in which they are asked.
    pub servers: Vec<KeyServer>,
    /// Folders for persistent volumes.
    pub pool_root: Option<PoolRoot>,
    /// Steps of other domains after which this host can fetch its keys.
    pub after_keys: BTreeSet<StepId>,
}
