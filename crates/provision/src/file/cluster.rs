//! What a cluster file may say, validated: values only. How they are decoded is in `sections`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::PathBuf;

use kubestead_core::diagnostic::Diagnostic;
use kubestead_core::name::{HostName, Name};
use kubestead_storage::pv::{NamedVolume, Pool};
use kubestead_storage::spec;
use serde::{Deserialize, Serialize};

use super::address::Subnet;
use super::api_server::{Audit, Oidc};
use super::grants::PodSecurity;
use super::limits::{Limits, Quota};
use super::services::Manifests;
use crate::apt_key::Fingerprint;
use crate::encryption::EncryptionSpec;
use crate::keyserver::Account;
use crate::kubeadm::Components;
use crate::kubelet::Settings;
use crate::service::{Gateway, What};

/// A valid cluster file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's name: cluster and context name in kubeconfigs.
    pub name: Name,
    /// Version and source of Kubernetes; machines and volumes alone when not given.
    pub kubernetes: Option<Kubernetes>,
    /// `host:port` that clients and nodes use for the API; the first control plane's address when not given.
    pub endpoint: Option<String>,
    /// How to log in.
    pub ssh: Ssh,
    /// The machines, in the order written.
    pub nodes: Vec<Node>,
    /// Volume group to node to devices.
    pub groups: BTreeMap<Name, BTreeMap<Name, Vec<String>>>,
    /// The volumes, in the order written.
    pub volumes: Vec<Volume>,
    /// Key servers.
    pub servers: Vec<KeyServer>,
    /// Pools of persistent volumes on every node that has the pool volume.
    pub pools: Vec<Pool>,
    /// Named persistent volumes on the same nodes.
    pub named: Vec<NamedVolume>,
    /// The users' namespace.
    pub namespace: Option<Namespace>,
    /// The services, the users' own and those that kubestead brings; whom one needs comes before it.
    pub manifests: Vec<Manifests>,
    /// Address ranges.
    pub network: Network,
    /// Folder with the operator's secrets, absolute.
    pub secrets: PathBuf,
    /// What is worth knowing of the file, and no mistake.
    pub warnings: Vec<Diagnostic>,
    /// sha256 of the file's text, hex.
    pub digest: String,
}

/// Where persistent volumes live on a node.
pub(crate) const POOL_ROOT: &str = "/var/lib/kubestead/volumes";

/// Where kubeadm's API server listens.
pub(super) const API_PORT: u16 = 6443;

/// Version and source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Such as `1.37.1`.
    pub version: String,
    /// A bundle folder on the operator's computer; every program that packages do not bring, and images, come from it.
    pub bundle: Option<PathBuf>,
    /// The apt repository of kubeadm, kubelet and kubectl; the bundle has them when `None`, which it is not without a bundle.
    pub packages: Option<Packages>,
    /// Exactly this version of containerd; the newest that fits when not given.
    pub containerd: Option<String>,
    /// How nodes reach what is outside; directly when not given.
    pub proxy: Option<Proxy>,
    /// What is said of registries, by their hosts.
    pub registries: BTreeMap<String, Registry>,
    /// How values in etcd are encrypted.
    pub encryption: EncryptionSpec,
    /// What is added to the programs of control planes.
    pub components: Components,
    /// What the API server writes down of requests; nothing when not given.
    pub audit: Option<Audit>,
    /// A provider whose tokens the API server takes.
    pub oidc: Option<Oidc>,
    /// Settings of all kubelets; kubeadm's alone when not given.
    pub kubelet: Option<Settings>,
    /// kubeadm's preflight errors to ignore, by name.
    pub ignore_preflight: Vec<String>,
    /// Settings for rehearsal machines: long time-outs, one CPU, no leader election.
    pub lab: bool,
}

/// A registry of images.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Registry {
    /// Its mirrors, in the order in which containerd asks them.
    pub mirrors: Vec<String>,
    /// Certificates of authorities that its own is signed by, PEM, beside those that a machine trusts.
    pub ca: Option<String>,
    /// The Secret of the users' namespace that the login to it is in.
    pub credentials: Option<String>,
}

