//! Rules for single values, and rules that look across fields.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::{HostName, Name, ends_in_number, is_local};
use kubestead_core::size::Bytes;
use kubestead_storage::pv::{NAMED_CLASS, Pool};
use kubestead_storage::spec::Filesystem;

use super::cluster::{Broken, Cluster, Draft, Endpoint, POOL_ROOT, Role, ServerDecl, VolumeDecl};
use super::decode::{At, Findings, name, parsed, text};
use super::net::{self, number};
use super::tree::Node;
use super::volumes;
use crate::keyserver::Account;

/// The minors of Kubernetes that kubestead knows how to install.
const MINORS: [u64; 3] = [35, 36, 37];

/// Stands where a name was wrong, so that the other rules can still be told; never leaves this module's caller.
pub(super) fn stand_in() -> Name {
    Name::new("x").unwrap_or_else(|_| unreachable!("x is a label"))
}

/// Where kubeadm's API server listens.
pub(super) const API_PORT: u16 = 6443;
/// More than are measured (`make bench`).
pub(super) const MOST_NODES: usize = 10_000;
/// What Kubernetes is built for (its documentation, "Considerations for large clusters").
const LARGE: usize = 5000;
/// Each volume is an LV, two units and a key; a hundred is many.
pub(super) const MOST_VOLUMES: usize = 500;
/// How many persistent volumes a node may have by pools and named volumes together.
const MOST_SLOTS: u64 = 10_000;

pub(super) fn version(found: &At<String>, out: &mut Findings) {
    let numbers: Option<Vec<u64>> = found.value.split('.').map(number).collect();
    match numbers.as_deref() {
        Some([1, minor, _]) if MINORS.contains(minor) => {}
        Some([1, minor, _]) => {
            let message = format!("Kubernetes {} is not supported: 1.{} to 1.{} are", found.value, MINORS[0], MINORS[2]);
            let hint = if *minor > MINORS[2] { "write an older minor, or take a newer kubestead" } else { "write a newer minor" };
            out.error(&found.place, message, hint.to_owned());
        }
        _ => {
            let bare = found.value.strip_prefix('v').filter(|rest| rest.split('.').map(number::<u64>).all(|n| n.is_some()));
            let hint = bare.map_or_else(|| "write all three numbers".to_owned(), |bare| format!("write {bare}"));
            out.error(&found.place, format!("{:?} is not a version such as 1.37.1", found.value), hint);
        }
    }
}

/// A machine's name. It begins the ids of its steps (`kube1/data/mkfs`), and `on:` names nodes and roles alike.
pub(super) fn machine_name(node: Node, what: &str, out: &mut Findings) -> Option<At<Name>> {
    let found = text(node, what, out)?;
    if let Err(error) = Name::new(found.value.as_str()) {
        let full = HostName::new(found.value.as_str()).ok().and_then(|_| found.value.split_once('.'));
        let hint = full.map(|(short, _)| format!("write `name: {short}` and, for a node, `hostname: {}`", found.value));
        out.error(&found.place, format!("{what}: {error}"), hint);
        return None;
    }
    let why = match found.value.as_str() {
        "cluster" | "operator" => "stands for what is no machine in a plan",
        "all" | "control-plane" | "worker" => "names a role in `on`",
        "localhost" => "is every machine's own",
        _ => return Name::new(found.value).ok().map(|value| At { value, place: found.place }),
    };
    out.error(&found.place, format!("{what}: {:?} {why}", found.value), "write another name".to_owned());
    None
}

/// A machine's host name: its name in Kubernetes, and never taken for an address or for every machine itself.
pub(super) fn hostname(node: Node, out: &mut Findings) -> Option<At<HostName>> {
    let found = parsed(node, "a node's hostname", out, |text| HostName::new(text))?;
    let name = found.value.as_str();
    let why = if is_local(name) {
        "is every machine's own"
    } else if name.contains('.') && ends_in_number(name) {
        "may be taken for an IPv4 address"
    } else {
        return Some(found);
    };
    out.error(&found.place, format!("a node's hostname: {name:?} {why}"), "write a name of its own, such as kube1.example.com".to_owned());
    None
}

