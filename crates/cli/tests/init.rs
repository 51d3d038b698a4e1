//! `kubestead init` as it is typed, against real sshds on loopback.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

#[allow(dead_code)] // the other half is for another test
#[path = "../../backend/tests/sshd/mod.rs"]
mod sshd;

use std::path::Path;
use std::process::{Command, Stdio};

use sshd::{Sshd, works};

fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubestead"));
    command
        .args(args)
        .current_dir(dir)
        .env("HOME", dir)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("SOPS_AGE_KEY_FILE")
        .env_remove("KUBESTEAD_AGE_KEY_FILE");
    let ran = command.env("KUBESTEAD_LAB_DIR", dir).stdin(Stdio::null()).output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn without_addresses_it_writes_an_example_that_check_refuses_thing_by_thing_and_a_second_time_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (code, said) = run(dir.path(), &["init", "--name", "lab"]);
    assert!(code == Some(0) && said.contains("wrote ./cluster.yaml") && said.contains("CHANGE-ME"), "{said}");
    let text = std::fs::read_to_string(dir.path().join("cluster.yaml")).unwrap();
    assert!(text.contains("\nkubernetes: {version: 1.37.1}\n"), "{text}");
    assert!(text.contains("\nname: lab\n") && dir.path().join("secrets/escrow/recipients").exists());
    let (code, said) = run(dir.path(), &["check"]);
    assert!(code == Some(2) && said.contains("5 mistakes"), "{said}");
    // Each with its line and a caret.
    let line = "  10 |   - {name: cp1, address: CHANGE-ME, roles: [control-plane]}\n     |                          ^\n  hint: ";
    assert!(said.matches("is to be filled in").count() == 5 && said.contains(line), "{said}");
    let (code, said) = run(dir.path(), &["init", "--name", "other"]);
    assert!(code == Some(0) && said.contains("cluster.yaml is there and stays as it is"), "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("cluster.yaml")).unwrap(), text);
}

#[test]
fn what_is_typed_wrong_is_told_before_any_machine_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    for (args, word) in [
        (&["init", "192.0.2.1"][..], "give --key-server ADDRESS"),
        (&["init", "192.0.2.1"], "or --unlock recovery to unlock them by hand after each boot"),
        (&["init", "192.0.2.1", "--unlock", "ssh", "--yes"], "give --key-server ADDRESS"),
        (&["init", "192.0.2.1", "--unlock", "recovery", "--key-server", "192.0.2.3"], "leave one of them out"),
        (&["init", "192.0.2.1", "--unlock", "tang"], "known are ssh, recovery"),
        (&["init", "192.0.2.1", "192.0.2.2", "--control-planes", "2", "--key-server", "192.0.2.3"], "write an odd number"),
        (&["init", "192.0.2.1", "--control-planes", "3", "--key-server", "192.0.2.3"], "at most that of the machines, 1"),
        (&["init", "--key-server", "192.0.2.3"], "--key-server is for machines that are looked at: name their addresses too"),
        (&["init", "--bundle", "b", "--user", "root"], "--user is for machines that are looked at"),
        (&["init", "--control-planes", "1"], "--control-planes is for machines"),
        (&["init", "me@kube1", "--no-volumes"], "a login is said by --user"),
        (&["init", "no such", "--no-volumes"], "is no machine"),
        (&["init", "--name", "No", "192.0.2.1"], "is not a name"),
    ] {
        let (code, said) = run(dir.path(), args);
        assert!(code == Some(2) && said.contains(word), "{args:?}: {said}");
    }
    std::os::unix::fs::symlink("nowhere", dir.path().join("cluster.yaml")).unwrap();
    let (code, said) = run(dir.path(), &["init", "192.0.2.1", "--no-volumes"]);
    assert!(code == Some(2) && said.contains("is there, and stays as it is: no machine was looked at"), "{said}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is written");
}

