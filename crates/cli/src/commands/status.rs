//! `kubestead status` and `kubestead volume list`: how things are, and why.

use std::collections::BTreeMap;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_provision::cluster::NodeState;
use kubestead_provision::compose::{self, Seen};
use kubestead_provision::encryption;
use kubestead_provision::file::{Cluster, Node};
use kubestead_provision::session::Session;
use kubestead_storage::observe::{Header, VolumeFacts};
use serde::Serialize;

use super::session;
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure};
use crate::print;
use crate::progress::Progress;

/// A volume on a node.
#[derive(Serialize)]
struct Row {
    node: String,
    volume: String,
    path: String,
    state: String,
    good: bool,
}

/// The volumes; with `all` the machines that do not answer and what is held too.
pub(crate) async fn run(common: &Common, all: bool) -> Result<Exit, Failure> {
    let machines = Session::connect(super::check::load(common)?).await;
    let seen = machines.observe(&Progress::new(None)).await?;
    let rows = rows(&machines.cluster, &seen);
    let plan = compose::plan(&machines.cluster, &seen)?;
    match common.output {
        Format::Json => {
            let encryption: BTreeMap<&Name, _> = seen.nodes.iter().filter_map(|(n, f)| Some((n, f.known()?.encryption.known()?))).collect();
            print::json(
                &serde_json::json!({"volumes": rows, "cluster": seen.api, "encryption": encryption, "held": plan.held, "steps": plan.steps.len()}),
            )?
        }
        Format::Text => {
            for row in &rows {
                print::data(&format!("{:<10} {:<14} {:<30} {}", row.node, row.volume, row.path, row.state));
            }
            for line in api(&seen).iter().chain(&at_rest(&machines.cluster, &seen)).filter(|_| all) {
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

fn rows(cluster: &Cluster, seen: &Seen) -> Vec<Row> {
    let mut rows = Vec::new();
    for node in &cluster.nodes {
        let storage = seen.nodes.get(&node.name).and_then(Fact::known).map(|n| &n.storage);
        for volume in cluster.volumes_of(&node.name) {
            let facts = storage.and_then(|s| s.volumes.get(&volume.name));
            let (state, good) = facts.map_or_else(|| ("not seen".to_owned(), false), |f| state(f, &volume.path));
            rows.push(Row { node: node.name.to_string(), volume: volume.name.to_string(), path: volume.path.clone(), state, good });
        }
    }
    rows
}

fn state(facts: &VolumeFacts, path: &str) -> (String, bool) {
    let state = match (&facts.header, &facts.opened, &facts.mounted) {
        (Fact::Known(Header::Ours(_)), Some(_), Some(_)) => return ("open and mounted".to_owned(), true),
        (Fact::Known(Header::Ours(_)), Some(_), None) => format!("open, not mounted at {path}"),
        (Fact::Known(Header::Ours(_)), None, _) => "closed: waiting for its key (journalctl -u 'kubestead-key-*' on the node)".to_owned(),
        (Fact::Known(Header::Blank) | Fact::Absent, ..) => "not made".to_owned(),
        (Fact::Known(Header::Damaged(what)), ..) => format!("damaged: {what}"),
        (Fact::Known(Header::Foreign(what) | Header::Tokenless(what)), ..) => format!("not ours: {what}"),
        (Fact::Unknown(gap), ..) => format!("not known: {gap}"),
    };
    (state, false)
}
