//! Puts the domains' parts together: what is seen, one plan, and who carries each action out.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use kubestead_core::event::Reporter;
use kubestead_core::fact::Fact;
use kubestead_core::host::Hosts;
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::plan::{BadPlan, Held, Part, Plan, Step, Target};
use kubestead_secrets::{Escrow, Kept, recovery_key};
use kubestead_storage::observe::{Header, StorageFacts};
use kubestead_storage::spec::{HostStorage, KeyServer, PoolRoot, Volume};
use serde::{Deserialize, Serialize};

use crate::engine::Runner;
use crate::file::{Cluster, Node, POOL_ROOT};
use crate::fleet::Fleet;
use crate::keyserver::{self, EnrolledNode, KeyServerSpec, NodeFacts, ServerFacts};
use crate::machine::{self, Machine};

/// Where a key server keeps its shares.
const SHARES: &str = "/var/lib/kubestead-keys";

/// Everything that can be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Makes a recovery key and keeps it, encrypted, beside the cluster file.
    Escrow {
        /// Its name.
        name: String,
    },
    /// For the key servers.
    Keys(keyserver::Action),
    /// For disks and volumes.
    Storage(kubestead_storage::plan::Action),
}

/// A node as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSeen {
    /// The machine.
    pub machine: Machine,
    /// Its storage.
    pub storage: StorageFacts,
}

/// All that was seen. No secret ever enters it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The nodes.
    pub nodes: BTreeMap<Name, Fact<NodeSeen>>,
    /// The nodes' side of the keys.
    pub keys: BTreeMap<Name, Fact<NodeFacts>>,
    /// The key servers.
    pub servers: BTreeMap<Name, Fact<ServerFacts>>,
    /// The names of the secrets in the escrow.
    pub escrow: BTreeSet<String>,
    /// Machines that did not answer.
    pub unreachable: BTreeSet<Name>,
}

/// The key servers with the nodes that they let in.
fn servers(cluster: &Cluster) -> Vec<KeyServerSpec> {
    let enrolled = |node: &Node| {
        let volumes: Vec<Name> = cluster.volumes_of(&node.name).map(|v| v.name.clone()).collect();
        (!volumes.is_empty()).then(|| EnrolledNode { name: node.name.clone(), address: node.address.clone(), volumes })
    };
    let nodes: Vec<EnrolledNode> = cluster.nodes.iter().filter_map(enrolled).collect();
    let one = |s: &crate::file::KeyServer| KeyServerSpec {
        server: s.name.clone(),
        address: s.address.clone(),
        port: s.port,
        user: s.user.clone(),
        directory: SHARES.to_owned(),
        nodes: nodes.clone(),
    };
    cluster.servers.iter().map(one).collect()
}

/// The storage of one node.
pub fn storage(cluster: &Cluster, node: &Name) -> HostStorage {
    let volume = |v: &crate::file::Volume| Volume {
        name: v.name.clone(),
        group: v.group.clone(),
        size: v.size,
        filesystem: v.filesystem,
        inodes: v.inodes,
        path: v.path.clone(),
        discard: v.discard,
    };
    let volumes: Vec<Volume> = cluster.volumes_of(node).map(volume).collect();
    let groups = cluster.groups.iter().filter_map(|(group, by_node)| Some((group.clone(), by_node.get(node)?.clone()))).collect();
    let directories = kubestead_storage::pv::directories(POOL_ROOT, &cluster.pools, &cluster.named);
    let has_root = volumes.iter().any(|v| v.path == POOL_ROOT) && !directories.is_empty();
    HostStorage {
        node: node.clone(),
        groups,
        volumes,
        servers: cluster.servers.iter().map(|s| KeyServer { address: s.address.clone(), port: s.port, user: s.user.clone() }).collect(),
        pool_root: has_root.then(|| PoolRoot { path: POOL_ROOT.to_owned(), directories }),
        after_keys: keyserver::ready(&servers(cluster), node),
    }
}

/// Looks at every machine and at the escrow. It never fails as a whole: what could not be seen is said.
pub async fn observe(cluster: &Cluster, fleet: &Fleet, escrow: BTreeSet<String>, nonce: &str, now: i64, reporter: &dyn Reporter) -> Seen {
    let specs = servers(cluster);
    let mut sections = BTreeMap::new();
    for node in &cluster.nodes {
        let mut all = machine::sections();
        all.extend(kubestead_storage::observe::sections(&storage(cluster, &node.name)));
        all.extend(keyserver::node_sections());
        sections.insert(node.name.clone(), all);
    }
    for spec in &specs {
        sections.insert(spec.server.clone(), keyserver::server_sections(spec));
    }
    let mut answers = fleet.probe(sections, nonce, reporter).await;
    let mut seen = Seen { nodes: BTreeMap::new(), keys: BTreeMap::new(), servers: BTreeMap::new(), escrow, unreachable: BTreeSet::new() };
    seen.unreachable = fleet.failed().keys().cloned().collect();
    for spec in &specs {
        let facts = answers.remove(&spec.server).map(|a| Fact::from_result(a.and_then(|a| keyserver::read_server(&a))));
        seen.servers.insert(spec.server.clone(), facts.unwrap_or(Fact::Absent));
    }
    for (name, answers) in answers {
        let node = answers.as_ref().map_err(Clone::clone).and_then(|a| {
            Ok(NodeSeen { machine: machine::read(a, now)?, storage: kubestead_storage::observe::read(&storage(cluster, &name), a) })
        });
        let keys = answers.and_then(|a| keyserver::read_node(&a));
        seen.nodes.insert(name.clone(), Fact::from_result(node));
        seen.keys.insert(name, Fact::from_result(keys));
    }
    seen
}

