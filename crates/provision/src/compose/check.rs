//! Invariants over a plan of all domains.

use kubestead_core::fact::Fact;
use kubestead_core::plan::{Plan, Step, Target};

use super::{Action, Seen};

/// The second pair of eyes: what of a plan must not run on what was seen, each a sentence. A plan of [`super::plan`] has none.
pub fn check(seen: &Seen, plan: &Plan<Action>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, fact) in &seen.nodes {
        let target = Target::Host(name.to_string());
        let own = plan.steps.iter().filter(|step| step.target == target);
        match fact {
            Fact::Known(node) => {
                let storage = |step: &Step<Action>| match &step.action {
                    Action::Storage(action) => Some(step.clone().map(|_| action.clone())),
                    _ => None,
                };
                let steps: Vec<_> = own.filter_map(storage).collect();
                found.extend(kubestead_storage::check::steps(&node.storage, &steps));
            }
            Fact::Unknown(_) | Fact::Absent => found.extend(own.map(|step| format!("{}: {name} was not seen", step.id))),
        }
    }
    found
}
