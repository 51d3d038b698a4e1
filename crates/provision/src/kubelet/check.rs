//! The second pair of eyes over steps of kubelets: what must not run on what was seen. It shares no code with the planner.

use kubestead_core::claim;
use kubestead_core::plan::{Risk, Step};
use kubestead_core::put::Files;

use super::action::Action;

/// Why a step must not run; `None` for one that may.
pub fn fault(files: &Files, step: &Step<Action>) -> Option<String> {
    if let Some(fault) = claim::fault(files, step, step.action.writes()) {
        return Some(fault);
    }
    match &step.action {
        Action::Adoption(adoption) => claim::unasked(files, step, adoption),
        Action::Approver { .. } | Action::NoApprover | Action::Link { .. } | Action::NoLink => None,
        Action::Settings { .. } | Action::Unset { .. } => {
            let quiet = step.action.starts_again() && step.risk == Risk::Safe;
            quiet.then(|| format!("{}: a kubelet that runs would start again without a word", step.id))
        }
    }
}
