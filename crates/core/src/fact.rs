//! What is known of a thing: that it is so, that it is not there, or that it could not be seen.

use serde::{Deserialize, Serialize};

/// A fact. `Unknown` never becomes a step: unreachable is not absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fact<T> {
    /// It was seen and understood.
    Known(T),
    /// It was looked for and is proven not to be there.
    Absent,
    /// It could not be seen, or what was seen was not understood.
    Unknown(Gap),
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct Gap(pub String);

impl Gap {
    /// A gap with its reason, a sentence for people.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl<T> Fact<T> {
    /// The value, when known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// The reason, when unknown.
    pub fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Unknown(gap) => Some(gap),
            Self::Known(_) | Self::Absent => None,
        }
    }

    /// The same fact about something derived from the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(f(value)),
            Self::Absent => Fact::Absent,
            Self::Unknown(gap) => Fact::Unknown(gap),
        }
    }

    /// A result of parsing as a fact: an error is a gap.
    pub fn from_result<E: std::fmt::Display>(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(error) => Self::Unknown(Gap::new(error.to_string())),
        }
    }
}
