//! Where secrets come from.

use async_trait::async_trait;

use crate::plan::{DeedOf, Kind, StepId, Target};
use crate::secret::Secret;

/// Which secret is meant, as a dotted path in the operator's escrow, such as `recovery.kube1.volkube`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct KeyRef(pub String);

/// A key is made and kept, encrypted, on the operator's own computer.
pub const ESCROW: DeedOf = DeedOf::operator("escrow");
/// All kinds of steps about the escrow.
pub const KINDS: &[Kind] = &[ESCROW.kind()];

impl KeyRef {
    /// The step by which it is made, if it is not there.
    pub fn escrowed(&self) -> StepId {
        ESCROW.at(&Target::Operator, &self.0)
    }

    /// The recovery key of a node's volume.
    pub fn recovery(node: &str, volume: &str) -> Self {
        Self(format!("recovery.{node}.{volume}"))
    }
}

/// Opens secrets by reference.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The secret. An error when it is not there: a source never makes one up.
    async fn open(&self, key: &KeyRef) -> Result<Secret, KeyError>;
}

/// Why a secret could not be had.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// It is not there.
    #[error("the secret {} does not exist", key.0)]
    Missing {
        /// Which.
        key: KeyRef,
    },
    /// It is there, or may be, and could not be read.
    #[error("the secret {} could not be read: {detail}", key.0)]
    Unreadable {
        /// Which.
        key: KeyRef,
        /// Why.
        detail: String,
    },
}
