//! `namespace.limits` and `namespace.quota`: what containers use, and what all of them together.

use kubestead_core::size::Bytes;

use crate::file::decode::{Wrong, count, judged, size};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::limits::{self, Amounts, Cpu, Limits, Quota};
use crate::file::shape::{Bare, Form, Kind, Need, SIZE};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of `limits`.
    struct Written {
        "default" default Need::Optional("`{cpu: 500m, memory: 256Mi}`"), Kind::Map(&Amount::SHAPE),
            "The limits of a container that names none.";
        "defaultRequest" request Need::Optional("`{cpu: 50m, memory: 64Mi}`"), Kind::Map(&Amount::SHAPE),
            "What is kept for a container that does not say what it needs; no more than `default`.";
        "max" max Need::Optional("there is no most"), Kind::Map(&Amount::SHAPE),
            "The largest limits that a container may name; no less than `default`.";
    }
}

fields! {
    /// The fields of an amount.
    struct Amount {
        "cpu" cpu Need::Optional("nothing is said of it"), Kind::Text(&CPU),
            "Of processors.";
        "memory" memory Need::Optional("nothing is said of it"), Kind::Text(&SIZE),
            "Of memory.";
    }
}

fields! {
    /// The fields of `quota`.
    struct All {
        "requests.cpu" requests_cpu Need::Optional("no limit"), Kind::Text(&CPU),
            "Of processors that are kept for pods.";
        "requests.memory" requests_memory Need::Optional("no limit"), Kind::Text(&SIZE),
            "Of memory that is kept for pods.";
        "limits.cpu" limits_cpu Need::Optional("no limit"), Kind::Text(&CPU),
            "Of processors that pods may use.";
        "limits.memory" limits_memory Need::Optional("no limit"), Kind::Text(&SIZE),
            "Of memory that pods may use.";
        "requests.storage" storage Need::Optional("no limit"), Kind::Text(&SIZE),
            "Of persistent volumes.";
        "pods" pods Need::Optional("no limit"), COUNT,
            "Pods.";
        "persistentvolumeclaims" claims Need::Optional("no limit"), COUNT,
            "Claims to persistent volumes.";
        "services.nodeports" node_ports Need::Optional("no limit"), COUNT,
            "Ports of all nodes that services take.";
        "services.loadbalancers" load_balancers Need::Optional("no limit"), COUNT,
            "Services of type LoadBalancer.";
    }
}

const CPU: Form = Form { word: "a number of processors", pattern: r"^[0-9]{1,9}(m|\.[0-9]{1,3})?$", example: "500m", bare: Bare::Any };
const COUNT: Kind = Kind::Count { least: 1, most: MOST };
const MOST: u64 = 1_000_000;

/// What may be written.
pub(super) const LIMITS: Kind = Kind::Map(&Written::SHAPE);
/// What may be written of the whole namespace.
pub(super) const QUOTA: Kind = Kind::Map(&All::SHAPE);

/// Decodes `limits`.
pub(super) fn limits(node: Yaml, out: &mut Findings) -> Limits {
    let place = node.place.clone();
    let f = Written::of(node, "namespace.limits", out);
    let standard = Limits::default();
    let mut amounts = |node: Option<Yaml>, what: &str, otherwise: Amounts| node.map_or(otherwise, |node| amounts(node, what, out));
    let default = amounts(f.default, "limits.default", standard.default);
    let request = amounts(f.request, "limits.defaultRequest", standard.request);
    let max = amounts(f.max, "limits.max", standard.max);
    let exceeds = |a: &Amounts, b: &Amounts| {
        let over = |a: Option<u64>, b: Option<u64>| matches!((a, b), (Some(a), Some(b)) if a > b);
        over(a.cpu.map(|c| c.0), b.cpu.map(|c| c.0)) || over(a.memory.map(|m| m.0), b.memory.map(|m| m.0))
    };
    for (less, more, words) in [
        (&request, &default, ("defaultRequest", "default")),
        (&default, &max, ("default", "max")),
        (&request, &max, ("defaultRequest", "max")),
    ] {
        if exceeds(less, more) {
            let (less, more) = words;
            out.error(
                &place,
                format!("namespace.limits: {less} is more than {more}: no container could be made"),
                format!("write {less} too, or a larger {more}"),
            );
            break;
        }
    }
    Limits { default, request, max }
}

