//! The users' own services: folders of manifests beside the cluster file, each an owner of its objects. A service is a name, its objects, and the
//! services that must be ready before it.

mod action;
mod apply;
mod check;
mod claims;
mod decode;
mod error;
mod folder;
mod health;
pub mod ids;
mod judge;
mod kinds;
mod model;
mod observe;
mod plan;
mod scalar;
mod spec;
mod states;

pub use action::Action;
pub use apply::apply;
pub use check::faults;
pub use error::Error;
pub use folder::read as read_files;
pub use kinds::Kind;
pub use model::model;
pub use observe::{Found, Recorded, ServiceFacts, observe, records};
pub use plan::{Around, plan};
pub use spec::{ServiceSpec, ServicesWanted};
pub use states::{ServiceState, states};
