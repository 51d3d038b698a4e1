use kubestead_core::secret::Secret;
use kubestead_core::size::Bytes;

use super::*;
use crate::sandbox::Sandbox;
use crate::spec::PoolRoot;

pub(super) fn volume() -> Volume {
    let name = |n: &str| Name::new(n).unwrap();
    Volume {
        name: name("data"),
        group: name("vg01"),
        size: Bytes(1 << 30),
        filesystem: Filesystem::Ext4,
        inodes: Some(1000),
        path: "/data".into(),
        discard: false,
        encryption: crate::spec::Encryption::default(),
    }
}

#[test]
fn a_recovery_key_is_on_standard_input_and_nowhere_else() {
    let recovery = Stdin::Secret(Secret::new(b"hunter2hunter2hunter2hunter2hunter2".to_vec()));
    let command = format(&volume(), false).stdin(recovery).command();
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
    commands.push(format(&volume, true).command());
    commands.push(boot(&unit::units(&volume), std::slice::from_ref(&volume), &[]).command());
    commands.push(boot(&[], &[], &[]).command());
    for command in commands {
        let status = std::process::Command::new("bash").arg("-n").arg("-c").arg(&*command.script()).status().unwrap();
        assert!(status.success(), "{}", command.script());
    }
}

#[test]
fn a_share_is_made_once_and_one_that_is_there_is_never_replaced() {
    let sandbox = Sandbox::new();
    let place = "etc/kubestead/share.d/data";
    assert_eq!(sandbox.run(&share(&volume())).0, Some(0));
    let first = std::fs::read(sandbox.path(place)).unwrap();
    assert_eq!((first.len(), sandbox.run(&share(&volume())).0), (64, Some(91)));
    assert_eq!(std::fs::read(sandbox.path(place)).unwrap(), first);
    std::fs::remove_file(sandbox.path(place)).unwrap();
    sandbox.put(place, "cut off");
    let (status, said) = sandbox.run(&share(&volume()));
    assert!(status == Some(90) && said.contains("/etc/kubestead/share.d/data is there and is not 64 bytes"), "{said}");
    assert_eq!(sandbox.read(place), "cut off");
}

#[test]
fn folders_are_made_below_what_is_mounted_and_nowhere_else() {
    let sandbox = Sandbox::new();
    let folder = |name: &str| sandbox.path(&format!("pool/{name}")).to_str().unwrap().to_owned();
    let root = PoolRoot { path: folder(""), directories: vec![folder("a"), folder("it's b")] };
    let action = Action::Directories { root };
    let (status, said) = sandbox.run(&procedure(&action));
    assert!(status == Some(90) && said.contains("is not mounted") && !sandbox.path("pool").exists(), "{said}");
    sandbox.program("findmnt", "true");
    assert_eq!(sandbox.run(&procedure(&action)).0, Some(0));
    assert!(sandbox.path("pool/a").is_dir() && sandbox.path("pool/it's b").is_dir());
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
    let command = boot(&unit::units(&volume), std::slice::from_ref(&volume), &[]).command();
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
        assert_eq!(read("etc/crypttab"), format!("{}\n", unit::crypttab(&volume).unwrap()));
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
        let mut procedure = mount(&volume(), "boot");
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
    for text in [format(&volume(), false).command().script(), mkfs(&volume()).command().script()] {
        assert!(text.contains("kubestead:new"));
    }
    assert!(!mkfs(&volume()).act.contains("luksFormat"));
}

const MIB: usize = 1 << 20;
const DISK: &str = "/dev/disk/by-id/one";

/// A machine with one device of that content, whose PV and VG lvm does not know.
fn machine(content: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.device(DISK, "sdq", "8:160", content);
    sandbox
}

/// The action on a device that [`machine`] has.
fn group_of(lost: &[Volume]) -> Procedure {
    make_group(&volume().group, &[DISK.to_owned()], lost)
}

