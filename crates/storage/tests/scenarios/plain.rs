//! Volumes without encryption: the filesystem lies on the LV itself, and no volume ever changes from or to that.

use super::*;

/// The same machine, of whose volumes the first is encrypted and unlocked by a key server, and the second is not encrypted.
fn mixed() -> HostStorage {
    let mut spec = spec();
    spec.volumes[1].encryption = Encryption::None;
    spec
}

fn plain() -> HostStorage {
    let mut spec = HostStorage { servers: Vec::new(), ..spec() };
    spec.volumes.iter_mut().for_each(|volume| volume.encryption = Encryption::None);
    spec
}

fn made(spec: &HostStorage) -> StorageFacts {
    ordered(plan(spec, &facts())).steps.iter().fold(facts(), |facts, step| model(&step.action, facts))
}

fn of<'a>(facts: &'a mut StorageFacts, volume: &str) -> &'a mut VolumeFacts {
    facts.volumes.get_mut(&name(volume)).unwrap()
}

#[test]
fn they_are_made_without_a_header_or_a_key_and_from_every_cut() {
    let first = plan(&plain(), &facts());
    assert!(first.held.is_empty(), "{}", held(&first));
    let volkube: Vec<&str> = ids(&first).into_iter().filter(|id| id.contains("/volkube/")).collect();
    assert_eq!(volkube, ["create", "mkfs", "mount"].map(|deed| format!("kube1/volkube/{deed}")));
    assert!(!ids(&first).iter().any(|id| id.contains("keys/")), "{:?}", ids(&first));
    let why = |id: &str| first.steps.iter().find(|step| step.id.0 == id).unwrap().why.clone();
    assert!(why("kube1/volkube/create").ends_with(", not encrypted") && why("kube1/volkube/mkfs").ends_with(", which is not encrypted"));
    let writes: Vec<&str> = first.steps.iter().flat_map(|step| step.action.writes()).map(|file| file.path.as_str()).collect();
    assert!(!writes.iter().any(|path| path.contains("crypt") || path.contains("kubestead-key")), "{writes:?}");
    for spec in [plain(), mixed()] {
        let steps = ordered(plan(&spec, &facts())).steps;
        for cut in 0..=steps.len() {
            let half = steps[..cut].iter().fold(facts(), |facts, step| model(&step.action, facts));
            let rest = ordered(plan(&spec, &half));
            assert!(rest.held.is_empty(), "cut {cut}: {:?}", rest.held);
            let after = rest.steps.iter().fold(half, |facts, step| model(&step.action, facts));
            let empty = plan(&spec, &after);
            assert!(empty.steps.is_empty() && empty.held.is_empty(), "cut {cut}: {:?} {}", ids(&empty), held(&empty));
            let volkube = &after.volumes[&name("volkube")];
            assert!(
                volkube.header == Fact::Known(Header::Plain("ext4".into())) && volkube.crypttab.is_none() && !volkube.share,
                "cut {cut}"
            );
            assert_eq!(volkube.mounted.as_deref(), Some("/dev/mapper/vg01-volkube"));
        }
    }
}

#[test]
fn after_a_boot_they_are_mounted_and_nobody_unlocks_them() {
    let mut booted = made(&plain());
    booted.volumes.values_mut().for_each(|volume| volume.mounted = None);
    let part = plan(&plain(), &booted);
    assert_eq!((ids(&part), part.held.len()), (vec!["kube1/kubelet/mount", "kube1/volkube/mount"], 0));
    assert!(part.steps[0].why.starts_with("mount at "), "{}", part.steps[0].why);
    let unlocking = kubestead_storage::plan::unlock(&plain(), &booted);
    assert!(unlocking.steps.is_empty() && unlocking.held.is_empty());
}

#[test]
fn they_grow_as_others_do() {
    let mut spec = plain();
    let before = made(&spec);
    spec.volumes[1].size = Bytes(3 << 30);
    let part = plan(&spec, &before);
    assert_eq!(ids(&part), ["kube1/volkube/grow"]);
    let after = part.steps.iter().fold(before, |facts, step| model(&step.action, facts));
    assert!(plan(&spec, &after).steps.is_empty());
}

/// Whatever a volume is, the file that says otherwise changes nothing of it.
#[test]
fn a_volume_that_is_there_never_changes_from_or_to_encryption() {
    let says = |part: &Part<Action>, reason: &str, hint: &str| {
        assert!(ids(part).iter().all(|id| !id.contains("/volkube/")), "{:?}", ids(part));
        let found = part.held.iter().find(|held| held.object == "kube1/volkube").unwrap_or_else(|| panic!("{}", held(part)));
        assert!(found.reason.contains(reason) && found.hint.contains(hint), "{found:?}");
    };
    let copy = "give the file another volume with another name, and copy";
    says(&plan(&mixed(), &made(&spec())), "/dev/vg01/volkube has a LUKS header, and the file says `encryption: none`", copy);
    says(&plan(&spec(), &made(&mixed())), "/dev/vg01/volkube was made without encryption, and the file says that it is encrypted", copy);
    // Closed, damaged, or with its filesystem gone, it is still what it was made as.
    for header in [Header::Damaged("no copy loads".into()), Header::Tokenless("LUKS2".into()), Header::Mendable("one copy".into())] {
        let mut facts = made(&spec());
        (of(&mut facts, "volkube").header, of(&mut facts, "volkube").opened) = (Fact::Known(header), None);
        says(&plan(&mixed(), &facts), "has a LUKS header", copy);
    }
    for header in [Header::Blank, Header::Foreign("xfs at 0x0, ext4 at 0x438".into())] {
        let mut facts = made(&mixed());
        (of(&mut facts, "volkube").header, of(&mut facts, "volkube").opened) = (Fact::Known(header), None);
        says(&plan(&spec(), &facts), "was made without encryption", copy);
    }
    // Begun as the other one, it holds nothing yet.
    for (begun, now) in [(spec(), mixed()), (mixed(), spec())] {
        let steps = ordered(plan(&begun, &facts())).steps;
        let created = steps.iter().position(|step| step.id.0 == "kube1/volkube/create").unwrap();
        let half = steps[..=created].iter().fold(facts(), |facts, step| model(&step.action, facts));
        says(&plan(&now, &half), "/dev/vg01/volkube was made", "it holds nothing yet: `lvremove vg01/volkube`, then plan again");
    }
}

