//! Makes a cluster of prepared machines with kubeadm: one control plane, then the workers. Secrets in etcd are encrypted from the
//! first minute; the token of a join lives for that join alone.

mod action;
mod apply;
mod certificate;
mod check;
mod components;
mod config;
mod error;
mod fixed;
#[cfg(test)]
mod fixture;
pub mod ids;
mod model;
mod observe;
mod plan;
mod report;
mod served;
mod spec;
mod token;

pub use action::Action;
pub use apply::apply;
pub use certificate::Certificate;
pub use check::fault;
pub(crate) use components::host;
pub use components::{Added, Arguments, Components, Program};
pub use config::control_plane;
pub use error::Error;
pub use fixed::{backend, fixed, kubelet, taints, version};
pub use model::{model, record};
pub use observe::{Cut, KubeadmFacts, State, read, sections};
pub use plan::{Candidate, Plane, change, joined, plan, put_back, reset, stranger};
pub use report::lines as certificate_lines;
pub use served::serve;
pub use spec::KubeadmSpec;
