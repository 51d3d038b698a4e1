//! Events out, rendering elsewhere.

use serde::Serialize;

use crate::outcome::Outcome;
use crate::plan::{Held, Risk, StepId};

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum Event {
    /// A stage begins, such as `observe` or `apply`.
    Stage {
        /// Its name.
        name: String,
        /// How many hosts or steps it is about.
        total: usize,
    },
    /// A host was seen, or not.
    Seen {
        /// Which.
        host: String,
        /// Why not, when not.
        gap: Option<String>,
    },
    /// What is about to be done, before anything is.
    Planned {
        /// The steps, in an order in which they could run.
        steps: Vec<Planned>,
        /// What is held back.
        held: Vec<Held>,
    },
    /// A step begins.
    Started {
        /// Which.
        step: StepId,
        /// What it does, in words.
        what: String,
    },
    /// A step ended.
    Ended {
        /// Which.
        step: StepId,
        /// How.
        outcome: Outcome,
        /// Milliseconds that it took.
        millis: u128,
    },
}

/// A step that is about to be done, in words.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Which.
    pub step: StepId,
    /// What it does and why.
    pub what: String,
    /// What it may cost.
    pub risk: Risk,
}

/// Takes events.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Reporter: Send + Sync {
    /// Must not block for long: steps wait for it.
    fn on(&self, event: &Event);
}
