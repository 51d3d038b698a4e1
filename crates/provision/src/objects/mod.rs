//! What lives in the cluster, through its API: pod network, storage classes and volumes, the users' namespace, labels. Each is a topic.

mod action;
mod apply;
mod check;
mod error;
mod fixed;
mod health;
pub mod ids;
mod judge;
mod lists;
mod marks;
mod model;
mod namespaces;
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
pub use error::Error;
pub use fixed::is_system_namespace;
pub use health::{Alive, alive_section, read_alive};
pub use lists::LISTS;
pub(crate) use lists::of_secrets;
pub use marks::LAST_APPLIED;
pub(crate) use marks::{MANAGED_BY, selector};
pub use model::model;
pub use object::{ADOPTED, COPIES, Exactly, Live};
pub(crate) use observe::plain_version;
pub use observe::{ApiFacts, Networking, NodeState, Record, read, section};
pub use plan::{names, plan};
pub use spec::ObjectsSpec;
pub use topics::IMAGES;
