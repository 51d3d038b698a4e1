//! `kubernetes.registries`: mirrors of registries.

use std::collections::BTreeMap;

use super::packages::{URL, address, is_server};
use crate::file::decode::{entries, list, parsed};
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::shape::{Bare, Form, Kind, Need};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of a registry.
    struct Registry {
        "mirrors" mirrors Need::Required, Kind::list(&Kind::Text(&URL)),
            "Addresses that containerd asks before it, in this order, without a login. One with a path is taken whole, with its `/v2`.";
    }
}

const HOST: Form = Form { word: "a registry's host", pattern: "^[A-Za-z0-9_.-]+(:[0-9]{1,5})?$", example: "docker.io", bare: Bare::String };

/// What may be written.
pub(super) const KIND: Kind = Kind::entries("HOST", &HOST, &Kind::Map(&Registry::SHAPE));

/// Decodes the section: the host of a registry to its mirrors, in the order in which they are asked.
pub(super) fn registries(node: Yaml, out: &mut Findings) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for (host, place, value) in entries(node, "kubernetes.registries", out) {
        if !is_server(&host) {
            let hint = "write its host as images name it, such as docker.io or registry.example.com:5000";
            out.error(&place, format!("kubernetes.registries: {host:?} is not the host of a registry"), Some(hint.to_owned()));
            continue;
        }
        let what = format!("kubernetes.registries.{host}");
        let f = Registry::of(value, &what, out);
        let mirrors = f.mirrors.map(|node| list(node, &format!("{what}.mirrors"), out)).unwrap_or_default();
        let mirror = |text: &str| {
            if text.contains('@') {
                return Err("it holds a login, which everybody on a node could read".to_owned());
            }
            address(text, "https://mirror.example.com")
        };
        let one = |node| parsed(node, &format!("{what}.mirrors"), out, mirror).map(|at| at.value);
        let mirrors: Vec<String> = mirrors.into_iter().filter_map(one).collect();
        found.insert(host, mirrors);
    }
    found
}
