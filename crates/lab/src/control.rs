//! How the command talks to a lab's supervisor: one JSON line each way over a Unix socket.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::error::Error;

/// What the supervisor is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", content = "machine", rename_all = "camelCase")]
pub(crate) enum Ask {
    /// How the machines are.
    Status,
    /// Boot a machine that is off.
    Boot(String),
    /// Cut a machine's power.
    Kill(String),
    /// Answer when the machine's sshd answers, or when the time is up.
    Wait(String),
    /// Go on when whoever started the supervisor ends.
    Keep,
    /// Stop everything and end.
    Down,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "value", rename_all = "camelCase")]
pub(crate) enum Answer {
    /// Done.
    Done,
    /// The machines that run, with their process numbers.
    Running(Vec<(String, u32)>),
    /// It could not be done.
    Refused(String),
    /// The time was up.
    Late,
    /// The machine's process has ended.
    Ended,
}

/// Asks, and waits for the answer.
pub(crate) async fn ask(socket: &Path, ask: &Ask) -> Result<Answer, Error> {
    let refused = |e: std::io::Error| Error::NotRunning(format!("({}: {e})", socket.display()));
    let mut stream = BufReader::new(UnixStream::connect(socket).await.map_err(refused)?);
    let mut line = serde_json::to_string(ask).map_err(|e| Error::Refused(e.to_string()))?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await.map_err(refused)?;
    line.clear();
    stream.read_line(&mut line).await.map_err(refused)?;
    serde_json::from_str(&line).map_err(|e| Error::Refused(format!("the lab's supervisor ended while it was asked: {e}")))
}
