//! What can go wrong when storage is changed.

use kubestead_core::key::KeyError;
use kubestead_core::procedure::Failed;

/// An action that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// On the host.
    #[error(transparent)]
    Procedure(#[from] Failed),
    /// The recovery key could not be had; nothing was touched.
    #[error("{what}")]
    Key {
        /// What was tried, on which object.
        what: String,
        /// Why.
        source: KeyError,
    },
}
