//! How volumes are unlocked: the real scripts over the real cryptsetup(8), on a file. What would map it needs a device-mapper, and is only written down.

use std::process::Command;

use kubestead_core::secret::Secret;

use super::tests::{mapped, volume};
use super::*;
use crate::sandbox::Sandbox;
use crate::ways::Ways;

const RECOVERY: &str = "abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd";
const TAGS: &str = "kubestead:new,kubestead:volume";

fn of(ways: &[Way]) -> Volume {
    Volume { unlock: Ways::new(ways.to_vec()).unwrap(), ..volume() }
}

fn key() -> Stdin {
    Stdin::Secret(Secret::new(RECOVERY.as_bytes()[..key::LENGTH].to_vec()))
}

/// A machine whose LV is a file, with those tags.
fn machine(tags: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.device("/dev/vg01/data", "dm-1", "253:1", &vec![0; 20 << 20]);
    sandbox.program("lvs", &format!("echo '  {tags}'"));
    sandbox.program("fetch", "printf %0128d 7");
    // Of a plain file cryptsetup takes the lock that the script has; of a device it takes another.
    sandbox.program("flock", "true");
    let real = Command::new("bash").args(["-c", "type -P cryptsetup"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap().trim().to_owned();
    // A key that comes through a pipe of the shell's is there only once.
    let open = "case $* in *--key-file*/dev/fd/*) cat \"${@: -3:1}\" > $0.key ;; *) cat > $0.key ;; esac";
    sandbox.program(
        "cryptsetup",
        &format!("case $* in *--test-passphrase*) exec {real} \"$@\" ;; open*) {open} ;; *) exec {real} \"$@\" ;; esac"),
    );
    sandbox
}

fn run(sandbox: &Sandbox, procedure: Procedure) -> (Option<i32>, String) {
    sandbox.run(&procedure.var("fetch", "fetch"))
}

/// What of the header a key opens: status of cryptsetup(8).
fn opens(sandbox: &Sandbox, slot: &str, key: &str) -> Option<i32> {
    let script = format!("printf %s '{key}' | cryptsetup open --test-passphrase --key-slot {slot} --key-file - /dev/vg01/data");
    sandbox.bash(&script, &[], b"").0
}

fn dump(sandbox: &Sandbox) -> serde_json::Value {
    serde_json::from_str(&sandbox.bash("cryptsetup luksDump --dump-json-metadata /dev/vg01/data", &[], b"").1).unwrap()
}

fn machine_key() -> String {
    format!("{:0128}", 7)
}

#[test]
fn a_volume_that_is_unlocked_by_hand_has_the_recovery_slot_alone_and_one_of_a_key_server_both() {
    for (ways, slots, provider) in [
        (&[Way::Recovery][..], &["7"][..], "recovery"),
        (&[Way::Ssh], &["0", "7"], "ssh-split"),
        (&[Way::Ssh, Way::Recovery], &["0", "7"], "ssh-split"),
    ] {
        let sandbox = machine(TAGS);
        let format = || format(&of(ways), false).stdin(key());
        let (status, said) = run(&sandbox, format());
        assert_eq!(status, Some(0), "{ways:?}: {said}");
        let json = dump(&sandbox);
        assert_eq!(json["keyslots"].as_object().unwrap().keys().collect::<Vec<_>>(), slots);
        assert_eq!((&json["tokens"]["0"]["provider"], &json["tokens"]["0"]["keyslots"][0]), (&provider.into(), &slots[0].into()));
        assert_eq!(opens(&sandbox, "7", &RECOVERY[..key::LENGTH]), Some(0));
        assert_eq!(opens(&sandbox, "0", &machine_key()), if slots.len() == 2 { Some(0) } else { Some(1) });
        // Alone it is tried without being named, as `cryptsetup resize` cannot name one.
        assert_eq!(json["keyslots"]["7"]["priority"].as_u64(), (slots.len() == 2).then_some(0));
        assert_eq!(sandbox.calls("fetch").len(), slots.len() - 1, "no key server is asked for what it has no part in");
        assert!(!sandbox.read("calls").contains("abcd-abcd"), "no key is an argument");
        // A second run finds it whole.
        std::fs::remove_file(sandbox.path("calls")).unwrap();
        assert_eq!(run(&sandbox, format()).0, Some(91));
        assert!(!sandbox.read("calls").contains("luksFormat"));
    }
}

#[test]
fn what_is_made_in_a_volume_that_is_unlocked_by_hand_takes_the_recovery_key() {
    let by_hand = of(&[Way::Recovery]);
    let sandbox = machine(TAGS);
    let (status, said) = run(&sandbox, mkfs(&by_hand).stdin(key()));
    assert!(said.contains("/dev/mapper/luks-data") && status != Some(90), "the stub opens nothing: {status:?} {said}");
    assert_eq!(sandbox.read("bin/cryptsetup.key"), RECOVERY[..key::LENGTH]);
    assert!(sandbox.calls("fetch").is_empty());
    for procedure in [mkfs(&by_hand), grow(&by_hand), mount(&by_hand, "recovery"), format(&by_hand, false)] {
        let (status, said) = run(&machine(TAGS), procedure);
        assert!(status == Some(90) && said.contains("the recovery key has 0 characters instead of 64"), "{status:?} {said}");
    }
}

#[test]
fn only_an_action_that_needs_it_gets_the_recovery_key() {
    let (by_hand, fetched) = (of(&[Way::Recovery]), of(&[Way::Ssh]));
    for (volume, expected) in [(&by_hand, true), (&fetched, false)] {
        for action in [Action::Mkfs { volume: volume.clone() }, Action::Grow { volume: volume.clone() }] {
            assert_eq!(by_recovery_key(&action).is_some(), expected, "{action:?}");
        }
        assert!(by_recovery_key(&Action::Unlock { volume: volume.clone() }).is_some());
        assert!(by_recovery_key(&Action::Mount { volume: volume.clone() }).is_none());
    }
}

/// A machine where the volume is closed until cryptsetup opens it, and is mounted when somebody mounts it.
fn closed() -> Sandbox {
    let sandbox = mapped("kubestead:volume", "253:1");
    std::fs::rename(sandbox.path("dev/mapper/luks-data"), sandbox.path("aside")).unwrap();
    let (aside, mark) = (sandbox.path("aside"), sandbox.path("mounted"));
    sandbox.program("cryptsetup", &format!("cat > $0.key; mv {} /dev/mapper/luks-data", aside.display()));
    sandbox.program("findmnt", &format!("[ -e {} ] || exit 1; echo /dev/mapper/luks-data", mark.display()));
    sandbox.program("mount", &format!("touch {}", mark.display()));
    sandbox.program("unshare", "true");
    sandbox.program("systemd-escape", "echo data.mount");
    sandbox
}

#[test]
fn an_unlock_opens_the_recovery_slot_and_mounts_and_a_second_one_has_nothing_to_do() {
    for ways in [&[Way::Recovery][..], &[Way::Ssh]] {
        let sandbox = closed();
        let unlock = || procedure(&Action::Unlock { volume: of(ways) }).stdin(key());
        let (status, said) = sandbox.run(&unlock());
        assert_eq!(status, Some(0), "{said}");
        assert_eq!(sandbox.calls("cryptsetup"), ["open --key-slot 7 --key-file - /dev/vg01/data luks-data"]);
        assert_eq!(sandbox.read("bin/cryptsetup.key"), RECOVERY[..key::LENGTH]);
        assert!(sandbox.calls("systemctl").contains(&"start data.mount".to_owned()), "the boot's own mount goes on");
        assert_eq!(sandbox.run(&unlock()).0, Some(91));
    }
}

#[test]
fn what_is_unlocked_by_hand_is_not_mounted_while_it_is_closed_and_the_next_step_is_told() {
    let sandbox = closed();
    let (status, said) = sandbox.run(&procedure(&Action::Mount { volume: of(&[Way::Recovery]) }));
    assert!(
        status == Some(1) && said.contains("/dev/vg01/data is locked, and is unlocked by hand: kubestead volume unlock"),
        "{status:?} {said}"
    );
    assert!(sandbox.calls("mount").is_empty() && !sandbox.calls("systemctl").iter().any(|call| call.contains("socket")));
}

#[test]
fn the_line_in_crypttab_goes_with_the_way_and_lines_of_others_stay() {
    let sandbox = Sandbox::new();
    let theirs = "data UUID=1 none luks\n";
    sandbox.put("etc/crypttab", sandbox.place(&format!("{theirs}{}\n", unit::crypttab(&volume()).unwrap())));
    let by_hand = of(&[Way::Recovery]);
    assert!(unit::crypttab(&by_hand).is_none() && unit::units(&by_hand).is_empty());
    let (status, said) = sandbox.run(&boot(&[], std::slice::from_ref(&by_hand)));
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(
        (sandbox.read("etc/crypttab"), sandbox.read("etc/fstab")),
        (theirs.to_owned(), sandbox.place(&format!("{}\n", unit::fstab(&by_hand))))
    );
}

#[test]
fn services_that_waited_are_started_and_those_that_run_or_are_not_set_up_are_left_alone() {
    let run = |active: &str, enabled: &str| {
        let sandbox = Sandbox::new();
        sandbox.program(
            "systemctl",
            &format!("case $2 in is-enabled) [[ ' {enabled} ' = *\" $3 \"* ]] ;; is-active) [ -e $0.started ] || [[ ' {active} ' = *\" $3 \"* ]] ;; *) touch $0.started ;; esac"),
        );
        let (status, said) = sandbox.run(&procedure(&Action::Resume));
        let starts: Vec<String> = sandbox.calls("systemctl").into_iter().filter(|call| call.starts_with("start")).collect();
        (status, starts, said)
    };
    let all = "containerd.service kubelet.service kubestead-pods.service";
    let (status, starts, said) = run("containerd.service", all);
    assert_eq!((status, starts), (Some(0), vec!["start kubelet.service kubestead-pods.service".to_owned()]), "{said}");
    assert_eq!(run(all, all).0, Some(91));
    assert_eq!(run("", "").0, Some(91), "no Kubernetes here");
}
