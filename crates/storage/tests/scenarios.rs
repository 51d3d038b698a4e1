//! Facts in, plan out; after each, the model applied and the second plan empty.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::claim::{self, Adoption};
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::key;
use kubestead_core::name::Name;
use kubestead_core::plan::{Kinds, Part, Plan, Risk};
use kubestead_core::probe::Answers;
use kubestead_core::put::{Files, Found, Owned};
use kubestead_core::size::Bytes;
use kubestead_storage::action::Action;
use kubestead_storage::ids;
use kubestead_storage::model::model;
use kubestead_storage::observe::{Device, Folder, Group, Header, Inodes, Logical, Opened, StorageFacts, VolumeFacts, read};
use kubestead_storage::spec::{Filesystem, HostStorage, KeyServer, PoolRoot, Volume};
use kubestead_storage::unit;
use kubestead_storage::ways::{Way, Ways};
use sha2::{Digest, Sha256};

const DISK: &str = "/dev/disk/by-id/ubd-kube1-data";

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn volume(text: &str, path: &str, size: u64) -> Volume {
    Volume {
        name: name(text),
        group: name("vg01"),
        size: Bytes(size),
        filesystem: Filesystem::Ext4,
        inodes: None,
        path: path.into(),
        discard: false,
        unlock: Ways::default(),
    }
}

fn spec() -> HostStorage {
    HostStorage {
        node: name("kube1"),
        groups: BTreeMap::from([(name("vg01"), vec![DISK.to_owned()])]),
        volumes: vec![volume("kubelet", "/var/lib/kubelet", 1 << 30), volume("volkube", "/var/lib/kubestead/volumes", 2 << 30)],
        servers: vec![KeyServer { address: "10.77.0.5".into(), port: 22, user: "masterlock".into() }],
        pool_root: Some(PoolRoot {
            path: "/var/lib/kubestead/volumes".into(),
            directories: vec!["/var/lib/kubestead/volumes/pool-s-0001".into()],
        }),
        after_keys: BTreeSet::new(),
    }
}

/// The plan of steps on disks alone, each of a kind that is known by its name.
fn ordered(part: Part<Action>) -> Plan<Action> {
    let own = Kinds::of(&[ids::KINDS, claim::KINDS]);
    assert!(part.steps.iter().all(|step| own.name(&step.id)), "{:?}", part.steps);
    Plan::new(String::new(), String::new(), part.without_idle(&Kinds::of(&[ids::KINDS, claim::KINDS, key::KINDS]))).unwrap()
}

const EMPTY: &str = r#"{"report": []}"#;

/// What is told of a volume that is not there.
fn absent(name: &str, path: &str) -> String {
    format!("volume {name}\nfolder free\nreal {path}\nshare no\nabsent\n")
}

/// The answers of a machine with one blank disk.
fn blank() -> Answers {
    let look = absent("kubelet", "/var/lib/kubelet") + &absent("volkube", "/var/lib/kubestead/volumes") + "@@ end\n";
    Answers::from_pairs([
        ("storage/lvm", 0, EMPTY.to_owned()),
        ("storage/mounts", 0, "/ /dev/vda\n".to_owned()),
        ("storage/tabs", 0, "@@\n/dev/vda / ext4 defaults 0 1\n".to_owned()),
        ("files", 0, String::new()),
        (&format!("storage/device:{DISK}"), 0, "/dev/ubdc 8589934592 98:32\n\nzero\n{\n   \"signatures\": [\n\n   ]\n}\n".to_owned()),
        ("storage/volumes", 0, look),
        ("storage/directories", 0, String::new()),
    ])
}

fn facts() -> StorageFacts {
    read(&spec(), &blank())
}

/// The plan, which the checker finds sound whatever was seen.
fn plan(spec: &HostStorage, facts: &StorageFacts) -> Part<Action> {
    let part = kubestead_storage::plan::plan(spec, facts);
    assert_eq!(kubestead_storage::check::steps(facts, part.steps.iter().map(|s| (s, &s.action))), Vec::<String>::new());
    part
}

#[test]
fn the_checker_finds_a_step_that_must_not_run() {
    let steps = plan(&spec(), &facts()).steps;
    let seen = |change: &dyn Fn(&mut StorageFacts)| {
        let mut facts = facts();
        change(&mut facts);
        kubestead_storage::check::steps(&facts, steps.iter().map(|s| (s, &s.action))).join("\n")
    };
    let taken = seen(&|f| drop(f.devices.insert(DISK.into(), Fact::Known(Device::Taken("ext4".into())))));
    assert!(taken.starts_with("kube1/vg01/group: /dev/disk/by-id/ubd-kube1-data is not proven blank"), "{taken}");
    let old = Logical { size: 1 << 30, ours: true, new: false, formatting: false, mkfs: false };
    let used = seen(&|f| f.volumes.get_mut(&name("volkube")).unwrap().logical = Fact::Known(old.clone()));
    for step in ["volkube/create", "volkube/format", "volkube/mkfs"] {
        assert!(used.contains(&format!("kube1/{step}: ")), "{used}");
    }
    let unseen = seen(&|f| f.volumes.get_mut(&name("volkube")).unwrap().logical = Fact::Unknown(Gap::new("lvm failed")));
    assert!(unseen.contains("kube1/volkube/format: /dev/vg01/volkube may hold data"), "{unseen}");
}

fn ids(part: &Part<Action>) -> Vec<&str> {
    part.steps.iter().map(|s| s.id.0.as_str()).collect()
}

fn held(part: &Part<Action>) -> String {
    part.held.iter().map(|h| format!("{}: {}\n", h.object, h.reason)).collect()
}

#[test]
fn a_blank_disk_becomes_mounted_volumes_and_then_nothing_is_to_do() {
    let first = plan(&spec(), &facts());
    assert!(first.held.is_empty(), "{}", held(&first));
    let ordered = ordered(first);
    let order: Vec<&str> = ordered.steps.iter().map(|s| s.id.0.as_str()).collect();
    let at = |id: &str| order.iter().position(|o| *o == id).unwrap_or_else(|| panic!("{id} is not in {order:?}"));
    assert!(at("kube1/vg01/group") < at("kube1/volkube/create"));
    assert!(at("kube1/volkube/share") < at("kube1/volkube/format"));
    assert!(at("kube1/volkube/format") < at("kube1/volkube/mkfs"));
    assert!(at("kube1/volkube/mkfs") < at("kube1/volkube/mount"));
    assert!(at("kube1/volkube/mount") < at("kube1/pools/directories"));
    let after = ordered.steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    let second = plan(&spec(), &after);
    assert!(second.steps.is_empty() && second.held.is_empty(), "{:?} {}", ids(&second), held(&second));
}

#[test]
fn from_every_cut_the_next_plan_finishes_and_formats_nothing_twice() {
    let steps = ordered(plan(&spec(), &facts())).steps;
    for cut in 0..steps.len() {
        let half = steps[..cut].iter().fold(facts(), |facts, step| model(&step.action, facts));
        let made: BTreeSet<&str> = steps[..cut].iter().map(|s| s.id.0.as_str()).filter(|id| id.ends_with("/mkfs")).collect();
        let rest = ordered(plan(&spec(), &half));
        assert!(rest.held.is_empty(), "cut {cut}");
        for step in &rest.steps {
            let again = step.id.0.replace("/format", "/mkfs");
            assert!(!made.contains(again.as_str()), "cut {cut}: {} again", step.id);
        }
        let after = rest.steps.iter().fold(half, |facts, step| model(&step.action, facts));
        assert!(plan(&spec(), &after).steps.is_empty(), "cut {cut}");
    }
}

#[test]
fn volumes_that_a_new_group_cannot_hold_are_held_before_anything_is_made() {
    let mut spec = spec();
    spec.volumes[1].size = Bytes(7 << 30);
    let part = plan(&spec, &facts());
    assert!(held(&part).contains("kube1/vg01: its volumes ask for 8589934592 more bytes, and 8585740288 are free"), "{}", held(&part));
    assert!(!ids(&part).iter().any(|id| id.ends_with("/group") || id.ends_with("/create")), "{:?}", ids(&part));
    spec.volumes[1].size = Bytes((7 << 30) - (4 << 20));
    assert!(plan(&spec, &facts()).held.is_empty());
}