/// A program without HOME, as cron and CI start some, would put keys into the repository.
#[test]
fn no_key_is_made_without_a_home_and_no_file_before_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let init = |settings: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubestead"));
        command.arg("init").current_dir(dir.path()).env_clear().envs(settings.iter().copied());
        let ran = command.stdin(Stdio::null()).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    for settings in [&[][..], &[("HOME", "")], &[("HOME", "here"), ("XDG_CONFIG_HOME", "there")]] {
        let (code, said) = init(settings);
        assert!(code == Some(2) && said.contains("HOME names no folder") && said.contains("KUBESTEAD_AGE_KEY_FILE"), "{said}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is written");
    // A key that cannot be used is told while the same line can be typed again.
    let key = dir.path().join("keys.txt");
    std::fs::write(&key, "junk\n").unwrap();
    let (code, said) = init(&[("KUBESTEAD_AGE_KEY_FILE", &key.display().to_string())]);
    assert!(code != Some(0) && said.contains("age identity") && !dir.path().join("cluster.yaml").exists(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_are_looked_at_and_what_is_written_passes_check_and_stays() {
    let (Some(one), Some(two)) = (Sshd::start(""), Sshd::start("")) else { return };
    if !works(&one.connect().await).await {
        return;
    }
    // Two addresses for one machine, as they are for loopback: told as such.
    let dir = tempfile::tempdir().unwrap();
    let block = |address: &str, sshd: &Sshd| {
        let text = std::fs::read_to_string(sshd.path("config")).unwrap();
        let port = text.lines().find_map(|line| line.trim().strip_prefix("Port ")).unwrap().to_owned();
        let key = std::fs::read_to_string(sshd.path("host.pub")).unwrap();
        std::fs::write(sshd.path("known"), format!("[127.0.0.1]:{port} {key}")).unwrap();
        text.replace("Host *\n", &format!("Host {address}\n  HostName 127.0.0.1\n"))
    };
    let config = dir.path().join("ssh");
    std::fs::write(&config, block("127.0.1.1", &one) + &block("127.0.1.2", &two)).unwrap();
    let config = config.display().to_string();
    let base = ["init", "127.0.1.1", "--ssh-config", &config, "--no-volumes", "--yes"];
    let with = |more: &[&'static str]| base.iter().copied().chain(more.iter().copied()).map(str::to_owned).collect::<Vec<_>>();
    let go = |args: Vec<String>| run(dir.path(), &args.iter().map(String::as_str).collect::<Vec<_>>());
    let has_id = std::fs::read_to_string("/etc/machine-id").is_ok_and(|id| id.trim().len() == 32);
    let (code, said) = go(with(&["--no-kubernetes", "127.0.1.2"]));
    if ["a cluster is there already", "is not supported"].iter().any(|word| said.contains(word)) {
        assert!(std::env::var_os("CI").is_none(), "{said}");
        eprintln!("skipped: this computer is no machine for a cluster: {said}");
        return;
    }
    assert!(!has_id || code == Some(4) && said.contains("127.0.1.2") && said.contains("it has the machine-id of 127.0.1.1"), "{said}");
    let _ = std::fs::remove_file(dir.path().join("cluster.yaml"));
    // Loopback is no address for Kubernetes: what check would say is said, and nothing written.
    let (code, said) = go(with(&[]));
    assert!(code == Some(2) && said.contains("127.0.1.1 is every machine's own") && said.contains(" | ") && said.contains('^'), "{said}");
    // One that does not answer.
    let (code, said) = go(with(&["--no-kubernetes", "127.0.1.3:1"]));
    assert!(code == Some(5) && said.contains("127.0.1.3:1: not seen: ") && said.contains("nothing is written"), "{said}");
    assert!(!dir.path().join("cluster.yaml").exists() && !dir.path().join("secrets").exists());
    let (code, said) = go(with(&["--no-kubernetes"]));
    assert!(code == Some(0) && said.contains("wrote ./cluster.yaml"), "{said}");
    let text = std::fs::read_to_string(dir.path().join("cluster.yaml")).unwrap();
    assert!(
        text.contains("address: 127.0.1.1, roles: [control-plane, worker]}") && text.contains(&format!("ssh: {{config: {config}}}")),
        "{text}"
    );
    let (code, said) = run(dir.path(), &["check"]);
    assert!(code == Some(0) && said.contains("1 nodes, 0 volumes"), "{said}");
    let (code, _) = go(with(&["--no-kubernetes"]));
    assert_eq!((code, std::fs::read_to_string(dir.path().join("cluster.yaml")).unwrap()), (Some(2), text));
}
