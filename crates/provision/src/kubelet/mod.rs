//! Settings of kubelets: fields of `KubeletConfiguration` that the cluster file sets, for all nodes or for one. They reach a kubelet as a file of its
//! drop-in folder, which `kubeadm upgrade` leaves alone, and count as there when the kubelet itself says so.

mod action;
mod apply;
mod approver;
mod check;
mod duration;
mod error;
pub mod ids;
mod link;
mod model;
mod observe;
mod plan;
mod spec;

pub use action::Action;
pub use apply::apply;
pub use approver::{APPROVER, Known};
pub use check::fault;
pub use duration::{is_duration, nanoseconds};
pub use error::Error;
pub use link::LINK;
pub use model::model;
pub use observe::{KubeletFacts, read, section};
pub use plan::{Candidate, approver, link, plan};
pub use spec::{FILE, FOLDER, KubeletSpec, PATHS, RESOLVERS, Settings, UNIT};
