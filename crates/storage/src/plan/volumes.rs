//! Volumes: made, finished, grown, or held.

use std::collections::BTreeSet;

use kubestead_core::fact::Fact;
use kubestead_core::key::KeyRef;
use kubestead_core::name::Name;
use kubestead_core::plan::StepId;
use kubestead_core::size::Bytes;

use super::{Planner, Whole};
use crate::action::Action;
use crate::extents::{extent, round_up};
use crate::facts::{Folder, Header, Logical, OURS, VolumeFacts};
use crate::fixed;
use crate::spec::Volume;
use crate::ways::Way;

impl<'a> Planner<'a> {
    pub(super) fn volume(&mut self, volume: &'a Volume, facts: &'a VolumeFacts) {
        let name = volume.name.as_str();
        // What is in a group of somebody else, or in one of two of a name, is not ours: the group is held, with its reason.
        if self.facts.groups.get(&volume.group).and_then(Fact::known).is_some_and(|g| g.twin || g.exported || g.named == 0) {
            return;
        }
        if let Some((reason, hint)) = otherwise(volume, facts).or_else(|| obstacle(volume, facts)) {
            self.held(name, reason, hint);
            return;
        }
        let wanted = Volume { size: Bytes(round_up(volume.size.0, extent(self.facts, &volume.group))), ..volume.clone() };
        match &facts.logical {
            Fact::Unknown(gap) => self.held(name, gap.to_string(), "fix this, then plan again"),
            Fact::Absent if !facts.strays.is_empty() => _ = self.fixed(&wanted, facts),
            Fact::Absent if !self.groups.contains(&volume.group) => {}
            Fact::Absent => self.absent(volume, facts, &wanted),
            Fact::Known(logical) if logical.new => self.begun(volume, facts, logical, wanted),
            Fact::Known(logical) => match &facts.header {
                Fact::Known(Header::Ours(_) | Header::Plain(_)) => self.old_volume(volume, facts, logical, &wanted),
                Fact::Known(Header::Mendable(what)) => {
                    let hint = format!("the other copy is whole, and nothing is lost: `cryptsetup repair {}` fixes it", volume.device());
                    self.held(name, what.clone(), hint);
                }
                Fact::Known(header) if !volume.is_encrypted() => self.lost_filesystem(volume, logical, header),
                Fact::Known(header) => self.lost_header(volume, facts, logical, header),
                Fact::Absent | Fact::Unknown(_) => self.held(name, "it was not looked at", "observe again"),
            },
        }
    }

    /// No LV: made, unless it was finished and only the LV is gone.
    fn absent(&mut self, volume: &'a Volume, facts: &'a VolumeFacts, wanted: &Volume) {
        let name = volume.name.as_str();
        let after = BTreeSet::from([self.id(volume.group.as_str(), "group"), self.id(volume.group.as_str(), "extend")]);
        let finished = self.facts.finished(volume);
        // A group that is gone with its volumes asks by itself.
        let alone = matches!(self.facts.groups.get(&volume.group), Some(Fact::Known(_)));
        let create = |lost| Action::Create { volume: wanted.clone(), replaces: false, lost };
        let step = match &finished {
            Some(who) if alone => {
                let reason = format!("the LV {} is not there, and it was mounted at {} ({who})", volume.device(), volume.path);
                if in_use(facts) {
                    let hint = format!("{} is still open: close it, or reboot the machine, then plan again", volume.mapping());
                    return self.held(name, reason, hint);
                }
                let hint = self.consent(name, "create", "makes it anew, what it held");
                self.held(name, reason, hint);
                self.anew(name, "create", create(true), &volume.path, after)
            }
            _ => self.step(name, "create", create(false), making(volume, wanted), after),
        };
        self.new_volume(volume, facts, step, finished.is_some());
    }

