//! `secrets` of a service: variables whose values are encrypted by sops.

use std::collections::BTreeMap;
use std::path::Path;

use kubestead_core::diagnostic::Place;

use super::decode::{entries, list, parsed};
use super::fields::fields;
use super::findings::Findings;
use super::path::path;
use super::services::SealedVariable;
use super::shape::{Bare, Form, Kind, Need, PATH};
use super::tree::{Kind as YamlKind, Node as Yaml};

fields! {
    /// The fields of a variable.
    struct Written {
        "file" file Need::Required, Kind::Text(&PATH),
            "A file that sops encrypted.";
        "key" key Need::Required, Kind::OneOrList(&Kind::Text(&KEY)),
            "The key of the value in it; a list of keys leads to one further down.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

const KEY: Form = Form { word: "a key", pattern: r"^[^\x00-\x1f\x7f]+$", example: "password", bare: Bare::Any };

/// Decodes the variables. `clear` are those of the service that are not encrypted.
pub(super) fn decode(node: Yaml, clear: &BTreeMap<String, String>, dir: &Path, out: &mut Findings) -> BTreeMap<String, SealedVariable> {
    let mut found = BTreeMap::new();
    for (name, place, value) in entries(node, "secrets", out) {
        if !is_variable(&name, "secrets", &place, out) {
            continue;
        }
        if clear.contains_key(&name) {
            out.error(&place, format!("secrets: {name} is in `variables` too"), "keep one of them".to_owned());
        }
        let sealed = one(value, &format!("secrets: {name}"), dir, out);
        found.extend(sealed.map(|sealed| (name, sealed)));
    }
    found
}

/// Decodes where an encrypted value is.
pub(super) fn one(node: Yaml, what: &str, dir: &Path, out: &mut Findings) -> Option<SealedVariable> {
    let f = Written::of(node, what, out);
    let file = f.file.and_then(|n| path(n, "file", dir, out));
    let key = f.key.map(|n| keys(n, out)).filter(|key| !key.is_empty());
    file.zip(key).map(|(file, key)| SealedVariable { file, key })
}

/// Whether a key is the name of a variable, as shells and envsubst(1) have it; another one is told.
pub(super) fn is_variable(key: &str, what: &str, place: &Place, out: &mut Findings) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let good = key.len() <= 100 && key.bytes().all(inner) && key.starts_with(|c: char| !c.is_ascii_digit());
    if !good {
        let hint = "write letters, digits and _, beginning with a letter or _".to_owned();
        out.error(place, format!("{what}: {key:?} is not the name of a variable"), hint);
    }
    good
}

fn keys(node: Yaml, out: &mut Findings) -> Vec<String> {
    let place = node.place.clone();
    let items = if matches!(node.kind, YamlKind::List(_)) { list(node, "key", out) } else { vec![node] };
    if items.is_empty() {
        out.error(&place, "key: a list of no keys leads nowhere", None);
    }
    let one = |text: &str| if text.is_empty() { Err("it is empty") } else { Ok(text.to_owned()) };
    let found: Vec<Option<String>> = items.into_iter().map(|item| parsed(item, "key", out, one).map(|at| at.value)).collect();
    found.into_iter().collect::<Option<_>>().unwrap_or_default()
}
