//! What the cluster file asks of each domain.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::outcome::causes;
use kubestead_storage::spec::{HostStorage, KeyServer, PoolRoot, Volume};

use crate::bundle::{self, Bundle, BundleFile};
use crate::file::{Cluster, Node, POOL_ROOT, Role, host_port};
use crate::keyring;
use crate::keyserver::{self, EnrolledNode, Folder, KeyServerSpec, Site};
use crate::kubeadm::ClusterSpec;
use crate::node::{self, NodeSpec};
use crate::secret::{self, Wish};

/// The key servers with the nodes that they let in, built once for all of them.
pub fn servers(cluster: &Cluster) -> Vec<KeyServerSpec> {
    let enrolled = |node: &Node| {
        let volumes: Vec<Name> = cluster.volumes_of(&node.name).map(|v| v.name.clone()).collect();
        (!volumes.is_empty()).then(|| EnrolledNode { name: node.name.clone(), address: ip(&node.address), volumes })
    };
    let nodes: Arc<[EnrolledNode]> = cluster.nodes.iter().filter_map(enrolled).collect();
    let one = |s: &crate::file::KeyServer| KeyServerSpec {
        site: Site { cluster: cluster.name.clone(), user: s.user.clone(), directory: Folder::default() },
        server: s.name.clone(),
        address: ip(&s.address),
        port: s.port,
        nodes: Arc::clone(&nodes),
    };
    cluster.servers.iter().map(one).collect()
}

/// An address of the file, which took nothing else: were it something else, it would be one from which nobody comes.
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The storage of one node.
pub fn storage(cluster: &Cluster, node: &Name) -> HostStorage {
    let volumes: Vec<Volume> = cluster.volumes_of(node).map(|v| v.spec.clone()).collect();
    let groups = cluster.groups.iter().filter_map(|(group, by_node)| Some((group.clone(), by_node.get(node)?.clone()))).collect();
    let has_root = volumes.iter().any(|v| v.path == POOL_ROOT);
    let directories = if has_root { kubestead_storage::pv::directories(POOL_ROOT, &cluster.pools, &cluster.named) } else { Vec::new() };
    HostStorage {
        node: node.clone(),
        groups,
        volumes,
        servers: cluster.servers.iter().map(|s| KeyServer { address: s.address.clone(), port: s.port, user: s.user.to_string() }).collect(),
        pool_root: (!directories.is_empty()).then(|| PoolRoot { path: POOL_ROOT.to_owned(), directories }),
        after_keys: keyserver::ready(&cluster.servers.iter().map(|s| s.name.clone()).collect::<Vec<_>>(), node),
    }
}

/// The control plane that begins the cluster; nothing when the file asks for no Kubernetes.
pub fn first(cluster: &Cluster) -> Option<&Name> {
    cluster.kubernetes.as_ref()?;
    cluster.control_planes().map(|n| &n.name).next()
}

/// What the folder of secrets asks for; nothing when the file asks for no Kubernetes. `shown` is the folder as messages name it.
pub fn wish(cluster: &Cluster, shown: &str) -> Wish {
    if cluster.kubernetes.is_some() { secret::read_folder(&cluster.secrets, shown) } else { Wish::default() }
}

/// `bundle.json` of the folder that the file names.
pub(super) fn bundle(cluster: &Cluster) -> Fact<Bundle> {
    match cluster.kubernetes.as_ref().and_then(|k| k.bundle.as_ref()) {
        Some(dir) => Fact::from_result(bundle::load(dir).map_err(|e| causes(&e))),
        None => Fact::Absent,
    }
}

/// The key of the packages' repository that the file names.
pub(super) fn keyring(cluster: &Cluster) -> Fact<String> {
    match cluster.kubernetes.as_ref().and_then(|k| k.packages.as_ref()) {
        Some(packages) => Fact::from_result(keyring::load(&packages.key).map_err(|e| causes(&e))),
        None => Fact::Absent,
    }
}

/// What all nodes shall be, but for their names.
pub(super) struct NodeSpecs {
    bundle: PathBuf,
    packages: Option<node::Packages>,
    pause_image: Option<String>,
    /// The files of a control plane, and those of a worker.
    files: [Arc<[BundleFile]>; 2],
}

impl NodeSpecs {
    /// Nothing when the file asks for no Kubernetes, or its software cannot be read.
    pub(super) fn of(cluster: &Cluster, bundle: &Fact<Bundle>, key: &Fact<String>) -> Option<Self> {
        let wanted = cluster.kubernetes.as_ref()?;
        if bundle.gap().is_some() || key.gap().is_some() {
            return None;
        }
        let (bundle, key) = (bundle.known(), key.known());
        let packages = wanted.packages.as_ref().zip(key).map(|(packages, key)| node::Packages {
            version: wanted.version.clone(),
            repository: packages.repository.clone(),
            key: key.clone(),
        });
        let files = |control_plane| {
            let mut files = bundle.map(|b| b.files_for(control_plane)).unwrap_or_default();
            if packages.is_some() {
                files.retain(|f| !node::packaged(f));
            }
            files.into()
        };
        let files = [files(true), files(false)];
        let pause_image = bundle.and_then(Bundle::pause_image).map(str::to_owned);
        Some(Self { bundle: wanted.bundle.clone().unwrap_or_default(), packages, pause_image, files })
    }

    /// A node as it shall be.
    pub(super) fn of_node(&self, node: &Node) -> NodeSpec {
        let [control_plane, worker] = &self.files;
        NodeSpec {
            name: node.name.clone(),
            hostname: node.hostname.clone(),
            bundle: self.bundle.clone(),
            files: Arc::clone(if node.is_control_plane() { control_plane } else { worker }),
            packages: self.packages.clone(),
            pause_image: self.pause_image.clone(),
        }
    }
}

/// The cluster for kubeadm; nothing when the file asks for no Kubernetes.
pub fn cluster_spec(cluster: &Cluster) -> Option<ClusterSpec> {
    let wanted = cluster.kubernetes.as_ref()?;
    let first = cluster.control_planes().next()?;
    Some(ClusterSpec {
        name: cluster.name.clone(),
        version: wanted.version.clone(),
        endpoint: cluster.endpoint.clone().unwrap_or_else(|| host_port(&first.address, 6443)),
        first: first.name.clone(),
        hostnames: cluster
            .nodes
            .iter()
            .filter(|n| n.hostname.as_str() != n.name.as_str())
            .map(|n| (n.name.clone(), n.hostname.clone()))
            .collect(),
        pods: cluster.network.pods.to_string(),
        services: cluster.network.services.to_string(),
        dns_domain: cluster.network.dns_domain.clone(),
        pods_here: cluster.nodes.len() == 1 || first.roles.contains(&Role::Worker),
        encryption: wanted.encryption.clone(),
        ignore_preflight: wanted.ignore_preflight.clone(),
        lab: wanted.lab,
    })
}
