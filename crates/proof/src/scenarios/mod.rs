//! All scenarios, by subject.

mod scripts;

use crate::scenario::Scenario;

/// The lists of scenarios.
pub static ALL: &[&[Scenario]] = &[scripts::SCENARIOS];

/// Every scenario, in the order of the lists.
pub fn all() -> Vec<&'static Scenario> {
    ALL.iter().copied().flatten().collect()
}
