//! `kubernetes.registries`: mirrors of registries, the authorities that sign their certificates, and who logs in to them.

use std::collections::BTreeMap;
use std::path::Path;

use kubestead_core::name::Name;

use super::packages::{URL, address, is_server};
use crate::file::authorities::authorities;
use crate::file::cluster::Registry;
use crate::file::decode::{entries, list, parsed};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::shape::{Bare, Form, Kind, Need, PATH};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of a registry.
    struct Written {
        "mirrors" mirrors Need::Optional("none is asked before it"), Kind::list(&Kind::Text(&URL)),
            "Addresses that containerd asks before it, in this order, without a login. One with a path is taken whole, with its `/v2`.";
        "ca" ca Need::Optional("the machine's own authorities"), Kind::Text(&PATH),
            "A file with the certificates of the authority that signs the registry's own, PEM, beside those that the machine trusts. Where the host is \
             another one's mirror, it is asked there with them too.";
        "credentials" credentials Need::Optional("it is asked without a login"), Kind::Text(&SECRET),
            "The name of a Secret in the users' namespace, of type `kubernetes.io/dockerconfigjson`, from a sops file. The namespace's accounts pull with it.";
    }
}

const HOST: Form = Form { word: "a registry's host", pattern: "^[A-Za-z0-9_.-]+(:[0-9]{1,5})?$", example: "docker.io", bare: Bare::String };
const SECRET: Form =
    Form { word: "a Secret's name", pattern: "^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", example: "registry", bare: Bare::Any };

/// What may be written.
pub(super) const KIND: Kind = Kind::entries("HOST", &HOST, &Kind::Map(&Written::SHAPE));

/// Where the images of Kubernetes and of flannel come from when no bundle has them.
const OWN_IMAGES: [&str; 2] = ["registry.k8s.io", "ghcr.io"];

/// Decodes the section: what is said of each registry, by its host. `pulls`: Kubernetes' own images come from registries.
pub(super) fn registries(node: Yaml, dir: &Path, pulls: bool, out: &mut Findings) -> BTreeMap<String, Registry> {
    let mut found = BTreeMap::new();
    for (host, place, value) in entries(node, "kubernetes.registries", out) {
        if !is_server(&host) {
            let hint = "write its host as images name it, such as docker.io or registry.example.com:5000";
            out.error(&place, format!("kubernetes.registries: {host:?} is not the host of a registry"), Some(hint.to_owned()));
            continue;
        }
        if let Some(called) = other_name(&host) {
            out.error(
                &place,
                format!("kubernetes.registries: no image is pulled by the name {host}"),
                format!("write {called}, as containerd names it"),
            );
        }
        let registry = registry(value, &host, dir, pulls, out);
        found.insert(host, registry);
    }
    found
}

/// How containerd calls the registry of a host that it looks up by another name.
fn other_name(host: &str) -> Option<String> {
    const DOCKER: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];
    let lower = host.to_ascii_lowercase();
    if DOCKER.contains(&lower.as_str()) { Some("docker.io".to_owned()) } else { (lower != host).then_some(lower) }
}

fn registry(node: Yaml, host: &str, dir: &Path, pulls: bool, out: &mut Findings) -> Registry {
    let what = format!("kubernetes.registries.{host}");
    let place = node.place.clone();
    let f = Written::of(node, &what, out);
    if f.mirrors.is_none() && f.ca.is_none() && f.credentials.is_none() {
        out.error(&place, format!("{what} says nothing"), "write `mirrors`, `ca` or `credentials`, or leave it out".to_owned());
    }
    let mirrors = f.mirrors.map(|node| list(node, &format!("{what}.mirrors"), out)).unwrap_or_default();
    let mirror = |text: &str| {
        if text.contains('@') {
            return Err("it holds a login, which everybody on a node could read".to_owned());
        }
        address(text, "https://mirror.example.com")
    };
    let mut all: Vec<String> = Vec::new();
    for node in mirrors {
        let Some(At { value, place }) = parsed(node, &format!("{what}.mirrors"), out, mirror) else { continue };
        // containerd reads none of a registry's mirrors where one stands twice.
        if all.iter().any(|other| same_server(other, &value)) {
            out.error(&place, format!("{what}.mirrors: {value} is named twice"), "name it once".to_owned());
        } else {
            all.push(value);
        }
    }
    let ca = f.ca.and_then(|node| authorities(node, &format!("{what}.ca"), dir, out));
    let credentials = f.credentials.and_then(|node| {
        let found = parsed(node, &format!("{what}.credentials"), out, secret)?;
        if pulls && OWN_IMAGES.contains(&host) {
            out.warning(&found.place, format!("{what}.credentials: images of Kubernetes itself are pulled from there without this login"), {
                let hint = "they are pulled before the cluster holds any Secret, and no login is ever written to a node: bring them in a bundle, or name \
                            a mirror that asks for none";
                hint.to_owned()
            });
        }
        Some(found.value)
    });
    Registry { mirrors: all, ca, credentials }
}

/// Whether two addresses are of one server and path: hosts have no case, and a scheme has a port of its own.
fn same_server(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = if scheme == "http" { ":80" } else { ":443" };
        (scheme.to_owned(), host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase(), path.to_owned())
    };
    parts(one) == parts(other)
}

/// The name of a Secret (RFC 1123, a subdomain).
fn secret(text: &str) -> Result<String, String> {
    let is_name = text.len() <= 253 && text.split('.').all(|label| Name::new(label).is_ok());
    is_name
        .then(|| text.to_owned())
        .ok_or_else(|| format!("{text:?} is no name of a Secret: words of a-z, 0-9 and '-' with dots between them"))
}
