//! What each action does to what kubelets say: for tests, and to see ahead.

use super::action::Action;
use super::observe::KubeletFacts;

/// The facts after an action on a node that succeeded. What is where files belong is one for all domains, and not changed here.
pub fn model(action: &Action, facts: &mut KubeletFacts) {
    match action {
        Action::Settings { settings, hostname, .. } => facts.0.entry(hostname.to_string()).or_default().extend(settings.0.clone()),
        Action::Adoption(_)
        | Action::Unset { .. }
        | Action::Approver { .. }
        | Action::NoApprover
        | Action::Link { .. }
        | Action::NoLink => {}
    }
}
