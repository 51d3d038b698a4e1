//! Interfaces of machines, by their names.

use super::decode::text;
use super::findings::Findings;
use super::shape::{Bare, Form};
use super::tree::Node as Yaml;

pub(super) const INTERFACE: Form =
    Form { word: "a name as `ip link` shows it", pattern: "^[A-Za-z0-9._@-]{1,15}$", example: "eno1", bare: Bare::Any };

/// A name as the kernel takes it.
pub(super) fn interface(node: Yaml, what: &str, out: &mut Findings) -> Option<String> {
    let found = text(node, what, out)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    // What pods' packets would go through themselves.
    if let Some(own) = ["lo", "flannel.1", "flannel-wg", "cni0"].into_iter().find(|own| *own == found.value) {
        let message = format!("{what}: {own} leads to no other machine");
        out.error(&found.place, message, "write the interface of the machines' own network".to_owned());
        return None;
    }
    if found.value.len() <= 15 && !matches!(found.value.as_str(), "" | "." | "..") && found.value.chars().all(plain) {
        return Some(found.value);
    }
    let message = format!("{what}: {:?} is not the name of an interface, at most 15 letters, digits and ._-@", found.value);
    out.error(&found.place, message, "write names as `ip link` shows them".to_owned());
    None
}