#[test]
fn what_is_not_proven_to_be_made_so_is_neither_made_anew_nor_mounted() {
    let changed = |change: &dyn Fn(&mut VolumeFacts)| {
        let mut facts = made(&mixed());
        change(of(&mut facts, "volkube"));
        let part = plan(&mixed(), &facts);
        assert!(ids(&part).iter().all(|id| !id.contains("/volkube/")), "{:?}", ids(&part));
        part.held
            .iter()
            .filter(|held| held.object == "kube1/volkube")
            .map(|held| format!("{} ({})", held.reason, held.hint))
            .collect::<String>()
    };
    let lost = |header: Header| {
        changed(&move |volume| {
            (volume.header, volume.opened, volume.mounted) = (Fact::Known(header.clone()), None, None);
        })
    };
    let told = lost(Header::Blank);
    assert!(told.contains("no filesystem is found on it, where the filesystem of a finished volume was (look at it by hand"), "{told}");
    assert!(lost(Header::Foreign("btrfs".into())).contains("it holds btrfs, where the filesystem of a finished volume was"));
    // Somebody's own LV of that name with a filesystem: no tag of ours.
    let theirs = changed(&|volume| {
        if let Fact::Known(logical) = &mut volume.logical {
            (logical.ours, logical.plain) = (false, false);
        }
        volume.header = Fact::Known(Header::Foreign("ext4 at 0x438".into()));
    });
    assert!(
        theirs.contains("it holds ext4 at 0x438, and no tag says that kubestead made it without encryption (name another volume"),
        "{theirs}"
    );
    // A filesystem on a new one, which nobody of us began to make.
    let new = changed(&|volume| {
        if let Fact::Known(logical) = &mut volume.logical {
            logical.new = true;
        }
    });
    assert!(new.contains("/dev/vg01/volkube is tagged as new and holds ext4"), "{new}");
    let other = changed(&|volume| volume.holders = vec!["theirs".into()]);
    assert!(other.contains("is in use by theirs"), "{other}");
}

#[test]
fn only_what_the_tag_names_is_wiped_and_the_second_pair_of_eyes_agrees() {
    let spec = mixed();
    let facts = made(&spec);
    let wipe = |facts: &StorageFacts, volume: &Volume| kubestead_storage::plan::wipe(&spec, facts, volume, BTreeSet::new());
    let volume = &spec.volumes[1];
    let part = wipe(&facts, volume);
    assert_eq!((ids(&part), part.steps[0].risk), (vec!["kube1/volkube/wipe"], Risk::Destroys));
    assert!(part.steps[0].why.contains("can be read from the disk until it is written over"), "{}", part.steps[0].why);
    let faults =
        |facts: &StorageFacts, part: &Part<Action>| kubestead_storage::check::steps(facts, part.steps.iter().map(|s| (s, &s.action)));
    assert!(faults(&facts, &part).is_empty());
    let mut cut = facts.clone();
    (of(&mut cut, "volkube").header, of(&mut cut, "volkube").opened, of(&mut cut, "volkube").mounted) =
        (Fact::Known(Header::Blank), None, None);
    assert_eq!(ids(&wipe(&cut, volume)), ["kube1/volkube/wipe"], "a run that was cut off goes on");
    for change in [
        |volume: &mut VolumeFacts| volume.header = Fact::Known(Header::Ours(vec![7])),
        |volume: &mut VolumeFacts| volume.header = Fact::Known(Header::Foreign("btrfs".into())),
        |volume: &mut VolumeFacts| volume.holders = vec!["theirs".into()],
        |volume: &mut VolumeFacts| {
            if let Fact::Known(logical) = &mut volume.logical {
                logical.plain = false;
            }
        },
        |volume: &mut VolumeFacts| {
            if let Fact::Known(logical) = &mut volume.logical {
                logical.ours = false;
            }
        },
    ] {
        let mut other = facts.clone();
        change(of(&mut other, "volkube"));
        let found = wipe(&other, volume);
        assert!(found.steps.is_empty() && !found.held.is_empty(), "{other:?}");
        assert_eq!(faults(&other, &part).len(), 1, "{other:?}");
    }
    // As one that is encrypted it is not wiped either, nor gets a header.
    let encrypted = Volume { encryption: Encryption::default(), ..volume.clone() };
    assert!(wipe(&facts, &encrypted).steps.is_empty());
    let step = |action: Action| Part {
        steps: vec![kubestead_core::plan::Step::new(part.steps[0].target.clone(), "volkube", "x", action, "").risk(Risk::Destroys)],
        held: vec![],
    };
    for action in [
        Action::Wipe { volume: encrypted.clone() },
        Action::Format { node: name("kube1"), volume: encrypted.clone(), lost: true },
        Action::Format { node: name("kube1"), volume: volume.clone(), lost: false },
        Action::AddWay { volume: encrypted.clone() },
        Action::Unlock { volume: encrypted },
        Action::Mkfs { volume: volume.clone() },
    ] {
        assert_eq!(faults(&facts, &step(action.clone())).len(), 1, "{action:?}");
    }
}
