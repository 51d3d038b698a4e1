//! `pools`: equal persistent volumes on each node that carries them.

use kubestead_core::diagnostic::Place;
use kubestead_storage::pv::Pool;

use crate::file::decode::{count, entries, key_name, size};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::shape::{Kind, NAME, Need, SIZE};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of a pool.
    struct Written {
        "count" count Need::Required, Kind::Count { least: LEAST, most: MOST },
            "How many volumes each node has of it; 10,000 of all pools together on a node.";
        "size" size Need::Required, Kind::Text(&SIZE),
            "The size of each. All of a node together fit its volume `/var/lib/kubestead/volumes`.";
    }
}

const LEAST: u64 = 1;
const MOST: u64 = 9999;

/// What may be written.
pub(super) const KIND: Kind = Kind::entries("NAME", &NAME, &Kind::Map(&Written::SHAPE));

/// Decodes the section: the pools, each with the place of its name.
pub(super) fn decode(node: Option<Yaml>, out: &mut Findings) -> Vec<At<Pool>> {
    let written = node.map(|n| entries(n, "pools", out)).unwrap_or_default();
    written.into_iter().filter_map(|(key, place, value)| pool(&key, place, value, out)).collect()
}

fn pool(key: &str, place: Place, value: Yaml, out: &mut Findings) -> Option<At<Pool>> {
    let name = key_name(key, &place, "a pool", out);
    let f = Written::of(value, &format!("pool {key}"), out);
    let number = f.count.and_then(|n| count(n, "count", out));
    let size = f.size.and_then(|n| size(n, "size", out));
    let (name, number, size) = (name?, number?, size?.value);
    let Some(count) = Some(number.value).filter(|n| (LEAST..=MOST).contains(n)).and_then(|n| u32::try_from(n).ok()) else {
        out.error(&number.place, format!("a pool's count must be {LEAST} to {MOST}"), None);
        return None;
    };
    Some(At { value: Pool { name, count, size }, place })
}
