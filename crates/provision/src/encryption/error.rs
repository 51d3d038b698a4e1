//! What can go wrong. No message holds a key.

use kubestead_core::key::KeyError;
use kubestead_core::kube::KubeError;
use kubestead_core::procedure::Failed;

/// An action that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// On a host.
    #[error(transparent)]
    Procedure(#[from] Failed),
    /// Through the API.
    #[error("{what}")]
    Kube {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: KubeError,
    },
    /// A key of the escrow.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key of the escrow is no key.
    #[error("{0} in the escrow is not 32 bytes in base64: nothing was written")]
    NoKey(String),
    /// The escrow's key is not the one that the API servers have.
    #[error("{name} in the escrow is another key ({ours}) than the one on {host} ({theirs}): nothing was written")]
    Mismatch {
        /// Its name in the escrow.
        name: String,
        /// The host.
        host: String,
        /// The fingerprint of the escrow's.
        ours: String,
        /// The fingerprint of the host's.
        theirs: String,
    },
    /// An action that a host cannot do alone.
    #[error("objects are written anew through the API, and an API server's mounts are made by kubeadm: not by this host alone")]
    Elsewhere,
    /// A layout asks for a key that it was not given.
    #[error("{0} was not given")]
    Missing(String),
}