/// From the file and what was seen to one plan: pure, total, deterministic.
pub fn plan(cluster: &Cluster, seen: &Seen) -> Result<Plan<Action>, BadPlan> {
    let mut part: Part<Action> = Part::default();
    let mut ready = BTreeMap::new();
    for node in &cluster.nodes {
        match seen.nodes.get(&node.name) {
            Some(Fact::Known(found)) => {
                let against = machine::held(&node.name, &found.machine);
                if against.is_empty() {
                    escrow(cluster, &node.name, found, seen, &mut part);
                    part.extend(kubestead_storage::plan::plan(&storage(cluster, &node.name), &found.storage).map(Action::Storage));
                    ready.insert(node.name.clone(), seen.keys.get(&node.name).cloned().unwrap_or(Fact::Absent));
                }
                part.held.extend(against);
            }
            Some(Fact::Unknown(gap)) => {
                let mut held = Held::new(node.name.as_str(), gap.to_string(), "nothing is done to a machine that is not seen");
                held.unreachable = seen.unreachable.contains(&node.name);
                part.held.push(held);
            }
            Some(Fact::Absent) | None => part.held.push(Held::new(node.name.as_str(), "it was not looked at", "observe again")),
        }
    }
    part.extend(keyserver::plan(&servers(cluster), &seen.servers, &ready).map(Action::Keys));
    if seen.servers.values().any(|fact| fact.known().is_none()) {
        // Without its key server a node can neither make nor open a volume.
        part.steps.retain(|step| !matches!(&step.action, Action::Storage(_) | Action::Escrow { .. }));
    }
    if cluster.kubernetes.is_some() {
        part.held.push(Held::new(
            "cluster/kubernetes",
            "this version makes machines, keys and volumes ready and does not install Kubernetes",
            "leave `kubernetes` out of the file",
        ));
    }
    let digest = serde_json::to_string(seen).map(|text| kubestead_storage::plan::digest(&text)).unwrap_or_default();
    Plan::new(cluster.digest.clone(), digest, part)
}

/// A recovery key for every volume, before the volume is made.
fn escrow(cluster: &Cluster, node: &Name, found: &NodeSeen, seen: &Seen, part: &mut Part<Action>) {
    for volume in cluster.volumes_of(node) {
        let name = format!("recovery.{node}.{}", volume.name);
        if seen.escrow.contains(&name) {
            continue;
        }
        let facts = found.storage.volumes.get(&volume.name);
        let made = facts.is_some_and(|f| matches!(f.header, Fact::Known(Header::Ours(_))) && f.logical.known().is_some_and(|l| !l.new));
        if made {
            let hint = format!(
                "restore {name}.age from the repository's history; if it is lost, add another recovery key to slot 6 with cryptsetup luksAddKey"
            );
            part.held.push(Held::new(format!("{node}/{}", volume.name), "its recovery key is not in the escrow", hint));
        } else {
            let why = format!("make a recovery key for {node}/{} and keep it encrypted", volume.name);
            part.push(Step::new(Target::Operator, &name, "escrow", Action::Escrow { name: name.clone() }, why));
        }
    }
}

/// Carries actions out.
pub struct Hands<'a> {
    /// The machines that answer.
    pub hosts: Hosts,
    /// The operator's secrets.
    pub escrow: &'a Escrow,
}

impl Runner<Action> for Hands<'_> {
    fn run<'a>(&'a self, step: &'a Step<Action>) -> BoxFuture<'a, Result<Done, String>> {
        Box::pin(async move {
            if let Action::Escrow { name } = &step.action {
                return match self.escrow.ensure(name, recovery_key).map_err(|e| chain(&e))? {
                    Kept::Made => Ok(Done::Changed),
                    Kept::Existed => Ok(Done::Already),
                };
            }
            let name = step.target.to_string();
            let host = self.hosts.get(&name).ok_or_else(|| format!("{name} is not connected"))?.as_ref();
            match &step.action {
                Action::Storage(action) => kubestead_storage::apply::apply(action, host, self.escrow).await.map_err(|e| chain(&e)),
                Action::Keys(action) => keyserver::apply(action, host, &self.hosts).await.map_err(|e| chain(&e)),
                Action::Escrow { .. } => Ok(Done::Already),
            }
        })
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
