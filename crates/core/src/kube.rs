//! The Kubernetes API, as far as kubestead needs it: plain manifests.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

/// Which object is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Such as `v1` or `apps/v1`.
    pub api_version: String,
    /// Such as `Namespace`.
    pub kind: String,
    /// Empty for objects of the cluster.
    pub namespace: String,
    /// Its name; empty when a list is meant.
    pub name: String,
}

impl ObjectRef {
    /// The reference of a manifest.
    pub fn of(manifest: &Value) -> Self {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        Self {
            api_version: text(&manifest["apiVersion"]),
            kind: text(&manifest["kind"]),
            namespace: text(&manifest["metadata"]["namespace"]),
            name: text(&manifest["metadata"]["name"]),
        }
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// What a list answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// The objects.
    pub items: Vec<Value>,
    /// The version of the list, after which [`Kube::changed`] looks for changes.
    pub version: String,
}

/// Who owns the fields that kubestead sets.
pub const FIELD_MANAGER: &str = "kubestead";

/// The API of one cluster, as far as one looks. What changes it is [`Guarded`].
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Kube: Send + Sync {
    /// Whether the API server says of itself that it is ready (`/readyz`); a refusal with its words when it does not.
    async fn ready(&self) -> Result<(), KubeError>;
    /// The object, or `None` when the server says that there is none.
    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError>;
    /// All objects of a kind, in one namespace or, when that is empty, in all.
    async fn list(&self, kind: &ObjectRef) -> Result<Listed, KubeError>;
    /// Ends when an object of such a list has changed, come or gone after that version of it. For how long is the caller's to say. It is a hint
    /// and no proof: whoever waits lists again, and now and then without having been told.
    async fn changed(&self, kind: &ObjectRef, version: &str) -> Result<(), KubeError>;
}

/// Changes to one object that hold only while it is as it was seen, and that bring none of its content back.
#[async_trait]
pub trait Guarded: Send + Sync {
    /// The object's metadata alone, as `{"metadata": …}`, or `None` when the server says that there is none.
    async fn metadata(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError>;
    /// Server-side apply with kubestead's field manager; answers the metadata. A field that another manager set to another value is a
    /// refusal (409) unless `force`. So is a `metadata.resourceVersion` in the manifest that is not the object's.
    async fn apply_guarded(&self, manifest: &Value, force: bool) -> Result<Value, KubeError>;
    /// Sets an annotation, or takes it away when there is no value, whoever set it; answers the metadata.
    async fn annotate(&self, object: &ObjectRef, key: &str, value: Option<&str>) -> Result<Value, KubeError>;
    /// Deletes the object that has this uid and resource version, and no other.
    async fn delete_exactly(&self, object: &ObjectRef, uid: &str, version: &str) -> Result<(), KubeError>;
}

/// Writing objects anew as they are, so that the server encrypts them as new ones are.
#[async_trait]
pub trait Rewrite: Send + Sync {
    /// Has the server write every object of a kind anew; no object's content travels. Objects deleted meanwhile are skipped, and those that are made
    /// meanwhile are written as they shall be by themselves. Returns how many there were.
    async fn rewrite(&self, kind: &ObjectRef) -> Result<u64, KubeError>;
}

/// A kind as an API server has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// What paths call it, such as `deployments`.
    pub plural: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// The kinds of an API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Those that it tells, in every version that it serves.
    pub known: Vec<Resource>,
    /// Group and version of what an extension serves that does not answer: nobody knows which kinds it has now.
    pub silent: std::collections::BTreeSet<String>,
}

/// What kinds there are, which no program knows beforehand, and objects by a label.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The kinds that the server has. What is asked of it later goes by their paths.
    async fn resources(&self) -> Result<Resources, KubeError>;
    /// All objects of a kind, in all namespaces, that have a label, whatever its value.
    async fn labelled(&self, kind: &ObjectRef, label: &str) -> Result<Vec<Value>, KubeError>;
}

/// Questions to an API server about itself.
#[async_trait]
pub trait Review: Send + Sync {
    /// The answer to one, such as a `SubjectAccessReview`. Nothing is kept of it.
    async fn review(&self, review: &Value) -> Result<Value, KubeError>;
}

