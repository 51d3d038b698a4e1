//! Containers that ask for more than the limits of their namespace give them.

use std::collections::BTreeMap;

use kubestead_core::diagnostic::Diagnostic;
use serde_json::{Value, json};

use super::{Own, World};
use crate::file::{Amounts, quantity};
use crate::objects::billionths;
use crate::service::kinds::group;
use crate::service::typed::{containers, items, pods};

/// What is said of containers in a namespace, and by whom.
struct Limits {
    whose: String,
    /// As in a LimitRange, of the type `Container`.
    item: Value,
}

pub(super) fn check(world: &World<'_>, out: &mut Vec<Diagnostic>) {
    let mut all: BTreeMap<String, Vec<Limits>> = BTreeMap::new();
    for (namespace, limits) in limits(world) {
        all.entry(namespace).or_default().push(limits);
    }
    for own in &world.own {
        let Some(template) = pods(&own.object) else { continue };
        for limits in all.get(&own.object.namespace).into_iter().flatten() {
            for (container, value) in containers(own.manifest, template) {
                for resource in ["cpu", "memory"] {
                    out.extend(judge(own, limits, &container, value, resource));
                }
            }
        }
    }
}

/// Those of the users' namespace, and those that the files make, each with its namespace.
fn limits(world: &World<'_>) -> Vec<(String, Limits)> {
    let amounts = |amounts: &Amounts| {
        let mut found = json!({});
        if let Some(cpu) = amounts.cpu {
            found["cpu"] = cpu.to_string().into();
        }
        if let Some(memory) = amounts.memory {
            found["memory"] = quantity(memory).into();
        }
        found
    };
    let own = world.cluster.namespace.iter().map(|own| {
        let item = json!({"default": amounts(&own.limits.default), "max": amounts(&own.limits.max)});
        (own.name.to_string(), Limits { whose: "namespace.limits".to_owned(), item })
    });
    let mut found: Vec<(String, Limits)> = own.collect();
    for (object, manifest) in &world.all {
        if object.kind == "LimitRange" && group(&object.api_version).is_empty() {
            let of_containers = items(manifest, "/spec/limits").into_iter().filter(|(_, item)| item["type"] == "Container");
            found.extend(
                of_containers.map(|(_, item)| (object.namespace.clone(), Limits { whose: object.to_string(), item: item.clone() })),
            );
        }
    }
    found
}

/// A quantity, with its text.
fn amount<'a>(value: &'a Value, text: &'a mut String) -> Option<i128> {
    *text = match value {
        Value::String(own) => own.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    billionths(text)
}

fn judge(own: &Own<'_>, limits: &Limits, container: &str, value: &Value, resource: &str) -> Option<Diagnostic> {
    let Limits { whose, item, .. } = limits;
    let mut words: [String; 4] = Default::default();
    let [request_text, limit_text, max_text, default_text] = &mut words;
    let request = amount(&value["resources"]["requests"][resource], request_text);
    let limit = amount(&value["resources"]["limits"][resource], limit_text);
    let max = amount(&item["max"][resource], max_text);
    // Where a LimitRange says no default, the most is it.
    let default = amount(&item["default"][resource], default_text).or(max);
    let default_text = if default_text.is_empty() { &*max_text } else { &*default_text };
    let at = |kind: &str| format!("{container}/resources/{kind}/{resource}");
    match (request, limit) {
        (Some(request), None) if default.is_some_and(|default| request > default) => Some(own.warning(
            &at("requests"),
            format!("a container asks for {resource} {request_text}, and {whose} gives one that names no limit no more than {default_text}: no pod is made"),
            format!("write the limit of {resource} too"),
        )),
        (_, Some(limit)) if max.is_some_and(|max| limit > max) => Some(own.warning(
            &at("limits"),
            format!("a container has the limit {limit_text} of {resource}, and {whose} allows {max_text} at most: no pod is made"),
            "write less, or let the most be more",
        )),
        _ => None,
    }
}
