//! How volumes are unlocked: the real scripts over the real cryptsetup(8), on a file. What would map it needs a device-mapper, and is only written down.

use std::process::Command;

use kubestead_core::secret::Secret;

use super::tests::{mapped, volume};
use super::*;
use crate::sandbox::Sandbox;
use crate::spec::Encryption;
use crate::ways::Ways;

const RECOVERY: &str = "abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd";
const TAGS: &str = "kubestead:new,kubestead:volume";

fn of(ways: &[Way]) -> Volume {
    Volume { encryption: Encryption::Luks(Ways::new(ways.to_vec()).unwrap()), ..volume() }
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
    // A key that comes through a pipe of the shell's is there only once. A power cut is a call that changes the header and is not made, nor any after it.
    let open = "case $* in *--key-file*/dev/fd/*) cat \"${@: -3:1}\" > $0.key ;; *) cat > $0.key ;; esac";
    let cut = "if [ -e $0.cut ]; then read -r left < $0.cut; echo $((left - 1)) > $0.cut; [ \"$left\" -gt 0 ] || { kill -9 $PPID; exit 137; }; fi";
    let body = format!(
        "case $* in *--test-passphrase* | luksDump* | 'token export'*) exec {real} \"$@\" ;; open*) {open} ;; *) {cut}; exec {real} \"$@\" ;; esac"
    );
    sandbox.program("cryptsetup", &body);
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
        let token = &json["tokens"][slots[0]];
        assert_eq!((&token["provider"], &token["keyslots"][0]), (&provider.into(), &slots[0].into()));
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
fn a_boot_that_still_asks_key_servers_is_ended_by_an_unlock() {
    let sandbox = closed();
    sandbox.program("systemctl", "case $1 in is-active) echo activating; exit 3 ;; list-jobs) echo 12 waits.service start waiting; echo 13 other.service stop waiting ;; esac");
    let (status, said) = sandbox.run(&procedure(&Action::Unlock { volume: of(&[Way::Ssh]) }).stdin(key()));
    assert_eq!(status, Some(0), "{said}");
    let unlock = unit::cryptsetup_unit(&volume());
    let calls: Vec<String> = sandbox.calls("systemctl").into_iter().filter(|call| call.starts_with("st")).collect();
    let expected = [
        &format!("stop {unlock} kubestead-key-data@*.service"),
        &format!("start {unlock}"),
        "start data.mount",
        "start --no-block waits.service",
    ];
    assert_eq!(calls, expected, "what waited for it goes on");
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
    let (status, said) = sandbox.run(&boot(&[], std::slice::from_ref(&by_hand), &[]));
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

const THEIRS: &str = "somebody else's key";

/// A finished volume with these ways, and a slot and a token of somebody else's.
fn finished(ways: &[Way]) -> Sandbox {
    let sandbox = machine(TAGS);
    let (status, said) = run(&sandbox, format(&of(ways), false).stdin(key()));
    assert_eq!(status, Some(0), "{said}");
    let add = format!(
        "cryptsetup luksAddKey -q --key-file <(printf %s '{}') --key-slot 3 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vg01/data <(printf %s \"{THEIRS}\")
         echo '{{\"type\":\"theirs\",\"keyslots\":[\"3\"]}}' | cryptsetup token import --token-id 5 --json-file - /dev/vg01/data",
        if ways.contains(&Way::Ssh) { machine_key() } else { RECOVERY[..key::LENGTH].to_owned() },
    );
    let (status, _, said) = sandbox.bash(&add, &[], b"");
    assert_eq!(status, Some(0), "{said}");
    sandbox
}

/// That the volume opens by the recovery key and by somebody else's.
fn still_opens(sandbox: &Sandbox, when: &str) {
    assert_eq!(opens(sandbox, "7", &RECOVERY[..key::LENGTH]), Some(0), "{when}");
    let theirs = format!("printf %s \"{THEIRS}\" | cryptsetup open --test-passphrase --key-slot 3 --key-file - /dev/vg01/data");
    assert_eq!(sandbox.bash(&theirs, &[], b"").0, Some(0), "{when}: somebody else's slot stays");
}

/// The ways that a header shows, and the numbers of its tokens.
fn shown(sandbox: &Sandbox) -> (Vec<String>, Vec<String>, bool) {
    let json = dump(sandbox);
    let keys = |of: &str| json[of].as_object().unwrap().keys().cloned().collect();
    (keys("keyslots"), keys("tokens"), json["keyslots"]["7"]["priority"] == 0)
}

/// How often a script changes the header at most, so that a cut before each of them is tried.
const CHANGES: usize = 5;

/// Runs an action, cut off before each change of the header, and then to its end.
fn cut_before_each_change(from: &[Way], action: &Action, keyslots: &[&str], tokens: &[&str]) {
    let strings = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let has_both = keyslots.contains(&"0");
    let content = std::fs::read(finished(from).path("dev/dm-1")).unwrap();
    let mut uncut = false;
    for cut in 0..CHANGES {
        let sandbox = machine(TAGS);
        std::fs::write(sandbox.path("dev/dm-1"), &content).unwrap();
        sandbox.put("bin/cryptsetup.cut", format!("{cut}\n"));
        let (status, said) = run(&sandbox, procedure(action).stdin(key()));
        std::fs::remove_file(sandbox.path("bin/cryptsetup.cut")).unwrap();
        uncut |= status == Some(0);
        still_opens(&sandbox, &format!("cut before change {cut}: {said}"));
        let (status, said) = run(&sandbox, procedure(action).stdin(key()));
        // What is whole is not done a second time.
        assert_eq!(status, Some(if uncut { 91 } else { 0 }), "after cut {cut}: {said}");
        assert_eq!(shown(&sandbox), (strings(keyslots), strings(tokens), has_both), "after cut {cut}");
        assert_eq!(opens(&sandbox, "0", &machine_key()) == Some(0), has_both);
        assert!(!sandbox.read("calls").contains("abcd-abcd"), "no key is an argument");
    }
    assert!(uncut, "it was cut before each of its changes");
}

#[test]
fn a_way_is_removed_and_wherever_that_is_cut_off_the_volume_opens_and_the_next_run_finishes() {
    let remove = Action::RemoveWay { volume: of(&[Way::Recovery]) };
    cut_before_each_change(&Way::ALL, &remove, &["3", "7"], &["5", "7"]);
}

#[test]
fn a_way_is_added_and_wherever_that_is_cut_off_the_volume_opens_and_the_next_run_finishes() {
    let add = Action::AddWay { volume: of(&[Way::Ssh]) };
    cut_before_each_change(&[Way::Recovery], &add, &["0", "3", "7"], &["0", "5", "7"]);
}

#[test]
fn nothing_of_a_header_is_changed_when_the_recovery_key_does_not_open_it_or_a_slot_is_somebody_elses() {
    let other = || Stdin::Secret(Secret::new(RECOVERY.replace('a', "b").as_bytes()[..key::LENGTH].to_vec()));
    let header = |sandbox: &Sandbox| std::fs::read(sandbox.path("dev/dm-1")).unwrap()[..32 << 10].to_vec();
    let refused = |sandbox: &Sandbox, action: &Action, stdin: Stdin, word: &str| {
        let before = header(sandbox);
        let (status, said) = run(sandbox, procedure(action).stdin(stdin));
        assert!(status == Some(90) && said.contains(word), "{action:?}: {status:?} {said}");
        assert!(before == header(sandbox));
    };
    let (remove, add) = (Action::RemoveWay { volume: of(&[Way::Recovery]) }, Action::AddWay { volume: of(&[Way::Ssh]) });
    for (ways, action) in [(&[Way::Ssh][..], &remove), (&[Way::Recovery], &add)] {
        refused(&finished(ways), action, other(), "the recovery key does not open slot 7 of /dev/vg01/data");
    }
    // Somebody's own key in the slot, and a token of theirs in its place.
    let sandbox = finished(&[Way::Recovery]);
    let own = format!(
        "cryptsetup luksAddKey -q --key-file <(printf %s '{}') --key-slot 0 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vg01/data <(printf own)",
        &RECOVERY[..key::LENGTH]
    );
    assert_eq!(sandbox.bash(&own, &[], b"").0, Some(0));
    refused(&sandbox, &add, key(), "slot 0 of /dev/vg01/data holds another key than this machine's");
    refused(&sandbox, &remove, key(), "slot 0 of /dev/vg01/data has no token of ours");
    let sandbox = finished(&[Way::Recovery]);
    let token = "echo '{\"type\":\"clevis\",\"keyslots\":[]}' | cryptsetup token import --token-id 0 --json-file - /dev/vg01/data";
    assert_eq!(sandbox.bash(token, &[], b"").0, Some(0));
    refused(&sandbox, &add, key(), "token 0 of /dev/vg01/data is somebody else's");
}

#[test]
fn units_that_no_volume_needs_any_more_go_and_a_copy_of_one_that_was_edited_stays() {
    let sandbox = Sandbox::new();
    let fetched = volume();
    assert_eq!(sandbox.run(&boot(&unit::units(&fetched), std::slice::from_ref(&fetched), &[])).0, Some(0));
    let [socket, service, drop_in] = unit::units(&fetched).try_into().unwrap();
    sandbox.put(&service.path, "edited");
    let gone: Vec<String> = unit::units(&fetched).into_iter().map(|file| file.path).collect();
    let by_hand = of(&[Way::Recovery]);
    let (status, said) = sandbox.run(&boot(&[], std::slice::from_ref(&by_hand), &gone));
    assert_eq!(status, Some(0), "{said}");
    for file in [&socket, &service, &drop_in] {
        assert!(!sandbox.path(&file.path).exists(), "{}", file.path);
    }
    assert_eq!(sandbox.read(&format!("{}.before-kubestead", service.path)), "edited");
    assert!(!sandbox.path(&drop_in.path).parent().unwrap().exists() && !sandbox.read("etc/crypttab").contains("luks-data"));
    assert_eq!(sandbox.read("etc/kubestead/files"), "");
}
