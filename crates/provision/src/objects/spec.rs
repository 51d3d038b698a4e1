//! What shall be in the cluster.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::kube::ObjectRef;
use kubestead_core::name::HostName;
use kubestead_core::plan::StepId;
use serde_json::Value;

use crate::file::{Backend, Namespace};

/// What shall be in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectsSpec {
    /// The range of pods' addresses.
    pub pods: String,
    /// The control plane's endpoint, `HOST:PORT`.
    pub endpoint: String,
    /// The interfaces that flannel looks for, if not that of the default route.
    pub interfaces: Vec<String>,
    /// How packets get from node to node.
    pub backend: Backend,
    /// flannel's image, and that of its plugin.
    pub images: (String, String),
    /// StorageClasses and PersistentVolumes.
    pub storage: Vec<Value>,
    /// The users' namespace.
    pub namespace: Option<Namespace>,
    /// The Secrets in it with logins of registries: its accounts pull with them.
    pub logins: BTreeSet<String>,
    /// The nodes that are in or get in, by their names in Kubernetes, with their labels.
    pub nodes: BTreeMap<HostName, BTreeMap<String, String>>,
    /// Annotations of nodes that have some, by the same names.
    pub annotations: BTreeMap<HostName, BTreeMap<String, String>>,
    /// The objects that services ask for now: none is a leftover.
    pub asked: BTreeSet<ObjectRef>,
    /// The steps after which the API answers.
    pub after: BTreeSet<StepId>,
    /// The steps after which all nodes are in.
    pub joined: BTreeSet<StepId>,
}
