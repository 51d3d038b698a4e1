//! What the steps on disks and volumes are called. Those about a volume or a group are called by its name.

use kubestead_core::plan::{Deed, DeedOf, Kind};

/// A volume group is made.
pub const GROUP: DeedOf = DeedOf::host("group");
/// A group gets another device.
pub const EXTEND: DeedOf = DeedOf::host("extend");
/// A logical volume is made.
pub const CREATE: DeedOf = DeedOf::host("create");
/// The node's share of a volume's key is made.
pub const SHARE: DeedOf = DeedOf::host("share");
/// A LUKS2 header is made.
pub const FORMAT: DeedOf = DeedOf::host("format");
/// A slot is added to a LUKS2 header for the key that a machine fetches.
pub const ADD_WAY: DeedOf = DeedOf::host("add-way");
/// That slot is removed.
pub const REMOVE_WAY: DeedOf = DeedOf::host("remove-way");
/// A filesystem is made.
pub const MKFS: DeedOf = DeedOf::host("mkfs");
/// What the boot needs is written: of one volume, or of `volumes`.
pub const BOOT: DeedOf = DeedOf::host("boot");
/// A volume is opened and mounted.
pub const MOUNT: DeedOf = DeedOf::host("mount");
/// A volume is opened with its recovery key and mounted.
pub const UNLOCK: DeedOf = DeedOf::host("unlock");
/// A volume is made larger.
pub const GROW: DeedOf = DeedOf::host("grow");
/// A volume is wiped.
pub const WIPE: DeedOf = DeedOf::host("wipe");
/// The script that fetches keys at boot is written.
pub const FETCH: Deed = Deed::host("keys", "fetch");
/// A machine whose volumes are closed reboots all the same.
pub const LIMITS: Deed = Deed::host("shutdown", "limit");
/// Services that waited for volumes are started.
pub const RESUME: Deed = Deed::host("services", "resume");
/// Services wait for the volumes.
pub const REQUIRE_MOUNTS: Deed = Deed::host("services", "require-mounts");
/// The folders of pools are made.
pub const DIRECTORIES: Deed = Deed::host("pools", "directories");

/// All kinds of steps.
pub const KINDS: &[Kind] = &[
    GROUP.kind(),
    EXTEND.kind(),
    CREATE.kind(),
    SHARE.kind(),
    FORMAT.kind(),
    ADD_WAY.kind(),
    REMOVE_WAY.kind(),
    MKFS.kind(),
    BOOT.kind(),
    MOUNT.kind(),
    GROW.kind(),
    WIPE.kind(),
    UNLOCK.kind(),
    FETCH.kind(),
    LIMITS.kind(),
    RESUME.kind(),
    REQUIRE_MOUNTS.kind(),
    DIRECTORIES.kind(),
];
