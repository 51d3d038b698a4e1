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
