//! Persistent volumes: they fit the volumes that carry them, and no two have one name.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;
use kubestead_core::size::Bytes;
use kubestead_storage::pv::NAMED_CLASS;

use super::placement::Placement;
use crate::file::cluster::POOL_ROOT;
use crate::file::findings::Findings;
use crate::file::sections::{Sections, VolumeDecl};

/// How many persistent volumes a node may have by pools and named volumes together.
const MOST_SLOTS: u64 = 10_000;

pub(super) fn check(file: &Sections, placement: &Placement, out: &mut Findings) {
    let places = file.pools.iter().map(|at| &at.place).chain(file.named.iter().map(|at| &at.place));
    let Some(first) = places.min() else { return };
    let roots = placement.of(file).filter(|(decl, _)| decl.volume.path == POOL_ROOT);
    // One that was lost to a mistake may be it.
    if roots.clone().next().is_none() && !file.volumes.broken {
        let hint = format!("add a volume with `path: {POOL_ROOT}`");
        out.error(first, format!("pools need a volume with the path {POOL_ROOT}"), hint);
    }
    let slots = file.pools.iter().map(|at| u64::from(at.value.count)).sum::<u64>() + file.named.len() as u64;
    if slots > MOST_SLOTS {
        let message = format!("pools and named volumes make {slots} persistent volumes on each node, and {MOST_SLOTS} are the most");
        out.error(first, message, "write fewer, or a larger size".to_owned());
    }
    fit(file, roots.clone().map(|(decl, _)| decl), out);
    classes(file, out);
    let carriers: BTreeSet<&Name> = roots.flat_map(|(_, nodes)| nodes).collect();
    names(file, &carriers, out);
}

/// A twentieth of a filesystem is its own.
fn fit<'a>(file: &Sections, roots: impl Iterator<Item = &'a VolumeDecl>, out: &mut Findings) {
    let pooled = file.pools.iter().map(|at| at.value.size.times(u64::from(at.value.count)));
    let all: Option<Vec<Bytes>> = pooled.chain(file.named.iter().map(|at| Some(at.value.size))).collect();
    let sum = all.and_then(Bytes::total);
    for root in roots {
        let room = root.volume.size.0 / 20 * 19;
        if sum.is_none_or(|sum| sum.0 > room) {
            let asked = sum.map_or_else(|| format!("more than {} bytes", u64::MAX), |sum| format!("{} bytes", sum.0));
            let message = format!("pools and named volumes ask for {asked} together, and volume {} has room for {room}", root.volume.name);
            out.error(&root.size, message, "make the volume larger, or the pools smaller".to_owned());
        }
    }
}

/// The name of a pool whose volumes this name could be one of, and which.
fn slot_of(name: &str) -> Option<(&str, u32)> {
    let (pool, digits) = name.rsplit_once('-')?;
    if digits.len() == 4 { Some((pool, digits.parse().ok()?)) } else { None }
}

const OTHER: &str = "write another name";

/// No pool is called as the class of named volumes, and no named volume as a pool's volume.
fn classes(file: &Sections, out: &mut Findings) {
    for pool in file.pools.iter().filter(|pool| pool.value.name.as_str() == NAMED_CLASS) {
        out.error(&pool.place, format!("a pool: {NAMED_CLASS} is the storage class of named volumes"), OTHER.to_owned());
    }
    for volume in &file.named {
        let name = volume.value.name.as_str();
        if let Some((pool, slot)) = slot_of(name)
            && file.pools.iter().any(|p| p.value.name.as_str() == pool && slot <= p.value.count)
        {
            out.error(&volume.place, format!("a named volume: {name} is a volume of pool {pool} too"), OTHER.to_owned());
        }
    }
}

/// A PersistentVolume is called `NODE-SLOT`, and its folder `SLOT`: two of one name would be one.
fn names(file: &Sections, carriers: &BTreeSet<&Name>, out: &mut Findings) {
    let pools = file.pools.iter().map(|p| (p.value.name.as_str(), &p.place));
    let named: Vec<(&str, &Place)> = file.named.iter().map(|v| (v.value.name.as_str(), &v.place)).collect();
    // What begins the name of a slot, and whose name and place that is.
    let like_slots = named.iter().filter_map(|(name, place)| Some((slot_of(name)?.0, (*name, *place))));
    let slots: BTreeMap<&str, (&str, &Place)> = pools.map(|(name, place)| (name, (name, place))).chain(like_slots).collect();
    let named: BTreeMap<&str, (&str, &Place)> = named.iter().map(|(name, place)| (*name, (*name, *place))).collect();
    for rest in differences(carriers) {
        for kind in [&slots, &named] {
            // `a-b` with pool `c` and `a` with pool `b-c` make the same names.
            let begin = format!("{rest}-");
            for (long, (name, place)) in kind.range(begin.as_str()..).take_while(|(name, _)| name.starts_with(&begin)) {
                if let Some((short, _)) = kind.get(&long[begin.len()..]) {
                    let message = format!(
                        "{name} and {short}: persistent volumes are called NODE-NAME, and nodes whose names differ by \"-{rest}\" make two of one name"
                    );
                    out.error(place, message, OTHER.to_owned());
                }
            }
        }
    }
}

/// What some node's name has more than another's, without the hyphen between.
fn differences<'a>(carriers: &BTreeSet<&'a Name>) -> BTreeSet<&'a str> {
    let names: BTreeSet<&str> = carriers.iter().map(|n| n.as_str()).collect();
    let cuts = carriers.iter().flat_map(|n| n.as_str().match_indices('-').map(|(at, _)| n.as_str().split_at(at)));
    cuts.filter(|(begin, _)| names.contains(begin)).map(|(_, rest)| &rest[1..]).collect()
}
