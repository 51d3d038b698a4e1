//! All scenarios, by subject.

mod airgap;
mod alone;
mod api;
mod cluster;
mod hostile;
mod keyserver;
mod kms;
mod node;
mod official;
mod packages;
mod plain;
mod qemu;
mod recovery;
mod registry;
mod rootless;
mod scripts;
mod servers;
mod tour;
mod traffic;

use crate::scenario::Scenario;

/// Every scenario, in the order of the lists.
pub fn all() -> Vec<&'static Scenario> {
    let others = [
        airgap::SCENARIOS,
        alone::SCENARIOS,
        api::SCENARIOS,
        hostile::SCENARIOS,
        keyserver::SCENARIOS,
        kms::SCENARIOS,
        official::SCENARIOS,
        packages::SCENARIOS,
        plain::SCENARIOS,
        qemu::SCENARIOS,
        registry::SCENARIOS,
        recovery::SCENARIOS,
        rootless::SCENARIOS,
        scripts::SCENARIOS,
        servers::SCENARIOS,
        tour::SCENARIOS,
    ];
    cluster::SCENARIOS.into_iter().chain(others).flatten().collect()
}
