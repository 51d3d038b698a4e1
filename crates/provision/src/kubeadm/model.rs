//! What each action does to the facts of its node: for tests, and to see ahead.

use kubestead_core::put::digest;

use super::action::Action;
use super::observe::{KubeadmFacts, State};
use super::spec::KubeadmSpec;

/// The facts after an action that succeeded. What is where files belong is one for all domains, and not changed here.
pub fn model(action: &Action, facts: &mut KubeadmFacts) {
    let member = |facts: &mut KubeadmFacts, spec: &KubeadmSpec, state| {
        (facts.state, facts.kubelet) = (state, true);
        (facts.cluster, facts.ca) = (Some(spec.name.to_string()), Some(digest(spec.name.as_str())));
    };
    match action {
        Action::Prepare { spec } => (facts.cluster, facts.encryption) = (Some(spec.name.to_string()), true),
        Action::Init { spec, .. } => {
            member(facts, spec, State::ControlPlane);
            facts.server = Some(spec.version.clone());
        }
        Action::Join { spec, .. } => member(facts, spec, State::Worker),
        Action::StartKubelet => facts.kubelet = true,
        Action::Reset { .. } => *facts = KubeadmFacts { files: std::mem::take(&mut facts.files), ..KubeadmFacts::default() },
        Action::Adoption(_) | Action::Mount { .. } => {}
    }
}
