//! A transport over hosts that are at hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::command::{Command, Output};
use crate::host::{Host, HostError};
use crate::kube::{Api, KubeError};
use crate::transport::{Lease, Login, Remote, Transport};

/// Hosts by their names, each with a lock, and the API of their cluster.
pub struct Twins {
    hosts: BTreeMap<String, Arc<Twin>>,
    kube: Arc<dyn Api>,
}

struct Twin {
    host: Arc<dyn Host>,
    locked: Arc<AtomicBool>,
}

/// The lock of a twin, until it is dropped.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Twins {
    /// A transport that connects to these hosts, and to no other.
    pub fn new(hosts: impl IntoIterator<Item = Arc<dyn Host>>, kube: Arc<dyn Api>) -> Self {
        let twin = |host: Arc<dyn Host>| (host.name().to_owned(), Arc::new(Twin { host, locked: Arc::default() }));
        Self { hosts: hosts.into_iter().map(twin).collect(), kube }
    }
}

#[async_trait]
impl Host for Twin {
    fn name(&self) -> &str {
        self.host.name()
    }

    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        self.host.run(command).await
    }
}

#[async_trait]
impl Remote for Twin {
    async fn lease(&self) -> Result<Option<Lease>, HostError> {
        let taken = self.locked.swap(true, Ordering::Acquire);
        Ok((!taken).then(|| Lease::new(Held(Arc::clone(&self.locked)))))
    }

    async fn forward(&self, remote: u16) -> Result<u16, HostError> {
        Err(HostError::Connect { host: self.name().to_owned(), detail: format!("a twin has no port {remote}") })
    }
}

#[async_trait]
impl Transport for Twins {
    async fn connect(&self, login: &Login) -> Result<Arc<dyn Remote>, HostError> {
        match self.hosts.get(&login.name) {
            Some(twin) => Ok(Arc::clone(twin) as Arc<dyn Remote>),
            None => Err(HostError::Connect { host: login.name.clone(), detail: "it has no twin".to_owned() }),
        }
    }

    fn room(&self, _: usize) -> Result<(), String> {
        Ok(())
    }

    async fn kube(&self, _: &dyn Remote) -> Result<Arc<dyn Api>, KubeError> {
        Ok(Arc::clone(&self.kube))
    }
}
