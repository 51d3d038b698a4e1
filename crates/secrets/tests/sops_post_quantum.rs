//! Post-quantum age recipients, through the real programs age and sops.
//!
//! `AGE` names the program age 1.3 or newer (scripts/age.sh builds it, with age-keygen beside it) and `SOPS` the program sops. What is
//! named must run; without names the test says that it skips.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // a test fails by it, and says that it skips

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use age::secrecy::ExposeSecret;
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{AgeProgram, Done, Identities, Policy, Recipient, Sops, Value, own_recipients};

/// A program that a variable names.
fn program(variable: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    match &named {
        Some(path) => assert!(path.is_file(), "{variable} names {}, which is not there", path.display()),
        None => eprintln!("SKIPPED: name the program with {variable} (scripts/ builds it)"),
    }
    named
}

/// A post-quantum key as age-keygen makes it: the recipient and the identity.
fn keygen(age: &Path) -> (String, String) {
    let output = Command::new(age.with_file_name("age-keygen")).arg("-pq").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let identity = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-PQ-1")).unwrap();
    (recipient.to_owned(), identity.to_owned())
}

fn held(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn script(path: &Path, body: &str) -> AgeProgram {
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    AgeProgram::new(path)
}

#[test]
fn post_quantum_recipients_go_both_ways_through_sops() {
    let (Some(age), Some(sops)) = (program("AGE"), program("SOPS")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (recipient, identity) = keygen(&age);
    let sops = |arguments: &[&str]| {
        let output = Command::new(&sops).args(arguments).current_dir(&dir).env("SOPS_AGE_KEY", &identity).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // The arguments of every call are kept, to be looked at below.
    let log = dir.path().join("log");
    let logged = script(&dir.path().join("age"), &format!("echo \"$@\" >> {}\nexec {} \"$@\"", log.display(), age.display()));
    // An ordinary identity that does not fit goes before.
    let other = age::x25519::Identity::generate();
    let keys = held(&format!("{}\n{identity}\n", other.to_string().expose_secret()));
    let identities = Identities::new().with_age(&keys, "the test's keys").unwrap().with_age_program(logged);

    let ours = dir.path().join("ours.yaml");
    let mut document = Sops::encrypt_new(&ours, &held("a: b\n"), &Policy::age([recipient.clone()]), &identities).unwrap();
    document.save().unwrap();
    assert_eq!(sops(&["decrypt", "ours.yaml"]), "a: b\n");
    assert_eq!(Sops::open(&ours, &identities).unwrap().get(["a"]).and_then(Value::as_str), Some("b"));

    let theirs = dir.path().join("theirs.yaml");
    std::fs::write(&theirs, "a: theirs\n").unwrap();
    sops(&["encrypt", "-i", "--age", &recipient, "theirs.yaml"]);
    let mut document = Sops::open(&theirs, &identities).unwrap();
    assert_eq!(document.set(["a"], &Value::text("new")).unwrap(), Done::Changed);
    document.rotate(&identities).unwrap();
    document.save().unwrap();
    assert_eq!(sops(&["decrypt", "theirs.yaml"]), "a: new\n");

    // Beside others, in key groups: shares are wrapped as whole keys are.
    let groups = vec![vec![Recipient::Age(recipient)], vec![Recipient::Age(other.to_public().to_string())]];
    let both = dir.path().join("both.yaml");
    Sops::encrypt_new(&both, &held("a: b\n"), &Policy::key_groups(groups, 2), &identities).unwrap().save().unwrap();
    assert_eq!(Sops::open(&both, &identities).unwrap().get(["a"]).and_then(Value::as_str), Some("b"));

    let calls = std::fs::read_to_string(&log).unwrap();
    assert!(calls.lines().count() >= 6 && !calls.contains("AGE-SECRET-KEY"), "{calls}");
}

#[test]
fn without_a_program_that_can_the_error_says_which() {
    let Some(age) = program("AGE") else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    let (recipient, identity) = keygen(&age);
    let identities = |program: AgeProgram| Identities::new().with_age(&held(&identity), "key").unwrap().with_age_program(program);
    let policy = Policy::age([recipient.clone()]);
    Sops::encrypt_new(&path, &held("a: b\n"), &policy, &identities(AgeProgram::new(&age))).unwrap().save().unwrap();
    // As an age of 2023 does it.
    let old = script(&dir.path().join("old"), "[ \"$1\" = --version ] && echo v1.1.1 && exit\necho 'age: error: unknown' >&2; exit 1");
    // No program, one that is too old, and one that tells too much.
    let loud = script(&dir.path().join("loud"), "echo 'age: error: bad AGE-SECRET-KEY-PQ-1X' >&2; exit 1");
    let cases = [
        (AgeProgram::new("/nowhere/age"), "/nowhere/age did not run", "age 1.3 or newer"),
        (old, "is of version 1.1", "KUBESTEAD_AGE_EXEC"),
        (loud, "failed (exit status: 1)", "group 1"),
    ];
    for (program, what, next) in cases {
        let opened = Sops::open(&path, &identities(program.clone())).unwrap_err().to_string();
        let sealed = Sops::encrypt_new(&path.with_extension("json"), &held("{}"), &policy, &identities(program)).unwrap_err().to_string();
        for error in [opened, sealed] {
            assert!(error.contains("a.") && error.contains("group 1") && error.contains(&recipient), "{error}");
            assert!(error.contains(what) && error.contains(next) && !error.contains("SECRET"), "{error}");
        }
    }
    let (_, stranger) = keygen(&age);
    let stranger = Identities::new().with_age(&held(&stranger), "stranger").unwrap().with_age_program(AgeProgram::new(&age));
    assert!(Sops::open(&path, &stranger).unwrap_err().to_string().contains("no identity at hand fits"));
}

#[test]
fn the_recipients_of_a_key_file_are_those_that_it_opens() {
    let Some(age) = program("AGE") else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.txt");
    let recipients = |text: &str| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        own_recipients(&path, &AgeProgram::new(&age)).map_err(|e| e.to_string())
    };
    let ((own, identity), (other, _)) = (keygen(&age), keygen(&age));
    assert_eq!(recipients(&format!("# public key: {own}\n{identity}\n")).unwrap(), std::slice::from_ref(&own));
    let classic = age::x25519::Identity::generate();
    let both = format!("# of a colleague: {other}\n# public key: {own}\n{identity}\n{}\n", classic.to_string().expose_secret());
    assert_eq!(recipients(&both).unwrap(), [classic.to_public().to_string(), own], "another's, in a comment, is not taken for ours");
    let error = recipients(&format!("# public key: {other}\n{identity}\n")).unwrap_err();
    assert!(error.contains("age-keygen -y") && !error.contains("SECRET-KEY-PQ"), "{error}");
}
