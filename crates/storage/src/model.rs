//! What each action does to the facts: for tests, and to see ahead.

use kubestead_core::fact::Fact;
use kubestead_core::put::digest;

use crate::observe::{Device, Folder, Group, Header, Logical, Opened, StorageFacts, VolumeFacts};
use crate::plan::{Action, EXTENT, capacity, round_up};
use crate::spec::Volume;
use crate::unit;

/// The facts after an action that succeeded.
#[must_use]
pub fn model(action: &Action, mut facts: StorageFacts) -> StorageFacts {
    match action {
        Action::Group { group, devices } => {
            for device in devices {
                facts.devices.insert(device.clone(), Fact::Known(Device::Physical));
            }
            let free = devices.iter().filter_map(|d| facts.sizes.get(d)).map(|size| capacity(*size)).sum();
            facts.groups.insert(group.clone(), Fact::Known(Group { extent: EXTENT, free, missing: 0, ours: true }));
        }
        Action::Create { volume } => {
            let extent = facts.groups.get(&volume.group).and_then(Fact::known).map_or(1, |g| g.extent);
            let logical = Logical { size: round_up(volume.size.0, extent), new: true, formatting: false, mkfs: false };
            take(&mut facts, volume, logical.size);
            of(&mut facts, volume, |v| (v.logical, v.header) = (Fact::Known(logical), Fact::Known(Header::Blank)));
        }
        Action::Share { volume } => of(&mut facts, volume, |v| v.share = true),
        Action::Format { volume, .. } => of(&mut facts, volume, |v| {
            v.header = Fact::Known(Header::Ours(vec![0, 7]));
            if let Fact::Known(logical) = &mut v.logical {
                logical.formatting = false;
            }
        }),
        Action::Mkfs { volume } => of(&mut facts, volume, |v| {
            if let Fact::Known(logical) = &mut v.logical {
                v.opened = Some(opened(volume, logical.size));
                (logical.new, logical.mkfs) = (false, false);
            }
        }),
        Action::Files { files } => {
            if let Fact::Known(known) = &mut facts.files {
                known.extend(files.iter().map(|f| (f.path.clone(), digest(&f.text))));
            }
        }
        Action::Boot { files, volumes } => {
            facts = model(&Action::Files { files: files.clone() }, facts);
            for volume in volumes {
                of(&mut facts, volume, |v| (v.crypttab, v.fstab) = (Some(unit::crypttab(volume)), Some(unit::fstab(volume))));
            }
        }
        Action::Mount { volume } => {
            of(&mut facts, volume, |v| (v.mounted, v.folder) = (Some(format!("/dev/mapper/{}", volume.mapper())), Folder::Free))
        }
        Action::Grow { volume } => {
            let extent = facts.groups.get(&volume.group).and_then(Fact::known).map_or(1, |g| g.extent);
            let wanted = round_up(volume.size.0, extent);
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

/// What is inside a volume of that many bytes, below its LUKS2 header.
fn opened(volume: &Volume, size: u64) -> Opened {
    let size = size.saturating_sub(16 << 20);
    Opened { size, filesystem: volume.filesystem.as_str().to_owned(), used: size }
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