#[test]
fn what_is_not_proven_blank_is_held_and_named() {
    let taken = Fact::Known(Device::Taken("ext4 at 0x438 (UUID 12)".into()));
    for (fact, word) in [
        (taken, "ext4 at 0x438"),
        (Fact::Unknown(Gap::new("it is not there")), "not there"),
        (Fact::Known(Device::Physical), "physical volume"),
    ] {
        let mut facts = facts();
        facts.devices.insert(DISK.into(), fact);
        let part = plan(&spec(), &facts);
        assert!(held(&part).contains(word), "{}", held(&part));
        assert!(
            !ids(&part).iter().any(|id| ["group", "create", "format", "mkfs", "mount"].iter().any(|deed| id.ends_with(deed))),
            "{:?}",
            ids(&part)
        );
    }
}

/// A volume that is ours and mounted, as a base for damage.
fn grown(change: impl FnOnce(&mut StorageFacts)) -> Part<Action> {
    let steps = ordered(plan(&spec(), &facts())).steps;
    let mut after = steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    change(&mut after);
    plan(&spec(), &after)
}

/// `volkube` after a boot that found this in the place of its header.
fn headless(header: Header, ours: bool, change: impl FnOnce(&mut VolumeFacts)) -> Part<Action> {
    grown(|f| {
        let v = f.volumes.get_mut(&name("volkube")).unwrap();
        (v.header, v.opened, v.mounted) = (Fact::Known(header), None, None);
        let Fact::Known(logical) = &mut v.logical else { panic!("it is there") };
        logical.ours = ours;
        change(v);
    })
}

#[test]
fn a_lost_header_is_held_and_made_anew_only_with_consent_to_that_step() {
    for (header, word) in [
        (Header::Damaged("the second copy".into()), "second copy"),
        (Header::Foreign("xfs at 0x0".into()), "xfs"),
        (Header::Tokenless("LUKS2 without our token".into()), "without our token"),
        (Header::Blank, "no signature is found on it"),
    ] {
        let part = headless(header.clone(), true, |_| {});
        assert!(held(&part).contains(word) && part.held[0].hint.contains("--yes kube1/volkube/format makes it anew"), "{:?}", part.held);
        assert_eq!(ids(&part), ["kube1/volkube/format", "kube1/volkube/mkfs", "kube1/volkube/boot", "kube1/volkube/mount"]);
        assert_eq!(part.steps[0].risk, Risk::Destroys);
        assert!(part.steps[0].why.contains("/var/lib/kubestead/volumes held is lost"), "{}", part.steps[0].why);
        assert!(waits_for(&part, "kube1/volkube/format").len() == 4, "all else waits for the step that asks");
        let open = headless(header.clone(), true, |v| v.mounted = Some("/dev/mapper/luks-volkube".into()));
        assert!(open.steps.is_empty() && !open.held.is_empty(), "what is still mounted is saved first: {:?}", ids(&open));
        let theirs = headless(header, false, |_| {});
        assert!(theirs.steps.is_empty() && held(&theirs).contains(word), "{:?}", ids(&theirs));
        let hint = &theirs.held[0].hint;
        assert!(!hint.contains("addtag") && hint.contains("lvrename vg01 volkube volkube-old"), "no hint leads to a loss: {hint}");
    }
    assert!(held(&headless(Header::Blank, false, |_| {})).contains("have its header elsewhere"));
    // With one whole copy nothing is lost, so that nothing is offered that would lose it.
    let half = headless(Header::Mendable("the second copy".into()), true, |_| {});
    assert!(half.steps.is_empty() && half.held[0].hint.contains("`cryptsetup repair /dev/vg01/volkube` fixes it"), "{:?}", half.held);
}

