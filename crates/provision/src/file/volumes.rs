//! What LVM, cryptsetup, mkfs and systemd take of names, sizes and paths. Least sizes are those of the real programs (e2fsprogs 1.47,
//! xfsprogs 6.1, cryptsetup 2.6), tried on files.

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;
use kubestead_core::size::Bytes;
use kubestead_storage::spec::{self, Filesystem};

use super::cluster::POOL_ROOT;
use super::decode::{At, Findings};

/// LVM makes nothing smaller, and no part of one.
const EXTENT: u64 = spec::EXTENT.0;
/// LUKS2's header, before the first byte of a filesystem.
const HEADER: u64 = spec::HEADER.0;
/// ext4's largest (with blocks of 4 KiB), and the largest that the kernel addresses.
const MOST_EXT4: u64 = 1 << 60;
const MOST_XFS: u64 = (1 << 63) - EXTENT;
/// The inodes that ext4 needs for itself, and how many bytes each takes at least (mke2fs(8), `-i`).
const LEAST_INODES: u64 = 16;
const INODE_RATIO: u64 = 1024;
/// Device-mapper names have 128 bytes with their end, and LVM doubles hyphens in them.
const MAPPER: usize = 127;
/// LVM's own limit for both names with what it puts between.
const LVM: usize = 125;
/// The longest name of a systemd unit, and of a file.
const UNIT: usize = 255;

/// A volume's size: large enough for its filesystem, and in whole extents, which is told.
pub(super) fn size(size: &At<Bytes>, filesystem: Filesystem, out: &mut Findings) -> Option<Bytes> {
    let most = match filesystem {
        Filesystem::Ext4 => MOST_EXT4,
        Filesystem::Xfs => MOST_XFS,
    };
    let least = spec::least(filesystem).0 - HEADER;
    let fs = filesystem.as_str();
    let Some(rounded) = size.value.round_up(EXTENT).filter(|rounded| rounded.0 <= most) else {
        out.error(&size.place, format!("a volume's size: {} is more than {fs} holds, {}", size.value, Bytes(most)), None);
        return None;
    };
    if rounded.0 < HEADER + least {
        let message = format!(
            "a volume's size: {} is too small: {} go to the LUKS2 header, and {fs} needs {}",
            size.value,
            Bytes(HEADER),
            Bytes(least)
        );
        let small = filesystem == Filesystem::Xfs && rounded.0 >= spec::least(Filesystem::Ext4).0;
        let other = if small { ", or take ext4" } else { "" };
        out.error(&size.place, message, format!("write {} or more{other}", Bytes(HEADER + least)));
        return None;
    }
    if rounded != size.value {
        let message = format!("a volume's size: {} bytes are no whole extents of {}: it gets {rounded}", size.value.0, Bytes(EXTENT));
        out.warning(&size.place, message, format!("write {rounded}"));
    }
    Some(rounded)
}

/// A number of inodes that mkfs.ext4(8) makes on a volume of this size.
pub(super) fn inodes(inodes: &At<u64>, size: Bytes, out: &mut Findings) {
    let most = (size.0.saturating_sub(HEADER) / INODE_RATIO).min(u64::from(u32::MAX));
    if !(LEAST_INODES..=most).contains(&inodes.value) {
        let message = format!("inodes: {} is not {LEAST_INODES} to {most}, which a volume of {size} can have", inodes.value);
        out.error(&inodes.place, message, "leave it out for one inode in 16 KiB".to_owned());
    }
}

/// Whether LVM and systemd take the names of a volume and of its group.
pub(super) fn names(volume: &At<Name>, group: &Name, out: &mut Findings) {
    let doubled = |name: &Name| name.as_str().len() + name.as_str().matches('-').count();
    let (both, mapped) = (volume.value.as_str().len() + group.as_str().len(), doubled(&volume.value) + 1 + doubled(group));
    if both > LVM || mapped > MAPPER {
        let message = format!("volume {}: with its group {group} its name is longer than LVM takes", volume.value);
        out.error(
            &volume.place,
            message,
            format!("shorten one: {LVM} characters together at most, and {} if hyphens count twice", MAPPER - 1),
        );
    }
}

