//! What a cluster file may say, validated.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::name::{HostName, Name};
use kubestead_core::size::Bytes;
use kubestead_storage::pv::{NamedVolume, Pool};
use kubestead_storage::spec::Filesystem;

use super::decode::{At, Fields, Findings, boolean, count, entries, key_name, list, name, size, text};
use super::net::{self, Ranges, Subnet};
use super::path::path;
use super::tree::{self, Node as Yaml};
use super::{labels::labels, rules, volumes};
use crate::encryption::EncryptionSpec;
use crate::keyserver::Account;

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

/// Version and source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Such as `1.37.1`.
    pub version: String,
    /// A bundle folder on the operator's computer; every program that packages do not bring, and images, come from it.
    pub bundle: Option<PathBuf>,
    /// The apt repository of kubeadm, kubelet and kubectl; the bundle has them when not given.
    pub packages: Option<Packages>,
    /// How values in etcd are encrypted.
    pub encryption: EncryptionSpec,
    /// kubeadm's preflight errors to ignore, by name.
    pub ignore_preflight: Vec<String>,
    /// Settings for rehearsal machines: long time-outs, one CPU, no leader election.
    pub lab: bool,
}

/// An apt repository with a path for each minor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packages {
    /// Its address without the minor.
    pub repository: String,
    /// The armoured public key that signs it, on the operator's computer.
    pub key: PathBuf,
}

/// The official repository.
const REPOSITORY: &str = "https://pkgs.k8s.io/core:/stable:";

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
}

impl Node {
    /// Whether it is a control plane.
    pub fn is_control_plane(&self) -> bool {
        self.roles.contains(&Role::ControlPlane)
    }
}

/// One LV, LUKS2, filesystem and mount on each of some nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: Name,
    /// The nodes that have it.
    pub nodes: BTreeSet<Name>,
    /// Its volume group.
    pub group: Name,
    /// Its size.
    pub size: Bytes,
    /// Its filesystem.
    pub filesystem: Filesystem,
    /// Number of inodes, when the default does not do.
    pub inodes: Option<u64>,
    /// Its mount point.
    pub path: String,
    /// Whether discards reach the disk (they tell which blocks are used).
    pub discard: bool,
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
}

impl Default for Network {
    fn default() -> Self {
        Self {
            pods: Subnet::around(Ipv4Addr::new(10, 244, 0, 0), 16),
            services: Subnet::around(Ipv4Addr::new(10, 96, 0, 0), 12),
            dns_domain: "cluster.local".into(),
            interfaces: Vec::new(),
        }
    }
}

impl Cluster {
    /// The control planes, in the order written.
    pub fn control_planes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| n.is_control_plane())
    }

    /// The volumes of a node.
    pub fn volumes_of<'a>(&'a self, node: &'a Name) -> impl Iterator<Item = &'a Volume> {
        self.volumes.iter().filter(move |v| v.nodes.contains(node))
    }
}

/// A volume as written, with the places that rules point at.
pub(super) struct VolumeDecl {
    pub(super) on: Vec<At<String>>,
    /// Whether something of `on` could not be read, which is told already.
    pub(super) malformed: bool,
    pub(super) size: At<Bytes>,
    pub(super) path: At<String>,
    pub(super) name: At<Name>,
    pub(super) group: At<Name>,
    pub(super) volume: Volume,
}

/// All declarations, before the rules across fields.
pub(super) struct Draft {
    pub(super) cluster: Cluster,
    pub(super) names: Vec<At<Name>>,
    pub(super) hostnames: Vec<At<HostName>>,
    pub(super) addresses: Vec<At<String>>,
    pub(super) devices: Vec<(Name, At<String>, At<String>)>,
    pub(super) volumes: Vec<VolumeDecl>,
    pub(super) servers: Vec<ServerDecl>,
    pub(super) pools: Vec<At<Name>>,
    pub(super) named: Vec<At<Name>>,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) ranges: Ranges,
    pub(super) broken: Broken,
}

