//! Invariants over a spec, and over a plan: the second pair of eyes before anything is done.

use kubestead_core::fact::Fact;
use kubestead_core::plan::Step;

use crate::observe::{Device, Header, StorageFacts};
use crate::plan::Action;
use crate::spec::{HostStorage, Volume};

/// Which steps of a plan must not run on what was seen, each a sentence; none in a plan of [`crate::plan::plan`]. It asks only whether a
/// step may be, not whether it is wanted, and shares no code with the planner.
pub fn steps<'a>(facts: &StorageFacts, steps: impl IntoIterator<Item = &'a Step<Action>>) -> Vec<String> {
    steps.into_iter().filter_map(|step| fault(facts, &step.action).map(|why| format!("{}: {why}", step.id))).collect()
}

fn fault(facts: &StorageFacts, action: &Action) -> Option<String> {
    match action {
        Action::Group { devices, .. } => devices.iter().find_map(|device| match facts.devices.get(device) {
            Some(Fact::Known(Device::Blank | Device::Begun)) => None,
            other => Some(format!("{device} is not proven blank: {other:?}")),
        }),
        Action::Create { volume } => match facts.volumes.get(&volume.name).map(|v| &v.logical) {
            Some(Fact::Absent) => None,
            other => Some(format!("{} is not proven absent: {other:?}", volume.device())),
        },
        Action::Format { volume, .. } => unproven(facts, volume).or_else(|| {
            // Our own header that was cut off is made again; a whole one is only completed, by the guard on the machine.
            match facts.volumes.get(&volume.name).map(|v| &v.header) {
                Some(Fact::Known(Header::Foreign(what))) => Some(format!("{} holds {what}", volume.device())),
                Some(Fact::Unknown(gap)) => Some(format!("{} was not seen: {gap}", volume.device())),
                _ => None,
            }
        }),
        Action::Mkfs { volume } => unproven(facts, volume),
        Action::Grow { volume } => match facts.volumes.get(&volume.name).and_then(|v| v.logical.known()) {
            Some(logical) if !logical.new => None,
            other => Some(format!("{} is not one that grows: {other:?}", volume.device())),
        },
        Action::Wipe { volume } => match facts.volumes.get(&volume.name).map(|v| &v.header) {
            Some(Fact::Known(Header::Ours(_))) => None,
            other => Some(format!("{} is not proven ours: {other:?}", volume.device())),
        },
        Action::Share { .. } | Action::Files { .. } | Action::Boot { .. } | Action::Mount { .. } | Action::Directories { .. } => None,
    }
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
    if !spec.volumes.is_empty() && spec.servers.is_empty() {
        found.push(format!("{} has volumes and no key server", spec.node));
    }
    found
}
