//! Pods that take more of the machine than Pod Security's level of their namespace lets in.

use std::collections::BTreeMap;

use kubestead_core::diagnostic::Diagnostic;
use serde_json::Value;

use super::World;
use crate::file::PodSecurity;
use crate::objects::{Beyond, LEVEL, OPEN, beyond, some};
use crate::service::typed::pods;

/// What holds the pods of a namespace.
enum Held<'a> {
    /// The level `baseline`, or a stricter one.
    Baseline,
    /// In the users' namespace, the level `baseline` and what is granted beyond it.
    Granted(Option<&'a PodSecurity>),
}

/// Kubernetes' own namespace, which nobody labels.
const DEFAULT: &str = "default";

pub(super) fn check(world: &World<'_>, out: &mut Vec<Diagnostic>) {
    let namespaces = world.all.iter().filter(|(object, _)| object.api_version == "v1" && object.kind == "Namespace");
    let levels: BTreeMap<&str, &Value> =
        namespaces.map(|(object, manifest)| (object.name.as_str(), &manifest["metadata"]["labels"][LEVEL])).collect();
    for own in &world.own {
        let Some(template) = pods(&own.object) else { continue };
        let held = held(world, &levels, &own.object.namespace);
        let (Some(held), Some(pod)) = (held, own.manifest.pointer(template)) else { continue };
        let Some(taken) = beyond(pod) else { continue };
        let words = match held {
            Held::Baseline | Held::Granted(None) => all(&taken),
            Held::Granted(Some(policy)) => refused(&taken, policy),
        };
        let hint = match held {
            Held::Baseline => format!("label the namespace {LEVEL}: {OPEN}, or let the pods do without"),
            Held::Granted(_) => "grant it in namespace.podSecurity, or let the pods do without".to_owned(),
        };
        if !words.is_empty() {
            let namespace = &own.object.namespace;
            let message = format!("Pod Security lets no such pod into the namespace {namespace}: {}", some(&words));
            out.push(own.warning(&format!("{template}/spec"), message, hint));
        }
    }
}

fn all(taken: &Beyond) -> Vec<String> {
    taken.uses.iter().map(ToString::to_string).collect()
}

fn refused(taken: &Beyond, policy: &PodSecurity) -> Vec<String> {
    taken.refused(policy).into_iter().map(ToString::to_string).collect()
}

/// What holds the pods of a namespace, as far as the files say; `None` if it is open, or nothing says what it is.
fn held<'a>(world: &World<'a>, levels: &BTreeMap<&str, &Value>, namespace: &str) -> Option<Held<'a>> {
    if let Some(own) = world.cluster.namespace.as_ref().filter(|own| own.name.as_str() == namespace) {
        return Some(Held::Granted(own.pod_security.as_ref()));
    }
    let is_held = levels.get(namespace).map_or(namespace == DEFAULT, |level| **level != OPEN);
    is_held.then_some(Held::Baseline)
}
