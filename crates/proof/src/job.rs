//! What the runner gives a worker to do, and how its scenarios are found again.

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::scenario::{Fixture, Leaves, Run, Scenario};

/// A batch, for another process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) fixture: String,
    pub(crate) items: Vec<Item>,
}

/// A scenario of a job.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) limit: u64,
    /// Whether what it leaves must have an empty plan.
    pub(crate) as_found: bool,
    /// The script that it is; `None` if a function is registered under its name.
    pub(crate) script: Option<ScriptItem>,
}

/// A script of a job.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ScriptItem {
    pub(crate) file: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) parts: Vec<String>,
}

impl From<&Batch> for Job {
    fn from(batch: &Batch) -> Self {
        Self { fixture: batch.fixture.name().to_owned(), items: batch.scenarios.iter().map(|s| Item::from(*s)).collect() }
    }
}

impl From<&Scenario> for Item {
    fn from(scenario: &Scenario) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let script = match &scenario.run {
            Run::Script(script) => {
                Some(ScriptItem { file: script.file.to_owned(), arguments: owned(script.arguments), parts: owned(script.parts) })
            }
            Run::Here(_) => None,
        };
        Self {
            name: scenario.name.to_owned(),
            limit: scenario.limit,
            as_found: scenario.leaves == Leaves::AsFound && matches!(scenario.fixture, Fixture::Volumes | Fixture::Cluster),
            script,
        }
    }
}

impl Job {
    pub(crate) fn fixture(&self) -> Option<Fixture> {
        Fixture::ALL.into_iter().find(|fixture| fixture.name() == self.fixture)
    }
}
