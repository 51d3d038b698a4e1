//! Invariants over a spec, and over a plan: the second pair of eyes before anything is done.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::claim;
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Step, StepId};

use crate::action::Action;
use crate::facts::{Device, Header, StorageFacts, VolumeFacts};
use crate::spec::{HostStorage, Volume};

/// Which steps of a plan must not run on what was seen, each a sentence; none in a plan of [`crate::plan::plan`]. It asks only whether a
/// step may be, not whether it is wanted, and shares no code with the planner. The steps are all those of one host's storage, each with its action.
pub fn steps<'a, A: 'a>(facts: &StorageFacts, steps: impl IntoIterator<Item = (&'a Step<A>, &'a Action)>) -> Vec<String> {
    let steps: Vec<(&Step<A>, &Action)> = steps.into_iter().collect();
    let mut others = Others { anew: BTreeMap::new(), made: BTreeSet::new(), created: Vec::new() };
    for (step, action) in &steps {
        match action {
            Action::Format { volume, lost: true, .. } => drop(others.anew.insert(&volume.name, &step.id)),
            Action::Mkfs { volume } => drop(others.made.insert(&volume.name)),
            Action::Create { volume, .. } => others.created.push(volume),
            _ => {}
        }
    }
    let storage = steps.iter().filter_map(|(step, action)| fault(facts, step, action, &others).map(|why| format!("{}: {why}", step.id)));
    storage.chain(steps.iter().filter_map(|(step, action)| replaced(facts, step, action))).collect()
}

/// Why a step would replace a file that is not ours.
fn replaced<A>(facts: &StorageFacts, step: &Step<A>, action: &Action) -> Option<String> {
    match (&facts.files, action) {
        (Fact::Known(files), Action::Adoption(adoption)) => claim::unasked(files, step, adoption),
        (Fact::Known(files), action) => claim::fault(files, step, action.writes()).or_else(|| {
            let Action::Boot { gone, .. } = action else { return None };
            let theirs = gone.iter().find(|path| !files.written.contains_key(*path))?;
            Some(format!("{}: {theirs} would be removed, and kubestead did not write it", step.id))
        }),
        (Fact::Unknown(_) | Fact::Absent, action) => {
            (!action.writes().is_empty()).then(|| format!("{}: what is where its files belong was not seen", step.id))
        }
    }
}

/// The steps of the plan that others are judged by.
struct Others<'a> {
    /// By volume, what makes its header anew.
    anew: BTreeMap<&'a Name, &'a StepId>,
    /// The volumes that get a filesystem.
    made: BTreeSet<&'a Name>,
    /// The volumes whose LVs are made.
    created: Vec<&'a Volume>,
}

fn fault<A>(facts: &StorageFacts, step: &Step<A>, action: &Action, others: &Others<'_>) -> Option<String> {
    match action {
        Action::Group { group, devices, .. } => blank(facts, devices).or_else(|| {
            let line = facts.volumes.values().find_map(|v| line_of(v, &format!("/dev/{group}/")));
            // What is unlocked by hand is in fstab alone, where no group is named: its LV is made by the same plan.
            let line = line.or_else(|| others.created.iter().filter(|v| v.group == *group).find_map(|v| mounted_line(facts, v)))?;
            (!step.needs_consent()).then(|| format!("it asks nobody, and a volume of the group is mounted at boot: {line}"))
        }),
        Action::Extend { group, devices, .. } => blank(facts, devices).or_else(|| match facts.groups.get(group) {
            Some(Fact::Known(known)) if known.others.is_empty() && known.named > 0 && known.missing == 0 => None,
            other => Some(format!("{group} is not proven ours and whole: {other:?}")),
        }),
        Action::Create { volume, replaces, .. } => match facts.volumes.get(&volume.name) {
            Some(seen) if seen.logical == Fact::Absent => {
                // When its group is gone too, that step asks, and this one waits for it.
                let alone = matches!(facts.groups.get(&volume.group), Some(Fact::Known(_)));
                let line = line_of(seen, &format!("{} ", volume.device())).or_else(|| mounted_line(facts, volume));
                let line = line.filter(|_| alone && !step.needs_consent());
                line.map(|line| format!("it asks nobody, and the volume is mounted at boot: {line}"))
            }
            Some(seen) if *replaces && seen.logical.known().is_some_and(|l| l.new) && seen.mounted.is_none() => None,
            other => Some(format!("{} is not proven absent: {:?}", volume.device(), other.map(|v| &v.logical))),
        },
        Action::Format { volume, .. } | Action::AddWay { volume } | Action::RemoveWay { volume } | Action::Unlock { volume }
            if !volume.is_encrypted() || facts.volumes.get(&volume.name).is_some_and(plain) =>
        {
            Some(format!("{} is not encrypted, and gets no header", volume.device()))
        }
        Action::Format { volume, lost: true, .. } => match facts.volumes.get(&volume.name) {
            Some(VolumeFacts {
                logical: Fact::Known(logical), header: Fact::Known(header), opened: None, mounted: None, holders, ..
            }) if logical.ours
                && holders.is_empty()
                && step.needs_consent()
                && !matches!(header, Header::Ours(_) | Header::Mendable(_)) =>
            {
                None
            }
            other => Some(format!("{} is not one that may be made anew, with consent: {other:?}", volume.device())),
        },
        Action::Format { volume, .. } => unproven(facts, volume).or_else(|| {
            // Our own header that was cut off is made again; a whole one is only completed, by the guard on the machine.
            match facts.volumes.get(&volume.name).map(|v| &v.header) {
                Some(Fact::Known(Header::Foreign(what))) => Some(format!("{} holds {what}", volume.device())),
                Some(Fact::Unknown(gap)) => Some(format!("{} was not seen: {gap}", volume.device())),
                _ => None,
            }
        }),
        Action::Mkfs { volume } => {
            // A volume that is made anew is new when its header is made; without that step this one is skipped.
            let waits = others.anew.get(&volume.name).is_some_and(|format| step.after.contains(*format));
            let sealed = !volume.is_encrypted() && facts.volumes.get(&volume.name).is_some_and(|v| v.logical != Fact::Absent && !plain(v));
            if waits {
                None
            } else {
                unproven(facts, volume).or_else(|| sealed.then(|| format!("{} was made to be encrypted", volume.device())))
            }
        }
        Action::Grow { volume } => match facts.volumes.get(&volume.name).and_then(|v| v.logical.known()) {
            Some(logical) if !logical.new => None,
            other => Some(format!("{} is not one that grows: {other:?}", volume.device())),
        },
        Action::Wipe { volume } if !volume.is_encrypted() => match facts.volumes.get(&volume.name) {
            Some(
                seen @ VolumeFacts { logical: Fact::Known(logical), header: Fact::Known(Header::Plain(_) | Header::Blank), holders, .. },
            ) if logical.ours && plain(seen) && holders.is_empty() => None,
            other => Some(format!("{} is not proven ours: {other:?}", volume.device())),
        },
        Action::Wipe { volume } => match facts.volumes.get(&volume.name) {
            Some(VolumeFacts { logical: Fact::Known(logical), header: Fact::Known(Header::Ours(_)), named: None, holders, .. })
                if logical.ours && holders.is_empty() =>
            {
                None
            }
            other => Some(format!("{} is not proven ours: {other:?}", volume.device())),
        },
        Action::Boot { volumes, .. } => volumes.iter().find_map(|volume| {
            let seen = facts.volumes.get(&volume.name)?;
            let line = seen.fstab.as_ref()?;
            let words: Vec<&str> = line.split_whitespace().collect();
            let inside = seen.opened.as_ref().map(|opened| opened.filesystem.as_str());
            let there = seen.mounted.is_some() || words.get(1).map(|path| path.trim_end_matches('/')) == Some(&volume.path);
            let same = there && inside.or(words.get(2).copied()) == Some(volume.filesystem.as_str());
            (!same && !others.made.contains(&volume.name))
                .then(|| format!("the line that mounts {} is of another path or filesystem: {line}", volume.name))
        }),
        Action::Unlock { volume } | Action::AddWay { volume } | Action::RemoveWay { volume } => match facts.volumes.get(&volume.name) {
            Some(VolumeFacts { logical: Fact::Known(logical), header: Fact::Known(Header::Ours(_)), holders, .. })
                if !logical.new && holders.is_empty() =>
            {
                None
            }
            other => Some(format!("{} is not proven ours: {other:?}", volume.device())),
        },
        Action::Share { .. }
        | Action::Adoption(_)
        | Action::Files { .. }
        | Action::Mount { .. }
        | Action::Resume
        | Action::Directories { .. } => None,
    }
}

