//! What the file adds to the programs of a control plane. kubeadm takes it when the cluster begins, and writes it down in the cluster
//! (`ClusterConfiguration` in kube-system/kubeadm-config); there it is compared.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;
use kubestead_core::plan::Held;
use serde::{Deserialize, Serialize};

use crate::file::Taint;
use crate::objects::{ApiFacts, RecordedComponent};

/// Arguments of a program by their names without dashes; those of one name in their order.
pub type Arguments = BTreeMap<String, Vec<String>>;

/// What is added to each program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Components {
    /// The API server's arguments.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub api_server: Arguments,
    /// The controller manager's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controller_manager: Arguments,
    /// The scheduler's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scheduler: Arguments,
    /// etcd's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub etcd: Arguments,
    /// Names and addresses in the API server's certificate, beside its own and the endpoint.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<String>,
}

impl Components {
    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the file adds to what kubeadm makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Added {
    /// To the programs of the control plane.
    #[serde(skip_serializing_if = "Components::is_empty")]
    pub components: Components,
    /// Taints of nodes that have some.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub taints: BTreeMap<Name, Vec<Taint>>,
}

impl Added {
    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same for what is done on one node.
    pub(super) fn of(&self, node: &Name) -> Self {
        let taints = self.taints.get_key_value(node).map(|(name, taints)| (name.clone(), taints.clone()));
        Self { components: self.components.clone(), taints: taints.into_iter().collect() }
    }
}

/// Arguments that kubestead itself gives to programs, of which the file says nothing.
pub(super) const OWN: [&str; 4] =
    ["admission-control-config-file", "encryption-provider-config", "encryption-provider-config-automatic-reload", "leader-elect"];

/// What of a cluster that is there was begun with other additions than the file's. Its manifests are not written anew for them.
pub fn additions(wanted: &Components, endpoint: &str, api: &ApiFacts) -> Vec<Held> {
    let Some(record) = &api.record else { return Vec::new() };
    let programs = [
        ("apiServer", "kube-apiserver", &wanted.api_server, &record.api_server),
        ("controllerManager", "kube-controller-manager", &wanted.controller_manager, &record.controller_manager),
        ("scheduler", "kube-scheduler", &wanted.scheduler, &record.scheduler),
        ("etcd", "etcd", &wanted.etcd, &record.etcd.local),
    ];
    let mut held: Vec<Held> =
        programs.into_iter().filter_map(|(field, program, wanted, seen)| arguments(field, program, wanted, seen)).collect();
    let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host).trim_matches(['[', ']']);
    let seen: BTreeSet<String> = record.api_server.cert_sans.iter().filter(|name| *name != host).cloned().collect();
    if seen != wanted.names {
        let list = |names: &BTreeSet<String>| {
            if names.is_empty() { "none".to_owned() } else { names.iter().cloned().collect::<Vec<_>>().join(", ") }
        };
        let reason = format!(
            "the API server's certificate was made for these names beside its own: {} (kube-system/kubeadm-config), and the file says {}",
            list(&seen),
            list(&wanted.names)
        );
        let hint = "put it back; or change apiServer.certSANs in ConfigMap kube-system/kubeadm-config, move /etc/kubernetes/pki/apiserver.crt and .key away on \
                    the control plane, and run there `kubeadm init phase certs apiserver --config FILE` with that ClusterConfiguration";
        held.push(Held::cluster("kubernetes.apiServer.certificateNames", reason, hint));
    }
    held
}

fn arguments(field: &str, program: &str, wanted: &Arguments, seen: &RecordedComponent) -> Option<Held> {
    let mut found = Arguments::new();
    for argument in seen.extra_args.iter().filter(|argument| !OWN.contains(&argument.name.as_str())) {
        found.entry(argument.name.clone()).or_default().push(argument.value.clone());
    }
    let names: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    let words = |values: Option<&Vec<String>>| values.map_or_else(|| "not set".to_owned(), |values| format!("{values:?}"));
    let other: Vec<String> = names
        .into_iter()
        .filter(|name| found.get(*name) != wanted.get(*name))
        .map(|name| format!("{name} is {} and shall be {}", words(found.get(name)), words(wanted.get(name))))
        .collect();
    (!other.is_empty()).then(|| {
        let reason = format!("{program} was begun with other arguments (kube-system/kubeadm-config): {}", other.join("; "));
        let hint = format!(
            "put it back; or change both by hand: {}.extraArgs in ConfigMap kube-system/kubeadm-config, and /etc/kubernetes/manifests/{program}.yaml on the \
             control plane, whose kubelet starts it again",
            if field == "etcd" { "etcd.local" } else { field }
        );
        Held::cluster(format!("kubernetes.{field}"), reason, hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Record, RecordedArgument};

    fn arguments(all: &[(&str, &str)]) -> Arguments {
        all.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
    }

    fn api(api_server: &[(&str, &str)], names: &[&str]) -> ApiFacts {
        let recorded = |(name, value): &(&str, &str)| RecordedArgument { name: (*name).to_owned(), value: (*value).to_owned() };
        let api_server = RecordedComponent {
            extra_args: api_server.iter().map(recorded).collect(),
            cert_sans: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        ApiFacts { answers: true, record: Some(Record { api_server, ..Record::default() }), ..ApiFacts::default() }
    }

    #[test]
    fn what_the_cluster_began_with_is_held_against_the_file_and_never_passed_over() {
        let own = ("encryption-provider-config", "/x");
        let wanted =
            Components { api_server: arguments(&[("v", "4")]), names: BTreeSet::from(["api.example.com".into()]), ..Components::default() };
        let held = |api: &ApiFacts| additions(&wanted, "10.0.0.11:6443", api);
        assert_eq!(held(&api(&[own, ("v", "4")], &["10.0.0.11", "api.example.com"])), []);
        let other = held(&api(&[own, ("v", "2"), ("profiling", "false")], &["10.0.0.11"]));
        assert_eq!(other.len(), 2, "{other:?}");
        assert!(other[0].object == "cluster/kubernetes.apiServer" && other[0].hint.contains("manifests/kube-apiserver.yaml"), "{other:?}");
        assert!(other[0].reason.ends_with("profiling is [\"false\"] and shall be not set; v is [\"2\"] and shall be [\"4\"]"), "{other:?}");
        assert!(other[1].reason.contains("beside its own: none") && other[1].object.ends_with("certificateNames"), "{other:?}");
        assert_eq!(held(&ApiFacts::default()), [], "what was not seen is not judged");
        let etcd = Components { etcd: arguments(&[("quota-backend-bytes", "1")]), ..Components::default() };
        let other = additions(&etcd, "10.0.0.11:6443", &api(&[own], &["10.0.0.11"]));
        assert!(other.len() == 1 && other[0].hint.contains("etcd.local.extraArgs"), "{other:?}");
    }
}
