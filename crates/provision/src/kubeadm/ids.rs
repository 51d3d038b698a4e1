//! What the steps of membership are called.

use kubestead_core::plan::{Deed, Kind};

/// What lies ready before a cluster begins.
pub const PREPARE: Deed = Deed::host("kubeadm", "prepare");
/// The cluster begins.
pub const INIT: Deed = Deed::host("kubeadm", "init");
/// A node joins.
pub const JOIN: Deed = Deed::host("kubeadm", "join");
/// A node leaves.
pub const RESET: Deed = Deed::host("kubeadm", "reset");
/// The programs of a control plane get other arguments.
pub const COMPONENTS: Deed = Deed::host("kubeadm", "components");
/// Manifests of a control plane are put back.
pub const PUT_BACK: Deed = Deed::host("kubeadm", "put-back");
/// A stopped kubelet starts.
pub const START: Deed = Deed::host("kubelet", "start");

/// All kinds of steps.
pub const KINDS: &[Kind] = &[PREPARE.kind(), INIT.kind(), JOIN.kind(), RESET.kind(), COMPONENTS.kind(), PUT_BACK.kind(), START.kind()];
