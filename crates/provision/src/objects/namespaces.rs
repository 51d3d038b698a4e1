//! Namespaces of the cluster's own.

/// That of the network.
pub(super) const NETWORK: &str = "kube-flannel";

/// Those whose workloads are the cluster's own: nodes are ready when these are well too.
pub(super) const WORKLOADS: [&str; 2] = ["kube-system", NETWORK];

/// Those that topics make although such names are reserved for Kubernetes.
pub(super) const MADE: [&str; 1] = [NETWORK];