/// The name of a check that kubeadm is to pass over, one of them alone.
pub(super) fn preflight(node: Node, out: &mut Findings) -> Option<String> {
    let found = text(node, "a preflight error's name", out)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if found.value.eq_ignore_ascii_case("all") {
        out.error(&found.place, "\"all\" would ignore errors that nobody has seen", "name each error".to_owned());
    } else if !found.value.starts_with(|c: char| c.is_ascii_alphanumeric()) || !found.value.chars().all(plain) {
        let message = format!("{:?} is not the name of a preflight error", found.value);
        out.error(&found.place, message, "write one as kubeadm shows it in brackets, such as NumCPU, and several as a list".to_owned());
    } else {
        return Some(found.value);
    }
    None
}

/// The name of an account that someone logs in with. It goes to ssh's command line.
pub(super) fn login(node: Node, what: &str, out: &mut Findings) -> Option<String> {
    let found = text(node, what, out)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._@+-".contains(c);
    if found.value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && found.value.len() <= 64 && found.value.chars().all(plain)
    {
        return Some(found.value);
    }
    let hint = "write letters, digits and ._@+-, beginning with a letter, a digit or '_'".to_owned();
    out.error(&found.place, format!("{what}: {:?} is not the name of an account", found.value), hint);
    None
}

/// The account that nodes fetch their keys with. kubestead makes it and takes all other rights from it, so it is nobody else's.
pub(super) fn account(node: Node, what: &str, out: &mut Findings) -> Option<At<Account>> {
    const SYSTEM: [&str; 18] = [
        "_apt",
        "backup",
        "bin",
        "daemon",
        "games",
        "irc",
        "list",
        "lp",
        "mail",
        "man",
        "messagebus",
        "news",
        "nobody",
        "proxy",
        "sshd",
        "sync",
        "sys",
        "uucp",
    ];
    let found = text(node, what, out)?;
    let name = found.value.as_str();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let message = if name == "root" {
        format!("{what}: root would be kept to fetching keys, and nobody could log in to the key server")
    } else if SYSTEM.contains(&name) || name.starts_with("systemd-") {
        format!("{what}: {name} is an account of the system")
    } else if name.is_empty()
        || name.len() > 32
        || !name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        || !name.chars().all(plain)
    {
        format!("{what}: {name:?} is not a name that useradd(8) takes: at most 32 of a-z, 0-9, '_' and '-', beginning with a letter or '_'")
    } else {
        match Account::new(name) {
            Ok(value) => return Some(At { value, place: found.place }),
            Err(error) => format!("{what}: {error}"),
        }
    };
    out.error(&found.place, message, "write an account of its own, such as masterlock".to_owned());
    None
}

/// The users' namespace: not one that Kubernetes makes and needs.
pub(super) fn namespace(node: Node, out: &mut Findings) -> Option<Name> {
    let found = name(node, "the namespace's name", out)?;
    if found.value.as_str() == "default" || found.value.as_str().starts_with("kube-") {
        let message = format!("the namespace's name: {} is for Kubernetes itself: its rights and limits would change", found.value);
        out.error(&found.place, message, "write a name of your own that does not begin with kube-".to_owned());
        return None;
    }
    Some(found.value)
}

/// A user: a service account, and not the one that all pods have that name none.
pub(super) fn user(node: Node, out: &mut Findings) -> Option<At<Name>> {
    let found = name(node, "a user's name", out)?;
    if found.value.as_str() == "default" {
        let message = "a user's name: default is the account of all pods that name none: each would get the user's rights";
        out.error(&found.place, message, "write another name".to_owned());
        return None;
    }
    Some(found)
}

pub(super) fn port(node: Node, what: &str, out: &mut Findings) -> Option<At<u16>> {
    parsed(node, what, out, |text| number::<u16>(text).filter(|p| *p > 0).ok_or_else(|| format!("{text:?} is not a port, 1 to 65535")))
}

