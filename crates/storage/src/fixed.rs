//! What cannot change on a volume or a group that is there: tables of what is seen, what the file says, and what to do instead.

use kubestead_core::name::Name;

use crate::facts::{Group, VolumeFacts};
use crate::spec::Volume;

/// One property of a volume that cannot change once its filesystem is made.
pub struct Fixed {
    /// Its key in the file.
    pub field: &'static str,
    /// What the volume has, when it is seen and the file says something else; as a sentence about the volume, such as `it holds ext4`.
    pub differs: fn(&Volume, &VolumeFacts) -> Option<String>,
    /// What the file says.
    pub says: fn(&Volume) -> String,
    /// What to do instead; nothing of it loses data. `{mapper}` stands for the name of the opened volume.
    pub instead: &'static str,
    /// Whether the volume is opened and mounted all the same, as nothing that is written for it depends on the property.
    pub mounts: bool,
}

/// All of them.
pub const FIXED: [Fixed; 5] = [
    Fixed {
        field: "group",
        differs: |_, facts| {
            // An LV of another group beside a finished one of this group is a leftover.
            let made = facts.logical.known().is_some_and(|logical| !logical.new);
            facts.strays.first().filter(|_| !made).map(|group| format!("it is in {group}"))
        },
        says: |volume| volume.group.to_string(),
        instead: "name the group that it is in; to move what it holds, give the file another volume with another name there, and copy",
        mounts: false,
    },
    Fixed {
        field: "filesystem",
        differs: |volume, facts| {
            let found = filesystem(volume, facts)?;
            (found != volume.filesystem.as_str()).then(|| format!("it holds {found}"))
        },
        says: |volume| volume.filesystem.as_str().to_owned(),
        instead: "name the filesystem that it holds; for another one, give the file another volume and copy",
        mounts: false,
    },
    Fixed {
        field: "path",
        differs: |volume, facts| {
            let path = mounted_at(volume, facts)?;
            (path != volume.path).then(|| format!("it is mounted at {path}"))
        },
        says: |volume| volume.path.clone(),
        instead: "name the path that it has; to move it, stop what uses it, unmount it, remove the line of /dev/mapper/{mapper} from \
                  /etc/fstab, and run `up` again",
        mounts: false,
    },
    Fixed {
        field: "size",
        differs: |volume, facts| {
            let has = facts.logical.known()?.size;
            (volume.size.0 < has).then(|| format!("volumes only grow: it has {has} bytes"))
        },
        says: |volume| volume.size.0.to_string(),
        instead: "set the size to what it has",
        mounts: true,
    },
    Fixed {
        field: "inodes",
        differs: |volume, facts| {
            let (wanted, has) = (volume.inodes?, facts.opened.as_ref()?.inodes?);
            (has.count + has.rounding < wanted).then(|| format!("it has {} inodes", has.count))
        },
        says: |volume| volume.inodes.map_or_else(|| "mkfs's default".to_owned(), |inodes| inodes.to_string()),
        instead: "set the number to what it has; for more, give the file another volume and copy, or grow it: ext4 gets inodes with its size",
        mounts: true,
    },
];

/// One reason not to make anything in a group that is there. Its devices cannot change, but for blank ones that are added to it.
pub struct FixedGroup {
    /// What of it is so.
    pub field: &'static str,
    /// What is seen, as a sentence, when it keeps everything from being made in the group.
    pub differs: fn(&Name, &Group) -> Option<String>,
    /// What to do instead. `{group}` stands for its name, `{lacking}` for the devices of the file that it does not have.
    pub instead: &'static str,
}

/// All of them; the first that is so is told.
pub const FIXED_GROUP: [FixedGroup; 5] = [
    FixedGroup {
        field: "name",
        differs: |group, seen| seen.twin.then(|| format!("two volume groups are called {group}")),
        instead: "`vgs -o vg_name,vg_uuid` lists them: rename the one that is not meant, `vgrename UUID {group}-old`",
    },
    FixedGroup {
        field: "exported",
        differs: |group, seen| seen.exported.then(|| format!("the volume group {group} is exported")),
        instead: "if no other machine uses its disks: `vgimport {group}`, then plan again",
    },
    FixedGroup {
        field: "missing devices",
        differs: |_, seen| {
            let which = if seen.lacking.is_empty() { String::new() } else { format!(" (not seen in it: {})", seen.lacking.join(", ")) };
            (seen.missing > 0).then(|| format!("{} of its devices are missing{which}", seen.missing))
        },
        instead: "find the disk before anything is changed: `pvs -o+pv_uuid` lists those that are there",
    },
    FixedGroup {
        field: "all devices",
        differs: |group, seen| {
            let others = seen.others.join(", ");
            (seen.named == 0).then(|| format!("a volume group {group} is there on other devices than the file names: {others}"))
        },
        instead: "choose another name, or name its devices instead of {lacking}",
    },
    FixedGroup {
        field: "more devices",
        differs: |_, seen| {
            let others = seen.others.join(", ");
            (!others.is_empty()).then(|| format!("it is on {others} too, which the file does not name"))
        },
        instead: "name that device too, or take it out of the group by hand: pvmove, vgreduce",
    },
];

/// Why nothing is made in a group that is there, and what to do.
pub(crate) fn of_group(group: &Name, seen: &Group) -> Option<(String, String)> {
    let first = |fixed: &FixedGroup| Some(((fixed.differs)(group, seen)?, fixed.instead));
    let (reason, instead) = FIXED_GROUP.iter().find_map(first)?;
    Some((reason, instead.replace("{group}", group.as_str()).replace("{lacking}", &seen.lacking.join(", "))))
}

/// A property that the file wants otherwise than it is.
pub struct Difference {
    /// `it holds ext4, the file says xfs`.
    pub reason: String,
    /// What to do instead.
    pub hint: String,
    /// Whether the volume is opened and mounted all the same.
    pub mounts: bool,
}

/// What of a finished volume the file wants otherwise, in the order of the table. The volume's size is in whole extents of its group.
pub fn differences(volume: &Volume, facts: &VolumeFacts) -> Vec<Difference> {
    let one = |fixed: &Fixed| {
        let seen = (fixed.differs)(volume, facts)?;
        Some(Difference {
            reason: format!("{seen}, the file says {}", (fixed.says)(volume)),
            hint: fixed.instead.replace("{mapper}", &volume.mapping()),
            mounts: fixed.mounts,
        })
    };
    FIXED.iter().filter_map(one).collect()
}

/// What is inside when it is open; while it is closed, what our line in fstab says that was written when it was made.
fn filesystem(volume: &Volume, facts: &VolumeFacts) -> Option<String> {
    match &facts.opened {
        Some(opened) => (!opened.filesystem.is_empty()).then(|| opened.filesystem.clone()),
        None => word(volume, facts, 2),
    }
}

/// Where it is mounted, or was written to be.
fn mounted_at(volume: &Volume, facts: &VolumeFacts) -> Option<String> {
    if facts.mounted.is_some() {
        return None;
    }
    facts.elsewhere.clone().or_else(|| word(volume, facts, 1).map(|word| crate::observe::mount_point(&word)))
}

/// A word of our line in fstab.
fn word(volume: &Volume, facts: &VolumeFacts, index: usize) -> Option<String> {
    let words: Vec<&str> = facts.fstab.as_ref()?.split_whitespace().collect();
    let own = volume.source();
    (words.first() == Some(&own.as_str())).then(|| words.get(index).map(|word| (*word).to_owned())).flatten()
}
