//! What can go wrong when keys are changed.

use kubestead_core::name::Name;
use kubestead_core::procedure::Failed;

use super::spec::IDENTITY;

/// An action that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// On a host.
    #[error(transparent)]
    Procedure(#[from] Failed),
    /// A host is not connected.
    #[error("{0} is not connected")]
    NoHost(String),
    /// A node's public key is not one.
    #[error("{node} has no usable key in {IDENTITY}: {found:?}")]
    BadKey {
        /// The node.
        node: Name,
        /// What was read.
        found: String,
    },
}
