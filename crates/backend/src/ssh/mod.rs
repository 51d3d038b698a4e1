//! A host over SSH: one OpenSSH master connection a host, commands as channels of it.
//!
//! The installed OpenSSH does the work, so `~/.ssh/config`, jump hosts, agents and known_hosts hold. Host keys are checked strictly:
//! a key that is not known stops everything before any command. What a host answers is not trusted: each command has a limit of time and of
//! output, and the answer is bytes that others parse.

mod descriptors;
mod gates;
mod lease;
mod login;
mod master;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kubestead_core::command::{Command, Effect, Output, STDERR, Stdin};
use kubestead_core::frame;
use kubestead_core::host::{Host, HostError};
use kubestead_core::kube::{Api, KubeError};
use kubestead_core::outcome::causes;
use kubestead_core::transport::{self, Login, Remote, Transport};
use openssh::{ForwardType, Session, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, OnceCell, Semaphore, SemaphorePermit};

use crate::api::KubeApi;
use crate::stream;
use descriptors::descriptors;
pub use gates::Gates;
pub use lease::Lease;
pub(crate) use login::{arguments, by_hand};

/// sshd's MaxSessions is 10 by default; two are left to people.
const CHANNELS: usize = 8;
/// How often a session is asked for again after the last one has ended.
const CLOSING: u32 = 25;
/// What a command's own limit of time, which the host enforces, is given to be told here.
const GRACE: Duration = Duration::from_secs(5);

type Channel = openssh::Child<Arc<Session>>;

/// Machines over SSH, as the command reaches them.
#[derive(Default)]
pub struct Ssh {
    gates: Arc<Gates>,
}

#[async_trait]
impl Transport for Ssh {
    async fn connect(&self, login: &Login) -> Result<Arc<dyn Remote>, HostError> {
        SshHost::connect(login, &self.gates).await.map(|host| Arc::new(host) as Arc<dyn Remote>)
    }

    fn room(&self, machines: usize) -> Result<(), String> {
        descriptors(machines)
    }

    async fn kube(&self, control_plane: &dyn Remote) -> Result<Arc<dyn Api>, KubeError> {
        KubeApi::through(control_plane).await.map(|api| Arc::new(api) as Arc<dyn Api>)
    }
}

/// A host over SSH.
pub struct SshHost {
    name: String,
    login: Login,
    gates: Arc<Gates>,
    session: Arc<Session>,
    /// A second connection, where sshd allows one session a connection and the lease has it (MaxSessions 1).
    second: OnceCell<Arc<Session>>,
    /// How many commands sshd allows at once: less when it has refused one.
    channels: Semaphore,
    /// How many channels of commands are open.
    open: AtomicUsize,
    leased: AtomicBool,
    lease_lost: Arc<AtomicBool>,
    /// Ports of the host, each with ours that reaches it.
    forwards: Mutex<BTreeMap<u16, u16>>,
}

/// What ended the reading of an answer.
enum Ended {
    Host(HostError),
    TooMuch,
}

impl SshHost {
    /// Connects. The host key must be known.
    pub async fn connect(login: &Login, gates: &Arc<Gates>) -> Result<Self, HostError> {
        let session = Arc::new(master::connect(login, gates).await?);
        Ok(Self {
            name: login.name.clone(),
            login: login.clone(),
            gates: Arc::clone(gates),
            session,
            second: OnceCell::new(),
            channels: Semaphore::new(CHANNELS),
            open: AtomicUsize::new(0),
            leased: AtomicBool::new(false),
            lease_lost: Arc::default(),
            forwards: Mutex::default(),
        })
    }

