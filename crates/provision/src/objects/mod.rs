//! What lives in the cluster, through its API: pod network, storage classes and volumes, the users' namespace and what its pods may, labels. Each is a topic.

mod action;
mod apply;
mod check;
mod error;
mod fixed;
mod health;
pub mod ids;
mod judge;
mod leftovers;
mod lists;
mod marks;
mod model;
mod namespaces;
mod object;
mod observe;
mod plan;
mod pods;
mod quantity;
mod spec;
mod topic;
mod topics;
mod wait;

pub use action::{Action, Marks};
pub use apply::apply;
pub(crate) use apply::{delete, keep, told};
pub use check::faults;
pub use error::Error;
pub(crate) use fixed::field as fixed_field;
pub use fixed::is_system_namespace;
pub use health::{Alive, alive_section, read_alive};
pub(crate) use judge::some;
pub use lists::LISTS;
pub(crate) use lists::{bodies, of_secrets};
pub use marks::{LAST_APPLIED, SERVICE};
pub(crate) use marks::{MANAGED_BY, RECORD, selector};
pub use model::model;
pub use object::{ADOPTED, COPIES, Exactly, Live};
pub(crate) use object::{differences, group, own, same_name};
pub use observe::{
    Annotations, ApiFacts, Networking, NodeState, Pods, Record, RecordedArgument, RecordedComponent, RecordedEtcd, read, section,
};
pub(crate) use observe::{plain_version, tables};
pub use plan::{names, plan, refusals};
pub use pods::{Beyond, Use, beyond};
pub(crate) use quantity::billionths;
pub use spec::ObjectsSpec;
pub use topics::IMAGES;
pub(crate) use topics::{LEVEL, OPEN};
pub(crate) use wait::{Look, until};
