//! Devices, groups and mappings.

use super::*;

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
fn a_group_whose_name_stands_below_dev_already_is_held() {
    let mut facts = facts();
    facts.occupied.insert(name("vg01"));
    let part = plan(&spec(), &facts);
    assert!(held(&part).contains("/dev/vg01 is there and is no volume group") && !ids(&part).contains(&"kube1/vg01/group"));
}

#[test]
fn a_mapping_of_our_name_on_another_device_and_another_user_of_our_lv_are_held() {
    let part = grown(|f| f.volumes.get_mut(&name("volkube")).unwrap().opened.as_mut().unwrap().strange = Some("8:16".into()));
    assert!(held(&part).contains("luks-volkube is open on another device (8:16) than /dev/vg01/volkube") && part.steps.is_empty());
    let part = grown(|f| f.volumes.get_mut(&name("volkube")).unwrap().holders.push("secret".into()));
    assert!(held(&part).contains("/dev/vg01/volkube is in use by secret") && part.steps.is_empty());
}
