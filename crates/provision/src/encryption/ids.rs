//! What the stages of another key are called.

use kubestead_core::plan::{Deed, Kind};

const fn stage(deed: &'static str) -> Deed {
    Deed::host("encryption", deed)
}

/// An API server is seen to have loaded its key file.
pub const LOAD: Deed = stage("load");
/// A copy of etcd, before.
pub const SNAPSHOT: Deed = stage("snapshot");
/// A plugin's folder in the API server.
pub const MOUNT: Deed = stage("mount");
/// An API server can read with the new key.
pub const ADD: Deed = stage("add");
/// An API server writes with it.
pub const PROMOTE: Deed = stage("promote");
/// Every object is written anew.
pub const REWRITE: Deed = Deed::cluster("encryption", "rewrite");
/// Values are counted in etcd.
pub const CHECK: Deed = stage("check");
/// A copy of etcd, after.
pub const KEEP: Deed = stage("keep");
/// Old revisions leave etcd.
pub const COMPACT: Deed = stage("compact");
/// Their room on the disk is given back.
pub const DEFRAGMENT: Deed = stage("defragment");
/// The old key leaves an API server.
pub const DROP: Deed = stage("drop");

/// All kinds of steps.
pub const KINDS: &[Kind] = &[
    LOAD.kind(),
    SNAPSHOT.kind(),
    MOUNT.kind(),
    ADD.kind(),
    PROMOTE.kind(),
    REWRITE.kind(),
    CHECK.kind(),
    KEEP.kind(),
    COMPACT.kind(),
    DEFRAGMENT.kind(),
    DROP.kind(),
];
