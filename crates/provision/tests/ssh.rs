//! The backend against a real sshd on loopback, each with a configuration of its own.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubestead_core::command::{Command, Stdin};
use kubestead_core::host::{Host, HostError};
use kubestead_core::secret::Secret;
use kubestead_provision::ssh::{Gates, Login, SshHost};

const SSHD: &str = "/usr/sbin/sshd";

/// A running sshd; it ends with the value.
struct Sshd {
    dir: tempfile::TempDir,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keygen(path: &Path) {
    let status = Program::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(status.success());
}

impl Sshd {
    /// `None` without an sshd on this computer; the gate has one.
    fn start(lines: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            assert!(std::env::var_os("CI").is_none(), "{SSHD} is missing");
            eprintln!("skipped: {SSHD} is missing");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        keygen(&at("host"));
        keygen(&at("user"));
        std::fs::copy(at("user.pub"), at("authorized")).unwrap();
        let _ = std::fs::create_dir("/run/sshd");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let d = dir.path().display();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {d}/host\nAuthorizedKeysFile {d}/authorized\nStrictModes no\nUsePAM no\n\
             PermitRootLogin prohibit-password\nPidFile {d}/pid\n{lines}\n"
        );
        std::fs::write(at("sshd_config"), config).unwrap();
        let key = std::fs::read_to_string(at("host.pub")).unwrap();
        std::fs::write(at("known"), format!("[127.0.0.1]:{port} {key}")).unwrap();
        let client = format!("Host *\n  Port {port}\n  IdentityFile {d}/user\n  IdentitiesOnly yes\n  UserKnownHostsFile {d}/known\n");
        std::fs::write(at("config"), client).unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let child = Program::new(SSHD).args(["-D", "-e", "-f"]).arg(at("sshd_config")).stderr(log).stdin(Stdio::null()).spawn().unwrap();
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "sshd does not listen: {}", std::fs::read_to_string(at("log")).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { dir, child })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn login(&self, name: &str) -> Login {
        Login { name: name.to_owned(), destination: "127.0.0.1".into(), user: None, port: None, config: Some(self.path("config")) }
    }

    async fn connect(&self) -> SshHost {
        SshHost::connect(&self.login("kube1"), &Arc::new(Gates::default())).await.unwrap()
    }
}

