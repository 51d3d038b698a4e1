//! What is lost, swapped or cut off: finished, or made anew by consent alone.

use super::*;

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
