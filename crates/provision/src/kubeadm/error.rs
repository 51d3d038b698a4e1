//! What can go wrong with kubeadm. No message holds a token or a key.

use kubestead_core::key::KeyError;
use kubestead_core::kube::KubeError;
use kubestead_core::procedure::Failed;

use crate::encryption;

/// An action that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// On a host.
    #[error(transparent)]
    Procedure(#[from] Failed),
    /// The key of encryption at rest.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The configuration of encryption at rest.
    #[error(transparent)]
    Encryption(#[from] encryption::Error),
    /// The API, which was asked for a token.
    #[error("the token of a join: {0}")]
    Api(#[from] KubeError),
    /// The API is not connected.
    #[error("the token of a join: {0}")]
    NoApi(String),
    /// A token cannot be made up.
    #[error("the token of a join")]
    Random(#[from] kubestead_secrets::Error),
    /// A host is not connected.
    #[error("{0} is not connected")]
    NoHost(String),
    /// The control plane's answer is not what was asked for.
    #[error("{host}: {what}")]
    Answer {
        /// The host.
        host: String,
        /// What is wrong; never the answer itself.
        what: String,
    },
}
