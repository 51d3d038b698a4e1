//! A machine that runs commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::command::{Command, Effect, Output, Stdin};
use crate::outcome::Done;
use crate::procedure::{Procedure, ProcedureError};
use crate::secret::Secret;

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
        /// What ssh said.
        detail: String,
    },
    /// The host's key is not the one that is known.
    #[error("{host}: the host key is not the known one: {detail}")]
    HostKey {
        /// The host.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// The host refused the login.
    #[error("{host}: login refused: {detail}")]
    Auth {
        /// The host.
        host: String,
        /// What ssh said.
        detail: String,
    },
    /// sudo asks for a password.
    #[error("{host}: sudo asks for a password: give the login user NOPASSWD in /etc/sudoers.d, or log in as root")]
    Sudo {
        /// The host.
        host: String,
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
    /// It took too long.
    #[error("{host}: no answer within {seconds} s")]
    Timeout {
        /// The host.
        host: String,
        /// The limit, in seconds.
        seconds: u64,
    },
}

impl HostError {
    /// Whether trying again, without any change, can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Lost { .. } | Self::Timeout { .. } => true,
            Self::HostKey { .. } | Self::Auth { .. } | Self::Sudo { .. } | Self::ReadOnly { .. } => false,
        }
    }
}

/// A file to be written whole.
#[derive(Clone, Debug)]
pub struct FilePut {
    /// Absolute path. Missing parent directories are made, 0755.
    pub path: String,
    /// What it shall hold.
    pub content: Content,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// `user:group`.
    pub owner: String,
}

/// The content of a file.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text that may be shown in a diff.
    Plain(String),
    /// Text that may not.
    Secret(Secret),
}

impl FilePut {
    /// A root-owned file that everybody may read.
    pub fn plain(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), content: Content::Plain(content.into()), mode: 0o644, owner: "root:root".into() }
    }

    /// A root-owned file that only root may read.
    pub fn secret(path: impl Into<String>, content: Secret) -> Self {
        Self { path: path.into(), content: Content::Secret(content), mode: 0o600, owner: "root:root".into() }
    }

    /// The same file with other permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Writes it: a temporary file beside it with its final owner and mode, synced, then renamed. `Already` when content, mode and
    /// owner are so.
    pub async fn write(&self, host: &dyn Host) -> Result<Done, ProcedureError> {
        self.procedure().run(host).await
    }

    /// The write, as guard, act and verify. The content travels on standard input.
    pub fn procedure(&self) -> Procedure {
        let path = crate::command::quote(&self.path);
        let (mode, owner) = (format!("{:o}", self.mode), crate::command::quote(&self.owner));
        let stdin = match &self.content {
            Content::Plain(text) => Stdin::Plain(text.clone().into_bytes()),
            Content::Secret(secret) => Stdin::Secret(secret.clone()),
        };
        Procedure::new(
            format!("p={path}\nif [ -L \"$p\" ] || {{ [ -e \"$p\" ] && [ ! -f \"$p\" ]; }}; then refuse \"$p is not a regular file\"; fi"),
            format!(
                "mkdir -p -m 0755 \"$(dirname \"$p\")\"\numask 077\nt=$(mktemp \"$(dirname \"$p\")/.kubestead.XXXXXX\")\ntrap 'rm -f \"$t\"' EXIT\n\
                 chown {owner} \"$t\"\nchmod {mode} \"$t\"\ncat > \"$t\"\n\
                 if [ -f \"$p\" ] && cmp -s \"$t\" \"$p\" && [ \"$(stat -c '%a %U:%G' \"$p\")\" = \"$(stat -c '%a %U:%G' \"$t\")\" ]; then already; fi\n\
                 s=$(sha256sum < \"$t\")\nsync \"$t\"\nmv -fT \"$t\" \"$p\"\nsync \"$(dirname \"$p\")\""
            ),
            "[ \"$(sha256sum < \"$p\")\" = \"$s\" ] || unverified \"$p does not hold what was written\"",
        )
        .stdin(stdin)
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
            Effect::Write => Err(HostError::ReadOnly { host: self.name().to_owned(), command: command.render() }),
        }
    }
}
