//! What lives in the cluster, through its API: pod network, storage classes and volumes, the users' namespace, labels.

mod apply;
mod flannel;
mod health;
mod namespace;
mod observe;
mod plan;

pub use apply::apply;
pub use flannel::IMAGES;
pub use health::{Alive, alive_section, read_alive};
pub use observe::{ApiFacts, LAST_APPLIED, LISTS, NodeState, read, section};
pub(crate) use observe::{MANAGED_BY, bodies, selector};
pub use plan::{Action, ObjectsSpec, plan};