/// What could not be read whole: that is told, and what follows from it alone is not.
#[derive(Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // each stands for a part of the file
pub(super) struct Broken {
    pub(super) nodes: bool,
    pub(super) disks: bool,
    pub(super) volumes: bool,
    pub(super) servers: bool,
}

/// Where parts of a key server are written.
pub(super) struct ServerDecl {
    pub(super) name: At<Name>,
    pub(super) address: At<String>,
    /// None where it is not written.
    pub(super) user: Option<At<Account>>,
}

/// The endpoint where it is written.
pub(super) struct Endpoint {
    pub(super) address: At<String>,
    pub(super) port: Option<At<u16>>,
}

/// How many mistakes are told of one file: who wrote more wrote another kind of file.
const MOST_FINDINGS: usize = 100;

/// Reads a cluster file's text. `file` is the name that diagnostics show; `dir` is where relative paths begin.
pub fn load(file: &str, text: &str, dir: &Path) -> Result<Cluster, Vec<Diagnostic>> {
    let root = tree::parse(file, text).map_err(bounded)?;
    let mut out = Findings::default();
    let draft = draft(root, dir, &mut out);
    let cluster = rules::settle(draft, &mut out);
    let mut found = out.0;
    found.sort_by(|a, b| (&a.place, a.severity).cmp(&(&b.place, b.severity)));
    if found.iter().any(|d| d.severity == Severity::Error) {
        return Err(bounded(found));
    }
    let digest = kubestead_core::put::digest(text);
    Ok(Cluster { digest, warnings: bounded(found), ..cluster })
}

/// The first findings, and how many more there are.
fn bounded(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let more = found.len().saturating_sub(MOST_FINDINGS);
    if let (Some(first), true) = (found.get(MOST_FINDINGS).cloned(), more > 0) {
        found.truncate(MOST_FINDINGS);
        found.push(Diagnostic { message: format!("and {more} more, from here on"), hint: Some("mend those above first".into()), ..first });
    }
    found
}

/// What a reading answers, and whether it told a mistake.
fn whole<T>(out: &mut Findings, read: impl FnOnce(&mut Findings) -> T) -> (T, bool) {
    let before = out.0.len();
    let found = read(out);
    (found, out.0[before..].iter().any(|d| d.severity == Severity::Error))
}

fn draft(root: Yaml, dir: &Path, out: &mut Findings) -> Draft {
    let mut broken = Broken::default();
    let mut top = Fields::of(root, "the cluster file", out);
    constant(&mut top, "apiVersion", "kubestead/v1", out);
    constant(&mut top, "kind", "Cluster", out);
    let cluster_name = top.required("name", out).and_then(|n| name(n, "name", out));
    top.gone("domain", "nothing ever used it: leave it out; a node's full name is its `hostname: NAME.DOMAIN`", out);
    let kubernetes = top.take("kubernetes").map(|n| kubernetes(n, dir, out));
    let written_endpoint = top.take("endpoint").and_then(|n| endpoint(n, out));
    let ssh = top.take("ssh").map(|n| ssh(n, dir, out)).unwrap_or_default();
    let (found, bad) = whole(out, |out| nodes(top.required("nodes", out), out));
    let Nodes { nodes, names, hostnames, addresses } = found;
    broken.nodes = bad;
    let (devices, bad) = whole(out, |out| top.take("disks").map(|n| disks(n, out)).unwrap_or_default());
    broken.disks = bad;
    let (volumes, bad) = whole(out, |out| top.take("volumes").map(|n| volumes(n, out)).unwrap_or_default());
    broken.volumes = bad;
    let ((servers, server_decls), bad) = whole(out, |out| top.take("keys").map(|n| keys(n, out)).unwrap_or_default());
    broken.servers = bad;
    let (pools, pool_names) = top.take("pools").map(|n| pools(n, out)).unwrap_or_default();
    let (named, named_names) = top.take("namedVolumes").map(|n| named(n, out)).unwrap_or_default();
    let namespace = top.take("namespace").and_then(|n| namespace(n, out));
    let (network, ranges) = top.take("network").map(|n| network(n, out)).unwrap_or_default();
    let secrets = top.take("secrets").map_or_else(|| dir.join("secrets"), |n| secrets(n, dir, out));
    top.end(out);
    let groups = BTreeMap::new();
    let name = cluster_name.map_or_else(rules::stand_in, |a| a.value);
    let endpoint =
        written_endpoint.as_ref().map(|e| net::host_port(&e.address.value, e.port.as_ref().map_or(rules::API_PORT, |port| port.value)));
    let cluster = Cluster {
        name,
        kubernetes,
        endpoint,
        ssh,
        nodes,
        groups,
        volumes: Vec::new(),
        servers,
        pools,
        named,
        namespace,
        network,
        secrets,
        warnings: Vec::new(),
        digest: String::new(),
    };
    Draft {
        cluster,
        names,
        hostnames,
        addresses,
        devices,
        volumes,
        servers: server_decls,
        pools: pool_names,
        named: named_names,
        endpoint: written_endpoint,
        ranges,
        broken,
    }
}

