//! What lives in the cluster, through its API: pod network, storage classes and volumes, the users' namespace, labels. Each is a topic.

mod action;
mod apply;
mod check;
mod fixed;
mod health;
pub mod ids;
mod judge;
mod lists;
mod model;
mod object;
mod observe;
mod plan;
mod spec;
mod topic;
mod topics;
mod wait;

pub use action::Action;
pub use apply::apply;
pub use check::faults;
pub use fixed::is_system_namespace;
pub use health::{Alive, alive_section, read_alive};
pub use lists::LISTS;
pub(crate) use lists::of_secrets;
pub use model::model;
pub use object::{ADOPTED, COPIES, Exactly, Live};
pub use observe::{ApiFacts, LAST_APPLIED, Networking, NodeState, Record, read, section};
pub(crate) use observe::{MANAGED_BY, plain_version, selector};
pub use plan::{names, plan};
pub use spec::ObjectsSpec;
pub use topics::IMAGES;