#[test]
fn a_device_is_made_a_group_of_only_when_both_its_edges_are_zero_to_the_last_byte() {
    // No whole number of MiB: what is behind the last whole one counts too.
    let zero = vec![0; 3 * MIB + 512];
    let sandbox = machine(&zero);
    // The group is there when it was made.
    sandbox.program("vgs", "[ \"$*\" = vg01 ]");
    let calls = sandbox.path("calls");
    sandbox.program("pvs", &format!("if grep -q ^vgcreate {}; then echo ' 8:160'; else exit 5; fi", calls.display()));
    let (status, said) = sandbox.run(&group_of(&[]));
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(sandbox.calls("vgcreate"), [format!("-q -s 4194304b vg01 {DISK}")]);
    for at in [0, MIB - 1, 2 * MIB + 512, 3 * MIB + 511] {
        let mut filled = zero.clone();
        filled[at] = 1;
        let sandbox = machine(&filled);
        let (status, said) = sandbox.run(&group_of(&[]));
        assert!(status == Some(90) && said.contains("not all zero"), "byte {at}: {status:?} {said}");
        assert!(sandbox.calls("pvcreate").is_empty() && sandbox.calls("vgcreate").is_empty());
    }
    let small = machine(&[0; 4096]);
    small.program("vgcreate", "exit 1");
    assert_eq!(small.run(&group_of(&[])).0, Some(1), "one of less than a MiB is judged too");
}

#[test]
fn an_error_of_reading_is_no_proof_that_a_device_is_blank() {
    for (program, body) in [("cmp", "echo 'cmp: Input/output error' >&2; exit 2"), ("wipefs", "exit 1")] {
        let sandbox = machine(&vec![0; 3 * MIB]);
        sandbox.program(program, body);
        let (status, said) = sandbox.run(&group_of(&[]));
        assert!(status == Some(90) && said.contains("nothing proves it blank"), "{program}: {status:?} {said}");
        assert!(sandbox.calls("pvcreate").is_empty());
    }
}

#[test]
fn a_foreign_group_of_our_name_is_refused_and_our_own_is_done() {
    for (number, expected) in [("8:160", 91), ("253:4", 90)] {
        let sandbox = machine(&vec![0; 3 * MIB]);
        sandbox.program("vgs", "echo uuid");
        sandbox.program("pvs", &format!("case $* in *pv_major*) echo '  {number}' ;; *) echo '  /dev/mapper/mpatha' ;; esac"));
        let (status, said) = sandbox.run(&group_of(&[]));
        assert_eq!(status, Some(expected), "{said}");
        assert_eq!(said.contains("is there on other devices: "), expected == 90, "{said}");
    }
}

#[test]
fn a_device_is_added_to_a_group_by_the_same_proof() {
    let add = |content: &[u8]| {
        let sandbox = machine(content);
        sandbox.device("/dev/disk/by-id/old", "sdp", "8:144", &[0; 512]);
        let calls = sandbox.path("calls");
        let both = format!(
            "case $* in *pv_major*) echo '  8:144'; ! grep -q ^vgextend {} || echo '  8:160' ;; *) exit 5 ;; esac",
            calls.display()
        );
        sandbox.program("pvs", &both);
        sandbox.program("vgs", "echo 0");
        let (status, said) = sandbox.run(&extend(&volume().group, &["/dev/disk/by-id/old".to_owned()], &[DISK.to_owned()]));
        (status, said, sandbox.calls("vgextend"))
    };
    let (status, said, calls) = add(&vec![0; 2 * MIB]);
    assert!(status == Some(0) && calls == [format!("-q vg01 {DISK}")], "{status:?} {said} {calls:?}");
    let mut filled = vec![0; 2 * MIB];
    filled[2 * MIB - 1] = 7;
    let (status, said, calls) = add(&filled);
    assert!(status == Some(90) && said.contains("not all zero") && calls.is_empty(), "{status:?} {said}");
}

const OTHERS: &str = "# theirs\n\n/dev/vda / ext4 defaults 0 1\n/dev/mapper/luks-data2 /data2 ext4 defaults 0 2\n";

