//! `volumes`: what LVM, cryptsetup, mkfs and systemd take of their names, sizes and paths. Least sizes are those of the real programs
//! (e2fsprogs 1.47, xfsprogs 6.1, cryptsetup 2.6), tried on files.

mod mount_point;

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;
use kubestead_core::size::Bytes;
use kubestead_storage::spec::{self, Encryption, Filesystem};
use kubestead_storage::ways::Ways;

use self::mount_point::{UNIT, escaped, mount_point};
use crate::file::decode::{boolean, count, entries, key_name, list, name, parsed, size, text};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings, Items};
use crate::file::shape::{Kind, NAME, Need, SIZE};
use crate::file::tree::Node as Yaml;
use crate::file::unlock::{ENCRYPTION, WAYS, encryption, ways};

/// Each volume is an LV, two units and a key; a hundred is many.
const MOST: usize = 500;
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
/// Their numbers have 32 bits.
const MOST_INODES: u64 = 0xffff_ffff;
/// Device-mapper names have 128 bytes with their end, and LVM doubles hyphens in them.
const MAPPER: usize = 127;
/// LVM's own limit for both names with what it puts between.
const LVM: usize = 125;

fields! {
    /// The fields of a volume.
    struct Written {
        "on" on Need::Required, Kind::List { of: &Kind::Text(&NAME), least: 1, most: None, different: false },
            "Where it is: names of nodes, `control-plane`, `worker`, `all`.";
        "group" group Need::Required, Kind::Text(&NAME),
            "The volume group, which has devices on each of these nodes.";
        "size" size Need::Required, Kind::Text(&SIZE),
            "Its size, in extents of 4 MiB: what is not is rounded up and told. 20 MiB at least for ext4, 316 MiB for xfs, of which 16 MiB are LUKS2's \
             header. It only grows.";
        "path" path Need::Required, Kind::Text(&mount_point::FORM),
            "Where it is mounted: no folder that the machine needs to start (`/usr`, `/etc` but `/etc/kubernetes`, `/run` and the like), none of \
             kubestead's own, no `.ssh`, no home folder of who logs in; each hyphen counts four times of 255.";
        "filesystem" filesystem Need::Otherwise("ext4"), Kind::Words(|| Filesystem::ALL.map(Filesystem::as_str).to_vec()),
            "What is made on it.";
        "inodes" inodes Need::Optional("one in 16 KiB"), Kind::Count { least: LEAST_INODES, most: MOST_INODES },
            "How many inodes, for ext4 only: at most one in each KiB.";
        "discard" discard Need::Otherwise("false"), Kind::Boolean,
            "Whether discards reach the disk. They tell which blocks are used.";
        "encryption" encryption Need::Optional("that of `keys.encryption`"), ENCRYPTION,
            "Whether what this one holds is encrypted.";
        "unlock" unlock Need::Optional("that of `keys.unlock`"), WAYS,
            "How this one is unlocked, if it is encrypted.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Entries { called: "NAME", key: &NAME, of: &Kind::Map(&Written::SHAPE), most: Some(MOST) };

/// Where a volume shall be.
pub(crate) struct PlaceDecl {
    /// Its name as it is written.
    pub(crate) volume: String,
    /// Names of nodes and of roles.
    pub(crate) on: Items<At<String>>,
    /// None where it is wrong.
    pub(crate) group: Option<At<Name>>,
}

/// A volume, and where parts of it are written.
pub(crate) struct VolumeDecl {
    pub(crate) volume: spec::Volume,
    pub(crate) on: PlaceDecl,
    pub(crate) size: Place,
    pub(crate) path: Place,
    /// Whether it is encrypted. None where it is not written.
    pub(crate) encrypted: Option<At<bool>>,
    /// How it is unlocked. None where it is not written.
    pub(crate) unlock: Option<At<Ways>>,
}

/// Decodes the section: the volumes, and where those shall be that are wrong otherwise.
pub(super) fn decode(node: Option<Yaml>, out: &mut Findings) -> (Items<VolumeDecl>, Vec<PlaceDecl>) {
    let mut lost = Vec::new();
    let found = out.items(|out| node.map(|n| volumes(n, &mut lost, out)).unwrap_or_default());
    (found, lost)
}

fn volumes(node: Yaml, lost: &mut Vec<PlaceDecl>, out: &mut Findings) -> Vec<VolumeDecl> {
    let mut items = entries(node, "volumes", out);
    if let Some((_, place, _)) = items.get(MOST) {
        out.error(place, format!("{} volumes: {MOST} are the most", items.len()), "make pools on larger volumes".to_owned());
        items.truncate(MOST);
    }
    items.into_iter().filter_map(|(key, place, value)| one((&key, &place), value, lost, out)).collect()
}

fn one((key, place): (&str, &Place), value: Yaml, lost: &mut Vec<PlaceDecl>, out: &mut Findings) -> Option<VolumeDecl> {
    let volume_name = key_name(key, place, "a volume", out);
    if let Some(name) = &volume_name {
        own_name(name, place, out);
    }
    let f = Written::of(value, &format!("volume {key}"), out);
    let missing = f.on.is_none();
    let mut on = out.items(|out| on(f.on, out));
    on.broken |= missing;
    if on.items.is_empty() && !on.broken {
        let message = format!("volume {key} is on no node");
        out.error(place, message, "write `on: [all]`, roles or names of nodes".to_owned());
    }
    let group = f.group.and_then(|n| name(n, "a volume's group", out));
    let size = f.size.and_then(|n| size(n, "a volume's size", out));
    let path = f.path.and_then(|n| mount_point(n, out));
    let filesystem = f.filesystem.and_then(|n| filesystem(n, out)).unwrap_or(Filesystem::Ext4);
    let inodes = f.inodes.and_then(|n| count(n, "inodes", out));
    let discard = f.discard.and_then(|n| boolean(n, "discard", out)).unwrap_or_default();
    let encrypted = f.encryption.and_then(|n| encryption(n, "encryption", out));
    let unlock = f.unlock.and_then(|n| ways(n, "unlock", out));
    let size = room(size, filesystem, inodes.as_ref(), out);
    if let (Some(name), Some(group)) = (&volume_name, &group) {
        names(name, place, &group.value, out);
    }
    let on = PlaceDecl { volume: key.to_owned(), on, group };
    let (Some(name), Some(group), Some(size), Some(path)) = (volume_name, on.group.as_ref(), size, path) else {
        lost.push(on);
        return None;
    };
    let group = group.value.clone();
    let inodes = inodes.map(|at| at.value);
    let (encryption, path_place) = (Encryption::default(), path.place);
    let volume = spec::Volume { name, group, size: size.value, filesystem, inodes, path: path.value, discard, encryption };
    Some(VolumeDecl { volume, on, size: size.place, path: path_place, encrypted, unlock })
}

fn on(node: Option<Yaml>, out: &mut Findings) -> Vec<At<String>> {
    let written = node.map(|n| list(n, "on", out)).unwrap_or_default();
    written.into_iter().filter_map(|n| text(n, "on", out)).collect()
}

fn filesystem(node: Yaml, out: &mut Findings) -> Option<Filesystem> {
    let wrong = |text: &str| format!("{text:?} is neither ext4 nor xfs");
    let found = parsed(node, "a filesystem", out, |text| Filesystem::from_name(text).ok_or_else(|| wrong(text)))?;
    Some(found.value)
}

/// The size, if the filesystem fits it with its inodes.
fn room(size: Option<At<Bytes>>, filesystem: Filesystem, inodes: Option<&At<u64>>, out: &mut Findings) -> Option<At<Bytes>> {
    if let (Some(inodes), Filesystem::Xfs) = (inodes, filesystem) {
        out.error(&inodes.place, "xfs makes inodes as it needs them: a number is for ext4 only", None);
    }
    let size = size?;
    let size = At { value: in_extents(&size, filesystem, out)?, place: size.place };
    if let (Some(inodes), Filesystem::Ext4) = (inodes, filesystem) {
        inodes_fit(inodes, size.value, out);
    }
    Some(size)
}

/// A volume's size: large enough for its filesystem, and in whole extents, which is told.
fn in_extents(size: &At<Bytes>, filesystem: Filesystem, out: &mut Findings) -> Option<Bytes> {
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
fn inodes_fit(inodes: &At<u64>, size: Bytes, out: &mut Findings) {
    let most = (size.0.saturating_sub(HEADER) / INODE_RATIO).min(MOST_INODES);
    if !(LEAST_INODES..=most).contains(&inodes.value) {
        let message = format!("inodes: {} is not {LEAST_INODES} to {most}, which a volume of {size} can have", inodes.value);
        out.error(&inodes.place, message, "leave it out for one inode in 16 KiB".to_owned());
    }
}

/// Whether LVM and systemd take the names of a volume and of its group.
fn names(volume: &Name, place: &Place, group: &Name, out: &mut Findings) {
    let doubled = |name: &Name| name.as_str().len() + name.as_str().matches('-').count();
    let (both, mapped) = (volume.as_str().len() + group.as_str().len(), doubled(volume) + 1 + doubled(group));
    if both > LVM || mapped > MAPPER {
        let message = format!("volume {volume}: with its group {group} its name is longer than LVM takes");
        out.error(place, message, format!("shorten one: {LVM} characters together at most, and {} if hyphens count twice", MAPPER - 1));
    }
}

/// A volume's name. What begins so is LVM's own (lvm(8), "VALID NAMES"); other reserved names hold an underscore.
fn own_name(name: &Name, place: &Place, out: &mut Findings) {
    if let Some(prefix) = ["snapshot", "pvmove"].into_iter().find(|prefix| name.as_str().starts_with(prefix)) {
        let hint = format!("write a name that does not begin with {prefix}");
        out.error(place, format!("a volume: LVM keeps names that begin with {prefix:?} for itself"), hint);
    }
    let unit = "systemd-cryptsetup@luks.service".len() + 4 + escaped(name.as_str());
    if unit > UNIT {
        let message = format!("a volume: the name of its systemd unit would have {unit} characters, and {UNIT} are the most");
        out.error(place, message, "shorten it: each hyphen counts four times".to_owned());
    }
}
