//! `pools`: equal persistent volumes on each node that carries them.

use kubestead_core::diagnostic::Place;
use kubestead_storage::pv::Pool;

use crate::file::decode::{Fields, count, entries, key_name, size};
use crate::file::findings::{At, Findings};
use crate::file::tree::Node as Yaml;

/// Decodes the section: the pools, each with the place of its name.
pub(super) fn decode(top: &mut Fields, out: &mut Findings) -> Vec<At<Pool>> {
    let written = top.take("pools").map(|n| entries(n, "pools", out)).unwrap_or_default();
    written.into_iter().filter_map(|(key, place, value)| pool(&key, place, value, out)).collect()
}

fn pool(key: &str, place: Place, value: Yaml, out: &mut Findings) -> Option<At<Pool>> {
    let name = key_name(key, &place, "a pool", out);
    let mut f = Fields::of(value, &format!("pool {key}"), out);
    let number = f.required("count", out).and_then(|n| count(n, "count", out));
    let size = f.required("size", out).and_then(|n| size(n, "size", out));
    f.end(out);
    let (name, number, size) = (name?, number?, size?.value);
    let Some(count) = u32::try_from(number.value).ok().filter(|n| (1..=9999).contains(n)) else {
        out.error(&number.place, "a pool's count must be 1 to 9999", None);
        return None;
    };
    Some(At { value: Pool { name, count, size }, place })
}
