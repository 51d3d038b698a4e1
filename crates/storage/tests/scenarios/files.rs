//! Files, lines, mounts and folders of somebody else.

use super::*;

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
