//! `apiVersion`, `kind` and `name`: what the file is, and of which cluster.

use kubestead_core::name::Name;

use crate::file::decode::{name, text};
use crate::file::findings::Findings;
use crate::file::shape::Kind;
use crate::file::tree::Node as Yaml;

const API_VERSION: &str = "kubestead/v1";
const CLUSTER: &str = "Cluster";

/// What may be written for `apiVersion`.
pub(super) const VERSIONS: Kind = Kind::Words(|| vec![API_VERSION]);
/// What may be written for `kind`.
pub(super) const KINDS: Kind = Kind::Words(|| vec![CLUSTER]);

/// Decodes the keys. `None` if the name is wrong.
pub(super) fn decode(api_version: Option<Yaml>, kind: Option<Yaml>, written: Option<Yaml>, out: &mut Findings) -> Option<Name> {
    constant(api_version, "apiVersion", API_VERSION, out);
    constant(kind, "kind", CLUSTER, out);
    Some(name(written?, "name", out)?.value)
}

fn constant(node: Option<Yaml>, key: &'static str, value: &str, out: &mut Findings) {
    if let Some(found) = node.and_then(|n| text(n, key, out))
        && found.value != value
    {
        out.error(&found.place, format!("{key} must be {value}, and this is {:?}", found.value), None);
    }
}
