//! What is: sections of the host's one probe, and how their answers are read. Nothing here writes to a disk: `isLuks` and `luksDump`
//! repair damaged headers, so they are not used.

mod group;
mod volume;

use std::collections::BTreeMap;

use kubestead_core::command::quote;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::probe::{Answers, Section};

pub(crate) use volume::mount_point;

pub use crate::facts::{Device, Folder, Group, Header, Inodes, Logical, Opened, StorageFacts, VolumeFacts};
pub use crate::marks::{FORMATTING, MKFS, NEW, PENDING, TOKEN, VOLUME};
use crate::report::{Lvm, Wipefs, json, number};
use crate::spec::{HostStorage, Volume};
use crate::superblock::LENGTH;
use crate::unit;

/// The sections of the probe.
pub fn sections(spec: &HostStorage) -> Vec<Section> {
    if spec.volumes.is_empty() && spec.groups.is_empty() {
        return Vec::new();
    }
    let mut found = vec![
        Section::script("storage/lvm", include_str!("scripts/probe-lvm.sh")),
        Section::script("storage/tabs", include_str!("scripts/probe-tabs.sh")),
        // Files that systemd has perhaps not read yet count as not written.
        Section::new("storage/files", format!("[ -e {PENDING} ] || sha256sum {} 2>/dev/null; true", files(spec).join(" "))),
        Section::new("storage/dev", format!("cd /dev && ls -d {} 2>/dev/null; true", names(spec))),
    ];
    for device in spec.groups.values().flatten() {
        found.push(Section::script(format!("storage/device:{device}"), include_str!("scripts/probe-device.sh")).var("device", device));
    }
    found.extend(spec.volumes.iter().map(volume_section));
    // After the look into the mount points: a boot may mount at any instant, and files are the bare mount point's only if nothing is
    // mounted there even then.
    found.push(Section::new("storage/mounts", "findmnt -rn -o TARGET,SOURCE"));
    if let Some(root) = &spec.pool_root {
        found.push(Section::new(
            "storage/directories",
            format!("findmnt -M {0} >/dev/null && find {0} -mindepth 1 -maxdepth 1 -type d; true", root.path),
        ));
    }
    found
}

fn files(spec: &HostStorage) -> Vec<String> {
    let units = spec.volumes.iter().flat_map(unit::units);
    unit::common(spec).into_iter().chain(units).chain(unit::require_mounts(spec)).map(|f| quote(&f.path)).collect()
}

/// The names of the groups; one that is never below /dev, too, as `ls` without names lists all.
fn names(spec: &HostStorage) -> String {
    ["no-such-group_"].into_iter().chain(spec.groups.keys().map(|name| name.as_str())).collect::<Vec<_>>().join(" ")
}

fn volume_section(volume: &Volume) -> Section {
    Section::script(format!("storage/volume:{}", volume.name), include_str!("scripts/probe-volume.sh"))
        .var("name", volume.name.as_str())
        .var("device", volume.device())
        .var("mapper", volume.mapper())
        .var("path", &volume.path)
        .var("length", LENGTH.to_string())
}

/// Where a device really is.
struct Place {
    path: String,
    /// Its number, such as `253:3`: names of one device differ, as a multipath one has several.
    number: String,
}

/// What lvm told.
type Told = Result<Lvm, Gap>;

/// Reads the answers.
pub fn read(spec: &HostStorage, answers: &Answers) -> StorageFacts {
    let lvm: Told = answers.text("storage/lvm").and_then(|text| json("lvm fullreport", text));
    let mut devices = BTreeMap::new();
    let (mut real, mut sizes) = (BTreeMap::new(), BTreeMap::new());
    for device in spec.groups.values().flatten() {
        let answer = answers.text(&format!("storage/device:{device}")).and_then(|text| read_device(device, text, &own(spec, device), &lvm));
        devices.insert(
            device.clone(),
            match answer {
                Ok((place, size, found)) => {
                    real.insert(device.clone(), place);
                    sizes.insert(device.clone(), size);
                    Fact::Known(found)
                }
                Err(gap) => Fact::Unknown(gap),
            },
        );
    }
    let groups: BTreeMap<_, _> = spec.groups.iter().map(|(name, d)| (name.clone(), group::read(name, d, &real, &lvm))).collect();
    let taken: Vec<&str> = answers.text("storage/dev").unwrap_or_default().lines().collect();
    let absent = groups.iter().filter(|(_, fact)| **fact == Fact::Absent).map(|(name, _)| name);
    StorageFacts {
        devices,
        sizes,
        occupied: absent.filter(|name| taken.contains(&name.as_str())).cloned().collect(),
        groups,
        volumes: spec.volumes.iter().map(|v| (v.name.clone(), volume::read(v, answers, &lvm))).collect(),
        witnesses: BTreeMap::new(),
        files: Fact::from_result(answers.text("storage/files").map(read_sums)),
        directories: answers.text("storage/directories").map(|t| t.lines().map(str::to_owned).collect()).unwrap_or_default(),
    }
}

/// `sha256sum` lines: path to sum.
pub fn read_sums(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.strip_prefix('\\').map_or_else(|| line.split_once("  "), |l| l.split_once("  ")))
        .map(|(sum, path)| (path.replace("\\\\", "\\"), sum.to_owned()))
        .collect()
}

/// The UUID that a physical volume of ours gets.
fn own(spec: &HostStorage, device: &str) -> String {
    let group = spec.groups.iter().find(|(_, devices)| devices.iter().any(|d| d == device));
    group.map(|(group, _)| crate::marks::physical_uuid(group, device)).unwrap_or_default()
}

fn read_device(device: &str, text: &str, own: &str, lvm: &Told) -> Result<(Place, u64, Device), Gap> {
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let words: Vec<&str> = next().split(' ').collect();
    let [path, size, number_] = words[..] else {
        return Err(Gap::new(format!("{device} is not there")));
    };
    let place = Place { path: path.to_owned(), number: number_.to_owned() };
    let size = number("the size of a device", size)?;
    let users = next().trim();
    let edges = next();
    let wipefs: Wipefs = json("wipefs", next())?;
    let found = match (wipefs.signatures.as_slice(), edges) {
        ([one], _) if one.kind == "LVM2_member" => {
            let mut all = lvm.as_ref().map_err(Clone::clone)?.report.iter().flat_map(|r| &r.pv);
            let begun = all.any(|pv| pv.is(&place.path, &place.number) && pv.vg_name.is_empty() && pv.pv_uuid == own);
            if begun { Device::Begun } else { Device::Physical }
        }
        ([], _) if !users.is_empty() => Device::Taken(format!("in use by {users}")),
        ([], "zero") => Device::Blank,
        ([], "filled") => Device::Unclear,
        ([], _) => return Err(Gap::new(format!("{device} cannot be read: its first or last MiB fails"))),
        (several, _) => Device::Taken(several.iter().map(crate::report::Signature::describe).collect::<Vec<_>>().join(", ")),
    };
    Ok((place, size, found))
}
