//! Labels and annotations of nodes, as the API server takes them, and whose they are.

use std::collections::BTreeMap;

use kubestead_core::diagnostic::Place;
use kubestead_core::name::is_subdomain;

use crate::file::decode::{entries, text};
use crate::file::findings::Findings;
use crate::file::shape::{Bare, Form, Kind};
use crate::file::tree::Node;

/// Labels that the kubelet, kubeadm or kubestead set: another value would be set back, or lead PersistentVolumes astray.
const KEPT: [(&str, &str); 9] = [
    ("kubernetes.io/hostname", "the kubelet's"),
    ("kubernetes.io/os", "the kubelet's"),
    ("kubernetes.io/arch", "the kubelet's"),
    ("beta.kubernetes.io/os", "the kubelet's"),
    ("beta.kubernetes.io/arch", "the kubelet's"),
    ("node-role.kubernetes.io/control-plane", "kubeadm's: write roles"),
    ("node-role.kubernetes.io/worker", "kubestead's: write roles"),
    ("node.kubernetes.io/exclude-from-external-load-balancers", "kubeadm's"),
    ("app.kubernetes.io/managed-by", "kubestead's"),
];

const KEY: Form = Form {
    word: "a label",
    pattern: "^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
    example: "example.com/disk",
    bare: Bare::String,
};
const VALUE: Form = Form {
    word: "a label's value, or \"\"",
    pattern: "^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$",
    example: "nvme",
    bare: Bare::Any,
};

/// What may be written.
pub(super) const KIND: Kind = Kind::entries("LABEL", &KEY, &Kind::Text(&VALUE));

/// A node's labels.
pub(super) fn labels(node: Node, out: &mut Findings) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, place, value) in entries(node, "labels", out) {
        check_key(&key, &place, out);
        let Some(value) = text(value, "a label (\"\" for none)", out) else { continue };
        if !value.value.is_empty() && !is_part(&value.value) {
            let message = format!("the label {key}: {:?} is not a value that Kubernetes takes", value.value);
            out.error(&value.place, message, format!("write {SYNTAX}, or nothing (\"\")"));
        }
        found.insert(key, value.value);
    }
    found
}

const NOTE: Form = Form { word: "a text", pattern: r"^[^\n]*$", example: "rack 7", bare: Bare::Any };
/// What may be written of annotations.
pub(super) const ANNOTATIONS: Kind = Kind::entries("ANNOTATION", &KEY, &Kind::Text(&NOTE));
/// Domains of annotations by which programs of the cluster work.
const WORKING: [&str; 4] = ["kubernetes.io", "k8s.io", "flannel.alpha.coreos.com", "kubestead.io"];
/// Far more than somebody notes on a node.
const LONGEST: usize = 4096;

/// A node's annotations.
pub(super) fn annotations(node: Node, out: &mut Findings) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, place, value) in entries(node, "annotations", out) {
        let (prefix, name) = key.rsplit_once('/').map_or((None, key.as_str()), |(prefix, name)| (Some(prefix), name));
        let is_below = |domain: &&str| prefix.is_some_and(|prefix| prefix == *domain || prefix.ends_with(&format!(".{domain}")));
        if !is_part(name) || prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
            let hint = format!("write NAME or DOMAIN/NAME; NAME is {SYNTAX}");
            out.error(&place, format!("{key:?} is not an annotation that Kubernetes takes"), hint);
        } else if let Some(domain) = WORKING.into_iter().find(is_below) {
            let hint = "write a domain of your own before the '/', or none".to_owned();
            out.error(&place, format!("the annotation {key}: by those of {domain} the cluster itself works"), hint);
        }
        let Some(value) = text(value, "an annotation (\"\" for none)", out) else { continue };
        if value.value.chars().count() > LONGEST {
            out.error(&value.place, format!("the annotation {key} is longer than {LONGEST} characters"), "shorten it".to_owned());
        }
        found.insert(key, value.value);
    }
    found
}

const SYNTAX: &str = "at most 63 letters, digits and '-', '_', '.', beginning and ending with a letter or digit";

pub(super) fn is_part(text: &str) -> bool {
    let edge = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
}

fn check_key(key: &str, place: &Place, out: &mut Findings) {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if !is_part(name) || prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        out.error(place, format!("{key:?} is not a label that Kubernetes takes"), format!("write NAME or DOMAIN/NAME; NAME is {SYNTAX}"));
    } else if let Some((_, whose)) = KEPT.iter().find(|(kept, _)| *kept == key) {
        out.error(place, format!("the label {key} is {whose}"), "leave it out".to_owned());
    } else if let Some(domain @ ("kubernetes.io" | "k8s.io")) = prefix {
        let hint = "write a domain of your own before the '/', or none".to_owned();
        out.error(place, format!("the label {key}: {domain} is for labels of Kubernetes itself"), hint);
    }
}