    /// An LV that our tag calls new: it holds nothing, so that it follows the file.
    fn begun(&mut self, volume: &'a Volume, facts: &'a VolumeFacts, logical: &Logical, wanted: Volume) {
        let name = volume.name.as_str();
        let created = if logical.size == wanted.size.0 {
            if let Some((reason, hint)) = unfinished(volume, facts, logical) {
                return self.held(name, reason, hint);
            }
            self.id(name, "create")
        } else if self.groups.contains(&volume.group) {
            let why = format!("{}, instead of one of {} that holds nothing yet", making(volume, &wanted), Bytes(logical.size));
            let after = BTreeSet::from([self.id(volume.group.as_str(), "extend")]);
            self.step(name, "create", Action::Create { volume: wanted, replaces: true, lost: false }, why, after)
        } else {
            return; // the group is held, with its reason
        };
        self.new_volume(volume, facts, created, false);
    }

    fn new_volume(&mut self, volume: &'a Volume, facts: &'a VolumeFacts, created: StepId, lost: bool) {
        if !volume.is_encrypted() {
            return self.make_filesystem(volume, facts, created, lost);
        }
        let format = Action::Format { node: self.spec.node.clone(), volume: volume.clone(), lost: false };
        let after = self.before_format(volume, facts, created);
        let keys = if volume.by_hand() { "the recovery key alone" } else { "a machine key and a recovery key" };
        let why = format!("make the LUKS2 header with {keys}");
        let formatted = self.step(volume.name.as_str(), "format", format, why, after);
        self.make_filesystem(volume, facts, formatted, lost);
    }

    /// The node's share of the key, reused if it is there, and what a header is made after.
    fn before_format(&mut self, volume: &Volume, facts: &VolumeFacts, created: StepId) -> BTreeSet<StepId> {
        let name = volume.name.as_str();
        let mut after = BTreeSet::from([created, KeyRef::recovery(self.spec.node.as_str(), name).escrowed()]);
        if volume.fetched() {
            if !facts.share {
                let why = "make this node's share of the key".to_owned();
                self.step(name, "share", Action::Share { volume: volume.clone() }, why, BTreeSet::new());
            }
            after.extend([self.id(name, "share"), self.id("keys", "fetch")]);
            after.extend(self.spec.after_keys.iter().cloned());
        }
        after
    }

    fn make_filesystem(&mut self, volume: &'a Volume, facts: &'a VolumeFacts, formatted: StepId, lost: bool) {
        let plain = if volume.is_encrypted() { "" } else { ", which is not encrypted" };
        let why = format!("make the {} filesystem{plain}", volume.filesystem.as_str());
        self.step(volume.name.as_str(), "mkfs", Action::Mkfs { volume: volume.clone() }, why, BTreeSet::from([formatted]));
        self.whole.push(Whole { volume, facts, lost });
    }

    /// A finished volume whose header is not ours any more. With our tag on its LV it can be made anew, with consent.
    fn lost_header(&mut self, volume: &'a Volume, facts: &'a VolumeFacts, logical: &Logical, header: &Header) {
        let (name, device) = (volume.name.as_str(), volume.device());
        let found = match header {
            Header::Damaged(what) => what.clone(),
            Header::Blank => format!("{device}: {}", header.describe()),
            other => format!("{device} holds {}", other.describe()),
        };
        if !logical.ours {
            let unclear =
                if *header == Header::Blank { ": it may hold data without a signature, or have its header elsewhere" } else { "" };
            let hint = format!(
                "name another volume; or move it out of the way, which keeps what it holds: lvrename {} {name} {name}-old",
                volume.group
            );
            return self.held(name, format!("{found}, and no tag says that kubestead made it{unclear}"), hint);
        }
        let reason =
            if matches!(header, Header::Damaged(_)) { found } else { format!("{found}, where the header of a finished volume was") };
        if in_use(facts) {
            let hint = format!("{} is still open: save what {} holds before it is closed", volume.mapper(), volume.path);
            return self.held(name, reason, hint);
        }
        let hint = format!(
            "if there is a backup of its header, restore it: cryptsetup luksHeaderRestore; else --yes {} makes it anew, what it held is gone",
            self.id(name, "format")
        );
        self.held(name, reason, hint);
        let nothing = self.id(name, "create");
        let after = self.before_format(volume, facts, nothing);
        let format = Action::Format { node: self.spec.node.clone(), volume: volume.clone(), lost: true };
        let formatted = self.anew(name, "format", format, &volume.path, after);
        self.make_filesystem(volume, facts, formatted, true);
    }

