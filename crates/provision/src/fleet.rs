//! The connections to many machines, and the one probe of each. It knows how to log in to each, and no cluster file.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::stream::{self, StreamExt};
use kubestead_core::event::{Event, Reporter};
use kubestead_core::fact::Gap;
use kubestead_core::host::{Host, HostError, Hosts, ReadOnly};
use kubestead_core::kube::{Api, KubeError};
use kubestead_core::name::Name;
use kubestead_core::probe::{self, Answers, Section};
use kubestead_core::transport::{Lease, Login, Remote, Transport};
use tokio::sync::OnceCell;

/// A machine, connected when it is asked for first.
struct Member {
    login: Login,
    host: OnceCell<Result<Arc<dyn Remote>, HostError>>,
    /// Why nothing more is done with it although it is connected.
    refused: OnceLock<HostError>,
}

/// All machines, connected or not.
pub struct Fleet {
    members: BTreeMap<Name, Member>,
    transport: Arc<dyn Transport>,
    /// Why no machine can be connected.
    unable: Option<String>,
}

/// An answer of a machine with our clock, in seconds since 1970, before it was asked and after it answered.
#[derive(Clone, Debug)]
pub struct Probed {
    /// What it answered.
    pub answers: Answers,
    /// When.
    pub asked: (i64, i64),
}

impl Fleet {
    /// Machines, each with how to log in to it, by what connects to them. Each is connected when it is asked for first, so that nobody waits for those that
    /// do not answer.
    pub fn over(logins: impl IntoIterator<Item = (Name, Login)>, transport: Arc<dyn Transport>) -> Self {
        let member = |login| Member { login, host: OnceCell::new(), refused: OnceLock::new() };
        let members: BTreeMap<_, _> = logins.into_iter().map(|(name, login)| (name, member(login))).collect();
        Self { unable: transport.room(members.len()).err(), members, transport }
    }

    /// Connects to all machines, side by side. A machine that cannot be reached is remembered with its reason.
    pub async fn connect(&self) {
        stream::iter(self.members.values())
            .for_each_concurrent(None, |member| async {
                let _ = self.host(member).await;
            })
            .await;
    }

    async fn host<'a>(&'a self, member: &'a Member) -> Result<&'a Arc<dyn Remote>, &'a HostError> {
        let connect = || async {
            match &self.unable {
                Some(why) => Err(HostError::Connect { host: member.login.name.clone(), detail: why.clone() }),
                None => self.transport.connect(&member.login).await,
            }
        };
        let host = member.host.get_or_init(connect).await.as_ref();
        member.refused.get().map_or(host, Err)
    }

    /// The machines that are connected.
    pub fn hosts(&self) -> Hosts {
        let one = |(name, member): (&Name, &Member)| match (member.refused.get(), member.host.get()) {
            (None, Some(Ok(host))) => Some((name.to_string(), Arc::clone(host) as Arc<dyn Host>)),
            _ => None,
        };
        self.members.iter().filter_map(one).collect()
    }

    /// The API of the cluster whose control plane this machine is; `None` if the machine is not connected.
    pub async fn kube(&self, name: &Name) -> Option<Result<Arc<dyn Api>, KubeError>> {
        let member = self.members.get(name).filter(|member| member.refused.get().is_none())?;
        let host = member.host.get()?.as_ref().ok()?;
        Some(self.transport.kube(host.as_ref()).await)
    }

    /// The machines that were asked and cannot be used, each with its reason.
    pub fn failed(&self) -> BTreeMap<Name, HostError> {
        let why = |member: &Member| member.refused.get().cloned().or_else(|| member.host.get()?.as_ref().err().cloned());
        self.members.iter().filter_map(|(name, member)| Some((name.clone(), why(member)?))).collect()
    }

    /// Locks every machine that answers; the error is the name of one that another writer has. A machine that does not give its lock is remembered
    /// with its reason, as one that does not answer is.
    pub async fn lease(&self) -> Result<Vec<Lease>, Name> {
        let mut leases = Vec::new();
        let mut all: Vec<&Name> = self.members.keys().collect();
        // All connect side by side; then the first machine's lock alone, so that of two writers who begin at once one gets all of them.
        self.connect().await;
        while leases.is_empty() && !all.is_empty() {
            leases.extend(self.lease_one(all.remove(0)).await?);
        }
        let rest: Vec<Result<Option<Lease>, Name>> = futures::future::join_all(all.into_iter().map(|name| self.lease_one(name))).await;
        for lease in rest {
            leases.extend(lease?);
        }
        Ok(leases)
    }

    /// `None` if the machine cannot be used.
    async fn lease_one(&self, name: &Name) -> Result<Option<Lease>, Name> {
        let Some(member) = self.members.get(name) else { return Ok(None) };
        let Ok(host) = self.host(member).await else { return Ok(None) };
        match host.lease().await {
            Ok(Some(lease)) => Ok(Some(lease)),
            Ok(None) => Err(name.clone()),
            Err(error) => {
                let _ = member.refused.set(error);
                Ok(None)
            }
        }
    }

    /// Probes machines side by side, one round trip each, through a wrapper that refuses writes.
    pub async fn probe(
        &self,
        sections: BTreeMap<Name, Vec<Section>>,
        nonce: &str,
        reporter: &dyn Reporter,
    ) -> BTreeMap<Name, Result<Probed, Gap>> {
        self.probe_within(None, sections, nonce, reporter).await
    }

    /// [`Self::probe`] with a limit of time in seconds, for sections that take longer than a look does.
    pub async fn probe_within(
        &self,
        seconds: Option<u64>,
        sections: BTreeMap<Name, Vec<Section>>,
        nonce: &str,
        reporter: &dyn Reporter,
    ) -> BTreeMap<Name, Result<Probed, Gap>> {
        reporter.on(&Event::Stage { name: "observe".into(), total: sections.len() });
        let one = |(name, sections): (Name, Vec<Section>)| async move {
            let probed = match self.members.get(&name) {
                Some(member) => match self.host(member).await {
                    Ok(host) => probe_one(host.as_ref(), seconds, &sections, nonce).await,
                    Err(error) => Err(Gap::new(error.to_string())),
                },
                None => Err(Gap::new(format!("{name} is not connected"))),
            };
            reporter.on(&Event::Seen { host: name.to_string(), gap: probed.as_ref().err().map(ToString::to_string) });
            (name, probed)
        };
        sections.into_iter().map(one).collect::<futures::stream::FuturesUnordered<_>>().collect().await
    }
}

fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

async fn probe_one(host: &dyn Host, seconds: Option<u64>, sections: &[Section], nonce: &str) -> Result<Probed, Gap> {
    let mut command = probe::command(sections, nonce);
    command.limits.seconds = seconds.unwrap_or(command.limits.seconds);
    let before = clock();
    let output = ReadOnly(host).run(&command).await.map_err(|e| Gap::new(e.to_string()))?;
    let answers = probe::parse(&output.stdout, nonce).map_err(|gap| match output.tail() {
        said if output.stderr.is_empty() || said.is_empty() => gap,
        said => Gap::new(format!("{gap}: {said}")),
    })?;
    Ok(Probed { answers, asked: (before, clock()) })
}
