//! Invariants over a plan of all domains.

use std::collections::BTreeMap;

use kubestead_core::fact::Fact;
use kubestead_core::plan::{Plan, Step, Target};

use super::{Action, Seen};
use crate::{encryption, keyserver, kubeadm, kubelet, node, objects, secret, service};

/// The second pair of eyes: what of a plan must not run on what was seen, each a sentence. A plan of [`super::plan`] or [`super::reset`] has none.
pub fn check(seen: &Seen, plan: &Plan<Action>) -> Vec<String> {
    let keys = plan.steps.iter().filter_map(|step| if let Action::Keys(action) = &step.action { Some((step, action)) } else { None });
    let mut found = keyserver::check(&seen.servers, &seen.keys, keys);
    let mut by_host: BTreeMap<&str, Vec<&Step<Action>>> = BTreeMap::new();
    for step in &plan.steps {
        if let Target::Host(name) = &step.target {
            by_host.entry(name).or_default().push(step);
        }
    }
    for (name, fact) in &seen.nodes {
        let own = by_host.remove(name.as_str()).unwrap_or_default();
        match fact {
            Fact::Known(node) => {
                let storage =
                    own.iter().filter_map(|step| if let Action::Storage(action) = &step.action { Some((*step, action)) } else { None });
                found.extend(kubestead_storage::check::steps(&node.storage, storage));
                for step in own {
                    match (&step.action, &node.setup) {
                        (Action::Node(action), Some(setup)) => found.extend(node::check::step(setup, step, action)),
                        (Action::Kubelet(action), Some(setup)) => {
                            found.extend(kubelet::fault(&setup.files, &step.clone().map(|_| action.clone())));
                        }
                        (Action::Kubeadm(action), _) => {
                            let step = step.clone().map(|_| action.clone());
                            found.extend(node.kubeadm.as_ref().and_then(|facts| kubeadm::fault(facts, &step)));
                        }
                        (Action::Node(_) | Action::Kubelet(_), None) => found.push(format!("{}: its set-up was not seen", step.id)),
                        _ => {}
                    }
                }
            }
            Fact::Unknown(_) | Fact::Absent => found.extend(own.iter().map(|step| format!("{}: {name} was not seen", step.id))),
        }
    }
    let at_the_api =
        plan.steps.iter().filter_map(|step| if let Action::Objects(action) = &step.action { Some((step, action)) } else { None });
    found.extend(objects::faults(seen.api.known(), at_the_api));
    let secrets = plan.steps.iter().filter_map(|step| if let Action::Secret(action) = &step.action { Some((step, action)) } else { None });
    found.extend(secret::faults(seen.secrets.known(), secrets));
    let services =
        plan.steps.iter().filter_map(|step| if let Action::Service(action) = &step.action { Some((step, action)) } else { None });
    found.extend(service::faults(seen.services.known(), services));
    let servers = seen.nodes.iter().filter_map(|(name, node)| Some((name.to_string(), node.known()?.encryption.known()?))).collect();
    let rotation =
        plan.steps.iter().filter_map(|step| if let Action::Encryption(action) = &step.action { Some((step, action)) } else { None });
    found.extend(encryption::faults(&servers, rotation));
    found
}
