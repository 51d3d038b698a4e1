//! Host keys of a real sshd on loopback: shown, accepted, and refused.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

#[allow(dead_code)] // the other half is for another test
mod sshd;

use std::path::Path;
use std::process::Command as Program;

use kubestead_backend::trust::{self, Error, KeyState};
use kubestead_core::transport::Login;
use sshd::{Sshd, works};

fn keygen(args: &[&str]) {
    let out = Program::new("ssh-keygen").arg("-q").args(args).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn known(sshd: &Sshd) -> String {
    std::fs::read_to_string(sshd.path("known")).unwrap()
}

fn forget(sshd: &Sshd, text: &str) {
    std::fs::write(sshd.path("known"), text).unwrap();
}

/// Another key, in the words of known_hosts.
fn another() -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    keygen(&["-t", "ed25519", "-N", "", "-C", "", "-f", path.to_str().unwrap()]);
    std::fs::read_to_string(path.with_extension("pub")).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn keys_that_were_accepted_are_taken_by_ssh_and_a_second_time_changes_nothing() {
    let Some(sshd) = Sshd::start("") else { return };
    let login = sshd.login("kube1");
    assert_eq!(trust::look(&login).await.unwrap().state, KeyState::Known);
    let own = format!("# mine\r\n\u{e9} broken\nother {}", another());
    forget(&sshd, &own);
    let host = trust::look(&login).await.unwrap();
    assert_eq!(host.state, KeyState::New);
    let shown = String::from_utf8(Program::new("ssh-keygen").arg("-lf").arg(sshd.path("host.pub")).output().unwrap().stdout).unwrap();
    let key = &host.keys[0];
    assert!(shown.starts_with(&format!("{} {} ", key.bits(), key.fingerprint())) && shown.contains(key.label()), "{shown}");
    assert_eq!(known(&sshd), own, "to look writes nothing");
    assert_eq!(host.accept(&[]).await.unwrap(), 0);
    assert_eq!(known(&sshd), own, "and neither does to accept none");
    assert_eq!(host.accept(&host.keys).await.unwrap(), 1);
    let after = known(&sshd);
    let added = after.strip_prefix(&format!("{own}\n")).unwrap();
    assert!(added.starts_with("|1|") && added.lines().count() == 1 && !added.contains("127.0.0.1"), "{added}");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(sshd.path("known")).unwrap().permissions()) & 0o777, 0o600);
    let again = trust::look(&login).await.unwrap();
    assert_eq!(again.state, KeyState::Known);
    assert_eq!((again.accept(&again.keys).await.unwrap(), host.accept(&host.keys).await.unwrap()), (0, 0));
    assert_eq!(known(&sshd), after);
}

#[tokio::test]
async fn a_key_that_changed_or_is_revoked_is_never_accepted() {
    let Some(sshd) = Sshd::start("") else { return };
    let login = sshd.login("kube1");
    let right = known(&sshd);
    let (name, key) = right.trim_end().split_once(' ').unwrap();
    let changed = format!("\n{name} {}\n", another());
    forget(&sshd, &changed);
    let host = trust::look(&login).await.unwrap();
    let KeyState::Changed { spot, was } = &host.state else { panic_with(&host.state) };
    assert_eq!((spot.file.as_path(), spot.line), (sshd.path("known").as_path(), 2));
    assert!(host.keys.iter().all(|key| key.fingerprint() != *was));
    assert!(matches!(host.accept(&host.keys).await, Err(Error::Meanwhile { .. })));
    assert_eq!(known(&sshd), changed);
    // One that changed between the look and the yes.
    forget(&sshd, "");
    let host = trust::look(&login).await.unwrap();
    assert_eq!(host.state, KeyState::New);
    forget(&sshd, &changed);
    assert!(matches!(host.accept(&host.keys).await, Err(Error::Meanwhile { .. })));
    assert_eq!(known(&sshd), changed);
    let revoked = format!("@revoked * {key}\n{right}");
    forget(&sshd, &revoked);
    let host = trust::look(&login).await.unwrap();
    assert!(matches!(&host.state, KeyState::Revoked { spot, .. } if spot.line == 1), "{:?}", host.state);
    assert!(host.accept(&host.keys).await.is_err());
    assert_eq!(known(&sshd), revoked);
}

