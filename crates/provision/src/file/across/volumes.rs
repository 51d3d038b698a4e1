//! Volumes beside each other on their nodes, beside home folders, and beside key servers.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::name::Name;
use kubestead_core::size::Bytes;
use kubestead_storage::ways::{Way, Ways};

use super::placement::Placement;
use crate::file::cluster::Node;
use crate::file::findings::{At, Findings};
use crate::file::sections::{Sections, VolumeDecl};

pub(super) fn check(file: &Sections, placement: &Placement, out: &mut Findings) {
    paths(file, placement, out);
    homes(file, placement, out);
    sums(file, placement, out);
    without_servers(file, out);
    without_encryption(file, out);
}

/// Whether a volume is encrypted: by its own word, else by that of all.
fn is_encrypted(file: &Sections, decl: &VolumeDecl) -> bool {
    decl.encrypted.as_ref().or(file.keys.encrypted.as_ref()).is_none_or(|at| at.value)
}

/// Volumes without encryption are named at each look, by the word that says it.
fn without_encryption(file: &Sections, out: &mut Findings) {
    let hint = "whoever gets such a disk reads what is on it: what users store, Secrets, the cluster's keys; write `encryption: luks` if that matters";
    let mut by_all = Vec::new();
    for decl in file.volumes.items.iter().filter(|decl| !is_encrypted(file, decl)) {
        if let Some(unlock) = &decl.unlock {
            let message = format!("volume {} is not encrypted, and `unlock` says how it is unlocked", decl.volume.name);
            out.error(&unlock.place, message, "leave out one of them".to_owned());
        }
        match &decl.encrypted {
            Some(own) => out.warning(&own.place, format!("volume {} is not encrypted", decl.volume.name), hint.to_owned()),
            None => by_all.push(decl.volume.name.as_str()),
        }
    }
    if let (Some(all), false) = (&file.keys.encrypted, by_all.is_empty()) {
        out.warning(&all.place, format!("volumes that are not encrypted: {}", by_all.join(", ")), hint.to_owned());
    }
}

/// Whoever is to unlock a volume is named: a key server, or a person who does it by hand.
fn without_servers(file: &Sections, out: &mut Findings) {
    if !file.keys.servers.items.is_empty() || file.keys.servers.broken {
        return;
    }
    let hint = "add keys.servers, a machine that holds half of each key; or `keys: {unlock: [recovery]}`: after each boot the volumes wait for \
                `kubestead volume unlock NODE`";
    let asks = |at: &At<Ways>| at.value.has(Way::Ssh).then(|| at.place.clone());
    let by_word = file.keys.unlock.as_ref().and_then(asks);
    let of_all = file.keys.unlock.as_ref().is_none_or(|at| at.value.has(Way::Ssh));
    let sealed = || file.volumes.items.iter().filter(|decl| is_encrypted(file, decl));
    if let Some(place) = sealed().filter_map(|decl| decl.unlock.as_ref()).find_map(asks).or(by_word) {
        out.error(&place, "key servers are to unlock volumes, and none is named", Some(hint.to_owned()));
    } else if let (Some(first), true) = (sealed().find(|decl| decl.unlock.is_none()), of_all) {
        out.error(&first.path, "volumes are encrypted and no key server is named", Some(hint.to_owned()));
    }
}

fn paths(file: &Sections, placement: &Placement, out: &mut Findings) {
    let mut by_path: BTreeMap<&str, Vec<(&VolumeDecl, &BTreeSet<Name>)>> = BTreeMap::new();
    for (decl, nodes) in placement.of(file) {
        let path = decl.volume.path.as_str();
        let others = by_path.entry(path).or_default();
        if let Some((other, _)) = others.iter().find(|(_, theirs)| !nodes.is_disjoint(theirs)) {
            let message = format!("{path} is the path of volume {} too (line {})", other.volume.name, other.path.line);
            out.error(&decl.path, message, "give each its own".to_owned());
        }
        others.push((decl, nodes));
    }
}

/// Nobody's home folder is hidden who logs in with a key in it.
fn homes(file: &Sections, placement: &Placement, out: &mut Findings) {
    for (decl, nodes) in placement.of(file) {
        let path = decl.volume.path.as_str();
        let Some(below) = path.strip_prefix("/home").filter(|rest| rest.matches('/').count() <= 1) else { continue };
        let hidden = |node: &Node| {
            let user = node.ssh.user.as_deref().or(file.ssh.user.as_deref()).filter(|user| *user != "root")?;
            let is_home = below.is_empty() || below.strip_prefix('/') == Some(user);
            (is_home && nodes.contains(&node.name)).then(|| user.to_owned())
        };
        if let Some(user) = file.nodes.items.iter().find_map(|n| hidden(&n.node)) {
            let message = format!("a volume's path: {path} hides the home folder of {user}, who logs in with the keys in it");
            out.error(&decl.path, message, "write another folder, such as /srv/NAME".to_owned());
        }
    }
}

/// What a group holds on a node is a number that the kernel addresses.
fn sums(file: &Sections, placement: &Placement, out: &mut Findings) {
    let mut held: BTreeMap<(&Name, &Name), Bytes> = BTreeMap::new();
    for (decl, nodes) in placement.of(file) {
        let group = &decl.volume.group;
        for node in nodes {
            let sum = held.entry((group, node)).or_insert(Bytes(0));
            let Some(total) = Bytes::total([*sum, decl.volume.size]).filter(|sum| sum.0 < 1 << 63) else {
                let message = format!("a volume's size: group {group} on {node} would be larger than Linux addresses, 8 EiB");
                out.error(&decl.size, message, "write a smaller size".to_owned());
                break;
            };
            *sum = total;
        }
    }
}
