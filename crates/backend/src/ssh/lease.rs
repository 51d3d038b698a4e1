//! A machine's lock for one writer, with a heartbeat: the machine frees it when the beats stop, the writer stops when the echo does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kubestead_core::command::{Command, Output, STDERR, Stdin};
use kubestead_core::frame;
use kubestead_core::host::HostError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::{Channel, SshHost};

const SCRIPT: &str = include_str!("scripts/lease.sh");
/// Seconds without a beat after which the machine frees the lock; `lease.sh` has it as an argument.
const SILENCE: u64 = 45;
const BEAT: Duration = Duration::from_secs(15);
/// How long a machine may take to answer: it waits 10 s for a writer that has just been killed.
const ANSWER: Duration = Duration::from_secs(60);
/// How much a login's start files may print before the answer.
const NOISE: usize = 1 << 16;

/// A host's lock, held for as long as it lives.
pub struct Lease {
    lost: Arc<AtomicBool>,
    beats: tokio::task::JoinHandle<()>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.beats.abort();
        self.lost.store(false, Ordering::Relaxed);
    }
}

impl SshHost {
    /// Takes this host for one writer: a lock that the host's kernel holds for as long as the answer lives, and frees when this program dies,
    /// or 45 s after the network did. `None` if another writer has it; one that was killed just now is waited for, as its machine may need a
    /// moment to notice. Once the lock is lost, this host refuses writes.
    pub async fn lease(&self) -> Result<Option<Lease>, HostError> {
        let command = Command::write_script(SCRIPT).var("silence", SILENCE.to_string()).stdin(Stdin::Files(Vec::new())).limit_seconds(0);
        // It is there for good, so it does not count among the commands whose end others wait for.
        let (_, mut child, _) = self.take_channel(&frame::line(command.limits)).await?;
        let (Some(mut pipe), Some(mut out), Some(mut err)) = (child.stdin().take(), child.stdout().take(), child.stderr().take()) else {
            return Err(self.lost_with("its channel has no pipes"));
        };
        let _ = pipe.write_all(frame::stream(&command).expose()).await;
        let held = match tokio::time::timeout(ANSWER, answer(&mut out)).await {
            Ok(Ok(held)) => held,
            Ok(Err(came)) => {
                let mut said = Output::default();
                let _ = tokio::time::timeout(Duration::from_secs(2), (&mut err).take(STDERR as u64).read_to_end(&mut said.stderr)).await;
                let came = if came.is_empty() { String::new() } else { format!(" what came: {came}") };
                let other = || self.lost_with(&format!("its lock was not given: {}{came}", said.tail()));
                return Err(self.refused_by_sudo(&said, true).unwrap_or_else(other));
            }
            Err(_) => {
                return Err(HostError::Timeout { host: self.name.clone(), seconds: ANSWER.as_secs(), at: Some("taking its lock".into()) });
            }
        };
        if !held {
            return Ok(None);
        }
        self.leased.store(true, Ordering::Relaxed);
        let lost = Arc::clone(&self.lease_lost);
        lost.store(false, Ordering::Relaxed);
        let flag = Arc::clone(&lost);
        let beats = tokio::spawn(async move {
            let child: Channel = child;
            let mut echo = [0_u8; 1];
            loop {
                let beat = async { pipe.write_all(b"\n").await.is_ok() && out.read_exact(&mut echo).await.is_ok() };
                if !tokio::time::timeout(BEAT, beat).await.unwrap_or(false) {
                    break;
                }
                tokio::time::sleep(BEAT).await;
            }
            flag.store(true, Ordering::Relaxed);
            drop(child);
        });
        Ok(Some(Lease { lost, beats }))
    }
}

/// Whether the lock is held, behind whatever the login's start files print. The error is what came, if the answer ends without saying so.
async fn answer(out: &mut (impl AsyncRead + Unpin)) -> Result<bool, String> {
    let (mut noise, mut line, mut byte) = (Vec::new(), Vec::new(), [0_u8; 1]);
    while noise.len() < NOISE && out.read_exact(&mut byte).await.is_ok() {
        noise.push(byte[0]);
        if byte[0] != b'\n' {
            line.push(byte[0]);
            continue;
        }
        match line.as_slice() {
            b"@@kubestead held" => return Ok(true),
            b"@@kubestead taken" => return Ok(false),
            _ => line.clear(),
        }
    }
    Err(String::from_utf8_lossy(&noise).trim().chars().take(200).collect())
}
