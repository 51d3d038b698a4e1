//! From spec and facts to steps: pure, total, deterministic.

use std::collections::BTreeSet;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Step, StepId, Target};
use kubestead_core::put::Owned;
use kubestead_core::put::digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::observe::{Device, Folder, Header, Logical, StorageFacts, VolumeFacts};
use crate::spec::{HostStorage, PoolRoot, Volume};
use crate::unit;

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
    },
    /// Makes an LV with the tag that says it is new.
    Create {
        /// Which.
        volume: Volume,
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
    },
    /// Makes the filesystem and drops the tag.
    Mkfs {
        /// Which.
        volume: Volume,
    },
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
    },
    /// Opens and mounts as the boot does.
    Mount {
        /// Which.
        volume: Volume,
    },
    /// Grows the LV, the mapping and the filesystem.
    Grow {
        /// Which; its size is the new one.
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

/// The UUID that we give to a physical volume (32 letters and digits, in LVM's groups): a run that was cut off between pvcreate and
/// vgcreate is known by it.
pub fn physical_uuid(group: &Name, device: &str) -> String {
    let sum = Sha256::digest(format!("kubestead {group} {device}").as_bytes());
    let letter = |b: &u8| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[usize::from(*b) % 36]);
    let text: String = sum.iter().map(letter).collect();
    let mut groups = Vec::new();
    let mut rest = text.as_str();
    for length in [6, 4, 4, 4, 4, 4, 6] {
        let (head, tail) = rest.split_at(length);
        groups.push(head);
        rest = tail;
    }
    groups.join("-")
}

/// The steps of one host, and what is held.
pub fn plan(spec: &HostStorage, facts: &StorageFacts) -> Part<Action> {
    let mut planner = Planner {
        spec,
        facts,
        part: Part::default(),
        target: Target::Host(spec.node.to_string()),
        groups: BTreeSet::new(),
        whole: Vec::new(),
    };
    if spec.volumes.is_empty() && spec.groups.is_empty() {
        return planner.part;
    }
    planner.groups();
    planner.room();
    let mut volumes: Vec<&Volume> = spec.volumes.iter().collect();
    volumes.sort_by_key(|v| v.path.len()); // a mount below another comes after it
    planner.files("keys", "fetch", "the script that fetches keys at boot", unit::common(spec), BTreeSet::new());
    for volume in &volumes {
        if let Some(facts) = facts.volumes.get(&volume.name) {
            planner.volume(volume, facts);
        }
    }
    let mounts = planner.boot();
    planner.files(
        "services",
        "require-mounts",
        "the kubelet and containerd wait for the volumes",
        unit::require_mounts(spec),
        mounts.clone(),
    );
    planner.directories(mounts);
    planner.part
}

struct Planner<'a> {
    spec: &'a HostStorage,
    facts: &'a StorageFacts,
    part: Part<Action>,
    target: Target,
    /// Groups that exist or will.
    groups: BTreeSet<Name>,
    /// Volumes that can be mounted, in the order of their paths.
    whole: Vec<(&'a Volume, &'a VolumeFacts)>,
}

impl<'a> Planner<'a> {
    fn id(&self, object: &str, deed: &str) -> StepId {
        StepId::new(&self.target.to_string(), object, deed)
    }

    fn held(&mut self, object: &str, reason: impl Into<String>, hint: impl Into<String>) {
        let object = format!("{}/{object}", self.spec.node);
        self.part.held.push(Held::new(object, reason, hint));
    }

    fn step(&mut self, object: &str, deed: &str, action: Action, why: String, after: BTreeSet<StepId>) -> StepId {
        self.part.push(Step::new(self.target.clone(), object, deed, action, why).after(after))
    }

    fn groups(&mut self) {
        for (group, devices) in &self.spec.groups {
            match self.facts.groups.get(group) {
                Some(Fact::Known(known)) if !known.ours => {
                    self.held(
                        group.as_str(),
                        format!("a volume group {group} is there on other devices than the file names"),
                        "name just its devices, or choose another name",
                    );
                }
                Some(Fact::Known(known)) if known.missing > 0 => {
                    self.held(
                        group.as_str(),
                        format!("{} of its devices are missing", known.missing),
                        "find the disk before anything is changed",
                    );
                }
                Some(Fact::Known(_)) => {
                    self.groups.insert(group.clone());
                }
                Some(Fact::Absent) => self.new_group(group, devices),
                Some(Fact::Unknown(gap)) => self.held(group.as_str(), gap.to_string(), "mend this, then plan again"),
                None => self.held(group.as_str(), "it was not looked at", "observe again"),
            }
        }
    }

