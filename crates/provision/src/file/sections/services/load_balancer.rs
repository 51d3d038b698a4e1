//! `services.loadBalancer`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::asked::Asked;
use super::gateway::nodes;
use super::options::{IMAGE, IMAGE_ABOUT, Options, PATCHES, PATCHES_ABOUT};
use crate::file::address::{NO_IPV6, Span, special};
use crate::file::declared::{LoadBalancerDecl, Places};
use crate::file::decode::{Wrong, boolean, judged, list};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::interface::{INTERFACE, interface};
use crate::file::range::subnet;
use crate::file::release;
use crate::file::shape::{Bare, Form, Kind, NAME, Need};
use crate::file::tree::Node as Yaml;
use crate::service::{LoadBalancer, What};

fields! {
    /// The fields of what gives Services addresses.
    struct Written {
        "addresses" addresses Need::Required, Kind::List { of: &Kind::Text(&SPAN), least: 1, most: None, different: true },
            "The addresses that it gives, of the network that the nodes are in: an IPv4 range, the first and the last one, or one alone. No machine has one of them, and nothing else gives \
             them: the file does not say how large that network is, nor what a server of DHCP gives.";
        "default" default Need::Otherwise("true"), Kind::Boolean,
            "Whether each Service of type LoadBalancer gets one. Otherwise those get one that ask for it by the annotation `metallb.io/loadBalancerIPs`.";
        "nodes" nodes_ Need::Optional("all that pods begin on"), Kind::List { of: &Kind::Text(&NAME), least: 1, most: None, different: true },
            "The nodes that may answer for an address; one at a time does.";
        "interfaces" interfaces Need::Optional("all but those of pods"), Kind::List { of: &Kind::Text(&INTERFACE), least: 1, most: None, different: true },
            "The interfaces that are answered at, as `ip link` shows them.";
        "definitions" definitions Need::Required, release::KIND,
            "MetalLB's manifests, of which its definitions are taken, and nothing else.";
        "images" images Need::Otherwise("{}"), Kind::Map(&Images::SHAPE),
            "Its images.";
        "patches" patches Need::Otherwise("[]"), PATCHES, PATCHES_ABOUT;
    }
}

fields! {
    /// The images.
    struct Images {
        "controller" controller Need::Optional(LoadBalancer::IMAGES[0].1), IMAGE, IMAGE_ABOUT;
        "speaker" speaker Need::Optional(LoadBalancer::IMAGES[1].1), IMAGE, IMAGE_ABOUT;
    }
}

const SPAN: Form = Form {
    word: "addresses",
    pattern: r"^[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2}|-[0-9]{1,3}(\.[0-9]{1,3}){3})?$",
    example: "192.0.2.80-192.0.2.99",
    bare: Bare::String,
};

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

const WHAT: &str = "services.loadBalancer";

/// Decodes the service.
pub(super) fn decode(node: Yaml, dir: &Path, out: &mut Findings) -> Option<Asked> {
    let f = Written::of(node, WHAT, out);
    let addresses = f.addresses.map(|n| addresses(n, out)).unwrap_or_default();
    let default = f.default.and_then(|n| boolean(n, "default", out)).unwrap_or(true);
    let nodes = f.nodes_.map(|n| nodes(n, out)).unwrap_or_default();
    let interfaces = f.interfaces.map(|n| interfaces(n, out)).unwrap_or_default();
    let definitions = f.definitions.and_then(|n| release::decode(n, "definitions", Some(LoadBalancer::DEFINITIONS), dir, out));
    let images = f.images.map(|n| Images::of(n, "images", out)).map(|i| [i.controller, i.speaker]).unwrap_or_default();
    let named = LoadBalancer::IMAGES.iter().zip(images).map(|((variable, _), image)| (*variable, image));
    let options = Options::of(named, f.patches, out);
    let load_balancer = LoadBalancer {
        addresses: addresses.iter().map(|at| at.value).collect(),
        default,
        nodes: nodes.iter().map(|at| at.value.clone()).collect(),
        interfaces,
        definitions: definitions?,
    };
    let places = Places::LoadBalancer(LoadBalancerDecl { addresses, nodes });
    Some(Asked { places: Some(places), ..Asked::alone(What::LoadBalancer(load_balancer), options) })
}

/// The addresses; none of them is there twice, and each may be a machine's for others.
fn addresses(node: Yaml, out: &mut Findings) -> Vec<At<Span>> {
    let what = "services.loadBalancer.addresses";
    let place = node.place.clone();
    let items = list(node, what, out);
    if items.is_empty() {
        out.error(&place, format!("{what} names none"), "write those that Services may have, such as 192.0.2.80-192.0.2.99".to_owned());
    }
    let mut found: Vec<At<Span>> = Vec::new();
    for item in items {
        let Some(at) = judged(item, what, out, span) else { continue };
        if let Some((others, meaning)) = special(at.value) {
            let message = format!("{what}: {} has addresses of {others}, which mean {meaning}", at.value);
            out.error(&at.place, message, "write addresses of the nodes' own network".to_owned());
        } else if let Some(other) = found.iter().find(|other| other.value.overlaps(at.value)) {
            let message = format!("{what}: {} and {} (line {}) have addresses in common", at.value, other.value, other.place.line);
            out.error(&at.place, message, "write each address once".to_owned());
        }
        found.push(at);
    }
    found
}

/// The names of interfaces, at least one.
fn interfaces(node: Yaml, out: &mut Findings) -> Vec<String> {
    let what = "services.loadBalancer.interfaces";
    let place = node.place.clone();
    let items = list(node, what, out);
    if items.is_empty() {
        out.error(&place, format!("{what} names none"), "write at least one, or leave it out".to_owned());
    }
    let mut found: Vec<At<String>> = Vec::new();
    for item in items {
        let place = item.place.clone();
        found.extend(interface(item, what, out).map(|value| At { value, place }));
    }
    out.twice(found.iter().map(|at| (&at.value, &at.place)), "interfaces names twice");
    found.into_iter().map(|at| at.value).collect()
}

/// A range, a first and a last address, or one alone.
fn span(text: &str) -> Result<Span, Wrong> {
    if text.contains('/') {
        return subnet(text).map(Span::from);
    }
    let (first, last) = text.split_once('-').map_or((text, text), |(first, last)| (first.trim(), last.trim()));
    let (first, last) = (ip(first)?, ip(last)?);
    let backwards = || Wrong(format!("{text:?} is empty: its last address is before its first"), Some(format!("write {last}-{first}")));
    Span::new(first, last).ok_or_else(backwards)
}

fn ip(text: &str) -> Result<Ipv4Addr, Wrong> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => Ok(ip),
        Ok(IpAddr::V6(_)) => Err(Wrong(format!("{text:?}: {NO_IPV6}"), Some("write IPv4 addresses".to_owned()))),
        Err(_) => Err(Wrong(format!("{text:?} is not an IPv4 address"), Some(format!("write a range such as {}", SPAN.example)))),
    }
}
