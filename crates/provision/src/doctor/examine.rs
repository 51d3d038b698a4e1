//! Runs the checks: the one look, a short question to each machine, and then what nodes try. All over the connections that the look made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use kubestead_core::event::Reporter;
use kubestead_core::fact::Gap;
use kubestead_core::name::Name;
use kubestead_core::outcome::{Done, causes};
use kubestead_core::plan::Plan;
use kubestead_core::probe::Section;
use serde::Serialize;

use super::cluster::{self, Told};
use super::finding::{Finding, Verdict};
use super::kind::Kind;
use super::{host, network, seen};
use crate::compose::{self, Action};
use crate::fleet::Probed;
use crate::session::{Error, Look, Session};

/// How long what nodes try may take, in seconds: each server of DNS takes ten at most, and pings to peers are side by side.
const LIMIT: u64 = 180;

/// What was found, and what it was found by.
#[derive(Debug)]
pub struct Examined {
    /// The machines as they were seen.
    pub look: Look,
    /// What `up` would do.
    pub plan: Plan<Action>,
    /// What was checked, by check and then by machine.
    pub findings: Vec<Finding>,
}

/// How many findings came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// As it must be.
    pub good: usize,
    /// Worth a look.
    pub warn: usize,
    /// Not as it must be.
    pub bad: usize,
    /// Not looked at.
    pub not_looked: usize,
    /// Of machines that do not answer.
    pub not_seen: usize,
}

impl Count {
    /// Counts findings.
    pub fn of(findings: &[Finding]) -> Self {
        let mut count = Self::default();
        for finding in findings {
            match finding.verdict {
                Verdict::Good => count.good += 1,
                Verdict::Warn => count.warn += 1,
                Verdict::Bad => count.bad += 1,
                Verdict::NotLooked => count.not_looked += 1,
                Verdict::NotSeen => count.not_seen += 1,
            }
        }
        count
    }
}

/// What is asked of one cluster.
struct Examination<'a> {
    session: &'a Session,
    only: &'a BTreeSet<Kind>,
    reporter: &'a dyn Reporter,
    nonce: String,
}

/// Runs these checks, or all where none is named. Nothing of a machine is changed, but for a small file that is written below etcd's folder and removed.
pub async fn examine(session: &Session, only: &BTreeSet<Kind>, reporter: &dyn Reporter) -> Result<Examined, Error> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nonce = format!("{:x}{:x}", since.as_nanos(), std::process::id());
    let look = session.observe(reporter).await?;
    let plan = compose::plan(&session.cluster, &look)?;
    let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let with = Examination { session, only, reporter, nonce };
    let findings = with.findings(&look, &plan, now).await;
    Ok(Examined { look, plan, findings })
}

