//! The connections to all machines of a cluster, and the one probe of each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use kubestead_core::event::{Event, Reporter};
use kubestead_core::fact::Gap;
use kubestead_core::host::{Host, HostError, Hosts, ReadOnly};
use kubestead_core::name::Name;
use kubestead_core::probe::{self, Answers, Section};

use crate::file::Cluster;
use crate::ssh::{Lease, Login, SshHost};

/// How many machines are talked to at once.
const AT_ONCE: usize = 64;

/// All machines, connected or not.
pub struct Fleet {
    connected: BTreeMap<Name, Arc<SshHost>>,
    failed: BTreeMap<Name, HostError>,
}

/// A machine of the file: node or key server.
fn logins(cluster: &Cluster) -> Vec<(Name, Login)> {
    let login = |name: &Name, address: &str, user: Option<&String>, port| {
        let config: Option<PathBuf> = cluster.ssh.config.clone();
        let user = user.or(cluster.ssh.user.as_ref()).cloned();
        (name.clone(), Login { name: name.to_string(), destination: address.to_owned(), user, port, config })
    };
    let nodes = cluster.nodes.iter().map(|n| login(&n.name, &n.address, n.ssh.user.as_ref(), n.ssh.port));
    let servers = cluster.servers.iter().map(|s| login(&s.name, &s.address, None, (s.port != 22).then_some(s.port)));
    nodes.chain(servers).collect()
}

impl Fleet {
    /// Connects to all machines side by side. A machine that cannot be reached is remembered with its reason.
    pub async fn connect(cluster: &Cluster) -> Self {
        Self::connect_some(cluster, &|_| true).await
    }

    /// Connects to the machines whose names are wanted.
    pub async fn connect_some(cluster: &Cluster, wanted: &(dyn Fn(&Name) -> bool + Sync)) -> Self {
        let some: Vec<_> = logins(cluster).into_iter().filter(|(name, _)| wanted(name)).collect();
        let all = stream::iter(some).map(|(name, login)| async move { (name, SshHost::connect(&login).await) });
        let results: Vec<_> = all.buffer_unordered(AT_ONCE).collect().await;
        let mut fleet = Self { connected: BTreeMap::new(), failed: BTreeMap::new() };
        for (name, result) in results {
            match result {
                Ok(host) => drop(fleet.connected.insert(name, Arc::new(host))),
                Err(error) => drop(fleet.failed.insert(name, error)),
            }
        }
        fleet
    }

    /// Connects to one machine alone.
    pub async fn connect_one(cluster: &Cluster, name: &Name) -> Result<SshHost, HostError> {
        match logins(cluster).into_iter().find(|(n, _)| n == name) {
            Some((_, login)) => SshHost::connect(&login).await,
            None => Err(HostError::Connect { host: name.to_string(), detail: "the cluster file does not name it".into() }),
        }
    }

    /// The machines that answer.
    pub fn hosts(&self) -> Hosts {
        self.connected.iter().map(|(name, host)| (name.to_string(), Arc::clone(host) as Arc<dyn Host>)).collect()
    }

    /// One machine's connection, for what needs more than commands.
    pub fn ssh(&self, name: &Name) -> Option<&SshHost> {
        self.connected.get(name).map(AsRef::as_ref)
    }

    /// Why machines do not answer.
    pub fn failed(&self) -> &BTreeMap<Name, HostError> {
        &self.failed
    }

    /// Locks every machine that answers; the name of one that another writer has.
    pub async fn lease(&self) -> Result<Result<Vec<Lease>, Name>, HostError> {
        // The first machine alone, so that of two writers who begin at once one gets all of them.
        let mut leases = Vec::new();
        let mut all = self.connected.iter();
        if let Some((name, host)) = all.next() {
            match host.lease().await? {
                Some(lease) => leases.push(lease),
                None => return Ok(Err(name.clone())),
            }
        }
        let asked = all.map(|(name, host)| async move { Ok((name, host.lease().await?)) });
        let answers: Vec<(&Name, Option<Lease>)> = futures::future::try_join_all(asked).await?;
        let rest: Result<Vec<Lease>, Name> = answers.into_iter().map(|(name, lease)| lease.ok_or_else(|| name.clone())).collect();
        Ok(rest.map(|rest| leases.into_iter().chain(rest).collect()))
    }

    /// Probes machines side by side, one round trip each, through a wrapper that refuses writes.
    pub async fn probe(
        &self,
        sections: BTreeMap<Name, Vec<Section>>,
        nonce: &str,
        reporter: &dyn Reporter,
    ) -> BTreeMap<Name, Result<Answers, Gap>> {
        reporter.on(&Event::Stage { name: "observe".into(), total: sections.len() });
        let one = |(name, sections): (Name, Vec<Section>)| async move {
            let answers = match (self.connected.get(&name), self.failed.get(&name)) {
                (Some(host), _) => probe_one(host.as_ref(), &sections, nonce).await,
                (None, Some(error)) => Err(Gap::new(error.to_string())),
                (None, None) => Err(Gap::new(format!("{name} is not connected"))),
            };
            reporter.on(&Event::Seen { host: name.to_string(), gap: answers.as_ref().err().map(ToString::to_string) });
            (name, answers)
        };
        stream::iter(sections).map(one).buffer_unordered(AT_ONCE).collect().await
    }
}

async fn probe_one(host: &dyn Host, sections: &[Section], nonce: &str) -> Result<Answers, Gap> {
    let output = ReadOnly(host).run(&probe::command(sections, nonce)).await.map_err(|e| Gap::new(e.to_string()))?;
    probe::parse(&output.stdout, nonce)
        .map_err(|gap| if output.stderr.is_empty() { gap } else { Gap::new(format!("{gap}: {}", output.tail())) })
}
