//! The verbs that are about key servers: shut a node out, examine, export, restore. Each asks only the machines that it needs, so that a
//! node can be shut out while others do not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use kubestead_core::event::Reporter;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::host::{Host, HostError, Hosts};
use kubestead_core::name::Name;
use kubestead_core::outcome::{Done, causes};
use kubestead_core::plan::{BadPlan, Checked, Kinds, Plan, Step};
use kubestead_core::probe::{Answers, Section};
use kubestead_core::procedure::ProcedureError;
use kubestead_core::secret::Secret;
use kubestead_core::transport::{Lease, Transport};
use kubestead_storage::spec::Volume;
use tokio_util::sync::CancellationToken;

use crate::compose;
use crate::engine::{self, Report, Runner, Terms};
use crate::file::Cluster;
use crate::fleet::Fleet;
use crate::keyserver::doctor::{self, Check, Subject};
use crate::keyserver::export::{self, Archive, BadArchive};
use crate::keyserver::{self, Action, KeyServerSpec, ServerFacts};

/// What keeps one of these verbs from its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file names no such key server.
    #[error("{0} is no key server of the file: it names {1}")]
    NoServer(Name, String),
    /// A machine did not carry something out.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Another writer is at work.
    #[error("{0}: another kubestead is at work there: wait for it, or see who holds /run/kubestead.lock")]
    Taken(Name),
    /// A server could not be looked at.
    #[error("{server}: {gap}")]
    NotSeen {
        /// The server.
        server: Name,
        /// Why.
        gap: String,
    },
    /// A server's answer, or a file, is no archive.
    #[error("the archive of {from}")]
    Archive {
        /// Where it came from.
        from: String,
        /// What is wrong.
        source: BadArchive,
    },
    /// A server refused what it was given.
    #[error("{server}: put the shares back")]
    Restore {
        /// The server.
        server: Name,
        /// Why.
        source: ProcedureError,
    },
    /// A server could not be set up.
    #[error(transparent)]
    Keys(#[from] keyserver::Error),
    /// The plan would do what must not be done: a defect of kubestead, found before anything was touched.
    #[error("this plan must not run, and nothing was touched; please report it: {}", .0.join("; "))]
    Unsound(Vec<String>),
    /// The steps make no plan.
    #[error(transparent)]
    Plan(#[from] BadPlan),
}

/// How many machines are examined at once: each node logs in to the servers, and a server's sshd takes few logins at a time.
const AT_ONCE: usize = 8;

/// Which machines are asked.
#[derive(Clone, Debug)]
pub enum Machines {
    /// The key servers.
    Servers,
    /// One of them.
    One(Name),
    /// The key servers and all nodes.
    All,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many shares of the archive are on the server now.
    pub shares: usize,
    /// Whether anything was missing on the server.
    pub changed: bool,
    /// What the server did not get: lines, and shares with the reason.
    pub left: Vec<String>,
}

/// The key servers of a cluster, connected.
pub struct KeyServers {
    cluster: Cluster,
    servers: Vec<KeyServerSpec>,
    fleet: Fleet,
}

struct Executor(Hosts);

impl Runner<Action> for Executor {
    fn run<'a>(&'a self, step: &'a Step<Action>) -> BoxFuture<'a, Result<Done, String>> {
        Box::pin(async move {
            let name = step.target.to_string();
            let host = self.0.get(&name).map(AsRef::as_ref).ok_or_else(|| format!("{name} is not connected"))?;
            keyserver::apply(&step.action, host, &self.0).await.map_err(|e| causes(&e))
        })
    }
}

fn nonce() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}{:x}", since.as_nanos(), std::process::id())
}

