//! Volume groups: made of blank devices, or given more of them. Whatever else is found is told apart and held.

use std::collections::BTreeSet;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;

use super::Planner;
use crate::action::Action;
use crate::extents::{capacity, extent, round_up};
use crate::facts::{Device, Group};
use crate::fixed;
use crate::spec::Volume;

impl Planner<'_> {
    pub(super) fn groups(&mut self) {
        for (group, devices) in &self.spec.groups {
            match self.facts.groups.get(group) {
                Some(Fact::Known(known)) => self.old_group(group, devices, known),
                Some(Fact::Absent) => self.new_group(group, devices),
                Some(Fact::Unknown(gap)) => self.held(group.as_str(), gap.to_string(), "fix this, then plan again"),
                None => self.held(group.as_str(), "it was not looked at", "observe again"),
            }
        }
    }

    fn old_group(&mut self, group: &Name, devices: &[String], known: &Group) {
        match fixed::of_group(group, known) {
            Some((reason, hint)) => self.held(group.as_str(), reason, hint),
            None if known.lacking.is_empty() => _ = self.groups.insert(group.clone()),
            None => self.extend(group, devices, &known.lacking),
        }
    }

    /// Devices that the file names and the group does not have yet.
    fn extend(&mut self, group: &Name, all: &[String], devices: &[String]) {
        self.groups.insert(group.clone());
        if !self.blank(group, devices, false) {
            return;
        }
        let members = all.iter().filter(|d| !devices.contains(d)).cloned().collect();
        let action = Action::Extend { group: group.clone(), members, devices: devices.to_vec() };
        let why = format!("add {} to volume group {group}", devices.join(", "));
        self.step(group.as_str(), "extend", action, why, BTreeSet::new());
    }

    /// Whether all devices are proven blank; what is not is held. One may be just the disk that is `lost`, with its signature wiped: then
    /// nothing is said that would empty it.
    fn blank(&mut self, group: &Name, devices: &[String], lost: bool) -> bool {
        let mut blank = true;
        for device in devices {
            let by_hand = "nothing is touched that is not proven blank; save what it holds and wipe it by hand, or name another device";
            let (found, hint) = match self.facts.devices.get(device) {
                Some(Fact::Known(Device::Blank | Device::Begun)) => continue,
                Some(Fact::Known(Device::Unclear)) if lost => (
                    format!("{device} has no signature, and its first or last MiB is not all zero: it may be the group's own disk"),
                    format!("what the group was is kept in /etc/lvm/archive: vgcfgrestore -l {group} lists it; or name another device"),
                ),
                Some(Fact::Known(Device::Physical)) => (format!("{device} holds a physical volume of LVM"), by_hand.to_owned()),
                Some(Fact::Known(Device::Taken(what))) => (format!("{device} is not blank: {what}"), by_hand.to_owned()),
                Some(Fact::Known(Device::Unclear)) => (
                    format!("{device} is not proven blank: it has no signature, but its first or last MiB is not all zero"),
                    format!(
                        "name another device; or, once it is certain that nothing on it is needed, `blkdiscard -z {device}` or \
                         `dd if=/dev/zero of={device} bs=1M` makes it blank"
                    ),
                ),
                Some(Fact::Unknown(gap)) => (gap.to_string(), "fix this, then plan again".to_owned()),
                Some(Fact::Absent) | None => (format!("{device} was not seen"), "observe again".to_owned()),
            };
            blank = false;
            self.held(group.as_str(), found, hint);
        }
        blank
    }

    fn new_group(&mut self, group: &Name, devices: &[String]) {
        let own: Vec<&Volume> = self.spec.volumes.iter().filter(|v| v.group == *group).collect();
        let extent = extent(self.facts, group);
        let lost: Vec<(&Volume, String)> = own.iter().filter_map(|v| Some((*v, self.facts.finished(v)?))).collect();
        let mut makes = self.blank(group, devices, !lost.is_empty());
        let wanted = own.iter().fold(0_u64, |sum, v| sum.saturating_add(round_up(v.size.0, extent)));
        let room = devices.iter().filter_map(|d| self.facts.sizes.get(d)).map(|size| capacity(*size, extent)).sum();
        if makes && wanted > room {
            makes = false;
            self.no_room(group, wanted, room);
        }
        if self.facts.occupied.contains(group) {
            makes = false;
            let hint = "choose another name; what a disk left there that was unplugged goes with a reboot";
            self.held(group.as_str(), format!("/dev/{group} is there and is no volume group: LVM makes none of that name"), hint);
        }
        let told = lost.iter().map(|(v, who)| format!("{} at {} ({who})", v.name, v.path)).collect::<Vec<_>>().join(", ");
        makes &= lost.is_empty() || self.lost_group(group, &lost, &told, makes);
        if !makes {
            return;
        }
        self.groups.insert(group.clone());
        let volumes = lost.iter().map(|(volume, _)| (*volume).clone()).collect();
        let action = Action::Group { group: group.clone(), devices: devices.to_vec(), lost: volumes };
        if lost.is_empty() {
            self.step(group.as_str(), "group", action, format!("make volume group {group} of {}", devices.join(", ")), BTreeSet::new());
        } else {
            self.anew(group.as_str(), "group", action, &told, BTreeSet::new());
        }
    }

    /// A group that is gone with finished volumes: held. Whether it may be made anew, with consent.
    fn lost_group(&mut self, group: &Name, lost: &[(&Volume, String)], told: &str, blank: bool) -> bool {
        let reason = format!("the volume group {group} is not there, and it had {told}");
        let in_use = lost.iter().find(|(v, _)| self.facts.volumes.get(&v.name).is_some_and(super::volumes::in_use));
        let hint = match in_use {
            Some((volume, _)) => format!("{} is still open: find the disk, or reboot the machine, then plan again", volume.mapping()),
            None if blank => self.consent(group.as_str(), "group", "makes them anew, what they held"),
            None => "find the disk that held them before anything is changed".to_owned(),
        };
        self.held(group.as_str(), reason, hint);
        in_use.is_none() && blank
    }

    /// What the new and grown volumes of a group ask for must be free in it, or come with the devices that are added.
    pub(super) fn room(&mut self) {
        for (group, fact) in &self.facts.groups {
            let Fact::Known(known) = fact else { continue };
            if !self.groups.contains(group) {
                continue;
            }
            let more = |v: &Volume| {
                let facts = self.facts.volumes.get(&v.name);
                let now = facts.and_then(|f| f.logical.known()).map_or(0, |l| l.size);
                let elsewhere = now == 0 && facts.is_some_and(|f| !f.strays.is_empty());
                if elsewhere { 0 } else { round_up(v.size.0, known.extent).saturating_sub(now) }
            };
            let of_group = self.spec.volumes.iter().filter(|v| v.group == *group);
            let wanted = of_group.fold(0_u64, |sum, v| sum.saturating_add(more(v)));
            let blank = |d: &&String| matches!(self.facts.devices.get(*d), Some(Fact::Known(Device::Blank | Device::Begun)));
            let sizes = known.lacking.iter().filter(blank).filter_map(|d| self.facts.sizes.get(d));
            let free = known.free.saturating_add(sizes.map(|size| capacity(*size, known.extent)).sum());
            if wanted > free {
                self.groups.remove(group);
                self.no_room(group, wanted, free);
            }
        }
    }

    fn no_room(&mut self, group: &Name, wanted: u64, free: u64) {
        let reason = format!("its volumes ask for {wanted} more bytes, and {free} are free");
        self.held(group.as_str(), reason, "make volumes smaller or add a device");
    }
}
