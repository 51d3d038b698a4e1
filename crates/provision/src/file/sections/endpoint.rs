//! `endpoint`: what clients and nodes use for the API.

use std::net::IpAddr;

use kubestead_core::name::{ends_in_number, is_local, is_subdomain};

use crate::file::address::{NO_IPV6, Subnet, host_port, special};
use crate::file::cluster::API_PORT;
use crate::file::decode::{Wrong, judged};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::machine;
use crate::file::shape::{Bare, Form, Kind as Value, Need};
use crate::file::tree::{Kind, Node as Yaml};

fields! {
    /// The fields of the endpoint.
    struct Written {
        "address" address Need::Required, Value::Text(&HOST),
            "A name or an IPv4 address that all others reach: no URL, no port in it, no worker and no key server.";
        "port" port Need::Otherwise("6443"), Value::Port,
            "The port. Another than 6443 is a load balancer's.";
    }
}

const HOST: Form = Form { word: "a name or an IPv4 address", pattern: "^[a-z0-9.-]{1,253}$", example: "api.example.com", bare: Bare::Any };

/// What may be written.
pub(super) const KIND: Value = Value::Map(&Written::SHAPE);

/// The endpoint where it is written.
pub(crate) struct Endpoint {
    pub(crate) address: At<String>,
    pub(crate) port: Option<At<u16>>,
}

impl Endpoint {
    /// `host:port`.
    pub(crate) fn host_port(&self) -> String {
        host_port(&self.address.value, self.port.as_ref().map_or(API_PORT, |port| port.value))
    }
}

/// Decodes the section. `None` if it is not written, or its address is wrong.
pub(super) fn decode(node: Option<Yaml>, out: &mut Findings) -> Option<Endpoint> {
    let node = node?;
    if let Kind::Scalar { text, .. } = &node.kind {
        let hint = "write `endpoint: {address: HOST}`, and `port: N` if it is not 6443".to_owned();
        out.error(&node.place, format!("endpoint must be a map, and this is {text:?}"), hint);
        return None;
    }
    let f = Written::of(node, "endpoint", out);
    let address = f.address.and_then(|n| address(n, out));
    let port = f.port.and_then(|n| machine::port(n, "endpoint.port", out));
    Some(Endpoint { address: address?, port })
}

/// What is not `host` of `host:port` reaches another machine, or none.
fn address(node: Yaml, out: &mut Findings) -> Option<At<String>> {
    judged(node, "endpoint.address", out, |text| host(text).map(|()| text.to_owned()))
}

fn host(text: &str) -> Result<(), Wrong> {
    let wrong = |message: String, hint: String| Err(Wrong(message, Some(hint)));
    if let Some((_, rest)) = text.split_once("://") {
        let bare = rest.split(['/', ':']).next().unwrap_or_default();
        return wrong(format!("{text:?} is a URL"), format!("write the host alone: {bare}"));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => return wrong(format!("{text:?}: {NO_IPV6}"), "write a name or an IPv4 address".into()),
        Ok(IpAddr::V4(ip)) if special(Subnet::around(ip, 32)).is_some() => {
            return wrong(
                format!("{text:?} is not the address of one machine that others reach"),
                "write an address of a control plane".into(),
            );
        }
        Ok(IpAddr::V4(_)) if !text.starts_with('[') => return Ok(()),
        Ok(IpAddr::V4(_)) | Err(_) => {}
    }
    if let Some((bare, port)) = text.rsplit_once(':') {
        return wrong(format!("{text:?} holds a port"), format!("write {{address: {bare}, port: {port}}}"));
    }
    if !is_subdomain(text) {
        let lower = text.to_ascii_lowercase();
        let hint = if is_subdomain(&lower) { format!("write {lower}") } else { "write a name such as api.example.com".into() };
        return wrong(format!("{text:?} is neither a name as in RFC 1123 nor an IPv4 address"), hint);
    }
    if ends_in_number(text) {
        return wrong(format!("{text:?} looks like an IPv4 address and is none"), "write a name or an address such as 192.0.2.10".into());
    }
    if is_local(text) {
        return wrong(format!("{text:?} is another machine on every node"), "write a name that all nodes resolve to the API".into());
    }
    Ok(())
}