fn constant(top: &mut Fields, key: &'static str, value: &str, out: &mut Findings) {
    if let Some(found) = top.required(key, out).and_then(|n| text(n, key, out))
        && found.value != value
    {
        out.error(&found.place, format!("{key} must be {value}, and this is {:?}", found.value), None);
    }
}

fn kubernetes(node: Yaml, dir: &Path, out: &mut Findings) -> Kubernetes {
    let place = node.place.clone();
    let mut kubernetes = Kubernetes {
        version: String::new(),
        bundle: None,
        packages: None,
        encryption: EncryptionSpec::default(),
        ignore_preflight: Vec::new(),
        lab: false,
    };
    let mut f = Fields::of(node, "kubernetes", out);
    if let Some(version) = f.required("version", out).and_then(|n| text(n, "kubernetes.version", out)) {
        rules::version(&version, out);
        kubernetes.version = version.value;
    }
    let (bundle, source) = (f.take("bundle"), f.take("packages"));
    if bundle.is_none() && source.is_none() {
        let hint = "write `packages: {key: FILE}` for the apt repository, or `bundle: DIR` for a folder with the software";
        out.error(&place, "kubernetes names no source of its software", Some(hint.to_owned()));
    }
    kubernetes.bundle = bundle.and_then(|n| path(n, "kubernetes.bundle", dir, out));
    kubernetes.packages = source.and_then(|n| packages(n, dir, out));
    kubernetes.encryption = f.take("encryption").and_then(|n| super::encryption::encryption(n, out)).unwrap_or_default();
    for item in f.take("ignorePreflight").map(|n| list(n, "kubernetes.ignorePreflight", out)).unwrap_or_default() {
        kubernetes.ignore_preflight.extend(rules::preflight(item, out));
    }
    kubernetes.lab = f.take("lab").and_then(|n| boolean(n, "kubernetes.lab", out)).unwrap_or_default();
    f.end(out);
    kubernetes
}

fn packages(node: Yaml, dir: &Path, out: &mut Findings) -> Option<Packages> {
    let mut f = Fields::of(node, "kubernetes.packages", out);
    let repository = match f.take("repository") {
        Some(node) => rules::repository(node, out),
        None => Some(REPOSITORY.to_owned()),
    };
    let key = f.required("key", out).and_then(|n| path(n, "kubernetes.packages.key", dir, out));
    f.end(out);
    Some(Packages { repository: repository?, key: key? })
}

