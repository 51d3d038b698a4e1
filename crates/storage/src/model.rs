//! What each action does to the facts: for tests, and to see ahead.

use std::collections::BTreeSet;

use kubestead_core::fact::Fact;

use crate::action::Action;
use crate::extents::{capacity, extent, round_up};
use crate::facts::{Device, Folder, Group, Header, Logical, Opened, StorageFacts, VolumeFacts};
use crate::spec::{EXTENT, HEADER, Volume};
use crate::unit;
use crate::ways::{Way, Ways};

/// The facts after an action that succeeded.
#[must_use]
pub fn model(action: &Action, mut facts: StorageFacts) -> StorageFacts {
    match action {
        Action::Group { group, devices, lost } => {
            let free = used(&mut facts, devices, EXTENT.0);
            facts.groups.insert(group.clone(), Fact::Known(Group::whole(EXTENT.0, free, devices.len() as u64)));
            for volume in lost {
                forget(&mut facts, volume);
            }
        }
        Action::Extend { group, devices, .. } => {
            let extent = extent(&facts, group);
            let more = used(&mut facts, devices, extent);
            if let Some(Fact::Known(known)) = facts.groups.get_mut(group) {
                known.free += more;
                known.named += devices.len() as u64;
                known.lacking.retain(|d| !devices.contains(d));
            }
        }
        Action::Create { volume, lost, .. } => {
            let before = facts.volumes.get(&volume.name).and_then(|v| v.logical.known()).map_or(0, |l| l.size);
            give(&mut facts, volume, before);
            let size = round_up(volume.size.0, extent(&facts, &volume.group));
            take(&mut facts, volume, size);
            let logical = Logical { size, ours: true, new: true, formatting: false, mkfs: false, plain: !volume.is_encrypted() };
            of(&mut facts, volume, |v| (v.logical, v.header, v.opened) = (Fact::Known(logical), Fact::Known(Header::Blank), None));
            if *lost {
                forget(&mut facts, volume);
            }
        }
        Action::Share { volume } => of(&mut facts, volume, |v| v.share = true),
        Action::Format { volume, lost, .. } => {
            of(&mut facts, volume, |v| {
                (v.header, v.ways) = made_with(volume);
                if let Fact::Known(logical) = &mut v.logical {
                    (logical.formatting, logical.new) = (false, logical.new || *lost);
                    v.opened = Some(Opened { filesystem: String::new(), used: 0, ..opened(volume, logical.size) });
                }
            });
            if *lost {
                forget(&mut facts, volume);
            }
        }
        Action::AddWay { volume } => of(&mut facts, volume, |v| _ = v.ways.insert(Way::Ssh)),
        Action::RemoveWay { volume } => of(&mut facts, volume, |v| _ = v.ways.remove(&Way::Ssh)),
        Action::Mkfs { volume } => of(&mut facts, volume, |v| {
            if let Fact::Known(logical) = &mut v.logical {
                v.opened = Some(opened(volume, logical.size));
                (logical.new, logical.mkfs) = (false, false);
                if !volume.is_encrypted() {
                    v.header = Fact::Known(Header::Plain(volume.filesystem.as_str().to_owned()));
                }
            }
        }),
        Action::Adoption(adoption) => {
            if let Fact::Known(known) = &mut facts.files {
                adoption.model(known);
            }
        }
        Action::Files { files } => {
            if let Fact::Known(known) = &mut facts.files {
                for file in files {
                    known.put(file);
                }
                known.pending = false;
            }
        }
        Action::Boot { files, volumes, gone } => {
            facts = model(&Action::Files { files: files.clone() }, facts);
            if let Fact::Known(known) = &mut facts.files {
                for path in gone {
                    known.found.remove(path);
                    known.written.remove(path);
                }
            }
            for volume in volumes {
                of(&mut facts, volume, |v| (v.crypttab, v.fstab) = (unit::crypttab(volume), Some(unit::fstab(volume))));
            }
        }
        Action::Resume => {}
        Action::Unlock { volume } => of(&mut facts, volume, |v| {
            v.opened = Some(opened(volume, v.logical.known().map_or(0, |logical| logical.size)));
            (v.mounted, v.folder) = (Some(volume.source()), Folder::Free);
        }),
        Action::Mount { volume } => of(&mut facts, volume, |v| (v.mounted, v.folder) = (Some(volume.source()), Folder::Free)),
        Action::Grow { volume } => {
            let wanted = round_up(volume.size.0, extent(&facts, &volume.group));
            let now = facts.volumes.get(&volume.name).and_then(|v| v.logical.known()).map_or(0, |l| l.size);
            take(&mut facts, volume, wanted.saturating_sub(now));
            of(&mut facts, volume, |v| {
                if let Fact::Known(logical) = &mut v.logical {
                    logical.size = wanted;
                    v.opened = Some(opened(volume, logical.size));
                }
            });
        }
        Action::Wipe { volume } => of(&mut facts, volume, |v| {
            (v.logical, v.header, v.opened, v.mounted) = (Fact::Absent, Fact::Absent, None, None);
            (v.share, v.crypttab, v.fstab) = (false, None, None);
        }),
        Action::Directories { root } => facts.directories.clone_from(&root.directories),
    }
    facts
}

/// What is inside a volume of that many bytes, below its LUKS2 header if it has one.
fn opened(volume: &Volume, size: u64) -> Opened {
    let size = if volume.is_encrypted() { size.saturating_sub(HEADER.0) } else { size };
    Opened { size, filesystem: volume.filesystem.as_str().to_owned(), used: size, inodes: None, strange: None }
}

/// The header that a volume gets, and the ways by which it opens. The recovery slot is always there.
fn made_with(volume: &Volume) -> (Fact<Header>, BTreeSet<Way>) {
    let ways: BTreeSet<Way> = volume.ways().into_iter().flat_map(Ways::iter).chain([Way::Recovery]).collect();
    (Fact::Known(Header::Ours(ways.iter().map(|way| way.slot()).collect())), ways)
}

/// Devices become physical volumes: the bytes that they give.
fn used(facts: &mut StorageFacts, devices: &[String], extent: u64) -> u64 {
    facts.devices.extend(devices.iter().map(|device| (device.clone(), Fact::Known(Device::Physical))));
    devices.iter().filter_map(|d| facts.sizes.get(d)).map(|size| capacity(*size, extent)).sum()
}

/// The lines by which a volume is mounted at boot go.
fn forget(facts: &mut StorageFacts, volume: &Volume) {
    of(facts, volume, |v| (v.crypttab, v.fstab) = (None, None));
}

fn give(facts: &mut StorageFacts, volume: &Volume, bytes: u64) {
    if let Some(Fact::Known(group)) = facts.groups.get_mut(&volume.group) {
        group.free = group.free.saturating_add(bytes);
    }
}

fn take(facts: &mut StorageFacts, volume: &Volume, bytes: u64) {
    if let Some(Fact::Known(group)) = facts.groups.get_mut(&volume.group) {
        group.free = group.free.saturating_sub(bytes);
    }
}

fn of(facts: &mut StorageFacts, volume: &Volume, change: impl FnOnce(&mut VolumeFacts)) {
    if let Some(found) = facts.volumes.get_mut(&volume.name) {
        change(found);
    }
}
