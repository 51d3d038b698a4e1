//! What encryption at rest may be.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::key::KeyRef;
use serde::{Deserialize, Serialize};

/// The configuration of encryption at rest. Not below pki, which `kubeadm reset` deletes. The API server has its folder mounted: a file that is
/// renamed inside is seen there.
pub const FILE: &str = "/etc/kubernetes/enc/enc.yaml";
/// There while the file was written and the API server is not known to have loaded it.
pub(super) const UNLOADED: &str = "/etc/kubernetes/enc/unloaded";
/// How the API server runs on a control plane.
pub(crate) const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
/// Where etcd lies, and its snapshots with it: what protects the one protects the others.
pub(super) const ETCD: &str = "/var/lib/etcd";

/// A key in the escrow.
pub fn key_of(key: &str) -> KeyRef {
    KeyRef(format!("encryption.{key}"))
}

/// The name in the escrow of a key.
pub fn escrow_name(key: &str) -> String {
    key_of(key).0
}

/// A kind of objects whose values can be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// As the configuration names it; also its folder in etcd, below `/registry`.
    pub name: &'static str,
    /// Its kind in group `v1`.
    pub kind: &'static str,
}

/// The kinds that can be encrypted.
pub const RESOURCES: [Resource; 3] = [
    Resource { name: "secrets", kind: "Secret" },
    Resource { name: "configmaps", kind: "ConfigMap" },
    Resource { name: "persistentvolumeclaims", kind: "PersistentVolumeClaim" },
];

/// A cipher with a key that lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cipher {
    /// XSalsa20 and Poly1305.
    Secretbox,
    /// AES-GCM with random nonces: its key must be replaced before 200,000 writes (Kubernetes' documentation).
    Aesgcm,
    /// AES-CBC, which Kubernetes advises against: known so that a cluster can leave it, never written anew.
    Aescbc,
}

impl Cipher {
    /// As the configuration and the values in etcd name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secretbox => "secretbox",
            Self::Aesgcm => "aesgcm",
            Self::Aescbc => "aescbc",
        }
    }
}

/// One way to read values, and to write them where it stands first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// As they are.
    Identity,
    /// With a key of the file.
    Key {
        /// The cipher.
        cipher: Cipher,
        /// The key's name: the values carry it.
        name: String,
    },
    /// With a plugin beside the API server, KMS v2.
    Kms {
        /// The plugin's name: the values carry it.
        name: String,
        /// Its socket, `unix:///…`.
        endpoint: String,
        /// How long it may take for an answer, such as `3s`.
        timeout: String,
    },
}

impl Entry {
    /// What a value in etcd begins with; empty for a value as it is.
    pub fn prefix(&self) -> String {
        match self {
            Self::Identity => String::new(),
            Self::Key { cipher, name } => format!("k8s:enc:{}:v1:{name}:", cipher.as_str()),
            Self::Kms { name, .. } => format!("k8s:enc:kms:v2:{name}:"),
        }
    }

    /// A word for names of files.
    pub(super) fn word(&self) -> &str {
        match self {
            Self::Identity => "identity",
            Self::Key { name, .. } | Self::Kms { name, .. } => name,
        }
    }

    /// The socket of its plugin.
    pub fn socket(&self) -> Option<&str> {
        match self {
            Self::Identity | Self::Key { .. } => None,
            Self::Kms { endpoint, .. } => endpoint.strip_prefix("unix://"),
        }
    }

    /// The folder that the API server must have mounted for it.
    pub fn socket_folder(&self) -> Option<&str> {
        self.socket()?.rsplit_once('/').map(|(folder, _)| folder)
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identity => f.write_str("no encryption"),
            Self::Key { cipher, name } => write!(f, "{} {name}", cipher.as_str()),
            Self::Kms { name, .. } => write!(f, "kms {name}"),
        }
    }
}

/// What the cluster file asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionSpec {
    /// How values are written.
    pub entry: Entry,
    /// The kinds of objects, by name.
    pub resources: BTreeSet<String>,
}

impl Default for EncryptionSpec {
    fn default() -> Self {
        let entry = Entry::Key { cipher: Cipher::Secretbox, name: "key1".to_owned() };
        Self { entry, resources: BTreeSet::from(["secrets".to_owned()]) }
    }
}

impl EncryptionSpec {
    /// The file of an API server that is as the cluster file says.
    pub fn layout(&self) -> Layout {
        Layout(self.resources.iter().map(|r| (r.clone(), vec![self.target(r)])).collect())
    }

    /// How the values of a kind shall be written. A plugin has another name for each further kind: an API server takes no file in which one
    /// name stands in two lists, and while kinds come and go their lists differ.
    pub fn target(&self, resource: &str) -> Entry {
        match &self.entry {
            _ if !self.resources.contains(resource) => Entry::Identity,
            Entry::Kms { name, endpoint, timeout } if resource != "secrets" => {
                Entry::Kms { name: format!("{name}-{resource}"), endpoint: endpoint.clone(), timeout: timeout.clone() }
            }
            entry => entry.clone(),
        }
    }
}

/// A configuration of encryption at rest without its keys: for each kind of objects how it is written (first) and what else can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout(pub BTreeMap<String, Vec<Entry>>);

impl Layout {
    /// How a kind is written and read. What the file does not name is written and read as it is.
    pub fn entries(&self, resource: &str) -> Vec<Entry> {
        self.0.get(resource).cloned().unwrap_or_else(|| vec![Entry::Identity])
    }

    /// Every entry once.
    pub fn all(&self) -> BTreeSet<&Entry> {
        self.0.values().flatten().collect()
    }

    /// The sockets of its plugins.
    pub fn sockets(&self) -> BTreeSet<&str> {
        self.all().into_iter().filter_map(Entry::socket).collect()
    }

    /// A plugin's name that stands in two lists: no API server takes such a file.
    pub fn clash(&self) -> Option<&str> {
        let mut found: BTreeMap<&str, &Vec<Entry>> = BTreeMap::new();
        let mut names = self.0.values().flat_map(|list| list.iter().filter(|e| e.socket().is_some()).map(move |e| (e.word(), list)));
        names.find_map(|(name, list)| (*found.entry(name).or_insert(list) != list).then_some(name))
    }

    /// The same without kinds that are only written as they are: to name them says nothing.
    #[must_use]
    pub(super) fn plain(mut self) -> Self {
        self.0.retain(|_, entries| *entries != [Entry::Identity]);
        self
    }
}
