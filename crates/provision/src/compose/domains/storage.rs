//! Disks and volumes, with the recovery keys of those that are made.

use std::collections::BTreeSet;

use kubestead_core::fact::Fact;
use kubestead_core::key::{ESCROW, KeyRef};
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Step, Target};
use kubestead_core::probe::Answers;
use kubestead_storage::observe::{Header, StorageFacts, VolumeFacts};
use kubestead_storage::plan as planner;
use kubestead_storage::spec::{HostStorage, KeyServer, PoolRoot, Volume};
use kubestead_storage::ways::Way;
use kubestead_storage::{observe, pv, unit};

use super::super::{Action, KeyKind, NodeSeen, Seen, order};
use super::{Asked, Wanted};
use crate::file::{Cluster, Node, POOL_ROOT};

/// The storage of one node.
pub fn spec(cluster: &Cluster, node: &Name) -> HostStorage {
    let volumes: Vec<Volume> = cluster.volumes_of(node).map(|v| v.spec.clone()).collect();
    let groups = cluster.groups.iter().filter_map(|(group, by_node)| Some((group.clone(), by_node.get(node)?.clone()))).collect();
    let has_root = volumes.iter().any(|v| v.path == POOL_ROOT);
    let directories = if has_root { pv::directories(POOL_ROOT, &cluster.pools, &cluster.named) } else { Vec::new() };
    HostStorage {
        node: node.clone(),
        groups,
        volumes,
        servers: cluster.servers.iter().map(|s| KeyServer { address: s.address.clone(), port: s.port, user: s.user.to_string() }).collect(),
        pool_root: (!directories.is_empty()).then(|| PoolRoot { path: POOL_ROOT.to_owned(), directories }),
        after_keys: order::before_volumes(cluster, node),
    }
}

pub(super) fn asks(wanted: &Wanted<'_>, node: &Node) -> Asked {
    let spec = spec(wanted.cluster, &node.name);
    Asked {
        own: unit::own_files(&spec).into_iter().map(|file| file.path).chain(unit::left_paths(&spec)).collect(),
        places: unit::TABS.map(str::to_owned).into(),
        sections: observe::sections(&spec),
        ..Asked::default()
    }
}

pub(in super::super) fn read(wanted: &Wanted<'_>, node: &Node, answers: &Answers) -> StorageFacts {
    observe::read(&spec(wanted.cluster, &node.name), answers)
}

/// What comes of a node's storage by itself.
pub(in super::super) struct Own {
    /// Its steps with its recovery keys, or the reasons not to touch the machine at all.
    pub part: Result<Part<Action>, Vec<Held>>,
    /// The volumes with a slot for a key server's share: a new share would not open them.
    pub made: BTreeSet<Name>,
    /// The volumes that are encrypted anew, or get a slot for a key that is fetched: these get a share and a recovery key, and no others do.
    pub making: BTreeSet<Name>,
}

/// `obstacles`: reasons not to touch the machine at all.
pub(in super::super) fn plan(cluster: &Cluster, seen: &Seen, name: &Name, found: &NodeSeen, obstacles: Vec<Held>) -> Own {
    let wanted = spec(cluster, name);
    let fetched = |v: &VolumeFacts| matches!(v.header, Fact::Known(Header::Ours(_))) && v.ways.contains(&Way::Ssh);
    let ours = found.storage.volumes.iter().filter(|(_, v)| fetched(v)).map(|(name, _)| name);
    // Of one that is gone the disk may only be unplugged.
    let gone = |v: &&Volume| {
        let Some(seen) = found.storage.volumes.get(&v.name) else { return false };
        // The boot mounted what somebody had opened by hand: no server had a share of it.
        let by_hand = seen.crypttab.is_none() && seen.fstab.is_some();
        !matches!(seen.header, Fact::Known(Header::Ours(_))) && !by_hand && found.storage.finished(v).is_some()
    };
    let finished = wanted.volumes.iter().filter(gone).map(|v| &v.name);
    let made = ours.chain(finished).cloned().collect();
    if !obstacles.is_empty() {
        return Own { part: Err(obstacles), made, making: BTreeSet::new() };
    }
    let store = planner::plan(&wanted, &found.storage);
    let making = making(&store);
    let mut part = escrow(&wanted, found, seen, &making);
    part.extend(store.map(Action::Storage));
    Own { part: Ok(part), made, making }
}

fn making(store: &Part<planner::Action>) -> BTreeSet<Name> {
    let format = |step: &Step<planner::Action>| match &step.action {
        planner::Action::Format { volume, .. } | planner::Action::AddWay { volume } => Some(volume.name.clone()),
        _ => None,
    };
    store.steps.iter().filter_map(format).collect()
}

/// A recovery key for every volume that is about to be made, before it is: none for a volume that is held.
fn escrow(wanted: &HostStorage, found: &NodeSeen, seen: &Seen, making: &BTreeSet<Name>) -> Part<Action> {
    let mut part = Part::default();
    let node = &wanted.node;
    for volume in wanted.volumes.iter().filter(|volume| volume.is_encrypted()) {
        let KeyRef(name) = KeyRef::recovery(node.as_str(), volume.name.as_str());
        if seen.escrow.contains(&name) {
            continue;
        }
        let facts = found.storage.volumes.get(&volume.name);
        let made = facts.is_some_and(|f| matches!(f.header, Fact::Known(Header::Ours(_))) && f.logical.known().is_some_and(|l| !l.new));
        if made || found.storage.finished(volume).is_some() {
            let hint = format!(
                "restore {name}.age from the repository's history; if it is lost, add another recovery key to slot 6 with cryptsetup luksAddKey"
            );
            part.held.push(Held::on(node, &volume.name, "its recovery key is not in the escrow", hint));
        } else if making.contains(&volume.name) {
            let why = format!("make a recovery key for {node}/{} and keep it encrypted", volume.name);
            let action = Action::Escrow { name: name.clone(), kind: KeyKind::Recovery };
            part.push(ESCROW.step(Target::Operator, name, action, why));
        }
    }
    part
}

/// Whether a volume is to be mounted that was made before: files of a node and of a cluster may be on it.
pub(in super::super) fn hidden(own: &Part<Action>) -> bool {
    let of = |deed: fn(&planner::Action) -> Option<&Volume>| -> BTreeSet<&Name> {
        own.steps
            .iter()
            .filter_map(|step| if let Action::Storage(action) = &step.action { deed(action) } else { None })
            .map(|v| &v.name)
            .collect()
    };
    let made = of(|action| if let planner::Action::Mkfs { volume } = action { Some(volume) } else { None });
    let mounted = of(|action| if let planner::Action::Mount { volume } = action { Some(volume) } else { None });
    !mounted.is_subset(&made)
}

/// Whether a step brings a volume to its place, or has services wait for it: a consent that is missing skips it and what waits for it, not its host.
pub(in super::super) fn carries(step: &Step<Action>) -> bool {
    matches!(&step.action, Action::Storage(planner::Action::Mount { .. } | planner::Action::Boot { .. } | planner::Action::Files { .. }))
}

/// Wipes one volume of a cluster that ends.
pub(in super::super) fn wipe(cluster: &Cluster, node: &Name, volume: &Name, found: &NodeSeen) -> Part<Action> {
    let spec = spec(cluster, node);
    let Some(volume) = spec.volumes.iter().find(|v| v.name == *volume) else { return Part::default() };
    kubestead_storage::plan::wipe(&spec, &found.storage, volume, order::before_wipe(node)).map(Action::Storage)
}
