//! `kubestead status` and `kubestead volume list`: how things are, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kubestead_backend::ssh::Ssh;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Plan};
use kubestead_provision::compose::{self, Action, NodeSeen, Seen};
use kubestead_provision::encryption;
use kubestead_provision::file::{Cluster, Node};
use kubestead_provision::kubeadm;
use kubestead_provision::objects::NodeState;
use kubestead_provision::secret::{self, State};
use kubestead_provision::service::{self, ServiceState};
use kubestead_provision::session::Session;
use kubestead_storage::observe::{Header, VolumeFacts};
use kubestead_storage::spec::Volume;
use serde::Serialize;

use super::session;
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::progress::Progress;
use crate::screen::{self, Report, Trouble};
use crate::{ask, paint, print};

/// A volume on a node.
#[derive(Serialize)]
pub(super) struct Row {
    node: String,
    volume: String,
    path: String,
    pub(super) state: String,
    pub(super) good: bool,
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<10} {:<14} {:<30} {}", self.node, self.volume, self.path, self.state)
    }
}

/// The volumes alone.
pub(crate) async fn volumes(common: &Common) -> Result<Exit, Failure> {
    let machines = Session::over(super::check::load(common)?, Arc::<Ssh>::default());
    let seen = machines.observe(&Progress::new(None)).await?;
    let plan = compose::plan(&machines.cluster, &seen)?;
    match common.output {
        Format::Json => json(&machines.cluster, &seen, &plan)?,
        Format::Text => {
            for row in &rows(&machines.cluster, &seen) {
                print::data(&row.to_string());
            }
        }
    }
    let verdict = session::verdict(&plan);
    Ok(if verdict == Exit::Changes { Exit::Done } else { verdict })
}

/// All of it, on one screen.
pub(crate) async fn run(common: &Common, watch: Option<Duration>) -> Result<Exit, Failure> {
    if watch.is_some() && (common.output == Format::Json || !ask::can()) {
        return Err(
            fail(Exit::Usage, "--watch draws on a terminal").hint("call `kubestead status --output json` as often as you like instead")
        );
    }
    let machines = Session::over(super::check::load(common)?, Arc::<Ssh>::default());
    if let Some(interval) = watch {
        return super::watch::run(&machines, interval).await;
    }
    let progress = if common.output == Format::Json { Progress::new(None) } else { Progress::of_looks() };
    let seen = machines.observe(&progress).await?;
    drop(progress);
    let plan = compose::plan(&machines.cluster, &seen)?;
    match common.output {
        Format::Json => json(&machines.cluster, &seen, &plan)?,
        Format::Text => print::data(&report(&machines.cluster, &seen, &plan).shown(paint::wanted(), print::data_width())),
    }
    Ok(session::verdict(&plan))
}

fn json(cluster: &Cluster, seen: &Seen, plan: &Plan<Action>) -> Result<(), Failure> {
    let encryption: BTreeMap<&Name, _> = seen.nodes.iter().filter_map(|(n, f)| Some((n, f.known()?.encryption.known()?))).collect();
    let secrets = states(cluster, seen);
    let ends = |fact: &Fact<NodeSeen>| Some(fact.known()?.kubeadm.as_ref()?.certificates.clone()).filter(|all| !all.is_empty());
    let certificates: BTreeMap<&Name, _> = seen.nodes.iter().filter_map(|(n, f)| Some((n, ends(f)?))).collect();
    let rows = rows(cluster, seen);
    let refused = seen.api.known().map(|api| compose::refusals(cluster, api)).unwrap_or_default();
    print::json(
        &serde_json::json!({"volumes": rows, "cluster": seen.api, "certificates": certificates, "encryption": encryption, "secrets": secrets, "services": of_services(seen), "refused": refused, "held": plan.held, "steps": plan.steps.len()}),
    )?;
    Ok(())
}

/// How all is that was seen.
pub(super) fn report(cluster: &Cluster, seen: &Seen, plan: &Plan<Action>) -> Report {
    let trouble = |held: &Held| Trouble {
        what: held.object.clone(),
        // A reason that begins with the name of what it is about says it once.
        why: held.reason.strip_prefix(&format!("{}: ", held.object)).unwrap_or(&held.reason).to_owned(),
        hint: held.hint.clone(),
        is_unreachable: held.unreachable,
    };
    let volumes = rows(cluster, seen).into_iter().map(|row| screen::Row::new(row.good, [row.node, row.volume, row.path, row.state]));
    let in_cluster =
        [api(seen), certificates(cluster, seen), at_rest(cluster, seen), secrets(cluster, seen), services(seen), pods(cluster, seen)]
            .concat();
    Report {
        name: cluster.name.to_string(),
        groups: vec![("machines", machines(cluster, seen, plan)), ("volumes", volumes.collect()), ("cluster", in_cluster)],
        troubles: plan.held.iter().map(trouble).collect(),
        steps: plan.steps.len(),
    }
}