fn blank(facts: &StorageFacts, devices: &[String]) -> Option<String> {
    devices.iter().find_map(|device| match facts.devices.get(device) {
        Some(Fact::Known(Device::Blank | Device::Begun)) => None,
        other => Some(format!("{device} is not proven blank: {other:?}")),
    })
}

/// The line of ours in crypttab that names a device which begins so.
fn line_of<'a>(seen: &'a VolumeFacts, device: &str) -> Option<&'a String> {
    seen.crypttab.as_ref().filter(|line| line.contains("/run/kubestead/") && line.contains(device))
}

/// The line of ours in fstab that mounts a volume.
fn mounted_line<'a>(facts: &'a StorageFacts, volume: &Volume) -> Option<&'a String> {
    let own = volume.source();
    facts.volumes.get(&volume.name)?.fstab.as_ref().filter(|line| line.split_whitespace().next() == Some(&own))
}

/// Whether our tag says that a volume was made without encryption.
fn plain(seen: &VolumeFacts) -> bool {
    seen.logical.known().is_some_and(|logical| logical.plain)
}

/// Why a volume may hold data: only one that is made by the same plan, or that our tag calls new, holds none.
fn unproven(facts: &StorageFacts, volume: &Volume) -> Option<String> {
    match facts.volumes.get(&volume.name).map(|v| &v.logical) {
        Some(Fact::Absent) => None,
        Some(Fact::Known(logical)) if logical.new => None,
        other => Some(format!("{} may hold data: {other:?}", volume.device())),
    }
}

/// What is wrong with a spec, each a sentence.
pub fn check(spec: &HostStorage) -> Vec<String> {
    let mut found = Vec::new();
    for (group, devices) in &spec.groups {
        for device in devices.iter().filter(|d| !d.starts_with("/dev/disk/by-")) {
            found.push(format!("group {group}: {device} is a kernel name, which changes from boot to boot: name it under /dev/disk/by-id"));
        }
    }
    for (index, volume) in spec.volumes.iter().enumerate() {
        if !spec.groups.contains_key(&volume.group) {
            found.push(format!("volume {}: group {} has no devices on {}", volume.name, volume.group, spec.node));
        }
        for other in &spec.volumes[..index] {
            if other.path == volume.path || other.name == volume.name {
                found.push(format!("volumes {} and {} share a name or the path {}", other.name, volume.name, volume.path));
            }
        }
    }
    if let Some(root) = &spec.pool_root
        && !spec.volumes.iter().any(|v| v.path == root.path)
    {
        found.push(format!("{} is no volume's path: persistent volumes must not fill the root file system", root.path));
    }
    if let Some(volume) = spec.volumes.iter().find(|v| v.fetched() && spec.servers.is_empty()) {
        found.push(format!("{} is unlocked by a key server, and {} has none", volume.name, spec.node));
    }
    found
}
