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

    /// The filesystem of a name of mount(8). `None` if volumes cannot have it.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Ext4, Self::Xfs].into_iter().find(|one| one.as_str() == name)
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
    extents(Bytes(HEADER.0 + own))
}

/// A size as LVM gives it in a group that kubestead makes: rounded up to whole extents. The largest such number if that overflows.
pub fn extents(size: Bytes) -> Bytes {
    Bytes(size.0.div_ceil(EXTENT.0).checked_mul(EXTENT.0).unwrap_or(u64::MAX / EXTENT.0 * EXTENT.0))
}

/// Why LVM gives no LV this name (lvm(8), "Valid names"). `None` if it does. What it reserves elsewhere in a name has an underscore,
/// which a [`Name`] never has.
pub fn reserved_volume(name: &Name) -> Option<String> {
    let prefix = ["snapshot", "pvmove"].into_iter().find(|p| name.as_str().starts_with(p))?;
    Some(format!("LVM reserves names that begin with {prefix}"))
}

/// Names below /dev on Linux that no volume group can have, as its volumes are found at /dev/GROUP/VOLUME.
const DEV: &[&str] = &[
    "autofs",
    "block",
    "bsg",
    "btrfs-control",
    "bus",
    "cdrom",
    "char",
    "console",
    "core",
    "cpu",
    "cuse",
    "disk",
    "dma-heap",
    "dri",
    "dvd",
    "fd",
    "full",
    "fuse",
    "hpet",
    "hugepages",
    "hwrng",
    "initctl",
    "input",
    "kfd",
    "kmsg",
    "kvm",
    "log",
    "loop-control",
    "mapper",
    "mcelog",
    "md",
    "mei",
    "mem",
    "mqueue",
    "net",
    "null",
    "nvram",
    "port",
    "ppp",
    "psaux",
    "ptmx",
    "pts",
    "random",
    "raw",
    "rfkill",
    "rtc",
    "sev",
    "sgx-enclave",
    "sgx-provision",
    "shm",
    "snapshot",
    "snd",
    "stderr",
    "stdin",
    "stdout",
    "tty",
    "udmabuf",
    "uhid",
    "uinput",
    "urandom",
    "usb",
    "userfaultfd",
    "vfio",
    "vga-arbiter",
    "vhci",
    "vhost-net",
    "vhost-vsock",
    "vsock",
    "watchdog",
    "xen",
    "zero",
    "zfs",
];

/// Names of kernel devices up to their number.
const NUMBERED: &[&str] = &[
    "cec",
    "cpu-dma-latency",
    "dm-",
    "drm-dp-aux",
    "event",
    "fb",
    "gpiochip",
    "hidraw",
    "hvc",
    "hwmon",
    "i2c-",
    "iio",
    "ipmi",
    "kmem",
    "loop",
    "lp",
    "md",
    "media",
    "mei",
    "mmcblk",
    "mtd",
    "nbd",
    "nvme",
    "parport",
    "pmem",
    "ppp",
    "pps",
    "ptp",
    "ram",
    "rbd",
    "rtc",
    "sg",
    "sr",
    "st",
    "tee",
    "tpm",
    "tpmrm",
    "tty",
    "ubi",
    "usbmon",
    "vcs",
    "vcsa",
    "vcsu",
    "video",
    "vport",
    "watchdog",
    "zd",
    "zram",
];

/// Names of disks up to their letters.
const LETTERED: &[&str] = &["sd", "vd", "xvd", "hd", "ubd"];

/// Why no volume group can have this name. `None` if one can. The list is of what Linux has below /dev; what else a machine has there is
/// seen when it is looked at.
pub fn reserved_group(name: &Name) -> Option<String> {
    let text = name.as_str();
    let numbered = |p: &&&str| text.strip_prefix(**p).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let lettered = |p: &&&str| {
        let rest = text.strip_prefix(**p).unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit());
        (1..=2).contains(&rest.len()) && rest.bytes().all(|c| c.is_ascii_lowercase())
    };
    let taken = DEV.contains(&text) || NUMBERED.iter().find(numbered).is_some() || LETTERED.iter().find(lettered).is_some();
    taken.then(|| format!("/dev/{text} is a name of the kernel or the system, and a group's volumes stand below /dev/{text}"))
}

/// Why the two names together are too long for the device-mapper, where hyphens double. `None` if they fit.
pub fn too_long(group: &Name, volume: &Name) -> Option<String> {
    let escaped = |name: &Name| name.as_str().len() + name.as_str().matches('-').count();
    let length = escaped(group) + 1 + escaped(volume);
    (length > 127).then(|| format!("the device-mapper's name of {group}/{volume} has {length} characters, and it takes 127"))
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

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
    fn the_least_sizes_are_those_of_the_real_mkfs() {
        assert_eq!(least(Filesystem::Ext4), Bytes(20 << 20));
        assert_eq!(least(Filesystem::Xfs), Bytes(316 << 20));
        assert!(makes(Filesystem::Ext4, least(Filesystem::Ext4).0 - HEADER.0) && !makes(Filesystem::Ext4, 1 << 20));
        if Command::new("mkfs.xfs").arg("-V").output().is_ok() {
            assert!(makes(Filesystem::Xfs, least(Filesystem::Xfs).0 - HEADER.0) && !makes(Filesystem::Xfs, (300 << 20) - 4096));
        }
    }

    #[test]
    fn sizes_are_whole_extents() {
        assert_eq!(extents(Bytes(100_000_000)), Bytes(24 * (4 << 20)));
        assert_eq!(extents(Bytes(4 << 20)), Bytes(4 << 20));
        assert_eq!(extents(Bytes(u64::MAX)).0 % EXTENT.0, 0, "it never overflows");
    }

    #[test]
    fn names_that_lvm_or_dev_has_already_are_told() {
        for bad in ["snapshot", "snapshots", "pvmove0", "pvmove"] {
            assert!(reserved_volume(&name(bad)).is_some(), "{bad}");
        }
        for bad in
            ["disk", "shm", "mapper", "net", "input", "null", "sda", "sda1", "vdb", "loop0", "dm-3", "nvme0n1", "md127", "tty1", "md"]
        {
            assert!(reserved_group(&name(bad)).is_some(), "{bad}");
        }
        for good in ["vg01", "data", "disks", "ssd", "st-fast", "storage", "sdata", "vg-a", "network", "ram", "looped", "hdd1tb"] {
            assert_eq!(reserved_group(&name(good)), None, "{good}");
            assert_eq!(reserved_volume(&name(good)), None, "{good}");
        }
        let long = name(&format!("{}a", "a-".repeat(31)));
        assert!(too_long(&long, &long).is_some() && too_long(&name("vg01"), &long).is_none());
    }
}