/// Nodes as the API tells of them, or else as they were seen, and key servers.
pub(super) fn machines(cluster: &Cluster, seen: &Seen, plan: &Plan<Action>) -> Vec<screen::Row> {
    // Why not is said where it is said what to do about it.
    let unseen = |name: &Name, gap: &Gap| {
        let is_told = plan.held.iter().any(|held| held.object == name.as_str());
        if is_told { "not seen: why stands above".to_owned() } else { format!("not seen: {gap}") }
    };
    let api = seen.api.known().filter(|api| api.answers);
    let row = |name: &str, (is_good, state): (bool, String)| screen::Row::new(is_good, [name, state.as_str()]);
    let in_file: BTreeSet<&str> = cluster.nodes.iter().map(|node| node.hostname.as_str()).collect();
    let mut rows = Vec::new();
    for node in &cluster.nodes {
        let state = match (seen.nodes.get(&node.name), api.and_then(|api| api.nodes.get(node.hostname.as_str()))) {
            (Some(Fact::Known(_)), Some(state)) => readiness(state),
            (Some(Fact::Known(_)), None) => {
                (true, if cluster.kubernetes.is_some() { "seen, no node of a cluster yet" } else { "seen" }.to_owned())
            }
            (Some(Fact::Unknown(gap)), _) => (false, unseen(&node.name, gap)),
            (Some(Fact::Absent) | None, _) => (false, "not seen".to_owned()),
        };
        rows.push(row(node.name.as_str(), state));
    }
    for (name, server) in &seen.servers {
        rows.push(row(
            name.as_str(),
            server.gap().map_or((true, "key server, seen".to_owned()), |gap| (false, format!("key server, {}", unseen(name, gap)))),
        ));
    }
    let others = api.into_iter().flat_map(|api| &api.nodes).filter(|(name, _)| !in_file.contains(name.as_str()));
    rows.extend(others.map(|(name, state)| {
        let (is_good, text) = readiness(state);
        row(name, (is_good, format!("{text}, and in no file")))
    }));
    rows
}

fn readiness(state: &NodeState) -> (bool, String) {
    (state.ready, if state.ready { "Ready".to_owned() } else { format!("not Ready: {}", state.message) })
}

/// In seconds since 1970.
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

/// When the control planes' certificates end.
pub(super) fn certificates(cluster: &Cluster, seen: &Seen) -> Vec<screen::Row> {
    let facts = |node: &Node| seen.nodes.get(&node.name).and_then(Fact::known).and_then(|found| found.kubeadm.as_ref());
    let servers: Vec<_> = cluster.control_planes().filter_map(|n| Some((&n.name, facts(n)?))).collect();
    let lines = kubeadm::certificate_lines(now(), &servers);
    lines.into_iter().map(|(name, text, is_good)| screen::Row::new(is_good, [name.as_str(), "certificates", &text])).collect()
}

/// Encryption at rest on the control planes.
pub(super) fn at_rest(cluster: &Cluster, seen: &Seen) -> Vec<screen::Row> {
    let Some(wanted) = &cluster.kubernetes else { return Vec::new() };
    let facts = |node: &Node| seen.nodes.get(&node.name).and_then(Fact::known).and_then(|found| found.encryption.known());
    let servers: Vec<_> = cluster.control_planes().filter_map(|n| Some((&n.name, facts(n)?))).collect();
    let lines = encryption::lines(&wanted.encryption, &servers);
    lines.into_iter().map(|(name, text, is_good)| screen::Row::new(is_good, [name.as_str(), "encryption", &text])).collect()
}

/// The cluster as its API tells, but for nodes.
pub(super) fn api(seen: &Seen) -> Vec<screen::Row> {
    match &seen.api {
        Fact::Known(api) if api.answers => {
            api.unready.iter().map(|workload| screen::Row::new(false, ["cluster", "workload", workload.as_str()])).collect()
        }
        Fact::Known(_) => vec![screen::Row::new(false, ["cluster", "api", "the API server does not answer"])],
        Fact::Absent | Fact::Unknown(_) => Vec::new(), // no cluster; or the plan holds it and says why
    }
}

