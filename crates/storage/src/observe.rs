//! What is: sections of the host's one probe, and how their answers are read. Nothing here writes to a disk: `isLuks` and `luksDump`
//! repair damaged headers, so they are not used.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::command::quote;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;
use kubestead_core::probe::{Answers, Section};
use serde::{Deserialize, Serialize};

use crate::luks2::{self, Which};
use crate::report::{Lvm, Wipefs, json, number};
use crate::spec::{Filesystem, HostStorage, Volume};
use crate::superblock::{self, LENGTH};
use crate::unit;

/// Set on an LV when we make it, dropped when its filesystem is made: it proves that the LV never held data.
pub const NEW: &str = "kubestead:new";
/// Set on an LV when we make it, and never dropped: only such a volume is ever wiped.
pub const VOLUME: &str = "kubestead:volume";
/// On the LV while its LUKS2 header is made: a header that is not whole is ours to make again.
pub const FORMATTING: &str = "kubestead:formatting";
/// On the LV while its filesystem is made: one that is there already is then ours to make again.
pub const MKFS: &str = "kubestead:mkfs";
/// There while files are written and not yet loaded: a run that is cut off in between leaves it, and the next one does both again.
pub const PENDING: &str = "/etc/kubestead/reload-pending";
/// The type of our token in a LUKS2 header.
pub const TOKEN: &str = "kubestead";

/// The storage of a host as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageFacts {
    /// What each device of the spec holds.
    pub devices: BTreeMap<String, Fact<Device>>,
    /// Bytes of each device that was seen.
    pub sizes: BTreeMap<String, u64>,
    /// The volume groups of the spec.
    pub groups: BTreeMap<Name, Fact<Group>>,
    /// The volumes of the spec.
    pub volumes: BTreeMap<Name, VolumeFacts>,
    /// sha256 of files of ours that are there.
    pub files: Fact<BTreeMap<String, String>>,
    /// Folders below the root of persistent volumes, when it is mounted.
    pub directories: Vec<String>,
}

/// What a whole device holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Device {
    /// No signature, no partition, no holder, no mount.
    Blank,
    /// A physical volume of LVM.
    Physical,
    /// A physical volume of no group with just the UUID that we give: a run of ours was cut off before it made the group.
    Begun,
    /// Something else, described.
    Taken(String),
}

/// A volume group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Bytes.
    pub extent: u64,
    /// Bytes.
    pub free: u64,
    /// How many of its devices are missing.
    pub missing: u64,
    /// Whether its physical volumes are just the devices that the spec names.
    pub ours: bool,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logical {
    /// Bytes.
    pub size: u64,
    /// Whether our tag says that it never held data.
    pub new: bool,
    /// Whether our tag says that its header is being made.
    pub formatting: bool,
    /// Whether our tag says that its filesystem is being made.
    pub mkfs: bool,
}

/// What an LV holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Header {
    /// No signature at all.
    Blank,
    /// LUKS2 with our token; the numbers of its key slots.
    Ours(Vec<u8>),
    /// LUKS2 without our token, described.
    Tokenless(String),
    /// One of the two copies of the header is gone or does not load.
    Damaged(String),
    /// Something else, described.
    Foreign(String),
}

/// A mount point's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Folder {
    /// It is not there, or is empty.
    Free,
    /// It holds files and nothing is mounted there.
    Filled,
}

/// An opened volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// Bytes of the mapping.
    pub size: u64,
    /// The filesystem inside; empty for none.
    pub filesystem: String,
    /// Bytes of that filesystem; 0 when it could not be read.
    pub used: u64,
}

/// A volume, phase by phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeFacts {
    /// The LV.
    pub logical: Fact<Logical>,
    /// What it holds; absent when there is no LV.
    pub header: Fact<Header>,
    /// What is inside, when it is open.
    pub opened: Option<Opened>,
    /// Whether the node has its share of the key.
    pub share: bool,
    /// What is mounted at its path.
    pub mounted: Option<String>,
    /// Its mount point.
    pub folder: Folder,
    /// Its line in crypttab.
    pub crypttab: Option<String>,
    /// The line in fstab for its mapper or its path.
    pub fstab: Option<String>,
}