fn panic_with(state: &KeyState) -> ! {
    unreachable!("{state:?}")
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_needs_nothing_and_one_of_another_does() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    for (name, kind) in [("ca", "ed25519"), ("key", "ecdsa")] {
        keygen(&["-t", kind, "-N", "", "-C", "", "-f", &at(name)]);
    }
    keygen(&["-s", &at("ca"), "-I", "kube1", "-h", "-n", "127.0.0.1", "-V", "+1d", &at("key.pub")]);
    let Some(sshd) = Sshd::start(&format!("HostKey {}\nHostCertificate {}\n", at("key"), at("key-cert.pub"))) else { return };
    let login = sshd.login("kube1");
    let ca = std::fs::read_to_string(at("ca.pub")).unwrap();
    let text = format!("@cert-authority 127.0.0.* {ca}");
    forget(&sshd, &text);
    let host = trust::look(&login).await.unwrap();
    assert_eq!(host.state, KeyState::Vouched);
    assert_eq!(host.keys.len(), 2, "its plain keys are seen as they are");
    // Another authority's word is none.
    forget(&sshd, &format!("@cert-authority * {}\n", another()));
    assert_eq!(trust::look(&login).await.unwrap().state, KeyState::New);
    // Nor is one for other hosts, though such a line is there.
    forget(&sshd, &format!("@cert-authority *.example.com {ca}"));
    assert_eq!(trust::look(&login).await.unwrap().state, KeyState::New);
    forget(&sshd, &text);
    assert_eq!(known(&sshd), text);
}

#[tokio::test]
async fn behind_a_jump_host_what_to_type_is_told_and_a_known_key_is_seen() {
    let Some(sshd) = Sshd::start("") else { return };
    if !works(&sshd.connect().await).await {
        return;
    }
    let jump = known(&sshd);
    let key = jump.trim_end().split_once(' ').unwrap().1;
    let config = std::fs::read_to_string(sshd.path("config")).unwrap();
    let block = "Host target\n  HostName 127.0.0.1\n  HostKeyAlias target\n  ProxyJump 127.0.0.1\n";
    std::fs::write(sshd.path("config"), format!("{block}{config}")).unwrap();
    let login = Login { destination: "target".into(), ..sshd.login("kube1") };
    let host = trust::look(&login).await.unwrap();
    let KeyState::Behind { jump: through, command } = &host.state else { panic_with(&host.state) };
    // Newer versions of ssh put brackets around it.
    assert!(through.starts_with("the jump host ") && through.contains("127.0.0.1"), "{through}");
    assert!(command.starts_with("ssh -F ") && command.ends_with(" target"), "{command}");
    assert!(host.keys.is_empty());
    forget(&sshd, &format!("{jump}target {key}\n"));
    assert_eq!(trust::look(&login).await.unwrap().state, KeyState::Vouched);
    // A jump host that is not known itself is no word about the machine behind it.
    forget(&sshd, &format!("target {key}\n"));
    assert!(matches!(trust::look(&login).await, Err(Error::Silent { why, .. }) if why.contains("127.0.0.1")));
}

#[tokio::test]
async fn what_does_not_answer_as_sshd_is_no_host() {
    let Some(sshd) = Sshd::start("") else { return };
    let login = |port| Login { port: Some(port), ..sshd.login("kube1") };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let garbage = std::thread::spawn(move || {
        for stream in listener.incoming().take(3) {
            use std::io::Write as _;
            let _ = stream.unwrap().write_all(b"\x1b[2J kube1 ssh-ed25519 AAAA\nSSH-9.9-x\r\n");
        }
    });
    let error = trust::look(&login(port)).await.unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    for _ in 0..3 {
        let _ = std::net::TcpStream::connect(("127.0.0.1", port));
    }
    garbage.join().unwrap();
    assert!(matches!(trust::look(&login(1)).await.unwrap_err(), Error::Silent { .. }));
}

#[tokio::test]
async fn no_file_of_the_systems_is_written() {
    let Some(sshd) = Sshd::start("") else { return };
    let config = std::fs::read_to_string(sshd.path("config")).unwrap();
    let own = sshd.path("known").display().to_string();
    let with = |files: &str| std::fs::write(sshd.path("config"), config.replace(&own, files)).unwrap();
    with("/dev/null");
    let host = trust::look(&sshd.login("kube1")).await.unwrap();
    assert!(host.state == KeyState::New && matches!(host.accept(&host.keys).await, Err(Error::NoFile { .. })));
    let second = sshd.path("second").display().to_string();
    with(&format!("{own} {second}\n  GlobalKnownHostsFile {own}"));
    let host = trust::look(&sshd.login("kube1")).await.unwrap();
    assert_eq!((host.state.clone(), host.file().unwrap()), (KeyState::Known, Path::new(&second)));
}