/// A command that says whether it ran, for logins that are not root and have no sudo.
async fn works(host: &SshHost) -> bool {
    let works = host.run(&Command::read(["true"])).await.is_ok_and(|o| o.success());
    assert!(works || std::env::var_os("CI").is_none(), "the login is not root");
    works
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_scripts_secrets_and_every_status_arrive() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    if !works(&host).await {
        return;
    }
    let script = format!("x={}; printf '%s ' ${{#x}}; tr '\\0' 0 < /proc/$$/cmdline; cat; echo bad >&2; exit 7", "y".repeat(400_000));
    let input: Vec<u8> = (0..200_000).map(|n| u8::try_from(n % 256).unwrap()).collect();
    let out = host.run(&Command::write_script(script).stdin(Stdin::Secret(Secret::new(input.clone())))).await.unwrap();
    assert_eq!((out.status, String::from_utf8(out.stderr).unwrap().as_str()), (7, "bad\n"));
    let text = out.stdout;
    assert!(text.starts_with(b"400000 bash0--norc0-s0") && text.ends_with(&input), "the script is in no command line");
    for status in [0, 1, 124, 127, 255] {
        assert_eq!(host.run(&Command::read_script(format!("exit {status}"))).await.unwrap().status, status);
    }
    let missing = host.run(&Command::read(["no-such-program"])).await.unwrap();
    assert!(missing.status == 127 && missing.tail().contains("no-such-program"), "a missing tool is no lost connection: {missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_or_streams_without_end_costs_a_limit() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    if !works(&host).await {
        return;
    }
    let hangs = Command::read_script("printf '\\036storage/lvm\\n' >&2; sleep 600").limit_seconds(1);
    let error = host.run(&hangs).await.unwrap_err();
    assert_eq!(error, HostError::Timeout { host: "kube1".into(), seconds: 1, at: Some("storage/lvm".into()) });
    assert_eq!(error.to_string(), "kube1: no answer for 1 s at: storage/lvm");
    // One that ignores every signal of its own limit: ours ends it.
    let deaf = Command::read_script("trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 30' & wait; sleep 30").limit_seconds(1);
    let begin = Instant::now();
    assert!(matches!(host.run(&deaf).await.unwrap_err(), HostError::Timeout { .. }));
    assert!(begin.elapsed() < Duration::from_secs(25));
    let endless = host.run(&Command::read_script("printf '\\036here\\n' >&2; yes").limit_output(1 << 20)).await.unwrap_err();
    assert_eq!(endless, HostError::TooMuch { host: "kube1".into(), limit: 1 << 20, at: Some("here".into()) });
    assert!(matches!(host.run(&Command::read_script("yes >&2")).await.unwrap_err(), HostError::TooMuch { .. }));
    assert!(host.run(&Command::read(["true"])).await.unwrap().success(), "and the connection is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_a_connection_is_enough() {
    for sessions in [1, 2] {
        let Some(sshd) = Sshd::start(&format!("MaxSessions {sessions}")) else { return };
        let host = sshd.connect().await;
        if !works(&host).await {
            return;
        }
        let commands: Vec<Command> = (0..6).map(|n| Command::read(["echo".to_owned(), n.to_string()])).collect();
        let all = || futures::future::join_all(commands.iter().map(|command| host.run(command)));
        for (n, out) in all().await.into_iter().enumerate() {
            assert_eq!(out.unwrap().text(), format!("{n}\n"), "MaxSessions {sessions}, without a lease");
        }
        let lease = host.lease().await.unwrap().expect("nobody has it");
        for (n, out) in all().await.into_iter().enumerate() {
            assert_eq!(out.unwrap().text(), format!("{n}\n"), "MaxSessions {sessions}, beside the lease");
        }
        drop(lease);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_that_sshd_drops_come_through_all_the_same() {
    let Some(sshd) = Sshd::start("MaxStartups 2:50:4") else { return };
    let gates = Arc::new(Gates::default());
    let login = |n: usize| {
        let (login, gates) = (sshd.login(&format!("kube{n}")), Arc::clone(&gates));
        async move { SshHost::connect(&login, &gates).await.map(|_| ()) }
    };
    for result in futures::future::join_all((0..24).map(login)).await {
        result.unwrap();
    }
    let log = std::fs::read_to_string(sshd.path("log")).unwrap();
    assert!(log.contains("drop connection") || log.contains("MaxStartups"), "the limit was met: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hosts_behind_a_jump_host_with_usual_limits_are_all_seen() {
    let (Some(jump), Some(target)) = (Sshd::start(""), Sshd::start("MaxStartups 100")) else { return };
    let config = target.path("config");
    let through = |sshd: &Sshd| std::fs::read_to_string(sshd.path("config")).unwrap().replace("Host *\n", "  HostName 127.0.0.1\n");
    std::fs::write(&config, format!("Host jump\n{}Host kube*\n{}  ProxyJump jump\n", through(&jump), through(&target))).unwrap();
    let gates = Arc::new(Gates::default());
    let login = |n: usize| {
        let login = Login { destination: format!("kube{n}"), ..target.login(&format!("kube{n}")) };
        let gates = Arc::clone(&gates);
        async move { SshHost::connect(&login, &gates).await.map(|_| ()) }
    };
    for result in futures::future::join_all((0..24).map(login)).await {
        result.unwrap();
    }
    let log = std::fs::read_to_string(jump.path("log")).unwrap();
    assert!(!log.contains("drop connection"), "no more begin at once than its sshd takes: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_has_one_writer_and_what_a_login_prints_is_no_answer() {
    let noise = "#!/bin/sh\necho '@@n9 x 0 0'; echo welcome; echo motd >&2\nexec bash -c \"$SSH_ORIGINAL_COMMAND\"\n";
    let Some(sshd) = Sshd::start("") else { return };
    let forced = sshd.path("forced");
    std::fs::write(&forced, noise).unwrap();
    std::fs::set_permissions(&forced, std::fs::Permissions::from_mode(0o755)).unwrap();
    let Some(noisy) = Sshd::start(&format!("ForceCommand {}", forced.display())) else { return };
    let (first, second) = (sshd.connect().await, noisy.connect().await);
    if !works(&first).await {
        return;
    }
    let lease = second.lease().await.unwrap().expect("noise is skipped");
    assert!(first.lease().await.unwrap().is_none(), "another writer has it");
    drop(lease);
    assert!(first.lease().await.unwrap().is_some(), "and it is free again");
    let sections = [kubestead_core::probe::Section::program("a", ["echo", "one"])];
    let out = second.run(&kubestead_core::probe::command(&sections, "n1")).await.unwrap();
    assert_eq!(kubestead_core::probe::parse(&out.stdout, "n1").unwrap().text("a").unwrap(), "one\n");
    // A login that may not do anything says why.
    std::fs::write(&forced, "#!/bin/sh\necho 'This account is currently not available.'\nexit 1\n").unwrap();
    let error = second.lease().await.err().unwrap().to_string();
    assert!(error.contains("its lock was not given") && error.contains("This account is currently not available"), "{error}");
}

#[test]
fn a_lock_is_free_again_when_the_beats_stop() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    let script = include_str!("../src/ssh/scripts/lease.sh").replace("/run/kubestead.lock", lock.to_str().unwrap());
    let script = format!("silence=1\n{script}");
    let mut child =
        Program::new("timeout").args(["30", "bash", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // The pipe stays open, as a connection does whose network is gone.
    let pipe = child.stdin.take().unwrap();
    assert_ne!(child.wait().unwrap().code(), Some(124), "it waits for ever");
    drop(pipe);
    assert!(Program::new("flock").args(["-n", lock.to_str().unwrap(), "true"]).status().unwrap().success());
}
