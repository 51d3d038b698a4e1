//! `namedVolumes`: single persistent volumes on each node that carries them.

use kubestead_core::diagnostic::Place;
use kubestead_storage::pv::NamedVolume;

use crate::file::decode::{Fields, entries, key_name, size};
use crate::file::findings::{At, Findings};
use crate::file::tree::Node as Yaml;

/// Decodes the section: the volumes, each with the place of its name.
pub(super) fn decode(top: &mut Fields, out: &mut Findings) -> Vec<At<NamedVolume>> {
    let written = top.take("namedVolumes").map(|n| entries(n, "namedVolumes", out)).unwrap_or_default();
    written.into_iter().filter_map(|(key, place, value)| volume(&key, place, value, out)).collect()
}

fn volume(key: &str, place: Place, value: Yaml, out: &mut Findings) -> Option<At<NamedVolume>> {
    let name = key_name(key, &place, "a named volume", out);
    let mut f = Fields::of(value, &format!("named volume {key}"), out);
    let size = f.required("size", out).and_then(|n| size(n, "size", out));
    f.end(out);
    Some(At { value: NamedVolume { name: name?, size: size?.value }, place })
}
