//! A Secret as a file asks for it: everything but its values.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::kube::ObjectRef;
use kubestead_core::put::digest;
use serde::{Deserialize, Serialize};

/// Carries the digest of what was applied. Its value comes from ciphertext, so that it tells nothing of a value.
pub(super) const DIGEST: &str = "kubestead.io/digest";
/// What Kubernetes takes a Secret for that names no type.
pub(super) const OPAQUE: &str = "Opaque";
/// The most bytes that the values of one Secret may have together (`MaxSecretSize` of Kubernetes).
pub(crate) const MOST_BYTES: usize = 1024 * 1024;

/// A Secret as a file asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretSpec {
    /// The file, from the folder of secrets.
    pub file: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its `type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the API server shall refuse changes of it.
    pub immutable: bool,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub annotations: BTreeMap<String, String>,
    /// The names of its values.
    pub keys: BTreeSet<String>,
    /// sha256 of all of the above but the file, and of the ciphertext of each value.
    pub digest: String,
}

impl SecretSpec {
    /// Whose it is: `NAMESPACE/NAME`.
    pub fn owner(&self) -> String {
        owner(&self.namespace, &self.name)
    }

    /// The object.
    pub fn object(&self) -> ObjectRef {
        object(&self.namespace, &self.name)
    }

    /// The digest for these values as they stand in the file. Other recipients, another MAC or another time change nothing.
    pub(super) fn digest_of(&self, sealed: &BTreeMap<String, (&str, &str)>) -> String {
        let Self { file: _, namespace, name, kind, immutable, labels, annotations, keys: _, digest: _ } = self;
        let all = serde_json::json!(["v1", namespace, name, kind, immutable, labels, annotations, sealed]);
        format!("sha256:{}", digest(all.to_string()))
    }
}

/// `NAMESPACE/NAME`. Neither has a slash in it.
pub(crate) fn owner(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

pub(super) fn object(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { api_version: "v1".into(), kind: "Secret".into(), namespace: namespace.into(), name: name.into() }
}

/// All that the folder asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretsWanted {
    /// The Secrets, by namespace and name.
    pub secrets: Vec<SecretSpec>,
    /// What is wrong in the folder.
    pub findings: Vec<Diagnostic>,
}

impl SecretsWanted {
    /// Whether all of the folder was understood.
    pub fn is_whole(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }
}