/// The lines that a finished volume has, and those of others.
fn finished(sandbox: &Sandbox) {
    sandbox.put("etc/crypttab", sandbox.place(&format!("data UUID=1 none luks\n{}\n", unit::crypttab(&volume()).unwrap())));
    sandbox.put("etc/fstab", sandbox.place(&format!("{OTHERS}{}\n", unit::fstab(&volume()))));
}

#[test]
fn before_a_lost_group_is_made_anew_the_lines_of_its_volumes_go_and_no_others() {
    let sandbox = machine(&vec![0; 3 * MIB]);
    finished(&sandbox);
    sandbox.program("pvcreate", &format!("cp /etc/crypttab {}", sandbox.path("seen").display()));
    sandbox.program("vgcreate", "exit 7");
    let (status, said) = sandbox.run(&group_of(&[volume()]));
    assert_eq!(status, Some(7), "{said}");
    assert_eq!(sandbox.read("seen"), "data UUID=1 none luks\n", "before anything is made, so that a cut is a first run");
    assert_eq!(sandbox.read("etc/fstab"), sandbox.place(OTHERS));
    assert!(sandbox.calls("systemctl").iter().any(|call| call.starts_with("stop") && call.contains("systemd-cryptsetup@luks")));
    // While it is open, or when the disk is not blank, the lines stay.
    let spoils: [&dyn Fn(&Sandbox); 2] = [&|s| s.put("dev/mapper/luks-data", ""), &|s| s.put("dev/sdq", "x")];
    for spoil in spoils {
        let sandbox = machine(&vec![0; 3 * MIB]);
        finished(&sandbox);
        spoil(&sandbox);
        let before = sandbox.read("etc/crypttab");
        assert_eq!(sandbox.run(&group_of(&[volume()])).0, Some(90));
        assert_eq!(sandbox.read("etc/crypttab"), before);
    }
}

/// A machine with our LV, tagged so, and a mapping of our name on the device of that number.
pub(super) fn mapped(tags: &str, below: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.device("/dev/vg01/data", "dm-1", "253:1", &[0; 4096]);
    sandbox.device("/dev/mapper/luks-data", "dm-2", "253:2", &[0; 4096]);
    sandbox.put("sys/class/block/dm-2/slaves/x/dev", format!("{below}\n"));
    sandbox.program("lvs", &format!("case $* in *vg_name,lv_size*) echo '  vg01 4096 {tags}' ;; *lv_tags*) echo '  {tags}' ;; esac"));
    sandbox.program("findmnt", "case $* in *-o*) echo /dev/mapper/luks-data ;; *) exit 1 ;; esac");
    sandbox.program("blkid", "echo ext4");
    sandbox
}

#[test]
fn a_mapping_of_our_name_on_another_device_is_refused_by_every_step_that_uses_it() {
    let tags = "kubestead:new,kubestead:volume";
    let mut larger = volume();
    larger.size = Bytes(1 << 31);
    let recovery = || Secret::new("abcd-".repeat(13).as_bytes()[..64].to_vec());
    let not_mounted = |sandbox: &Sandbox| sandbox.program("findmnt", "exit 1");
    let all = [
        ("create", create(&larger, true, false), true),
        ("format", format(&volume(), false).stdin(Stdin::Secret(recovery())), true),
        ("mkfs", mkfs(&volume()), true),
        ("grow", grow(&volume()), false),
        ("mount", mount(&volume(), "boot"), true),
    ];
    for (name, procedure, bare) in all {
        let sandbox = mapped(tags, "8:16");
        if bare {
            not_mounted(&sandbox);
        }
        let (status, said) = sandbox.run(&procedure);
        assert!(
            status == Some(90) && said.contains("luks-data is open on another device (8:16) than /dev/vg01/data (253:1)"),
            "{name}: {status:?} {said}"
        );
        assert!(sandbox.calls("cryptsetup").is_empty() && sandbox.calls("lvremove").is_empty(), "{name}");
    }
    let sandbox = mapped(tags, "253:1");
    not_mounted(&sandbox);
    sandbox.program("mkfs.ext4", "true");
    let (status, said) = sandbox.run(&mkfs(&volume()));
    assert_eq!(status, Some(0), "our own is used: {said}");
    assert_eq!(sandbox.calls("lvchange").last().unwrap(), "-q --deltag kubestead:new --deltag kubestead:mkfs vg01/data");
}

