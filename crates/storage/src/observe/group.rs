//! Volume groups and logical volumes, from lvm's report.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;

use super::{Place, Told};
use crate::facts::{Group, Logical};
use crate::marks::{FORMATTING, MKFS, NEW, VOLUME, plain};
use crate::report::{Lv, Pv, Vg, number};
use crate::spec::Volume;

pub(super) fn read(name: &Name, devices: &[String], real: &BTreeMap<String, Place>, lvm: &Told) -> Fact<Group> {
    let lvm = match lvm {
        Ok(lvm) => lvm,
        Err(gap) => return Fact::Unknown(gap.clone()),
    };
    let all: Vec<&Vg> = lvm.report.iter().flat_map(|r| &r.vg).filter(|vg| vg.vg_name == name.as_str()).collect();
    let Some(vg) = all.first() else { return Fact::Absent };
    let uuids: BTreeSet<&str> = all.iter().map(|vg| vg.vg_uuid.as_str()).collect();
    let physical: Vec<&Pv> =
        lvm.report.iter().flat_map(|r| &r.pv).filter(|pv| pv.vg_name == name.as_str() && pv.pv_missing.is_empty()).collect();
    let is = |device: &String, pv: &Pv| match real.get(device) {
        Some(place) => pv.is(&place.path, &place.number),
        None => pv.pv_name == *device,
    };
    let (named, others): (Vec<&Pv>, Vec<&Pv>) = physical.iter().partition(|pv| devices.iter().any(|d| is(d, pv)));
    let lacking = devices.iter().filter(|d| !physical.iter().any(|pv| is(d, pv))).cloned().collect();
    let read = || {
        Ok::<Group, Gap>(Group {
            extent: number("vg_extent_size", &vg.vg_extent_size)?,
            free: number("vg_free", &vg.vg_free)?,
            missing: number("vg_missing_pv_count", &vg.vg_missing_pv_count)?,
            named: named.len() as u64,
            others: others.iter().map(|pv| pv.pv_name.clone()).collect(),
            lacking,
            exported: !vg.vg_exported.is_empty(),
            twin: uuids.len() > 1,
        })
    };
    Fact::from_result(read())
}

fn tagged(lv: &Lv, tag: &str) -> bool {
    lv.lv_tags.split(',').any(|t| t == tag)
}

/// The volume's LV, and the other groups that have one of its name that we made.
pub(super) fn logical(volume: &Volume, lvm: &Told) -> (Fact<Logical>, Vec<Name>) {
    let lvm = match lvm {
        Ok(lvm) => lvm,
        Err(gap) => return (Fact::Unknown(gap.clone()), Vec::new()),
    };
    let all: Vec<&Lv> = lvm.report.iter().flat_map(|r| &r.lv).filter(|lv| lv.lv_name == volume.name.as_str()).collect();
    let own = all.iter().find(|lv| lv.vg_name == volume.group.as_str());
    let read = |lv: &&&Lv| {
        number("lv_size", &lv.lv_size).map(|size| Logical {
            size,
            ours: tagged(lv, VOLUME),
            new: tagged(lv, NEW),
            formatting: tagged(lv, FORMATTING),
            mkfs: tagged(lv, MKFS),
            plain: tagged(lv, &plain(&volume.name)),
        })
    };
    let elsewhere = all.iter().filter(|lv| lv.vg_name != volume.group.as_str() && tagged(lv, VOLUME));
    let strays = elsewhere.filter_map(|lv| Name::new(lv.vg_name.clone()).ok()).collect();
    (own.as_ref().map_or(Fact::Absent, |lv| Fact::from_result(read(lv))), strays)
}
