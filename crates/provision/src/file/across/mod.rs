//! Rules that lie across sections: what one says is judged by what another says.

mod addresses;
mod machines;
mod placement;
mod pools;
mod services;
mod volumes;

use super::findings::Findings;
use super::sections::Sections;

pub(super) use placement::Placement;
pub(super) use services::ordered;

/// Checks what the sections say together. Returns which nodes have which devices and volumes.
pub(super) fn check(file: &Sections, out: &mut Findings) -> Placement {
    machines::check(file, out);
    addresses::check(file, out);
    let placement = placement::place(file, out);
    volumes::check(file, &placement, out);
    if !file.volumes.broken {
        pools::check(file, &placement, out);
    }
    placement
}