pub(super) fn role(node: Node, out: &mut Findings) -> Option<Role> {
    let role = parsed(node, "a role", out, |text| match text {
        "control-plane" => Ok(Role::ControlPlane),
        "worker" => Ok(Role::Worker),
        other => Err(format!("{other:?} is neither control-plane nor worker")),
    })?;
    Some(role.value)
}

pub(super) fn filesystem(node: Node, out: &mut Findings) -> Option<Filesystem> {
    let found = parsed(node, "a filesystem", out, |text| match text {
        "ext4" => Ok(Filesystem::Ext4),
        "xfs" => Ok(Filesystem::Xfs),
        other => Err(format!("{other:?} is neither ext4 nor xfs")),
    })?;
    Some(found.value)
}

/// Kernel names change from boot to boot, and those of a filesystem go when the disk becomes LVM's, so only names that stay are taken, and of
/// those only what udev writes.
pub(super) fn device(node: Node, out: &mut Findings) -> Option<At<String>> {
    let found = text(node, "a device", out)?;
    let hint = || "use a path under /dev/disk/by-id (ls -l /dev/disk/by-id on the node)".to_owned();
    let Some(rest) = found.value.strip_prefix("/dev/disk/by-").filter(|rest| !rest.starts_with("diskseq/")) else {
        let message = format!("{:?} is not a name that stays: kernel names such as sda change from boot to boot", found.value);
        out.error(&found.place, message, hint());
        return None;
    };
    if rest.starts_with("uuid/") || rest.starts_with("label/") {
        let message = format!("{:?} names a filesystem, and is gone once the disk is LVM's", found.value);
        out.error(&found.place, message, hint());
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_\\".contains(c);
    let whole = rest.split_once('/').is_some_and(|(kind, name)| {
        kind.chars().all(|c| c.is_ascii_lowercase()) && !kind.is_empty() && name.chars().all(plain) && !matches!(name, "" | "." | "..")
    });
    if !whole || found.value.len() > 255 {
        out.error(&found.place, format!("{:?} is not the name of one device", found.value), hint());
        return None;
    }
    Some(found)
}

pub(super) fn mount_point(node: Node, out: &mut Findings) -> Option<At<String>> {
    let found = text(node, "a volume's path", out)?;
    let clean = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let root = found.value == "/";
    if !root && !found.value.strip_prefix('/').is_some_and(|rest| rest.split('/').all(clean)) {
        let message = format!("{:?} is not an absolute path of letters, digits, '.', '_' and '-'", found.value);
        out.error(&found.place, message, "write it from / on, without '..' and without a '/' at its end".to_owned());
        return None;
    }
    if volumes::hides(&found.value) {
        let message = format!("a volume's path: {} holds what the machine needs before its volumes are open", found.value);
        out.error(&found.place, message, "write a folder of its own, such as /var/lib/NAME or /srv/NAME".to_owned());
        return None;
    }
    if volumes::too_long(&found.value) {
        let message = "a volume's path: the name of its mount unit would be longer than 255 characters";
        out.error(&found.place, message, "shorten it: each hyphen counts four times".to_owned());
        return None;
    }
    Some(found)
}

/// An address for apt. It goes into files and scripts of the nodes, so it holds nothing that is special there, and no password.
pub(super) fn repository(node: Node, out: &mut Findings) -> Option<String> {
    let found = parsed(node, "kubernetes.packages.repository", out, |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        if rest.contains('@') {
            return Err("it holds a login: apt reads those from /etc/apt/auth.conf.d".to_owned());
        }
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port)));
        let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let is_host = host.split('.').all(label) && !host.starts_with('-');
        let is_port = port.is_none_or(|port| number::<u16>(port).is_some_and(|port| port > 0));
        if !is_host || !is_port || !is_path(path) {
            return Err(format!("{text:?} is not an address such as https://pkgs.k8s.io/core:/stable:"));
        }
        let is_minor = |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.split('.').map(number::<u64>).all(|n| n.is_some()));
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if matches!(last, "deb" | "rpm") || is_minor(last) {
            return Err(format!("{text:?} is the path of one minor: leave out /v1.N/deb"));
        }
        Ok(text.trim_end_matches('/').to_owned())
    })?;
    Some(found.value)
}

