//! The second pair of eyes over steps of kubeadm: what must not run on what was seen. It shares no code with the planner.

use kubestead_core::claim;
use kubestead_core::plan::Step;

use super::action::Action;
use super::observe::{Cut, KubeadmFacts, State};

/// Why a step must not run; `None` for one that may.
pub fn fault(facts: &KubeadmFacts, step: &Step<Action>) -> Option<String> {
    if let Some(fault) = claim::fault(&facts.files, step, &step.action.writes()) {
        return Some(fault);
    }
    let membership = match &step.action {
        Action::Adoption(adoption) => return claim::unasked(&facts.files, step, adoption),
        Action::Reset { spec } if facts.cluster.as_deref() != Some(spec.name.as_str()) => {
            Some(format!("the machine is not proven to belong to {}: {:?}", spec.name, facts.cluster))
        }
        Action::Init { spec, .. } | Action::Join { spec, .. } | Action::Prepare { spec } => match (facts.state, facts.cluster.as_deref()) {
            (State::Fresh | State::Begun, Some(other)) if other != spec.name.as_str() => Some(format!("the machine belongs to {other}")),
            (State::Fresh, _) if !facts.leftovers.is_empty() => Some(format!("an earlier cluster left {}", facts.leftovers.join(", "))),
            (State::Fresh, _) | (State::Begun, Some(_)) => None,
            (state, cluster) => Some(format!("the machine is no fresh one: {state:?} of {cluster:?}")),
        },
        Action::Components { spec, before, again, all, old, .. } => match (facts.state, facts.cluster.as_deref()) {
            (State::ControlPlane, Some(own))
                if own == spec.name.as_str()
                    && *all == (facts.cut != Cut::None)
                    && (*again || *all || !old.is_empty() || **before != spec.added.components) =>
            {
                None
            }
            (state, cluster) => Some(format!("it is no control plane of {} that differs: {state:?} of {cluster:?}", spec.name)),
        },
        Action::PutBack if facts.state != State::ControlPlane || facts.cut != Cut::Unproven => {
            Some(format!("no manifest of it was replaced and not seen to run: {:?}", facts.state))
        }
        Action::PutBack | Action::Reset { .. } | Action::Mount { .. } | Action::StartKubelet => None,
    };
    membership.map(|why| format!("{}: {why}", step.id))
}
