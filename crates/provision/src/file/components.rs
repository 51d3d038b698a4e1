//! What is added to the programs of a control plane: arguments, feature gates, names in certificates. Arguments are passed through by their names; those by
//! which kubestead or kubeadm put the cluster together are refused.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kubestead_core::diagnostic::Place;
use kubestead_core::name::is_subdomain;

use super::arguments::{Program as Of, by_name, by_value};
use super::decode::{entries, list, parsed};
use super::fields::fields;
use super::findings::Findings;
use super::kubelet::{GATES, gates};
use super::shape::{Bare, Form, Kind, Need};
use super::tree::{Kind as YamlKind, Node};
use crate::kubeadm::{Arguments, Components};

fields! {
    /// The fields of the API server.
    struct Server {
        "args" args Need::Otherwise("{}"), ARGS,
            "Arguments by their names without dashes, each with its value or several. None of those by which kubestead and kubeadm put the cluster together.";
        "featureGates" feature_gates Need::Otherwise("{}"), GATES,
            "Feature gates.";
        "certificateNames" names Need::Otherwise("[]"), Kind::list(&Kind::Text(&NAME)),
            "Names and IP addresses in its certificate, beside its own and the endpoint.";
    }
}

fields! {
    /// The fields of the other programs of Kubernetes.
    struct Program {
        "args" args Need::Otherwise("{}"), ARGS,
            "Arguments by their names without dashes, each with its value or several.";
        "featureGates" feature_gates Need::Otherwise("{}"), GATES,
            "Feature gates.";
    }
}

fields! {
    /// The fields of etcd.
    struct Etcd {
        "args" args Need::Otherwise("{}"), ARGS,
            "Arguments by their names without dashes, each with its value or several.";
    }
}

const ARGUMENT: Form = Form { word: "an argument", pattern: "^[a-z][a-z0-9-]{0,99}$", example: "profiling", bare: Bare::String };
const VALUE: Form = Form { word: "its value", pattern: r"^[^\n]*$", example: "\"false\"", bare: Bare::Any };
const NAME: Form =
    Form { word: "a name or an IP address", pattern: r"^(\*\.)?[a-z0-9.:-]{1,253}$", example: "api.example.com", bare: Bare::Any };
const ARGS: Kind = Kind::entries("ARGUMENT", &ARGUMENT, &Kind::OneOrList(&Kind::Text(&VALUE)));

/// What may be written.
pub(super) const API_SERVER: Kind = Kind::Map(&Server::SHAPE);
pub(super) const PROGRAM: Kind = Kind::Map(&Program::SHAPE);
pub(super) const ETCD: Kind = Kind::Map(&Etcd::SHAPE);

/// The programs' sections as they are written.
pub(super) struct Written {
    pub(super) api_server: Option<Node>,
    pub(super) controller_manager: Option<Node>,
    pub(super) scheduler: Option<Node>,
    pub(super) etcd: Option<Node>,
}

impl Written {
    /// The arguments that the API server is given, each with its place.
    pub(super) fn arguments_of_api_server(&self) -> Vec<(String, Place)> {
        let map = |node: &Node, key: &str| match &node.kind {
            YamlKind::Map(entries) => entries.iter().find(|(found, ..)| found == key).map(|(.., node)| node.clone()),
            YamlKind::Scalar { .. } | YamlKind::List(_) => None,
        };
        let args = self.api_server.as_ref().and_then(|node| map(node, "args"));
        let Some(Node { kind: YamlKind::Map(entries), .. }) = args else { return Vec::new() };
        entries.into_iter().map(|(name, place, _)| (name, place)).collect()
    }
}

/// Decodes the sections.
pub(super) fn components(written: Written, out: &mut Findings) -> Components {
    let mut all = Components::default();
    if let Some(node) = written.api_server {
        let f = Server::of(node, "kubernetes.apiServer", out);
        all.api_server = arguments(f.args, f.feature_gates, Of::ApiServer, "kubernetes.apiServer", out);
        let names = f.names.map(|node| list(node, "kubernetes.apiServer.certificateNames", out)).unwrap_or_default();
        all.names = names.into_iter().filter_map(|node| name(node, out)).collect();
    }
    for (node, program, what, of) in [
        (written.controller_manager, Of::ControllerManager, "kubernetes.controllerManager", &mut all.controller_manager),
        (written.scheduler, Of::Scheduler, "kubernetes.scheduler", &mut all.scheduler),
    ] {
        if let Some(node) = node {
            let f = Program::of(node, what, out);
            *of = arguments(f.args, f.feature_gates, program, what, out);
        }
    }
    if let Some(node) = written.etcd {
        let f = Etcd::of(node, "kubernetes.etcd", out);
        all.etcd = arguments(f.args, None, Of::Etcd, "kubernetes.etcd", out);
    }
    all
}

fn arguments(args: Option<Node>, feature_gates: Option<Node>, program: Of, what: &str, out: &mut Findings) -> Arguments {
    let mut found = Arguments::new();
    let written = args.map(|node| entries(node, &format!("{what}.args"), out)).unwrap_or_default();
    for (name, place, node) in written {
        let what = format!("{what}.args");
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 100
            && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
        if !plain {
            out.error(
                &place,
                format!("{what}: {name:?} is not the name of an argument"),
                "write it without dashes ahead, such as profiling".to_owned(),
            );
        } else if let Some(fault) = by_name(program, &name) {
            out.error(&place, format!("{what}: {}", fault.message), fault.hint);
        } else {
            let several = matches!(node.kind, YamlKind::List(_));
            if matches!(&node.kind, YamlKind::List(items) if items.is_empty()) {
                out.error(&place, format!("{what}: {name} has no value"), "leave it out, or give it one".to_owned());
                continue;
            }
            let items = if several { list(node, &what, out) } else { vec![node] };
            let value = |node| parsed(node, &format!("{what}.{name}"), out, |text| Ok::<_, String>(text.to_owned())).map(|at| at.value);
            let values: Vec<String> = items.into_iter().filter_map(value).collect();
            if let Some(fault) = by_value(program, &name, &values) {
                out.error(&place, format!("{what}: {}", fault.message), fault.hint);
            }
            found.insert(name, values);
        }
    }
    let gates: BTreeMap<String, bool> = feature_gates.map(|node| gates(node, &format!("{what}.featureGates"), out)).unwrap_or_default();
    if !gates.is_empty() {
        let text = gates.iter().map(|(gate, on)| format!("{gate}={on}")).collect::<Vec<_>>().join(",");
        found.insert("feature-gates".into(), vec![text]);
    }
    found
}

/// A name or an address that a certificate may hold; the first label may be `*`.
fn name(node: Node, out: &mut Findings) -> Option<String> {
    let found = parsed(node, "kubernetes.apiServer.certificateNames", out, |text| {
        let is_name = is_subdomain(text.strip_prefix("*.").unwrap_or(text));
        let good = is_name || text.parse::<IpAddr>().is_ok();
        if good { Ok(text.to_owned()) } else { Err(format!("{text:?} is neither a name such as api.example.com nor an IP address")) }
    })?;
    Some(found.value)
}