    fn new_group(&mut self, group: &Name, devices: &[String]) {
        let mut blank = true;
        for device in devices {
            let found = match self.facts.devices.get(device) {
                Some(Fact::Known(Device::Blank | Device::Begun)) => continue,
                Some(Fact::Known(Device::Physical)) => "holds a physical volume of LVM".to_owned(),
                Some(Fact::Known(Device::Taken(what))) => format!("is not blank: {what}"),
                Some(Fact::Unknown(gap)) => gap.to_string(),
                Some(Fact::Absent) | None => "was not seen".to_owned(),
            };
            blank = false;
            self.held(
                group.as_str(),
                format!("{device} {found}"),
                "nothing is touched that is not proven blank; save what it holds and wipe it by hand, or name another device",
            );
        }
        let wanted: u64 = self.spec.volumes.iter().filter(|v| v.group == *group).map(|v| round_up(v.size.0, EXTENT)).sum();
        let room = devices.iter().filter_map(|d| self.facts.sizes.get(d)).map(|size| capacity(*size)).sum();
        if blank && wanted > room {
            blank = false;
            self.no_room(group, wanted, room);
        }
        if blank {
            let action = Action::Group { group: group.clone(), devices: devices.to_vec() };
            self.step(group.as_str(), "group", action, format!("make volume group {group} of {}", devices.join(", ")), BTreeSet::new());
            self.groups.insert(group.clone());
        }
    }

    /// What the new and grown volumes of a group ask for must be free in it.
    fn room(&mut self) {
        for (group, fact) in &self.facts.groups {
            let Fact::Known(known) = fact else { continue };
            let of_group = self.spec.volumes.iter().filter(|v| v.group == *group);
            let wanted: u64 = of_group
                .map(|v| {
                    let now = self.facts.volumes.get(&v.name).and_then(|f| f.logical.known()).map_or(0, |l| l.size);
                    round_up(v.size.0, known.extent).saturating_sub(now)
                })
                .sum();
            if wanted > known.free {
                self.groups.remove(group);
                self.no_room(group, wanted, known.free);
            }
        }
    }

    fn no_room(&mut self, group: &Name, wanted: u64, free: u64) {
        let reason = format!("its volumes ask for {wanted} more bytes, and {free} are free");
        self.held(group.as_str(), reason, "make volumes smaller or add a device");
    }

    fn volume(&mut self, volume: &'a Volume, facts: &'a VolumeFacts) {
        let name = volume.name.as_str();
        if let Some(why) = obstacle(volume, facts) {
            self.held(name, why.0, why.1);
            return;
        }
        let after_group = BTreeSet::from([self.id(volume.group.as_str(), "group")]);
        match &facts.logical {
            Fact::Unknown(gap) => self.held(name, gap.to_string(), "mend this, then plan again"),
            Fact::Absent if !self.groups.contains(&volume.group) => {}
            Fact::Absent => {
                let step = self.step(
                    name,
                    "create",
                    Action::Create { volume: volume.clone() },
                    format!("make LV {} of {}", volume.device(), volume.size),
                    after_group,
                );
                self.new_volume(volume, facts, step);
            }
            Fact::Known(Logical { new: true, .. }) => {
                let nothing = self.id(name, "create");
                self.new_volume(volume, facts, nothing);
            }
            Fact::Known(logical) => self.old_volume(volume, facts, logical),
        }
    }

