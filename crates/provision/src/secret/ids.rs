//! What the steps for Secrets are called: each by its Secret, `secret.NAMESPACE.NAME`.

use kubestead_core::plan::{DeedOf, Kind};

/// It is applied.
pub const APPLY: DeedOf = DeedOf::cluster("apply");
/// Values that were changed in the cluster are overwritten.
pub const OVERWRITE: DeedOf = DeedOf::cluster("overwrite");
/// One that somebody else made is taken over.
pub const ADOPT: DeedOf = DeedOf::cluster("adopt");
/// One that never changes is deleted and made anew.
pub const REPLACE: DeedOf = DeedOf::cluster("replace");
/// One that is in no file any more is deleted.
pub const DELETE: DeedOf = DeedOf::cluster("delete");

/// All kinds of steps.
pub const KINDS: &[Kind] = &[APPLY.kind(), OVERWRITE.kind(), ADOPT.kind(), REPLACE.kind(), DELETE.kind()];
