//! What a worker tells the runner: lines of its output, beside all that scenarios write there.

use serde::{Deserialize, Serialize};

/// How a line of the worker's own begins: a control character that no program of a proof begins a line with.
const MARK: char = '\u{1e}';

/// How a scenario ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// All that it claims is so.
    Passed,
    /// Something is not.
    Failed,
    /// A machine of the lab ended by a panic of the lab's own kernel, which shows nothing.
    Panicked,
    /// It did not end in its time.
    TimedOut,
}

/// What a worker tells.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The fixture is started, for so many seconds at most.
    Starts(u64),
    /// The fixture stands, or not.
    Stands(Outcome),
    /// The scenario of this place in the job begins, for so many seconds at most.
    Begins(usize, u64),
    /// It ended.
    Ended(usize, Outcome),
}

impl Event {
    /// The line of it.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        Ok(format!("{MARK}{}\n", serde_json::to_string(self)?))
    }

    /// The event of a line; `None` if it is a scenario's own.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line.strip_prefix(MARK)?).ok()
    }
}
