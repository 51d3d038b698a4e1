//! `kubestead trust` as it is typed, against a real sshd on loopback.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

#[allow(dead_code)] // the other half is for another test
#[path = "../../backend/tests/sshd/mod.rs"]
mod sshd;

use std::io::Write as _;
use std::process::{Command, Stdio};

use sshd::Sshd;

/// A folder with a cluster file for an sshd, whose key is not known.
fn place(sshd: &Sshd) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "apiVersion: kubestead/v1\nkind: Cluster\nname: a\nssh: {{config: {}}}\nnodes: [{{name: cp1, address: 127.0.0.1, roles: [control-plane]}}]\n",
        sshd.path("config").display()
    );
    std::fs::write(dir.path().join("cluster.yaml"), text).unwrap();
    std::fs::write(sshd.path("known"), "").unwrap();
    dir
}

fn kubestead(dir: &std::path::Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubestead"));
    command.args(args).current_dir(dir).env("HOME", dir).env("KUBESTEAD_LAB_DIR", dir);
    command
}

fn run(dir: &std::path::Path, args: &[&str]) -> (Option<i32>, String) {
    let ran = kubestead(dir, args).stdin(Stdio::null()).output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
}

/// The same on a terminal, where `typed` is typed.
fn typed(dir: &std::path::Path, args: &[&str], typed: &str) -> String {
    let line = [&[env!("CARGO_BIN_EXE_kubestead")], args].concat().join(" ");
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(dir)
        .env("HOME", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn fingerprint(sshd: &Sshd) -> String {
    let out = Command::new("ssh-keygen").arg("-lf").arg(sshd.path("host.pub")).output().unwrap();
    String::from_utf8(out.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_key_is_written_by_its_fingerprint_or_by_a_whole_yes_and_by_nothing_else() {
    let Some(sshd) = Sshd::start("") else { return };
    let dir = place(&sshd);
    let known = || std::fs::read_to_string(sshd.path("known")).unwrap();
    let print = fingerprint(&sshd);
    // In a pipe nothing is asked.
    let (code, said) = run(dir.path(), &["trust"]);
    assert_eq!(code, Some(4), "{said}");
    for word in [
        "cp1 ([127.0.0.1]:",
        "not known yet",
        &format!("256 {print} (ED25519)"),
        "console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        "--fingerprint",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let wrong = format!("SHA256:{}", "A".repeat(43));
    let (code, said) = run(dir.path(), &["trust", "--fingerprint", &wrong]);
    assert!(code == Some(1) && said.contains(&format!("{wrong}: no machine shows")) && said.contains("you named none"), "{said}");
    let (code, said) = run(dir.path(), &["trust", "--fingerprint", "MD5:00"]);
    assert!(code == Some(2) && said.contains("ssh-keygen -lf"), "{said}");
    for answer in ["y\n", "no\n", "\n", "yess\n"] {
        let said = typed(dir.path(), &["trust"], answer);
        assert!(said.contains("Type yes to trust it") && said.contains("nothing is written"), "{said}");
    }
    assert_eq!(known(), "");
    let said = typed(dir.path(), &["trust"], "yes\n");
    assert!(said.contains("1 key written to"), "{said}");
    let after = known();
    assert!(after.starts_with("|1|") && after.lines().count() == 1, "{after}");
    for args in [&["trust"][..], &["trust", "cp1"], &["trust", "--fingerprint", &print]] {
        let (code, said) = run(dir.path(), args);
        assert!(code == Some(0) && said.contains("known, nothing to do") && known() == after, "{said}");
    }
    std::fs::write(sshd.path("known"), "").unwrap();
    let (code, said) = run(dir.path(), &["trust", "--fingerprint", &print]);
    assert!(code == Some(0) && said.contains("1 key written to") && known().starts_with("|1|"), "{said}");
}

#[test]
fn before_there_is_a_cluster_file_addresses_are_trusted_too() {
    let Some(sshd) = Sshd::start("") else { return };
    let dir = place(&sshd);
    std::fs::remove_file(dir.path().join("cluster.yaml")).unwrap();
    let config = sshd.path("config").display().to_string();
    let (code, said) =
        run(dir.path(), &["trust", "127.0.0.1", "--ssh-config", &config, "--output", "json", "--fingerprint", &fingerprint(&sshd)]);
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &told[0]["outcome"], &told[0]["written"]), (Some(0), &"trusted".into(), &1.into()), "{said}");
    assert_eq!(told[0]["keys"][0]["kind"], "ssh-ed25519");
    let (code, said) = run(dir.path(), &["trust", "127.0.0.1:1", "--ssh-config", &config]);
    assert!(code == Some(5) && said.contains("127.0.0.1:1: no key came"), "{said}");
    for bad in ["-oProxyCommand=x", "a b", "127.0.0.1:0"] {
        let (code, said) = run(dir.path(), &["trust", "--", bad]);
        assert!(code == Some(2) && said.contains("is no machine"), "{said}");
    }
    let (code, said) = run(dir.path(), &["trust"]);
    assert!(code == Some(2) && said.contains("cannot read cluster.yaml"), "{said}");
}

#[test]
fn a_changed_key_ends_in_a_refusal_that_names_the_line() {
    let Some(sshd) = Sshd::start("") else { return };
    let dir = place(&sshd);
    let name = std::fs::read_to_string(sshd.path("config")).unwrap();
    let port = name.lines().find_map(|line| line.trim().strip_prefix("Port ")).unwrap().to_owned();
    let other = std::fs::read_to_string(sshd.path("user.pub")).unwrap();
    let text = format!("# mine\n[127.0.0.1]:{port} {other}");
    std::fs::write(sshd.path("known"), &text).unwrap();
    let print = fingerprint(&sshd);
    for args in [&["trust"][..], &["trust", "--fingerprint", &print]] {
        let (code, said) = run(dir.path(), args);
        assert_eq!(code, Some(1), "{said}");
        for word in ["ITS KEY CHANGED", "known:2 knows it by SHA256:", "never accepted here", "ssh-keygen -R", "your own decision", &print]
        {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    let said = typed(dir.path(), &["trust"], "yes\n");
    assert!(said.contains("ITS KEY CHANGED") && !said.contains("Type yes"), "{said}");
    assert_eq!(std::fs::read_to_string(sshd.path("known")).unwrap(), text);
}
