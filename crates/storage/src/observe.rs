//! What is: sections of the host's one probe, and how their answers are read. Nothing here writes to a disk: `isLuks` and `luksDump`
//! repair damaged headers, so they are not used.

mod group;
mod looks;
mod volume;

use std::collections::BTreeMap;

use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;
use kubestead_core::probe::{Answers, Section};
use kubestead_core::put::Files;

pub(crate) use volume::mount_point;

pub use crate::facts::{Device, Folder, Group, Header, Inodes, Logical, Opened, StorageFacts, VolumeFacts};
pub use crate::marks::{FORMATTING, MKFS, NEW, TOKEN, VOLUME};
use crate::report::{Lvm, Wipefs, json, number};
use crate::spec::{HostStorage, Volume};
use crate::superblock::LENGTH;

/// Looks at the whole device that the variable `device` names; [`whole`] reads what it prints.
pub const DEVICE: &str = include_str!("scripts/probe-device.sh");

/// The sections of the probe, beside [`kubestead_core::put::section`] with [`crate::unit::own_files`].
pub fn sections(spec: &HostStorage) -> Vec<Section> {
    if spec.volumes.is_empty() && spec.groups.is_empty() {
        return Vec::new();
    }
    let mut found = vec![
        Section::script("storage/lvm", include_str!("scripts/probe-lvm.sh")),
        Section::script("storage/tabs", include_str!("scripts/probe-tabs.sh")),
        Section::script("storage/dev", include_str!("scripts/probe-names.sh")).list("names", spec.groups.keys().map(Name::as_str)),
    ];
    for device in spec.groups.values().flatten() {
        found.push(Section::script(format!("storage/device:{device}"), DEVICE).var("device", device));
    }
    if !spec.volumes.is_empty() {
        found.push(volumes(&spec.volumes));
    }
    // After the look into the mount points: a boot may mount at any instant, and files are the bare mount point's only if nothing is
    // mounted there even then.
    found.push(Section::program("storage/mounts", ["findmnt", "-rn", "-o", "TARGET,SOURCE"]));
    if let Some(root) = &spec.pool_root {
        found.push(Section::script("storage/directories", include_str!("scripts/probe-directories.sh")).var("root", &root.path));
    }
    found
}

fn volumes(all: &[Volume]) -> Section {
    Section::script("storage/volumes", include_str!("scripts/probe-volumes.sh"))
        .list("names", all.iter().map(|volume| volume.name.as_str()))
        .list("devices", all.iter().map(Volume::device))
        .list("mappers", all.iter().map(Volume::mapping))
        .list("paths", all.iter().map(|volume| &volume.path))
        .var("length", LENGTH.to_string())
        .var("most", looks::MOST.to_string())
        // What cryptsetup makes, as base64, and the start of its filesystem in hex.
        .expects(all.len() * (44 << 10) + all.len() * 4 * LENGTH)
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
    let looks = answers.text("storage/volumes").and_then(looks::read);
    let taken: Vec<&str> = answers.text("storage/dev").unwrap_or_default().lines().collect();
    let absent = groups.iter().filter(|(_, fact)| **fact == Fact::Absent).map(|(name, _)| name);
    let below_root: Vec<&str> = answers.text("storage/directories").unwrap_or_default().lines().collect();
    StorageFacts {
        devices,
        sizes,
        occupied: absent.filter(|name| taken.contains(&name.as_str())).cloned().collect(),
        groups,
        volumes: spec.volumes.iter().map(|v| (v.name.clone(), volume::read(v, answers, &looks, &lvm))).collect(),
        witnesses: BTreeMap::new(),
        files: Fact::from_result(Files::of(answers)),
        directories: below_root.iter().filter(|line| !line.starts_with("! ")).map(|line| (*line).to_owned()).collect(),
        barred: below_root.iter().filter_map(|line| line.strip_prefix("! ")).map(str::to_owned).collect(),
    }
}

/// The UUID that a physical volume of ours gets.
fn own(spec: &HostStorage, device: &str) -> String {
    let group = spec.groups.iter().find(|(_, devices)| devices.iter().any(|d| d == device));
    group.map(|(group, _)| crate::marks::physical_uuid(group, device)).unwrap_or_default()
}

