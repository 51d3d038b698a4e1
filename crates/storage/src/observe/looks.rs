//! The answer of `probe-volumes.sh`, taken apart: one look at each volume.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::fact::Gap;

use crate::report::{Signature, Wipefs, json};

/// The largest copy of a LUKS2 header that is read, in bytes. cryptsetup makes ones of 16 KiB if it is not told otherwise.
pub(super) const MOST: u64 = 256 << 10;

/// What was seen of one volume. Empty texts and lists where there was nothing to see.
#[derive(Default)]
pub(super) struct Look<'a> {
    /// `filled`, `barred` or `free`.
    pub(super) folder: &'a str,
    /// Where the mount point's path leads.
    pub(super) real: &'a str,
    /// `no`, `yes` or `broken`.
    pub(super) share: &'a str,
    /// The mapping, if it is open.
    pub(super) open: Option<Inside<'a>>,
    /// The LV, if it is there.
    pub(super) present: Option<Held<'a>>,
}

/// An open mapping.
#[derive(Default)]
pub(super) struct Inside<'a> {
    /// Bytes.
    pub(super) size: &'a str,
    /// What the device-mapper calls it.
    pub(super) mapping: &'a str,
    /// Numbers of the devices below it.
    pub(super) below: &'a str,
    /// The type of what blkid finds in it; empty for nothing.
    pub(super) kind: &'a str,
    /// Its first bytes as `od -An -v -tx1` prints them; empty when they cannot be read.
    pub(super) start: &'a str,
    /// What the kernel tells of it as `xfs_growfs -n` prints it; empty if it is no mounted xfs.
    pub(super) geometry: &'a str,
}

/// An LV.
#[derive(Default)]
pub(super) struct Held<'a> {
    /// Its number.
    pub(super) numbers: &'a str,
    /// What has it open.
    pub(super) holders: Vec<&'a str>,
    pub(super) signatures: Vec<Signature>,
    /// Its first eight bytes in hex.
    pub(super) magic: &'a str,
    /// The next eight: of LUKS2 the length of one copy of the header.
    pub(super) length: u64,
    /// Both copies of a LUKS2 header of at most [`MOST`] bytes each.
    pub(super) copies: Vec<u8>,
}

impl Held<'_> {
    fn is_read(&self) -> bool {
        self.magic == "4c554b53babe0002" && (4096..=MOST).contains(&self.length)
    }
}

/// The looks by the volumes' names.
pub(super) type Looks<'a> = BTreeMap<&'a str, Result<Look<'a>, Gap>>;

/// Takes the answer apart. A gap when it is not as asked; one of a volume of its own when that could not be looked at.
pub(super) fn read(text: &str) -> Result<Looks<'_>, Gap> {
    let mut looks = Looks::new();
    let mut rest = text;
    while !rest.is_empty() {
        let found: Vec<_> = if let Some((name, after)) = rest.strip_prefix("failed ").and_then(|rest| rest.split_once('\n')) {
            rest = after;
            vec![(name, Err(Gap::new(format!("the look at {name} failed on its machine"))))]
        } else {
            let (part, after) = rest.split_once("\n@@ end\n").ok_or_else(|| Gap::new("the look at the volumes was cut off"))?;
            rest = after;
            part_of(part)?.into_iter().map(|(name, look)| (name, Ok(look))).collect()
        };
        for (name, look) in found {
            if looks.insert(name, look).is_some() {
                return Err(Gap::new(format!("{name} was looked at twice")));
            }
        }
    }
    Ok(looks)
}

/// Volumes that were looked at together.
fn part_of(text: &str) -> Result<Vec<(&str, Look<'_>)>, Gap> {
    // What a disk's label says is JSON there, and begins no line.
    let mut parts = text.split("\n@@ ");
    let mut looks = lines(parts.next().unwrap_or_default())?;
    let mut parts: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('\n')).collect();
    let mut part = |name: &str| parts.remove(name).unwrap_or_default();
    insides(&mut looks, part("types"), part("geometry"), part("starts"))?;
    let mut held: Vec<(&str, &mut Held<'_>)> = looks.iter_mut().filter_map(|(name, look)| Some((*name, look.present.as_mut()?))).collect();
    if !held.is_empty() {
        signatures(&mut held, part("signatures"))?;
        copies(&mut held, part("magic"), part("copies"))?;
    }
    Ok(looks)
}

