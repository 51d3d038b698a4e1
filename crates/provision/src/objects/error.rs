//! What an action at the API that fails says.

use kubestead_core::kube::{KubeError, ObjectRef};

/// An action that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API did not do it.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// Somebody else made it since the plan was.
    #[error("{object} is there now, and kubestead did not make it; nothing of it was changed: `kubestead plan` tells what would change")]
    Foreign {
        /// Which.
        object: ObjectRef,
    },
    /// Somebody else set a field.
    #[error("{object}: {reason}; nothing of it was changed: `kubestead plan` asks whether to overwrite it")]
    Conflict {
        /// Which.
        object: String,
        /// The server's words.
        reason: String,
    },
    /// It is not what the plan was made on.
    #[error("{object}: {found}, since the plan was made; nothing of it was lost: run `kubestead plan` again")]
    Moved {
        /// Which.
        object: ObjectRef,
        /// What is other than planned.
        found: String,
    },
    /// No waiting helps.
    #[error("it will not get ready: {what}")]
    Failed {
        /// What failed, and why.
        what: String,
    },
    /// The time is over.
    #[error("not ready after {seconds} s: {what}")]
    Late {
        /// How long it was waited for.
        seconds: u64,
        /// What is not ready, and why.
        what: String,
    },
}