fn endpoint(node: Yaml, out: &mut Findings) -> Option<Endpoint> {
    if let tree::Kind::Scalar { text, .. } = &node.kind {
        let hint = "write `endpoint: {address: HOST}`, and `port: N` if it is not 6443".to_owned();
        out.error(&node.place, format!("endpoint must be a map, and this is {text:?}"), hint);
        return None;
    }
    let mut f = Fields::of(node, "endpoint", out);
    let address = f.required("address", out).and_then(|n| net::endpoint_host(n, out));
    let port = f.take("port").and_then(|n| rules::port(n, "endpoint.port", out));
    f.end(out);
    Some(Endpoint { address: address?, port })
}

fn ssh(node: Yaml, dir: &Path, out: &mut Findings) -> Ssh {
    let mut f = Fields::of(node, "ssh", out);
    let user = f.take("user").and_then(|n| rules::login(n, "ssh.user", out));
    let config = f.take("config").and_then(|n| path(n, "ssh.config", dir, out));
    f.end(out);
    Ssh { user, config }
}

fn node_ssh(node: Yaml, out: &mut Findings) -> NodeSsh {
    let mut f = Fields::of(node, "a node's ssh", out);
    let user = f.take("user").and_then(|n| rules::login(n, "a node's ssh.user", out));
    let port = f.take("port").and_then(|n| rules::port(n, "a node's ssh.port", out)).map(|port| port.value);
    f.end(out);
    NodeSsh { user, port }
}

/// The machines, and where they are written.
#[derive(Default)]
struct Nodes {
    nodes: Vec<Node>,
    names: Vec<At<Name>>,
    hostnames: Vec<At<HostName>>,
    addresses: Vec<At<String>>,
}

fn nodes(node: Option<Yaml>, out: &mut Findings) -> Nodes {
    let mut found = Nodes::default();
    let Some(node) = node else { return found };
    let place = node.place.clone();
    let mut items = list(node, "nodes", out);
    if let Some(first) = items.get(rules::MOST_NODES) {
        let message = format!("{} nodes: {} are the most", items.len(), rules::MOST_NODES);
        out.error(&first.place, message, "make several clusters".to_owned());
        items.truncate(rules::MOST_NODES);
    }
    for item in items {
        let mut f = Fields::of(item, "a node", out);
        let name = f.required("name", out).and_then(|n| rules::machine_name(n, "a node's name", out));
        let hostname = f.take("hostname").map(|n| rules::hostname(n, out));
        let address = f.required("address", out).and_then(|n| net::machine(n, "a node's address", out));
        let ssh = f.take("ssh").map(|n| node_ssh(n, out)).unwrap_or_default();
        let written = f.take("roles").map(|n| list(n, "roles", out)).unwrap_or_default();
        let mut roles: BTreeSet<Role> = written.into_iter().filter_map(|n| rules::role(n, out)).collect();
        if roles.is_empty() {
            roles.insert(Role::Worker);
        }
        let labels = f.take("labels").map(|n| labels(n, out)).unwrap_or_default();
        f.end(out);
        if let (Some(name), Some(address)) = (name, address) {
            let own = || At { value: HostName::from(&name.value), place: name.place.clone() };
            let hostname = hostname.flatten().unwrap_or_else(own);
            let node =
                Node { name: name.value.clone(), hostname: hostname.value.clone(), address: address.value.clone(), ssh, roles, labels };
            found.nodes.push(node);
            found.names.push(name);
            found.hostnames.push(hostname);
            found.addresses.push(address);
        }
    }
    if !found.nodes.iter().any(Node::is_control_plane) {
        out.error(&place, "no node has the role control-plane", Some("give one node `roles: [control-plane]`".to_owned()));
    }
    found
}

fn disks(node: Yaml, out: &mut Findings) -> Vec<(Name, At<String>, At<String>)> {
    let mut devices = Vec::new();
    for (key, place, group) in entries(node, "disks", out) {
        let Some(name) = key_name(&key, &place, "a volume group", out) else { continue };
        volumes::group_name(&name, &place, out);
        let mut f = Fields::of(group, "a volume group", out);
        for (host, place, paths) in f.required("devices", out).map(|n| entries(n, "devices", out)).unwrap_or_default() {
            for path in list(paths, "a node's devices", out) {
                if let Some(path) = rules::device(path, out) {
                    devices.push((name.clone(), At { value: host.clone(), place: place.clone() }, path));
                }
            }
        }
        f.end(out);
    }
    devices
}

