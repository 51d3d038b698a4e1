//! Services as they are written in a section, before it is known which others there are.

use std::collections::BTreeSet;

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;

use super::findings::At;
use super::services::Manifests;

/// A service as written, with the places of its name and of those that it needs.
pub(super) struct Declared {
    pub(super) service: Manifests,
    pub(super) place: Place,
    pub(super) needs: Vec<At<Name>>,
}

/// The services of a section.
#[derive(Default)]
pub(super) struct Services {
    /// Those that are right.
    pub(super) declared: Vec<Declared>,
    /// The names of all: that one is wrong is told once, and not wherever it is needed.
    pub(super) named: BTreeSet<String>,
}
