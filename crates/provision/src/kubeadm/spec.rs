//! What the cluster shall be, as far as kubeadm is concerned, and the files that lie ready before it runs.

use std::collections::BTreeMap;

use kubestead_core::name::{HostName, Name};
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use super::components::Added;
use super::served::owned;
use crate::encryption::EncryptionSpec;

/// The cluster that a node begins or joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeadmSpec {
    /// Its name.
    pub name: Name,
    /// Such as `1.37.1`.
    pub version: String,
    /// `host:port` of the API.
    pub endpoint: String,
    /// The control plane that begins it.
    pub first: Name,
    /// The host names, which are the names in Kubernetes, of nodes that are called otherwise here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hostnames: BTreeMap<Name, HostName>,
    /// Addresses of pods, of services, and the DNS domain of services.
    pub pods: String,
    /// Addresses of services.
    pub services: String,
    /// DNS domain of services.
    pub dns_domain: String,
    /// Whether users' pods run on the control plane too.
    pub pods_here: bool,
    /// How values in etcd are encrypted from the first minute.
    pub encryption: EncryptionSpec,
    /// What the file adds to what kubeadm makes.
    #[serde(default, skip_serializing_if = "Added::is_empty")]
    pub added: Box<Added>,
    /// kubeadm's preflight errors to ignore, by name.
    pub ignore_preflight: Vec<String>,
    /// Settings for rehearsal machines.
    pub lab: bool,
}

/// Which cluster this machine belongs to: our record, written before kubeadm runs.
pub(super) const RECORD: &str = "/etc/kubestead/cluster";
/// There from before kubeadm runs until what it did is verified: a run that is cut off leaves it.
pub(super) const BEGUN: &str = "/etc/kubestead/kubeadm-begun";
/// Where a manifest stays until the one that took its place is seen to run.
pub(super) const KEPT: &str = "/etc/kubestead/manifests";
pub(super) use crate::encryption::FILE as ENCRYPTION;
pub(super) const ADMISSION: &str = "/etc/kubernetes/adm/adm.yaml";
/// kubeadm's configuration holds a token: it lies in memory only.
pub(super) const CONFIG: &str = "/run/kubestead-kubeadm.yaml";

impl KubeadmSpec {
    /// The paths of the files that are ours alone on a node.
    pub fn own_paths(&self, node: &Name) -> Vec<&str> {
        let of_plane = std::iter::once(ADMISSION).chain(self.added.files.keys().map(String::as_str));
        std::iter::once(RECORD).chain(of_plane.filter(|_| *node == self.first)).collect()
    }

    /// The files that lie ready before a cluster begins.
    pub(super) fn prepared(&self) -> Vec<Owned> {
        [self.record(), self.admission()].into_iter().chain(owned(&self.added.files)).collect()
    }

    /// Where files belong that are never replaced: a look tells only what is not a regular file there.
    pub fn places(&self, node: &Name) -> Vec<&str> {
        if *node == self.first { vec![ENCRYPTION] } else { Vec::new() }
    }

    /// A node's name in Kubernetes.
    pub fn hostname(&self, node: &Name) -> HostName {
        self.hostnames.get(node).cloned().unwrap_or_else(|| node.into())
    }

    /// The same for what is done on one node, which needs no other's host name and taints: an action of each of many nodes does not carry those of all.
    pub(super) fn of(&self, node: &Name) -> Self {
        let own = self.hostnames.get_key_value(node).map(|(name, host)| (name.clone(), host.clone()));
        Self { hostnames: own.into_iter().collect(), added: Box::new(self.added.of(node)), ..self.clone() }
    }

    /// The file that names the cluster that a machine belongs to.
    pub(super) fn record(&self) -> Owned {
        Owned { path: RECORD.to_owned(), text: format!("{}\n", self.name), mode: 0o644 }
    }

    /// Pod Security by default: baseline enforced, restricted warned of (KEP-2579), pinned to the minor version.
    pub(super) fn admission(&self) -> Owned {
        let minor = self.version.rsplit_once('.').map_or(self.version.as_str(), |(minor, _)| minor);
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: PodSecurity\n  configuration:\n    \
             apiVersion: pod-security.admission.config.k8s.io/v1\n    kind: PodSecurityConfiguration\n    defaults:\n      \
             enforce: baseline\n      enforce-version: v{minor}\n      audit: restricted\n      audit-version: v{minor}\n      \
             warn: restricted\n      warn-version: v{minor}\n    exemptions:\n      namespaces: [kube-system, kube-flannel]\n"
        );
        Owned { path: ADMISSION.to_owned(), text, mode: 0o644 }
    }
}