/// Proxies of HTTP for apt, containerd and the kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// For http.
    pub http: Option<String>,
    /// For https.
    pub https: Option<String>,
    /// What is reached without one, beside what is the cluster's own.
    pub direct: Vec<String>,
}

/// An apt repository with a path for each minor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packages {
    /// Its address without the minor.
    pub repository: String,
    /// Which key signs it.
    pub trust: Trust,
}

/// How the key is known that signs an apt repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is a file on the operator's computer, armoured.
    File(PathBuf),
    /// The repository offers it, and it has this fingerprint; containerd then comes as a package too.
    Fingerprint {
        /// Of the key of Kubernetes' repository.
        kubernetes: Fingerprint,
        /// Where containerd comes from if the distribution has none that is new enough.
        docker: DockerRepository,
    },
}

/// Docker's apt repository, which has a folder for each distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerRepository {
    /// Its address without the distribution.
    pub repository: String,
    /// Of the key that signs it.
    pub fingerprint: Fingerprint,
}

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ssh {
    /// Login user; ssh's own configuration decides when not given.
    pub user: Option<String>,
    /// Another ssh configuration file than `~/.ssh/config`.
    pub config: Option<PathBuf>,
}

/// How to log in to one machine.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NodeSsh {
    /// Login user; the cluster's when not given.
    pub user: Option<String>,
    /// sshd's port; ssh's own configuration decides when not given.
    pub port: Option<u16>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// API server, etcd, controllers.
    ControlPlane,
    /// The users' pods.
    Worker,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name: in the plan, and in the names of what is made for it.
    pub name: Name,
    /// Its host name, which is its name in Kubernetes; its name when not given.
    pub hostname: HostName,
    /// Its IP address.
    pub address: String,
    /// How to log in where it is another way than to the others.
    pub ssh: NodeSsh,
    /// What it does; a worker when not said.
    pub roles: BTreeSet<Role>,
    /// Kubernetes labels.
    pub labels: BTreeMap<String, String>,
    /// Taints, which it gets when it joins.
    pub taints: Vec<Taint>,
    /// Kubernetes annotations.
    pub annotations: BTreeMap<String, String>,
    /// Settings of its kubelet: a field of them takes the place of the one for all.
    pub kubelet: Option<Settings>,
}

impl Node {
    /// A worker of that name at that address, with nothing else said of it.
    pub fn new(name: Name, address: impl Into<String>) -> Self {
        Self {
            hostname: HostName::from(&name),
            name,
            address: address.into(),
            ssh: NodeSsh::default(),
            roles: BTreeSet::new(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            annotations: BTreeMap::new(),
            kubelet: None,
        }
    }

    /// Whether it is a control plane.
    pub fn is_control_plane(&self) -> bool {
        self.roles.contains(&Role::ControlPlane)
    }
}

/// A taint, which keeps pods away that do not tolerate it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taint {
    /// As that of a label.
    pub key: String,
    /// As that of a label; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What becomes of such pods.
    pub effect: Effect,
}

/// What becomes of pods that do not tolerate a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Effect {
    /// None begins there.
    NoSchedule,
    /// None begins there where another node will do.
    PreferNoSchedule,
    /// None begins there, and those that run are evicted.
    NoExecute,
}

impl Effect {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

impl std::fmt::Display for Taint {
    /// As `kubectl taint` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, value, effect } = self;
        if value.is_empty() { write!(f, "{key}:{}", effect.word()) } else { write!(f, "{key}={value}:{}", effect.word()) }
    }
}

/// A volume on each of some nodes; what it is there, it is read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The nodes that have it.
    pub nodes: BTreeSet<Name>,
    /// What each of them has.
    pub spec: spec::Volume,
}

impl Deref for Volume {
    type Target = spec::Volume;

    fn deref(&self) -> &spec::Volume {
        &self.spec
    }
}

/// A key server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyServer {
    /// Its name.
    pub name: Name,
    /// Its IP address.
    pub address: String,
    /// sshd's port.
    pub port: u16,
    /// The account that nodes log in as.
    pub user: Account,
}

