//! All scenarios, by subject.

mod airgap;
mod alone;
mod api;
mod cluster;
mod fleet;
mod hostile;
mod jump;
mod keyserver;
mod kms;
mod logs;
mod node;
mod official;
mod packages;
mod plain;
mod qemu;
mod recovery;
mod registry;
mod rootless;
mod servers;
mod sync;
mod tour;
mod traffic;

use crate::scenario::Scenario;

/// The words that run a program of tests. Of the whole workspace, as the gate does: for another choice of packages all is compiled again. A backtrace
/// through an async runtime is longer than what is shown of an answer, whose end is what counts.
const fn test_program(name: &str) -> [&str; 11] {
    ["env", "RUST_BACKTRACE=0", "cargo", "test", "--locked", "--offline", "--workspace", "--test", name, "--", "--nocapture"]
}

/// Every scenario, in the order of the lists.
pub fn all() -> Vec<&'static Scenario> {
    let others = [
        airgap::SCENARIOS,
        alone::SCENARIOS,
        api::SCENARIOS,
        fleet::SCENARIOS,
        hostile::SCENARIOS,
        jump::SCENARIOS,
        keyserver::SCENARIOS,
        kms::SCENARIOS,
        logs::SCENARIOS,
        official::SCENARIOS,
        packages::SCENARIOS,
        plain::SCENARIOS,
        qemu::SCENARIOS,
        registry::SCENARIOS,
        recovery::SCENARIOS,
        rootless::SCENARIOS,
        servers::SCENARIOS,
        sync::SCENARIOS,
        tour::SCENARIOS,
    ];
    cluster::SCENARIOS.into_iter().chain(others).flatten().collect()
}
