//! One volume: what its LV holds, what is open, mounted and written in crypttab and fstab.

use std::collections::BTreeSet;

use kubestead_core::fact::{Fact, Gap};
use kubestead_core::probe::Answers;

use super::looks::{self, Held, Inside, Looks};
use super::{Told, group};
use crate::facts::{Folder, Header, Opened, VolumeFacts};
use crate::luks2::{self, Which};
use crate::marks::TOKEN;
use crate::report::{LuksMetadata, Signature, Token};
use crate::spec::{Filesystem, Volume};
use crate::superblock;
use crate::ways::Way;

pub(super) fn read(volume: &Volume, answers: &Answers, looks: &Result<Looks<'_>, Gap>, lvm: &Told) -> VolumeFacts {
    let (logical, strays) = group::logical(volume, lvm);
    let mut facts = VolumeFacts {
        logical,
        strays,
        header: Fact::Absent,
        ways: BTreeSet::new(),
        named: None,
        holders: Vec::new(),
        opened: None,
        share: false,
        mounted: None,
        elsewhere: None,
        folder: Folder::Free,
        resolved: None,
        crypttab: None,
        fstab: None,
    };
    // What is not seen of a volume is a gap of its header: nothing is done with it then.
    let parts = [look(volume, looks, &mut facts), mounts(volume, answers, &mut facts), tabs(volume, answers, &mut facts)];
    if let Some(gap) = parts.into_iter().filter_map(Result::err).next_back() {
        facts.header = Fact::Unknown(gap);
    }
    facts
}

/// What was seen of it by itself.
fn look(volume: &Volume, looks: &Result<Looks<'_>, Gap>, facts: &mut VolumeFacts) -> Result<(), Gap> {
    let looks = looks.as_ref().map_err(Clone::clone)?;
    let look = looks.get(volume.name.as_str()).ok_or_else(|| Gap::new(format!("{} was not looked at", volume.name)))?;
    let look = look.as_ref().map_err(Clone::clone)?;
    facts.folder = match look.folder {
        "free" => Folder::Free,
        "barred" => Folder::Barred,
        _ => Folder::Filled,
    };
    facts.resolved = (look.real != volume.path).then(|| look.real.to_owned());
    facts.share = look.share == "yes";
    if look.share == "broken" {
        let file = format!("/etc/kubestead/share.d/{}", volume.name);
        return Err(Gap::new(format!("{file}, the node's share of its key, is not whole: move it away")));
    }
    let numbers = look.present.as_ref().map(|held| held.numbers).unwrap_or_default();
    // An LV that is not encrypted is there at once; what matters of it is its filesystem.
    let open = look.open.as_ref().filter(|inside| volume.is_encrypted() || !inside.kind.is_empty());
    facts.opened = open.map(|inside| opened(inside, if volume.is_encrypted() { numbers } else { inside.below })).transpose()?;
    match &look.present {
        Some(held) => {
            facts.holders.extend(
                held.holders.iter().filter(|user| !volume.is_encrypted() || **user != volume.mapper()).map(|user| (*user).to_owned()),
            );
            facts.header = Fact::Known(header(volume, held, facts.logical.known().is_some_and(|logical| logical.plain))?);
            if matches!(facts.header, Fact::Known(Header::Ours(_))) {
                facts.ways = ways(held);
                facts.named = named(held).filter(|named| *named != volume.name.as_str());
            }
        }
        None if facts.logical != Fact::Absent => {
            return Err(Gap::new(format!("{} is not there although LVM has the volume: is it active?", volume.device())));
        }
        None => {}
    }
    Ok(())
}

/// `numbers` are those of the volume's own LV.
fn opened(inside: &Inside<'_>, numbers: &str) -> Result<Opened, Gap> {
    let known = Filesystem::from_name(inside.kind);
    Ok(Opened {
        size: crate::report::number("the size of a mapping", inside.size)?,
        used: superblock::geometry(inside.geometry).or_else(|| superblock::size(inside.start, known?)).unwrap_or(0),
        filesystem: inside.kind.to_owned(),
        inodes: superblock::inodes(inside.start),
        strange: (inside.below != numbers).then(|| inside.below.to_owned()),
    })
}

fn mounts(volume: &Volume, answers: &Answers, facts: &mut VolumeFacts) -> Result<(), Gap> {
    let own = volume.source();
    let mounts = || answers.text("storage/mounts").map(|text| text.lines().filter_map(|l| l.split_once(' ')));
    facts.mounted = mounts()?.filter(|(target, _)| *target == volume.path).map(|(_, source)| source.to_owned()).next_back();
    facts.elsewhere = mounts()?.find(|(target, source)| *target != volume.path && *source == own).map(|(target, _)| target.to_owned());
    Ok(())
}

fn tabs(volume: &Volume, answers: &Answers, facts: &mut VolumeFacts) -> Result<(), Gap> {
    let mut parts = answers.text("storage/tabs")?.split("@@\n");
    let (crypttab, fstab) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (mapper, device) = (volume.mapper(), volume.source());
    facts.crypttab = line(crypttab, |words| words.first() == Some(&mapper.as_str()));
    let own = |words: &[&str]| words.first() == Some(&device.as_str());
    let taken = |words: &[&str]| !own(words) && words.get(1).is_some_and(|path| mount_point(path) == volume.path);
    facts.fstab = line(fstab, taken).or_else(|| line(fstab, own));
    Ok(())
}

/// A mount point as fstab(5) writes it: blanks in octal, and perhaps a slash at its end, which means nothing.
pub(crate) fn mount_point(word: &str) -> String {
    let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    let text = plain.iter().fold(word.to_owned(), |text, (octal, plain)| text.replace(octal, plain));
    let path = text.trim_end_matches('/');
    if path.is_empty() && !text.is_empty() { "/".to_owned() } else { path.to_owned() }
}

