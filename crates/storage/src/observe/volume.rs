//! One volume: what its LV holds, what is open, mounted and written in crypttab and fstab.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::probe::Answers;

use super::{Told, group};
use crate::facts::{Folder, Header, Opened, VolumeFacts};
use crate::luks2::{self, Which};
use crate::marks::TOKEN;
use crate::report::{LuksMetadata, Signature, Wipefs, json};
use crate::spec::{Filesystem, Volume};
use crate::superblock;

pub(super) fn read(volume: &Volume, answers: &Answers, lvm: &Told) -> VolumeFacts {
    let (logical, strays) = group::logical(volume, lvm);
    let mut facts = VolumeFacts {
        logical,
        strays,
        header: Fact::Absent,
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
    let parts = [look(volume, answers, &mut facts), mounts(volume, answers, &mut facts), tabs(volume, answers, &mut facts)];
    if let Some(gap) = parts.into_iter().filter_map(Result::err).next_back() {
        facts.header = Fact::Unknown(gap);
    }
    facts
}

/// The answer of `probe-volume.sh`.
fn look(volume: &Volume, answers: &Answers, facts: &mut VolumeFacts) -> Result<(), Gap> {
    let text = answers.text(&format!("storage/volume:{}", volume.name))?;
    let mut seen = (false, false, false);
    let (mut open, mut start, mut below, mut numbers) = (None, "", "", "");
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        let (word, value) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "folder" => (seen.0, facts.folder) = (true, if value == "filled" { Folder::Filled } else { Folder::Free }),
            "real" => (seen.1, facts.resolved) = (true, (value != volume.path).then(|| value.to_owned())),
            "share" if value == "broken" => {
                let file = format!("/etc/kubestead/share.d/{}", volume.name);
                return Err(Gap::new(format!("{file}, the node's share of its key, is not whole: move it away")));
            }
            "share" => (seen.2, facts.share) = (true, value == "yes"),
            "open" => open = Some(value),
            "start" => start = value,
            "below" => below = value.trim(),
            "numbers" => numbers = value,
            "holder" if value != volume.mapper() => facts.holders.push(value.to_owned()),
            "holder" => {}
            "present" => {
                facts.header = Fact::Known(header(rest)?);
                break;
            }
            "absent" if facts.logical != Fact::Absent => {
                return Err(Gap::new(format!("{} is not there although LVM has the volume: is it active?", volume.device())));
            }
            "absent" => break,
            _ => return Err(Gap::new(format!("the look at {} was cut off", volume.name))),
        }
    }
    if seen != (true, true, true) {
        return Err(Gap::new(format!("the look at {} is not whole", volume.name)));
    }
    facts.opened = open.map(|text| opened(text, start)).transpose()?;
    if let Some(opened) = &mut facts.opened {
        opened.strange = (below != numbers).then(|| below.to_owned());
    }
    Ok(())
}

fn opened(text: &str, start: &str) -> Result<Opened, Gap> {
    let (size, filesystem) = text.split_once(' ').unwrap_or((text, ""));
    let size = crate::report::number("the size of a mapping", size)?;
    let filesystem = filesystem.trim();
    let known = Filesystem::from_name(filesystem);
    let used = known.and_then(|known| superblock::size(start, known)).unwrap_or(0);
    Ok(Opened { size, used, filesystem: filesystem.to_owned(), inodes: superblock::inodes(start), strange: None })
}

fn mounts(volume: &Volume, answers: &Answers, facts: &mut VolumeFacts) -> Result<(), Gap> {
    let own = format!("/dev/mapper/{}", volume.mapper());
    let mounts = || answers.text("storage/mounts").map(|text| text.lines().filter_map(|l| l.split_once(' ')));
    facts.mounted = mounts()?.filter(|(target, _)| *target == volume.path).map(|(_, source)| source.to_owned()).next_back();
    facts.elsewhere = mounts()?.find(|(target, source)| *target != volume.path && *source == own).map(|(target, _)| target.to_owned());
    Ok(())
}

fn tabs(volume: &Volume, answers: &Answers, facts: &mut VolumeFacts) -> Result<(), Gap> {
    let mut parts = answers.text("storage/tabs")?.split("@@\n");
    let (crypttab, fstab) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (mapper, device) = (volume.mapper(), format!("/dev/mapper/{}", volume.mapper()));
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

/// Signatures; then the first eight bytes of the LV in hex and, of LUKS2, both copies of the header.
fn header(text: &str) -> Result<Header, Gap> {
    let (signatures, rest) = text.split_once("@@\n").ok_or_else(|| Gap::new("the look at an LV was cut off"))?;
    let wipefs: Wipefs = json("wipefs", signatures)?;
    let (magic, copies) = rest.split_once('\n').unwrap_or((rest, ""));
    let describe = |all: &[&Signature]| all.iter().map(|s| s.describe()).collect::<Vec<_>>().join(", ");
    let foreign: Vec<&Signature> = wipefs.signatures.iter().filter(|s| s.kind != "crypto_LUKS").collect();
    if !foreign.is_empty() {
        return Ok(Header::Foreign(describe(&foreign)));
    }
    let [first, ..] = &wipefs.signatures[..] else { return Ok(Header::Blank) };
    if magic == "4c554b53babe0001" {
        return Ok(Header::Foreign(format!("a LUKS1 header, {}: kubestead makes and opens LUKS2", first.describe())));
    }
    let count = wipefs.signatures.len();
    let both = STANDARD.decode(copies).map_err(|e| Gap::new(format!("the LUKS2 header came broken: {e}")))?;
    let (one, two) = both.split_at(both.len() / 2);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_luks1_header_is_called_so_and_not_damaged() {
        let one = r#"{"signatures":[{"offset":"0x0","type":"crypto_LUKS","uuid":"e7"}]}"#;
        let Ok(Header::Foreign(what)) = header(&format!("{one}\n@@\n4c554b53babe0001\n")) else { panic!("it is not damaged") };
        assert_eq!(what, "a LUKS1 header, crypto_LUKS at 0x0 (UUID e7): kubestead makes and opens LUKS2");
        assert!(matches!(header(&format!("{one}\n@@\n4c554b53babe0002\n")), Ok(Header::Damaged(_))));
        assert!(header(one).is_err(), "a cut answer is a gap");
    }

    #[test]
    fn a_mount_point_is_read_as_mount_reads_it() {
        for (word, path) in [("/data/", "/data"), ("/data", "/data"), ("/", "/"), ("/a\\040b//", "/a b"), ("none", "none")] {
            assert_eq!(mount_point(word), path);
        }
    }
}
