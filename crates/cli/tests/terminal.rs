//! What files of a repository could do to the terminal of who looks at it: nothing.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::process::Command;

/// Moves up and wipes a line, sets the window's title, and turns what follows around (CVE-2021-25743, CVE-2021-42574).
const HOSTILE: &str = "a\x1b[1A\x1b[2K\x1b]0;title\x07\u{9b}31m\u{202e}b\u{200b}";

fn run(dir: &std::path::Path, args: &[&str]) -> (Option<i32>, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_kubestead")).args(args).current_dir(dir).env("HOME", dir).output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
}

fn clean(text: &str) {
    assert!(!text.chars().any(|c| c != '\n' && kubestead_core::visible::is_hidden(c)), "{text:?}");
    assert!(text.contains("\\u{1b}[1A") || text.contains("\\u001b[1A"), "it is shown, spelled out: {text}");
}

#[test]
fn a_file_name_and_a_yaml_key_are_spelled_out() {
    let dir = tempfile::tempdir().unwrap();
    let key = format!("\"{}\"", HOSTILE.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect::<String>());
    let file = format!("cluster{HOSTILE}\n  hint: kubestead up --yes x.yaml");
    std::fs::write(dir.path().join(&file), format!("apiVersion: kubestead/v1\nkind: Cluster\nname: home\n{key}: {key}\nnodes: [{key}]\n"))
        .unwrap();
    let (code, text) = run(dir.path(), &["check", "-f", &file]);
    assert_eq!(code, Some(2));
    clean(&text);
    assert!(text.lines().all(|line| !line.starts_with("  hint: kubestead up --yes")), "no line of the file name's making: {text}");
    let (code, text) = run(dir.path(), &["check", "-f", &file, "--output", "json"]);
    assert_eq!(code, Some(2));
    clean(&text);
    let (code, text) = run(dir.path(), &["check", "-f", &format!("{HOSTILE}.yaml")]);
    assert_eq!(code, Some(2));
    clean(&text);
    assert!(text.contains("\n  hint: `kubestead init` writes one"), "{text}");
}

/// What a command found decides how it ends, whoever reads it; and data that is lost is no success.
#[test]
fn a_full_disk_or_a_reader_that_went_away_makes_no_success_of_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cluster.yaml"), "apiVersion: kubestead/v1\nkind: Cluster\nnmae: home\n").unwrap();
    let to = |out: std::process::Stdio, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubestead"));
        let ran = command.args(args).current_dir(dir.path()).env("HOME", dir.path()).stdout(out).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    let nobody = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer.into()
    };
    for (args, code) in [(&["check", "-o", "json"][..], 2), (&["schema"], 1), (&["completions", "bash"], 1)] {
        let (ended, said) = to(full(), args);
        assert!(ended == Some(code) && said.contains("No space left") && !said.contains("panicked"), "{args:?}: {ended:?} {said}");
    }
    for (args, code) in [(&["check", "-o", "json"][..], 2), (&["schema"], 0), (&["completions", "bash"], 0)] {
        let (ended, said) = to(nobody(), args);
        assert!(ended == Some(code) && !said.contains("panicked"), "{args:?}: {ended:?} {said}");
    }
}

#[test]
fn a_plain_secret_with_a_hostile_name_is_told_by_a_name_that_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join(".sops.yaml"),
        "creation_rules:\n- path_regex: .*\n  age: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n",
    )
    .unwrap();
    let secrets = dir.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    std::fs::write(secrets.join(format!("{HOSTILE}.yaml")), "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n")
        .unwrap();
    let (code, text) = run(dir.path(), &["secret", "check", "secrets"]);
    assert_ne!(code, Some(0), "{text}");
    clean(&text);
}

#[test]
fn what_was_typed_wrong_is_spelled_out() {
    let dir = tempfile::tempdir().unwrap();
    let option = format!("--{HOSTILE}");
    for args in [&[HOSTILE][..], &["check", &option], &["check", "-o", HOSTILE], &["secret", HOSTILE], &["completions", HOSTILE]] {
        let (code, text) = run(dir.path(), args);
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(!text.chars().any(|c| c != '\n' && kubestead_core::visible::is_hidden(c)), "{text:?}");
        assert!(text.contains("\\u{9b}31m") && text.contains("--help"), "{text}");
    }
    let (code, text) = run(dir.path(), &["check", "--help"]);
    assert!(code == Some(0) && text.contains("Usage:"), "{text}");
}
