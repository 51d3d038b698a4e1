//! `network`: ranges of addresses and names, as kubeadm, the controller manager, CoreDNS and flannel take them.

use kubestead_core::diagnostic::Place;
use kubestead_core::name::{ends_in_number, is_local, is_subdomain};

use crate::file::address::{Subnet, special};
use crate::file::cluster::{Backend, Network};
use crate::file::decode::{count, judged, list, parsed, text};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::interface::{INTERFACE, interface};
use crate::file::range::subnet;
use crate::file::shape::{Bare, Form, Kind as Value, Need, RANGE};
use crate::file::tree::{Kind, Node as Yaml};

/// The range of addresses that kube-controller-manager gives each node (`--node-cidr-mask-size`, its default).
pub(crate) const NODE_BITS: u8 = 24;
/// kubeadm takes at most 2^16 ranges of nodes.
const WIDEST_PODS: u8 = NODE_BITS - 16;
/// The API server's table of services has at most 2^20 entries; kubeadm wants ten addresses at least.
const SERVICES: std::ops::RangeInclusive<u8> = 12..=28;
/// DNS takes 253 characters, and the API server's own name begins with `kubernetes.default.svc.`.
const LONGEST_DOMAIN: usize = 253 - "kubernetes.default.svc.".len();

fields! {
    /// The fields of the section.
    struct Written {
        "podSubnet" pod_subnet Need::Otherwise("10.244.0.0/16"), Value::Text(&RANGE),
            "Pods' addresses: IPv4, /8 to /24, and one /24 for each node.";
        "serviceSubnet" service_subnet Need::Otherwise("10.96.0.0/12"), Value::Text(&RANGE),
            "Services' addresses: IPv4, /12 to /28.";
        "dnsDomain" dns_domain Need::Otherwise("cluster.local"), Value::Text(&DOMAIN),
            "The services' domain: labels of at most 63 characters, 230 together.";
        "interface" interface Need::Optional("that of the default route"), Value::OneOrList(&Value::Text(&INTERFACE)),
            "Where pods' packets go between nodes: flannel takes the first of these that a node has.";
        "backend" backend Need::Otherwise("vxlan"), Value::Words(|| Backend::WORDS.to_vec()),
            "How: in UDP, by routes between nodes of one network of layer 2, or encrypted. It never changes while the cluster lives.";
        "mtu" mtu Need::Optional("that of the interface"), Value::Count { least: *MTU.start(), most: *MTU.end() },
            "The largest packet between nodes, with what flannel wraps around; not with `host-gw`. It never changes while the cluster lives.";
    }
}

/// Every IPv4 host takes 576 bytes (RFC 791); no packet is longer than 65535.
const MTU: std::ops::RangeInclusive<u64> = 576..=65535;
const DOMAIN: Form = Form { word: "a domain", pattern: "^[a-z0-9.-]{1,230}$", example: "cluster.local", bare: Bare::Any };

/// What may be written.
pub(super) const KIND: Value = Value::Map(&Written::SHAPE);

/// The network, and where its ranges are written.
#[derive(Default)]
pub(crate) struct NetworkDecl {
    pub(crate) network: Network,
    pub(crate) pods: Option<Place>,
    pub(crate) services: Option<Place>,
}

/// Decodes the section.
pub(super) fn decode(node: Option<Yaml>, out: &mut Findings) -> NetworkDecl {
    let mut found = NetworkDecl::default();
    let Some(node) = node else { return found };
    let f = Written::of(node, "network", out);
    if let Some(at) = f.pod_subnet.and_then(|n| pods(n, out)) {
        (found.network.pods, found.pods) = (at.value, Some(at.place));
    }
    if let Some(at) = f.service_subnet.and_then(|n| services(n, out)) {
        (found.network.services, found.services) = (at.value, Some(at.place));
    }
    if let Some(domain) = f.dns_domain.and_then(|n| dns_domain(n, out)) {
        found.network.dns_domain = domain;
    }
    found.network.interfaces = f.interface.map(|n| interfaces(n, out)).unwrap_or_default();
    found.network.backend = backend(f.backend, f.mtu, out);
    found
}

