//! `kubestead status` and `kubestead volume list`: how things are, and why.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_provision::compose::{self, NodeSeen, Seen};
use kubestead_provision::encryption;
use kubestead_provision::file::{Cluster, Node};
use kubestead_provision::kubeadm;
use kubestead_provision::objects::NodeState;
use kubestead_provision::secret::{self, State};
use kubestead_provision::session::Session;
use kubestead_storage::observe::{Header, VolumeFacts};
use kubestead_storage::spec::Volume;
use serde::Serialize;

use super::session;
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure};
use crate::print;
use crate::progress::Progress;

/// A volume on a node.
#[derive(Serialize)]
pub(super) struct Row {
    node: String,
    volume: String,
    path: String,
    state: String,
    pub(super) good: bool,
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<10} {:<14} {:<30} {}", self.node, self.volume, self.path, self.state)
    }
}

/// The volumes; with `all` the machines that do not answer and what is held too.
pub(crate) async fn run(common: &Common, all: bool) -> Result<Exit, Failure> {
    let machines = Session::new(super::check::load(common)?);
    let seen = machines.observe(&Progress::new(None)).await?;
    let rows = rows(&machines.cluster, &seen);
    let plan = compose::plan(&machines.cluster, &seen)?;
    match common.output {
        Format::Json => {
            let encryption: BTreeMap<&Name, _> = seen.nodes.iter().filter_map(|(n, f)| Some((n, f.known()?.encryption.known()?))).collect();
            let secrets = states(&machines.cluster, &seen);
            let ends = |fact: &Fact<NodeSeen>| Some(fact.known()?.kubeadm.as_ref()?.certificates.clone()).filter(|all| !all.is_empty());
            let certificates: BTreeMap<&Name, _> = seen.nodes.iter().filter_map(|(n, f)| Some((n, ends(f)?))).collect();
            print::json(
                &serde_json::json!({"volumes": rows, "cluster": seen.api, "certificates": certificates, "encryption": encryption, "secrets": secrets, "held": plan.held, "steps": plan.steps.len()}),
            )?;
        }
        Format::Text => {
            for row in &rows {
                print::data(&row.to_string());
            }
            let (at_rest, secrets) = (at_rest(&machines.cluster, &seen), secrets(&machines.cluster, &seen));
            let ends = certificates(&machines.cluster, &seen);
            for line in api(&seen).iter().chain(&ends).chain(&at_rest).chain(&secrets).filter(|_| all) {
                print::data(line);
            }
            for held in plan.held.iter().filter(|_| all) {
                print::data(&format!("{}: {} ({})", held.object, held.reason, held.hint));
            }
        }
    }
    let verdict = session::verdict(&plan);
    Ok(if verdict == Exit::Changes && !all { Exit::Done } else { verdict })
}

/// When the control planes' certificates end.
fn certificates(cluster: &Cluster, seen: &Seen) -> Vec<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let facts = |node: &Node| seen.nodes.get(&node.name).and_then(Fact::known).and_then(|found| found.kubeadm.as_ref());
    let servers: Vec<_> = cluster.control_planes().filter_map(|n| Some((&n.name, facts(n)?))).collect();
    kubeadm::certificate_lines(i64::try_from(now).unwrap_or(i64::MAX), &servers)
}

/// Encryption at rest on the control planes.
fn at_rest(cluster: &Cluster, seen: &Seen) -> Vec<String> {
    let Some(wanted) = &cluster.kubernetes else { return Vec::new() };
    let facts = |node: &Node| seen.nodes.get(&node.name).and_then(Fact::known).and_then(|found| found.encryption.known());
    let servers: Vec<_> = cluster.control_planes().filter_map(|n| Some((&n.name, facts(n)?))).collect();
    encryption::lines(&wanted.encryption, &servers)
}

/// The cluster as its API tells.
fn api(seen: &Seen) -> Vec<String> {
    match &seen.api {
        Fact::Known(api) if api.answers => {
            let node = |(name, node): (&String, &NodeState)| {
                let state = if node.ready { "Ready".to_owned() } else { format!("not Ready: {}", node.message) };
                format!("{name:<10} {:<14} {state}", "node")
            };
            let workloads = api.unready.iter().map(|w| format!("{:<10} {:<14} {w}", "cluster", "workload"));
            api.nodes.iter().map(node).chain(workloads).collect()
        }
        Fact::Known(_) => vec!["cluster    api            the API server does not answer".to_owned()],
        Fact::Absent | Fact::Unknown(_) => Vec::new(), // no cluster; or the plan holds it and says why
    }
}