/// A path of a URL, with each `%` before two hexadecimal digits.
fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%+".contains(c);
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|c| c.is_ascii_hexdigit());
    text.chars().all(plain) && text.split('%').skip(1).all(is_escape)
}

/// Looks across fields, and puts the parts together.
pub(super) fn settle(draft: Draft, out: &mut Findings) -> Cluster {
    let Draft { mut cluster, names, hostnames, addresses, devices, volumes: declared, servers, pools, named, endpoint, ranges, broken } =
        draft;
    machines(&cluster, &names, &hostnames, &addresses, &servers, out);
    logins(&cluster, &servers, out);
    groups(&mut cluster, devices, broken, out);
    if let Some(endpoint) = &endpoint {
        reached(&cluster, endpoint, &servers, out);
    }
    let at: Vec<At<String>> = servers.iter().map(|server| server.address.clone()).collect();
    net::ranges(&cluster, &addresses, &at, endpoint.as_ref().map(|e| &e.address), &ranges, out);
    let mut placed = Vec::new();
    for decl in declared {
        placed.push(on_nodes(&cluster, decl, broken, out));
    }
    paths(&placed, out);
    homes(&cluster, &placed, out);
    sums(&placed, out);
    if let (Some(first), true) = (placed.first(), cluster.servers.is_empty() && !broken.servers) {
        out.error(&first.path.place, "volumes are encrypted and no key server is named", Some("add keys.servers".to_owned()));
    }
    if !broken.volumes {
        pools_fit(&cluster, &placed, &pools, &named, out);
    }
    cluster.volumes = placed.into_iter().map(|d| d.volume).collect();
    cluster
}

/// The endpoint is where the API listens: a control plane, or what is none of these machines.
fn reached(cluster: &Cluster, endpoint: &Endpoint, servers: &[ServerDecl], out: &mut Findings) {
    let Endpoint { address, port } = endpoint;
    let host = address.value.as_str();
    let named = |node: &&super::cluster::Node| node.address == host || node.name.as_str() == host || node.hostname.as_str() == host;
    let hint = "write a control plane's address, or that of a load balancer before them".to_owned();
    if servers.iter().any(|server| server.address.value == host || server.name.value.as_str() == host) {
        out.error(&address.place, format!("endpoint.address: {host} is a key server, where no API is"), hint);
        return;
    }
    // A control plane's own name may also be another machine's: then it is the control plane that is meant.
    let Some(node) = cluster.nodes.iter().filter(named).max_by_key(|node| node.is_control_plane()) else { return };
    if !node.is_control_plane() {
        out.error(&address.place, format!("endpoint.address: {} is no control plane, so no API is there", node.name), hint);
    } else if let Some(port) = port.as_ref().filter(|port| port.value != API_PORT) {
        let message = format!("endpoint.port: {} listens at {API_PORT}, and nothing at {}", node.name, port.value);
        out.error(&port.place, message, "leave the port out, or write the address of a load balancer".to_owned());
    }
}

