//! A host over SSH: one OpenSSH master connection a host, commands as channels of it.
//!
//! The installed OpenSSH does the work, so `~/.ssh/config`, jump hosts, agents and known_hosts hold. Host keys are checked strictly:
//! a key that is not known stops everything before any command.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kubestead_core::command::{Command, Output, Stdin, quote};
use kubestead_core::frame;
use kubestead_core::host::{Host, HostError};
use kubestead_core::outcome::causes;
use openssh::{ControlPersist, Error, ForwardType, KnownHosts, Session, SessionBuilder, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::stream;

/// sshd's MaxSessions is 10 by default; two are left to people.
const CHANNELS: usize = 8;
const CONNECT: Duration = Duration::from_secs(20);
const ALIVE: Duration = Duration::from_secs(15);

/// Runs its arguments as root: through `sudo -n` when the login is another user.
const AS_ROOT: &str = r#"if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n -- "$@"; fi"#;

/// How to log in to a host.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name in the cluster file, for messages.
    pub name: String,
    /// What ssh is asked to connect to: a name from its configuration, or an address.
    pub destination: String,
    /// The user, when not left to ssh's configuration.
    pub user: Option<String>,
    /// The port, when not left to ssh's configuration.
    pub port: Option<u16>,
    /// Another configuration file than `~/.ssh/config`.
    pub config: Option<PathBuf>,
}

impl Login {
    /// The same login, as a command to type.
    fn by_hand(&self) -> String {
        let mut words = vec!["ssh".to_owned()];
        words.extend(self.config.iter().flat_map(|config| ["-F".to_owned(), quote(&config.display().to_string())]));
        words.extend(self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
        words.extend(self.user.iter().flat_map(|user| ["-l".to_owned(), quote(user)]));
        words.push(quote(&self.destination));
        words.join(" ")
    }
}

/// A host's lock.
pub struct Lease {
    _child: openssh::Child<Arc<Session>>,
}

/// A host over SSH.
pub struct SshHost {
    name: String,
    session: Arc<Session>,
    channels: Semaphore,
}

impl SshHost {
    /// Connects. The host key must be known.
    pub async fn connect(login: &Login) -> Result<Self, HostError> {
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .control_persist(ControlPersist::IdleFor(std::num::NonZeroUsize::new(60).unwrap_or(std::num::NonZeroUsize::MIN)))
            .connect_timeout(CONNECT)
            .server_alive_interval(ALIVE)
            .control_directory(control_directory());
        if let Some(user) = &login.user {
            builder.user(user.clone());
        }
        if let Some(port) = login.port {
            builder.port(port);
        }
        if let Some(config) = &login.config {
            builder.config_file(config);
        }
        let session = builder.connect_mux(&login.destination).await.map_err(|error| connect_error(login, &causes(&error)))?;
        Ok(Self { name: login.name.clone(), session: Arc::new(session), channels: Semaphore::new(CHANNELS) })
    }

    /// Lets `127.0.0.1:port` of this computer reach `127.0.0.1:port` of the host for as long as the connection lives; answers ours.
    pub async fn forward(&self, remote: u16) -> Result<u16, HostError> {
        let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).map_err(|e| self.lost(&e))?.port();
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        self.session.request_port_forward(ForwardType::Local, at(free), at(remote)).await.map_err(|e| self.lost(&e))?;
        Ok(free)
    }

    /// Takes this host for one writer: a lock that the host's kernel holds for as long as the answer lives, and frees when the
    /// connection or this program dies. Nothing when another writer has it; one that was killed just now is waited for, as its machine
    /// may need a moment to notice.
    pub async fn lease(&self) -> Result<Option<Lease>, HostError> {
        let script = "exec 9>/run/kubestead.lock; flock -w 10 9 || { echo taken; exit; }; echo held; exec cat";
        let line = format!("sh -c {} sh bash -c {}", quote(AS_ROOT), quote(script));
        let mut command = Arc::clone(&self.session).arc_raw_command(line);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().await.map_err(|e| self.lost(&e))?;
        let mut answer = [0_u8; 5];
        if let Some(out) = child.stdout() {
            out.read_exact(&mut answer).await.map_err(|e| self.lost(&e))?;
        }
        Ok((&answer == b"held\n").then(|| Lease { _child: child }))
    }

    fn lost(&self, error: &dyn std::error::Error) -> HostError {
        HostError::Lost { host: self.name.clone(), detail: causes(error) }
    }

    async fn channel(&self, command: &Command) -> Result<Output, HostError> {
        let lost = |error: Error| self.lost(&error);
        let mut remote = self.session.raw_command(frame::line(command.limits));
        remote.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = remote.spawn().await.map_err(lost)?;
        let stdin = child.stdin().take();
        let write = async {
            let Some(mut pipe) = stdin else { return Ok(()) };
            // A command that ends without reading its input closes the pipe: its status tells the story, not this error.
            let _ = pipe.write_all(frame::stream(command).expose()).await;
            let sent = match &command.stdin {
                Stdin::Files(sources) => stream::send(sources, &mut pipe).await,
                Stdin::Empty | Stdin::Plain(_) | Stdin::Secret(_) => Ok(()),
            };
            let _ = pipe.shutdown().await;
            sent
        };
        let (sent, output) = tokio::join!(write, child.wait_with_output());
        sent?;
        let output = output.map_err(lost)?;
        Ok(Output { status: frame::status(status(output.status)), stdout: output.stdout, stderr: output.stderr })
    }
}

#[async_trait]
impl Host for SshHost {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        let _permit = self.channels.acquire().await.map_err(|e| self.lost(&e))?;
        let output = self.channel(command).await?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status == 1 && stderr.trim_start().starts_with("sudo: ") && stderr.contains("password") {
            return Err(HostError::Sudo { host: self.name.clone() });
        }
        Ok(output)
    }
}

fn status(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Sockets have short paths (107 bytes), and the folder is ours alone.
fn control_directory() -> PathBuf {
    let run = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|p| p.is_dir() && p.as_os_str().len() < 60);
    run.unwrap_or_else(|| Path::new("/tmp").to_owned())
}

/// What ssh said, and what to try by hand.
fn connect_error(login: &Login, said: &str) -> HostError {
    let detail = format!("{}; try it: {}", said.replace(['\r', '\n'], " "), login.by_hand());
    let host = login.name.clone();
    let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if any(&["Host key verification failed", "IDENTIFICATION HAS CHANGED", "host key is known"]) {
        HostError::HostKey { host, detail }
    } else if any(&["Permission denied", "Too many authentication failures"]) {
        HostError::Auth { host, detail }
    } else {
        HostError::Connect { host, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_said_is_told_apart_and_what_to_type_is_named() {
        let here = Login { name: "kube1".into(), destination: "10.0.0.1".into(), user: None, port: None, config: None };
        let said = |login: &Login, text: &str| connect_error(login, text).to_string();
        assert_eq!(said(&here, "timed\r\nout"), "kube1: no connection: timed  out; try it: ssh 10.0.0.1");
        let there = Login { user: Some("ops".into()), port: Some(2222), config: Some("/my files/ssh".into()), ..here.clone() };
        assert_eq!(
            said(&there, "root: Permission denied (publickey)."),
            "kube1: login refused: root: Permission denied (publickey).; try it: ssh -F '/my files/ssh' -p 2222 -l ops 10.0.0.1"
        );
        assert!(matches!(connect_error(&here, "Host key verification failed."), HostError::HostKey { .. }));
        let misleading = Login { destination: "Permission denied".into(), ..here };
        assert!(matches!(connect_error(&misleading, "no route"), HostError::Connect { .. }));
    }
}
