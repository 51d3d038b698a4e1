//! Volumes that are unlocked by hand, and another way that is added or removed.

use super::*;

/// The same machine, whose volumes are unlocked by hand.
fn by_hand() -> HostStorage {
    let mut spec = HostStorage { servers: Vec::new(), ..spec() };
    for volume in &mut spec.volumes {
        volume.encryption = Encryption::Luks(Ways::new(vec![Way::Recovery]).unwrap());
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
    more.volumes[0].encryption = Encryption::Luks(Ways::new(Way::ALL.to_vec()).unwrap());
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