/// A volume's name. What begins so is LVM's own (lvm(8), "VALID NAMES"); other reserved names hold an underscore.
pub(super) fn volume_name(name: Name, place: &Place, out: &mut Findings) -> At<Name> {
    if let Some(prefix) = ["snapshot", "pvmove"].into_iter().find(|prefix| name.as_str().starts_with(prefix)) {
        let hint = format!("write a name that does not begin with {prefix}");
        out.error(place, format!("a volume: LVM keeps names that begin with {prefix:?} for itself"), hint);
    }
    let unit = "systemd-cryptsetup@luks.service".len() + 4 + escaped(name.as_str());
    if unit > UNIT {
        let message = format!("a volume: the name of its systemd unit would have {unit} characters, and {UNIT} are the most");
        out.error(place, message, "shorten it: each hyphen counts four times".to_owned());
    }
    At { value: name, place: place.clone() }
}

/// How long a text is in a unit's name (systemd.unit(5), "String escaping").
fn escaped(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || ":_./".contains(c) { 1 } else { 4 }).sum()
}

/// A group's name: LVM makes the folder `/dev/GROUP`, and refuses a name that something in /dev has.
pub(super) fn group_name(name: &Name, place: &Place, out: &mut Findings) {
    // LVM calls a volume of it `luks-NAME` in /dev/mapper, as cryptsetup calls the opened volume.
    if name.as_str() == "luks" {
        let message = "a volume group: luks and a volume's name make the name of the volume that cryptsetup opens";
        out.error(place, message, "write another name, such as vg01".to_owned());
    }
    if taken_in_dev(name.as_str()) {
        let message = format!("a volume group: /dev/{name} is something else's on Linux, and LVM needs it as the group's folder");
        out.error(place, message, "write another name, such as vg01".to_owned());
    }
}

/// What devtmpfs and udev make in /dev on one machine or another.
fn taken_in_dev(name: &str) -> bool {
    const NAMES: [&str; 68] = [
        "autofs",
        "block",
        "bsg",
        "btrfs-control",
        "bus",
        "cdrom",
        "cdrw",
        "char",
        "console",
        "core",
        "cpu",
        "cuse",
        "disk",
        "dma-heap",
        "dri",
        "dvd",
        "dvdrw",
        "fd",
        "full",
        "fuse",
        "gpiochip",
        "hpet",
        "hugepages",
        "hwrng",
        "infiniband",
        "initctl",
        "input",
        "kfd",
        "kmsg",
        "kvm",
        "lightnvm",
        "log",
        "loop-control",
        "mapper",
        "mcelog",
        "md",
        "mem",
        "mqueue",
        "net",
        "null",
        "nvme-fabrics",
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
        "serial",
        "sgx",
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
        "userfaultfd",
        "vfio",
        "vsock",
        "zero",
    ];
    /// Names with a number after them, and perhaps parts after that.
    const NUMBERED: [&str; 40] = [
        "bcache", "cec", "dm-", "drbd", "fb", "fd", "gpiochip", "hidraw", "i2c-", "ipmi", "isst", "kvm", "loop", "md", "media", "mei",
        "mmcblk", "mtd", "nbd", "ng", "nst", "nvme", "pmem", "ppp", "pps", "ptp", "ram", "rbd", "rtc", "sg", "sr", "st", "tpm", "tpmrm",
        "tty", "usbmon", "vcs", "video", "watchdog", "zram",
    ];
    /// Disks: letters, and perhaps a partition's number.
    const LETTERED: [&str; 4] = ["sd", "vd", "xvd", "ubd"];
    let numbered = |prefix: &&str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let lettered = |prefix: &&str| {
        name.strip_prefix(prefix)
            .map(|rest| rest.trim_end_matches(|c: char| c.is_ascii_digit()))
            .is_some_and(|letters| (1..=2).contains(&letters.len()) && letters.bytes().all(|c| c.is_ascii_lowercase()))
    };
    let serial = name.strip_prefix("tty").is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_digit()));
    let rest = [
        "vcs",
        "vcsa",
        "vcsu",
        "zfs",
        "usb",
        "vga-arbiter",
        "vhost-net",
        "vhost-vsock",
        "vhci",
        "watchdog",
        "gpiochip",
        "tun",
        "xen",
        "ubi",
    ];
    NAMES.contains(&name) || rest.contains(&name) || serial || NUMBERED.iter().any(numbered) || LETTERED.iter().any(lettered)
}

