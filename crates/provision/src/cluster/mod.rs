//! What lives in the cluster, through its API: pod network, storage classes and volumes, the users' namespace, labels.

mod apply;
mod flannel;
mod namespace;
mod observe;
mod plan;

pub use apply::apply;
pub use flannel::IMAGES;
pub use observe::{ApiFacts, NodeState, read, section};
pub(crate) use observe::{CREDENTIALS, MANAGED_BY, bodies, request, selector};
pub use plan::{Action, ObjectsSpec, plan};
