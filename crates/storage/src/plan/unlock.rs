//! Opening what is closed, with the recovery keys: asked for by a node's name. Only volumes that are proven ours; what is not is held, and the others go on.

use std::collections::BTreeSet;

use kubestead_core::fact::Fact;
use kubestead_core::plan::{Held, Part, StepId, Target};

use super::volumes::{in_other_hands, in_the_way};
use crate::action::Action;
use crate::facts::{Header, StorageFacts, VolumeFacts};
use crate::ids;
use crate::spec::{HostStorage, Volume};

/// The steps that open and mount the closed volumes of a host, those that others are mounted on first. Empty if none is closed.
pub fn unlock(spec: &HostStorage, facts: &StorageFacts) -> Part<Action> {
    let mut part = Part::default();
    let target = || Target::Host(spec.node.to_string());
    let mut volumes: Vec<&Volume> = spec.volumes.iter().collect();
    volumes.sort_by_key(|volume| volume.path.len());
    let mut unlocked: BTreeSet<StepId> = BTreeSet::new();
    for volume in volumes {
        let Some(seen) = facts.volumes.get(&volume.name) else { continue };
        match closed(volume, seen) {
            Ok(false) => {}
            Ok(true) => {
                let why = format!("open {} with its recovery key, and mount it at {}", volume.device(), volume.path);
                let step = ids::UNLOCK.step(target(), &volume.name, Action::Unlock { volume: volume.clone() }, why);
                unlocked.insert(part.push(step.after(unlocked.iter().cloned())));
            }
            Err((reason, hint)) => part.held.push(Held::on(&spec.node, &volume.name, reason, hint)),
        }
    }
    // A service that is started while one of its volumes stays closed is waited for without an end.
    if !unlocked.is_empty() && part.held.is_empty() {
        let why = "containerd and the kubelet go on, where they waited";
        part.push(ids::RESUME.step(target(), Action::Resume, why).after(unlocked));
    }
    part
}

/// Whether a volume is ours, finished, and not mounted; the error is what speaks against opening it, and what to do.
fn closed(volume: &Volume, seen: &VolumeFacts) -> Result<bool, (String, String)> {
    if !volume.is_encrypted() {
        return Ok(false);
    }
    if let Some(gap) = seen.header.gap().or_else(|| seen.logical.gap()) {
        return Err((gap.to_string(), "fix this, then try again".to_owned()));
    }
    let own = volume.source();
    let finished = seen.logical.known().is_some_and(|logical| !logical.new);
    if !finished || (seen.opened.is_some() && seen.mounted.as_ref() == Some(&own)) {
        return Ok(false);
    }
    if let Some(obstacle) = in_other_hands(volume, seen).or_else(|| in_the_way(volume, seen)) {
        return Err(obstacle);
    }
    if let Some(other) = &seen.named {
        let hint = "`lvs` and `cryptsetup luksDump` tell what it is; rename the LV back, or restore its header";
        return Err((format!("the token in the header of {} names another volume: {other:?}", volume.device()), hint.to_owned()));
    }
    match &seen.header {
        Fact::Known(Header::Ours(_)) => Ok(true),
        Fact::Known(header) => {
            Err((format!("{}: {}", volume.device(), header.describe()), "`kubestead plan` tells what to do about it".to_owned()))
        }
        Fact::Absent | Fact::Unknown(_) => Ok(false),
    }
}
