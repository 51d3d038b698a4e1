//! Facts in, plan out; after each, the model applied and the second plan empty.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "scenarios/anew.rs"]
mod anew;
#[path = "scenarios/files.rs"]
mod files;
#[path = "scenarios/groups.rs"]
mod groups;
#[path = "scenarios/plain.rs"]
mod plain;
#[path = "scenarios/ways.rs"]
mod ways;
#[path = "scenarios/wipe.rs"]
mod wipe;

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
use kubestead_storage::spec::{Encryption, Filesystem, HostStorage, KeyServer, PoolRoot, Volume};
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
        encryption: Encryption::default(),
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
    let old = Logical { size: 1 << 30, ours: true, new: false, formatting: false, mkfs: false, plain: false };
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
    let logical = Logical { size: 2 << 30, ours: true, new: true, formatting: false, mkfs: false, plain: false };
    let volume = facts.volumes.get_mut(&name("volkube")).unwrap();
    (volume.logical, volume.header) = (Fact::Known(logical.clone()), Fact::Known(Header::Blank));
    volume.share = true; // it is made before the header
    change(volume, logical);
    plan(&spec(), &facts)
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
            "volume volkube\nfolder free\nreal {path}\nshare yes\nopen 50331648 luks-volkube\nbelow 253:1 \nnumbers 253:1\nholder luks-volkube\npresent\n\
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
    assert_eq!(
        found.logical,
        Fact::Known(Logical { size: 67_108_864, ours: false, new: true, formatting: false, mkfs: false, plain: false })
    );
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
        let logical = Logical { size: 2 << 30, ours: true, new: true, formatting: false, mkfs: true, plain: false };
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
