//! What can go wrong with a kubelet.

use kubestead_core::procedure::Failed;

/// An action that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// On a host.
    #[error(transparent)]
    Procedure(#[from] Failed),
    /// The control plane that asks is not connected.
    #[error("{0} is not connected")]
    NoHost(String),
    /// It does not say what it runs with.
    #[error(
        "{host}: its kubelet started again, and does not tell through {first} what it runs with: see `kubectl get --raw /api/v1/nodes/{host}/proxy/configz`"
    )]
    Silent {
        /// The node.
        host: String,
        /// The control plane that asked.
        first: String,
    },
    /// It runs with something else.
    #[error(
        "{host}: its kubelet started again, and does not run with what the file says: {what}: a later file in {folder}, or a flag in /etc/default/kubelet or /var/lib/kubelet/kubeadm-flags.env, sets it, or this kubelet has no such field"
    )]
    Other {
        /// The node.
        host: String,
        /// What it says instead.
        what: String,
        /// Where settings lie.
        folder: &'static str,
    },
}