/// What a volume must not be mounted over: the machine needs what lies there before any volume is open, or whoever logs in does.
pub(super) fn hides(path: &str) -> bool {
    const WHOLE: [&str; 18] = [
        "/bin",
        "/boot",
        "/dev",
        "/efi",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/proc",
        "/run",
        "/sbin",
        "/sys",
        "/usr",
        "/var/run",
        "/var/lock",
        "/var/lib/dpkg",
        "/var/lib/private",
        "/var/lib/systemd",
    ];
    const ITSELF: [&str; 8] = ["/", "/etc", "/root", "/tmp", "/var", "/var/lib", "/var/lib/dbus", "/var/tmp"];
    let below = |top: &str| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // Nearly all of /etc is read before a volume is open; Kubernetes' own folder is not.
    let configuration = below("/etc") && !below("/etc/kubernetes");
    // Marks and records of what was done here; the folder of persistent volumes is made to be one.
    let ours = below("/var/lib/kubestead") && path != POOL_ROOT;
    let kernel = ["/vmlinuz", "/initrd.img"].iter().any(|link| path.strip_suffix(".old").unwrap_or(path) == *link);
    let keys = path.split('/').any(|part| part == ".ssh");
    ITSELF.contains(&path) || WHOLE.iter().any(|top| below(top)) || configuration || ours || kernel || keys
}

/// Whether a path is short enough for its parts' file names and its mount unit's.
pub(super) fn too_long(path: &str) -> bool {
    path.split('/').any(|part| part.len() > UNIT) || escaped(path.trim_start_matches('/')) + ".mount".len() > UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_in_dev_of_any_machine_are_no_groups() {
        for taken in [
            "disk", "mapper", "shm", "block", "snapshot", "loop0", "sda", "sda1", "vdb", "xvda", "ubda", "nvme0n1", "dm-0", "md127",
            "ttys0", "tty1", "sr0", "net", "cpu",
        ] {
            assert!(taken_in_dev(taken), "{taken}");
        }
        for free in ["vg01", "data", "disks", "fast", "system", "sdata", "vg-sda", "storage", "loops", "hdd", "ssd-a", "nvme", "vault", "a"]
        {
            assert!(!taken_in_dev(free), "{free}");
        }
    }

    #[test]
    fn what_the_machine_boots_with_is_not_hidden() {
        for bad in [
            "/",
            "/etc",
            "/etc/ssh",
            "/etc/systemd/system",
            "/etc/passwd",
            "/etc/kubernetes-x",
            "/usr",
            "/usr/local",
            "/var/lib",
            "/var/lib/dpkg/info",
            "/var/lib/kubestead",
            "/var/lib/kubestead/volumes/x",
            "/run/x",
            "/boot",
            "/vmlinuz.old",
            "/root/.ssh",
            "/home/ops/.ssh/x",
        ] {
            assert!(hides(bad), "{bad}");
        }
        for good in [
            "/etc/kubernetes",
            "/etc/kubernetes/pki",
            "/vmlinuz-x",
            "/root/x",
            "/var/lib/kubesteads",
            "/var/lib/etcd",
            "/var/lib/kubelet",
            "/srv",
            "/home",
            "/opt/x",
            "/var/log",
            "/var/lib/kubestead/volumes",
            "/data",
        ] {
            assert!(!hides(good), "{good}");
        }
    }
}
