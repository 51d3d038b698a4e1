//! A volume is wiped only by its name, and only if it is ours.

use super::*;

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
