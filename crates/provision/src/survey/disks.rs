//! The disks of a machine: what they are called and what they hold.

use kubestead_core::fact::Gap;
use kubestead_core::probe::Section;
use kubestead_core::visible::visible;
use kubestead_storage::observe::{self, Device};
use serde::{Deserialize, Serialize};

/// The name of the section.
pub(super) const SECTION: &str = "survey/disks";
/// More than fit into a machine.
const MOST: usize = 1000;
/// The most that is told of what a disk holds, in characters.
const TOLD: usize = 120;

/// A whole disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// The kernel's name, which changes from boot to boot.
    pub kernel: String,
    /// Its best name that stays; `None` if it has none that a cluster file takes.
    pub stable: Option<String>,
    /// Bytes; `None` if they could not be read.
    pub size: Option<u64>,
    /// Why it is left alone; `None` if it is proven blank, by the very probe that a plan makes.
    pub holds: Option<String>,
}

/// The section of the probe. What is said of each disk is what a plan would see of it.
pub(super) fn section() -> Section {
    Section::script(SECTION, include_str!("scripts/probe-disks.sh")).var("look", observe::DEVICE).expects(4 << 20)
}

/// Reads the answer.
pub(super) fn read(text: &str) -> Result<Vec<Disk>, Gap> {
    let wrong =
        |line: &str| Gap::new(format!("what is said of disks was not understood: {:?}", line.chars().take(100).collect::<String>()));
    let (mut disks, mut lines) = (Vec::new(), text.lines());
    while let Some(head) = lines.next() {
        let words: Vec<&str> = head.split(' ').collect();
        let (name, removable, readonly) = match words[..] {
            ["disk", name, removable @ ("0" | "1"), readonly @ ("0" | "1")] if !name.is_empty() => {
                (name, removable == "1", readonly == "1")
            }
            _ => return Err(wrong(head)),
        };
        let (mut links, mut told) = (Vec::new(), String::new());
        let status = loop {
            let line = lines.next().ok_or_else(|| wrong("its end is missing"))?;
            if let Some(link) = line.strip_prefix("link ") {
                links.push(link);
            } else if let Some(rest) = line.strip_prefix("| ") {
                told.push_str(rest);
                told.push('\n');
            } else {
                break line.strip_prefix("end ").and_then(|status| status.parse::<i32>().ok()).ok_or_else(|| wrong(line))?;
            }
        };
        disks.push(disk(name, &links, status, &told, (removable, readonly)));
        if disks.len() > MOST {
            return Err(wrong("too many disks"));
        }
    }
    Ok(disks)
}

fn disk(name: &str, links: &[&str], status: i32, told: &str, (removable, readonly): (bool, bool)) -> Disk {
    let looked = match status {
        0 => observe::whole(name, told),
        _ => Err(Gap::new("it cannot be read")),
    };
    let users = told.lines().nth(1).unwrap_or_default().trim();
    let used = if users.is_empty() { String::new() } else { format!(", used by {users}") };
    let (size, holds) = match looked {
        Ok((size, _)) if removable => (Some(size), Some("it is removable".to_owned())),
        Ok((size, _)) if readonly => (Some(size), Some("it is read-only".to_owned())),
        Ok((size, Device::Blank)) => (Some(size), None),
        Ok((size, Device::Physical | Device::Begun)) => (Some(size), Some(format!("a physical volume of LVM{used}"))),
        Ok((size, Device::Unclear)) => (Some(size), Some("no signature, and its first or last MiB is not zero".to_owned())),
        Ok((size, Device::Taken(what))) if what.starts_with("in use") => (Some(size), Some(what)),
        Ok((size, Device::Taken(what))) => (Some(size), Some(format!("{what}{used}"))),
        Err(gap) => (None, Some(gap.to_string())),
    };
    let holds = holds.map(|text| visible(&text).chars().take(TOLD).collect());
    Disk { kernel: visible(name).chars().take(32).collect(), stable: stable(links), size, holds }
}