/// Without device-mapper lvm says "nothing" with status 0, so that is asked first.
const LVM: &str = "[ -c /dev/mapper/control ] || exit 9; lvm fullreport --reportformat json --units b --nosuffix --configreport vg -o vg_name,vg_extent_size,vg_free,vg_missing_pv_count \
    --configreport lv -o vg_name,lv_name,lv_size,lv_tags --configreport pv -o pv_name,vg_name,pv_uuid --configreport pvseg -o, --configreport seg -o,";

/// The sections of the probe.
pub fn sections(spec: &HostStorage) -> Vec<Section> {
    if spec.volumes.is_empty() && spec.groups.is_empty() {
        return Vec::new();
    }
    let mut found = vec![
        Section::new("storage/lvm", LVM),
        Section::new("storage/tabs", "cat /etc/crypttab 2>/dev/null; echo @@; cat /etc/fstab"),
        // Files that systemd has perhaps not read yet count as not written.
        Section::new("storage/files", format!("[ -e {PENDING} ] || sha256sum {} 2>/dev/null; true", files(spec).join(" "))),
    ];
    for device in spec.groups.values().flatten() {
        found.push(Section::new(format!("storage/device:{device}"), device_script(device)));
    }
    found.extend(spec.volumes.iter().map(|v| Section::new(format!("storage/volume:{}", v.name), volume_script(v))));
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

fn device_script(device: &str) -> String {
    format!(
        "d={}; [ -b \"$d\" ] || {{ echo missing; exit 0; }}; r=$(readlink -f \"$d\"); b=${{r##*/}}; read -r n < /sys/class/block/$b/size; echo \"$r $((n * 512))\"\n\
         echo $(ls /sys/class/block/$b/holders; ls -d /sys/class/block/$b/$b* 2>/dev/null; findmnt -rn -S \"$r\" -o TARGET)\n\
         wipefs -n --json \"$r\"",
        quote(device)
    )
}

/// The two copies of a LUKS2 header come as they are: that one of them is damaged must show.
fn volume_script(volume: &Volume) -> String {
    let (device, mapper) = (quote(&volume.device()), volume.mapper());
    format!(
        "shopt -s nullglob dotglob; f=({path}/*); [ ${{#f[@]}} -gt 0 ] && echo filled || echo free\n\
         [ \"$(stat -c %s /etc/kubestead/share.d/{name} 2>/dev/null)\" = 64 ] && echo share || echo none\n\
         m=/dev/mapper/{mapper}; if [ -b $m ]; then echo \"open $(blockdev --getsize64 $m) $(blkid -p -o value -s TYPE $m)\"; od -An -v -tx1 -w{LENGTH} -N{LENGTH} $m; else printf 'closed\\n\\n'; fi\n\
         d={device}; [ -b $d ] || {{ echo absent; exit 0; }}\n\
         echo present; wipefs -n --json $d || exit 1\necho @@\n\
         read -r m n < <(od -An -tx8 --endian=big -N16 $d); [ \"$m\" = 4c554b53babe0002 ] || exit 0\n\
         n=$((16#$n)); [ $n -ge 4096 ] && [ $n -le 4194304 ] || exit 0\n\
         dd if=$d bs=$n count=2 iflag=fullblock status=none | base64 -w 0",
        path = quote(&volume.path),
        name = volume.name,
    )
}

/// Reads the answers.
pub fn read(spec: &HostStorage, answers: &Answers) -> StorageFacts {
    let lvm: Result<Lvm, Gap> = answers.text("storage/lvm").and_then(|text| json("lvm fullreport", text));
    let mut devices = BTreeMap::new();
    let (mut real, mut sizes) = (BTreeMap::new(), BTreeMap::new());
    for device in spec.groups.values().flatten() {
        let answer = answers.text(&format!("storage/device:{device}")).and_then(|text| read_device(device, text, &own(spec, device), &lvm));
        devices.insert(
            device.clone(),
            match answer {
                Ok((path, size, found)) => {
                    real.insert(device.clone(), path);
                    sizes.insert(device.clone(), size);
                    Fact::Known(found)
                }
                Err(gap) => Fact::Unknown(gap),
            },
        );
    }
    let groups = spec.groups.iter().map(|(name, devices)| (name.clone(), read_group(name, devices, &real, &lvm))).collect();
    let volumes = spec.volumes.iter().map(|v| (v.name.clone(), read_volume(v, answers, &lvm))).collect();
    let files = Fact::from_result(answers.text("storage/files").map(read_sums));
    let directories = answers.text("storage/directories").map(|t| t.lines().map(str::to_owned).collect()).unwrap_or_default();
    StorageFacts { devices, sizes, groups, volumes, files, directories }
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
    group.map(|(group, _)| crate::plan::physical_uuid(group, device)).unwrap_or_default()
}

fn read_device(device: &str, text: &str, own: &str, lvm: &Result<Lvm, Gap>) -> Result<(String, u64, Device), Gap> {
    let mut lines = text.splitn(3, '\n');
    let Some((path, size)) = lines.next().unwrap_or_default().split_once(' ') else {
        return Err(Gap::new(format!("{device} is not there")));
    };
    let size = number("the size of a device", size)?;
    let users = lines.next().unwrap_or_default().trim();
    let wipefs: Wipefs = json("wipefs", lines.next().unwrap_or_default())?;
    let found = match wipefs.signatures.as_slice() {
        [one] if one.kind == "LVM2_member" => {
            let mut all = lvm.as_ref().map_err(Clone::clone)?.report.iter().flat_map(|r| &r.pv);
            let begun = all.any(|pv| pv.pv_name == path && pv.vg_name.is_empty() && pv.pv_uuid == own);
            if begun { Device::Begun } else { Device::Physical }
        }
        [] if users.is_empty() => Device::Blank,
        [] => Device::Taken(format!("in use by {users}")),
        several => Device::Taken(several.iter().map(crate::report::Signature::describe).collect::<Vec<_>>().join(", ")),
    };
    Ok((path.to_owned(), size, found))
}

fn read_group(name: &Name, devices: &[String], real: &BTreeMap<String, String>, lvm: &Result<Lvm, Gap>) -> Fact<Group> {
    let lvm = match lvm {
        Ok(lvm) => lvm,
        Err(gap) => return Fact::Unknown(gap.clone()),
    };
    let Some(vg) = lvm.report.iter().flat_map(|r| &r.vg).find(|vg| vg.vg_name == name.as_str()) else { return Fact::Absent };
    let physical: Vec<&str> =
        lvm.report.iter().flat_map(|r| &r.pv).filter(|pv| pv.vg_name == name.as_str()).map(|pv| pv.pv_name.as_str()).collect();
    let named = |path: &&str| devices.iter().any(|d| d == path || real.get(d).is_some_and(|r| r == path));
    let ours = physical.iter().all(named) && physical.len() == devices.len();
    let read = || {
        let (extent, free, missing) = (
            number("vg_extent_size", &vg.vg_extent_size)?,
            number("vg_free", &vg.vg_free)?,
            number("vg_missing_pv_count", &vg.vg_missing_pv_count)?,
        );
        Ok::<Group, Gap>(Group { extent, free, missing, ours })
    };
    Fact::from_result(read())
}

fn read_logical(volume: &Volume, lvm: &Result<Lvm, Gap>) -> Fact<Logical> {
    let lvm = match lvm {
        Ok(lvm) => lvm,
        Err(gap) => return Fact::Unknown(gap.clone()),
    };
    let mut all = lvm.report.iter().flat_map(|r| &r.lv);
    match all.find(|lv| lv.vg_name == volume.group.as_str() && lv.lv_name == volume.name.as_str()) {
        Some(lv) => {
            let tagged = |tag: &str| lv.lv_tags.split(',').any(|t| t == tag);
            let read = |size| Logical { size, new: tagged(NEW), formatting: tagged(FORMATTING), mkfs: tagged(MKFS) };
            Fact::from_result(number("lv_size", &lv.lv_size).map(read))
        }
        None => Fact::Absent,
    }
}

fn read_volume(volume: &Volume, answers: &Answers, lvm: &Result<Lvm, Gap>) -> VolumeFacts {
    let logical = read_logical(volume, lvm);
    let mut facts = VolumeFacts {
        logical,
        header: Fact::Absent,
        opened: None,
        share: false,
        mounted: None,
        folder: Folder::Free,
        crypttab: None,
        fstab: None,
    };
    match answers.text(&format!("storage/volume:{}", volume.name)) {
        Ok(text) => {
            let mut lines = text.splitn(6, '\n');
            let mut next = || lines.next().unwrap_or_default();
            facts.folder = if next() == "filled" { Folder::Filled } else { Folder::Free };
            facts.share = next() == "share";
            let (open, start) = (next(), next());
            facts.opened = open.strip_prefix("open ").and_then(|text| read_opened(text, start, volume.filesystem));
            if next() == "present" {
                facts.header = Fact::from_result(read_header(next()));
            } else if facts.logical != Fact::Absent {
                facts.header =
                    Fact::Unknown(Gap::new(format!("{} is not there although LVM has the volume: is it active?", volume.device())));
            }
        }
        Err(gap) => facts.header = Fact::Unknown(gap),
    }
    match answers.text("storage/mounts") {
        Ok(text) => {
            facts.mounted =
                text.lines().filter_map(|l| l.split_once(' ')).filter(|(t, _)| *t == volume.path).map(|(_, s)| s.to_owned()).next_back()
        }
        Err(gap) => facts.header = Fact::Unknown(gap),
    }
    match answers.text("storage/tabs") {
        Ok(text) => {
            let (crypttab, fstab) = text.split_once("@@\n").unwrap_or_default();
            let (mapper, device) = (volume.mapper(), format!("/dev/mapper/{}", volume.mapper()));
            facts.crypttab = line(crypttab, |words| words.first() == Some(&mapper.as_str()));
            facts.fstab = line(fstab, |words| words.first() == Some(&device.as_str()) || words.get(1) == Some(&volume.path.as_str()));
        }
        Err(gap) => facts.header = Fact::Unknown(gap),
    }
    facts
}

fn read_opened(text: &str, start: &str, wanted: Filesystem) -> Option<Opened> {
    let (size, filesystem) = text.split_once(' ')?;
    let used = superblock::size(start, wanted).unwrap_or(0);
    Some(Opened { size: number("the size of a mapping", size).ok()?, used, filesystem: filesystem.trim().to_owned() })
}

fn line(text: &str, fits: impl Fn(&[&str]) -> bool) -> Option<String> {
    text.lines()
        .filter(|l| !l.trim_start().starts_with('#'))
        .find(|l| fits(&l.split_whitespace().collect::<Vec<_>>()))
        .map(|l| l.trim_end().to_owned())
}

fn read_header(text: &str) -> Result<Header, Gap> {
    let mut parts = text.split("@@\n");
    let wipefs: Wipefs = json("wipefs", parts.next().unwrap_or_default())?;
    let foreign: Vec<String> =
        wipefs.signatures.iter().filter(|s| s.kind != "crypto_LUKS").map(crate::report::Signature::describe).collect();
    if !foreign.is_empty() {
        return Ok(Header::Foreign(foreign.join(", ")));
    }
    let copies = wipefs.signatures.len();
    let both = STANDARD.decode(parts.next().unwrap_or_default()).map_err(|e| Gap::new(format!("the LUKS2 header came broken: {e}")))?;
    let (first, second) = both.split_at(both.len() / 2);
    let (first, second) = (luks2::read(first, Which::First), luks2::read(second, Which::Second));
    match (copies, first, second) {
        (0, _, _) => Ok(Header::Blank),
        (2, Some(first), Some(_)) if first.tokens.values().any(|t| t.kind == TOKEN) => {
            Ok(Header::Ours(first.keyslots.keys().filter_map(|k| k.parse().ok()).collect()))
        }
        (2, Some(_), Some(_)) => Ok(Header::Tokenless(format!("LUKS2 without our token, {}", wipefs.signatures[0].describe()))),
        (2, first, second) => {
            let which = if first.is_none() && second.is_none() {
                "neither copy"
            } else if first.is_none() {
                "the first copy"
            } else {
                "the second copy"
            };
            let what = if which == "neither copy" {
                "neither copy of the LUKS2 header loads (or it is LUKS1)"
            } else {
                "one copy of the LUKS2 header does not load"
            };
            Ok(Header::Damaged(format!("{what}: {which}")))
        }
        (n, ..) => Ok(Header::Damaged(format!("{n} of the two copies of the LUKS2 header are there"))),
    }
}
