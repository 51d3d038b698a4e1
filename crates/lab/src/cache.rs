//! One folder for everything that is made once: `KUBESTEAD_CACHE`, else `~/.cache/kubestead`. Safe to delete at any time.

use std::path::PathBuf;

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from)
}

/// The cache's folder.
pub fn directory() -> PathBuf {
    std::env::var_os("KUBESTEAD_CACHE").map_or_else(|| home().join(".cache/kubestead"), PathBuf::from)
}

/// The folder of all labs: `KUBESTEAD_LAB_DIR`, else below the user's state folder.
fn labs() -> PathBuf {
    std::env::var_os("KUBESTEAD_LAB_DIR").map_or_else(
        || std::env::var_os("XDG_STATE_HOME").map_or_else(|| home().join(".local/state"), PathBuf::from).join("kubestead/lab"),
        PathBuf::from,
    )
}

/// The folder of a lab's state: disks, keys, logs.
pub fn lab_directory(name: &str) -> PathBuf {
    labs().join(name)
}

/// The folder of a lab's snapshots.
pub fn snapshots_directory(name: &str) -> PathBuf {
    labs().join(".snapshots").join(name)
}
