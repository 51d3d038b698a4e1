//! Which nodes have which devices and volumes: names and roles of the file, looked up.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;

use crate::file::cluster::{Node, Role};
use crate::file::findings::{At, Findings};
use crate::file::sections::{PlaceDecl, Sections, VolumeDecl};

/// Volume group to node to devices.
type Groups = BTreeMap<Name, BTreeMap<Name, Vec<String>>>;

/// Where groups and volumes are.
pub(crate) struct Placement {
    /// Volume group to node to devices.
    pub(crate) groups: Groups,
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
        volumes.push(placed(file, &decl.on, &groups, out));
    }
    for decl in &file.lost {
        placed(file, decl, &groups, out);
    }
    Placement { groups, volumes }
}

/// The nodes that a volume shall be on, each of which has devices for it.
fn placed(file: &Sections, decl: &PlaceDecl, groups: &Groups, out: &mut Findings) -> BTreeSet<Name> {
    let nodes: BTreeSet<Name> = decl.on.items.iter().flat_map(|on| meant(file, on, out)).cloned().collect();
    if let Some(group) = &decl.group {
        devices(file, (&decl.volume, group), &nodes, groups.get(&group.value), out);
    }
    nodes
}

fn groups(file: &Sections, out: &mut Findings) -> Groups {
    let nodes: BTreeMap<&str, &Name> = file.nodes.items.iter().map(|n| (n.node.name.as_str(), &n.node.name)).collect();
    let mut groups: Groups = BTreeMap::new();
    let mut used: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for device in &file.disks.items {
        let (group, host, path) = (&device.group, &device.host, &device.path);
        let Some(node) = nodes.get(host.value.as_str()) else {
            if !file.nodes.may_have(&host.value) {
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
    // One that was lost may have any role.
    let may_be =
        if ["all", "control-plane", "worker"].contains(&on.value.as_str()) { file.nodes.broken } else { file.nodes.may_have(&on.value) };
    if found.is_empty() && !may_be {
        let message = format!("{:?} is neither a node nor a role that a node has", on.value);
        out.error(&on.place, message, "write a node's name, control-plane, worker or all".to_owned());
    }
    found
}

/// The group of a volume has devices on each of its nodes.
fn devices(
    file: &Sections,
    (volume, group): (&str, &At<Name>),
    nodes: &BTreeSet<Name>,
    by_node: Option<&BTreeMap<Name, Vec<String>>>,
    out: &mut Findings,
) {
    let At { value: group, place } = group;
    if file.disks.may_have(group.as_str()) {
        return;
    }
    let lacks =
        |node: &&Name| !by_node.is_some_and(|by_node| by_node.contains_key(*node)) && !file.disks.may_have(&format!("{group}/{node}"));
    // A few are enough to see what is meant.
    for node in nodes.iter().filter(lacks).take(10) {
        let message = format!("volume {volume} is on {node}, where group {group} has no devices");
        out.error(place, message, format!("name {node}'s devices under disks.{group}.devices"));
    }
}
