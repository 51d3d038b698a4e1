//! What the API server writes down of requests, and whom else it lets in: values of the cluster file.

use serde_json::Value;

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Rules as in a policy of `audit.k8s.io/v1`; `None` for kubestead's own.
    pub rules: Option<Vec<Value>>,
    /// How long a file is kept, in days.
    pub max_age: u64,
    /// How many files are kept beside the one that is written.
    pub max_backups: u64,
    /// When another file is begun, in megabytes.
    pub max_size: u64,
}

/// A provider of OpenID Connect whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// Its address, as it stands in tokens.
    pub issuer: String,
    /// For whom a token must be; one of them is enough.
    pub audiences: Vec<String>,
    /// What a user is called.
    pub username: Claim,
    /// What groups are called; `None` if tokens bring none.
    pub groups: Option<Claim>,
    /// Certificates in PEM by which its own is judged; those of the machine if there are none.
    pub authority: Option<String>,
}

/// A claim of a token that becomes a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub claim: String,
    /// What stands ahead of its value, so that it is nobody's else.
    pub prefix: String,
}