/// All that can be asked of the API of a cluster.
pub trait Api: Kube + Guarded + Rewrite + Catalog + Review {}

impl<T: Kube + Guarded + Rewrite + Catalog + Review + ?Sized> Api for T {}

/// The API of a cluster that may yet have to begin: it is connected when it is asked for.
#[async_trait]
pub trait ApiSource: Send + Sync {
    /// The API, or why it cannot be had.
    async fn api(&self) -> Result<Arc<dyn Api>, String>;
}

#[async_trait]
impl<T: Api + 'static> ApiSource for Arc<T> {
    async fn api(&self) -> Result<Arc<dyn Api>, String> {
        Ok(self.clone())
    }
}

#[async_trait]
impl<T: Kube + ?Sized> Kube for Arc<T> {
    async fn ready(&self) -> Result<(), KubeError> {
        self.as_ref().ready().await
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        self.as_ref().get(object).await
    }

    async fn list(&self, kind: &ObjectRef) -> Result<Listed, KubeError> {
        self.as_ref().list(kind).await
    }

    async fn changed(&self, kind: &ObjectRef, version: &str) -> Result<(), KubeError> {
        self.as_ref().changed(kind, version).await
    }
}

#[async_trait]
impl<T: Guarded + ?Sized> Guarded for Arc<T> {
    async fn metadata(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        self.as_ref().metadata(object).await
    }

    async fn apply_guarded(&self, manifest: &Value, force: bool) -> Result<Value, KubeError> {
        self.as_ref().apply_guarded(manifest, force).await
    }

    async fn annotate(&self, object: &ObjectRef, key: &str, value: Option<&str>) -> Result<Value, KubeError> {
        self.as_ref().annotate(object, key, value).await
    }

    async fn delete_exactly(&self, object: &ObjectRef, uid: &str, version: &str) -> Result<(), KubeError> {
        self.as_ref().delete_exactly(object, uid, version).await
    }
}

#[async_trait]
impl<T: Rewrite + ?Sized> Rewrite for Arc<T> {
    async fn rewrite(&self, kind: &ObjectRef) -> Result<u64, KubeError> {
        self.as_ref().rewrite(kind).await
    }
}

#[async_trait]
impl<T: Review + ?Sized> Review for Arc<T> {
    async fn review(&self, review: &Value) -> Result<Value, KubeError> {
        self.as_ref().review(review).await
    }
}

#[async_trait]
impl<T: Catalog + ?Sized> Catalog for Arc<T> {
    async fn resources(&self) -> Result<Resources, KubeError> {
        self.as_ref().resources().await
    }

    async fn labelled(&self, kind: &ObjectRef, label: &str) -> Result<Vec<Value>, KubeError> {
        self.as_ref().labelled(kind, label).await
    }
}

/// Why the API did not do it.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KubeError {
    /// No connection.
    #[error("the API server could not be reached: {0}")]
    Connect(String),
    /// The answer did not end in time.
    #[error("{object}: the API server did not answer to its end within {seconds} s")]
    Slow {
        /// The object.
        object: String,
        /// The limit.
        seconds: u64,
    },
    /// The answer is larger than any that an API server has reason to give.
    #[error("the answer for {object} is larger than {limit}: nothing of it was used; look at what answers as the API server")]
    TooMuch {
        /// The object.
        object: String,
        /// Such as `8 MiB`.
        limit: String,
    },
    /// The server refused.
    #[error("{object}: {reason} ({code})")]
    Refused {
        /// The object.
        object: String,
        /// The server's words.
        reason: String,
        /// HTTP status.
        code: u16,
    },
}

impl KubeError {
    /// The same error, with what others said in it changed.
    #[must_use]
    pub fn with_words(self, change: impl Fn(String) -> String) -> Self {
        match self {
            Self::Connect(words) => Self::Connect(change(words)),
            Self::Refused { object, reason, code } => Self::Refused { object, reason: change(reason), code },
            own @ (Self::Slow { .. } | Self::TooMuch { .. }) => own,
        }
    }
}