impl Examination<'_> {
    fn wanted(&self, kind: Kind) -> bool {
        self.only.is_empty() || self.only.contains(&kind)
    }

    async fn findings(&self, look: &Look, plan: &Plan<Action>, now: i64) -> Vec<Finding> {
        let cluster = &self.session.cluster;
        let wanted = |kind: Kind| self.wanted(kind);
        let mut found = seen::reach(cluster, look);
        let probed = self.ask(look).await;
        if wanted(Kind::Clock) {
            found.extend(host::clocks(&probed));
        }
        for (name, probed) in probed.iter().filter_map(|(name, probed)| Some((name, probed.as_ref().ok()?))) {
            let is_node = cluster.nodes.iter().any(|node| node.name == *name);
            found.extend(host::judge(name, probed, is_node, &wanted));
        }
        if cluster.kubernetes.is_some() {
            found.extend(self.of_cluster(look, &probed).await);
            if wanted(Kind::Certificates) {
                found.extend(seen::certificates(cluster, look, now));
            }
            if wanted(Kind::Images) {
                found.extend(seen::images(cluster, look, plan));
            }
        } else if let Some(kind) = [Kind::Dns, Kind::Fsync, Kind::Volumes].into_iter().find(|kind| wanted(*kind)) {
            found.push(Finding::not_looked(kind, "cluster", "the file asks for no Kubernetes: what is about it was not looked at"));
        }
        if wanted(Kind::Plan) {
            found.extend(seen::plan(plan));
        }
        found.sort_by(|a, b| (a.check, &a.place).cmp(&(b.check, &b.place)));
        found
    }

    /// The short question to each machine that answers.
    async fn ask(&self, look: &Look) -> BTreeMap<Name, Result<Probed, Gap>> {
        let cluster = &self.session.cluster;
        let first = compose::first(cluster);
        let api = [Kind::Dns, Kind::Pods, Kind::Images, Kind::Volumes];
        let nodes = cluster.nodes.iter().map(|node| {
            let mut sections = host::sections(true, &|kind| self.wanted(kind));
            if first == Some(&node.name) && api.iter().any(|kind| self.wanted(*kind)) {
                sections.push(cluster::section());
            }
            (node.name.clone(), sections)
        });
        let servers = cluster.servers.iter().map(|server| (server.name.clone(), host::sections(false, &|kind| self.wanted(kind))));
        let asked = nodes.chain(servers).filter(|(name, sections)| !sections.is_empty() && !look.unreachable.contains(name));
        self.probe(None, asked.collect()).await
    }

    async fn probe(&self, seconds: Option<u64>, sections: BTreeMap<Name, Vec<Section>>) -> BTreeMap<Name, Result<Probed, Gap>> {
        if sections.is_empty() {
            return BTreeMap::new();
        }
        self.session.fleet.probe_within(seconds, sections, &self.nonce, self.reporter).await
    }

    /// What is about Kubernetes: what its API tells, what nodes try by it, and the disk below etcd.
    async fn of_cluster(&self, look: &Look, probed: &BTreeMap<Name, Result<Probed, Gap>>) -> Vec<Finding> {
        let cluster = &self.session.cluster;
        let wanted = |kind: Kind| self.wanted(kind);
        let mut found = Vec::new();
        let by_api: Vec<Kind> = [Kind::Dns, Kind::Pods, Kind::Images, Kind::Volumes].into_iter().filter(|kind| wanted(*kind)).collect();
        let first = compose::first(cluster).and_then(|name| probed.get(name));
        let told = match first {
            Some(Ok(probed)) => cluster::read(cluster, &probed.answers),
            Some(Err(gap)) => Err(gap.clone()),
            None => Err(Gap::new("the first control plane does not answer")),
        };
        let (mut told, known) = match told {
            Ok(told) => (told, true),
            Err(gap) => {
                found.extend(by_api.iter().map(|kind| Finding::not_looked(*kind, "cluster", gap.to_string())));
                (Told::default(), false)
            }
        };
        found.extend(std::mem::take(&mut told.findings).into_iter().filter(|finding| wanted(finding.check)));
        let tries = |kind: Kind| wanted(kind) && (known || kind == Kind::Mtu);
        let nodes: Vec<_> = cluster.nodes.iter().filter(|node| !look.unreachable.contains(&node.name)).collect();
        let sections = nodes.iter().map(|node| (node.name.clone(), network::sections(cluster, node, &told, &tries)));
        let asked = sections.filter(|(_, sections)| !sections.is_empty()).collect();
        let answers = self.probe(Some(LIMIT), asked).await;
        for node in nodes {
            match answers.get(&node.name) {
                Some(Ok(probed)) => found.extend(network::judge(cluster, node, &told, &probed.answers, &tries)),
                Some(Err(gap)) => {
                    let kinds = [Kind::Dns, Kind::Mtu, Kind::Pods].into_iter().filter(|kind| tries(*kind));
                    found.extend(kinds.map(|kind| Finding::not_looked(kind, node.name.as_str(), gap.to_string())));
                }
                // Nothing was to be tried: judged all the same, as no CoreDNS at all is a finding.
                None => found.extend(network::judge(cluster, node, &told, &kubestead_core::probe::Answers::default(), &tries)),
            }
        }
        if wanted(Kind::Fsync) {
            found.extend(self.fsync(look).await);
        }
        found
    }

    /// Writes to the disk below etcd on each control plane, side by side.
    async fn fsync(&self, look: &Look) -> Vec<Finding> {
        let cluster = &self.session.cluster;
        let (hosts, is_lab) = (self.session.fleet.hosts(), cluster.kubernetes.as_ref().is_some_and(|wanted| wanted.lab));
        let one = |name: Name| {
            let host = hosts.get(name.as_str()).cloned();
            async move {
                let host = host?;
                Some(match host::fsync().run_with_output(host.as_ref()).await {
                    Ok((Done::Changed, output)) => host::of_fsync(&name, is_lab, &String::from_utf8_lossy(&output.stdout)),
                    Ok((Done::Already, _)) => Finding::not_looked(Kind::Fsync, name.as_str(), "etcd has no data there"),
                    Err(error) => Finding::not_looked(Kind::Fsync, name.as_str(), causes(&error)),
                })
            }
        };
        let control_planes = cluster.control_planes().map(|node| node.name.clone()).filter(|name| !look.unreachable.contains(name));
        futures::future::join_all(control_planes.map(one)).await.into_iter().flatten().collect()
    }
}
