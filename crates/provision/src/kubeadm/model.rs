//! What each action does to the facts of its node: for tests, and to see ahead.

use kubestead_core::put::digest;

use super::action::Action;
use super::components::{Arguments, Components, host};
use super::observe::{Cut, KubeadmFacts, State};
use super::spec::KubeadmSpec;
use crate::objects::{Networking, Record, RecordedArgument, RecordedComponent, RecordedEtcd};

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
        Action::PutBack | Action::Components { .. } => facts.cut = Cut::None,
        Action::Reset { .. } => *facts = KubeadmFacts { files: std::mem::take(&mut facts.files), ..KubeadmFacts::default() },
        Action::Adoption(_) | Action::Mount { .. } => {}
    }
}

/// What kubeadm writes down in the cluster of what the file adds.
pub fn record(spec: &KubeadmSpec) -> Record {
    let component = |arguments: &Arguments| {
        let each = |(name, values): (&String, &Vec<String>)| {
            let one = |value: &String| RecordedArgument { name: name.clone(), value: value.clone() };
            values.iter().map(one).collect::<Vec<_>>()
        };
        RecordedComponent { extra_args: arguments.iter().flat_map(each).collect(), ..RecordedComponent::default() }
    };
    let Components { api_server, controller_manager, scheduler, etcd, names } = &spec.added.components;
    let host = host(&spec.endpoint).to_owned();
    let cert_sans = std::iter::once(host.clone()).chain(names.iter().filter(|name| **name != host).cloned()).collect();
    Record {
        kubernetes_version: Some(format!("v{}", spec.version)),
        cluster_name: Some(spec.name.to_string()),
        control_plane_endpoint: Some(spec.endpoint.clone()),
        networking: Networking {
            pod_subnet: Some(spec.pods.clone()),
            service_subnet: Some(spec.services.clone()),
            dns_domain: Some(spec.dns_domain.clone()),
        },
        api_server: RecordedComponent { cert_sans, ..component(api_server) },
        controller_manager: component(controller_manager),
        scheduler: component(scheduler),
        etcd: RecordedEtcd { local: component(etcd) },
    }
}
