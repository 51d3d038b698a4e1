//! Invariants over a plan of all domains.

use kubestead_core::fact::Fact;
use kubestead_core::plan::{Plan, Target};

use super::{Action, Seen};
use crate::{cluster, kubeadm};

/// The second pair of eyes: what of a plan must not run on what was seen, each a sentence. A plan of [`super::plan`] or [`super::reset`] has none.
pub fn check(seen: &Seen, plan: &Plan<Action>) -> Vec<String> {
    let mut found = Vec::new();
    for step in &plan.steps {
        let Target::Host(name) = &step.target else { continue };
        let node = seen.nodes.iter().find(|(n, _)| n.as_str() == name).map(|(_, fact)| fact);
        match (node, &step.action) {
            (Some(Fact::Known(node)), Action::Storage(action)) => {
                let step = step.clone().map(|_| action.clone());
                found.extend(kubestead_storage::check::steps(&node.storage, [&step]));
            }
            (Some(Fact::Known(node)), Action::Kubeadm(action)) => {
                let fault = node.kubeadm.as_ref().and_then(|facts| kubeadm::fault(facts, action));
                found.extend(fault.map(|why| format!("{}: {why}", step.id)));
            }
            (Some(Fact::Unknown(_) | Fact::Absent), _) => found.push(format!("{}: {name} was not seen", step.id)),
            _ => {}
        }
    }
    let at_the_api =
        plan.steps.iter().filter_map(|step| if let Action::Cluster(action) = &step.action { Some((step, action)) } else { None });
    found.extend(cluster::faults(seen.api.known(), at_the_api));
    found
}
