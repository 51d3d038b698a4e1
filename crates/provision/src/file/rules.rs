//! Rules for single values, and rules that look across fields.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kubestead_core::name::Name;
use kubestead_storage::spec::Filesystem;

use super::cluster::{Cluster, Draft, POOL_ROOT, Role, VolumeDecl};
use super::decode::{At, Findings, parsed, text};
use super::tree::Node;

/// The minors of Kubernetes that kubestead knows how to install.
const MINORS: [u64; 3] = [35, 36, 37];

/// Stands where a name was wrong, so that the other rules can still be told; never leaves this module's caller.
pub(super) fn stand_in() -> Name {
    Name::new("x").unwrap_or_else(|_| unreachable!("x is a label"))
}

pub(super) fn version(found: &At<String>, out: &mut Findings) {
    let numbers: Option<Vec<u64>> = found.value.split('.').map(|part| part.parse().ok()).collect();
    match numbers.as_deref() {
        Some([1, minor, _]) if MINORS.contains(minor) => {}
        Some([1, _, _]) => {
            out.error(&found.place, format!("Kubernetes {} is not supported: 1.{} to 1.{} are", found.value, MINORS[0], MINORS[2]), None)
        }
        _ => out.error(
            &found.place,
            format!("{:?} is not a version such as 1.37.1", found.value),
            Some("write all three numbers".to_owned()),
        ),
    }
}

pub(super) fn address(node: Node, what: &str, out: &mut Findings) -> Option<At<String>> {
    parsed(node, what, out, |text| text.parse::<IpAddr>().map(|ip| ip.to_string()).map_err(|_| format!("{text:?} is not an IP address")))
}

pub(super) fn port(node: Node, what: &str, out: &mut Findings) -> Option<u16> {
    let port = parsed(node, what, out, |text| {
        text.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(|| format!("{text:?} is not a port, 1 to 65535"))
    })?;
    Some(port.value)
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

/// Kernel names change from boot to boot, so only names that stay are taken.
pub(super) fn device(node: Node, out: &mut Findings) -> Option<At<String>> {
    let found = text(node, "a device", out)?;
    let stable = found
        .value
        .strip_prefix("/dev/disk/by-")
        .is_some_and(|rest| rest.len() > 3 && !rest.contains("..") && rest.chars().all(|c| c.is_ascii_graphic()));
    if !stable {
        let message = format!("{:?} is not a name that stays: kernel names such as sda change from boot to boot", found.value);
        out.error(&found.place, message, Some("use a path under /dev/disk/by-id (ls -l /dev/disk/by-id on the node)".to_owned()));
        return None;
    }
    Some(found)
}

pub(super) fn mount_point(node: Node, out: &mut Findings) -> Option<At<String>> {
    let found = text(node, "a volume's path", out)?;
    let clean = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !found.value.strip_prefix('/').is_some_and(|rest| rest.split('/').all(clean)) {
        out.error(&found.place, format!("{:?} is not an absolute path of letters, digits, '.', '_' and '-'", found.value), None);
        return None;
    }
    Some(found)
}

pub(super) fn subnet(node: Node, out: &mut Findings) -> Option<String> {
    let found = parsed(node, "a subnet", out, |text| {
        let (ip, bits) = text.split_once('/').ok_or_else(|| format!("{text:?} is not a subnet such as 10.244.0.0/16"))?;
        let ip: IpAddr = ip.parse().map_err(|_| format!("{ip:?} is not an IP address"))?;
        let bits: u8 = bits.parse().map_err(|_| format!("{bits:?} is not a number of bits"))?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        if bits > most { Err(format!("a prefix of {bits} bits is longer than the address")) } else { Ok(text.to_owned()) }
    })?;
    Some(found.value)
}

/// An address for apt. It goes into files and scripts of the nodes, so it holds nothing that is special there, and no password.
pub(super) fn repository(node: Node, out: &mut Findings) -> Option<String> {
    let found = parsed(node, "kubernetes.packages.repository", out, |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        if rest.contains('@') {
            return Err("it holds a login: apt reads those from /etc/apt/auth.conf.d".to_owned());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%+".contains(c);
        if !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) || !rest.chars().all(plain) {
            return Err(format!("{text:?} is not an address such as https://pkgs.k8s.io/core:/stable:"));
        }
        if rest.trim_end_matches('/').ends_with("/deb") {
            return Err(format!("{text:?} is the path of one minor: leave out /v1.N/deb"));
        }
        Ok(text.trim_end_matches('/').to_owned())
    })?;
    Some(found.value)
}