/// How each Secret is; `None` if they could not be seen.
fn states(cluster: &Cluster, seen: &Seen) -> Option<BTreeMap<String, State>> {
    let made = cluster.namespace.as_ref().map(|namespace| &namespace.name);
    seen.secrets.known().map(|facts| secret::states(&seen.wish, facts, made))
}

/// How many Secrets are how, and which are not as their files say.
fn secrets(cluster: &Cluster, seen: &Seen) -> Vec<String> {
    let line = |text: &str| format!("{:<10} {:<14} {text}", "cluster", "secrets");
    let Some(states) = states(cluster, seen) else {
        let wanted = seen.wish.secrets.len();
        let why = seen.secrets.gap().map_or_else(|| "there is no cluster that answers".to_owned(), ToString::to_string);
        return if wanted == 0 { Vec::new() } else { vec![line(&format!("{wanted} not known: {why}"))] };
    };
    let (mut good, mut changed, mut missing, mut orphans) = (0, 0, 0, 0);
    let mut lines = Vec::new();
    for (name, state) in &states {
        let word = match state {
            State::InSync => {
                good += 1;
                continue;
            }
            State::Missing => {
                missing += 1;
                "missing".to_owned()
            }
            State::Waits(why) => {
                missing += 1;
                why.clone()
            }
            State::Orphan => {
                orphans += 1;
                "in no file any more".to_owned()
            }
            State::Stale(why) | State::Fixed(why) => {
                changed += 1;
                why.clone()
            }
            State::Changed(keys) => {
                changed += 1;
                keys.iter().map(|(key, who)| format!("{key} was {who}")).collect::<Vec<_>>().join(", ")
            }
            State::Foreign(_) => {
                changed += 1;
                "kubestead did not make it".to_owned()
            }
        };
        lines.push(line(&format!("{name}: {word}")));
    }
    if !states.is_empty() {
        lines.insert(0, line(&format!("{good} in sync, {changed} changed, {missing} missing, {orphans} orphaned")));
    }
    lines
}

pub(super) fn rows(cluster: &Cluster, seen: &Seen) -> Vec<Row> {
    let mut rows = Vec::new();
    for node in &cluster.nodes {
        let storage = seen.nodes.get(&node.name).and_then(Fact::known).map(|n| &n.storage);
        for volume in cluster.volumes_of(&node.name) {
            let facts = storage.and_then(|s| s.volumes.get(&volume.name));
            let (state, good) = facts.map_or_else(|| ("not seen".to_owned(), false), |f| state(f, volume, &node.name));
            rows.push(Row { node: node.name.to_string(), volume: volume.name.to_string(), path: volume.path.clone(), state, good });
        }
    }
    rows
}

fn state(facts: &VolumeFacts, volume: &Volume, node: &Name) -> (String, bool) {
    let path = &volume.path;
    let own = format!("/dev/mapper/{} ", volume.mapper());
    let state = match (&facts.header, &facts.opened, &facts.mounted) {
        (Fact::Known(Header::Ours(_)), Some(_), Some(_)) => return ("open and mounted".to_owned(), true),
        (Fact::Known(Header::Ours(_)), Some(_), None) => format!("open, not mounted at {path}"),
        (Fact::Known(Header::Ours(_)), None, _) if volume.unlock.by_hand() => format!("locked: kubestead volume unlock {node}"),
        (Fact::Known(Header::Ours(_)), None, _) => "closed: waiting for its key (journalctl -u 'kubestead-key-*' on the node)".to_owned(),
        (Fact::Known(Header::Blank) | Fact::Absent, ..)
            if facts.crypttab.is_some() || facts.fstab.as_ref().is_some_and(|line| line.starts_with(&own)) =>
        {
            format!("gone: it was mounted at {path}; `plan` tells more")
        }
        (Fact::Known(Header::Blank) | Fact::Absent, ..) => "not made".to_owned(),
        (Fact::Known(Header::Damaged(what) | Header::Mendable(what)), ..) => format!("damaged: {what}"),
        (Fact::Known(Header::Foreign(what) | Header::Tokenless(what)), ..) => format!("not ours: {what}"),
        (Fact::Unknown(gap), ..) => format!("not known: {gap}"),
    };
    (state, false)
}