fn line(text: &str, fits: impl Fn(&[&str]) -> bool) -> Option<String> {
    text.lines()
        .filter(|l| !l.trim_start().starts_with('#'))
        .find(|l| fits(&l.split_whitespace().collect::<Vec<_>>()))
        .map(|l| l.trim_end().to_owned())
}

/// `plain`: whether our tag says that it was made without encryption.
fn header(volume: &Volume, held: &Held<'_>, plain: bool) -> Result<Header, Gap> {
    let describe = |all: &[&Signature]| all.iter().map(|s| s.describe()).collect::<Vec<_>>().join(", ");
    let foreign: Vec<&Signature> = held.signatures.iter().filter(|s| s.kind != "crypto_LUKS").collect();
    if let ([one], true) = (&held.signatures[..], plain)
        && Filesystem::from_name(&one.kind).is_some()
    {
        return Ok(Header::Plain(one.describe()));
    }
    if !foreign.is_empty() {
        return Ok(Header::Foreign(describe(&foreign)));
    }
    let [first, ..] = &held.signatures[..] else { return Ok(Header::Blank) };
    if held.magic == "4c554b53babe0001" {
        return Ok(Header::Foreign(format!("a LUKS1 header, {}: kubestead makes and opens LUKS2", first.describe())));
    }
    if held.magic == "4c554b53babe0002" && (looks::MOST + 1..=4 << 20).contains(&held.length) {
        let (device, length, most) = (volume.device(), held.length, looks::MOST);
        return Err(Gap::new(format!("a copy of the LUKS2 header on {device} has {length} bytes, and at most {most} are read")));
    }
    let count = held.signatures.len();
    let (one, two) = held.copies.split_at(held.copies.len() / 2);
    let ours = |copy: &LuksMetadata| copy.tokens.values().any(|t| t.kind == TOKEN);
    let half = |copy: &LuksMetadata, which: &str| {
        let what = format!("one copy of the LUKS2 header does not load: the {which} copy");
        if ours(copy) { Header::Mendable(what) } else { Header::Damaged(what) }
    };
    Ok(match (count, luks2::read(one, Which::First), luks2::read(two, Which::Second)) {
        (2, Some(one), Some(_)) if ours(&one) => Header::Ours(one.keyslots.keys().filter_map(|k| k.parse().ok()).collect()),
        (2, Some(_), Some(_)) => Header::Tokenless(format!("LUKS2 without our token, {}", first.describe())),
        (2, Some(one), None) => half(&one, "second"),
        (2, None, Some(two)) => half(&two, "first"),
        (2, None, None) => Header::Damaged("neither copy of the LUKS2 header loads".to_owned()),
        (n, ..) => Header::Damaged(format!("{n} of the two copies of the LUKS2 header are there")),
    })
}

/// The ways by which a whole header of ours can be unlocked. The recovery slot is ours by its number: early headers have no token for it.
fn ways(held: &Held<'_>) -> BTreeSet<Way> {
    let (one, _) = held.copies.split_at(held.copies.len() / 2);
    let Some(metadata) = luks2::read(one, Which::First) else { return BTreeSet::new() };
    let is_there = |way: &Way| {
        let slot = way.slot().to_string();
        let provider = |token: &Token| token.provider.as_ref().and_then(serde_json::Value::as_str) == Some(way.provider());
        let told = metadata.tokens.values().any(|token| token.kind == TOKEN && provider(token) && token.keyslots.contains(&slot));
        metadata.keyslots.contains_key(&slot) && (told || *way == Way::Recovery)
    };
    Way::ALL.into_iter().filter(is_there).collect()
}

/// The volume that the token of ours in a whole header names.
fn named(held: &Held<'_>) -> Option<String> {
    let (one, _) = held.copies.split_at(held.copies.len() / 2);
    let tokens = luks2::read(one, Which::First)?.tokens;
    let own = tokens.into_values().find(|token| token.kind == TOKEN)?;
    Some(own.volume.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_luks1_header_is_called_so_and_one_that_is_not_read_is_a_gap() {
        let volume = Volume {
            name: kubestead_core::name::Name::new("data").unwrap(),
            group: kubestead_core::name::Name::new("vg01").unwrap(),
            size: kubestead_core::size::Bytes(1 << 30),
            filesystem: Filesystem::Ext4,
            inodes: None,
            path: "/data".into(),
            discard: false,
            encryption: crate::spec::Encryption::default(),
        };
        let one = || Signature { device: None, offset: "0x0".into(), kind: "crypto_LUKS".into(), uuid: Some("e7".into()) };
        let held = |magic, length| Held { signatures: vec![one(), one()], magic, length, ..Held::default() };
        let Ok(Header::Foreign(what)) = header(&volume, &held("4c554b53babe0001", 0), false) else { panic!("it is not damaged") };
        assert_eq!(what, "a LUKS1 header, crypto_LUKS at 0x0 (UUID e7): kubestead makes and opens LUKS2");
        let large = header(&volume, &held("4c554b53babe0002", 4 << 20), false).unwrap_err().to_string();
        assert!(large.contains("/dev/vg01/data has 4194304 bytes"), "{large}");
        assert!(matches!(header(&volume, &held("4c554b53babe0002", 1 << 40), false), Ok(Header::Damaged(_))));
    }

    #[test]
    fn a_mount_point_is_read_as_mount_reads_it() {
        for (word, path) in [("/data/", "/data"), ("/data", "/data"), ("/", "/"), ("/a\\040b//", "/a b"), ("none", "none")] {
            assert_eq!(mount_point(word), path);
        }
    }
}