    /// A finished volume without encryption on which its filesystem is not found any more.
    fn lost_filesystem(&mut self, volume: &Volume, logical: &Logical, header: &Header) {
        let (name, device, group) = (&volume.name, volume.device(), &volume.group);
        let found =
            if *header == Header::Blank { "no filesystem is found on it".to_owned() } else { format!("it holds {}", header.describe()) };
        let (reason, hint) = if logical.ours && logical.plain {
            let hint = format!(
                "look at it by hand (`blkid -p {device}`, fsck); if nobody needs what it held: `lvremove {group}/{name}`, then plan again"
            );
            (format!("{device}: {found}, where the filesystem of a finished volume was"), hint)
        } else {
            let hint =
                format!("name another volume; or move it out of the way, which keeps what it holds: lvrename {group} {name} {name}-old");
            (format!("{device}: {found}, and no tag says that kubestead made it without encryption"), hint)
        };
        self.held(name.as_str(), reason, hint);
    }

    /// Holds what of a finished volume the file wants otherwise; whether it is opened and mounted all the same.
    fn fixed(&mut self, wanted: &Volume, facts: &VolumeFacts) -> bool {
        let mut mounts = true;
        for difference in fixed::differences(wanted, facts) {
            mounts &= difference.mounts;
            self.held(wanted.name.as_str(), difference.reason, difference.hint);
        }
        self.moved |= !mounts;
        mounts
    }

    fn old_volume(&mut self, volume: &'a Volume, facts: &'a VolumeFacts, logical: &Logical, wanted: &Volume) {
        let name = volume.name.as_str();
        if facts.ways.contains(&Way::Ssh) && volume.fetched() && !facts.share {
            self.held(
                name,
                format!("the node's share of its key, /etc/kubestead/share.d/{name}, is gone"),
                "open it with the recovery key: `kubestead volume recovery` prints it",
            );
            return;
        }
        if !self.fixed(wanted, facts) {
            return;
        }
        if facts.opened.as_ref().is_some_and(|opened| opened.filesystem.is_empty()) {
            let reason = format!("{} is open, and no filesystem is found in it", volume.mapper());
            self.held(name, reason, format!("look at it by hand: `blkid -p /dev/mapper/{}`, then fsck", volume.mapper()));
            return;
        }
        if let Some((reason, hint)) = locked(&self.spec.node, volume, facts) {
            return self.held(name, reason, hint);
        }
        self.whole.push(Whole { volume, facts, lost: false });
        self.ways(volume, facts);
        if wanted.size.0 < logical.size {
            return;
        }
        if (wanted.size.0 > logical.size || behind(facts, logical)) && self.groups.contains(&volume.group) {
            let after = BTreeSet::from([self.id(name, "mount"), self.id(volume.group.as_str(), "extend")]);
            let why = format!("grow to {} bytes: the volume has {}, and what is in it follows", wanted.size.0, logical.size);
            self.step(name, "grow", Action::Grow { volume: wanted.clone() }, why, after);
        }
    }
}

impl Planner<'_> {
    /// Changes by which ways a finished volume is unlocked: one is added, and proved, before the boot relies on it, and one goes when the boot does not any
    /// more. The recovery slot stays throughout, so that the volume opens at each instant.
    fn ways(&mut self, volume: &Volume, facts: &VolumeFacts) {
        let name = volume.name.as_str();
        match (facts.ways.contains(&Way::Ssh), volume.fetched()) {
            (false, true) => {
                let after = self.before_format(volume, facts, self.id(name, "create"));
                let why = "add the key that this node fetches, beside the recovery key".to_owned();
                self.step(name, "add-way", Action::AddWay { volume: volume.clone() }, why, after);
            }
            (true, false) => {
                let after = BTreeSet::from([self.id("volumes", "boot"), self.id(name, "mount")]);
                let why = "remove the key that this node fetched: it is unlocked by hand".to_owned();
                self.step(name, "remove-way", Action::RemoveWay { volume: volume.clone() }, why, after);
            }
            (true, true) | (false, false) => {}
        }
    }
}

/// A volume that is unlocked by hand, and is closed: since its machine booted nobody did.
fn locked(node: &Name, volume: &Volume, facts: &VolumeFacts) -> Option<(String, String)> {
    (volume.by_hand() && facts.opened.is_none()).then(|| {
        let reason = format!("it is locked, and {} and all that needs it wait", volume.path);
        (reason, format!("unlock the volumes of this node with their recovery keys: kubestead volume unlock {node}"))
    })
}