#[test]
fn systemd_reads_its_units_again_only_where_it_holds_an_older_state() {
    let run = |files: &[&str], systemctl: &str| {
        let sandbox = Sandbox::new();
        sandbox.program("systemctl", systemctl);
        let files: Vec<Owned> = files.iter().map(|path| Owned { path: (*path).to_owned(), text: "# ours\n".into(), mode: 0o644 }).collect();
        let (status, said) = sandbox.run(&procedure(&Action::Files { files }));
        assert_eq!(status, Some(0), "{said}");
        assert!(!sandbox.path(kubestead_core::put::PENDING).exists());
        sandbox.calls("systemctl")
    };
    let units = ["/etc/systemd/system/containerd.service.d/10-kubestead.conf", "/etc/systemd/system/kubestead-pods.service"];
    let asked = "show -p NeedDaemonReload containerd.service kubestead-pods.service";
    assert_eq!(run(&units, "echo NeedDaemonReload=no; echo; echo NeedDaemonReload=no"), [asked]);
    for stale in ["case $1 in show) echo NeedDaemonReload=no; echo; echo NeedDaemonReload=yes ;; esac", "[ $1 != show ]"] {
        assert_eq!(run(&units, stale), [asked, "daemon-reload"], "{stale}");
    }
    assert!(run(&["/etc/kubestead/servers"], "exit 1").is_empty(), "no unit among them");
}

#[test]
fn an_lv_is_made_only_where_none_of_ours_has_its_name() {
    let run = |lvs: &str| {
        let sandbox = Sandbox::new();
        sandbox.program("lvs", lvs);
        sandbox.program("lvcreate", "exit 7");
        let (status, said) = sandbox.run(&create(&volume(), false, false));
        assert_eq!(sandbox.calls("lvcreate").len(), usize::from(status == Some(7)), "{said}");
        (status, said)
    };
    let size = volume().size.0;
    for (lvs, wanted, words) in [
        ("true".to_owned(), 7, ""),
        ("echo '  vg02 4096 '; echo '  vg03 4096 kubestead:volumes,x'".to_owned(), 7, ""),
        ("echo '  vg02 4096 x,kubestead:volume'".to_owned(), 90, "the volume data is in the group vg02"),
        (format!("echo '  vg01 {size} '"), 90, "vg01/data is there and not tagged as new"),
        ("echo '  vg01 4096 kubestead:new,kubestead:volume'".to_owned(), 90, "vg01/data is there with 4096 bytes"),
        (format!("echo '  vg01 {size} kubestead:volume,kubestead:new'"), 91, ""),
        ("echo broken >&2; exit 5".to_owned(), 5, "broken"),
    ] {
        let (status, said) = run(&lvs);
        assert!(status == Some(wanted) && said.contains(words), "{lvs}: {status:?} {said}");
    }
}

/// Tags, what the mapping holds, and what else is so.
type Case<'a> = (&'a str, &'a str, &'a dyn Fn(&Sandbox));

