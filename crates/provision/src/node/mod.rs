//! Makes a machine ready for kubeadm: kernel, software of the bundle or of packages, containerd with its images, the kubelet's unit.
//!
//! A bundle lies on the operator's computer, and nothing is downloaded by a node; packages come from the apt repository that the file names. What was installed is recorded on the node in
//! `/var/lib/kubestead/installed` with size and time, so that looking again does not read gigabytes; files that we write whole are in the manifest
//! ([`kubestead_core::put::MANIFEST`]). Whatever else lies in their places is adopted only by consent.

mod action;
mod apply;
mod apt;
pub mod check;
pub mod ids;
mod model;
mod observe;
mod plan;
mod proxy;
mod repository;
mod runtime;
mod sources;
mod spec;
mod swap;
mod version;

pub use action::Action;
pub use apply::apply;
pub use apt::{AptFacts, Package, Packages, Trust, packaged};
pub use model::model;
pub use observe::{NodeFacts, read, sections};
pub use plan::plan;
pub use repository::{Failure, Offer, Proxies, System};
pub use runtime::{Package as RuntimePackage, RuntimeSpec};
pub use spec::{NodeSpec, Registry, own_files, own_paths, places};
pub use swap::{Swap, SwapKind};
pub use version::Version;

/// A spec for tests of other modules.
#[cfg(test)]
pub(crate) fn fixture() -> NodeSpec {
    plan::fixture::packaged()
}
