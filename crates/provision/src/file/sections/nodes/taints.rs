//! Taints of nodes, as `kubectl taint` takes them.

use std::collections::BTreeSet;

use kubestead_core::name::is_subdomain;

use super::labels::is_part;
use crate::file::cluster::{Effect, Taint};
use crate::file::decode::{list, parsed};
use crate::file::findings::Findings;
use crate::file::shape::{Bare, Form, Kind};
use crate::file::tree::Node;

const EFFECTS: [Effect; 3] = [Effect::NoSchedule, Effect::PreferNoSchedule, Effect::NoExecute];
const FORM: Form = Form {
    word: "a taint",
    pattern: "^([a-z0-9.-]{1,253}/)?[A-Za-z0-9._-]{1,63}(=[A-Za-z0-9._-]{0,63})?:(NoSchedule|PreferNoSchedule|NoExecute)$",
    example: "example.com/for=databases:NoSchedule",
    bare: Bare::String,
};

/// What may be written.
pub(super) const KIND: Kind = Kind::list(&Kind::Text(&FORM));

/// A node's taints.
pub(super) fn taints(node: Node, out: &mut Findings) -> Vec<Taint> {
    let (mut found, mut known) = (Vec::new(), BTreeSet::new());
    for node in list(node, "taints", out) {
        let Some(at) = parsed(node, "a taint", out, taint) else { continue };
        if known.insert((at.value.key.clone(), at.value.effect)) {
            found.push(at.value);
        } else {
            let message = format!("a taint: {} has the effect {} twice", at.value.key, at.value.effect.word());
            out.error(&at.place, message, "a node has one of each key and effect: leave one out".to_owned());
        }
    }
    found
}

fn taint(text: &str) -> Result<Taint, String> {
    let wrong = || format!("{text:?} is not a taint such as {}", FORM.example);
    let (mark, effect) = text.rsplit_once(':').ok_or_else(wrong)?;
    let effect = EFFECTS
        .into_iter()
        .find(|known| known.word() == effect)
        .ok_or_else(|| format!("{effect:?} is none of {}", EFFECTS.map(Effect::word).join(", ")))?;
    let (key, value) = mark.split_once('=').unwrap_or((mark, ""));
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if !is_part(name) || prefix.is_some_and(|prefix| !is_subdomain(prefix)) || !(value.is_empty() || is_part(value)) {
        return Err(wrong());
    }
    // `node.kubernetes.io/unreachable` comes and goes with the node's state.
    if let Some(prefix) =
        prefix.filter(|prefix| ["kubernetes.io", "k8s.io"].iter().any(|domain| prefix == domain || prefix.ends_with(&format!(".{domain}"))))
    {
        return Err(format!(
            "{key}: taints of {prefix} are Kubernetes' own; whether users' pods run on a control plane is said by its roles"
        ));
    }
    Ok(Taint { key: key.to_owned(), value: value.to_owned(), effect })
}