impl KeyServers {
    /// Connects. A machine that does not answer is told by what is asked of it.
    pub async fn connect(cluster: Cluster, machines: &Machines, transport: Arc<dyn Transport>) -> Result<Self, Error> {
        let servers = compose::servers(&cluster);
        let names: Vec<&str> = servers.iter().map(|s| s.server.as_str()).collect();
        let wanted = |name: &Name| match machines {
            Machines::All => true,
            Machines::Servers => names.contains(&name.as_str()),
            Machines::One(one) => name == one,
        };
        match machines {
            Machines::One(one) if !names.contains(&one.as_str()) => return Err(Error::NoServer(one.clone(), names.join(", "))),
            Machines::One(_) | Machines::Servers | Machines::All => {}
        }
        let fleet = Fleet::over(cluster.logins().into_iter().filter(|(name, _)| wanted(name)), transport);
        fleet.connect().await;
        Ok(Self { cluster, servers, fleet })
    }

    /// Takes the connected machines for one writer.
    pub async fn lease(&self) -> Result<Vec<Lease>, Error> {
        self.fleet.lease().await.map_err(Error::Taken)
    }

    /// Looks at the connected key servers.
    pub async fn observe(&self, reporter: &dyn Reporter) -> BTreeMap<Name, Fact<ServerFacts>> {
        let (hosts, failed) = (self.fleet.hosts(), self.fleet.failed());
        let asked = |spec: &&KeyServerSpec| hosts.contains_key(spec.server.as_str()) || failed.contains_key(&spec.server);
        let sections = self.servers.iter().filter(asked).map(|spec| (spec.server.clone(), keyserver::server_sections(spec))).collect();
        let answers = self.fleet.probe(sections, &nonce(), reporter).await;
        answers.into_iter().map(|(name, a)| (name, Fact::from_result(a.and_then(|a| keyserver::read_server(&a.answers))))).collect()
    }

    /// The plan that shuts a node out. It runs without the lease of the machines: a node must be shut out also while another writer is at
    /// work, or the lease of one that lost its connection lives on. Why that is safe is said, and tested, at `keyserver`'s `revoke`.
    pub fn revocation(
        &self,
        seen: &BTreeMap<Name, Fact<ServerFacts>>,
        node: &Name,
        wipe: &BTreeSet<Name>,
    ) -> Result<Checked<Action>, Error> {
        let part =
            keyserver::revocation(&self.servers, &self.members(), seen, node, wipe).without_idle(&Kinds::of(&[keyserver::ids::KINDS]));
        let plan = Plan::new(self.cluster.digest.clone(), String::new(), part)?;
        let check = |plan: &Plan<Action>| keyserver::check(seen, &BTreeMap::new(), plan.steps.iter().map(|step| (step, &step.action)));
        Checked::new(plan, check).map_err(Error::Unsound)
    }

    /// The shares of a node that servers have, as `SERVER: NODE/VOLUME`.
    pub fn shares_of(seen: &BTreeMap<Name, Fact<ServerFacts>>, node: &Name) -> BTreeSet<String> {
        let about = format!("{node}/");
        let of = |facts: &ServerFacts| facts.shares.keys().filter(|path| path.starts_with(&about)).cloned().collect::<Vec<_>>();
        seen.values().filter_map(Fact::known).flat_map(of).collect()
    }

    /// Carries a plan out.
    pub async fn apply(&self, plan: &Checked<Action>, terms: &Terms, reporter: &dyn Reporter, stop: &CancellationToken) -> Report {
        engine::apply(plan, &Executor(self.fleet.hosts()), terms, reporter, stop).await
    }

    /// Tries from every node what must be refused and what must come, and looks at the servers.
    pub async fn examine(&self, reporter: &dyn Reporter) -> Vec<Check> {
        let subjects = self.subjects();
        let servers = self.servers.iter().map(|spec| (spec.server.clone(), doctor::server_sections(spec))).collect();
        let mut machines: Vec<(u64, BTreeMap<Name, Vec<Section>>)> = vec![(doctor::limit(&self.servers, None), servers)];
        for some in subjects.chunks(AT_ONCE) {
            let longest = some.iter().map(|subject| doctor::limit(&self.servers, Some(subject))).max().unwrap_or_default();
            let sections = some.iter().map(|subject| (subject.node.clone(), doctor::node_sections(&self.servers, subject)));
            machines.push((longest, sections.collect()));
        }
        let mut answers: BTreeMap<Name, Result<Answers, Gap>> = BTreeMap::new();
        let mut asked = BTreeMap::new();
        for (seconds, sections) in machines {
            for (name, probed) in self.fleet.probe_within(Some(seconds), sections, &nonce(), reporter).await {
                asked.extend(probed.as_ref().ok().map(|probed| (name.clone(), probed.asked)));
                answers.insert(name, probed.map(|probed| probed.answers));
            }
        }
        doctor::judge(&self.servers, &subjects, &answers, &asked)
    }

