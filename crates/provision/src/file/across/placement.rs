//! Which nodes have which devices and volumes: names and roles of the file, looked up.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;

use crate::file::cluster::{Node, Role};
use crate::file::findings::{At, Findings};
use crate::file::sections::{Sections, VolumeDecl};

/// Where groups and volumes are.
pub(crate) struct Placement {
    /// Volume group to node to devices.
    pub(crate) groups: BTreeMap<Name, BTreeMap<Name, Vec<String>>>,
    /// The nodes of each volume, in the order of the volumes.
    pub(crate) volumes: Vec<BTreeSet<Name>>,
}

impl Placement {
    /// The volumes with their nodes.
    pub(super) fn of<'a>(&'a self, file: &'a Sections) -> impl Iterator<Item = (&'a VolumeDecl, &'a BTreeSet<Name>)> + Clone {
        file.volumes.items.iter().zip(&self.volumes)
    }
}

/// Looks up where everything is.
pub(super) fn place(file: &Sections, out: &mut Findings) -> Placement {
    let groups = groups(file, out);
    let mut volumes = Vec::new();
    for decl in &file.volumes.items {
        let mut nodes = BTreeSet::new();
        for on in &decl.on.items {
            nodes.extend(meant(file, on, out).into_iter().cloned());
        }
        if !file.disks.broken && !file.nodes.broken {
            devices(decl, &nodes, groups.get(&decl.volume.group), out);
        }
        volumes.push(nodes);
    }
    Placement { groups, volumes }
}

fn groups(file: &Sections, out: &mut Findings) -> BTreeMap<Name, BTreeMap<Name, Vec<String>>> {
    let nodes: BTreeMap<&str, &Name> = file.nodes.items.iter().map(|n| (n.node.name.as_str(), &n.node.name)).collect();
    let mut groups: BTreeMap<Name, BTreeMap<Name, Vec<String>>> = BTreeMap::new();
    let mut used: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for device in &file.disks.items {
        let (group, host, path) = (&device.group, &device.host, &device.path);
        let Some(node) = nodes.get(host.value.as_str()) else {
            if !file.nodes.broken {
                out.error(&host.place, format!("group {group} names {:?}, which is no node", host.value), "write a node's name".to_owned());
            }
            continue;
        };
        if let Some(line) = used.insert((&host.value, &path.value), path.place.line) {
            let message = format!("{} of {} is used twice (first in line {line})", path.value, host.value);
            out.error(&path.place, message, "name each device once".to_owned());
        }
        groups.entry(group.clone()).or_default().entry((*node).clone()).or_default().push(path.value.clone());
    }
    groups
}

/// The nodes that a name or a role of `on` means.
fn meant<'a>(file: &'a Sections, on: &At<String>, out: &mut Findings) -> Vec<&'a Name> {
    let fits = |node: &&Node| match on.value.as_str() {
        "all" => true,
        "control-plane" => node.is_control_plane(),
        "worker" => node.roles.contains(&Role::Worker),
        name => node.name.as_str() == name,
    };
    let found: Vec<&Name> = file.nodes.items.iter().map(|n| &n.node).filter(fits).map(|n| &n.name).collect();
    if found.is_empty() && !file.nodes.broken {
        let message = format!("{:?} is neither a node nor a role that a node has", on.value);
        out.error(&on.place, message, "write a node's name, control-plane, worker or all".to_owned());
    }
    found
}

/// The group of a volume has devices on each of its nodes.
fn devices(decl: &VolumeDecl, nodes: &BTreeSet<Name>, by_node: Option<&BTreeMap<Name, Vec<String>>>, out: &mut Findings) {
    let group = &decl.volume.group;
    // A few are enough to see what is meant.
    for node in nodes.iter().filter(|node| !by_node.is_some_and(|by_node| by_node.contains_key(*node))).take(10) {
        let message = format!("volume {} is on {node}, where group {group} has no devices", decl.volume.name);
        out.error(&decl.group, message, format!("name {node}'s devices under disks.{group}.devices"));
    }
}