/// The best of a disk's names: one by its model and serial number, as people read them off it; else one by a number of its own; else where it is plugged in.
fn stable(links: &[&str]) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:+=#@".contains(c);
    let rank = |link: &str| {
        let (kind, name) = link.strip_prefix("/dev/disk/")?.split_once('/')?;
        let begins = |all: &[&str]| all.iter().any(|begin| name.starts_with(begin));
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) || link.len() > 255 {
            return None;
        }
        match kind {
            // Names of what is on the disk, or of another device.
            "by-id" if begins(&["dm-", "md-", "lvm-", "raid-", "usb-"]) => None,
            "by-id" if begins(&["wwn-", "nvme-eui.", "nvme-nvme.", "nvme-uuid.", "scsi-0", "scsi-3", "scsi-1"]) => Some(1),
            "by-id" => Some(0),
            "by-path" => Some(2),
            _ => None,
        }
    };
    let best = links.iter().filter_map(|link| Some((rank(link)?, link.len(), *link))).min()?;
    Some(best.2.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: &str = r#"{"signatures": []}"#;

    fn one(look: &str, status: i32) -> Disk {
        let told: String = look.lines().map(|line| format!("| {line}\n")).collect();
        let all = read(&format!("disk sda 0 0\nlink /dev/disk/by-id/ata-X_1\n{told}end {status}\n")).unwrap();
        assert_eq!(all.len(), 1);
        all[0].clone()
    }

    #[test]
    fn only_what_a_plan_would_call_blank_is_blank() {
        let blank = one(&format!("/dev/sda 1048576 8:0\n\nzero\n{NONE}"), 0);
        assert_eq!((blank.holds, blank.size, blank.stable.as_deref()), (None, Some(1 << 20), Some("/dev/disk/by-id/ata-X_1")));
        let gpt = r#"{"signatures": [{"device": "sda", "offset": "0x200", "type": "gpt", "uuid": "a"}]}"#;
        let lvm = gpt.replace("gpt", "LVM2_member");
        for (look, status, word) in [
            (format!("/dev/sda 1 8:0\n\nfilled\n{NONE}"), 0, "first or last MiB is not zero"),
            (format!("/dev/sda 1 8:0\nsda1 /boot\nzero\n{gpt}"), 0, "gpt at 0x200 (UUID a), used by sda1 /boot"),
            (format!("/dev/sda 1 8:0\nsda1\nzero\n{NONE}"), 0, "in use by sda1"),
            (format!("/dev/sda 1 8:0\ndm-0\nzero\n{lvm}"), 0, "a physical volume of LVM, used by dm-0"),
            (format!("/dev/sda 1 8:0\n\nunread\n{NONE}"), 0, "cannot be read"),
            ("missing".to_owned(), 0, "is not there"),
            (format!("/dev/sda 1048576 8:0\n\nzero\n{NONE}"), 1, "cannot be read"),
            (String::new(), 0, ""),
            (format!("/dev/sda 1 8:0\n\nzero\n{}", gpt.replace("gpt", "\\u001b[2Jx\\nvolumes:")), 0, "\\u{1b}[2Jx\\nvolumes:"),
        ] {
            let disk = one(&look, status);
            assert!(disk.holds.as_ref().is_some_and(|holds| holds.contains(word)), "{look}: {disk:?}");
        }
        for flags in ["1 0", "0 1"] {
            let text = format!("disk sda {flags}\n| /dev/sda 1048576 8:0\n| \n| zero\n| {NONE}\nend 0\n");
            assert!(read(&text).unwrap()[0].holds.is_some());
        }
    }

    #[test]
    fn the_best_name_is_one_that_people_read_off_the_disk() {
        let id = |name: &str| format!("/dev/disk/by-id/{name}");
        for (links, best) in [
            (&["wwn-0x5000", "ata-Samsung_S1", "lvm-pv-uuid-x"][..], Some("ata-Samsung_S1")),
            (&["nvme-eui.0025", "nvme-Samsung_S1_1", "nvme-Samsung_S1"], Some("nvme-Samsung_S1")),
            (&["wwn-0x5000"], Some("wwn-0x5000")),
            (&["scsi-36000", "wwn-0x6000"], Some("scsi-36000")),
            (&["dm-name-a", "md-uuid-b", "usb-Stick", "", "..", "a b", "a\u{e9}"], None),
            (&[], None),
        ] {
            let links: Vec<String> = links.iter().map(|name| id(name)).collect();
            let links: Vec<&str> = links.iter().map(String::as_str).collect();
            assert_eq!(stable(&links), best.map(id), "{links:?}");
        }
        let path = "/dev/disk/by-path/pci-0000:00:05.0";
        assert_eq!(stable(&["/dev/disk/by-uuid/a", path]).as_deref(), Some(path));
    }

    /// The script as it is, over a folder in the place of the machine's.
    #[test]
    fn the_script_tells_disks_and_leaves_out_what_is_none() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for (name, size, removable) in [
            ("sda", "2048", "0"),
            ("loop0", "8", "0"),
            ("dm-0", "8", "0"),
            ("sr0", "8", "1"),
            ("sdb", "0", "0"),
            ("cciss!c0d0", "4096", "0"),
        ] {
            put(&format!("sys/block/{name}/size"), size);
            put(&format!("sys/block/{name}/removable"), removable);
            put(&format!("sys/block/{name}/ro"), "0");
        }
        put("dev/sda", "");
        put("dev/cciss/c0d0", "");
        put("dev/disk/by-id/none", "");
        put("dev/disk/by-path/none", "");
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(root.path().join(to), root.path().join(name)).unwrap();
        link("dev/sda", "dev/disk/by-id/ata-A");
        link("dev/cciss/c0d0", "dev/disk/by-path/pci-1");
        let at = root.path().display().to_string();
        let section = Section::script(SECTION, include_str!("scripts/probe-disks.sh")).var(
            "look",
            format!("case $device in *sda) echo \"$device 1048576 8:0\"; echo; echo zero; echo '{NONE}' ;; *) exit 1 ;; esac"),
        );
        let script = kubestead_core::probe::command(&[section], "n1")
            .script()
            .replace("/sys/block", &format!("{at}/sys/block"))
            .replace("/dev/disk", &format!("{at}/dev/disk"))
            .replace("=/dev/", &format!("={at}/dev/"))
            .replace("\"/dev/", &format!("\"{at}/dev/"));
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        let answers = kubestead_core::probe::parse(&out.stdout, "n1").unwrap();
        let text = answers.text(SECTION).unwrap().replace(&at, "");
        let disks = read(&text).unwrap();
        let seen: Vec<_> = disks.iter().map(|disk| (disk.kernel.as_str(), disk.stable.as_deref(), disk.holds.is_none())).collect();
        assert_eq!(seen, [("cciss!c0d0", Some("/dev/disk/by-path/pci-1"), false), ("sda", Some("/dev/disk/by-id/ata-A"), true)], "{text}");
    }

    proptest! {
        #[test]
        fn whatever_a_machine_answers_is_understood_or_a_gap(text in "(disk [a-z]{0,3} [01] [01]\n(link [/a-z-]{0,20}\n)?(\\| .{0,40}\n){0,4}end -?[0-9]{0,2}\n?){0,3}|.{0,200}") {
            if let Ok(disks) = read(&text) {
                prop_assert!(disks.iter().all(|disk| disk.holds.as_ref().is_none_or(|holds| !holds.contains('\n'))));
            }
        }
    }
}