/// No two machines share a name, a host name or an address: each name begins the ids of one machine's steps.
fn machines(
    cluster: &Cluster,
    names: &[At<Name>],
    hostnames: &[At<HostName>],
    addresses: &[At<String>],
    servers: &[ServerDecl],
    out: &mut Findings,
) {
    if let (true, Some(first)) = (cluster.kubernetes.is_some(), names.get(LARGE)) {
        let message = format!("{} nodes: Kubernetes is built for at most {LARGE} in a cluster", names.len());
        out.warning(&first.place, message, "make several clusters".to_owned());
    }
    twice(names, "two nodes are called", out);
    twice(addresses, "two nodes have the address", out);
    // Where the names themselves are the same, that is said already.
    let others =
        hostnames.iter().zip(names).filter(|(host, name)| host.value.as_str() != name.value.as_str()).map(|(host, _)| host.place.clone());
    let others: BTreeSet<_> = others.collect();
    let mut seen: BTreeMap<&HostName, &At<HostName>> = BTreeMap::new();
    for at in hostnames {
        match seen.get(&at.value) {
            Some(first) if others.contains(&at.place) || others.contains(&first.place) => {
                let message = format!("two nodes have the hostname {} (first in line {})", at.value, first.place.line);
                out.error(&at.place, message, "give each its own".to_owned());
            }
            Some(_) => {}
            None => drop(seen.insert(&at.value, at)),
        }
    }
    let server_names: Vec<At<Name>> = servers.iter().map(|server| server.name.clone()).collect();
    let server_addresses: Vec<At<String>> = servers.iter().map(|server| server.address.clone()).collect();
    twice(&server_names, "two key servers are called", out);
    twice(&server_addresses, "two key servers have the address", out);
    for server in servers {
        let same = |node: &&super::cluster::Node| node.name == server.name.value || node.address == server.address.value;
        if cluster.nodes.iter().any(|node| same(&node)) {
            let message = format!("{} is a node and a key server: a cluster cannot unlock itself", server.name.value);
            out.error(&server.name.place, message, "take a machine of its own; a small one does".to_owned());
        }
    }
}

/// An account that may do nothing but fetch keys is nobody's way in.
fn logins(cluster: &Cluster, servers: &[ServerDecl], out: &mut Findings) {
    let users: BTreeSet<&str> = cluster.nodes.iter().filter_map(|n| n.ssh.user.as_deref()).chain(cluster.ssh.user.as_deref()).collect();
    for (server, decl) in cluster.servers.iter().zip(servers) {
        if users.contains(server.user.as_str()) {
            let place = decl.user.as_ref().map_or(&decl.name.place, |at| &at.place);
            let message = format!("a key server's user: you log in as {}, and this account may only fetch keys", server.user);
            out.error(place, message, "write an account of its own, such as masterlock or keys".to_owned());
        }
    }
}

pub(super) fn twice<T: Ord + std::fmt::Display>(found: &[At<T>], message: &str, out: &mut Findings) {
    let mut seen: BTreeMap<&T, u64> = BTreeMap::new();
    for at in found {
        if let Some(line) = seen.get(&at.value) {
            out.error(&at.place, format!("{message} {} (first in line {line})", at.value), "give each its own".to_owned());
        } else {
            seen.insert(&at.value, at.place.line);
        }
    }
}

fn groups(cluster: &mut Cluster, devices: Vec<(Name, At<String>, At<String>)>, broken: Broken, out: &mut Findings) {
    let nodes: BTreeMap<&str, &Name> = cluster.nodes.iter().map(|n| (n.name.as_str(), &n.name)).collect();
    let mut used: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (group, host, path) in devices {
        let Some(node) = nodes.get(host.value.as_str()) else {
            if !broken.nodes {
                out.error(&host.place, format!("group {group} names {:?}, which is no node", host.value), "write a node's name".to_owned());
            }
            continue;
        };
        if let Some(line) = used.insert((host.value.clone(), path.value.clone()), path.place.line) {
            let message = format!("{} of {} is used twice (first in line {line})", path.value, host.value);
            out.error(&path.place, message, "name each device once".to_owned());
        }
        cluster.groups.entry(group).or_default().entry((*node).clone()).or_default().push(path.value);
    }
}