/// The users' pods that would be refused when they are made anew.
pub(super) fn pods(cluster: &Cluster, seen: &Seen) -> Vec<screen::Row> {
    let Some(api) = seen.api.known() else { return Vec::new() };
    let line = |is_good: bool, text: &str| screen::Row::new(is_good, ["cluster", "pod security", text]);
    let refused = compose::refusals(cluster, api).into_iter().map(|words| line(false, &format!("{words}: refused when it is made anew")));
    let more = api.pods.as_ref().is_some_and(|pods| pods.more);
    refused.chain(more.then(|| line(true, "there are more pods than were looked at"))).collect()
}

/// How each Secret is; `None` if they could not be seen.
fn states(cluster: &Cluster, seen: &Seen) -> Option<BTreeMap<String, State>> {
    let made = cluster.namespace.as_ref().map(|namespace| &namespace.name);
    seen.secrets.known().map(|facts| secret::states(&seen.wish, facts, made))
}

/// How each service is; `None` if they could not be seen.
fn of_services(seen: &Seen) -> Option<Vec<ServiceState>> {
    let objects = seen.api.known().map(|api| service::records(&api.objects)).unwrap_or_default();
    seen.services.known().map(|facts| service::states(&seen.asked, facts, &objects, now()))
}

/// The users' own services, a line each.
pub(super) fn services(seen: &Seen) -> Vec<screen::Row> {
    let row = |is_good, text: String| screen::Row::new(is_good, ["cluster", "services", &text]);
    match of_services(seen) {
        Some(states) => states.into_iter().map(|state| row(state.good, format!("{}: {}", state.name, state.words))).collect(),
        None if seen.asked.services.is_empty() => Vec::new(),
        None => {
            let why = seen.services.gap().map_or_else(|| "there is no cluster that answers".to_owned(), ToString::to_string);
            vec![row(false, format!("{} not known: {why}", seen.asked.services.len()))]
        }
    }
}

/// How many Secrets are how, and which are not as their files say.
pub(super) fn secrets(cluster: &Cluster, seen: &Seen) -> Vec<screen::Row> {
    let line = |is_good: bool, text: &str| screen::Row::new(is_good, ["cluster", "secrets", text]);
    let Some(states) = states(cluster, seen) else {
        let wanted = seen.wish.secrets.len();
        let why = seen.secrets.gap().map_or_else(|| "there is no cluster that answers".to_owned(), ToString::to_string);
        return if wanted == 0 { Vec::new() } else { vec![line(false, &format!("{wanted} not known: {why}"))] };
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
        lines.push(line(false, &format!("{name}: {word}")));
    }
    if !states.is_empty() {
        lines.insert(0, line(lines.is_empty(), &format!("{good} in sync, {changed} changed, {missing} missing, {orphans} orphaned")));
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
    let own = format!("{} ", volume.source());
    let state = match (&facts.header, &facts.opened, &facts.mounted) {
        (Fact::Known(Header::Plain(_)), _, mounted) if !volume.is_encrypted() => match mounted {
            Some(_) => return ("mounted, not encrypted".to_owned(), true),
            None => format!("not encrypted, not mounted at {path}"),
        },
        (Fact::Known(Header::Ours(_)), ..) if !volume.is_encrypted() => "encrypted, and the file says that it is not".to_owned(),
        (Fact::Known(Header::Ours(_)), Some(_), Some(_)) => return ("open and mounted".to_owned(), true),
        (Fact::Known(Header::Ours(_)), Some(_), None) => format!("open, not mounted at {path}"),
        (Fact::Known(Header::Ours(_)), None, _) if volume.by_hand() => format!("locked: kubestead volume unlock {node}"),
        (Fact::Known(Header::Ours(_)), None, _) => "closed: waiting for its key (journalctl -u 'kubestead-key-*' on the node)".to_owned(),
        (Fact::Known(Header::Blank) | Fact::Absent, ..)
            if facts.crypttab.is_some() || facts.fstab.as_ref().is_some_and(|line| line.starts_with(&own)) =>
        {
            format!("gone: it was mounted at {path}; `plan` tells more")
        }
        (Fact::Known(Header::Blank) | Fact::Absent, ..) => "not made".to_owned(),
        (Fact::Known(Header::Damaged(what) | Header::Mendable(what)), ..) => format!("damaged: {what}"),
        (Fact::Known(Header::Plain(what)), ..) => format!("not encrypted: {what}"),
        (Fact::Known(Header::Foreign(what) | Header::Tokenless(what)), ..) => format!("not ours: {what}"),
        (Fact::Unknown(gap), ..) => format!("not known: {gap}"),
    };
    (state, false)
}