    fn new_volume(&mut self, volume: &'a Volume, facts: &'a VolumeFacts, created: StepId) {
        let name = volume.name.as_str();
        if !facts.share {
            self.step(name, "share", Action::Share { volume: volume.clone() }, "make this node's share of the key".into(), BTreeSet::new());
        }
        let mut after = self.spec.after_keys.clone();
        after.extend([
            created,
            self.id(name, "share"),
            self.id("keys", "fetch"),
            StepId::new("operator", &format!("recovery.{}.{name}", self.spec.node), "escrow"),
        ]);
        let format = Action::Format { node: self.spec.node.clone(), volume: volume.clone() };
        let formatted = self.step(name, "format", format, "make the LUKS2 header with a machine key and a recovery key".into(), after);
        let why = format!("make the {} filesystem", volume.filesystem.as_str());
        self.step(name, "mkfs", Action::Mkfs { volume: volume.clone() }, why, BTreeSet::from([formatted]));
        self.whole.push((volume, facts));
    }

    fn old_volume(&mut self, volume: &'a Volume, facts: &'a VolumeFacts, logical: &Logical) {
        let name = volume.name.as_str();
        if !facts.share {
            self.held(
                name,
                format!("the node's share of its key, /etc/kubestead/share.d/{name}, is gone"),
                "open it with the recovery key: `kubestead volume recovery` prints it",
            );
            return;
        }
        self.whole.push((volume, facts));
        let extent = self.facts.groups.get(&volume.group).and_then(Fact::known).map_or(1, |g| g.extent);
        let wanted = round_up(volume.size.0, extent);
        if wanted < logical.size {
            self.held(
                name,
                format!("the file says {} bytes and it has {}: volumes only grow", wanted, logical.size),
                "set the size to what it has",
            );
        } else if (wanted > logical.size || behind(facts, logical)) && self.groups.contains(&volume.group) {
            let after = BTreeSet::from([self.id(name, "mount")]);
            self.step(
                name,
                "grow",
                Action::Grow { volume: volume.clone() },
                format!("grow to {wanted} bytes: the volume has {}, and what is in it follows", logical.size),
                after,
            );
        }
    }

    /// What the boot needs, of all volumes at once as systemd reads it as a whole; and the mounts.
    fn boot(&mut self) -> BTreeSet<StepId> {
        let whole = std::mem::take(&mut self.whole);
        let units = whole.iter().flat_map(|(volume, _)| unit::units(volume)).collect();
        let files = self.changed("volumes", units);
        let lacks =
            |v: &Volume, f: &VolumeFacts| f.crypttab.as_deref() != Some(&unit::crypttab(v)) || f.fstab.as_deref() != Some(&unit::fstab(v));
        let volumes: Vec<Volume> = whole.iter().filter(|(v, f)| lacks(v, f)).map(|(v, _)| (*v).clone()).collect();
        if !files.is_empty() || !volumes.is_empty() {
            let made = whole.iter().map(|(v, _)| self.id(v.name.as_str(), "mkfs")).collect();
            let why = "what opens and mounts them at boot: units, lines in crypttab and fstab".to_owned();
            self.step("volumes", "boot", Action::Boot { files, volumes }, why, made);
        }
        let mut mounts = BTreeSet::new();
        for (volume, facts) in whole {
            let name = volume.name.as_str();
            if facts.mounted.is_none() {
                let mut after = BTreeSet::from([self.id(name, "mkfs"), self.id("keys", "fetch"), self.id("volumes", "boot")]);
                after.extend(self.spec.after_keys.iter().chain(&mounts).cloned());
                let fresh = facts.logical.known().is_none_or(|logical| logical.new);
                let why = format!("open and mount at {}{}", volume.path, if fresh { "" } else { "; what is on it shows then" });
                self.step(name, "mount", Action::Mount { volume: volume.clone() }, why, after);
            }
            mounts.insert(self.id(name, "mount"));
        }
        mounts
    }

    fn files(&mut self, object: &str, deed: &str, why: &str, files: Vec<Owned>, after: BTreeSet<StepId>) {
        let files = self.changed(object, files);
        if !files.is_empty() {
            self.step(object, deed, Action::Files { files }, why.to_owned(), after);
        }
    }

    /// Those that are not there as they should be; none when that was not seen, which is held.
    fn changed(&mut self, object: &str, files: Vec<Owned>) -> Vec<Owned> {
        match &self.facts.files {
            Fact::Known(known) => files.into_iter().filter(|f| known.get(&f.path) != Some(&digest(&f.text))).collect(),
            Fact::Absent => Vec::new(),
            Fact::Unknown(gap) => {
                let reason = gap.to_string();
                self.held(object, reason, "mend this, then plan again");
                Vec::new()
            }
        }
    }

