//! What the runner gives a worker to do: scenarios by their names.

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::scenario::{Fixture, Leaves, Scenario};

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
}

impl From<&Batch> for Job {
    fn from(batch: &Batch) -> Self {
        Self { fixture: batch.fixture.name().to_owned(), items: batch.scenarios.iter().map(|s| Item::from(*s)).collect() }
    }
}

impl From<&Scenario> for Item {
    fn from(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.to_owned(),
            limit: scenario.limit,
            as_found: scenario.leaves == Leaves::AsFound && matches!(scenario.fixture, Fixture::Volumes | Fixture::Cluster),
        }
    }
}

impl Job {
    pub(crate) fn fixture(&self) -> Option<Fixture> {
        Fixture::ALL.into_iter().find(|fixture| fixture.name() == self.fixture)
    }
}
