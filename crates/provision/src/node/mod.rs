//! Makes a machine ready for kubeadm: kernel, software of the bundle, containerd with its images, the kubelet's unit.
//!
//! The bundle lies on the operator's computer; nothing is downloaded by a node. What was installed is recorded on the node in
//! `/var/lib/kubestead/installed` with size and time, so that looking again does not read gigabytes.

mod apply;
mod observe;
mod plan;
mod spec;

pub use apply::apply;
pub use observe::{NodeFacts, read, sections};
pub use plan::{Action, plan, ready};
pub use spec::NodeSpec;

/// Files that were installed and verified: lines of `sha256 size mtime path`.
const INSTALLED: &str = "/var/lib/kubestead/installed";