/// What [`DEVICE`] printed of a device: its bytes and what it holds. A physical volume is one, whosever it is.
pub fn whole(device: &str, text: &str) -> Result<(u64, Device), Gap> {
    read_device(device, text, "", &Ok(Lvm { report: Vec::new() })).map(|(_, size, found)| (size, found))
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

#[cfg(test)]
mod tests {
    use kubestead_core::name::Name;
    use kubestead_core::probe;
    use kubestead_core::size::Bytes;

    use super::*;
    use crate::sandbox::Sandbox;
    use crate::spec::Filesystem;

    const DISK: &str = "disks/one";
    const LVM: &str = r#"{"report":[{"vg":[{"vg_name":"vg01","vg_uuid":"a","vg_extent_size":"4194304","vg_free":"0","vg_missing_pv_count":"0",
        "vg_exported":""}],"pv":[{"pv_name":"/dev/mapper/mpatha","vg_name":"vg01","pv_uuid":"x","pv_major":"8","pv_minor":"160","pv_missing":""}],
        "lv":[{"vg_name":"vg01","lv_name":"data","lv_size":"8388608","lv_tags":"kubestead:volume"}]}]}"#;

    fn spec(sandbox: &Sandbox) -> HostStorage {
        let name = |text: &str| Name::new(text).unwrap();
        let volume = Volume {
            name: name("data"),
            group: name("vg01"),
            size: Bytes(8 << 20),
            filesystem: Filesystem::Ext4,
            inodes: None,
            path: sandbox.path("data").to_str().unwrap().to_owned(),
            discard: false,
            encryption: crate::spec::Encryption::default(),
        };
        HostStorage {
            node: name("kube1"),
            groups: BTreeMap::from([(name("vg01"), vec![disk(sandbox)])]),
            volumes: vec![volume],
            servers: Vec::new(),
            pool_root: None,
            after_keys: std::collections::BTreeSet::new(),
        }
    }

    fn disk(sandbox: &Sandbox) -> String {
        sandbox.path(DISK).to_str().unwrap().to_owned()
    }

    /// What the real scripts see of a folder.
    fn look(sandbox: &Sandbox) -> StorageFacts {
        look_at(sandbox, &spec(sandbox))
    }

    fn look_at(sandbox: &Sandbox, spec: &HostStorage) -> StorageFacts {
        let script = sandbox.place(&probe::command(&sections(spec), "n1").script());
        let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap());
        let out = std::process::Command::new("bash").args(["-c", &script]).env("PATH", path).env("LC_ALL", "C").output().unwrap();
        read(spec, &probe::parse(&out.stdout, "n1").unwrap())
    }

    fn machine(disk: &[u8]) -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.device(DISK, "sdq", "8:160", disk);
        sandbox.put("dev/mapper/control", "");
        sandbox.program("lvm", "echo '{\"report\":[]}'");
        sandbox.program("findmnt", "[ \"$*\" = '-rn -o TARGET,SOURCE' ]");
        sandbox
    }

    fn data(facts: &StorageFacts) -> &VolumeFacts {
        &facts.volumes[&Name::new("data").unwrap()]
    }

    #[test]
    fn a_blank_machine_is_seen_as_one_and_an_edge_that_is_not_zero_as_such() {
        let mut disk = vec![0; (3 << 20) + 512];
        let of = |sandbox: &Sandbox| look(sandbox).devices.into_values().next().unwrap();
        let facts = look(&machine(&disk));
        let device = (facts.devices.values().next().unwrap(), *facts.sizes.values().next().unwrap());
        assert_eq!(device, (&Fact::Known(Device::Blank), (3 << 20) + 512));
        let seen = data(&facts);
        assert_eq!((&seen.logical, &seen.header, &seen.resolved, &seen.fstab), (&Fact::Absent, &Fact::Absent, &None, &None));
        *disk.last_mut().unwrap() = 1;
        assert_eq!(of(&machine(&disk)), Fact::Known(Device::Unclear), "just as the guard looks");
        let broken = machine(&disk);
        broken.program("cmp", "exit 2");
        assert!(of(&broken).gap().unwrap().to_string().contains("cannot be read"));
        let used = machine(&vec![0; 1 << 20]);
        std::fs::create_dir_all(used.path("sys/class/block/sdq/holders/dm-7")).unwrap();
        assert_eq!(of(&used), Fact::Known(Device::Taken("in use by dm-7".into())));
        let broken = machine(&disk);
        broken.put("etc/kubestead/share.d/data", "cut");
        assert!(data(&look(&broken)).header.gap().unwrap().to_string().contains("is not whole"), "what the guard would refuse is seen");
        std::fs::remove_file(broken.path("etc/kubestead/share.d/data")).unwrap();
        std::os::unix::fs::symlink("/nowhere", broken.path("etc/kubestead/share.d/data")).unwrap();
        assert!(data(&look(&broken)).header.gap().unwrap().to_string().contains("is not whole"), "and so is a link to nothing");
        let barred = machine(&disk);
        barred.put("data", "a file");
        assert_eq!(data(&look(&barred)).folder, Folder::Barred);
        let mut below = spec(&barred);
        below.volumes[0].path = barred.path("data/below/it").to_str().unwrap().to_owned();
        assert_eq!(data(&look_at(&barred, &below)).folder, Folder::Barred);
        let without = machine(&disk);
        std::fs::remove_file(without.path("dev/mapper/control")).unwrap();
        assert!(data(&look(&without)).logical.gap().is_some(), "no device-mapper is a gap");
    }

    /// One process answers for all volumes, and for each by itself where it cannot: what is wrong with one costs the others nothing.
    #[test]
    fn volumes_are_looked_at_together_and_a_bad_one_alone() {
        let sandbox = machine(&vec![0; 1 << 20]);
        let mut spec = spec(&sandbox);
        let mut plain = vec![0; 20 << 20];
        let sealed = |length: &str| {
            let (file, key) = (sandbox.path("image"), sandbox.path("key"));
            std::fs::File::create(&file).unwrap().set_len(20 << 20).unwrap();
            std::fs::write(&key, "a key").unwrap();
            let mut command = std::process::Command::new("cryptsetup");
            command.args(["luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]);
            assert!(command.args(["--luks2-metadata-size", length, "--key-file"]).args([&key, &file]).status().unwrap().success());
            std::fs::read(&file).unwrap()
        };
        let usual = sealed("16k");
        plain[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
        for (at, (volume, content)) in
            [("one", &usual), ("two", &usual), ("text", &plain), ("wide", &sealed("32k")), ("huge", &sealed("1m"))].into_iter().enumerate()
        {
            sandbox.device(&format!("/dev/vg01/{volume}"), &format!("dm-{at}"), &format!("253:{at}"), content);
            sandbox.put(&format!("sys/class/block/dm-{at}/holders/dm-9/dm/name"), "theirs\n");
            let path = sandbox.path(&format!("mnt/{volume}")).to_str().unwrap().to_owned();
            spec.volumes.push(Volume { name: Name::new(volume).unwrap(), path, ..spec.volumes[0].clone() });
        }
        let of = |volumes: &[&str]| {
            let mut spec = spec.clone();
            spec.volumes.retain(|volume| volumes.contains(&volume.name.as_str()));
            std::fs::write(sandbox.path("calls"), "").unwrap();
            let seen = look_at(&sandbox, &spec).volumes;
            let header = |name: &&str| match &seen[&Name::new(*name).unwrap()].header {
                Fact::Known(Header::Tokenless(_)) => "luks".to_owned(),
                Fact::Known(Header::Foreign(what)) => what.split(' ').next().unwrap().to_owned(),
                Fact::Unknown(gap) => gap.to_string(),
                other => format!("{other:?}"),
            };
            (volumes.iter().map(header).collect::<Vec<_>>(), sandbox.calls("wipefs").len(), seen)
        };
        sandbox.program("wipefs", &format!("exec {} \"$@\"", which("wipefs")));
        let (told, calls, seen) = of(&["data", "one", "two", "text"]);
        assert_eq!((told, calls), (["Absent", "luks", "luks", "ext2"].map(str::to_owned).to_vec(), 2), "one call beside the disk's");
        assert!(seen.values().filter(|volume| volume.holders == ["theirs"]).count() == 3 && seen.values().all(|v| v.opened.is_none()));
        // Headers of another length, and one that is longer than any that is read.
        assert_eq!(of(&["one", "wide"]).0, ["luks", "luks"]);
        let told = of(&["huge", "one"]).0;
        assert!(told[0].contains("has 1048576 bytes, and at most 262144 are read") && told[1] == "luks", "{told:?}");
        // One whose disk fails, as each program meets it.
        for program in ["wipefs", "head"] {
            sandbox.program(program, &format!("[[ \" $*\" != *vg01/two* ]] || exit 1\nexec {} \"$@\"", which(program)));
            let told = of(&["data", "one", "two", "text"]).0;
            assert_eq!((told[0].as_str(), told[1].as_str(), told[3].as_str()), ("Absent", "luks", "ext2"), "{program}");
            assert_eq!(told[2], "the look at two failed on its machine", "{program}");
            std::fs::remove_file(sandbox.path(&format!("bin/{program}"))).unwrap();
        }
        // Nothing is found in one of two open volumes: blkid stops there.
        for volume in ["one", "two"] {
            sandbox.put(&format!("dev/mapper/luks-{volume}"), [7; 4096]);
        }
        let kind =
            |text: &str| format!("for d; do case $d in *luks-{text}) echo DEVNAME=$d; echo TYPE=xfs ;; *mapper*) exit 2 ;; esac; done");
        sandbox.program("blkid", &kind("two"));
        let (told, _, seen) = of(&["one", "two"]);
        let inside = |name: &str| seen[&Name::new(name).unwrap()].opened.as_ref().unwrap().filesystem.clone();
        assert_eq!((told, inside("one"), inside("two")), (vec!["luks".to_owned(); 2], String::new(), "xfs".to_owned()));
    }

    #[test]
    fn what_is_no_folder_in_the_root_of_persistent_volumes_is_told_apart() {
        let sandbox = machine(&vec![0; 1 << 20]);
        sandbox.program("findmnt", "true");
        sandbox.put("pool/notes.txt", "");
        std::fs::create_dir(sandbox.path("pool/one")).unwrap();
        std::os::unix::fs::symlink(sandbox.path("pool/one"), sandbox.path("pool/two")).unwrap();
        let path = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
        let root = crate::spec::PoolRoot { path: path("pool"), directories: Vec::new() };
        let mut facts = look_at(&sandbox, &HostStorage { pool_root: Some(root), ..spec(&sandbox) });
        facts.barred.sort();
        assert_eq!((facts.directories, facts.barred), (vec![path("pool/one")], vec![path("pool/notes.txt"), path("pool/two")]));
    }

    fn which(program: &str) -> String {
        let out = std::process::Command::new("bash").args(["-c", &format!("type -P {program}")]).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn an_open_volume_a_link_and_a_group_on_another_name_of_its_device_are_seen() {
        let sandbox = machine(&vec![0; 1 << 20]);
        sandbox.program("lvm", &format!("cat <<'E'\n{LVM}\nE"));
        let made = std::process::Command::new("mkfs.ext4")
            .args(["-q", "-q", "-F", "-N", "512"])
            .arg(sandbox.path("fs"))
            .arg("8M")
            .status()
            .unwrap();
        assert!(made.success());
        sandbox.device("/dev/mapper/luks-data", "dm-2", "253:2", &std::fs::read(sandbox.path("fs")).unwrap());
        sandbox.device("/dev/vg01/data", "dm-1", "253:1", &[0; 8192]);
        sandbox.put("sys/class/block/dm-2/slaves/dm-1/dev", "253:1\n");
        sandbox.put("sys/class/block/dm-1/holders/dm-2/dm/name", "luks-data\n");
        sandbox.program("blkid", "echo DEVNAME=/dev/mapper/luks-data; echo TYPE=ext4");
        sandbox.put("etc/fstab", sandbox.place("/dev/mapper/luks-data /old ext4 nofail 0 2"));
        let facts = look(&sandbox);
        assert!(facts.groups.values().all(|group| group.known().is_some_and(Group::ours)), "{:?}", facts.groups);
        let seen = data(&facts);
        assert_eq!(seen.header, Fact::Known(Header::Blank));
        let inside = seen.opened.as_ref().unwrap();
        assert_eq!((inside.filesystem.as_str(), inside.used, &inside.strange), ("ext4", 8 << 20, &None));
        assert!(inside.inodes.is_some_and(|inodes| inodes.count + inodes.rounding >= 512), "{inside:?}");
        assert!(seen.holders.is_empty() && seen.resolved.is_none());
        // Another user, another device below the mapping, a link in the path, files on the bare mount point.
        sandbox.put("sys/class/block/dm-1/holders/dm-3/dm/name", "theirs\n");
        sandbox.put("sys/class/block/dm-2/slaves/dm-1/dev", "8:16\n");
        sandbox.put("other/file", "");
        std::os::unix::fs::symlink(sandbox.path("other"), sandbox.path("data")).unwrap();
        let facts = look(&sandbox);
        let seen = data(&facts);
        assert_eq!((seen.holders.as_slice(), seen.folder), (["theirs".to_owned()].as_slice(), Folder::Filled));
        assert_eq!(seen.opened.as_ref().unwrap().strange.as_deref(), Some("8:16"));
        assert_eq!(seen.resolved.as_deref(), sandbox.path("other").to_str());
    }
}