/// Looks across fields, and puts the parts together.
pub(super) fn settle(draft: Draft, out: &mut Findings) -> Cluster {
    let Draft { mut cluster, names, addresses, devices, volumes, pools } = draft;
    twice(&names, "two nodes are called", out);
    twice(&addresses, "two nodes have the address", out);
    groups(&mut cluster, devices, out);
    for server in &cluster.servers {
        if cluster.nodes.iter().any(|n| n.name == server.name || n.address == server.address) {
            let place = names.first().map(|n| n.place.clone());
            if let Some(place) = place {
                out.error(&place, format!("{} is a node and a key server: a cluster cannot unlock itself", server.name), None);
            }
        }
    }
    let mut placed = Vec::new();
    for decl in volumes {
        placed.push(on_nodes(&cluster, decl, out));
    }
    paths(&placed, out);
    if let (Some(first), true) = (placed.first(), cluster.servers.is_empty()) {
        out.error(&first.path.place, "volumes are encrypted and no key server is named", Some("add keys.servers".to_owned()));
    }
    pools_fit(&cluster, &placed, &pools, out);
    cluster.volumes = placed.into_iter().map(|d| d.volume).collect();
    cluster
}

fn twice<T: Ord + std::fmt::Display>(found: &[At<T>], message: &str, out: &mut Findings) {
    let mut seen: BTreeMap<&T, u64> = BTreeMap::new();
    for at in found {
        if let Some(line) = seen.get(&at.value) {
            out.error(&at.place, format!("{message} {} (first in line {line})", at.value), None);
        } else {
            seen.insert(&at.value, at.place.line);
        }
    }
}

fn groups(cluster: &mut Cluster, devices: Vec<(Name, At<String>, At<String>)>, out: &mut Findings) {
    let mut used: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (group, host, path) in devices {
        let Some(node) = cluster.nodes.iter().find(|n| n.name.as_str() == host.value) else {
            out.error(&host.place, format!("group {group} names {:?}, which is no node", host.value), None);
            continue;
        };
        if let Some(line) = used.insert((host.value.clone(), path.value.clone()), path.place.line) {
            out.error(&path.place, format!("{} of {} is used twice (first in line {line})", path.value, host.value), None);
        }
        cluster.groups.entry(group).or_default().entry(node.name.clone()).or_default().push(path.value);
    }
}

fn on_nodes(cluster: &Cluster, mut decl: VolumeDecl, out: &mut Findings) -> VolumeDecl {
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
        if fits.is_empty() && !cluster.nodes.is_empty() {
            out.error(
                &on.place,
                format!("{:?} is neither a node nor a role that a node has", on.value),
                Some("write a node's name, control-plane, worker or all".to_owned()),
            );
        }
        nodes.extend(fits.into_iter().cloned());
    }
    for node in &nodes {
        if !cluster.groups.get(&decl.group.value).is_some_and(|by_node| by_node.contains_key(node)) {
            let message = format!("volume {} is on {node}, where group {} has no devices", decl.volume.name, decl.group.value);
            out.error(&decl.group.place, message, Some(format!("name {node}'s devices under disks.{}.devices", decl.group.value)));
        }
    }
    decl.volume.nodes = nodes;
    decl
}

fn paths(placed: &[VolumeDecl], out: &mut Findings) {
    for (index, decl) in placed.iter().enumerate() {
        for other in &placed[..index] {
            if decl.path.value == other.path.value && !decl.volume.nodes.is_disjoint(&other.volume.nodes) {
                let message =
                    format!("{} is the path of volume {} too (line {})", decl.path.value, other.volume.name, other.path.place.line);
                out.error(&decl.path.place, message, None);
            }
        }
    }
}

/// The sum of the PVs must fit the filesystem that carries them; a twentieth is the filesystem's own.
fn pools_fit(cluster: &Cluster, placed: &[VolumeDecl], pools: &[At<u64>], out: &mut Findings) {
    let named: u64 = cluster.named.iter().map(|v| v.size.0).sum();
    let sum = pools.iter().map(|p| p.value).fold(named, u64::saturating_add);
    if sum == 0 {
        return;
    }
    let Some(root) = placed.iter().find(|d| d.path.value == POOL_ROOT) else {
        if let Some(pool) = pools.first() {
            out.error(&pool.place, format!("pools need a volume with the path {POOL_ROOT}"), None);
        }
        return;
    };
    let room = root.size.value.0 / 20 * 19;
    if sum > room {
        let message = format!("pools and named volumes ask for {sum} bytes together, and volume {} has room for {room}", root.volume.name);
        out.error(&root.size.place, message, None);
    }
}