/// The steps that wait for a step, over any number of others, and that step.
fn waits_for(part: &Part<Action>, id: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([id.to_owned()]);
    loop {
        let more = part.steps.iter().filter(|s| s.after.iter().any(|a| found.contains(&a.0))).map(|s| s.id.0.clone()).collect::<Vec<_>>();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// A new volume, as a run that was cut off left it.
fn cut(change: impl FnOnce(&mut VolumeFacts, Logical)) -> Part<Action> {
    let mut facts = facts();
    let group = Group::whole(4 << 20, u64::MAX / 2, 1);
    facts.groups.insert(name("vg01"), Fact::Known(group));
    let logical = Logical { size: 2 << 30, ours: true, new: true, formatting: false, mkfs: false };
    let volume = facts.volumes.get_mut(&name("volkube")).unwrap();
    (volume.logical, volume.header) = (Fact::Known(logical.clone()), Fact::Known(Header::Blank));
    volume.share = true; // it is made before the header
    change(volume, logical);
    plan(&spec(), &facts)
}

#[test]
fn a_header_that_was_cut_off_is_made_again_only_under_the_tag_that_says_so() {
    for header in [Header::Damaged("the second copy".into()), Header::Tokenless("LUKS2 without our token".into())] {
        let ours =
            cut(|v, logical| (v.header, v.logical) = (Fact::Known(header.clone()), Fact::Known(Logical { formatting: true, ..logical })));
        assert!(ids(&ours).contains(&"kube1/volkube/format") && ours.held.is_empty(), "{}", held(&ours));
        let theirs = cut(|v, _| v.header = Fact::Known(header));
        assert!(!ids(&theirs).iter().any(|id| id.starts_with("kube1/volkube/")) && theirs.held.len() == 1, "{:?}", ids(&theirs));
    }
}

#[test]
fn the_tag_for_new_does_not_make_somebodys_data_ours() {
    let part = cut(|v, logical| {
        (v.header, v.logical) = (Fact::Known(Header::Foreign("xfs at 0x0".into())), Fact::Known(Logical { formatting: true, ..logical }))
    });
    assert!(held(&part).contains("xfs") && !ids(&part).contains(&"kube1/volkube/format"));
    let inside = Opened { size: 2 << 30, filesystem: "ext4".into(), used: 2 << 30, inodes: None, strange: None };
    let open = |mkfs: bool| {
        let inside = inside.clone();
        cut(move |v, logical| {
            (v.header, v.opened, v.logical) =
                (Fact::Known(Header::Ours(vec![0, 7])), Some(inside), Fact::Known(Logical { mkfs, ..logical }));
        })
    };
    assert!(held(&open(false)).contains("holds ext4"));
    assert!(ids(&open(true)).contains(&"kube1/volkube/mkfs"), "our own filesystem that was cut off is made again");
}

#[test]
fn a_disk_that_was_cut_off_between_pvcreate_and_vgcreate_is_known_by_its_uuid() {
    let uuid = kubestead_storage::marks::physical_uuid(&name("vg01"), DISK);
    assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [6, 4, 4, 4, 4, 4, 6]);
    let answers = |vg: &str, uuid: &str| {
        Answers::from_pairs([
            (
                "storage/lvm",
                0,
                format!(r#"{{"report":[{{"vg":[],"pv":[{{"pv_name":"/dev/ubdc","vg_name":"{vg}","pv_uuid":"{uuid}"}}],"lv":[]}}]}}"#),
            ),
            (
                &format!("storage/device:{DISK}"),
                0,
                "/dev/ubdc 8589934592 98:32\n\n\n{\"signatures\":[{\"offset\":\"0x218\",\"type\":\"LVM2_member\"}]}".to_owned(),
            ),
        ])
    };
    let device = |vg: &str, uuid: &str| read(&spec(), &answers(vg, uuid)).devices[DISK].clone();
    assert_eq!(device("", &uuid), Fact::Known(Device::Begun));
    assert_eq!(device("", "another"), Fact::Known(Device::Physical), "an orphan of somebody else's stays theirs");
    assert_eq!(device("data", &uuid), Fact::Known(Device::Physical));
    let mut facts = facts();
    facts.devices.insert(DISK.into(), Fact::Known(Device::Begun));
    assert!(ids(&plan(&spec(), &facts)).contains(&"kube1/vg01/group"));
}

#[test]
fn a_growth_that_was_cut_off_is_finished() {
    for change in [|o: &mut Opened| o.size -= 1 << 30, |o: &mut Opened| o.used -= 1 << 30] {
        let part = grown(|f| change(f.volumes.get_mut(&name("volkube")).unwrap().opened.as_mut().unwrap()));
        assert_eq!(ids(&part), ["kube1/volkube/grow"]);
    }
}

#[test]
fn a_gap_yields_no_step_for_what_it_is_about() {
    let part = grown(|f| {
        f.volumes.get_mut(&name("volkube")).unwrap().logical = Fact::Unknown(Gap::new("lvm said nothing"));
    });
    assert!(part.steps.is_empty() && held(&part).contains("lvm said nothing"));
}

#[test]
fn volumes_grow_and_never_shrink_and_need_room() {
    let mut larger = spec();
    larger.volumes[1].size = Bytes(3 << 30);
    let steps = ordered(plan(&spec(), &facts())).steps;
    let mut after = steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    assert_eq!(ids(&plan(&larger, &after)), ["kube1/volkube/grow"]);
    after.groups.insert(name("vg01"), Fact::Known(Group::whole(4 << 20, 1 << 20, 1)));
    assert!(held(&plan(&larger, &after)).contains("are free"));
    let mut smaller = spec();
    smaller.volumes[1].size = Bytes(1 << 30);
    let part = plan(&smaller, &after);
    assert!(held(&part).contains("only grow") && part.steps.is_empty());
}

#[test]
fn somebody_elses_files_lines_and_mounts_are_left_alone() {
    let part = grown(|f| f.volumes.get_mut(&name("volkube")).unwrap().mounted = Some("/dev/sdz1".into()));
    assert!(held(&part).contains("/dev/sdz1"));
    let part =
        grown(|f| f.volumes.get_mut(&name("volkube")).unwrap().fstab = Some("UUID=1 /var/lib/kubestead/volumes ext4 defaults 0 2".into()));
    assert!(held(&part).contains("somebody else"));
}

/// A machine of which nothing is left to do, but for what is changed of its files.
fn with_files(change: impl FnOnce(&mut Files)) -> StorageFacts {
    let steps = ordered(plan(&spec(), &facts())).steps;
    let mut made = steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    let Fact::Known(files) = &mut made.files else { panic!("they are seen") };
    change(files);
    made
}

#[test]
fn every_file_of_somebody_else_asks_and_is_written_after_its_copy() {
    let all = unit::own_files(&spec());
    assert!(all.len() > 10);
    for file in &all {
        let foreign: [&dyn Fn(&mut Files); 2] =
            [&|f| f.foreign(&file.path, "theirs\n"), &|f| _ = (f.written.remove(&file.path), f.foreign(&file.path, "theirs\n"))];
        for change in foreign {
            let seen = with_files(change);
            let part = plan(&spec(), &seen);
            let (adopt, write) = (&part.steps[0], &part.steps[1]);
            assert_eq!((part.steps.len(), adopt.id.0.as_str()), (2, format!("kube1{}/adopt", file.path).as_str()));
            assert!(adopt.needs_consent() && matches!(&adopt.action, Action::Adoption(Adoption::Adopt { path, .. }) if *path == file.path));
            assert!(write.after.contains(&adopt.id) && write.action.writes() == [file.clone()], "{write:?}");
            let after = part.steps.iter().fold(seen, |facts, step| model(&step.action, facts));
            assert!(plan(&spec(), &after).steps.is_empty());
        }
        let part = plan(&spec(), &with_files(|f| _ = f.found.remove(&file.path)));
        assert!(part.steps.len() == 1 && !part.steps[0].needs_consent(), "{:?}", ids(&part));
        let part = plan(&spec(), &with_files(|f| _ = f.found.insert(file.path.clone(), Found::Other)));
        assert!(part.steps.is_empty() && held(&part).starts_with(&format!("kube1{}: ", file.path)), "{}", held(&part));
    }
}

#[test]
fn files_that_were_perhaps_not_loaded_are_written_again_and_what_is_so_is_written_down() {
    let files: usize = plan(&spec(), &with_files(|f| f.pending = true)).steps.iter().map(|s| s.action.writes().len()).sum();
    assert_eq!(files, unit::own_files(&spec()).len());
    let seen = with_files(|f| f.written.clear());
    let part = plan(&spec(), &seen);
    assert_eq!(ids(&part), ["kube1/storage/record"]);
    assert!(plan(&spec(), &model(&part.steps[0].action, seen)).steps.is_empty());
}

#[test]
fn without_a_look_at_its_files_nothing_is_done_and_a_step_that_writes_one_is_found() {
    for files in [Fact::Unknown(Gap::new("files ended with status 1")), Fact::Absent] {
        let part = plan(&spec(), &StorageFacts { files, ..facts() });
        assert!(part.steps.is_empty() && held(&part).starts_with("kube1/files: "), "{}", held(&part));
    }
    let steps = plan(&spec(), &facts()).steps;
    let writes = |s: &&kubestead_core::plan::Step<Action>| !s.action.writes().is_empty();
    let count = steps.iter().filter(writes).count();
    let mut seen = facts();
    let Fact::Known(files) = &mut seen.files else { panic!("they are seen") };
    let path = |file: &Owned| file.path.clone();
    unit::own_files(&spec()).iter().map(path).for_each(|path| files.foreign(&path, "theirs\n"));
    let found = kubestead_storage::check::steps(&seen, steps.iter().map(|s| (s, &s.action)));
    assert!(found.len() == count && found.iter().all(|why| why.contains("would be replaced, which is not ours")), "{found:?}");
    seen.files = Fact::Unknown(Gap::new("no answer"));
    assert_eq!(kubestead_storage::check::steps(&seen, steps.iter().map(|s| (s, &s.action))).len(), count);
}

/// The two copies of a LUKS2 header with this metadata; one without metadata has no JSON that loads.
fn header(first: &str, second: &str) -> Vec<u8> {
    let copy = |magic: &[u8], place: u64, json: &str| {
        let mut bytes = vec![0; 16384];
        for (at, field) in
            [(0, magic), (6, &[0, 2]), (8, &16384u64.to_be_bytes()), (72, b"sha256"), (256, &place.to_be_bytes()), (4096, json.as_bytes())]
        {
            bytes[at..at + field.len()].copy_from_slice(field);
        }
        let sum = Sha256::digest(&bytes);
        bytes[448..480].copy_from_slice(&sum);
        bytes
    };
    [copy(b"LUKS\xba\xbe", 0, first), copy(b"SKUL\xba\xbe", 16384, second)].concat()
}

#[test]
fn real_answers_are_read() {
    let two = r#"{"signatures": [ {"device":"t1","offset":"0x0","type":"crypto_LUKS","uuid":"e7","label":null},{"device":"t1","offset":"0x4000","type":"crypto_LUKS","uuid":"e7","label":null} ]}"#;
    let metadata =
        r#"{"keyslots":{"0":{},"7":{}},"tokens":{"0":{"type":"kubestead","keyslots":["0"]}},"segments":{},"digests":{},"config":{}}"#;
    let lvm = r#"{"report":[{"vg":[{"vg_name":"vg01","vg_extent_size":"4194304","vg_free":"8518631424","vg_missing_pv_count":"0"}],"pv":[{"pv_name":"/dev/ubdc","vg_name":"vg01"}],"lv":[{"vg_name":"vg01","lv_name":"volkube","lv_size":"67108864","lv_tags":"kubestead:new"}],"pvseg":[{}],"seg":[{}]}]}"#;
    let text = |first: &str, second: &str| {
        // An ext4 superblock: 12207 blocks of 4 KiB.
        let mut start = [0u8; 2048];
        start[1024..][..64][0x4..0x8].copy_from_slice(&12_207u32.to_le_bytes());
        (start[1024 + 0x18], start[1024 + 0x38], start[1024 + 0x39]) = (2, 0x53, 0xef);
        let start: String = start.iter().map(|byte| format!(" {byte:02x}")).collect();
        let path = "/var/lib/kubestead/volumes";
        let header = STANDARD.encode(header(first, second));
        format!(
            "volume volkube\nfolder free\nreal {path}\nshare yes\nopen 50331648\nbelow 253:1 \nnumbers 253:1\nholder luks-volkube\npresent\n\
             @@ types\nDEVNAME=/dev/mapper/luks-volkube\nTYPE=ext4\n\n@@ starts\n{start}\n@@ signatures\n{two}\n\
             @@ magic\n4c554b53babe0002 0000000000004000\n@@ copies\n{header}\n@@ end\n"
        )
    };
    let answers = |volume: String| {
        Answers::from_pairs([
            ("storage/lvm", 0, lvm.to_owned()),
            ("storage/mounts", 0, String::new()),
            ("storage/tabs", 0, "@@\n".to_owned()),
            (
                &format!("storage/device:{DISK}"),
                0,
                "/dev/ubdc 8589934592 98:32\n\n\n{\"signatures\":[{\"offset\":\"0x218\",\"type\":\"LVM2_member\"}]}".to_owned(),
            ),
            ("storage/volumes", 0, volume),
        ])
    };
    let facts = read(&spec(), &answers(text(metadata, metadata)));
    let found = &facts.volumes[&name("volkube")];
    assert_eq!((&found.header, found.named.as_deref()), (&Fact::Known(Header::Ours(vec![0, 7])), Some("")), "its token names none");
    // A token of another program may have any field of that name.
    for (volume, named) in [("volkube", None), ("other", Some("other"))] {
        let token = format!(r#""type":"kubestead","volume":"{volume}""#);
        let text_of =
            metadata.replace(r#""type":"kubestead""#, &token).replace(r#""tokens":{"#, r#""tokens":{"1":{"type":"theirs","volume":7},"#);
        let seen = read(&spec(), &answers(text(&text_of, &text_of)));
        let seen = &seen.volumes[&name("volkube")];
        assert!(matches!(seen.header, Fact::Known(Header::Ours(_))) && seen.named.as_deref() == named, "{seen:?}");
    }
    assert_eq!(found.logical, Fact::Known(Logical { size: 67_108_864, ours: false, new: true, formatting: false, mkfs: false }));
    let inside = Opened { size: 50_331_648, filesystem: "ext4".into(), used: 12_207 * 4096, inodes: None, strange: None };
    assert_eq!((found.share, found.opened.as_ref()), (true, Some(&inside)));
    assert!(matches!(&facts.groups[&name("vg01")], Fact::Known(g) if g.ours()));
    assert!(matches!(&facts.volumes[&name("kubelet")].header, Fact::Unknown(_)), "no answer is a gap");
    for (first, second) in [("", metadata), (metadata, "")] {
        let facts = read(&spec(), &answers(text(first, second)));
        assert!(matches!(facts.volumes[&name("volkube")].header, Fact::Known(Header::Mendable(_))));
    }
    for (first, second) in [("", ""), ("", r#"{"keyslots":{},"tokens":{}}"#)] {
        let facts = read(&spec(), &answers(text(first, second)));
        assert!(matches!(facts.volumes[&name("volkube")].header, Fact::Known(Header::Damaged(_))));
    }
}

/// The plan that wipes `volkube`, with facts that were changed.
fn wiped(change: impl FnOnce(&mut StorageFacts)) -> (Part<Action>, StorageFacts) {
    let steps = ordered(plan(&spec(), &facts())).steps;
    let mut after = steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    change(&mut after);
    let spec = spec();
    let part = kubestead_storage::plan::wipe(&spec, &after, &spec.volumes[1], BTreeSet::new());
    (part, after)
}

#[test]
fn a_wipe_destroys_just_the_volume_that_is_named() {
    let (part, before) = wiped(|_| {});
    assert_eq!(ids(&part), ["kube1/volkube/wipe"]);
    assert!(part.steps[0].needs_consent());
    let after = model(&part.steps[0].action, before.clone());
    assert_eq!(after.volumes[&name("kubelet")], before.volumes[&name("kubelet")]);
    assert!(kubestead_storage::plan::wipe(&spec(), &after, &spec().volumes[1], BTreeSet::new()).steps.is_empty());
    let anew = plan(&spec(), &after);
    assert!(ids(&anew).contains(&"kube1/volkube/create") && anew.held.is_empty(), "{:?} {}", ids(&anew), held(&anew));
}

#[test]
fn what_is_not_proven_ours_is_never_wiped() {
    let of = |f: &mut StorageFacts, change: &dyn Fn(&mut VolumeFacts)| change(f.volumes.get_mut(&name("volkube")).unwrap());
    for header in [
        Fact::Known(Header::Blank),
        Fact::Known(Header::Foreign("xfs".into())),
        Fact::Known(Header::Tokenless("LUKS2".into())),
        Fact::Known(Header::Damaged("the first copy".into())),
        Fact::Unknown(Gap::new("no answer")),
        Fact::Absent,
    ] {
        let (part, _) = wiped(|f| of(f, &|v| v.header = header.clone()));
        assert!(part.steps.is_empty() && !part.held.is_empty(), "{header:?}");
    }
    let (part, _) = wiped(|f| of(f, &|v| v.mounted = Some("/dev/sdb1".into())));
    assert!(part.steps.is_empty() && held(&part).contains("/dev/sdb1"));
    let (part, _) = wiped(|f| {
        let Some(Fact::Known(group)) = f.groups.get_mut(&name("vg01")) else { panic!("no group") };
        group.others.push("/dev/sdz".into());
    });
    assert!(part.steps.is_empty() && held(&part).contains("vg01"));
}

#[test]
fn what_the_guard_of_a_wipe_refuses_is_held_before() {
    type Change<'a> = &'a dyn Fn(&mut VolumeFacts);
    let untagged: Change<'_> = &|v| {
        let Fact::Known(logical) = &mut v.logical else { panic!("no LV") };
        logical.ours = false;
    };
    for (change, word) in [
        (untagged, "has no tag that says that kubestead made it; if it did: lvchange --addtag kubestead:volume vg01/volkube"),
        (&|v| v.named = Some("old".into()), "names another volume: \"old\""),
        (&|v| v.holders = vec!["theirs".into()], "is in use by theirs"),
        (&|v| v.elsewhere = Some("/mnt".into()), "it is mounted elsewhere too: /mnt"),
    ] {
        let (part, _) = wiped(|f| change(f.volumes.get_mut(&name("volkube")).unwrap()));
        assert!(part.steps.is_empty() && held(&part).contains(word), "{word}: {}", held(&part));
    }
    let (part, _) = wiped(|f| {
        let Fact::Known(files) = &mut f.files else { panic!("no files") };
        files.found.insert("/etc/fstab".into(), Found::Other);
    });
    assert!(part.steps.is_empty() && held(&part).contains("/etc/fstab is not a regular file"), "{}", held(&part));
}

#[test]
fn what_the_guards_of_a_new_volume_refuse_is_held_before() {
    let open = || Some(Opened { size: 1 << 30, filesystem: String::new(), used: 0, inodes: None, strange: None });
    let ours = || Fact::Known(Header::Ours(vec![0, 7]));
    let own = |id: &&str| id.starts_with("kube1/volkube/") && !id.ends_with("/share");
    let cases: [(Part<Action>, &str); 5] = [
        (cut(|v, _| v.opened = open()), "is open, and /dev/vg01/volkube has no whole header of ours"),
        (
            cut(|v, l| {
                (v.opened, v.header, v.logical) =
                    (open(), Fact::Known(Header::Tokenless("LUKS2".into())), Fact::Known(Logical { formatting: true, ..l }));
            }),
            "is open, and /dev/vg01/volkube has no whole header of ours",
        ),
        (cut(|v, _| (v.header, v.share) = (ours(), false)), "is gone, and /dev/vg01/volkube has a header that was made with it"),
        (cut(|v, _| (v.header, v.share, v.elsewhere) = (ours(), true, Some("/mnt".into()))), "is tagged as new and is mounted at /mnt"),
        (
            cut(|v, _| (v.header, v.share, v.mounted) = (ours(), true, Some("/dev/mapper/luks-volkube".into()))),
            "is tagged as new and is mounted at /var/lib/kubestead/volumes",
        ),
    ];
    for (part, word) in cases {
        assert!(held(&part).contains(word) && !ids(&part).iter().any(own), "{word}: {} {:?}", held(&part), ids(&part));
    }
    // What a run of ours leaves that is cut off goes on.
    for going in [
        cut(|v, _| (v.header, v.share) = (ours(), true)),
        cut(|v, _| (v.header, v.share, v.opened) = (ours(), true, open())),
        cut(|v, l| (v.header, v.logical) = (ours(), Fact::Known(Logical { formatting: true, ..l }))),
        cut(|v, l| (v.opened, v.logical) = (open(), Fact::Known(Logical { size: 1 << 30, ..l }))),
    ] {
        assert!(going.held.is_empty() && ids(&going).contains(&"kube1/volkube/mkfs"), "{} {:?}", held(&going), ids(&going));
    }
}

#[test]
fn a_file_where_a_mount_point_belongs_and_a_link_in_the_place_of_fstab_are_held() {
    let mut seen = facts();
    seen.volumes.get_mut(&name("volkube")).unwrap().folder = Folder::Barred;
    let part = plan(&spec(), &seen);
    assert!(held(&part).contains("kube1/volkube: /var/lib/kubestead/volumes cannot be made"), "{}", held(&part));
    assert!(!ids(&part).iter().any(|id| id.starts_with("kube1/volkube/")), "{:?}", ids(&part));
    for tab in unit::TABS {
        let mut seen = facts();
        let Fact::Known(files) = &mut seen.files else { panic!("no files") };
        files.found.insert(tab.into(), Found::Other);
        let part = plan(&spec(), &seen);
        assert!(part.steps.is_empty() && held(&part).contains(&format!("{tab} is a link")), "{}", held(&part));
    }
}

/// All that a first run made, then the data disk swapped for a blank one of the same name.
fn swapped(change: impl FnOnce(&mut StorageFacts)) -> StorageFacts {
    let steps = ordered(plan(&spec(), &facts())).steps;
    let before = steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    let mut after = facts();
    after.files = before.files.clone();
    for (name, volume) in &mut after.volumes {
        let known = &before.volumes[name];
        (volume.share, volume.crypttab, volume.fstab) = (true, known.crypttab.clone(), known.fstab.clone());
    }
    change(&mut after);
    after
}

#[test]
fn a_disk_that_was_swapped_is_held_and_made_anew_only_with_consent() {
    let part = plan(&spec(), &swapped(|_| {}));
    assert_eq!(
        held(&part),
        "kube1/vg01: the volume group vg01 is not there, and it had kubelet at /var/lib/kubelet (/etc/crypttab mounts it at boot), \
         volkube at /var/lib/kubestead/volumes (/etc/crypttab mounts it at boot)\n"
    );
    assert_eq!(
        part.held[0].hint,
        "was this disk replaced? --yes kube1/vg01/group makes them anew, what they held is gone; \
         if it was only unplugged, put it back and plan again"
    );
    let group = part.steps.iter().find(|s| s.id.0 == "kube1/vg01/group").unwrap();
    assert_eq!(group.risk, Risk::Destroys);
    assert!(group.why.contains("volkube at /var/lib/kubestead/volumes") && group.why.ends_with("held is lost"), "{}", group.why);
    assert_eq!(waits_for(&part, "kube1/vg01/group").len(), part.steps.len(), "nothing runs without it: {:?}", ids(&part));
    // With consent all is made, with the shares and the recovery keys that there are, and then nothing is to do.
    assert!(!ids(&part).iter().any(|id| id.ends_with("/share")), "{:?}", ids(&part));
    let steps = ordered(part).steps;
    let after = steps.iter().fold(swapped(|_| {}), |facts, step| model(&step.action, facts));
    let second = plan(&spec(), &after);
    assert!(second.steps.is_empty() && second.held.is_empty(), "{:?} {}", ids(&second), held(&second));
    // A run that was cut off after the consent goes on without another.
    for cut in 1..steps.len() {
        let half = steps[..cut].iter().fold(swapped(|_| {}), |facts, step| model(&step.action, facts));
        let rest = plan(&spec(), &half);
        assert!(rest.held.is_empty() && rest.steps.iter().all(|s| !s.needs_consent()), "cut {cut}: {}", held(&rest));
    }
}

#[test]
fn a_first_run_that_was_cut_off_before_its_group_asks_nobody() {
    let mut facts = facts();
    for v in facts.volumes.values_mut() {
        v.share = true;
    }
    let part = plan(&spec(), &facts);
    assert!(part.held.is_empty() && part.steps.iter().all(|s| !s.needs_consent()), "{}", held(&part));
    assert!(ids(&part).contains(&"kube1/vg01/group"));
}

#[test]
fn what_the_api_knows_of_a_volume_counts_when_the_root_disk_was_replaced_too() {
    let mut facts = facts();
    facts.witnesses.insert(name("volkube"), "bound persistent volumes are on it: kube1-share for apps/data".into());
    let part = plan(&spec(), &facts);
    assert!(held(&part).contains("volkube at /var/lib/kubestead/volumes (bound persistent volumes are on it: kube1-share for apps/data)"));
    let group = part.steps.iter().find(|s| s.id.0 == "kube1/vg01/group").unwrap();
    assert!(group.needs_consent() && group.why.contains("apps/data"), "{}", group.why);
    let part = plan(&spec(), &swapped(|f| drop(f.witnesses.insert(name("volkube"), "kube1-share is bound".into()))));
    assert!(held(&part).contains("(/etc/crypttab mounts it at boot; kube1-share is bound)"), "what is lost is told whole: {}", held(&part));
}

#[test]
fn a_lost_disk_is_not_made_anew_while_it_may_come_back() {
    // The disk is not there at all: nothing could be made, and it says what to look for.
    let part = plan(&spec(), &swapped(|f| drop(f.devices.insert(DISK.into(), Fact::Unknown(Gap::new(format!("{DISK} is not there")))))));
    assert!(part.steps.is_empty() && part.held.iter().any(|h| h.hint == "find the disk that held them before anything is changed"));
    // Its signature was wiped: nothing is said that would empty it.
    let part = plan(&spec(), &swapped(|f| drop(f.devices.insert(DISK.into(), Fact::Known(Device::Unclear)))));
    assert!(part.steps.is_empty() && held(&part).contains("it may be the group's own disk"), "{}", held(&part));
    assert!(part.held.iter().all(|h| !h.hint.contains("blkdiscard") && !h.hint.contains("dd ")), "{:?}", part.held);
    // It was pulled out while its volumes were open.
    let part = plan(
        &spec(),
        &swapped(|f| {
            let inside = Opened { size: 2 << 30, filesystem: "ext4".into(), used: 2 << 30, inodes: None, strange: Some("253:7".into()) };
            f.volumes.get_mut(&name("volkube")).unwrap().opened = Some(inside);
        }),
    );
    assert!(
        part.steps.is_empty() && held(&part).contains("luks-volkube is open, and its LV /dev/vg01/volkube is not there"),
        "{}",
        held(&part)
    );
}

#[test]
fn a_vanished_lv_asks_alone_and_nothing_of_the_other_volume_waits_for_it() {
    let gone = |f: &mut StorageFacts| {
        let v = f.volumes.get_mut(&name("kubelet")).unwrap();
        (v.logical, v.header, v.opened, v.mounted) = (Fact::Absent, Fact::Absent, None, None);
        f.volumes.get_mut(&name("volkube")).unwrap().mounted = None;
        let Some(Fact::Known(group)) = f.groups.get_mut(&name("vg01")) else { panic!("no group") };
        group.free += 1 << 30;
    };
    let part = grown(gone);
    assert!(held(&part).starts_with("kube1/kubelet: the LV /dev/vg01/kubelet is not there, and it was mounted at /var/lib/kubelet"));
    assert!(part.held[0].hint.contains("--yes kube1/kubelet/create makes it anew, what it held is gone"), "{}", part.held[0].hint);
    let asks: Vec<&str> = part.steps.iter().filter(|s| s.needs_consent()).map(|s| s.id.0.as_str()).collect();
    assert_eq!(asks, ["kube1/kubelet/create"]);
    let waiting = waits_for(&part, "kube1/kubelet/create");
    assert!(!waiting.contains("kube1/volkube/mount") && ids(&part).contains(&"kube1/volkube/mount"), "{waiting:?}");
    let after = part.steps.iter().fold(
        {
            let steps = ordered(plan(&spec(), &facts())).steps;
            let mut all = steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
            gone(&mut all);
            all
        },
        |facts, step| model(&step.action, facts),
    );
    assert!(plan(&spec(), &after).steps.is_empty(), "{:?}", ids(&plan(&spec(), &after)));
}

#[test]
fn the_checker_lets_nothing_be_made_anew_without_asking() {
    let facts = swapped(|_| {});
    let mut steps = plan(&spec(), &facts).steps;
    for step in &mut steps {
        step.risk = Risk::Safe;
    }
    let faults = kubestead_storage::check::steps(&facts, steps.iter().map(|s| (s, &s.action))).join("\n");
    assert!(faults.contains("kube1/vg01/group: it asks nobody, and a volume of the group is mounted at boot: luks-"), "{faults}");
}

/// The plan for another file on what a first run made, with what was seen changed.
fn edited(edit: impl FnOnce(&mut Volume), change: impl FnOnce(&mut StorageFacts)) -> Part<Action> {
    let steps = ordered(plan(&spec(), &facts())).steps;
    let mut after = steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    change(&mut after);
    let mut spec = spec();
    edit(&mut spec.volumes[0]);
    plan(&spec, &after)
}

#[test]
fn what_cannot_change_on_a_volume_is_held_with_what_to_do_instead_and_fstab_stays() {
    let closed = |f: &mut StorageFacts| {
        let v = f.volumes.get_mut(&name("kubelet")).unwrap();
        (v.opened, v.mounted) = (None, None);
    };
    let open = |_: &mut StorageFacts| {};
    for seen in [&open as &dyn Fn(&mut StorageFacts), &closed] {
        let part = edited(|v| v.filesystem = Filesystem::Xfs, seen);
        assert_eq!(held(&part), "kube1/kubelet: it holds ext4, the file says xfs\n");
        assert_eq!(part.held[0].hint, "name the filesystem that it holds; for another one, give the file another volume and copy");
        assert!(part.steps.is_empty(), "no line, no mount: {:?}", ids(&part));
    }
    // Its line in fstab was rewritten by hand, or by an earlier version: what it holds counts, and the line is put right.
    let part = edited(
        |_| {},
        |f| {
            let line = &mut f.volumes.get_mut(&name("kubelet")).unwrap().fstab;
            *line = line.as_ref().map(|line| line.replace(" ext4 ", " xfs "));
        },
    );
    assert_eq!(ids(&part), ["kube1/volumes/boot"]);

    let elsewhere = |f: &mut StorageFacts| {
        let v = f.volumes.get_mut(&name("kubelet")).unwrap();
        (v.mounted, v.elsewhere) = (None, Some("/var/lib/kubelet".into()));
    };
    for seen in [&elsewhere as &dyn Fn(&mut StorageFacts), &closed] {
        let part = edited(|v| v.path = "/mnt/kubelet".into(), seen);
        assert_eq!(held(&part), "kube1/kubelet: it is mounted at /var/lib/kubelet, the file says /mnt/kubelet\n");
        assert!(part.held[0].hint.contains("remove the line of /dev/mapper/luks-kubelet from /etc/fstab"), "{}", part.held[0].hint);
        assert!(part.steps.is_empty(), "the kubelet still waits for the old path: {:?}", ids(&part));
    }

    let moved = |f: &mut StorageFacts| {
        f.groups.insert(name("vg02"), Fact::Known(Group::whole(4 << 20, 100 << 30, 1)));
        let v = f.volumes.get_mut(&name("kubelet")).unwrap();
        (v.logical, v.header, v.strays) = (Fact::Absent, Fact::Absent, vec![name("vg01")]);
    };
    let part = edited(|v| v.group = name("vg02"), moved);
    assert_eq!(held(&part), "kube1/kubelet: it is in vg01, the file says vg02\n");
    assert!(part.steps.is_empty(), "no new LV: {:?}", ids(&part));

    let few = |f: &mut StorageFacts| {
        let inodes = Some(Inodes { count: 1000, rounding: 64 });
        f.volumes.get_mut(&name("kubelet")).unwrap().opened.as_mut().unwrap().inodes = inodes;
    };
    assert_eq!(held(&edited(|v| v.inodes = Some(5000), few)), "kube1/kubelet: it has 1000 inodes, the file says 5000\n");
    assert_eq!(held(&edited(|v| v.inodes = Some(1064), few)), "", "mkfs may have rounded so many away");
    let part = edited(|v| v.size = Bytes(1 << 29), |_| {});
    assert_eq!(held(&part), "kube1/kubelet: volumes only grow: it has 1073741824 bytes, the file says 536870912\n");
    assert!(edited(|_| {}, |_| {}).held.is_empty());
}

#[test]
fn the_table_of_what_cannot_change_names_every_field_once() {
    let fields: Vec<&str> = kubestead_storage::fixed::FIXED.iter().map(|f| f.field).collect();
    assert_eq!(fields, ["group", "filesystem", "path", "size", "inodes"]);
    let of_groups: Vec<&str> = kubestead_storage::fixed::FIXED_GROUP.iter().map(|f| f.field).collect();
    assert_eq!(of_groups, ["name", "exported", "missing devices", "all devices", "more devices"]);
}

/// What is seen of `vg01` when lvm says so, with two devices in the file.
fn lvm(devices: &[&str], report: &str) -> (HostStorage, StorageFacts) {
    let mut spec = spec();
    spec.groups.insert(name("vg01"), devices.iter().map(|d| (*d).to_owned()).collect());
    let mut answers = vec![("storage/lvm".to_owned(), 0, report.to_owned())];
    for (index, device) in devices.iter().enumerate() {
        let signature = if *device == "/dev/disk/by-id/new" { "" } else { r#"{"offset":"0x218","type":"LVM2_member"}"# };
        let text = format!("/dev/dm-{index} 8589934592 253:{index}\n\nzero\n{{\"signatures\":[{signature}]}}");
        answers.push((format!("storage/device:{device}"), 0, text));
    }
    let looks: String = spec.volumes.iter().map(|volume| absent(volume.name.as_str(), &volume.path)).collect();
    answers.push(("storage/volumes".to_owned(), 0, looks + "@@ end\n"));
    answers.push(("storage/mounts".to_owned(), 0, String::new()));
    answers.push(("storage/tabs".to_owned(), 0, "@@\n@@\n".to_owned()));
    answers.push(("files".to_owned(), 0, String::new()));
    let facts = read(&spec, &Answers::from_pairs(answers));
    (spec, facts)
}

fn vg(uuid: &str, missing: u64, exported: &str) -> String {
    format!(
        r#"{{"vg_name":"vg01","vg_uuid":"{uuid}","vg_extent_size":"4194304","vg_free":"8585740288","vg_missing_pv_count":"{missing}","vg_exported":"{exported}"}}"#
    )
}

fn pv(path: &str, number: &str, missing: &str) -> String {
    let (major, minor) = number.split_once(':').unwrap();
    format!(r#"{{"pv_name":"{path}","vg_name":"vg01","pv_uuid":"x","pv_major":"{major}","pv_minor":"{minor}","pv_missing":"{missing}"}}"#)
}

fn report(vgs: &[String], pvs: &[String]) -> String {
    format!(r#"{{"report":[{{"vg":[{}],"pv":[{}],"lv":[]}}]}}"#, vgs.join(","), pvs.join(","))
}

#[test]
fn devices_are_compared_by_their_numbers_as_a_multipath_one_has_several_names() {
    let multipath = "/dev/disk/by-id/dm-uuid-mpath-1";
    let (spec, facts) = lvm(&[multipath], &report(&[vg("a", 0, "")], &[pv("/dev/mapper/mpatha", "253:0", "")]));
    assert!(matches!(&facts.groups[&name("vg01")], Fact::Known(group) if group.ours()), "{:?}", facts.groups);
    assert!(plan(&spec, &facts).held.is_empty());
    let (spec, facts) = lvm(&[multipath], &report(&[vg("a", 0, "")], &[pv("/dev/mapper/mpathb", "253:9", "")]));
    let part = plan(&spec, &facts);
    assert!(
        held(&part).contains("a volume group vg01 is there on other devices than the file names: /dev/mapper/mpathb"),
        "{}",
        held(&part)
    );
}

#[test]
fn a_missing_device_two_groups_of_one_name_an_exported_one_and_one_more_device_are_told_apart() {
    let (one, two) = ("/dev/disk/by-id/one", "/dev/disk/by-id/two");
    let mine = pv("/dev/dm-0", "253:0", "");
    for (devices, vgs, pvs, reason) in [
        (
            vec![one, two],
            vec![vg("a", 1, "")],
            vec![mine.clone(), pv("[unknown]", "-1:-1", "missing")],
            "1 of its devices are missing (not seen in it: /dev/disk/by-id/two)",
        ),
        (vec![one], vec![vg("a", 0, ""), vg("b", 0, "")], vec![mine.clone()], "two volume groups are called vg01"),
        (vec![one], vec![vg("a", 0, "exported")], vec![mine.clone()], "the volume group vg01 is exported"),
        (
            vec![one],
            vec![vg("a", 0, "")],
            vec![mine.clone(), pv("/dev/sdz", "8:9", "")],
            "it is on /dev/sdz too, which the file does not name",
        ),
        (vec![one, two], vec![vg("a", 0, "")], vec![mine.clone()], "/dev/disk/by-id/two holds a physical volume of LVM"),
    ] {
        let (spec, facts) = lvm(&devices, &report(&vgs, &pvs));
        let part = plan(&spec, &facts);
        assert_eq!(held(&part), format!("kube1/vg01: {reason}\n"));
        assert!(!ids(&part).iter().any(|id| id.ends_with("/extend") || id.ends_with("/group")), "{:?}", ids(&part));
        // A group that is whole on a device of the file is used, whatever the other device holds.
        let made = ids(&part).iter().any(|id| ["create", "format", "mkfs", "mount"].iter().any(|deed| id.ends_with(deed)));
        assert_eq!(made, reason.contains("holds a physical volume"), "{reason}: {:?}", ids(&part));
    }
}

#[test]
fn a_blank_device_that_the_file_adds_is_given_to_the_group_and_its_room_counts() {
    let report = report(&[vg("a", 0, "")], &[pv("/dev/dm-0", "253:0", "")]);
    let (mut spec, facts) = lvm(&["/dev/disk/by-id/one", "/dev/disk/by-id/new"], &report);
    spec.volumes[1].size = Bytes(12 << 30);
    let part = plan(&spec, &facts);
    assert!(part.held.is_empty(), "{}", held(&part));
    let extend = part.steps.iter().find(|s| s.id.0 == "kube1/vg01/extend").unwrap();
    assert_eq!(
        extend.action,
        Action::Extend { group: name("vg01"), members: vec!["/dev/disk/by-id/one".into()], devices: vec!["/dev/disk/by-id/new".into()] }
    );
    assert!(waits_for(&part, "kube1/vg01/extend").contains("kube1/volkube/create"));
    let steps = ordered(part).steps;
    let after = steps.iter().fold(facts, |facts, step| model(&step.action, facts));
    assert!(plan(&spec, &after).steps.is_empty());
    spec.volumes[1].size = Bytes(16 << 30);
    let (_, facts) = lvm(&["/dev/disk/by-id/one", "/dev/disk/by-id/new"], &report);
    assert!(held(&plan(&spec, &facts)).contains("are free"));
}

#[test]
fn a_device_without_a_signature_is_blank_only_when_its_edges_are_zero() {
    let device = |edges: &str| {
        let text = format!("/dev/ubdc 8589934592 98:32\n\n{edges}\n{{\"signatures\":[]}}\n");
        let facts =
            read(&spec(), &Answers::from_pairs([("storage/lvm", 0, EMPTY.to_owned()), (&format!("storage/device:{DISK}"), 0, text)]));
        facts.devices[DISK].clone()
    };
    assert_eq!(device("zero"), Fact::Known(Device::Blank));
    assert_eq!(device("filled"), Fact::Known(Device::Unclear));
    assert!(matches!(device("unread"), Fact::Unknown(_)) && matches!(device(""), Fact::Unknown(_)));
    let mut facts = facts();
    facts.devices.insert(DISK.into(), Fact::Known(Device::Unclear));
    let part = plan(&spec(), &facts);
    assert!(held(&part).contains("its first or last MiB is not all zero") && !ids(&part).iter().any(|id| id.ends_with("/group")));
    assert!(part.held[0].hint.contains(&format!("`blkdiscard -z {DISK}`")), "{}", part.held[0].hint);
}

#[test]
fn what_is_no_folder_where_a_persistent_volume_belongs_is_held_and_the_others_are_made() {
    let (own, other) = ("/var/lib/kubestead/volumes/pool-s-0001", "/var/lib/kubestead/volumes/pool-s-0002");
    let mut spec = spec();
    spec.pool_root.as_mut().unwrap().directories.push(other.into());
    let mut facts = facts();
    facts.barred = vec![own.into(), "/var/lib/kubestead/volumes/notes.txt".into()];
    let part = plan(&spec, &facts);
    assert_eq!(held(&part), format!("kube1/pools: {own} is there and is no folder\n"));
    let step = part.steps.iter().find(|step| step.id.0 == "kube1/pools/directories").unwrap();
    assert!(matches!(&step.action, Action::Directories { root } if root.directories == [other]), "{step:?}");
    let after = part.steps.iter().fold(facts, |facts, step| model(&step.action, facts));
    assert!(plan(&spec, &after).steps.is_empty());
}

#[test]
fn a_group_whose_name_stands_below_dev_already_is_held() {
    let mut facts = facts();
    facts.occupied.insert(name("vg01"));
    let part = plan(&spec(), &facts);
    assert!(held(&part).contains("/dev/vg01 is there and is no volume group") && !ids(&part).contains(&"kube1/vg01/group"));
}

#[test]
fn a_path_that_is_a_link_is_held_before_anything_is_written_for_it() {
    let look = absent("kubelet", "/mnt/big/kubelet") + "@@ end\n";
    let mut facts = facts();
    let answers = Answers::from_pairs([
        ("storage/lvm", 0, EMPTY.to_owned()),
        ("storage/mounts", 0, String::new()),
        ("storage/tabs", 0, "@@\n@@\n".to_owned()),
        ("storage/volumes", 0, look),
    ]);
    facts.volumes.insert(name("kubelet"), read(&spec(), &answers).volumes[&name("kubelet")].clone());
    let part = plan(&spec(), &facts);
    assert_eq!(held(&part), "kube1/kubelet: /var/lib/kubelet is a link or goes through one: on this machine it is /mnt/big/kubelet\n");
    assert!(!ids(&part).iter().any(|id| id.contains("/kubelet/")), "{:?}", ids(&part));
}

#[test]
fn a_new_lv_follows_the_file_in_size_and_sizes_are_told_in_whole_extents() {
    let mut small = spec();
    small.volumes.truncate(1);
    small.volumes[0].size = Bytes(100_000_000);
    let part = plan(&small, &facts());
    let create = part.steps.iter().find(|s| s.id.0 == "kube1/kubelet/create").unwrap();
    assert_eq!(create.why, "make LV /dev/vg01/kubelet of 96Mi (100000000, rounded up to whole extents)");
    assert!(matches!(&create.action, Action::Create { volume, .. } if volume.size == Bytes(96 << 20)));
    // The LV was made of 2 GiB, its filesystem failed, and the file was fixed.
    for size in [1 << 30, 3 << 30] {
        let mut spec = spec();
        spec.volumes[1].size = Bytes(size);
        let mut facts = facts();
        facts.groups.insert(name("vg01"), Fact::Known(Group::whole(4 << 20, 4 << 30, 1)));
        let v = facts.volumes.get_mut(&name("volkube")).unwrap();
        let logical = Logical { size: 2 << 30, ours: true, new: true, formatting: false, mkfs: true };
        (v.logical, v.header) = (Fact::Known(logical), Fact::Known(Header::Ours(vec![0, 7])));
        let part = plan(&spec, &facts);
        let create = part.steps.iter().find(|s| s.id.0 == "kube1/volkube/create").unwrap();
        assert!(matches!(&create.action, Action::Create { volume, replaces: true, lost: false } if volume.size == Bytes(size)));
        assert!(!create.needs_consent() && create.why.ends_with("instead of one of 2Gi that holds nothing yet"), "{}", create.why);
        assert!(waits_for(&part, "kube1/volkube/create").contains("kube1/volkube/format"));
        let after = part.steps.iter().fold(facts, |facts, step| model(&step.action, facts));
        assert!(plan(&spec, &after).steps.is_empty(), "{:?}", ids(&plan(&spec, &after)));
    }
}

#[test]
fn a_mapping_of_our_name_on_another_device_and_another_user_of_our_lv_are_held() {
    let part = grown(|f| f.volumes.get_mut(&name("volkube")).unwrap().opened.as_mut().unwrap().strange = Some("8:16".into()));
    assert!(held(&part).contains("luks-volkube is open on another device (8:16) than /dev/vg01/volkube") && part.steps.is_empty());
    let part = grown(|f| f.volumes.get_mut(&name("volkube")).unwrap().holders.push("secret".into()));
    assert!(held(&part).contains("/dev/vg01/volkube is in use by secret") && part.steps.is_empty());
}

#[test]
fn fstab_is_read_as_mount_reads_it_and_may_be_missing() {
    let seen = |tabs: &str| {
        let look = absent("kubelet", "/var/lib/kubelet") + "@@ end\n";
        let answers = [("storage/lvm", 0, EMPTY.to_owned()), ("storage/mounts", 0, String::new()), ("storage/volumes", 0, look)];
        let answers = Answers::from_pairs(answers.into_iter().chain([("storage/tabs", 0, tabs.to_owned())]));
        read(&spec(), &answers).volumes[&name("kubelet")].clone()
    };
    let none = seen("@@\n@@\n");
    assert_eq!((none.fstab, none.header), (None, Fact::Absent), "no file is no gap");
    for line in ["UUID=1 /var/lib/kubelet/ ext4 defaults 0 2", "UUID=1 /var/lib/kubelet ext4 defaults 0 2"] {
        let own = "/dev/mapper/luks-kubelet /old ext4 nofail 0 2";
        assert_eq!(seen(&format!("@@\n{own}\n{line}\n\n@@\n")).fstab.as_deref(), Some(line), "somebody else's is told before ours");
    }
    // A mapper whose name only begins with ours is somebody else's.
    let part = grown(|f| {
        f.volumes.get_mut(&name("kubelet")).unwrap().fstab = Some("/dev/mapper/luks-kubelet-old /var/lib/kubelet ext4 defaults 0 2".into());
    });
    assert!(held(&part).contains("somebody else"), "{}", held(&part));
}

/// The same machine, whose volumes are unlocked by hand.
fn by_hand() -> HostStorage {
    let mut spec = HostStorage { servers: Vec::new(), ..spec() };
    for volume in &mut spec.volumes {
        volume.unlock = Ways::new(vec![Way::Recovery]).unwrap();
    }
    spec
}

#[test]
fn volumes_that_are_unlocked_by_hand_are_made_without_any_key_server_and_from_every_cut() {
    let spec = by_hand();
    assert_eq!(kubestead_storage::check::check(&spec), Vec::<String>::new());
    let first = plan(&spec, &facts());
    assert!(first.held.is_empty(), "{}", held(&first));
    assert!(!ids(&first).iter().any(|id| id.ends_with("/share") || id.ends_with("keys/fetch")), "{:?}", ids(&first));
    let steps = ordered(first).steps;
    let writes = |path: &str| steps.iter().flat_map(|s| s.action.writes()).any(|file| file.path.contains(path));
    assert!(
        !writes("kubestead-key-")
            && !writes("cryptsetup")
            && !writes(unit::FETCH)
            && writes("kubelet.service.d")
            && writes("reboot.target.d")
    );
    for cut in 0..=steps.len() {
        let half = steps[..cut].iter().fold(facts(), |facts, step| model(&step.action, facts));
        let rest = ordered(plan(&spec, &half));
        assert!(rest.held.is_empty(), "cut {cut}: {:?}", rest.held);
        let after = rest.steps.iter().fold(half, |facts, step| model(&step.action, facts));
        let empty = plan(&spec, &after);
        assert!(empty.steps.is_empty() && empty.held.is_empty(), "cut {cut}");
        assert!(after.volumes.values().all(|v| v.ways == BTreeSet::from([Way::Recovery]) && v.crypttab.is_none()), "cut {cut}");
    }
}

#[test]
fn after_a_boot_what_is_unlocked_by_hand_is_held_with_what_to_type_and_open_ones_are_mounted() {
    let spec = by_hand();
    let steps = ordered(plan(&spec, &facts())).steps;
    let made = steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    let mut booted = made.clone();
    booted.volumes.values_mut().for_each(|v| (v.opened, v.mounted) = (None, None));
    let part = plan(&spec, &booted);
    assert!(part.steps.is_empty() && part.held.len() == 2, "{:?} {}", ids(&part), held(&part));
    assert_eq!(part.held[1].reason, "it is locked, and /var/lib/kubestead/volumes and all that needs it wait");
    assert!(part.held.iter().all(|held| held.hint.ends_with(": kubestead volume unlock kube1")), "{:?}", part.held);
    // The yes to another thing does not lead around it.
    let unlocking = kubestead_storage::plan::unlock(&spec, &booted);
    assert_eq!(ids(&unlocking), ["kube1/kubelet/unlock", "kube1/volkube/unlock", "kube1/services/resume"]);
    assert!(
        unlocking.held.is_empty() && kubestead_storage::check::steps(&booted, unlocking.steps.iter().map(|s| (s, &s.action))).is_empty()
    );
    let after = unlocking.steps.iter().fold(booted.clone(), |facts, step| model(&step.action, facts));
    assert_eq!(after, made);
    assert!(kubestead_storage::plan::unlock(&spec, &after).steps.is_empty(), "a second time there is nothing to do");
    // Open and not mounted, as a run leaves it that was cut off.
    booted.volumes.values_mut().for_each(|v| v.opened = made.volumes[&name("volkube")].opened.clone());
    assert_eq!(ids(&plan(&spec, &booted)), ["kube1/kubelet/mount", "kube1/volkube/mount"]);
}

#[test]
fn nothing_is_unlocked_that_is_not_proven_ours() {
    let spec = by_hand();
    let steps = ordered(plan(&spec, &facts())).steps;
    let mut booted = steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    booted.volumes.values_mut().for_each(|v| (v.opened, v.mounted) = (None, None));
    for (change, word) in [
        (
            &(|v: &mut VolumeFacts| v.header = Fact::Known(Header::Tokenless("LUKS2 without our token".into())))
                as &dyn Fn(&mut VolumeFacts),
            "without our token",
        ),
        (&|v| v.header = Fact::Unknown(Gap::new("no answer")), "no answer"),
        (&|v| v.holders.push("theirs".into()), "is in use by theirs"),
        (&|v| v.mounted = Some("/dev/sdb1".into()), "/dev/sdb1 is mounted at"),
        (&|v| v.named = Some("other".into()), "names another volume"),
    ] {
        let mut seen = booted.clone();
        change(seen.volumes.get_mut(&name("volkube")).unwrap());
        let part = kubestead_storage::plan::unlock(&spec, &seen);
        assert!(held(&part).contains(word) && !ids(&part).contains(&"kube1/volkube/unlock"), "{word}: {} {:?}", held(&part), ids(&part));
        assert_eq!(ids(&part), ["kube1/kubelet/unlock"], "the other one goes on, and no service is started that would wait for this one");
    }
    // What was never finished is not there to be unlocked.
    assert!(kubestead_storage::plan::unlock(&spec, &facts()).steps.is_empty());
}

#[test]
fn another_way_is_an_edit_that_adds_before_the_boot_relies_on_it_and_removes_after_and_from_every_cut() {
    let made = |spec: &HostStorage| ordered(plan(spec, &facts())).steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    for (from, to, deed) in [(spec(), by_hand(), "remove-way"), (by_hand(), spec(), "add-way")] {
        let begin = made(&from);
        let part = plan(&to, &begin);
        assert!(part.held.is_empty() && part.steps.iter().all(|s| !s.needs_consent()), "{}", held(&part));
        let steps = ordered(part).steps;
        let at = |id: &str| steps.iter().position(|s| s.id.0 == id).unwrap_or_else(|| panic!("no {id}"));
        let (boot, change) = (at("kube1/volumes/boot"), at(&format!("kube1/kubelet/{deed}")));
        assert_eq!(change < boot, deed == "add-way", "{deed}");
        for cut in 0..=steps.len() {
            let half = steps[..cut].iter().fold(begin.clone(), |facts, step| model(&step.action, facts));
            assert!(half.volumes.values().all(|v| v.ways.contains(&Way::Recovery)));
            let rest = ordered(plan(&to, &half));
            assert!(rest.held.is_empty(), "{deed}, cut {cut}: {:?}", rest.held);
            let after = rest.steps.iter().fold(half, |facts, step| model(&step.action, facts));
            let empty = plan(&to, &after);
            assert!(empty.steps.is_empty() && empty.held.is_empty(), "{deed}, cut {cut}: {:?}", ids(&empty));
            assert!(after.volumes.values().all(|v| v.ways.contains(&Way::Ssh) == (deed == "add-way")));
            let Fact::Known(files) = &after.files else { panic!("they are seen") };
            assert_eq!(files.found.keys().any(|path| path.contains("kubestead-key-")), deed == "add-way", "units that nothing needs go");
        }
    }
    // `recovery` beside `ssh` is there already: every volume has its slot.
    let mut more = spec();
    more.volumes[0].unlock = Ways::new(Way::ALL.to_vec()).unwrap();
    let same = plan(&more, &made(&spec()));
    assert!(same.steps.is_empty() && same.held.is_empty(), "{:?}", ids(&same));
    // A locked one is unlocked first; nothing of its header is changed while it is closed.
    let mut closed = made(&spec());
    closed.volumes.values_mut().for_each(|v| (v.opened, v.mounted) = (None, None));
    let part = plan(&by_hand(), &closed);
    assert!(
        part.steps.iter().all(|s| !s.id.0.ends_with("-way")) && held(&part).contains("it is locked"),
        "{:?} {}",
        ids(&part),
        held(&part)
    );
}

#[test]
fn a_swapped_disk_with_volumes_that_are_unlocked_by_hand_asks_too() {
    let spec = by_hand();
    let before = ordered(plan(&spec, &facts())).steps.iter().fold(facts(), |facts, step| model(&step.action, facts));
    let mut after = StorageFacts { files: before.files.clone(), ..facts() };
    for (name, volume) in &mut after.volumes {
        volume.fstab.clone_from(&before.volumes[name].fstab);
    }
    let mut part = plan(&spec, &after);
    assert!(part.held[0].hint.starts_with("was this disk replaced? --yes kube1/vg01/group makes them anew"), "{:?}", part.held);
    assert_eq!(waits_for(&part, "kube1/vg01/group").len(), part.steps.len(), "nothing runs without it: {:?}", ids(&part));
    let made = ordered(plan(&spec, &after)).steps.iter().fold(after.clone(), |facts, step| model(&step.action, facts));
    assert!(plan(&spec, &made).steps.is_empty() && plan(&spec, &made).held.is_empty());
    part.steps.iter_mut().for_each(|step| step.risk = Risk::Safe);
    let faults = kubestead_storage::check::steps(&after, part.steps.iter().map(|s| (s, &s.action))).join("\n");
    assert!(
        faults.contains("kube1/vg01/group: it asks nobody, and a volume of the group is mounted at boot: /dev/mapper/luks-"),
        "{faults}"
    );
}
