//! Commands that print an identity, as sops runs them.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::path::Path;

use age::secrecy::ExposeSecret;
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Identities, Policy, Sops};

/// Identities of an environment with one variable.
fn discover(name: &str, command: &str) -> Identities {
    Identities::discover(&|asked| (asked == name).then(|| command.to_owned())).unwrap()
}

fn seal(path: &Path, recipient: &str) {
    let plain = Secret::new(b"a: b\n".to_vec());
    Sops::encrypt_new(path, &plain, &Policy::age([recipient]), &Identities::new()).unwrap().save().unwrap();
}

#[test]
fn a_command_is_asked_once_for_a_recipient_and_only_when_nothing_else_fits() {
    let dir = tempfile::tempdir().unwrap();
    let (key, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    let (path, log) = (dir.path().join("a.yaml"), dir.path().join("log"));
    seal(&path, &key.to_public().to_string());
    std::fs::write(dir.path().join("key"), key.to_string().expose_secret()).unwrap();
    let command = format!("echo $SOPS_AGE_RECIPIENT >> {}; cat {}", log.display(), dir.path().join("key").display());
    let asked = || std::fs::read_to_string(&log).unwrap_or_default();

    let own = Secret::new(key.to_string().expose_secret().as_bytes().to_vec());
    let identities = discover("SOPS_AGE_KEY_CMD", &command).with_age(&own, "the test's key").unwrap();
    Sops::open(&path, &identities).unwrap();
    assert_eq!(asked(), "");

    let identities = discover("SOPS_AGE_KEY_CMD", &command);
    Sops::open(&path, &identities).unwrap();
    Sops::open(&path, &identities).unwrap();
    assert_eq!(asked(), format!("{}\n", key.to_public()));

    seal(&dir.path().join("b.yaml"), &other.to_public().to_string());
    for (command, why) in [
        (command.as_str(), "no identity at hand fits"),
        ("exit 3", "the command of SOPS_AGE_KEY_CMD failed (exit status: 3)"),
        ("echo nothing", "the identity SOPS_AGE_KEY_CMD cannot be used"),
    ] {
        let error = Sops::open(&dir.path().join("b.yaml"), &discover("SOPS_AGE_KEY_CMD", command)).unwrap_err().to_string();
        let recipient = other.to_public().to_string();
        for words in ["b.yaml", "group 1", &recipient, "identities came from: SOPS_AGE_KEY_CMD", why] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}

#[cfg(feature = "ssh")]
#[test]
fn a_command_may_print_an_ssh_key() {
    let dir = tempfile::tempdir().unwrap();
    let (path, key) = (dir.path().join("a.yaml"), dir.path().join("key"));
    let made = std::process::Command::new("ssh-keygen").args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(&key).status().unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let recipient = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
    seal(&path, &recipient);
    // The key is given for its own recipient only.
    let command = format!("[ \"$SOPS_AGE_RECIPIENT\" = '{recipient}' ] && cat {}", key.display());
    Sops::open(&path, &discover("SOPS_AGE_SSH_PRIVATE_KEY_CMD", &command)).unwrap();
}
