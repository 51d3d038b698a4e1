//! A machine that runs commands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::command::{Command, Effect, Output};

/// A machine. Commands run as root; a backend whose login is another user goes through `sudo -n`.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Host: Send + Sync {
    /// Its name in the cluster file.
    fn name(&self) -> &str;

    /// Runs a command to its end. A command that ran and failed is an `Ok` with its status; an error means that the host did not
    /// carry it out, or that nobody knows whether it did ([`HostError::Lost`]).
    async fn run(&self, command: &Command) -> Result<Output, HostError>;
}

/// The hosts of a cluster by name, for the few actions that carry something from one to another.
pub type Hosts = BTreeMap<String, Arc<dyn Host>>;

/// Why a host did not carry a command out.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// No connection.
    #[error("{host}: no connection: {detail}")]
    Connect {
        /// The host.
        host: String,
        /// What ssh said, and what to try by hand.
        detail: String,
    },
    /// No key of the host is known, or it has another one.
    #[error("{host}: the host key is not a known one: {detail}")]
    HostKey {
        /// The host.
        host: String,
        /// What ssh said, and what to try by hand.
        detail: String,
    },
    /// The host refused the login.
    #[error("{host}: login refused: {detail}")]
    Auth {
        /// The host.
        host: String,
        /// What ssh said, and what to try by hand.
        detail: String,
    },
    /// sudo refuses.
    #[error("{host}: sudo refused: {said}: give the login user NOPASSWD in /etc/sudoers.d, or log in as root")]
    Sudo {
        /// The host.
        host: String,
        /// What it said.
        said: String,
    },
    /// A file that was to be sent is not what it was said to be: the host got too little of it to use it.
    #[error("{} is not the file that was planned: {why}. Restore it (`kubestead bundle check` looks at all of a bundle), or plan again", path.display())]
    Source {
        /// The file, on the operator's computer.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The command may change something and the host was opened for looking only.
    #[error("{host}: refused while observing: {command}")]
    ReadOnly {
        /// The host.
        host: String,
        /// The command.
        command: String,
    },
    /// The connection broke while the command ran: it may or may not have been carried out.
    #[error("{host}: the connection was lost during a command: {detail}")]
    Lost {
        /// The host.
        host: String,
        /// What is known.
        detail: String,
    },
    /// It took too long: it may or may not have been carried out.
    #[error("{host}: no answer for {seconds} s{}", at.as_ref().map(|at| format!(" at: {at}")).unwrap_or_default())]
    Timeout {
        /// The host.
        host: String,
        /// The limit, in seconds.
        seconds: u64,
        /// What it was at, as it said last.
        at: Option<String>,
    },
    /// It answered more than any answer of this command has.
    #[error("{host}: more than {limit} bytes of answer{}: the rest was not read", at.as_ref().map(|at| format!(" at: {at}")).unwrap_or_default())]
    TooMuch {
        /// The host.
        host: String,
        /// The limit, in bytes.
        limit: usize,
        /// What it was at, as it said last.
        at: Option<String>,
    },
}

impl HostError {
    /// Whether trying again, without any change, can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Lost { .. } | Self::Timeout { .. } => true,
            Self::HostKey { .. }
            | Self::Auth { .. }
            | Self::Sudo { .. }
            | Self::Source { .. }
            | Self::ReadOnly { .. }
            | Self::TooMuch { .. } => false,
        }
    }
}

/// A host that refuses every command that may change something. Observing gets this and nothing else.
pub struct ReadOnly<'a>(pub &'a dyn Host);

#[async_trait]
impl Host for ReadOnly<'_> {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        match command.effect {
            Effect::Read => self.0.run(command).await,
            Effect::Write => Err(HostError::ReadOnly { host: self.name().to_owned(), command: command.render().into_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::twin::ScriptedHost;

    /// A twin never waits.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("a twin waits"),
        }
    }

    #[test]
    fn who_observes_cannot_write() {
        let host = ScriptedHost::new("a", [Ok(Output::default()), Ok(Output::default())]);
        let error = now(ReadOnly(&host).run(&Command::write(["rm"]))).unwrap_err();
        assert_eq!(error, HostError::ReadOnly { host: "a".into(), command: "rm".into() });
        assert!(host.asked().is_empty(), "nothing reached the host");
        assert!(now(ReadOnly(&host).run(&Command::read(["ls"]))).is_ok() && host.asked().len() == 1);
    }
}
