//! What an action for a service that fails says.

use kubestead_core::kube::{KubeError, ObjectRef};

use super::kinds::Kind;
use crate::objects;
use crate::secret;

/// An action that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It failed as one for an object of kubestead's own does.
    #[error(transparent)]
    Object(#[from] objects::Error),
    /// A value of a Secret could not be opened.
    #[error(transparent)]
    Secret(#[from] secret::Error),
    /// The API did not do it.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// The server does not take the object as it is written.
    #[error(
        "{object}: {reason}; nothing of it was changed: correct its manifest; a field that can never change asks for another name, or for deleting the object by hand"
    )]
    Invalid {
        /// Which.
        object: String,
        /// The server's words.
        reason: String,
    },
    /// The server took the object and left something of it out.
    #[error("{object} was applied, and the server does not keep {fields}: take that out of its manifest, or see which webhook changes it")]
    Dropped {
        /// Which.
        object: ObjectRef,
        /// The paths.
        fields: String,
    },
    /// Nobody knows what is left of a service.
    #[error(
        "what serves the kind {kind} does not answer: what is left of service {service} cannot be known, and its record stays; see `kubectl get apiservices`"
    )]
    Silent {
        /// The service.
        service: String,
        /// The kind.
        kind: Kind,
    },
    /// Several objects failed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<Self>),
}