#[test]
fn a_new_lv_of_another_size_is_replaced_only_when_it_holds_nothing_of_others() {
    let mut larger = volume();
    larger.size = Bytes(1 << 31);
    let run = |tags: &str, inside: &str, change: &dyn Fn(&Sandbox)| {
        let sandbox = mapped(tags, "253:1");
        sandbox.program("findmnt", "exit 1");
        sandbox.program("cryptsetup", "true");
        sandbox.program("wipefs", &format!("case $* in *mapper*) printf %s '{inside}' ;; esac"));
        change(&sandbox);
        let (status, said) = sandbox.run(&create(&larger, true, false));
        (status, said, sandbox.calls("lvremove").len())
    };
    let tags = "kubestead:new,kubestead:volume";
    let (status, said, removed) = run(tags, "", &|_| {});
    assert!(status == Some(0) && removed == 1, "{status:?} {said}");
    assert_eq!(run("kubestead:new,kubestead:volume,kubestead:mkfs", "ext4", &|_| {}).2, 1, "a filesystem that we began is ours");
    let refused: [Case<'_>; 5] = [
        ("kubestead:volume", "", &|_| {}),
        (tags, "ext4", &|_| {}),
        (tags, "", &|s| s.program("findmnt", "exit 0")),
        (tags, "", &|s| s.program("wipefs", "echo xfs")),
        (tags, "", &|s| s.put("sys/class/block/dm-1/holders/dm-9/dm/name", "theirs\n")),
    ];
    for (tags, inside, change) in refused {
        let (status, said, removed) = run(tags, inside, change);
        assert!(status == Some(90) && removed == 0, "{tags} {inside}: {status:?} {said}");
    }
}

#[test]
fn a_recovery_key_that_was_cut_off_never_enters_a_slot() {
    let whole = "abcd-".repeat(13).trim_end_matches('-').to_owned();
    assert_eq!(whole.len(), key::LENGTH);
    let reference = KeyRef::recovery("kube1", "data");
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    assert!(key::whole(&reference, secret(&whole)).is_ok());
    for bad in ["", &whole[..63], &whole[..32], &format!("{whole}\n"), &whole.replace("-abcd", "-ab d"), &whole.replace('-', "x")] {
        let error = key::whole(&reference, secret(bad)).unwrap_err().to_string();
        assert!(error.contains("recovery.kube1.data") && !error.contains("abcd"), "{error}");
        // Even if it comes to the machine, the script takes none of another length.
        if bad.trim_end().len() != key::LENGTH {
            let sandbox = mapped("kubestead:new,kubestead:volume", "253:1");
            let (status, said) = sandbox.run(&format(&volume(), false).stdin(Stdin::Secret(secret(bad))));
            assert!(status == Some(90) && said.contains("characters instead of 64: it was cut off"), "{status:?} {said}");
            assert!(sandbox.calls("cryptsetup").is_empty());
        }
    }
}

