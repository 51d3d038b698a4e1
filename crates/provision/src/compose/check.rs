//! Invariants over a plan of all domains.

use kubestead_core::fact::Fact;
use kubestead_core::plan::{Plan, Step, Target};

use super::{Action, Seen};
use crate::keyserver;

/// The second pair of eyes: what of a plan must not run on what was seen, each a sentence. A plan of [`super::plan`] has none.
pub fn check(seen: &Seen, plan: &Plan<Action>) -> Vec<String> {
    let keys: Vec<Step<keyserver::Action>> = plan.steps.iter().filter_map(of_keys).collect();
    let mut found = keyserver::check(&seen.servers, &keys);
    for step in &plan.steps {
        let Target::Host(name) = &step.target else { continue };
        let node = seen.nodes.iter().find(|(n, _)| n.as_str() == name).map(|(_, fact)| fact);
        match (node, &step.action) {
            (Some(Fact::Known(node)), Action::Storage(action)) => {
                let step = step.clone().map(|_| action.clone());
                found.extend(kubestead_storage::check::steps(&node.storage, [&step]));
            }
            (Some(Fact::Unknown(_) | Fact::Absent), _) => found.push(format!("{}: {name} was not seen", step.id)),
            _ => {}
        }
    }
    found
}

fn of_keys(step: &Step<Action>) -> Option<Step<keyserver::Action>> {
    let Action::Keys(action) = &step.action else { return None };
    Some(step.clone().map(|_| action.clone()))
}
