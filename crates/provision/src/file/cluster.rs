//! What a cluster file may say, validated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::name::Name;
use kubestead_core::size::Bytes;
use kubestead_storage::pv::{NamedVolume, Pool};
use kubestead_storage::spec::Filesystem;

use super::decode::{At, Fields, Findings, boolean, count, entries, key_name, list, name, parsed, size, text};
use super::rules;
use super::tree::{self, Node as Yaml};
use crate::encryption::EncryptionSpec;
use crate::keyserver::Account;

/// A valid cluster file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's name: cluster and context name in kubeconfigs.
    pub name: Name,
    /// DNS domain of the site; empty when not given.
    pub domain: String,
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
    /// Its name: host name, Kubernetes node name.
    pub name: Name,
    /// Its IP address.
    pub address: String,
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
    pub pods: String,
    /// Services.
    pub services: String,
    /// DNS domain of services.
    pub dns_domain: String,
}

impl Default for Network {
    fn default() -> Self {
        Self { pods: "10.244.0.0/16".into(), services: "10.96.0.0/12".into(), dns_domain: "cluster.local".into() }
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
    pub(super) size: At<Bytes>,
    pub(super) path: At<String>,
    pub(super) group: At<Name>,
    pub(super) volume: Volume,
}

/// All declarations, before the rules across fields.
pub(super) struct Draft {
    pub(super) cluster: Cluster,
    pub(super) names: Vec<At<Name>>,
    pub(super) addresses: Vec<At<String>>,
    pub(super) devices: Vec<(Name, At<String>, At<String>)>,
    pub(super) volumes: Vec<VolumeDecl>,
    pub(super) pools: Vec<At<u64>>,
}

/// Reads a cluster file's text. `file` is the name that diagnostics show; `dir` is where relative paths begin.
pub fn load(file: &str, text: &str, dir: &Path) -> Result<Cluster, Vec<Diagnostic>> {
    let root = tree::parse(file, text)?;
    let mut out = Findings::default();
    let draft = draft(root, dir, &mut out);
    let cluster = rules::settle(draft, &mut out);
    out.0.sort_by(|a, b| a.place.cmp(&b.place));
    if out.0.iter().any(|d| d.severity == Severity::Error) {
        return Err(out.0);
    }
    let digest = kubestead_core::put::digest(text);
    Ok(Cluster { digest, ..cluster })
}

fn draft(root: Yaml, dir: &Path, out: &mut Findings) -> Draft {
    let mut top = Fields::of(root, "the cluster file", out);
    constant(&mut top, "apiVersion", "kubestead/v1", out);
    constant(&mut top, "kind", "Cluster", out);
    let cluster_name = top.required("name", out).and_then(|n| name(n, "name", out));
    let domain = top.take("domain").and_then(|n| text(n, "domain", out)).map(|a| a.value).unwrap_or_default();
    let kubernetes = top.take("kubernetes").map(|n| kubernetes(n, dir, out));
    let endpoint = top.take("endpoint").and_then(|n| endpoint(n, out));
    let ssh = top.take("ssh").map(|n| ssh(n, dir, out)).unwrap_or_default();
    let (nodes, names, addresses) = nodes(top.required("nodes", out), out);
    let devices = top.take("disks").map(|n| disks(n, out)).unwrap_or_default();
    let volumes = top.take("volumes").map(|n| volumes(n, out)).unwrap_or_default();
    let servers = top.take("keys").map(|n| keys(n, ssh.user.as_deref(), out)).unwrap_or_default();
    let (pools, pool_sizes) = top.take("pools").map(|n| pools(n, out)).unwrap_or_default();
    let named = top.take("namedVolumes").map(|n| named(n, out)).unwrap_or_default();
    let namespace = top.take("namespace").and_then(|n| namespace(n, out));
    let network = top.take("network").map(|n| network(n, out)).unwrap_or_default();
    let secrets = top.take("secrets").map_or_else(|| dir.join("secrets"), |n| secrets(n, dir, out));
    top.end(out);
    let groups = BTreeMap::new();
    let name = cluster_name.map_or_else(rules::stand_in, |a| a.value);
    let cluster = Cluster {
        name,
        domain,
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
        digest: String::new(),
    };
    Draft { cluster, names, addresses, devices, volumes, pools: pool_sizes }
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
    kubernetes.bundle = bundle.and_then(|n| text(n, "kubernetes.bundle", out)).map(|a| dir.join(a.value));
    kubernetes.packages = source.and_then(|n| packages(n, dir, out));
    kubernetes.encryption = f.take("encryption").and_then(|n| super::encryption::encryption(n, out)).unwrap_or_default();
    for item in f.take("ignorePreflight").map(|n| list(n, "kubernetes.ignorePreflight", out)).unwrap_or_default() {
        if let Some(error) = text(item, "a preflight error's name", out) {
            if error.value.eq_ignore_ascii_case("all") {
                out.error(&error.place, "\"all\" would ignore errors that nobody has seen", Some("name each error".to_owned()));
            }
            kubernetes.ignore_preflight.push(error.value);
        }
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
    let key = f.required("key", out).and_then(|n| text(n, "kubernetes.packages.key", out));
    f.end(out);
    Some(Packages { repository: repository?, key: dir.join(key?.value) })
}

fn endpoint(node: Yaml, out: &mut Findings) -> Option<String> {
    let mut f = Fields::of(node, "endpoint", out);
    let address = f.required("address", out).and_then(|n| text(n, "endpoint.address", out));
    let port = f.take("port").and_then(|n| rules::port(n, "endpoint.port", out)).unwrap_or(6443);
    f.end(out);
    Some(format!("{}:{port}", address?.value))
}

fn ssh(node: Yaml, dir: &Path, out: &mut Findings) -> Ssh {
    let mut f = Fields::of(node, "ssh", out);
    let user = f.take("user").and_then(|n| text(n, "ssh.user", out)).map(|a| a.value);
    let config = f.take("config").and_then(|n| text(n, "ssh.config", out)).map(|a| dir.join(a.value));
    f.end(out);
    Ssh { user, config }
}

fn nodes(node: Option<Yaml>, out: &mut Findings) -> (Vec<Node>, Vec<At<Name>>, Vec<At<String>>) {
    let (mut nodes, mut names, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    let Some(node) = node else { return (nodes, names, addresses) };
    let place = node.place.clone();
    for item in list(node, "nodes", out) {
        let mut f = Fields::of(item, "a node", out);
        let name = f.required("name", out).and_then(|n| name(n, "a node's name", out));
        let address = f.required("address", out).and_then(|n| rules::address(n, "a node's address", out));
        let written = f.take("roles").map(|n| list(n, "roles", out)).unwrap_or_default();
        let mut roles: BTreeSet<Role> = written.into_iter().filter_map(|n| rules::role(n, out)).collect();
        if roles.is_empty() {
            roles.insert(Role::Worker);
        }
        let labels = f.take("labels").map(|n| labels(n, out)).unwrap_or_default();
        f.end(out);
        if let (Some(name), Some(address)) = (name, address) {
            nodes.push(Node { name: name.value.clone(), address: address.value.clone(), roles, labels });
            names.push(name);
            addresses.push(address);
        }
    }
    if !nodes.iter().any(Node::is_control_plane) {
        out.error(&place, "no node has the role control-plane", Some("give one node `roles: [control-plane]`".to_owned()));
    }
    (nodes, names, addresses)
}

fn labels(node: Yaml, out: &mut Findings) -> BTreeMap<String, String> {
    entries(node, "labels", out).into_iter().filter_map(|(key, _, value)| Some((key, text(value, "a label", out)?.value))).collect()
}

fn disks(node: Yaml, out: &mut Findings) -> Vec<(Name, At<String>, At<String>)> {
    let mut devices = Vec::new();
    for (key, place, group) in entries(node, "disks", out) {
        let Some(name) = key_name(&key, &place, "a volume group", out) else { continue };
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
    for (key, place, value) in entries(node, "volumes", out) {
        let volume_name = key_name(&key, &place, "a volume", out);
        let mut f = Fields::of(value, &format!("volume {key}"), out);
        let on: Vec<At<String>> =
            f.required("on", out).map(|n| list(n, "on", out)).unwrap_or_default().into_iter().filter_map(|n| text(n, "on", out)).collect();
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
        if let (Some(name), Some(group), Some(size), Some(path)) = (volume_name, group, size, path) {
            let volume = Volume {
                name,
                nodes: BTreeSet::new(),
                group: group.value.clone(),
                size: size.value,
                filesystem,
                inodes: inodes.map(|a| a.value),
                path: path.value.clone(),
                discard,
            };
            found.push(VolumeDecl { on, size, path, group, volume });
        }
    }
    found
}

/// `login`: the account that kubestead logs in by. sshd's rules for the nodes' account would lock it out.
fn keys(node: Yaml, login: Option<&str>, out: &mut Findings) -> Vec<KeyServer> {
    let mut f = Fields::of(node, "keys", out);
    let mut servers = Vec::new();
    for item in f.required("servers", out).map(|n| list(n, "keys.servers", out)).unwrap_or_default() {
        let mut s = Fields::of(item, "a key server", out);
        let name = s.required("host", out).and_then(|n| name(n, "a key server's host", out));
        let address = s.required("address", out).and_then(|n| rules::address(n, "a key server's address", out));
        let port = s.take("port").and_then(|n| rules::port(n, "a key server's port", out)).unwrap_or(22);
        let user = s.take("user").and_then(|n| parsed(n, "a key server's user", out, |text| Account::new(text)));
        if let Some(user) = user.as_ref().filter(|user| login == Some(user.value.as_str())) {
            let hint = "name an account that nobody has, such as masterlock";
            out.error(&user.place, format!("{} is the account that ssh.user logs in by", user.value), Some(hint.to_owned()));
        }
        let user = user.map(|a| a.value).unwrap_or_default();
        s.end(out);
        if let (Some(name), Some(address)) = (name, address) {
            servers.push(KeyServer { name: name.value, address: address.value, port, user });
        }
    }
    if let Some(recovery) = f.take("recovery").and_then(|n| text(n, "keys.recovery", out))
        && recovery.value != "age"
    {
        out.error(&recovery.place, format!("keys.recovery must be age, and this is {:?}", recovery.value), None);
    }
    f.end(out);
    servers
}

fn pools(node: Yaml, out: &mut Findings) -> (Vec<Pool>, Vec<At<u64>>) {
    let (mut pools, mut totals) = (Vec::new(), Vec::new());
    for (key, place, value) in entries(node, "pools", out) {
        let name = key_name(&key, &place, "a pool", out);
        let mut f = Fields::of(value, &format!("pool {key}"), out);
        let number = f.required("count", out).and_then(|n| count(n, "count", out));
        let size = f.required("size", out).and_then(|n| size(n, "size", out));
        f.end(out);
        if let (Some(name), Some(number), Some(size)) = (name, number, size) {
            match u32::try_from(number.value).ok().filter(|n| (1..=9999).contains(n)) {
                Some(count) => {
                    totals.push(At { value: size.value.0.saturating_mul(u64::from(count)), place });
                    pools.push(Pool { name, count, size: size.value });
                }
                None => out.error(&number.place, "a pool's count must be 1 to 9999", None),
            }
        }
    }
    (pools, totals)
}

fn named(node: Yaml, out: &mut Findings) -> Vec<NamedVolume> {
    let mut found = Vec::new();
    for (key, place, value) in entries(node, "namedVolumes", out) {
        let name = key_name(&key, &place, "a named volume", out);
        let mut f = Fields::of(value, &format!("named volume {key}"), out);
        let size = f.required("size", out).and_then(|n| size(n, "size", out));
        f.end(out);
        if let (Some(name), Some(size)) = (name, size) {
            found.push(NamedVolume { name, size: size.value });
        }
    }
    found
}

fn namespace(node: Yaml, out: &mut Findings) -> Option<Namespace> {
    let mut f = Fields::of(node, "namespace", out);
    let own = f.required("name", out).and_then(|n| name(n, "the namespace's name", out));
    let mut users = Vec::new();
    for item in f.take("users").map(|n| list(n, "users", out)).unwrap_or_default() {
        let mut u = Fields::of(item, "a user", out);
        users.extend(u.required("name", out).and_then(|n| name(n, "a user's name", out)).map(|a| a.value));
        u.end(out);
    }
    f.end(out);
    Some(Namespace { name: own?.value, users })
}

fn network(node: Yaml, out: &mut Findings) -> Network {
    let mut f = Fields::of(node, "network", out);
    let mut network = Network::default();
    if let Some(pods) = f.take("podSubnet").and_then(|n| rules::subnet(n, out)) {
        network.pods = pods;
    }
    if let Some(services) = f.take("serviceSubnet").and_then(|n| rules::subnet(n, out)) {
        network.services = services;
    }
    if let Some(domain) = f.take("dnsDomain").and_then(|n| text(n, "dnsDomain", out)) {
        network.dns_domain = domain.value;
    }
    f.end(out);
    network
}

fn secrets(node: Yaml, dir: &Path, out: &mut Findings) -> PathBuf {
    let mut f = Fields::of(node, "secrets", out);
    let path = f.required("dir", out).and_then(|n| text(n, "secrets.dir", out)).map_or_else(|| dir.to_owned(), |a| dir.join(a.value));
    f.end(out);
    path
}