fn on_nodes(cluster: &Cluster, mut decl: VolumeDecl, broken: Broken, out: &mut Findings) -> VolumeDecl {
    let mut nodes = BTreeSet::new();
    for on in &decl.on {
        let fits: Vec<&Name> = cluster
            .nodes
            .iter()
            .filter(|n| match on.value.as_str() {
                "all" => true,
                "control-plane" => n.is_control_plane(),
                "worker" => n.roles.contains(&Role::Worker),
                name => n.name.as_str() == name,
            })
            .map(|n| &n.name)
            .collect();
        if fits.is_empty() && !broken.nodes {
            out.error(
                &on.place,
                format!("{:?} is neither a node nor a role that a node has", on.value),
                Some("write a node's name, control-plane, worker or all".to_owned()),
            );
        }
        nodes.extend(fits.into_iter().cloned());
    }
    if decl.on.is_empty() && !decl.malformed {
        out.error(
            &decl.name.place,
            format!("volume {} is on no node", decl.name.value),
            "write `on: [all]`, roles or names of nodes".to_owned(),
        );
    }
    decl.volume.nodes = nodes;
    if broken.disks || broken.nodes {
        return decl;
    }
    let by_node = cluster.groups.get(&decl.group.value);
    // A few are enough to see what is meant.
    for node in decl.volume.nodes.iter().filter(|node| !by_node.is_some_and(|by_node| by_node.contains_key(*node))).take(10) {
        let message = format!("volume {} is on {node}, where group {} has no devices", decl.volume.name, decl.group.value);
        out.error(&decl.group.place, message, Some(format!("name {node}'s devices under disks.{}.devices", decl.group.value)));
    }
    decl
}

fn paths(placed: &[VolumeDecl], out: &mut Findings) {
    let mut by_path: BTreeMap<&str, Vec<&VolumeDecl>> = BTreeMap::new();
    for decl in placed {
        let others = by_path.entry(&decl.path.value).or_default();
        if let Some(other) = others.iter().find(|other| !decl.volume.nodes.is_disjoint(&other.volume.nodes)) {
            let message = format!("{} is the path of volume {} too (line {})", decl.path.value, other.volume.name, other.path.place.line);
            out.error(&decl.path.place, message, "give each its own".to_owned());
        }
        others.push(decl);
    }
}

/// Nobody's home folder is hidden who logs in with a key in it.
fn homes(cluster: &Cluster, placed: &[VolumeDecl], out: &mut Findings) {
    for decl in placed {
        let Some(below) = decl.path.value.strip_prefix("/home").filter(|rest| rest.matches('/').count() <= 1) else { continue };
        let hidden = |node: &super::cluster::Node| {
            let user = node.ssh.user.as_deref().or(cluster.ssh.user.as_deref()).filter(|user| *user != "root")?;
            let is_home = below.is_empty() || below.strip_prefix('/') == Some(user);
            (is_home && decl.volume.nodes.contains(&node.name)).then(|| user.to_owned())
        };
        if let Some(user) = cluster.nodes.iter().find_map(hidden) {
            let message = format!("a volume's path: {} hides the home folder of {user}, who logs in with the keys in it", decl.path.value);
            out.error(&decl.path.place, message, "write another folder, such as /srv/NAME".to_owned());
        }
    }
}

/// What a group holds on a node is a number that the kernel addresses.
fn sums(placed: &[VolumeDecl], out: &mut Findings) {
    let mut held: BTreeMap<(&Name, &Name), Bytes> = BTreeMap::new();
    for decl in placed {
        for node in &decl.volume.nodes {
            let sum = held.entry((&decl.group.value, node)).or_insert(Bytes(0));
            let Some(total) = Bytes::total([*sum, decl.size.value]).filter(|sum| sum.0 < 1 << 63) else {
                let message = format!("a volume's size: group {} on {node} would be larger than Linux addresses, 8 EiB", decl.group.value);
                out.error(&decl.size.place, message, "write a smaller size".to_owned());
                break;
            };
            *sum = total;
        }
    }
}