    /// Lets `127.0.0.1:port` of this computer reach `127.0.0.1:port` of the host for as long as the connection lives; returns ours. It is one for each
    /// of the host's, however often it is asked for: who watches a cluster asks at every look.
    pub async fn forward(&self, remote: u16) -> Result<u16, HostError> {
        let mut forwards = self.forwards.lock().await;
        if let Some(ours) = forwards.get(&remote) {
            return Ok(*ours);
        }
        let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).map_err(|e| self.lost(&e))?.port();
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        self.session.request_port_forward(ForwardType::Local, at(free), at(remote)).await.map_err(|e| self.lost(&e))?;
        forwards.insert(remote, free);
        Ok(free)
    }

    fn lost(&self, error: &dyn std::error::Error) -> HostError {
        self.lost_with(&causes(error))
    }

    fn lost_with(&self, detail: &str) -> HostError {
        HostError::Lost { host: self.name.clone(), detail: detail.to_owned() }
    }

    /// A channel that runs a line, on the second connection if there is one.
    async fn try_open(&self, line: &str) -> Result<Channel, openssh::Error> {
        let session = Arc::clone(self.second.get().unwrap_or(&self.session));
        let mut command = session.arc_raw_command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().await
    }

    /// A channel; `None` where sshd refuses it because of others that are there (MaxSessions). Where the lease alone is there, work gets a connection of
    /// its own.
    async fn spawn(&self, line: &str) -> Result<Option<(Channel, Open<'_>)>, HostError> {
        for _ in 0..CLOSING {
            match self.try_open(line).await {
                Ok(child) => return Ok(Some((child, Open::new(&self.open)))),
                Err(error) if !refused(&error) => return Err(self.lost(&error)),
                Err(_) if self.open.load(Ordering::Acquire) > 0 => return Ok(None),
                // sshd may count a session that has just ended for a moment longer, and nothing says when it does not.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        if !self.leased.load(Ordering::Relaxed) {
            return Err(self.lost_with("sshd refuses every session: MaxSessions in its sshd_config must be 1 or more"));
        }
        let connect = || async { master::connect(&self.login, &self.gates).await.map(Arc::new) };
        self.second.get_or_try_init(connect).await?;
        match self.try_open(line).await {
            Ok(child) => Ok(Some((child, Open::new(&self.open)))),
            Err(error) if refused(&error) => Ok(None),
            Err(error) => Err(self.lost(&error)),
        }
    }

    /// A channel and the right to it. sshd shows how many it allows by refusing one: from then on there are fewer.
    async fn take_channel(&self, line: &str) -> Result<(SemaphorePermit<'_>, Channel, Open<'_>), HostError> {
        loop {
            let permit = self.channels.acquire().await.map_err(|e| self.lost(&e))?;
            match self.spawn(line).await? {
                Some((child, open)) => return Ok((permit, child, open)),
                // Others are open, each with a permit: this one waits for theirs.
                None if self.open.load(Ordering::Acquire) > 0 => permit.forget(),
                None => {}
            }
        }
    }

    async fn channel(&self, command: &Command) -> Result<Output, HostError> {
        let limits = command.limits;
        let (_permit, mut child, _open) = self.take_channel(&frame::line(limits)).await?;
        let begin = Instant::now();
        let (stdin, stdout, stderr) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
        let write = async {
            let Some(mut pipe) = stdin else { return Ok(()) };
            // A command that ends without reading its input closes the pipe: its status tells the story, not this error.
            let _ = pipe.write_all(frame::stream(command).expose()).await;
            let sent = match &command.stdin {
                Stdin::Files(sources) => stream::send(sources, &mut pipe).await,
                Stdin::Empty | Stdin::Plain(_) | Stdin::Secret(_) => Ok(()),
            };
            let _ = pipe.shutdown().await;
            sent.map_err(Ended::Host)
        };
        let mut output = Output::default();
        let (out, err) = (&mut output.stdout, &mut output.stderr);
        let all = async {
            tokio::try_join!(write, take(stdout, limits.output, out), take(stderr, STDERR, err))?;
            child.wait().await.map_err(|e| Ended::Host(self.lost(&e)))
        };
        let ended = tokio::time::timeout(Duration::from_secs(limits.seconds) + GRACE, all).await;
        let late = |output: &Output| HostError::Timeout { host: self.name.clone(), seconds: limits.seconds, at: output.at() };
        match ended {
            Ok(Ok(exit)) => {
                output.status = frame::status(status(exit));
                if is_late(output.status, begin.elapsed(), limits.seconds) {
                    return Err(late(&output));
                }
                Ok(output)
            }
            Ok(Err(Ended::Host(error))) => Err(error),
            Ok(Err(Ended::TooMuch)) => Err(HostError::TooMuch { host: self.name.clone(), limit: limits.output, at: output.at() }),
            Err(_) => Err(late(&output)),
        }
    }

    /// sudo's words, if it was sudo that ended the command: then no script of ours said anything. `nothing`: whether standard output was empty.
    fn refused_by_sudo(&self, output: &Output, nothing: bool) -> Option<HostError> {
        let said = String::from_utf8_lossy(&output.stderr);
        let sudo = said
            .lines()
            .any(|l| l.trim_start().starts_with("sudo: ") || l.contains("is not in the sudoers file") || l.contains("is not allowed to"));
        (sudo && nothing && output.at().is_none())
            .then(|| HostError::Sudo { host: self.name.clone(), said: output.tail().replace('\n', "; ") })
    }
}

/// A command's channel among those that are open, until it is dropped.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl Host for SshHost {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        if command.effect == Effect::Write && self.lease_lost.load(Ordering::Relaxed) {
            return Err(self.lost_with("its lock was lost with the network, and another writer may have it: run again"));
        }
        let _stream = if matches!(command.stdin, Stdin::Files(_)) { self.gates.stream().await } else { None };
        let output = self.channel(command).await?;
        match self.refused_by_sudo(&output, output.stdout.is_empty()) {
            Some(error) if output.status == 1 => Err(error),
            _ => Ok(output),
        }
    }
}

#[async_trait]
impl Remote for SshHost {
    async fn lease(&self) -> Result<Option<transport::Lease>, HostError> {
        Ok(SshHost::lease(self).await?.map(transport::Lease::new))
    }

    async fn forward(&self, remote: u16) -> Result<u16, HostError> {
        SshHost::forward(self, remote).await
    }
}

/// Reads to the end, and no more than the limit.
async fn take(from: Option<impl AsyncRead + Unpin>, limit: usize, into: &mut Vec<u8>) -> Result<(), Ended> {
    let Some(from) = from else { return Ok(()) };
    let mut from = from.take(limit as u64 + 1);
    // A stream that breaks ends here; the exit status tells the rest.
    while from.read_buf(into).await.unwrap_or(0) > 0 {}
    if into.len() > limit { Err(Ended::TooMuch) } else { Ok(()) }
}

/// Whether sshd refused one more session on the connection.
fn refused(error: &openssh::Error) -> bool {
    let said = causes(error);
    said.contains("refused") || said.contains("Session open")
}

/// Whether it was timeout(1) on the host that ended a command: 124, or 137 when it had to kill. The host began to count before we did, and its clock may
/// run faster than ours: a tenth of the limit is between that and a command's own status of this number.
fn is_late(status: i32, took: Duration, limit: u64) -> bool {
    matches!(status, 124 | 137) && took >= Duration::from_secs(limit).mul_f64(0.9)
}

fn status(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_faster_than_ours_changes_no_limit_into_an_answer() {
        assert!(is_late(124, Duration::from_millis(59_990), 60) && is_late(137, Duration::from_secs(69), 60));
        assert!(!is_late(124, Duration::from_secs(1), 60) && !is_late(0, Duration::from_secs(60), 60));
    }
}