fn amounts(node: Yaml, what: &str, out: &mut Findings) -> Amounts {
    let f = Amount::of(node, what, out);
    let memory = f.memory.and_then(|n| size(n, what, out)).map(|at| at.value);
    Amounts { cpu: f.cpu.and_then(|n| cpu(n, what, out)), memory }
}

fn cpu(node: Yaml, what: &str, out: &mut Findings) -> Option<Cpu> {
    let wrong = |text: &str| Wrong(format!("{text:?} is no number of processors"), Some("write one such as 2, 0.5 or 500m".to_owned()));
    judged(node, what, out, |text| Cpu::new(text).ok_or_else(|| wrong(text))).map(|at| at.value)
}

/// Decodes `quota`. `limits` are what containers get that say nothing.
pub(super) fn quota(node: Yaml, limits: &Limits, out: &mut Findings) -> Quota {
    let f = All::of(node, "namespace.quota", out);
    let mut found = Quota::new();
    let (most, least) = (limits.for_none(), limits.request_for_none());
    for (name, node, own) in [("requests.cpu", f.requests_cpu, least.cpu), ("limits.cpu", f.limits_cpu, most.cpu)] {
        let Some(node) = node else { continue };
        let place = node.place.clone();
        if let Some(cpu) = cpu(node, name, out) {
            held(name, &At { value: cpu, place }, own, &Cpu::to_string, out);
            found.insert(name, cpu.to_string());
        }
    }
    for (name, node, own) in [("requests.memory", f.requests_memory, least.memory), ("limits.memory", f.limits_memory, most.memory)] {
        if let Some(at) = node.and_then(|n| size(n, name, out)) {
            held(name, &at, own, &|bytes| limits::quantity(*bytes), out);
            found.insert(name, limits::quantity(at.value));
        }
    }
    found.extend(
        f.storage.and_then(|n| size(n, "requests.storage", out)).map(|at: At<Bytes>| ("requests.storage", limits::quantity(at.value))),
    );
    for (name, node) in [
        ("pods", f.pods),
        ("persistentvolumeclaims", f.claims),
        ("services.nodeports", f.node_ports),
        ("services.loadbalancers", f.load_balancers),
    ] {
        let Some(At { value, place }) = node.and_then(|n| count(n, name, out)) else { continue };
        if (1..=MOST).contains(&value) {
            found.insert(name, limits::count(value));
        } else {
            out.error(&place, format!("namespace.quota: {name} must be 1 to {MOST}"), None);
        }
    }
    found
}

/// A quota counts what each container says, and refuses those that say nothing, or more than it has.
fn held<T: Ord>(name: &str, quota: &At<T>, own: Option<T>, word: &dyn Fn(&T) -> String, out: &mut Findings) {
    let field = if name.starts_with("limits.") { "default" } else { "defaultRequest" };
    let resource = name.rsplit('.').next().unwrap_or_default();
    match own {
        None => {
            let message = format!("namespace.quota: {name} refuses each pod that does not say its own, and namespace.limits gives none");
            out.warning(&quota.place, message, format!("write {field}.{resource} in namespace.limits"));
        }
        Some(own) if own > quota.value => {
            let message = format!("namespace.quota: {name} is less than the {} that a container gets that says nothing", word(&own));
            out.error(&quota.place, message, format!("write more, or less as {field}.{resource} in namespace.limits"));
        }
        Some(_) => {}
    }
}
