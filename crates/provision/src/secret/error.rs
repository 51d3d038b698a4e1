//! Why a Secret could not be applied. No message holds a value.

use kubestead_core::kube::KubeError;
use kubestead_secrets::sops;

/// An error of one Secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read or opened.
    #[error(transparent)]
    Sops(Box<sops::Error>),
    /// A place of identities that was named and cannot be used.
    #[error("{0}")]
    Identities(String),
    /// Nobody here can open the file.
    #[error("{refusal}\nIdentities were searched in this order: {}", searched.join(", "))]
    NoKey {
        /// Who could, and what was tried.
        refusal: Box<sops::Error>,
        /// Where, each with what was found there.
        searched: Vec<String>,
    },
    /// The file asks for something else than when the plan was made.
    #[error("{file} has changed since the plan was made; run it again")]
    FileChanged {
        /// The file.
        file: String,
    },
    /// A value that cannot be one.
    #[error("{file}: the value {key} of Secret {secret} {why}")]
    Value {
        /// The file.
        file: String,
        /// `NAMESPACE/NAME`.
        secret: String,
        /// Its key.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More than Kubernetes takes.
    #[error("{file}: the values of Secret {secret} have {bytes} bytes, and Kubernetes takes 1048576")]
    TooBig {
        /// The file.
        file: String,
        /// `NAMESPACE/NAME`.
        secret: String,
        /// How many.
        bytes: usize,
    },
    /// The cluster is another than when the plan was made.
    #[error("Secret {secret} is not as it was when the plan was made ({found}); nothing was changed, run it again")]
    Moved {
        /// `NAMESPACE/NAME`.
        secret: String,
        /// What was found.
        found: String,
    },
    /// The API took it and answers something else.
    #[error("Secret {secret} was applied and is not as asked: {found}")]
    NotAsAsked {
        /// `NAMESPACE/NAME`.
        secret: String,
        /// What was found.
        found: String,
    },
    /// The API did not do it.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// The thread that opened the file ended early.
    #[error("opening {file} was cut short: {why}")]
    Task {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
}

impl Error {
    /// The same error, with what others said in it changed. All variants are listed, so that a new one is thought of.
    pub(super) fn with_words(self, change: impl Fn(String) -> String) -> Self {
        match self {
            Self::Moved { secret, found } => Self::Moved { secret, found: change(found) },
            Self::NotAsAsked { secret, found } => Self::NotAsAsked { secret, found: change(found) },
            Self::Kube(error) => Self::Kube(error.with_words(change)),
            own @ (Self::Sops(_)
            | Self::Identities(_)
            | Self::NoKey { .. }
            | Self::FileChanged { .. }
            | Self::Value { .. }
            | Self::TooBig { .. }
            | Self::Task { .. }) => own,
        }
    }
}

impl From<sops::Error> for Error {
    fn from(error: sops::Error) -> Self {
        Self::Sops(Box::new(error))
    }
}