#[test]
fn a_header_is_made_anew_only_where_ours_does_not_load_and_our_tag_is_on_the_lv() {
    let recovery = || Secret::new("abcd-".repeat(13).as_bytes()[..64].to_vec());
    let run = |tags: &str, header: &str| {
        let sandbox = Sandbox::new();
        sandbox.device("/dev/vg01/data", "dm-1", "253:1", &[0; 4096]);
        finished(&sandbox);
        sandbox.program("lvs", &format!("echo '  {tags}'"));
        sandbox.program("cryptsetup", &format!("case $1 in luksDump) echo '{header}' ;; luksFormat) cat > /dev/null; exit 7 ;; esac"));
        sandbox.program("wipefs", "true");
        sandbox.program("fetch", "printf %0128d 7");
        let procedure = format(&volume(), true).stdin(Stdin::Secret(recovery())).var("fetch", "fetch");
        let (status, said) = sandbox.run(&procedure);
        (status, said, sandbox.calls("lvchange"), sandbox.read("etc/crypttab"))
    };
    let (status, said, tags, crypttab) = run("kubestead:volume", "");
    assert_eq!(status, Some(7), "{said}");
    assert_eq!(tags, ["-q --addtag kubestead:new vg01/data", "-q --addtag kubestead:formatting vg01/data"]);
    assert_eq!(crypttab, "data UUID=1 none luks\n");
    for (tags, header) in [("", ""), ("other", ""), ("kubestead:volume", r#"{"tokens":{"0":{"type":"kubestead"}}}"#)] {
        let (status, said, changed, crypttab) = run(tags, header);
        assert!(status == Some(90) && changed.is_empty() && crypttab.contains("luks-data"), "{tags} {header}: {status:?} {said}");
    }
}

#[test]
fn a_link_in_the_path_and_another_filesystem_are_refused_before_the_mount() {
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("/tmp", sandbox.path("data")).unwrap();
    let (status, said) = sandbox.run(&mount(&volume(), "boot"));
    assert!(status == Some(90) && said.contains("/data is a link or goes through one: it is /tmp"), "{status:?} {said}");
    let sandbox = mapped("kubestead:volume", "253:1");
    sandbox.program("findmnt", "exit 1");
    for quiet in ["unshare", "mount"] {
        sandbox.program(quiet, "true");
    }
    sandbox.program("blkid", "echo xfs");
    let (status, said) = sandbox.run(&mount(&volume(), "boot"));
    assert!(status == Some(1) && said.contains("it holds xfs, the file says ext4: nothing is mounted"), "{status:?} {said}");
    assert!(sandbox.calls("mount").is_empty());
}

#[test]
fn a_wipe_takes_our_own_volume_whole_and_no_mapping_of_our_name_on_another_device() {
    let run = |below: &str| {
        let sandbox = mapped("kubestead:volume", below);
        finished(&sandbox);
        sandbox.put("etc/kubestead/share.d/data", [7; 64]);
        let calls = sandbox.path("calls");
        let lvs = format!("if grep -q ^lvremove {}; then exit 5; fi; case $* in *lv_tags*) echo kubestead:volume ;; esac", calls.display());
        sandbox.program("lvs", &lvs);
        sandbox.program("findmnt", "exit 1");
        let header = r#"{"keyslots":{},"tokens":{"0":{"type":"kubestead","volume":"data"}}}"#;
        let close = sandbox.path("dev/mapper/luks-data");
        let holder = sandbox.path("sys/class/block/dm-1/holders");
        sandbox.program(
            "cryptsetup",
            &format!("case $1 in luksDump) echo '{header}' ;; close) rm -f {} {}/* ;; esac", close.display(), holder.display()),
        );
        let (status, said) = sandbox.run(&procedure(&Action::Wipe { volume: volume() }));
        (status, said, sandbox)
    };
    let (status, said, sandbox) = run("8:16");
    assert!(status == Some(90) && said.contains("is open on another device (8:16)"), "{status:?} {said}");
    assert!(sandbox.calls("lvremove").is_empty() && sandbox.path("etc/kubestead/share.d/data").exists());
    let (status, said, sandbox) = run("253:1");
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(sandbox.calls("lvremove"), ["-q -y vg01/data"]);
    assert_eq!((sandbox.read("etc/fstab"), sandbox.read("etc/crypttab")), (sandbox.place(OTHERS), "data UUID=1 none luks\n".to_owned()));
    assert!(!sandbox.path("etc/kubestead/share.d/data").exists());
}

#[test]
fn a_wipe_erases_nothing_without_our_tag_and_our_token_for_just_this_volume() {
    let ours = r#"{"keyslots":{"0":{}},"tokens":{"0":{"type":"kubestead","volume":"data"}}}"#;
    for (tags, header, words) in [
        ("other", ours, "has no tag that says that kubestead made it"),
        ("kubestead:volumes", ours, "has no tag that says that kubestead made it"),
        ("kubestead:volume", r#"{"keyslots":{"0":{}},"tokens":{}}"#, "no token of ours"),
        ("kubestead:volume", r#"{"tokens":{"0":{"type":"kubestead","volume":"data2"}}}"#, "names another volume"),
        ("kubestead:volume", r#"{"tokens":{"0":{"type":"systemd-tpm2","volume":"data"}}}"#, "no token of ours"),
    ] {
        let sandbox = mapped(tags, "253:1");
        finished(&sandbox);
        sandbox.program("findmnt", "exit 1");
        sandbox.program("cryptsetup", &format!("case $1 in luksDump) echo '{header}' ;; esac"));
        let before = sandbox.read("etc/crypttab");
        let (status, said) = sandbox.run(&procedure(&Action::Wipe { volume: volume() }));
        assert!(status == Some(90) && said.contains(words), "{header}: {status:?} {said}");
        let calls = sandbox.calls("cryptsetup");
        assert!(calls.iter().all(|call| call.starts_with("luksDump")) && sandbox.calls("lvremove").is_empty(), "{calls:?}");
        assert_eq!(sandbox.read("etc/crypttab"), before);
    }
}

#[test]
fn what_somebody_changed_of_a_wiped_volumes_units_stays_as_a_copy_and_the_manifest_names_them_no_more() {
    let sandbox = mapped("kubestead:volume", "253:1");
    finished(&sandbox);
    let calls = sandbox.path("calls");
    let lvs = format!("if grep -q ^lvremove {}; then exit 5; fi; case $* in *lv_tags*) echo kubestead:volume ;; esac", calls.display());
    sandbox.program("lvs", &lvs);
    sandbox.program("findmnt", "exit 1");
    let header = r#"{"keyslots":{},"tokens":{"0":{"type":"kubestead","volume":"data"}}}"#;
    let (close, holder) = (sandbox.path("dev/mapper/luks-data"), sandbox.path("sys/class/block/dm-1/holders"));
    sandbox.program(
        "cryptsetup",
        &format!("case $1 in luksDump) echo '{header}' ;; close) rm -f {} {}/* ;; esac", close.display(), holder.display()),
    );
    let files = unit::units(&volume());
    let line = |file: &Owned| sandbox.place(&format!("{}  {}\n", kubestead_core::put::digest(&file.text), file.path));
    let other = format!("{}  /x\n", "a".repeat(64));
    sandbox.put("etc/kubestead/files", files.iter().map(line).collect::<String>() + &other);
    for (index, file) in files.iter().enumerate() {
        sandbox.put(&file.path, if index == 0 { "edited\n" } else { &file.text });
    }
    let (status, said) = sandbox.run(&procedure(&Action::Wipe { volume: volume() }));
    assert_eq!(status, Some(0), "{said}");
    for (index, file) in files.iter().enumerate() {
        let copy = sandbox.path(&format!("{}.before-kubestead", file.path));
        assert!(!sandbox.path(&file.path).exists() && copy.exists() == (index == 0), "{}", file.path);
    }
    assert_eq!(sandbox.read(&format!("{}.before-kubestead", files[0].path)), "edited\n");
    assert_eq!(sandbox.read("etc/kubestead/files"), other);
}

#[test]
fn a_link_in_the_place_of_crypttab_or_fstab_is_refused_by_every_step_that_edits_them() {
    for tab in ["etc/crypttab", "etc/fstab"] {
        let volume = volume();
        for (name, procedure) in [
            ("boot", boot(&unit::units(&volume), std::slice::from_ref(&volume), &[])),
            ("create", create(&volume, false, true)),
            ("group", group_of(std::slice::from_ref(&volume))),
            ("wipe", wipe(&volume)),
        ] {
            let sandbox = mapped("kubestead:volume", "253:1");
            finished(&sandbox);
            std::fs::rename(sandbox.path(tab), sandbox.path("real")).unwrap();
            std::os::unix::fs::symlink(sandbox.path("real"), sandbox.path(tab)).unwrap();
            let (status, said) = sandbox.run(&procedure);
            assert!(status == Some(90) && said.contains(&format!("{tab} is not a regular file")), "{name} {tab}: {status:?} {said}");
            assert!(sandbox.path(tab).is_symlink() && sandbox.calls("lvremove").is_empty(), "{name}");
        }
    }
}

#[test]
fn a_file_where_a_mount_point_or_a_folder_above_it_belongs_is_refused() {
    for file in ["data", "data/below"] {
        let sandbox = mapped("kubestead:volume", "253:1");
        sandbox.program("findmnt", "exit 1");
        sandbox.put("data", "a file");
        let path = sandbox.path(file).to_str().unwrap().to_owned();
        let (status, said) = sandbox.run(&mount(&Volume { path, ..volume() }, "boot"));
        assert!(status == Some(90) && said.contains("/data is no folder"), "{file}: {status:?} {said}");
    }
}
