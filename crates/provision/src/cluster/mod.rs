//! What lives in the cluster, through its API: pod network, storage classes and volumes, the users' namespace, labels.

mod apply;
mod check;
mod fixed;
mod flannel;
mod health;
mod namespace;
mod object;
mod observe;
mod plan;
mod wait;

pub use apply::apply;
pub use check::faults;
pub use fixed::is_system_namespace;
pub use flannel::IMAGES;
pub use health::{Alive, alive_section, read_alive};
pub use object::{ADOPTED, COPIES, Exactly, Live};
pub use observe::{ApiFacts, LAST_APPLIED, LISTS, Networking, NodeState, Record, read, section};
pub(crate) use observe::{MANAGED_BY, bodies, plain_version, selector};
pub(crate) use plan::adopted;
pub use plan::{Action, ObjectsSpec, names, plan};
