//! `disks`: volume groups, and their devices on each node.

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;

use crate::file::decode::{entries, key_name, list, text};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings, Items};
use crate::file::shape::{Bare, Form, Kind, NAME, Need};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of a volume group.
    struct Group {
        "devices" devices Need::Required, Kind::entries("NODE", &NAME, &Kind::list(&Kind::Text(&DEVICE))),
            "Which disks of a node belong to the group: names that stay from boot to boot, of a device and not of a filesystem. \
             Only what is proven blank is taken.";
    }
}

const DEVICE: Form = Form {
    word: "a path under /dev/disk",
    pattern: r"^/dev/disk/by-[a-z]+/[A-Za-z0-9#+.:=@_\\-]+$",
    example: "/dev/disk/by-id/nvme-EXAMPLE_1TB",
    bare: Bare::String,
};

/// What may be written.
pub(super) const KIND: Kind = Kind::entries("GROUP", &NAME, &Kind::Map(&Group::SHAPE));

/// A device of a volume group on one machine, which may be no node.
pub(crate) struct DeviceDecl {
    pub(crate) group: Name,
    pub(crate) host: At<String>,
    pub(crate) path: At<String>,
}

/// Decodes the section. What may be lost is called as its group, or `GROUP/NODE`.
pub(super) fn decode(node: Option<Yaml>, out: &mut Findings) -> Items<DeviceDecl> {
    // One whose name is wrong may be any.
    let mut groups = out.items(|out| node.map(|n| groups(n, out)).unwrap_or_default());
    let written = std::mem::take(&mut groups.items).into_iter().map(|group| (Some(group.0.to_string()), group));
    let mut hosts = out.named(written, hosts).lost_before(&groups);
    let written = std::mem::take(&mut hosts.items).into_iter().map(|host| (Some(format!("{}/{}", host.0, host.1.value)), host));
    out.named(written, devices).lost_before(&hosts)
}

fn groups(node: Yaml, out: &mut Findings) -> Vec<(Name, Yaml)> {
    let named = entries(node, "disks", out).into_iter().filter_map(|(key, place, value)| {
        let name = key_name(&key, &place, "a volume group", out)?;
        group_name(&name, &place, out);
        Some((name, value))
    });
    named.collect()
}

/// A group on a machine, and its devices there.
type Host = (Name, At<String>, Yaml);

fn hosts((group, value): (Name, Yaml), out: &mut Findings) -> Vec<Host> {
    let written = Group::of(value, "a volume group", out);
    let hosts = written.devices.map(|n| entries(n, "devices", out)).unwrap_or_default();
    hosts.into_iter().map(|(host, place, paths)| (group.clone(), At { value: host, place }, paths)).collect()
}

fn devices((group, host, paths): Host, out: &mut Findings) -> Vec<DeviceDecl> {
    let paths = list(paths, "a node's devices", out).into_iter().filter_map(|n| device(n, out));
    paths.map(|path| DeviceDecl { group: group.clone(), host: host.clone(), path }).collect()
}

/// Kernel names change from boot to boot, and those of a filesystem go when the disk becomes LVM's, so only names that stay are taken, and of
/// those only what udev writes. One that is refused is a device all the same.
fn device(node: Yaml, out: &mut Findings) -> Option<At<String>> {
    let found = text(node, "a device", out)?;
    let hint = || "use a path under /dev/disk/by-id (ls -l /dev/disk/by-id on the node)".to_owned();
    let Some(rest) = found.value.strip_prefix("/dev/disk/by-").filter(|rest| !rest.starts_with("diskseq/")) else {
        let message = format!("{:?} is not a name that stays: kernel names such as sda change from boot to boot", found.value);
        out.error(&found.place, message, hint());
        return Some(found);
    };
    if rest.starts_with("uuid/") || rest.starts_with("label/") {
        let message = format!("{:?} names a filesystem, and is gone once the disk is LVM's", found.value);
        out.error(&found.place, message, hint());
        return Some(found);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_\\".contains(c);
    let whole = rest.split_once('/').is_some_and(|(kind, name)| {
        kind.chars().all(|c| c.is_ascii_lowercase()) && !kind.is_empty() && name.chars().all(plain) && !matches!(name, "" | "." | "..")
    });
    if !whole || found.value.len() > 255 {
        out.error(&found.place, format!("{:?} is not the name of one device", found.value), hint());
        return Some(found);
    }
    Some(found)
}

/// A group's name: LVM makes the folder `/dev/GROUP`, and refuses a name that something in /dev has.
fn group_name(name: &Name, place: &Place, out: &mut Findings) {
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
}
