//! `kubernetes.proxy`: how nodes reach what is outside.

use std::net::IpAddr;

use kubestead_core::name::ends_in_number;

use super::packages::is_server;
use crate::file::cluster::Proxy;
use crate::file::decode::{list, number, parsed};
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::shape::{Bare, Form, Kind, Need};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of the section.
    struct Written {
        "http" http Need::Optional("no proxy for http"), Kind::Text(&SERVER),
            "The proxy for http, without a login.";
        "https" https Need::Optional("no proxy for https"), Kind::Text(&SERVER),
            "The proxy for https, without a login.";
        "noProxy" no_proxy Need::Otherwise("[]"), Kind::list(&Kind::Text(&DIRECT)),
            "What is reached without one: names, domains such as `.example.com`, addresses, ranges. The machine itself, pods, services, the endpoint \
             and all nodes are anyway.";
    }
}

const SERVER: Form = Form {
    word: "an address",
    pattern: "^https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?/*$",
    example: "http://proxy.example.com:3128",
    bare: Bare::String,
};
const DIRECT: Form =
    Form { word: "a name, domain, address or range", pattern: "^[A-Za-z0-9_.:/-]{1,253}$", example: ".example.com", bare: Bare::Any };

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the section.
pub(super) fn proxy(node: Yaml, out: &mut Findings) -> Proxy {
    let place = node.place.clone();
    let Written { http, https, no_proxy } = Written::of(node, "kubernetes.proxy", out);
    if http.is_none() && https.is_none() {
        let hint = "write `https: http://proxy.example.com:3128`, and `http` where http goes by it too";
        out.error(&place, "kubernetes.proxy names no proxy", Some(hint.to_owned()));
    }
    let http = http.and_then(|node| address(node, "kubernetes.proxy.http", out));
    let https = https.and_then(|node| address(node, "kubernetes.proxy.https", out));
    let direct = no_proxy.map(|node| list(node, "kubernetes.proxy.noProxy", out)).unwrap_or_default();
    let direct = direct.into_iter().filter_map(|node| exception(node, out)).collect();
    Proxy { http, https, direct }
}

/// An address of a proxy. It stands in files that everybody on a node may read, so it holds no password.
fn address(node: Yaml, what: &str, out: &mut Findings) -> Option<String> {
    let found = parsed(node, what, out, |text| {
        let text = text.trim_end_matches('/');
        let server = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or_default();
        if server.contains('@') {
            return Err(
                "it holds a login, which everybody on a node could read: let the proxy take the nodes' addresses instead".to_owned()
            );
        }
        if is_server(server) {
            Ok(text.to_owned())
        } else {
            Err(format!("{text:?} is not an address such as http://proxy.example.com:3128"))
        }
    })?;
    Some(found.value)
}

/// A name, a domain with a dot ahead, an address, or a range of addresses.
fn exception(node: Yaml, out: &mut Findings) -> Option<String> {
    let found = parsed(node, "kubernetes.proxy.noProxy", out, |text| {
        if is_exception(text) {
            Ok(text.to_owned())
        } else {
            Err(format!("{text:?} is not a name, a domain such as .example.com, an address or a range of addresses"))
        }
    })?;
    Some(found.value)
}

/// Whether apt, containerd and the kubelet understand it: what they do not, they pass over without a word, and go to the proxy.
fn is_exception(text: &str) -> bool {
    if let Some((ip, bits)) = text.split_once('/') {
        let most = ip.parse::<IpAddr>().map(|ip| if ip.is_ipv4() { 32 } else { 128 });
        return most.is_ok_and(|most| number::<u8>(bits).is_some_and(|bits| bits <= most));
    }
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    let server = text.strip_prefix('.').unwrap_or(text);
    let host = server.split_once(':').map_or(server, |(host, _)| host);
    text.len() <= 253 && is_server(server) && (!ends_in_number(host) || host.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_would_pass_over_is_no_exception() {
        for good in [
            ".example.com",
            "example.com",
            "registry",
            "registry.lan:5000",
            "10.0.0.1",
            "10.0.0.1:5000",
            "10.0.0.0/8",
            "fd00::/8",
            "fd00::1",
        ] {
            assert!(is_exception(good), "{good}");
        }
        for bad in [
            "",
            ":",
            "/",
            ".",
            "a/b/c",
            "10.0.0",
            "10.0.0.0/33",
            "999.1.1.1",
            "192.168.0.0/16/16",
            "registry.lan/path",
            "10.0.0.1-10.0.0.9",
            "a b",
            "http://a",
            "a:b",
        ] {
            assert!(!is_exception(bad), "{bad}");
        }
    }
}