/// The persistent volumes must have names of their own, and fit the filesystems that carry them; a twentieth is the filesystem's own.
fn pools_fit(cluster: &Cluster, placed: &[VolumeDecl], pools: &[At<Name>], named: &[At<Name>], out: &mut Findings) {
    let Some(first) = pools.iter().chain(named).min_by(|a, b| a.place.cmp(&b.place)) else { return };
    let roots: Vec<&VolumeDecl> = placed.iter().filter(|d| d.path.value == POOL_ROOT).collect();
    if roots.is_empty() {
        let hint = format!("add a volume with `path: {POOL_ROOT}`");
        out.error(&first.place, format!("pools need a volume with the path {POOL_ROOT}"), hint);
        return;
    }
    let slots = cluster.pools.iter().map(|p| u64::from(p.count)).sum::<u64>() + cluster.named.len() as u64;
    if slots > MOST_SLOTS {
        let message = format!("pools and named volumes make {slots} persistent volumes on each node, and {MOST_SLOTS} are the most");
        out.error(&first.place, message, "write fewer, or a larger size".to_owned());
    }
    let pooled = cluster.pools.iter().map(|p| p.size.times(u64::from(p.count)));
    let all: Option<Vec<Bytes>> = pooled.chain(cluster.named.iter().map(|v| Some(v.size))).collect();
    let sum = all.and_then(Bytes::total);
    for root in roots {
        let room = root.size.value.0 / 20 * 19;
        if sum.is_none_or(|sum| sum.0 > room) {
            let asked = sum.map_or_else(|| format!("more than {} bytes", u64::MAX), |sum| format!("{} bytes", sum.0));
            let message = format!("pools and named volumes ask for {asked} together, and volume {} has room for {room}", root.volume.name);
            out.error(&root.size.place, message, "make the volume larger, or the pools smaller".to_owned());
        }
    }
    let carriers: BTreeSet<&Name> = placed.iter().filter(|d| d.path.value == POOL_ROOT).flat_map(|d| &d.volume.nodes).collect();
    slot_names(&cluster.pools, &carriers, pools, named, out);
}

/// The name of a pool whose volumes this name could be one of, and which.
fn slot_of(name: &str) -> Option<(&str, u32)> {
    let (pool, digits) = name.rsplit_once('-')?;
    if digits.len() == 4 { Some((pool, digits.parse().ok()?)) } else { None }
}

/// A PersistentVolume is called `NODE-SLOT`, and its folder `SLOT`: two of one name would be one.
fn slot_names(counts: &[Pool], carriers: &BTreeSet<&Name>, pools: &[At<Name>], named: &[At<Name>], out: &mut Findings) {
    let own = "write another name".to_owned();
    for pool in pools.iter().filter(|pool| pool.value.as_str() == NAMED_CLASS) {
        out.error(&pool.place, format!("a pool: {NAMED_CLASS} is the storage class of named volumes"), own.clone());
    }
    for volume in named {
        if let Some((pool, slot)) = slot_of(volume.value.as_str())
            && counts.iter().any(|p| p.name.as_str() == pool && slot <= p.count)
        {
            out.error(&volume.place, format!("a named volume: {} is a volume of pool {pool} too", volume.value), own.clone());
        }
    }
    // `a-b` with pool `c` and `a` with pool `b-c` make the same names.
    let pool_names: BTreeMap<&str, &At<Name>> = pools.iter().map(|p| (p.value.as_str(), p)).collect();
    let named_names: BTreeMap<&str, &At<Name>> = named.iter().map(|v| (v.value.as_str(), v)).collect();
    let like_slots = named.iter().filter_map(|v| Some((slot_of(v.value.as_str())?.0, v)));
    let slots: BTreeMap<&str, &At<Name>> = pool_names.iter().map(|(k, v)| (*k, *v)).chain(like_slots).collect();
    let names: BTreeSet<&str> = carriers.iter().map(|n| n.as_str()).collect();
    let rests: BTreeSet<&str> = carriers
        .iter()
        .flat_map(|n| n.as_str().match_indices('-').map(|(at, _)| n.as_str().split_at(at)))
        .filter(|(begin, _)| names.contains(begin))
        .map(|(_, rest)| &rest[1..])
        .collect();
    for rest in rests {
        for kind in [&slots, &named_names] {
            let begin = format!("{rest}-");
            for (long, at) in kind.range(begin.as_str()..).take_while(|(name, _)| name.starts_with(&begin)) {
                if let Some(short) = kind.get(&long[begin.len()..]) {
                    let message = format!(
                        "{} and {}: persistent volumes are called NODE-NAME, and nodes whose names differ by \"-{rest}\" make two of one name",
                        at.value, short.value
                    );
                    out.error(&at.place, message, own.clone());
                }
            }
        }
    }
}
