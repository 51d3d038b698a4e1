//! What can be done for services, as data.

use std::collections::BTreeSet;

use kubestead_core::kube::ObjectRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kinds::Kind;
use super::sealed::Sealed;
use crate::objects::Exactly;

/// What can be done for a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Writes down which kinds of objects the service has, before any of them is there.
    Record {
        /// The record.
        record: Value,
    },
    /// Applies manifests, in order. An object that somebody else made, or a field that somebody else set, is refused.
    Apply {
        /// The manifests.
        manifests: Vec<Value>,
        /// The encrypted values that are filled into Secrets among them.
        #[serde(skip_serializing_if = "Sealed::is_empty", default)]
        sealed: Sealed,
    },
    /// Applies a manifest over what somebody else made or set, after a copy of the object is kept.
    Take {
        /// The manifest.
        manifest: Value,
        /// The object as it was seen; another one, or one that says something else now, is refused.
        on: Exactly,
        /// The encrypted values that are filled in, if it is a Secret.
        #[serde(skip_serializing_if = "Sealed::is_empty", default)]
        sealed: Sealed,
    },
    /// Waits until the API serves the kinds of definitions.
    Establish {
        /// The definitions.
        definitions: Vec<ObjectRef>,
        /// The kinds.
        kinds: BTreeSet<Kind>,
    },
    /// Waits until workloads have rolled out, and jobs are complete.
    Ready {
        /// Which.
        workloads: Vec<ObjectRef>,
    },
    /// Deletes objects that no file asks for any more.
    Delete {
        /// Which, as they were seen; others are refused.
        objects: Vec<Exactly>,
    },
    /// Deletes the record of a service that is in no file any more, once nothing of it is left.
    Forget {
        /// Its name.
        service: String,
        /// The kinds that it may have.
        kinds: BTreeSet<Kind>,
        /// The record.
        record: Exactly,
    },
}