/// The lines of the volumes themselves.
fn lines(text: &str) -> Result<Vec<(&str, Look<'_>)>, Gap> {
    let mut looks: Vec<(&str, Look<'_>)> = Vec::new();
    for line in text.lines() {
        let (word, value) = line.split_once(' ').unwrap_or((line, ""));
        if word == "volume" {
            looks.push((value, Look::default()));
            continue;
        }
        let strange = || Gap::new(format!("the look at the volumes has a line {line:?}"));
        let (_, look) = looks.last_mut().ok_or_else(strange)?;
        match word {
            "folder" => look.folder = value,
            "real" => look.real = value,
            "share" => look.share = value,
            "open" => {
                let (size, mapping) = value.split_once(' ').ok_or_else(strange)?;
                look.open = Some(Inside { size, mapping, ..Inside::default() });
            }
            "below" => look.open.as_mut().ok_or_else(strange)?.below = value.trim(),
            "numbers" => look.present = Some(Held { numbers: value, ..Held::default() }),
            "holder" => look.present.as_mut().ok_or_else(strange)?.holders.push(value),
            "present" if look.present.is_some() => {}
            "absent" if look.present.is_none() => {}
            _ => return Err(strange()),
        }
    }
    match looks.iter().find(|(_, look)| look.folder.is_empty() || look.real.is_empty() || look.share.is_empty()) {
        Some((name, _)) => Err(Gap::new(format!("the look at {name} is not whole"))),
        None => Ok(looks),
    }
}

/// What is in open mappings: pairs of `DEVNAME=` and `TYPE=`, for each xfs its geometry after a line `device PATH`, and a line each of how they start.
fn insides<'a>(looks: &mut [(&'a str, Look<'a>)], types: &'a str, geometry: &'a str, starts: &'a str) -> Result<(), Gap> {
    let mut open: Vec<&mut Inside<'a>> = looks.iter_mut().filter_map(|(_, look)| look.open.as_mut()).collect();
    let alone = open.len() == 1;
    let mut known = BTreeMap::new();
    let mut device = "";
    for line in types.lines() {
        match line.split_once('=') {
            Some(("DEVNAME", path)) => device = path,
            Some(("TYPE", kind)) => {
                known.insert(device, kind);
            }
            _ => {}
        }
    }
    let geometry: BTreeMap<&str, &str> = geometry.split("device ").filter_map(|part| part.split_once('\n')).collect();
    let starts: Vec<&str> = starts.lines().collect();
    if starts.len() != open.len() && !alone {
        return Err(Gap::new("the look at the open volumes is not whole"));
    }
    for (at, inside) in open.iter_mut().enumerate() {
        let own = known.iter().find(|(path, _)| path.rsplit('/').next() == Some(inside.mapping));
        inside.kind = own.map(|(_, kind)| *kind).unwrap_or_default();
        inside.geometry = own.and_then(|(path, _)| geometry.get(*path)).copied().unwrap_or_default();
        inside.start = starts.get(at).copied().unwrap_or_default();
    }
    Ok(())
}

/// Deals out the signatures: an LV has its volume's name.
fn signatures(held: &mut [(&str, &mut Held<'_>)], text: &str) -> Result<(), Gap> {
    let found = json::<Wipefs>("wipefs", text)?.signatures;
    if let [(_, one)] = held {
        one.signatures = found;
        return Ok(());
    }
    for signature in found {
        let device = signature.device.as_deref().unwrap_or_default();
        let owner = held.iter_mut().find(|(name, _)| *name == device);
        let (_, owner) = owner.ok_or_else(|| Gap::new(format!("wipefs told of a device {device:?} that it was not asked for")))?;
        owner.signatures.push(signature);
    }
    Ok(())
}

/// The first 16 bytes of each LV, and the copies of the headers of those that have one, all of one length.
fn copies<'a>(held: &mut [(&str, &mut Held<'a>)], magic: &'a str, copies: &str) -> Result<(), Gap> {
    let not_whole = || Gap::new("the look at the headers of the volumes is not whole");
    let magic: Vec<&str> = magic.lines().collect();
    if magic.len() != held.len() {
        return Err(not_whole());
    }
    for (line, (_, one)) in magic.iter().zip(held.iter_mut()) {
        let (magic, length) = line.trim().split_once(' ').ok_or_else(not_whole)?;
        one.magic = magic;
        one.length = u64::from_str_radix(length, 16).map_err(|_| not_whole())?;
    }
    let bytes = STANDARD.decode(copies.trim_end()).map_err(|e| Gap::new(format!("the LUKS2 headers came broken: {e}")))?;
    let mut rest = bytes.as_slice();
    for (_, one) in held.iter_mut().filter(|(_, one)| one.is_read()) {
        let both = usize::try_from(2 * one.length).ok().and_then(|length| rest.split_at_checked(length)).ok_or_else(not_whole)?;
        one.copies = both.0.to_vec();
        rest = both.1;
    }
    if rest.is_empty() { Ok(()) } else { Err(not_whole()) }
}
