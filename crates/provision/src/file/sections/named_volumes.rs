//! `namedVolumes`: single persistent volumes on each node that carries them.

use kubestead_core::diagnostic::Place;
use kubestead_storage::pv::NamedVolume;

use crate::file::decode::{entries, key_name, size};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::shape::{Kind, NAME, Need, SIZE};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of a named volume.
    struct Written {
        "size" size Need::Required, Kind::Text(&SIZE),
            "Its size. All of a node together fit its volume `/var/lib/kubestead/volumes`.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::entries("NAME", &NAME, &Kind::Map(&Written::SHAPE));

/// Decodes the section: the volumes, each with the place of its name.
pub(super) fn decode(node: Option<Yaml>, out: &mut Findings) -> Vec<At<NamedVolume>> {
    let written = node.map(|n| entries(n, "namedVolumes", out)).unwrap_or_default();
    written.into_iter().filter_map(|(key, place, value)| volume(&key, place, value, out)).collect()
}

fn volume(key: &str, place: Place, value: Yaml, out: &mut Findings) -> Option<At<NamedVolume>> {
    let name = key_name(key, &place, "a named volume", out);
    let f = Written::of(value, &format!("named volume {key}"), out);
    let size = f.size.and_then(|n| size(n, "size", out));
    Some(At { value: NamedVolume { name: name?, size: size?.value }, place })
}