/// What is made, and of what size when that is not just what the file says.
fn making(volume: &Volume, wanted: &Volume) -> String {
    let rounded = if wanted.size == volume.size { String::new() } else { format!(" ({}, rounded up to whole extents)", volume.size) };
    let plain = if volume.is_encrypted() { "" } else { ", not encrypted" };
    format!("make LV {} of {}{rounded}{plain}", volume.device(), wanted.size)
}

/// LUKS2's header (16 MiB by default, cryptsetup-luksFormat(8)) and what a filesystem leaves unused at its end.
const SLACK: u64 = 32 << 20;

/// Whether the mapping or the filesystem was left behind by a growth that was cut off.
fn behind(facts: &VolumeFacts, logical: &Logical) -> bool {
    facts
        .opened
        .as_ref()
        .is_some_and(|o| o.size.saturating_add(SLACK) < logical.size || (o.used > 0 && o.used.saturating_add(SLACK) < o.size))
}

/// Whether a volume is open or mounted.
pub(super) fn in_use(facts: &VolumeFacts) -> bool {
    facts.opened.is_some() || facts.mounted.is_some() || facts.elsewhere.is_some()
}

/// A volume that is there, and whose encryption is another than the file says: nothing of it is made over.
pub(super) fn otherwise(volume: &Volume, facts: &VolumeFacts) -> Option<(String, String)> {
    let logical = facts.logical.known()?;
    let sealed = match facts.header.known()? {
        Header::Ours(_) | Header::Tokenless(_) | Header::Mendable(_) | Header::Damaged(_) => true,
        Header::Blank | Header::Plain(_) | Header::Foreign(_) => false,
    };
    let device = volume.device();
    let is = match (volume.is_encrypted(), logical.plain) {
        (false, _) if sealed => "has a LUKS header",
        // It was begun to be encrypted, and cut off before it was.
        (false, false) if logical.ours && logical.new => "was made to be encrypted",
        (true, true) => "was made without encryption",
        (true, false) | (false, _) => return None,
    };
    let says = if volume.is_encrypted() { "that it is encrypted" } else { "`encryption: none`" };
    let hint = if logical.new {
        format!("it holds nothing yet: `lvremove {}/{}`, then plan again", volume.group, volume.name)
    } else {
        let word = if volume.is_encrypted() { "write `encryption: none` for it" } else { "take `encryption: none` away from it" };
        format!("{word}; to change it, give the file another volume with another name, and copy")
    };
    Some((format!("{device} {is}, and the file says {says}"), hint))
}

/// Why a volume is not touched at all, and what to do.
fn obstacle(volume: &Volume, facts: &VolumeFacts) -> Option<(String, String)> {
    let gap = facts.header.gap().or_else(|| facts.logical.gap());
    gap.map(|gap| (gap.to_string(), "fix this, then plan again".to_owned()))
        .or_else(|| in_other_hands(volume, facts))
        .or_else(|| not_new(volume, facts))
        .or_else(|| in_the_way(volume, facts))
}

/// The mapping of our name on another device, or another user of the LV.
pub(super) fn in_other_hands(volume: &Volume, facts: &VolumeFacts) -> Option<(String, String)> {
    let (mapper, device) = (volume.mapper(), volume.device());
    if let Some(below) = facts.opened.as_ref().and_then(|opened| opened.strange.as_ref()) {
        return Some(if facts.logical == Fact::Absent {
            let hint = "find the disk; if it is gone for good, reboot the machine, then plan again";
            (format!("{mapper} is open, and its LV {device} is not there"), hint.to_owned())
        } else {
            let hint = format!("`lsblk` tells whose it is: close it (cryptsetup close {mapper}), or name another volume");
            (format!("{mapper} is open on another device ({below}) than {device}"), hint)
        });
    }
    (!facts.holders.is_empty()).then(|| {
        let hint = "`lsblk` tells whose it is: close it, or name another volume";
        (format!("{device} is in use by {}", facts.holders.join(", ")), hint.to_owned())
    })
}