fn volumes(node: Yaml, out: &mut Findings) -> Vec<VolumeDecl> {
    let mut found = Vec::new();
    let mut items = entries(node, "volumes", out);
    if let Some((_, place, _)) = items.get(rules::MOST_VOLUMES) {
        let message = format!("{} volumes: {} are the most", items.len(), rules::MOST_VOLUMES);
        out.error(place, message, "make pools on larger volumes".to_owned());
        items.truncate(rules::MOST_VOLUMES);
    }
    for (key, place, value) in items {
        let volume_name = key_name(&key, &place, "a volume", out).map(|name| volumes::volume_name(name, &place, out));
        let mut f = Fields::of(value, &format!("volume {key}"), out);
        let before = out.0.len();
        let written = f.required("on", out).map(|n| list(n, "on", out)).unwrap_or_default();
        let on: Vec<At<String>> = written.into_iter().filter_map(|n| text(n, "on", out)).collect();
        let malformed = out.0.len() > before;
        let group = f.required("group", out).and_then(|n| name(n, "a volume's group", out));
        let size = f.required("size", out).and_then(|n| size(n, "a volume's size", out));
        let path = f.required("path", out).and_then(|n| rules::mount_point(n, out));
        let filesystem = f.take("filesystem").and_then(|n| rules::filesystem(n, out)).unwrap_or(Filesystem::Ext4);
        let inodes = f.take("inodes").and_then(|n| count(n, "inodes", out));
        let discard = f.take("discard").and_then(|n| boolean(n, "discard", out)).unwrap_or_default();
        f.end(out);
        if let (Some(inodes), Filesystem::Xfs) = (&inodes, &filesystem) {
            out.error(&inodes.place, "xfs makes inodes as it needs them: a number is for ext4 only", None);
        }
        let size = size.and_then(|at| Some(At { value: volumes::size(&at, filesystem, out)?, place: at.place }));
        if let (Some(inodes), Some(size), Filesystem::Ext4) = (&inodes, &size, filesystem) {
            volumes::inodes(inodes, size.value, out);
        }
        if let (Some(name), Some(group)) = (&volume_name, &group) {
            volumes::names(name, &group.value, out);
        }
        if let (Some(name), Some(group), Some(size), Some(path)) = (volume_name, group, size, path) {
            let volume = Volume {
                name: name.value.clone(),
                nodes: BTreeSet::new(),
                group: group.value.clone(),
                size: size.value,
                filesystem,
                inodes: inodes.map(|a| a.value),
                path: path.value.clone(),
                discard,
            };
            found.push(VolumeDecl { on, malformed, size, path, name, group, volume });
        }
    }
    found
}

fn keys(node: Yaml, out: &mut Findings) -> (Vec<KeyServer>, Vec<ServerDecl>) {
    let mut f = Fields::of(node, "keys", out);
    let (mut servers, mut decls) = (Vec::new(), Vec::new());
    for item in f.required("servers", out).map(|n| list(n, "keys.servers", out)).unwrap_or_default() {
        let mut s = Fields::of(item, "a key server", out);
        let name = s.required("host", out).and_then(|n| rules::machine_name(n, "a key server's host", out));
        let address = s.required("address", out).and_then(|n| net::machine(n, "a key server's address", out));
        let port = s.take("port").and_then(|n| rules::port(n, "a key server's port", out)).map_or(22, |port| port.value);
        let user = s.take("user").and_then(|n| rules::account(n, "a key server's user", out));
        s.end(out);
        if let (Some(name), Some(address)) = (name, address) {
            let account = user.as_ref().map(|at| at.value.clone()).unwrap_or_default();
            servers.push(KeyServer { name: name.value.clone(), address: address.value.clone(), port, user: account });
            decls.push(ServerDecl { name, address, user });
        }
    }
    if let Some(recovery) = f.take("recovery").and_then(|n| text(n, "keys.recovery", out))
        && recovery.value != "age"
    {
        out.error(&recovery.place, format!("keys.recovery must be age, and this is {:?}", recovery.value), None);
    }
    f.end(out);
    (servers, decls)
}

