//! `kubernetes.registries`: mirrors of registries.

use std::collections::BTreeMap;

use super::packages::{address, is_server};
use crate::file::decode::{Fields, entries, list, parsed};
use crate::file::findings::Findings;
use crate::file::tree::Node as Yaml;

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
        let mut f = Fields::of(value, &what, out);
        let mirrors = f.required("mirrors", out).map(|node| list(node, &format!("{what}.mirrors"), out)).unwrap_or_default();
        let mirror = |text: &str| {
            if text.contains('@') {
                return Err("it holds a login, which everybody on a node could read".to_owned());
            }
            address(text, "https://mirror.example.com")
        };
        let one = |node| parsed(node, &format!("{what}.mirrors"), out, mirror).map(|at| at.value);
        let mirrors: Vec<String> = mirrors.into_iter().filter_map(one).collect();
        f.end(out);
        found.insert(host, mirrors);
    }
    found
}