/// What an LV that our tag calls new holds all the same, and we did not just make.
fn not_new(volume: &Volume, facts: &VolumeFacts) -> Option<(String, String)> {
    let logical = facts.logical.known().filter(|logical| logical.new)?;
    let by_hand = "nothing is touched that is not proven ours; save what it holds, or name another volume";
    let device = volume.device();
    let holds = match &facts.header {
        // While the header is made it is in no state that could hold data.
        Fact::Known(Header::Damaged(_) | Header::Mendable(_) | Header::Tokenless(_)) if logical.formatting => None,
        Fact::Known(Header::Damaged(what) | Header::Mendable(what)) => return Some((what.clone(), by_hand.to_owned())),
        Fact::Known(Header::Foreign(what) | Header::Tokenless(what)) => Some(format!("{device} holds {what}")),
        // A filesystem of ours that is being made, or one that shows below.
        Fact::Known(Header::Plain(_) | Header::Ours(_) | Header::Blank) | Fact::Absent | Fact::Unknown(_) => None,
    };
    let inside = facts.opened.as_ref().filter(|opened| !opened.filesystem.is_empty() && !logical.mkfs);
    let holds = holds.or_else(|| inside.map(|opened| format!("{device} is tagged as new and holds {}", opened.filesystem)));
    // The tag goes before the first mount.
    let own = volume.source();
    let place = facts.mounted.as_ref().filter(|source| **source == own).map(|_| &volume.path).or(facts.elsewhere.as_ref());
    let holds = holds.or_else(|| place.map(|place| format!("{device} is tagged as new and is mounted at {place}")));
    holds.map(|holds| (holds, by_hand.to_owned()))
}

/// What the header of an LV that our tag calls new cannot be finished with: it is made again as a whole, and only while it is closed; and a whole
/// one opens with the share that it was made with. The LV holds nothing yet.
fn unfinished(volume: &Volume, facts: &VolumeFacts, logical: &Logical) -> Option<(String, String)> {
    let (name, mapper, device) = (&volume.name, volume.mapper(), volume.device());
    match &facts.header {
        Fact::Known(Header::Blank | Header::Tokenless(_) | Header::Damaged(_)) if facts.opened.is_some() => {
            let reason = format!("{mapper} is open, and {device} has no whole header of ours: kubestead did not open it");
            Some((reason, format!("look at what it is; `cryptsetup close {mapper}` closes it, then plan again")))
        }
        Fact::Known(Header::Ours(_)) if volume.fetched() && !logical.formatting && !facts.share => {
            let reason = format!(
                "the node's share of its key, /etc/kubestead/share.d/{name}, is gone, and {device} has a header that was made with it"
            );
            Some((reason, format!("it holds nothing yet: `lvremove {}/{name}` (close {mapper} first), then plan again", volume.group)))
        }
        Fact::Known(_) | Fact::Absent | Fact::Unknown(_) => None,
    }
}

/// What stands where it is mounted, or in the lines by which it is.
pub(super) fn in_the_way(volume: &Volume, facts: &VolumeFacts) -> Option<(String, String)> {
    let own = volume.source();
    if let Some(real) = &facts.resolved {
        return Some((
            format!("{} is a link or goes through one: on this machine it is {real}", volume.path),
            format!("name {real} as its path, or replace the link by a folder"),
        ));
    }
    match &facts.mounted {
        Some(source) if *source != own => {
            return Some((format!("{source} is mounted at {}", volume.path), "unmount it, or choose another path".to_owned()));
        }
        None if facts.folder == Folder::Filled => {
            return Some((format!("{} holds files and would be hidden by the mount", volume.path), "move them away".to_owned()));
        }
        None if facts.folder == Folder::Barred => {
            let reason = format!("{} cannot be made: it, or what it would be in, is a file and no folder", volume.path);
            return Some((reason, "move that file away, or choose another path".to_owned()));
        }
        Some(_) | None => {}
    }
    let crypttab = facts.crypttab.as_ref().filter(|line| !line.contains(OURS));
    let fstab = facts.fstab.as_ref().filter(|line| line.split_whitespace().next() != Some(own.as_str()));
    let line = crypttab.or(fstab)?;
    Some((format!("crypttab or fstab has a line of somebody else's: {line}"), "remove it, or choose another name or path".to_owned()))
}
