//! What can be done to a host's storage.

use kubestead_core::claim::Adoption;
use kubestead_core::name::Name;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use crate::spec::{PoolRoot, Volume};

/// What can be done to a host's storage. Each carries all that it needs; the last guard runs on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Makes a volume group of devices that are proven blank.
    Group {
        /// Its name.
        group: Name,
        /// Its devices.
        devices: Vec<String>,
        /// Volumes that the group had and that are gone with it: the lines by which they were mounted at boot go first.
        #[serde(default)]
        lost: Vec<Volume>,
    },
    /// Adds devices that are proven blank to a volume group on devices of the file.
    Extend {
        /// Its name.
        group: Name,
        /// The devices that it has.
        members: Vec<String>,
        /// The devices that it gets.
        devices: Vec<String>,
    },
    /// Makes an LV with the tag that says it is new.
    Create {
        /// Which; its size is in whole extents.
        volume: Volume,
        /// Whether an LV of another size is there that our tag calls new: it is removed first.
        #[serde(default)]
        replaces: bool,
        /// Whether there was one that was finished and is gone: the lines by which it was mounted at boot go first.
        #[serde(default)]
        lost: bool,
    },
    /// Makes the node's share of the key.
    Share {
        /// Which.
        volume: Volume,
    },
    /// Makes the LUKS2 header with a machine slot and a recovery slot.
    Format {
        /// Of which node: the recovery key is kept under this name.
        node: Name,
        /// Which.
        volume: Volume,
        /// Whether the volume was finished and its header is lost: whatever the LV holds is wiped first.
        #[serde(default)]
        lost: bool,
    },
    /// Adds the slot of the key that a machine fetches, beside that of the recovery key.
    AddWay {
        /// Which.
        volume: Volume,
    },
    /// Removes the slot of the key that a machine fetched.
    RemoveWay {
        /// Which.
        volume: Volume,
    },
    /// Makes the filesystem and drops the tag.
    Mkfs {
        /// Which.
        volume: Volume,
    },
    /// Adopts or writes down a file before one of ours takes its place.
    Adoption(Adoption),
    /// Writes files of ours.
    Files {
        /// Which.
        files: Vec<Owned>,
    },
    /// Writes what opens and mounts volumes at boot: units, and lines in crypttab and fstab.
    Boot {
        /// The units that are not there yet.
        files: Vec<Owned>,
        /// Whose lines are set.
        volumes: Vec<Volume>,
        /// Files of ours that go, as no volume needs them any more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gone: Vec<String>,
    },
    /// Opens and mounts as the boot does; what is unlocked by hand is open already.
    Mount {
        /// Which.
        volume: Volume,
    },
    /// Opens a volume with its recovery key and mounts it, and what waited for that goes on.
    Unlock {
        /// Which.
        volume: Volume,
    },
    /// Starts the services of Kubernetes that waited for volumes, and waits for them.
    Resume,
    /// Grows the LV, the mapping and the filesystem.
    Grow {
        /// Which; its size is the new one, in whole extents.
        volume: Volume,
    },
    /// Makes folders on a mounted volume.
    Directories {
        /// The mounted root.
        root: PoolRoot,
    },
    /// Erases the volume's keys and removes it. Only a reset that names it plans this.
    Wipe {
        /// Which.
        volume: Volume,
    },
}

impl Action {
    /// The files of ours that it writes whole.
    pub fn writes(&self) -> &[Owned] {
        match self {
            Self::Files { files } | Self::Boot { files, .. } => files,
            Self::Group { .. }
            | Self::Extend { .. }
            | Self::Create { .. }
            | Self::Share { .. }
            | Self::Format { .. }
            | Self::AddWay { .. }
            | Self::RemoveWay { .. }
            | Self::Mkfs { .. }
            | Self::Adoption(_)
            | Self::Mount { .. }
            | Self::Unlock { .. }
            | Self::Resume
            | Self::Grow { .. }
            | Self::Directories { .. }
            | Self::Wipe { .. } => &[],
        }
    }
}
