//! Makes a cluster of prepared machines with kubeadm: one control plane, then the workers. Secrets in etcd are encrypted from the
//! first minute; the token of a join lives for that join alone.

mod apply;
mod certificate;
mod check;
mod config;
mod fixed;
pub mod ids;
mod model;
mod observe;
mod plan;
mod spec;

pub use apply::apply;
pub use certificate::{Certificate, lines as certificate_lines};
pub use check::fault;
pub use config::control_plane;
pub use fixed::{fixed, kubelet, version};
pub use model::model;
pub use observe::{KubeadmFacts, State, read, sections};
pub use plan::{Action, Candidate, joined, plan, reset, stranger};
pub use spec::KubeadmSpec;
