//! What the steps of key servers, and of nodes for them, are called. Those on a server are called by the node that they are about.

use kubestead_core::name::Name;
use kubestead_core::plan::{Deed, DeedOf, Kind};

/// A node makes its own key pair.
pub const KEYPAIR: Deed = Deed::host("keypair", "make");
/// A node learns its key servers.
pub const CLIENT: Deed = Deed::host("keys", "client");
/// A server is set up.
pub const SETUP: Deed = Deed::host("keyserver", "setup");
/// A node is let in.
pub const ENROL: DeedOf = DeedOf::host("enrol");
/// The server's shares of a node are made.
pub const SHARES: DeedOf = DeedOf::host("shares");
/// They are copied from another server: see `copied`.
pub const COPY: DeedOf = DeedOf::host("copy");
/// A node is shut out.
pub const REVOKE: DeedOf = DeedOf::host("revoke");
/// A share is deleted: see `share`.
pub const WIPE: DeedOf = DeedOf::host("wipe");

/// All kinds of steps.
pub const KINDS: &[Kind] =
    &[KEYPAIR.kind(), CLIENT.kind(), SETUP.kind(), ENROL.kind(), SHARES.kind(), COPY.kind(), REVOKE.kind(), WIPE.kind()];

/// What a copy of a node's shares from another server is called.
pub(super) fn copied(node: &Name, from: &Name) -> String {
    format!("{node}.{from}")
}

/// What one share is called.
pub(super) fn share(node: &Name, volume: &Name) -> String {
    format!("{node}.{volume}")
}
