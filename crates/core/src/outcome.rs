//! What became of a step.

use serde::{Deserialize, Serialize};

/// What an action that succeeded found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Done {
    /// It changed something, and the change was verified.
    Changed,
    /// It was in this state already; nothing was touched.
    Already,
}

/// What became of a step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Done and verified.
    Changed,
    /// It was in this state already.
    Already,
    /// Not tried, and why.
    Skipped(String),
    /// Tried, and what went wrong, with its causes.
    Failed(String),
}

impl From<Done> for Outcome {
    fn from(done: Done) -> Self {
        match done {
            Done::Changed => Self::Changed,
            Done::Already => Self::Already,
        }
    }
}

/// An error with its causes, as [`Outcome::Failed`] tells it.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
