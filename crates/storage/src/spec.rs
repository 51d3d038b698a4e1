//! What the storage of one host shall be.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;
use kubestead_core::plan::StepId;
use kubestead_core::size::Bytes;
use serde::{Deserialize, Serialize};

use crate::ways::{Way, Ways};

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
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ext4, Self::Xfs];

    /// The name that mount(8) and fstab(5) use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// The filesystem of a name of mount(8). `None` if volumes cannot have it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// The bytes of a LUKS2 header with its key slots, as `luksFormat` makes them by default (cryptsetup-luksFormat(8)): what a filesystem
/// lacks of its LV.
pub const HEADER: Bytes = Bytes(16 << 20);

/// The extent of a volume group that kubestead makes: sizes of volumes are rounded up to whole extents.
pub const EXTENT: Bytes = Bytes(4 << 20);

/// The smallest volume that can hold a filesystem, in whole extents: below it mkfs refuses, or makes a filesystem without a journal.
/// Measured with mke2fs 1.47 (2 MiB) and mkfs.xfs 6.1 (300 MiB).
pub fn least(filesystem: Filesystem) -> Bytes {
    let own = match filesystem {
        Filesystem::Ext4 => 2 << 20,
        Filesystem::Xfs => 300 << 20,
    };
    Bytes((HEADER.0 + own).div_ceil(EXTENT.0) * EXTENT.0)
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
    /// Number of inodes (ext4), mkfs's default if `None`.
    pub inodes: Option<u64>,
    /// Its mount point.
    pub path: String,
    /// Whether discards reach the disk.
    pub discard: bool,
    /// Whether it is encrypted, and how it is unlocked then.
    #[serde(default)]
    pub encryption: Encryption,
}

/// Whether what a volume holds is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Encryption {
    /// By LUKS2, which these ways unlock.
    Luks(Ways),
    /// Not at all: the filesystem lies on the LV itself, and whoever has the disk reads it.
    None,
}

impl Default for Encryption {
    fn default() -> Self {
        Self::Luks(Ways::default())
    }
}

impl Volume {
    /// `/dev/GROUP/VOLUME`: never `/dev/mapper/GROUP-VOLUME`, where hyphens double.
    pub fn device(&self) -> String {
        format!("/dev/{}/{}", self.group, self.name)
    }

    /// The ways by which it is unlocked; `None` if it is not encrypted.
    pub fn ways(&self) -> Option<&Ways> {
        match &self.encryption {
            Encryption::Luks(ways) => Some(ways),
            Encryption::None => None,
        }
    }

    /// Whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.ways().is_some()
    }

    /// Whether a key server has half of its key.
    pub fn fetched(&self) -> bool {
        self.ways().is_some_and(|ways| ways.has(Way::Ssh))
    }

    /// Whether somebody unlocks it after each boot.
    pub fn by_hand(&self) -> bool {
        self.ways().is_some_and(Ways::by_hand)
    }

    /// The device-mapper name of the opened volume, if it is encrypted.
    pub fn mapper(&self) -> String {
        format!("luks-{}", self.name)
    }

    /// The device-mapper name of what holds its filesystem: the opened volume, or the LV itself, in whose name LVM doubles hyphens.
    pub fn mapping(&self) -> String {
        let doubled = |name: &Name| name.as_str().replace('-', "--");
        if self.is_encrypted() { self.mapper() } else { format!("{}-{}", doubled(&self.group), doubled(&self.name)) }
    }

    /// What is mounted, as mount(8), fstab(5) and findmnt(8) call it.
    pub fn source(&self) -> String {
        format!("/dev/mapper/{}", self.mapping())
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

impl HostStorage {
    /// Whether the host needs key servers at all.
    pub fn fetches(&self) -> bool {
        self.volumes.iter().any(Volume::fetched)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Whether mkfs makes a filesystem of so many bytes, with the options that we give it; for ext4 with a journal.
    fn makes(filesystem: Filesystem, bytes: u64) -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes).unwrap();
        let (program, options): (_, &[&str]) = match filesystem {
            Filesystem::Ext4 => ("mkfs.ext4", &["-q", "-F", "-m", "0"]),
            Filesystem::Xfs => ("mkfs.xfs", &["-q", "-f"]),
        };
        let made = Command::new(program).args(options).arg(file.path()).output().unwrap();
        made.status.success() && !String::from_utf8_lossy(&made.stderr).contains("too small for a journal")
    }

    #[test]
    fn what_is_mounted_has_the_name_that_lvm_gives_it() {
        let name = |text: &str| Name::new(text).unwrap();
        let volume = Volume {
            name: name("my-data"),
            group: name("vg-0"),
            size: EXTENT,
            filesystem: Filesystem::Ext4,
            inodes: None,
            path: "/data".into(),
            discard: false,
            encryption: Encryption::None,
        };
        assert_eq!((volume.source().as_str(), volume.device().as_str()), ("/dev/mapper/vg--0-my--data", "/dev/vg-0/my-data"));
        assert!(!volume.fetched() && !volume.by_hand());
        assert_eq!(Volume { encryption: Encryption::default(), ..volume }.source(), "/dev/mapper/luks-my-data");
    }

    #[test]
    fn the_least_sizes_are_those_of_the_real_mkfs() {
        assert_eq!(least(Filesystem::Ext4), Bytes(20 << 20));
        assert_eq!(least(Filesystem::Xfs), Bytes(316 << 20));
        assert!(makes(Filesystem::Ext4, least(Filesystem::Ext4).0 - HEADER.0) && !makes(Filesystem::Ext4, 1 << 20));
        if Command::new("mkfs.xfs").arg("-V").output().is_ok() {
            assert!(makes(Filesystem::Xfs, least(Filesystem::Xfs).0 - HEADER.0) && !makes(Filesystem::Xfs, (300 << 20) - 4096));
        }
    }
}
