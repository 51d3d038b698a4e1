//! What the one look tells already: machines that do not answer, certificates, images, and what is not as the file says.

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::Plan;

use super::finding::{Finding, Verdict};
use super::kind::Kind;
use crate::compose::{Action, Seen};
use crate::file::Cluster;
use crate::{kubeadm, node};

/// The machines that answer, and those that do not.
pub(super) fn reach(cluster: &Cluster, seen: &Seen) -> Vec<Finding> {
    let gap = |name: &Name| {
        let node = seen.nodes.get(name).map(Fact::gap);
        node.or_else(|| seen.servers.get(name).map(Fact::gap)).flatten()
    };
    let names = cluster.nodes.iter().map(|node| &node.name).chain(cluster.servers.iter().map(|server| &server.name));
    let each = names.map(|name| match (seen.unreachable.contains(name), gap(name)) {
        (false, None) => Finding::good(Kind::Reach, name.as_str(), "it answers"),
        (is_away, gap) => {
            let why = gap.map_or_else(|| "it does not answer".to_owned(), ToString::to_string);
            let next =
                "nothing else is known of it: see that it runs, and that ssh reaches it; kubestead plan tells the command that failed";
            let verdict = if is_away { Verdict::NotSeen } else { Verdict::Bad };
            Finding { verdict, ..Finding::bad(Kind::Reach, name.as_str(), why, next) }
        }
    });
    each.collect()
}

/// Certificates of control planes. `now` is in seconds since 1970.
pub(super) fn certificates(cluster: &Cluster, seen: &Seen, now: i64) -> Vec<Finding> {
    let facts = |name| seen.nodes.get(name).and_then(Fact::known).and_then(|found| found.kubeadm.as_ref());
    let servers: Vec<_> = cluster.control_planes().filter_map(|node| Some((&node.name, facts(&node.name)?))).collect();
    let lines = kubeadm::certificate_lines(now, &servers);
    if lines.is_empty() {
        return vec![Finding::not_looked(Kind::Certificates, "cluster", "no control plane tells of certificates")];
    }
    let next = "kubeadm certs renew all on that machine, then restart its static pods: docs/recovery/certificates.md goes through it";
    let one = |(name, text, is_good): (Name, String, bool)| {
        if is_good {
            Finding::good(Kind::Certificates, name.as_str(), text)
        } else {
            Finding::bad(Kind::Certificates, name.as_str(), text, next)
        }
    };
    lines.into_iter().map(one).collect()
}

/// Whether the images of the bundle are in the store of each node.
pub(super) fn images(cluster: &Cluster, plan: &Plan<Action>) -> Vec<Finding> {
    let each = cluster.nodes.iter().map(|of| {
        let brings = |action: &Action| matches!(action, Action::Node(node::Action::Images { .. }));
        let missing = plan.steps.iter().find(|step| brings(&step.action) && step.target.to_string() == of.name.as_str());
        match missing {
            Some(step) => {
                Finding::bad(Kind::Images, of.name.as_str(), format!("images are missing: {}", step.why), "kubestead up brings them")
            }
            None => Finding::good(Kind::Images, of.name.as_str(), "no image of the bundle is missing"),
        }
    });
    each.collect()
}

/// What `plan` would say.
pub(super) fn plan(plan: &Plan<Action>) -> Vec<Finding> {
    let held = plan.held.iter().filter(|held| !held.unreachable).map(|held| {
        let why = held.reason.strip_prefix(&format!("{}: ", held.object)).unwrap_or(&held.reason);
        Finding::bad(Kind::Plan, held.object.as_str(), why, held.hint.as_str())
    });
    let mut found: Vec<Finding> = held.collect();
    if let Some(first) = plan.steps.first() {
        let more = plan.steps.len() - 1;
        let rest = if more == 0 { String::new() } else { format!(", and {more} more") };
        let told = format!("not all is as the file says: {} ({}){rest}", first.id, first.why);
        found.push(Finding::bad(Kind::Plan, "cluster", told, "kubestead plan tells each step; kubestead up does them"));
    }
    if found.is_empty() {
        found.push(Finding::good(Kind::Plan, "cluster", "all that was seen is as the file says"));
    }
    found
}
