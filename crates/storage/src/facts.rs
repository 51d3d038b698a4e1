//! The storage of a host as seen: values alone.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::put::Files;
use serde::{Deserialize, Serialize};

use crate::spec::Volume;
use crate::ways::Way;

/// The storage of a host as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageFacts {
    /// What each device of the spec holds.
    pub devices: BTreeMap<String, Fact<Device>>,
    /// Bytes of each device that was seen.
    pub sizes: BTreeMap<String, u64>,
    /// The volume groups of the spec.
    pub groups: BTreeMap<Name, Fact<Group>>,
    /// The groups of the spec whose name something below /dev has that is no group: LVM makes none of that name.
    pub occupied: BTreeSet<Name>,
    /// The volumes of the spec.
    pub volumes: BTreeMap<Name, VolumeFacts>,
    /// Volumes of which somebody else knows that they were finished, and how: `2 persistent volumes on it are bound`. Not read here.
    pub witnesses: BTreeMap<Name, String>,
    /// What is where our files belong. Saved is whether it is known alone: what, is saved once for all hosts that have the same.
    #[serde(with = "known_alone")]
    pub files: Fact<Files>,
    /// Folders below the root of persistent volumes, when it is mounted.
    pub directories: Vec<String>,
    /// What else is there, such as a file or a link where a folder shall be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barred: Vec<String>,
}

impl StorageFacts {
    /// Who knows that a volume was finished, though the disk may know nothing of it. `None` for one that never was, as a first run
    /// leaves it that was cut off: its recovery key and its shares are made before its header, but our lines in crypttab and fstab are
    /// written after its filesystem and before it is mounted for the first time.
    pub fn finished(&self, volume: &Volume) -> Option<String> {
        let line = self.volumes.get(&volume.name).and_then(|facts| {
            let own = volume.source();
            let crypttab = facts.crypttab.as_ref().is_some_and(|line| line.contains(OURS)).then_some("/etc/crypttab");
            let fstab = facts.fstab.as_ref().is_some_and(|line| line.split_whitespace().next() == Some(&own)).then_some("/etc/fstab");
            crypttab.or(fstab).map(|file| format!("{file} mounts it at boot"))
        });
        let all: Vec<String> = line.into_iter().chain(self.witnesses.get(&volume.name).cloned()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// What a line of ours in crypttab names: the folder of the sockets by which keys come.
pub(crate) const OURS: &str = "/run/kubestead/";

/// What a whole device holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Device {
    /// No signature, no partition, no holder, no mount, and its first and last MiB are zero.
    Blank,
    /// A physical volume of LVM.
    Physical,
    /// A physical volume of no group with just the UUID that we give: a run of ours was cut off before it made the group.
    Begun,
    /// No signature and nothing that uses it, but its first or last MiB is not zero: what it holds cannot be told.
    Unclear,
    /// Something else, described.
    Taken(String),
}

/// A volume group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Bytes.
    pub extent: u64,
    /// Bytes.
    pub free: u64,
    /// How many of its devices are missing.
    pub missing: u64,
    /// How many of its physical volumes the spec names.
    pub named: u64,
    /// Its physical volumes that the spec does not name.
    pub others: Vec<String>,
    /// The devices of the spec that are none of its physical volumes.
    pub lacking: Vec<String>,
    /// Whether it was exported (vgexport(8)): nothing uses it until it is imported.
    pub exported: bool,
    /// Whether another group has the same name.
    pub twin: bool,
}

impl Group {
    /// A whole group on just the devices that the spec names.
    pub fn whole(extent: u64, free: u64, devices: u64) -> Self {
        Self { extent, free, missing: 0, named: devices, others: Vec::new(), lacking: Vec::new(), exported: false, twin: false }
    }