    fn members(&self) -> BTreeSet<Name> {
        self.cluster.nodes.iter().map(|n| n.name.clone()).collect()
    }

    fn subjects(&self) -> Vec<Subject> {
        let volumes =
            |node: &Name| -> Vec<Volume> { compose::storage(&self.cluster, node).volumes.into_iter().filter(Volume::fetched).collect() };
        let all: Vec<(Name, Vec<Volume>)> = self.cluster.nodes.iter().map(|n| (n.name.clone(), volumes(&n.name))).collect();
        let subject = |(node, volumes): &(Name, Vec<Volume>)| {
            let other = all.iter().find(|(name, v)| name != node && !v.is_empty());
            let stranger = other.map_or_else(|| "kubestead-doctor/none".to_owned(), |(name, v)| format!("{name}/{}", v[0].name));
            (!volumes.is_empty()).then(|| Subject { node: node.clone(), volumes: volumes.clone(), stranger })
        };
        all.iter().filter_map(subject).collect()
    }

    fn server(&self, name: &Name) -> Result<(&KeyServerSpec, Arc<dyn Host>), Error> {
        let spec = self.servers.iter().find(|s| s.server == *name);
        let spec = spec
            .ok_or_else(|| Error::NoServer(name.clone(), self.servers.iter().map(|s| s.server.as_str()).collect::<Vec<_>>().join(", ")))?;
        match (self.fleet.hosts().remove(name.as_str()), self.fleet.failed().get(name)) {
            (Some(host), _) => Ok((spec, host)),
            (None, Some(error)) => Err(error.clone().into()),
            (None, None) => Err(Error::NotSeen { server: name.clone(), gap: "it is not connected".into() }),
        }
    }

    /// Reads a whole server. What it holds is in memory only.
    pub async fn export(&self, name: &Name) -> Result<Archive, Error> {
        let (spec, host) = self.server(name)?;
        let output = host.run(&export::read_command(spec)).await?;
        let (status, tail) = (output.status, String::from_utf8_lossy(&output.stderr).trim().to_owned());
        let text = Secret::new(output.stdout);
        if status != 0 {
            return Err(Error::NotSeen { server: name.clone(), gap: format!("status {status}: {tail}") });
        }
        Archive::parse(text.expose()).map_err(|source| Error::Archive { from: name.to_string(), source })
    }

    /// Puts an archive back on a server, which is set up when it is not. Nothing that is there is replaced.
    pub async fn restore(&self, name: &Name, archive: &Archive, reporter: &dyn Reporter) -> Result<Restored, Error> {
        let (spec, host) = self.server(name)?;
        let seen = self.observe(reporter).await;
        let there = match seen.get(name) {
            Some(Fact::Known(facts)) => facts.lines.clone(),
            Some(Fact::Unknown(gap)) => return Err(Error::NotSeen { server: name.clone(), gap: gap.to_string() }),
            Some(Fact::Absent) | None => return Err(Error::NotSeen { server: name.clone(), gap: "it was not looked at".into() }),
        };
        keyserver::apply(&keyserver::setup(spec), host.as_ref(), &self.fleet.hosts()).await?;
        let (lines, mut left) = archive.lines_for(spec, &self.members(), &there);
        let shares = archive.shares_left(spec, &self.members(), &there);
        left.extend(shares.iter().map(|path| format!("the share of {path}: its node was shut out there and is not in the file")));
        let done = archive.restore(spec, &lines, &shares).run(host.as_ref()).await;
        let done = done.map_err(|source| Error::Restore { server: name.clone(), source })?;
        Ok(Restored { shares: archive.shares.len() - shares.len(), changed: done == Done::Changed, left })
    }
}
