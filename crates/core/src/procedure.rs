//! Guard, act, verify: one round trip to a host that changes something or says why it does not.
//!
//! The guard runs at the last moment and may call `refuse REASON` (what the plan was made on is no longer so) or `already`
//! (nothing to do). The verification may call `unverified REASON`. Any other failing command ends the script (`set -e`).

use crate::command::{Command, Output, Stdin};
use crate::host::{Host, HostError};
use crate::outcome::Done;

/// A bash script in three parts.
#[derive(Clone, Debug)]
pub struct Procedure {
    /// Looks; may `refuse` or say `already`.
    pub guard: String,
    /// Changes.
    pub act: String,
    /// Looks again; may say `unverified`.
    pub verify: String,
    /// What the script reads on standard input.
    pub stdin: Stdin,
}

/// Why a procedure did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcedureError {
    /// The guard found the machine other than planned; nothing was changed.
    #[error("refused, nothing was changed: {0}")]
    Refused(String),
    /// It acted, and the result is not what it should be.
    #[error("done but not verified: {0}")]
    Unverified(String),
    /// A command failed.
    #[error("exit status {status}: {tail}")]
    Exit {
        /// Its status.
        status: i32,
        /// The end of what it said.
        tail: String,
    },
    /// The host did not carry it out.
    #[error(transparent)]
    Host(#[from] HostError),
}

const REFUSED: i32 = 90;
const ALREADY: i32 = 91;
const UNVERIFIED: i32 = 92;
/// A run that is killed leaves its last script at work on the machine: the next run's scripts wait for its end, then look.
const LOCK: &str = "/run/kubestead.act";
/// How long, in seconds. The longest of them is a `kubeadm init` on a slow machine.
const WAIT: u32 = 900;

impl Procedure {
    /// A procedure without standard input.
    pub fn new(guard: impl Into<String>, act: impl Into<String>, verify: impl Into<String>) -> Self {
        Self { guard: guard.into(), act: act.into(), verify: verify.into(), stdin: Stdin::Empty }
    }

    /// The same procedure with something on standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// The one command that it is.
    pub fn command(&self) -> Command {
        let script = format!(
            "set -euo pipefail\nexport LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
             refuse() {{ printf '%s\\n' \"$*\" >&2; exit {REFUSED}; }}\nalready() {{ exit {ALREADY}; }}\n\
             unverified() {{ printf '%s\\n' \"$*\" >&2; exit {UNVERIFIED}; }}\n\
             exec 8>{LOCK}; flock -w {WAIT} 8 || {{ echo 'a command of an earlier run is still at work on this machine: wait for it' >&2; exit 1; }}\n\
             # guard\n{}\n# act\n{}\n# verify\n{}\n",
            self.guard.trim(),
            self.act.trim(),
            self.verify.trim()
        );
        Command::write_script(script).stdin(self.stdin.clone())
    }

    /// Runs it on a host.
    pub async fn run(&self, host: &dyn Host) -> Result<Done, ProcedureError> {
        self.run_with_output(host).await.map(|(done, _)| done)
    }

    /// Runs it on a host and hands out what it printed, for the rare action whose answer the next one needs.
    pub async fn run_with_output(&self, host: &dyn Host) -> Result<(Done, Output), ProcedureError> {
        let output = host.run(&self.command()).await?;
        match output.status {
            0 => Ok((Done::Changed, output)),
            ALREADY => Ok((Done::Already, output)),
            REFUSED => Err(ProcedureError::Refused(output.tail())),
            UNVERIFIED => Err(ProcedureError::Unverified(output.tail())),
            status => Err(ProcedureError::Exit { status, tail: output.tail() }),
        }
    }
}
