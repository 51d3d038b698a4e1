//! The end of one volume, asked for by its name: its key slots are erased and its LV is removed. Only of a volume that is proven ours,
//! twice: by the tag that its LV got when it was made, and by the token in its header that names it, or the tag that names one without encryption.

use std::collections::BTreeSet;

use kubestead_core::fact::Fact;
use kubestead_core::plan::{Held, Part, Risk, StepId, Target};
use kubestead_core::put::Found;

use crate::action::Action;
use crate::facts::{Group, Header, StorageFacts};
use crate::ids;
use crate::marks::VOLUME;
use crate::spec::{HostStorage, Volume};
use crate::unit;

/// The step that ends a volume, after others; empty if there is no such LV.
pub fn wipe(spec: &HostStorage, facts: &StorageFacts, volume: &Volume, after: BTreeSet<StepId>) -> Part<Action> {
    let mut part = Part::default();
    let mut held = |reason: String| {
        let hint = "nothing is wiped that is not proven ours; look at it, and wipe it by hand";
        part.held.push(Held::on(&spec.node, &volume.name, reason, hint));
    };
    let Some(found) = facts.volumes.get(&volume.name) else {
        held("it was not looked at".to_owned());
        return part;
    };
    match (&found.logical, &found.header) {
        (Fact::Absent, _) => return part,
        (Fact::Unknown(gap), _) | (_, Fact::Unknown(gap)) => held(gap.to_string()),
        _ if found.opened.as_ref().is_some_and(|opened| opened.strange.is_some()) => {
            held(format!("{} is open on another device than {}", volume.mapper(), volume.device()));
        }
        (_, Fact::Known(Header::Ours(_))) if volume.is_encrypted() => {}
        // A run that was cut off has wiped the filesystem's signature already.
        (Fact::Known(logical), Fact::Known(Header::Plain(_) | Header::Blank)) if !volume.is_encrypted() && logical.plain => {}
        (_, Fact::Known(Header::Ours(_))) => held(format!("{} has a LUKS header, and the file says `encryption: none`", volume.device())),
        (
            _,
            Fact::Known(
                Header::Plain(what) | Header::Foreign(what) | Header::Tokenless(what) | Header::Mendable(what) | Header::Damaged(what),
            ),
        ) => {
            held(format!("{} holds {what}", volume.device()));
        }
        (_, Fact::Known(Header::Blank) | Fact::Absent) => held(format!("{} holds no header of ours", volume.device())),
    }
    if found.logical.known().is_some_and(|logical| !logical.ours) {
        let tag = format!("if it did: lvchange --addtag {VOLUME} {}/{}", volume.group, volume.name);
        held(format!("{} has no tag that says that kubestead made it; {tag}", volume.device()));
    }
    if let Some(other) = &found.named {
        held(format!("the token in the header of {} names another volume: {other:?}", volume.device()));
    }
    if !found.holders.is_empty() {
        held(format!("{} is in use by {}", volume.device(), found.holders.join(", ")));
    }
    if let Some(place) = &found.elsewhere {
        held(format!("it is mounted elsewhere too: {place}"));
    }
    for tab in unit::TABS.iter().filter(|tab| facts.files.known().is_some_and(|files| files.found.get(**tab) == Some(&Found::Other))) {
        held(format!("{tab} is not a regular file, and has a line of it"));
    }
    if !facts.groups.get(&volume.group).and_then(Fact::known).is_some_and(Group::ours) {
        held(format!("{} is not just on the devices that the file names", volume.group));
    }
    if let Some(source) = found.mounted.as_ref().filter(|m| **m != volume.source()) {
        held(format!("{source} is mounted at {}", volume.path));
    }
    if part.held.is_empty() {
        let (device, path) = (volume.device(), &volume.path);
        let why = if volume.is_encrypted() {
            format!("erase the keys of {device} and remove it: what {path} holds is lost")
        } else {
            format!(
                "remove {device}, which is not encrypted: what {path} holds is lost, and can be read from the disk until it is written over"
            )
        };
        let target = Target::Host(spec.node.to_string());
        part.push(ids::WIPE.step(target, &volume.name, Action::Wipe { volume: volume.clone() }, why).after(after).risk(Risk::Destroys));
    }
    part
}
