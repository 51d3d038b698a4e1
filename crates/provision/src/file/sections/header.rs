//! `apiVersion`, `kind` and `name`: what the file is, and of which cluster.

use kubestead_core::name::Name;

use crate::file::decode::{Fields, name, text};
use crate::file::findings::Findings;

/// Decodes the keys. `None` if the name is wrong.
pub(super) fn decode(top: &mut Fields, out: &mut Findings) -> Option<Name> {
    constant(top, "apiVersion", "kubestead/v1", out);
    constant(top, "kind", "Cluster", out);
    let found = top.required("name", out).and_then(|n| name(n, "name", out));
    top.gone("domain", "nothing ever used it: leave it out; a node's full name is its `hostname: NAME.DOMAIN`", out);
    found.map(|at| at.value)
}

fn constant(top: &mut Fields, key: &'static str, value: &str, out: &mut Findings) {
    if let Some(found) = top.required(key, out).and_then(|n| text(n, key, out))
        && found.value != value
    {
        out.error(&found.place, format!("{key} must be {value}, and this is {:?}", found.value), None);
    }
}
