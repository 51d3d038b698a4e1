//! What the file adds to the programs of a control plane. kubeadm takes it when the cluster begins, and writes it down in the cluster
//! (`ClusterConfiguration` in kube-system/kubeadm-config); there it is compared.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;
use serde::{Deserialize, Serialize};

use crate::file::Taint;
use crate::objects::{Record, RecordedComponent};

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
    /// Files that their arguments name, by path: [`super::serve`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
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
        Self { taints: taints.into_iter().collect(), ..self.clone() }
    }
}

/// Arguments that kubestead itself gives to programs, of which the file says nothing.
pub(super) const OWN: [&str; 4] =
    ["admission-control-config-file", "encryption-provider-config", "encryption-provider-config-automatic-reload", "leader-elect"];

/// The name or address of an endpoint, without its port; one of IPv6 has brackets there.
pub(crate) fn host(endpoint: &str) -> &str {
    endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host).trim_matches(['[', ']'])
}

/// What was added to a cluster that is there, as kubeadm wrote it down.
pub(super) fn recorded(record: &Record, endpoint: &str) -> Components {
    let names = record.api_server.cert_sans.iter().filter(|name| *name != host(endpoint)).cloned().collect();
    Components {
        api_server: arguments(&record.api_server),
        controller_manager: arguments(&record.controller_manager),
        scheduler: arguments(&record.scheduler),
        etcd: arguments(&record.etcd.local),
        names,
    }
}

fn arguments(seen: &RecordedComponent) -> Arguments {
    let mut found = Arguments::new();
    for argument in seen.extra_args.iter().filter(|argument| !OWN.contains(&argument.name.as_str())) {
        found.entry(argument.name.clone()).or_default().push(argument.value.clone());
    }
    found
}

/// A program of a control plane whose manifest kubeadm makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// etcd, which starts again first: the others wait for it.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// The controller manager.
    KubeControllerManager,
    /// The scheduler.
    KubeScheduler,
}

impl Program {
    /// Each, in the order in which they start again.
    pub(super) const ALL: [Self; 4] = [Self::Etcd, Self::KubeApiserver, Self::KubeControllerManager, Self::KubeScheduler];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
        }
    }

    fn of(self, all: &Components) -> &Arguments {
        match self {
            Self::Etcd => &all.etcd,
            Self::KubeApiserver => &all.api_server,
            Self::KubeControllerManager => &all.controller_manager,
            Self::KubeScheduler => &all.scheduler,
        }
    }
}

impl Components {
    /// The programs whose arguments are others than these.
    pub fn programs(&self, other: &Self) -> BTreeSet<Program> {
        Program::ALL.into_iter().filter(|program| program.of(self) != program.of(other)).collect()
    }

    /// How these differ from what shall be, each with both values.
    pub(super) fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut found: Vec<String> = self
            .programs(wanted)
            .into_iter()
            .map(|program| {
                let (seen, wanted) = (program.of(self), program.of(wanted));
                let names: BTreeSet<&String> =
                    seen.keys().chain(wanted.keys()).filter(|name| seen.get(*name) != wanted.get(*name)).collect();
                let words = |values: Option<&Vec<String>>| values.map_or_else(|| "not set".to_owned(), |values| values.join(" and "));
                let each = names.into_iter().map(|name| format!("{name} from {} to {}", words(seen.get(name)), words(wanted.get(name))));
                format!("{}: {}", program.name(), each.collect::<Vec<_>>().join(", "))
            })
            .collect();
        if self.names != wanted.names {
            let list = |names: &BTreeSet<String>| {
                if names.is_empty() { "none".to_owned() } else { names.iter().cloned().collect::<Vec<_>>().join(" and ") }
            };
            let names =
                format!("names in the API server's certificate, beside its own, from {} to {}", list(&self.names), list(&wanted.names));
            found.push(names);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(all: &[(&str, &str)]) -> Arguments {
        all.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
    }

    #[test]
    fn only_programs_that_change_start_again() {
        let of = |scheduler: &[(&str, &str)], names: &[&str]| Components {
            scheduler: arguments(scheduler),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Components::default()
        };
        assert_eq!(of(&[("v", "2")], &[]).programs(&of(&[("v", "3")], &[])), BTreeSet::from([Program::KubeScheduler]));
        assert_eq!(of(&[], &["a"]).programs(&of(&[], &[])), BTreeSet::new(), "a certificate is read while it runs");
    }
}
