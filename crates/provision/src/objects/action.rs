//! What can be done through the API, as data.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::HostName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::object::Exactly;

/// Labels and annotations of a node that others set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marks {
    /// Labels.
    #[serde(rename = "seen")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, rename = "seenAnnotations", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What can be done through the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Applies manifests, in order. An object that somebody else made, or a field that somebody else set, is refused.
    Apply {
        /// The manifests.
        manifests: Vec<Value>,
    },
    /// Applies a manifest over what somebody else made or set, after a copy of the object is kept.
    Take {
        /// The manifest.
        manifest: Value,
        /// The object as it was seen; another one, or one that says something else now, is refused.
        on: Exactly,
    },
    /// Sets labels and annotations of a node that somebody else set to other values.
    Label {
        /// The manifest.
        manifest: Value,
        /// The values as they were seen; others are refused.
        #[serde(flatten)]
        seen: Marks,
    },
    /// Deletes objects that the file does not ask for any more.
    Delete {
        /// Which, as they were seen; others are refused.
        objects: Vec<Exactly>,
    },
    /// Waits until the API server answers.
    Reach,
    /// Waits until nodes and the cluster's own workloads are ready.
    Wait {
        /// The nodes.
        nodes: Vec<HostName>,
        /// What the API tells of and is no more: the ids of boots and containers.
        gone: BTreeSet<String>,
    },
}