    fn directories(&mut self, mounts: BTreeSet<StepId>) {
        let Some(root) = &self.spec.pool_root else { return };
        // What carries them must be mounted, or be mounted by this plan.
        let Some(carrier) = self.spec.volumes.iter().find(|v| v.path == root.path) else { return };
        if !mounts.contains(&self.id(carrier.name.as_str(), "mount")) {
            return;
        }
        if root.directories.iter().any(|d| !self.facts.directories.contains(d)) {
            let why = format!("{} folders for persistent volumes", root.directories.len());
            self.step("pools", "directories", Action::Directories { root: root.clone() }, why, mounts);
        }
    }
}

/// The size of an extent that vgcreate(8) chooses, in bytes.
pub(crate) const EXTENT: u64 = 4 << 20;

/// How many bytes of a device a volume group can give away: whole extents after the first MiB, which LVM keeps for itself.
pub(crate) fn capacity(size: u64) -> u64 {
    size.saturating_sub(1 << 20) / EXTENT * EXTENT
}

/// LUKS2's header (16 MiB by default, cryptsetup-luksFormat(8)) and what a filesystem leaves unused at its end.
const SLACK: u64 = 32 << 20;

/// Whether the mapping or the filesystem was left behind by a growth that was cut off.
fn behind(facts: &VolumeFacts, logical: &Logical) -> bool {
    facts.opened.as_ref().is_some_and(|o| o.size + SLACK < logical.size || (o.used > 0 && o.used + SLACK < o.size))
}

/// Why a volume is not touched at all, and what to do.
fn obstacle(volume: &Volume, facts: &VolumeFacts) -> Option<(String, String)> {
    let blank = Logical { size: 0, new: false, formatting: false, mkfs: false };
    let logical = facts.logical.known().unwrap_or(&blank);
    let by_hand = "nothing is touched that is not proven ours; save what it holds, or name another volume";
    match &facts.header {
        Fact::Unknown(gap) => return Some((gap.to_string(), "mend this, then plan again".into())),
        // While the header is made it is in no state that could hold data.
        Fact::Known(Header::Damaged(_) | Header::Tokenless(_)) if logical.new && logical.formatting => {}
        Fact::Known(Header::Damaged(what)) => {
            return Some((what.clone(), "restore a header backup: cryptsetup luksHeaderRestore".into()));
        }
        Fact::Known(Header::Foreign(what) | Header::Tokenless(what)) => {
            return Some((format!("{} holds {what}", volume.device()), by_hand.into()));
        }
        Fact::Known(Header::Blank) if !logical.new => {
            let hint = format!("if it is free: lvchange --addtag {} {}/{}", crate::observe::NEW, volume.group, volume.name);
            return Some((format!("{} is blank, and our tag that says it is new is not on it", volume.device()), hint));
        }
        Fact::Known(_) | Fact::Absent => {}
    }
    if let Some(inside) = facts.opened.as_ref().filter(|o| !o.filesystem.is_empty() && logical.new && !logical.mkfs) {
        return Some((format!("{} is tagged as new and holds {}", volume.device(), inside.filesystem), by_hand.into()));
    }
    let own = format!("/dev/mapper/{}", volume.mapper());
    match &facts.mounted {
        Some(source) if *source != own => {
            return Some((format!("{source} is mounted at {}", volume.path), "unmount it, or choose another path".into()));
        }
        None if facts.folder == Folder::Filled => {
            return Some((format!("{} holds files and would be hidden by the mount", volume.path), "move them away".into()));
        }
        Some(_) | None => {}
    }
    let foreign = |line: &Option<String>, ours: &str| line.as_ref().filter(|l| !l.contains(ours)).cloned();
    if let Some(line) = foreign(&facts.crypttab, "/run/kubestead/").or_else(|| foreign(&facts.fstab, &own)) {
        return Some((
            format!("crypttab or fstab has a line of somebody else's: {line}"),
            "remove it, or choose another name or path".into(),
        ));
    }
    None
}

/// Up to whole extents.
pub(crate) fn round_up(size: u64, extent: u64) -> u64 {
    size.div_ceil(extent.max(1)) * extent.max(1)
}