fn range(node: Yaml, what: &str, out: &mut Findings) -> Option<At<Subnet>> {
    let found = judged(node, what, out, subnet)?;
    if let Some((others, meaning)) = special(found.value) {
        let message = format!("{what}: {} has addresses of {others}, which mean {meaning}", found.value);
        out.error(&found.place, message, "take a private range, such as one in 10.0.0.0/8".to_owned());
        return None;
    }
    Some(found)
}

fn pods(node: Yaml, out: &mut Findings) -> Option<At<Subnet>> {
    let found = range(node, "network.podSubnet", out)?;
    let (value, bits) = (found.value, found.value.bits());
    if bits > NODE_BITS {
        let message = format!("network.podSubnet: {value} is smaller than the /{NODE_BITS} that each node gets of it");
        out.error(&found.place, message, format!("write /{NODE_BITS} or wider"));
        return None;
    }
    if bits < WIDEST_PODS {
        let message = format!("network.podSubnet: {value} is wider than /{WIDEST_PODS}, the widest that kubeadm takes");
        out.error(&found.place, message, format!("write /{WIDEST_PODS} or narrower"));
        return None;
    }
    Some(found)
}

fn services(node: Yaml, out: &mut Findings) -> Option<At<Subnet>> {
    let found = range(node, "network.serviceSubnet", out)?;
    if SERVICES.contains(&found.value.bits()) {
        return Some(found);
    }
    let (least, most) = (SERVICES.start(), SERVICES.end());
    let message = format!("network.serviceSubnet: {} is not /{least} to /{most}, which kubeadm takes", found.value);
    out.error(&found.place, message, "write a range such as 10.96.0.0/12".to_owned());
    None
}

/// `network.dnsDomain`: its parts are labels of DNS, which CoreDNS holds to 63 characters and kubeadm does not.
fn dns_domain(node: Yaml, out: &mut Findings) -> Option<String> {
    let found = text(node, "network.dnsDomain", out)?;
    let reserved = is_local(&found.value) || ends_in_number(&found.value);
    if is_subdomain(&found.value) && !reserved && found.value.len() <= LONGEST_DOMAIN {
        return Some(found.value);
    }
    if is_subdomain(&found.value) {
        let (why, hint) = if reserved {
            ("means something else to resolvers".to_owned(), "write another, such as cluster.local")
        } else {
            (format!("is longer than {LONGEST_DOMAIN} characters: names of services below it would be longer than DNS takes"), "shorten it")
        };
        out.error(&found.place, format!("network.dnsDomain: {:?} {why}", found.value), hint.to_owned());
        return None;
    }
    let message = format!(
        "network.dnsDomain: {:?} is not a domain of labels with a-z, 0-9 and '-', at most 63 characters each (RFC 1123)",
        found.value
    );
    out.error(&found.place, message, "write it in lower case and without a dot at its end, such as cluster.local".to_owned());
    None
}

/// The addresses that flannel's daemon looks for, one after the other.
fn interfaces(node: Yaml, out: &mut Findings) -> Vec<String> {
    let several = matches!(node.kind, Kind::List(_));
    let items = if several { list(node, "network.interface", out) } else { vec![node] };
    items.into_iter().filter_map(|node| interface(node, "network.interface", out)).collect()
}

/// How packets get from node to node, and how large they are.
fn backend(word: Option<Yaml>, mtu: Option<Yaml>, out: &mut Findings) -> Backend {
    let word = word.and_then(|node| {
        parsed(node, "network.backend", out, |text| {
            let known = Backend::WORDS.into_iter().find(|word| *word == text);
            known.ok_or_else(|| format!("{text:?} is none of {}", Backend::WORDS.join(", ")))
        })
    });
    let mtu = mtu.and_then(|node| count(node, "network.mtu", out));
    if let Some(at) = mtu.as_ref().filter(|at| !MTU.contains(&at.value)) {
        out.error(&at.place, format!("network.mtu must be {} to {}", MTU.start(), MTU.end()), None);
    }
    let bytes = mtu.as_ref().map(|at| at.value);
    match word.map(|at| at.value) {
        Some("host-gw") => {
            if let Some(at) = mtu {
                let hint = "leave it out: packets go as they are, as large as the interface takes them".to_owned();
                out.error(&at.place, "network.mtu: host-gw wraps nothing around packets", hint);
            }
            Backend::HostGw
        }
        Some("wireguard") => Backend::Wireguard { mtu: bytes },
        Some(_) | None => Backend::Vxlan { mtu: bytes },
    }
}