fn pools(node: Yaml, out: &mut Findings) -> (Vec<Pool>, Vec<At<Name>>) {
    let (mut pools, mut names) = (Vec::new(), Vec::new());
    for (key, place, value) in entries(node, "pools", out) {
        let name = key_name(&key, &place, "a pool", out);
        let mut f = Fields::of(value, &format!("pool {key}"), out);
        let number = f.required("count", out).and_then(|n| count(n, "count", out));
        let size = f.required("size", out).and_then(|n| size(n, "size", out));
        f.end(out);
        if let (Some(name), Some(number), Some(size)) = (name, number, size) {
            match u32::try_from(number.value).ok().filter(|n| (1..=9999).contains(n)) {
                Some(count) => {
                    names.push(At { value: name.clone(), place });
                    pools.push(Pool { name, count, size: size.value });
                }
                None => out.error(&number.place, "a pool's count must be 1 to 9999", None),
            }
        }
    }
    (pools, names)
}

fn named(node: Yaml, out: &mut Findings) -> (Vec<NamedVolume>, Vec<At<Name>>) {
    let (mut found, mut names) = (Vec::new(), Vec::new());
    for (key, place, value) in entries(node, "namedVolumes", out) {
        let name = key_name(&key, &place, "a named volume", out);
        let mut f = Fields::of(value, &format!("named volume {key}"), out);
        let size = f.required("size", out).and_then(|n| size(n, "size", out));
        f.end(out);
        if let (Some(name), Some(size)) = (name, size) {
            names.push(At { value: name.clone(), place });
            found.push(NamedVolume { name, size: size.value });
        }
    }
    (found, names)
}

fn namespace(node: Yaml, out: &mut Findings) -> Option<Namespace> {
    let mut f = Fields::of(node, "namespace", out);
    let own = f.required("name", out).and_then(|n| rules::namespace(n, out));
    let mut users = Vec::new();
    for item in f.take("users").map(|n| list(n, "users", out)).unwrap_or_default() {
        let mut u = Fields::of(item, "a user", out);
        users.extend(u.required("name", out).and_then(|n| rules::user(n, out)));
        u.end(out);
    }
    f.end(out);
    rules::twice(&users, "two users are called", out);
    Some(Namespace { name: own?, users: users.into_iter().map(|at| at.value).collect() })
}

fn network(node: Yaml, out: &mut Findings) -> (Network, Ranges) {
    let mut f = Fields::of(node, "network", out);
    let (mut network, mut ranges) = (Network::default(), Ranges::default());
    if let Some(node) = f.take("podSubnet") {
        net::pods(node, &mut network, &mut ranges, out);
    }
    if let Some(node) = f.take("serviceSubnet") {
        net::services(node, &mut network, &mut ranges, out);
    }
    if let Some(domain) = f.take("dnsDomain").and_then(|n| net::dns_domain(n, out)) {
        network.dns_domain = domain;
    }
    network.interfaces = f.take("interface").map(|n| net::interfaces(n, out)).unwrap_or_default();
    f.end(out);
    (network, ranges)
}

fn secrets(node: Yaml, dir: &Path, out: &mut Findings) -> PathBuf {
    let mut f = Fields::of(node, "secrets", out);
    let path = f.required("dir", out).and_then(|n| path(n, "secrets.dir", dir, out));
    f.end(out);
    path.unwrap_or_else(|| dir.to_owned())
}
