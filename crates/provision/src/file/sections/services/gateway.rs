//! `services.gateway`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;

use kubestead_core::diagnostic::Place;
use kubestead_core::name::{Name, ends_in_number, is_subdomain};

use super::asked::Asked;
use super::options::{IMAGE, IMAGE_ABOUT, Options, PATCHES, PATCHES_ABOUT};
use crate::file::declared::{GatewayDecl, Issuers, Places};
use crate::file::decode::{boolean, entries, key_name, list, name, parsed};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::shape::{ADDRESS, Bare, Form, Kind, NAME, Need};
use crate::file::tree::Node as Yaml;
use crate::file::{machine, release};
use crate::service::{Certificate, Gateway, Reach, Tcp, What};

fields! {
    /// The fields of the gateway.
    struct Written {
        "nodes" nodes Need::Optional("`address` or `nodePorts` says how it is reached"), Kind::List { of: &Kind::Text(&NAME), least: 1, most: None, different: true },
            "The nodes that listen at its ports 80 and 443 and those of `tcp`, each with a pod of it.";
        "address" address Need::Optional("`nodes` or `nodePorts` says how it is reached"), Kind::Text(&ADDRESS),
            "An IPv4 address that a load balancer of the cluster has for it: of no machine, and outside the ranges of pods and services.";
        "nodePorts" node_ports Need::Optional("`nodes` or `address` says how it is reached"), Kind::entries("PORT", &PORT_NAME, &Kind::Count { least: 30000, most: 32767 }),
            "Ports that every node listens at, each with the name of the gateway's own: `http`, `https`, and those of `tcp`. None twice.";
        "hosts" hosts Need::Otherwise("{}"), Kind::entries("HOST", &HOST, &Kind::Map(&Host::SHAPE)),
            "The hosts that it serves with encryption; a route names such a listener by the host (`sectionName: shop.example.org`, of `*.example.org` \
             `wildcard.example.org`).";
        "redirect" redirect Need::Optional("`true` where there are `hosts`"), Kind::Boolean,
            "Whether requests to `hosts` at port 80 are sent to port 443. Port 80 then serves no other namespace's routes.";
        "tcp" tcp Need::Otherwise("{}"), Kind::entries("NAME", &PORT_NAME, &Kind::Map(&Port::SHAPE)),
            "Other ports, by the names of their listeners: what comes there goes on as it is. No two have one port, and none 80, 443 or 9000.";
        "ingressClass" ingress_class Need::Optional("no Ingress is served"), Kind::Text(&NAME),
            "The class of Ingresses that were written for ingress-nginx, such as `nginx`: they are served with most of its annotations.";
        "definitions" definitions Need::Required, release::KIND,
            "The definitions of the Gateway API, of its standard channel.";
        "image" image Need::Optional(Gateway::IMAGE), IMAGE, IMAGE_ABOUT;
        "patches" patches Need::Otherwise("[]"), PATCHES, PATCHES_ABOUT;
    }
}

fields! {
    /// The fields of a host.
    struct Host {
        "secret" secret Need::Optional("`issuer` says who issues its certificate"), Kind::Text(&NAME),
            "The Secret of the namespace `gateway` that has its certificate, of the type `kubernetes.io/tls`. The host is not served until it is there.";
        "issuer" issuer Need::Optional("its certificate is in `secret`"), Kind::Text(&NAME),
            "The authority of `services.certificates.issuers` that issues its certificate. With a wildcard it must be proved by DNS.";
    }
}

