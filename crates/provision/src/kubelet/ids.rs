//! What the steps for kubelets are called.

use kubestead_core::plan::{Deed, Kind};

/// Settings are written, and a kubelet that runs starts again.
pub const SETTINGS: Deed = Deed::host("kubelet", "settings");

/// Settings that the file does not name any more go.
pub const UNSET: Deed = Deed::host("kubelet", "unset");

/// Certificates of kubelets are approved from then on.
pub const APPROVER: Deed = Deed::host("kubelet", "approver");

/// They are not any more.
pub const NO_APPROVER: Deed = Deed::host("kubelet", "no-approver");

/// The node has the address of its cache of names.
pub const LINK: Deed = Deed::host("kubelet", "dns-address");

/// It does not get it any more.
pub const NO_LINK: Deed = Deed::host("kubelet", "no-dns-address");

/// All kinds of steps.
pub const KINDS: &[Kind] = &[SETTINGS.kind(), UNSET.kind(), APPROVER.kind(), NO_APPROVER.kind(), LINK.kind(), NO_LINK.kind()];
