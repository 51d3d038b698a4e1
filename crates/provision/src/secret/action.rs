//! What can be done with a Secret.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::spec::SecretSpec;

/// What can be done with a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Applies one from its file.
    Apply {
        /// What the file asks for; it must still do so.
        secret: SecretSpec,
        /// What was in the cluster; it must still be there.
        on: Expected,
    },
    /// Deletes one that is in no file any more.
    Delete {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Which object of that name.
        uid: String,
    },
}

/// What is in the cluster where a Secret is to be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expected {
    /// Nothing.
    Nothing,
    /// Ours, as it was applied from an earlier file.
    Ours {
        /// Which object.
        uid: String,
    },
    /// Ours, with values that somebody else set or took away: they are overwritten.
    Changed {
        /// Which object.
        uid: String,
        /// The names of those values.
        keys: BTreeSet<String>,
    },
    /// Somebody else's: it is taken over, and values of these names are overwritten.
    Foreign,
    /// Ours, which the API server does not let change: it is deleted and made anew.
    Fixed {
        /// Which object.
        uid: String,
    },
}
