//! What can be done for encryption at rest.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;
use serde::{Deserialize, Serialize};

use super::spec::Layout;

/// What can be done for encryption at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Copies etcd into a file of this name and checks it.
    Snapshot {
        /// Without folder and ending.
        name: String,
    },
    /// Has the API server on this machine mount the folders of KMS plugins, for which it restarts.
    Mount {
        /// The machine.
        node: Name,
        /// The folders that its manifest mounts for plugins now.
        before: Vec<String>,
        /// Those that it shall mount.
        folders: Vec<String>,
        /// At these sockets a plugin must answer before.
        sockets: BTreeSet<String>,
    },
    /// Replaces the file, and waits until the API server on this machine has loaded it.
    Write {
        /// What it will say.
        layout: Layout,
        /// What it must be before.
        expected: Expected,
        /// The fingerprints that keys which are in use must have, by cipher and name. The others are new.
        fingerprints: BTreeMap<String, String>,
    },
    /// Waits until the API server on this machine has loaded the file that is there.
    Load {
        /// Its sha256.
        sha256: String,
    },
    /// Has the API server write every object anew.
    Rewrite {
        /// The kinds.
        resources: BTreeSet<String>,
    },
    /// Counts in etcd that every value begins as it should.
    Check {
        /// For each kind the beginning; empty for values as they are.
        prefixes: BTreeMap<String, String>,
    },
    /// Removes old revisions from etcd.
    Compact,
    /// Gives back what old revisions occupied in the file of this machine's etcd.
    Defragment,
}

/// What a file must be before it is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expected {
    /// The file with this sha256.
    Seen(String),
    /// The one that an earlier step writes.
    Written(Layout),
}
