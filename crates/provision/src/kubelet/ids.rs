//! What the steps for kubelets are called.

use kubestead_core::plan::{Deed, Kind};

/// Settings are written, and a kubelet that runs starts again.
pub const SETTINGS: Deed = Deed::host("kubelet", "settings");

/// Settings that the file does not name any more go.
pub const UNSET: Deed = Deed::host("kubelet", "unset");

/// All kinds of steps.
pub const KINDS: &[Kind] = &[SETTINGS.kind(), UNSET.kind()];
