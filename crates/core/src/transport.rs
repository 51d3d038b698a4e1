//! How machines are reached: what a backend brings, so that a program can bring its own. The command's is `Ssh` of `kubestead-backend`; one over hosts
//! at hand, for tests, is [`Twins`](crate::twin::Twins).
//!
//! ```text
//! Session, KeyServers -> Fleet -> Transport::connect -> Remote   commands (Host), one lock a writer, a port of the machine
//!                          \-> Transport::kube    -> Api      the API server of a control plane
//! ```
//!
//! Domains know none of this: they get a [`Host`] or a part of [`Api`]. What a transport must hold to:
//!
//! - [`Host::run`] carries a command out once, as root, with its standard input and within its limits; [`HostError::Lost`] where nobody knows.
//! - A lease keeps every other writer of the machine away, whichever computer it is on, until the answer is dropped or its holder is gone.
//! - What a machine says is not trusted, and no error holds what a command was given on standard input.

use std::path::PathBuf;
use std::sync::Arc;

use crate::host::{Host, HostError};
use crate::kube::{Api, KubeError};
use async_trait::async_trait;

/// How to log in to a host.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name in the cluster file, for messages.
    pub name: String,
    /// What ssh is asked to connect to: a name from its configuration, or an address.
    pub destination: String,
    /// The user; ssh's configuration decides if `None`.
    pub user: Option<String>,
    /// The port; ssh's configuration decides if `None`.
    pub port: Option<u16>,
    /// Another configuration file than `~/.ssh/config`.
    pub config: Option<PathBuf>,
}

/// A machine's lock for one writer, held until this is dropped.
pub struct Lease {
    _guard: Box<dyn Send + Sync>,
}

impl Lease {
    /// A lock that ends when its guard is dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

/// A machine that is connected.
#[async_trait]
pub trait Remote: Host {
    /// Takes it for one writer. `None` if another writer has it.
    async fn lease(&self) -> Result<Option<Lease>, HostError>;

    /// Lets `127.0.0.1:port` of this computer reach `127.0.0.1:remote` of the machine for as long as the connection lives; returns ours.
    async fn forward(&self, remote: u16) -> Result<u16, HostError>;
}

/// What connects to machines.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Connects to one machine. Whoever calls it waits for nobody else.
    async fn connect(&self, login: &Login) -> Result<Arc<dyn Remote>, HostError>;

    /// Makes room for that many machines, before any of them is connected. The error says why there is none.
    fn room(&self, machines: usize) -> Result<(), String>;

    /// Connects to the API of the cluster whose control plane this machine is. `KubeApi::through` of `kubestead-backend` does it by
    /// [`Remote::forward`].
    async fn kube(&self, control_plane: &dyn Remote) -> Result<Arc<dyn Api>, KubeError>;
}
