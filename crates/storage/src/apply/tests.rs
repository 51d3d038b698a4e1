use kubestead_core::size::Bytes;

use super::*;
use crate::sandbox::Sandbox;

fn volume() -> Volume {
    let name = |n: &str| Name::new(n).unwrap();
    Volume {
        name: name("data"),
        group: name("vg01"),
        size: Bytes(1 << 30),
        filesystem: Filesystem::Ext4,
        inodes: Some(1000),
        path: "/data".into(),
        discard: false,
    }
}

#[test]
fn a_recovery_key_is_on_standard_input_and_nowhere_else() {
    let command = format(&volume(), false, Secret::new(b"hunter2hunter2hunter2hunter2hunter2".to_vec())).command();
    assert!(!command.render().contains("hunter2"));
    assert!(command.stdin.bytes().starts_with(b"hunter2"));
}

#[test]
fn every_script_is_one_that_bash_can_read() {
    let volume = volume();
    let actions = [
        Action::Group { group: volume.group.clone(), devices: vec!["/dev/disk/by-id/x y".into()], lost: vec![volume.clone()] },
        Action::Extend { group: volume.group.clone(), members: vec!["/dev/x".into()], devices: vec!["/dev/disk/by-id/x y".into()] },
        Action::Create { volume: volume.clone(), replaces: true, lost: true },
        Action::Share { volume: volume.clone() },
        Action::Mkfs { volume: volume.clone() },
        Action::Mount { volume: volume.clone() },
        Action::Grow { volume: volume.clone() },
        Action::Wipe { volume: volume.clone() },
    ];
    let mut commands: Vec<_> = actions.iter().map(|a| procedure(a).command()).collect();
    commands.push(format(&volume, true, Secret::new(vec![b'x'; 40])).command());
    commands.push(written(&unit::units(&volume), &tabs(std::slice::from_ref(&volume))).command());
    commands.push(written(&[], &tabs(&[])).command());
    for command in commands {
        let status = std::process::Command::new("bash").arg("-n").arg("-c").arg(&*command.script()).status().unwrap();
        assert!(status.success(), "{}", command.script());
    }
}

/// The real script on files of a folder, without systemd.
#[test]
fn what_the_boot_needs_is_written_whole_and_lines_of_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    for folder in ["etc", "run"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let read = |path: &str| std::fs::read_to_string(dir.path().join(path)).unwrap();
    let volume = volume();
    std::fs::write(dir.path().join("etc/fstab"), "# theirs\n\n/dev/vda / ext4 defaults 0 1\n/dev/mapper/luks-data /old ext4 nofail 0 2\n")
        .unwrap();
    let command = written(&unit::units(&volume), &tabs(std::slice::from_ref(&volume))).command();
    let script = command
        .script()
        .replace("/etc/", &format!("{root}/etc/"))
        .replace("sync /etc\n", "")
        .replace("/run/kubestead.act", &format!("{root}/run/act"));
    let script = script.lines().filter(|line| !line.starts_with("systemctl ")).collect::<Vec<_>>().join("\n");
    let run = |stdin: &[u8]| {
        let mut child = std::process::Command::new("bash").args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin).unwrap();
        child.wait().unwrap().code()
    };
    for _ in 0..2 {
        assert_eq!(run(command.stdin.bytes()), Some(0));
        for unit in unit::units(&volume) {
            assert_eq!(read(&unit.path[1..]), unit.text);
        }
        assert_eq!(read("etc/crypttab"), format!("{}\n", unit::crypttab(&volume)));
        assert_eq!(read("etc/fstab"), format!("# theirs\n\n/dev/vda / ext4 defaults 0 1\n{}\n", unit::fstab(&volume)));
        assert!(!dir.path().join("etc/kubestead/reload-pending").exists());
    }
    let before = read("etc/fstab");
    assert_ne!(run(&command.stdin.bytes()[..40]), Some(0), "a cut is noticed");
    assert!(dir.path().join("etc/kubestead/reload-pending").exists() && read("etc/fstab") == before, "and seen by the next look");
    assert_eq!(read(&unit::units(&volume)[0].path[1..]), unit::units(&volume)[0].text, "what stood there stays");
}

/// The real guard, with what findmnt(8) says each time (a descriptor's place is shared with the subshells that ask): the machine's own
/// boot may mount the volume between any two looks.
#[test]
fn a_volume_that_its_boot_mounts_meanwhile_is_not_refused() {
    let run = |answers: &[&str]| {
        let sandbox = Sandbox::new();
        sandbox.put("data/file", "");
        sandbox.put("answers", sandbox.place(&(answers.join("\n") + "\n")));
        let mut procedure = mount(&volume());
        procedure.act = "exit 0".to_owned();
        procedure.guard = format!(
            "exec 3< {}; findmnt() {{ read -r a <&3; echo \"$a\"; [ -n \"$a\" ]; }}\n{}",
            sandbox.path("answers").display(),
            procedure.guard
        );
        sandbox.run(&procedure).0
    };
    let ours = "/dev/mapper/luks-data";
    assert_eq!(run(&[ours]), Some(91), "mounted before");
    assert_eq!(run(&["", ours]), Some(0), "mounted since: its files are no reason");
    assert_eq!(run(&["", ""]), Some(90), "files on the bare mount point");
    assert_eq!(run(&["/dev/sdb1"]), Some(90), "another device");
}

#[test]
fn a_wipe_looks_at_tag_and_token_before_it_does_anything_and_removes_the_lv_last() {
    let wipe = procedure(&Action::Wipe { volume: volume() });
    for proof in ["$volume", "$token", r#"\"volume\":\"$name\""#, "lv_tags", "own_mapping", "no_other_holder"] {
        assert!(wipe.guard.contains(proof), "{proof}");
    }
    for deed in ["erase", "lvremove", "umount", "cryptsetup close"] {
        assert!(!wipe.guard.contains(deed), "{deed}");
    }
    assert!(wipe.act.lines().last().unwrap().starts_with("lvremove"));
    assert!(!wipe.act.contains("-l ") && !wipe.act.contains("--lazy"), "no force");
}

#[test]
fn only_a_tagged_volume_is_formatted() {
    for text in [format(&volume(), false, Secret::new(vec![])).command().script(), mkfs(&volume()).command().script()] {
        assert!(text.contains("kubestead:new"));
    }
    assert!(!mkfs(&volume()).act.contains("luksFormat"));
}
