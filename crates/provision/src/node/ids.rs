//! What the steps of a node's set-up are called.

use kubestead_core::plan::{Deed, Kind};

/// The kernel's modules and settings.
pub const KERNEL: Deed = Deed::host("kernel", "settings");
/// No more swap.
pub const SWAP: Deed = Deed::host("swap", "off");
/// Programs of the bundle.
pub const SOFTWARE: Deed = Deed::host("software", "install");
/// The apt repository.
pub const SOURCE: Deed = Deed::host("packages", "source");
/// Packages of it.
pub const PACKAGES: Deed = Deed::host("packages", "install");
/// containerd is configured and runs.
pub const CONTAINERD: Deed = Deed::host("containerd", "run");
/// Images of the bundle.
pub const IMAGES: Deed = Deed::host("images", "import");
/// The kubelet's unit; the last step, after which kubeadm may run.
pub const KUBELET: Deed = Deed::host("kubelet", "unit");

/// All kinds of steps.
pub const KINDS: &[Kind] =
    &[KERNEL.kind(), SWAP.kind(), SOFTWARE.kind(), SOURCE.kind(), PACKAGES.kind(), CONTAINERD.kind(), IMAGES.kind(), KUBELET.kind()];
