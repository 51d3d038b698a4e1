//! Rules that lie across sections: what one says is judged by what another says.

mod addresses;
mod dns_cache;
mod gateway;
mod load_balancer;
mod machines;
mod people;
mod placement;
mod pools;
mod services;
mod volumes;

use super::declared::Services;
use super::findings::Findings;
use super::sections::Sections;
use super::services::Manifests;

pub(super) use placement::Placement;

/// Checks what the sections say together. Returns which nodes have which devices and volumes.
pub(super) fn check(file: &Sections, out: &mut Findings) -> Placement {
    machines::check(file, out);
    addresses::check(file, out);
    gateway::check(file, out);
    load_balancer::check(file, out);
    dns_cache::check(file, out);
    people::check(file, out);
    let placement = placement::place(file, out);
    volumes::check(file, &placement, out);
    pools::check(file, &placement, out);
    placement
}

/// The services of both sections, whom one needs before it. `own` are the users' own.
pub(super) fn ordered(own: Services, built: Services, out: &mut Findings) -> Vec<Manifests> {
    services::ordered(own, built, out)
}