    /// Whether it is one group on just the devices that the spec names.
    pub fn ours(&self) -> bool {
        !self.twin && !self.exported && self.named > 0 && self.others.is_empty() && self.lacking.is_empty()
    }
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)] // each is a tag that is there or not
pub struct Logical {
    /// Bytes.
    pub size: u64,
    /// Whether our tag says that we made it.
    pub ours: bool,
    /// Whether our tag says that it never held data.
    pub new: bool,
    /// Whether our tag says that its header is being made.
    pub formatting: bool,
    /// Whether our tag says that its filesystem is being made.
    pub mkfs: bool,
    /// Whether our tag says that it was made without encryption, for this volume.
    #[serde(default)]
    pub plain: bool,
}

/// What an LV holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Header {
    /// No signature at all. On an LV that our tag does not call new this proves nothing: a header may lie elsewhere.
    Blank,
    /// LUKS2 with our token; the numbers of its key slots.
    Ours(Vec<u8>),
    /// A filesystem alone, described, on an LV that our tag says we made without encryption.
    Plain(String),
    /// LUKS2 without our token, described.
    Tokenless(String),
    /// One of the two copies of the header does not load and the other does, with our token: it can be fixed without a loss.
    Mendable(String),
    /// The copies of the header are gone or do not load.
    Damaged(String),
    /// Something else, described.
    Foreign(String),
}

impl Header {
    /// What is there, for messages; nothing of what is ours.
    pub fn describe(&self) -> &str {
        match self {
            Self::Blank => "no signature is found on it",
            Self::Ours(_) => "a header of ours",
            Self::Plain(what) | Self::Tokenless(what) | Self::Mendable(what) | Self::Damaged(what) | Self::Foreign(what) => what,
        }
    }
}

/// A mount point's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Folder {
    /// It is not there, or is empty.
    Free,
    /// It holds files and nothing is mounted there.
    Filled,
    /// It cannot be there: it, or what it would be in, is no folder.
    Barred,
}

/// An opened volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// Bytes of the mapping.
    pub size: u64,
    /// The filesystem inside; empty for none.
    pub filesystem: String,
    /// Bytes of that filesystem; 0 when it could not be read.
    pub used: u64,
    /// The inodes of an ext4 filesystem. `None` for another one, or when they could not be read.
    pub inodes: Option<Inodes>,
    /// The device numbers below the mapping, when they are not those of the volume's own LV.
    pub strange: Option<String>,
}

/// How many inodes an ext4 filesystem has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inodes {
    /// All of them.
    pub count: u64,
    /// By how many fewer than it was asked for mkfs may have made: it rounds each block group down to a multiple of 8.
    pub rounding: u64,
}

/// A volume, phase by phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeFacts {
    /// The LV.
    pub logical: Fact<Logical>,
    /// Other groups that have an LV of this name that we made.
    pub strays: Vec<Name>,
    /// What it holds; absent when there is no LV.
    pub header: Fact<Header>,
    /// The ways by which it can be unlocked: the slot of each holds a key, and a token of ours says so or it is the recovery slot.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ways: BTreeSet<Way>,
    /// The volume that the token in its header names, when that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// What else has the LV open: names of the device-mapper, other than the volume's own.
    pub holders: Vec<String>,
    /// What is inside, when it is open.
    pub opened: Option<Opened>,
    /// Whether the node has its share of the key.
    pub share: bool,
    /// What is mounted at its path.
    pub mounted: Option<String>,
    /// Where else it is mounted as a whole.
    pub elsewhere: Option<String>,
    /// Its mount point.
    pub folder: Folder,
    /// Where its path leads on this machine, when the path is a link or goes through one.
    pub resolved: Option<String>,
    /// Its line in crypttab.
    pub crypttab: Option<String>,
    /// The line in fstab for its path by another device, or else that for its mapper.
    pub fstab: Option<String>,
}

mod known_alone {
    use kubestead_core::fact::Fact;
    use kubestead_core::put::Files;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(files: &Fact<Files>, serializer: S) -> Result<S::Ok, S::Error> {
        match files {
            Fact::Known(_) => Fact::Known(()),
            Fact::Absent => Fact::Absent,
            Fact::Unknown(gap) => Fact::Unknown(gap.clone()),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fact<Files>, D::Error> {
        Fact::<()>::deserialize(deserializer).map(|known| known.map(|()| Files::default()))
    }
}
