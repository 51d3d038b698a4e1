//! A real sshd on loopback, for tests.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubestead_backend::ssh::{Gates, SshHost};
use kubestead_core::command::Command;
use kubestead_core::host::Host as _;
use kubestead_core::transport::Login;
use rustix::process::Pid;

const SSHD: &str = "/usr/sbin/sshd";

/// Where `lease.sh` has its lock.
const LOCK: &str = "/run/kubestead.lock";

/// A running sshd; it ends with the value.
pub(crate) struct Sshd {
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

/// An sshd of this folder on a port that was free; `None` if it ended instead.
fn listen(dir: &Path, lines: &str) -> Option<Child> {
    let at = |name: &str| dir.join(name);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let d = dir.display();
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
    let mut child = Program::new(SSHD).args(["-D", "-e", "-f"]).arg(at("sshd_config")).stderr(log).stdin(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    loop {
        let listens = std::fs::read_to_string(at("log")).unwrap().contains("Server listening on");
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if listens {
            return Some(child);
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "sshd does not listen: {}", std::fs::read_to_string(at("log")).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Sshd {
    /// With lines of its own in the configuration; `None` without an sshd on this computer; the gate has one.
    pub(crate) fn start(lines: &str) -> Option<Self> {
        Self::start_in(tempfile::tempdir_in("/tmp").unwrap(), lines)
    }

    /// With a script that runs in the place of each command, which it has as `$SSH_ORIGINAL_COMMAND`.
    pub(crate) fn with_forced(script: &str) -> Option<Self> {
        Self::with_forced_and(script, "")
    }

    /// The same, with lines of its own in the configuration.
    pub(crate) fn with_forced_and(script: &str, lines: &str) -> Option<Self> {
        let sshd = tempfile::tempdir_in("/tmp").unwrap();
        let forced = sshd.path().join("forced");
        let lines = format!("ForceCommand {}\n{lines}", forced.display());
        let sshd = Self::start_in(sshd, &lines)?;
        sshd.program("forced", script);
        Some(sshd)
    }

    /// One whose lock is in its own folder: as many machines as are started can be locked at once on this computer.
    pub(crate) fn with_lock_of_its_own() -> Option<Self> {
        let sshd = Self::with_forced("exit 1")?;
        let own = sshd.lock();
        // A script that travels is counted by its bytes.
        assert_eq!(own.len(), LOCK.len(), "{own}");
        sshd.program("forced", &format!("LC_ALL=C sed -u 's|{LOCK}|{own}|' | bash -c \"$SSH_ORIGINAL_COMMAND\""));
        Some(sshd)
    }

    fn lock(&self) -> String {
        self.path("lck").display().to_string()
    }

    /// The process that holds the lock of its own.
    pub(crate) fn lock_holder(&self) -> Pid {
        let lock = PathBuf::from(self.lock());
        let holds = |pid: &i32| std::fs::read_link(format!("/proc/{pid}/fd/9")).is_ok_and(|file| file == lock);
        let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        Pid::from_raw(pids.into_iter().find(holds).expect("somebody holds it")).unwrap()
    }

    /// A program of a shell's lines beside the configuration.
    pub(crate) fn program(&self, name: &str, lines: &str) {
        // In one piece: a command may be using the one before.
        let (new, path) = (self.path("new"), self.path(name));
        std::fs::write(&new, format!("#!/bin/sh\n{lines}\n")).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    fn start_in(dir: tempfile::TempDir, lines: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            assert!(std::env::var_os("CI").is_none(), "{SSHD} is missing");
            eprintln!("skipped: {SSHD} is missing");
            return None;
        }
        let at = |name: &str| dir.path().join(name);
        keygen(&at("host"));
        keygen(&at("user"));
        std::fs::copy(at("user.pub"), at("authorized")).unwrap();
        let _ = std::fs::create_dir("/run/sshd");
        // A port that is free now may be somebody's when sshd binds it.
        let child = std::iter::repeat_with(|| listen(dir.path(), lines)).take(20).flatten().next();
        assert!(child.is_some(), "sshd does not listen: {}", std::fs::read_to_string(at("log")).unwrap());
        child.map(|child| Self { dir, child })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn login(&self, name: &str) -> Login {
        Login { name: name.to_owned(), destination: "127.0.0.1".into(), user: None, port: None, config: Some(self.path("config")) }
    }

    pub(crate) async fn connect(&self) -> SshHost {
        SshHost::connect(&self.login("kube1"), &Arc::new(Gates::default())).await.unwrap()
    }
}

/// A command that says whether it ran, for logins that are not root and have no sudo.
pub(crate) async fn works(host: &SshHost) -> bool {
    let works = host.run(&Command::read(["true"])).await.is_ok_and(|o| o.success());
    assert!(works || std::env::var_os("CI").is_none(), "the login is not root");
    works
}
