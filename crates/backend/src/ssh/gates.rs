//! How much is begun at once: logins in all, logins through one jump host, files that are sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kubestead_core::transport::Login;
use tokio::process::Command;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::login::arguments;

/// Logins that are under way.
const LOGINS: usize = 64;
/// Logins through one jump host: its sshd drops logins at random when more than ten are under way (MaxStartups).
const THROUGH_JUMP: usize = 8;
/// Files that are being sent: they share the operator's line.
const STREAMS: usize = 16;

/// The gates of one fleet.
pub struct Gates {
    logins: Arc<Semaphore>,
    jumps: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    /// Whether the ssh configuration may name a jump host at all: only then is ssh asked for that of each machine.
    may_jump: OnceCell<bool>,
    streams: Semaphore,
}

impl Default for Gates {
    fn default() -> Self {
        let (logins, streams) = (Arc::new(Semaphore::new(LOGINS)), Semaphore::new(STREAMS));
        Self { logins, jumps: Mutex::default(), may_jump: OnceCell::new(), streams }
    }
}

/// The right to log in, until it is dropped.
pub(super) struct Pass {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Gates {
    /// Waits until another login may begin. A machine's jump host comes first, so that those who wait for it keep nobody else.
    pub(super) async fn login(&self, login: &Login) -> Pass {
        let mut permits = Vec::new();
        if let Some(jump) = self.jump(login).await {
            let gate = {
                let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(jumps.entry(jump).or_insert_with(|| Arc::new(Semaphore::new(THROUGH_JUMP))))
            };
            permits.extend(gate.acquire_owned().await.ok());
        }
        permits.extend(Arc::clone(&self.logins).acquire_owned().await.ok());
        Pass { _permits: permits }
    }

    /// Waits until another file may be sent.
    pub(super) async fn stream(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.streams.acquire().await.ok()
    }

    /// What ssh goes through to a machine.
    async fn jump(&self, login: &Login) -> Option<String> {
        if !*self.may_jump.get_or_init(|| async { may_jump(login.config.as_deref()) }).await {
            return None;
        }
        let out = Command::new("ssh").arg("-G").args(arguments(login)).kill_on_drop(true).output().await.ok()?;
        jump_of(&String::from_utf8_lossy(&out.stdout))
    }
}

fn jump_of(effective: &str) -> Option<String> {
    let value = |line: &str| line.strip_prefix("proxyjump ").or_else(|| line.strip_prefix("proxycommand ")).map(str::to_owned);
    effective.lines().find_map(value).filter(|jump| jump != "none")
}

/// Whether a configuration says anything about a jump host, or includes others that might.
fn may_jump(config: Option<&Path>) -> bool {
    let mut files: Vec<PathBuf> = Vec::new();
    match config {
        Some(config) => files.push(config.to_owned()),
        None => files.extend(std::env::home_dir().map(|home| home.join(".ssh/config"))),
    }
    let says = |path: &Path, words: &[&str]| {
        let text = std::fs::read_to_string(path).unwrap_or_default().to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    if files.iter().any(|path| says(path, &["proxy", "include"])) {
        return true;
    }
    let system = std::fs::read_dir("/etc/ssh/ssh_config.d").into_iter().flatten().flatten().map(|entry| entry.path());
    config.is_none() && system.chain(["/etc/ssh/ssh_config".into()]).any(|path| says(&path, &["proxyjump", "proxycommand"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_host_is_read_from_what_ssh_says() {
        assert_eq!(jump_of("user root\nproxyjump bastion\nport 22\n").as_deref(), Some("bastion"));
        assert_eq!(jump_of("proxycommand ssh -W %h:%p gate\n").as_deref(), Some("ssh -W %h:%p gate"));
        assert_eq!(jump_of("user root\nport 22\n"), None);
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config");
        std::fs::write(&config, "Host *\n  User ops\n").unwrap();
        assert!(!may_jump(Some(&config)));
        std::fs::write(&config, "Host db*\n  PROXYJUMP gate\n").unwrap();
        assert!(may_jump(Some(&config)));
    }
}