/// The users' namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: Name,
    /// Its users: service accounts with full rights inside.
    pub users: Vec<Name>,
    /// Groups of whoever logs in another way than by a service account, with the same rights.
    pub groups: Vec<String>,
    /// What its containers use.
    pub limits: Limits,
    /// What it may use as a whole.
    pub quota: Quota,
    /// What its pods may; nothing looks at them but Pod Security when `None`.
    pub pod_security: Option<PodSecurity>,
}

impl Namespace {
    /// A namespace without users and without a quota, with the usual limits, whose pods nothing looks at but Pod Security.
    pub fn new(name: Name) -> Self {
        Self { name, users: Vec::new(), groups: Vec::new(), limits: Limits::default(), quota: Quota::new(), pod_security: None }
    }
}

/// Address ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Pods.
    pub pods: Subnet,
    /// Services.
    pub services: Subnet,
    /// DNS domain of services.
    pub dns_domain: String,
    /// The interface for pods' packets between nodes: the first of these names that a node has. The one of the default route when empty.
    pub interfaces: Vec<String>,
    /// How packets get from node to node.
    pub backend: Backend,
}

impl Network {
    /// The address of the service that knows the cluster's names: the tenth of the range of services, as kubeadm takes it.
    pub fn dns_service(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.services.base().to_bits() + 10)
    }
}

/// flannel's ways from node to node. Where packets are wrapped, their largest size may be said; flannel takes that of the interface when not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In UDP; nodes may be anywhere.
    Vxlan {
        /// In bytes, of the packet around it.
        mtu: Option<u64>,
    },
    /// By routes; all nodes are in one network of layer 2.
    HostGw,
    /// Encrypted.
    Wireguard {
        /// In bytes, of the packet around it.
        mtu: Option<u64>,
    },
}

impl Backend {
    /// The words for them.
    pub(super) const WORDS: [&'static str; 3] = ["vxlan", "host-gw", "wireguard"];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vxlan { .. } => "vxlan",
            Self::HostGw => "host-gw",
            Self::Wireguard { .. } => "wireguard",
        }
    }

    /// The largest packet, if it is said.
    pub fn mtu(self) -> Option<u64> {
        match self {
            Self::Vxlan { mtu } | Self::Wireguard { mtu } => mtu,
            Self::HostGw => None,
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            pods: Subnet::around(Ipv4Addr::new(10, 244, 0, 0), 16),
            services: Subnet::around(Ipv4Addr::new(10, 96, 0, 0), 12),
            dns_domain: "cluster.local".into(),
            interfaces: Vec::new(),
            backend: Backend::Vxlan { mtu: None },
        }
    }
}

impl Cluster {
    /// A cluster with no machine and nothing on it, for a value that is built in code. Its fields are what a file says; what [`super::load`] refuses
    /// as a mistake is not looked for in them. `secrets` is absolute.
    pub fn new(name: Name, secrets: PathBuf) -> Self {
        Self {
            name,
            kubernetes: None,
            endpoint: None,
            ssh: Ssh::default(),
            nodes: Vec::new(),
            groups: BTreeMap::new(),
            volumes: Vec::new(),
            servers: Vec::new(),
            pools: Vec::new(),
            named: Vec::new(),
            namespace: None,
            manifests: Vec::new(),
            network: Network::default(),
            secrets,
            warnings: Vec::new(),
            digest: String::new(),
        }
    }

    /// The services that kubestead brings itself.
    pub(crate) fn built(&self) -> impl Iterator<Item = &What> {
        self.manifests.iter().filter_map(|service| service.source.built())
    }

    /// The gateway; `None` if the file asks for none.
    pub(crate) fn gateway(&self) -> Option<&Gateway> {
        self.built().find_map(|what| if let What::Gateway(gateway) = what { Some(gateway) } else { None })
    }

    /// The control planes, in the order written.
    pub fn control_planes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| n.is_control_plane())
    }

    /// The volumes of a node.
    pub fn volumes_of<'a>(&'a self, node: &'a Name) -> impl Iterator<Item = &'a Volume> {
        self.volumes.iter().filter(move |v| v.nodes.contains(node))
    }
}