fields! {
    /// The fields of a port.
    struct Port {
        "port" port Need::Required, Kind::Port,
            "The port.";
        "tls" tls Need::Otherwise("false"), Kind::Boolean,
            "Whether it is of TLS, whose handshake names the host: TLSRoutes choose by it, and whoever they lead to has the certificate. Otherwise one TCPRoute takes the port.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Kubernetes' names of ports.
const PORT_NAME: Form = Form { word: "a name of a port", pattern: "^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$", example: "git", bare: Bare::Any };
const HOST: Form = Form {
    word: "a host",
    pattern: r"^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$",
    example: "shop.example.org",
    bare: Bare::String,
};
/// The most listeners that a Gateway may have.
const MOST: usize = 64;

/// Decodes the service.
pub(super) fn decode(node: Yaml, dir: &Path, out: &mut Findings) -> Option<Asked> {
    let place = node.place.clone();
    let f = Written::of(node, WHAT, out);
    let ways = [f.nodes.is_some(), f.address.is_some(), f.node_ports.is_some()].into_iter().filter(|is| *is).count();
    if ways != 1 {
        out.error(&place, format!("{WHAT} names {ways} ways to reach it"), "write one of nodes, address, nodePorts".to_owned());
    }
    let (hosts, issuers) = f.hosts.map(|n| hosts(n, out)).unwrap_or_default();
    let redirect = f.redirect.map(|n| (n.place.clone(), boolean(n, "redirect", out)));
    if let (Some((place, Some(true))), true) = (&redirect, hosts.is_empty()) {
        out.error(place, "redirect: there are no hosts to send anybody to", "write `hosts`, or leave it out".to_owned());
    }
    let (tcp, ports) = f.tcp.map(|n| tcp(n, out)).unwrap_or_default();
    if hosts.len() + tcp.len() >= MOST {
        out.error(
            &place,
            format!("{WHAT} has {} hosts and ports, and a Gateway has {MOST} listeners at most", hosts.len() + tcp.len() + 1),
            None,
        );
    }
    let nodes = f.nodes.map(|n| nodes(n, out)).unwrap_or_default();
    let address = f.address.and_then(|n| address(n, out));
    let by_ports = f.node_ports.map(|n| node_ports(n, &tcp, out));
    let node_ports = by_ports.iter().flat_map(BTreeMap::values).cloned().collect();
    let ingress_class = f.ingress_class.and_then(|n| name(n, "ingressClass", out)).map(|at| at.value);
    let definitions = f.definitions.and_then(|n| release::decode(n, "definitions", Some(Gateway::DEFINITIONS), dir, out));
    let options = Options::of([("IMAGE", f.image)], f.patches, out);
    let reach = match (by_ports, &address) {
        (Some(ports), _) => Reach::NodePorts(ports.into_iter().map(|(name, at)| (name, at.value)).collect()),
        (None, Some(address)) => Reach::Address(address.value),
        (None, None) => Reach::Nodes(nodes.iter().map(|at| at.value.clone()).collect()),
    };
    let redirect = redirect.and_then(|(_, is)| is).unwrap_or(!hosts.is_empty());
    let gateway = Gateway { reach, hosts, redirect, tcp, ingress_class, definitions: definitions? };
    let places = Places::Gateway(GatewayDecl { nodes, address, node_ports, tcp: ports, issuers });
    Some(Asked { places: Some(places), ..Asked::alone(What::Gateway(gateway), options) })
}

const WHAT: &str = "services.gateway";

/// Names of nodes, at least one.
pub(super) fn nodes(node: Yaml, out: &mut Findings) -> Vec<At<Name>> {
    let place = node.place.clone();
    let nodes: Vec<At<Name>> = list(node, "nodes", out).into_iter().filter_map(|item| name(item, "nodes", out)).collect();
    if nodes.is_empty() {
        out.error(&place, "nodes names none", "write at least one".to_owned());
    }
    out.twice(nodes.iter().map(|at| (&at.value, &at.place)), "nodes names twice");
    nodes
}

fn address(node: Yaml, out: &mut Findings) -> Option<At<Ipv4Addr>> {
    let at = machine::address(node, "services.gateway.address", out)?;
    let Ok(value) = at.value.parse() else {
        out.error(&at.place, format!("services.gateway.address: {} is no IPv4 address", at.value), None);
        return None;
    };
    Some(At { value, place: at.place })
}

/// The hosts, and the authorities that they name.
fn hosts(node: Yaml, out: &mut Findings) -> (BTreeMap<String, Certificate>, Issuers) {
    let (mut found, mut issuers) = (BTreeMap::new(), Vec::new());
    let mut listeners: BTreeMap<String, String> = BTreeMap::new();
    for (host, place, value) in entries(node, "hosts", out) {
        if let Some(other) = listeners.insert(Gateway::listener(&host), host.clone()) {
            let message = format!("hosts: the listeners of {other} and of {host} would have one name, {}", Gateway::listener(&host));
            out.error(&place, message, "leave one of them out: with *.DOMAIN, wildcard.DOMAIN is served too".to_owned());
        }
        let bare = host.strip_prefix("*.").unwrap_or(&host);
        if !is_subdomain(bare) || !bare.contains('.') || ends_in_number(bare) {
            let lower = host.to_ascii_lowercase();
            let hint =
                if lower == host { "write a name such as shop.example.org, or *.example.org".to_owned() } else { format!("write {lower}") };
            out.error(&place, format!("hosts: {host:?} is no name of a host with a domain"), hint);
        }
        let f = Host::of(value, &format!("the host {host}"), out);
        if f.secret.is_some() == f.issuer.is_some() {
            let message = format!("the host {host} must say where its certificate comes from, once");
            out.error(&place, message, "write `secret` or `issuer`".to_owned());
        }
        let secret = f.secret.and_then(|n| name(n, "secret", out)).map(|at| Certificate::In(at.value));
        let issuer = f.issuer.and_then(|n| name(n, "issuer", out));
        issuers.extend(issuer.iter().map(|at| (host.clone(), at.clone())));
        let certificate = secret.or_else(|| issuer.map(|at| Certificate::Of(at.value)));
        found.extend(certificate.map(|certificate| (host, certificate)));
    }
    (found, issuers)
}

/// Whether a port may be called so: as those of Services and of containers.
fn is_port_name(text: &str) -> bool {
    text.len() <= 15 && text.contains(|c: char| c.is_ascii_lowercase()) && !text.contains("--")
}

fn tcp(node: Yaml, out: &mut Findings) -> (BTreeMap<Name, Tcp>, Vec<At<u16>>) {
    let mut found = BTreeMap::new();
    let mut ports: Vec<At<u16>> = Vec::new();
    for (key, place, value) in entries(node, "tcp", out) {
        let name = key_name(&key, &place, "a port", out);
        if !is_port_name(&key) || Gateway::PORTS.iter().any(|(own, _)| *own == key) || key == "ping" {
            let hint = "write another one of at most 15 letters, digits and single hyphens, with a letter".to_owned();
            out.error(&place, format!("tcp: {key:?} is no name of a port, or one that the gateway has"), hint);
        }
        let f = Port::of(value, &format!("tcp {key}"), out);
        let port = f.port.and_then(|n| machine::port(n, "port", out));
        let tls = f.tls.and_then(|n| boolean(n, "tls", out)).unwrap_or(false);
        let (Some(name), Some(port)) = (name, port) else { continue };
        if Gateway::PORTS.iter().any(|(_, own)| *own == port.value) || port.value == Gateway::PING {
            out.error(&port.place, format!("tcp {key}: the gateway itself listens at {}", port.value), "write another port".to_owned());
        }
        found.insert(name, Tcp { port: port.value, tls });
        ports.push(port);
    }
    out.twice(ports.iter().map(|at| (&at.value, &at.place)), "tcp: two are at port");
    (found, ports)
}

fn node_ports(node: Yaml, tcp: &BTreeMap<Name, Tcp>, out: &mut Findings) -> BTreeMap<String, At<u16>> {
    let place: Place = node.place.clone();
    let known: BTreeSet<&str> = Gateway::PORTS.iter().map(|(name, _)| *name).chain(tcp.keys().map(Name::as_str)).collect();
    let words = || known.iter().copied().collect::<Vec<_>>().join(", ");
    let mut found: BTreeMap<String, At<u16>> = BTreeMap::new();
    let mut written = BTreeSet::new();
    for (key, at, value) in entries(node, "nodePorts", out) {
        if !known.contains(key.as_str()) {
            out.error(&at, format!("nodePorts: the gateway has no port {key:?}"), format!("known here: {}", words()));
        }
        let port = |text: &str| {
            let port = text.parse::<u16>().ok().filter(|port| (30000..=32767).contains(port));
            port.ok_or_else(|| format!("{text:?} is not a port from 30000 to 32767"))
        };
        found.extend(parsed(value, "nodePorts", out, port).map(|port| (key.clone(), port)));
        written.insert(key);
    }
    for name in known.iter().filter(|name| !written.contains(**name)) {
        out.error(&place, format!("nodePorts does not say where {name} is reached"), "write a port from 30000 to 32767".to_owned());
    }
    out.twice(found.values().map(|at| (&at.value, &at.place)), "nodePorts: two are at port");
    found
}
