//! `kubernetes.registries`: mirrors of registries, the authorities that sign their certificates, and who logs in to them.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;

use super::packages::{URL, address, is_server};
use crate::file::cluster::Registry;
use crate::file::decode::{entries, list, parsed};
use crate::file::fields::fields;
use crate::file::findings::Findings;
use crate::file::path::path;
use crate::file::read;
use crate::file::shape::{Bare, Form, Kind, Need, PATH};
use crate::file::tree::Node as Yaml;
use crate::x509;

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
        let registry = registry(value, &host, dir, pulls, out);
        found.insert(host, registry);
    }
    found
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
    let one = |node| parsed(node, &format!("{what}.mirrors"), out, mirror).map(|at| at.value);
    let mirrors: Vec<String> = mirrors.into_iter().filter_map(one).collect();
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
    Registry { mirrors, ca, credentials }
}

/// The name of a Secret (RFC 1123, a subdomain).
fn secret(text: &str) -> Result<String, String> {
    let is_name = text.len() <= 253 && text.split('.').all(|label| Name::new(label).is_ok());
    is_name
        .then(|| text.to_owned())
        .ok_or_else(|| format!("{text:?} is no name of a Secret: words of a-z, 0-9 and '-' with dots between them"))
}

const WANTED: &str =
    "name a file with the certificates of the registry's authority, PEM; `openssl x509 -inform der` makes such a file of a binary one";

/// The certificates of a file, as they go to nodes.
fn authorities(node: Yaml, what: &str, dir: &Path, out: &mut Findings) -> Option<String> {
    let place = node.place.clone();
    let path = path(node, what, dir, out)?;
    let shown = path.display();
    // A pipe would keep whoever reads it waiting.
    let read = if std::fs::metadata(&path).is_ok_and(|data| !data.is_file()) {
        Err(("it is no regular file".to_owned(), WANTED))
    } else {
        match read::within(&path, MOST) {
            Ok(text) => x509::authorities(&text),
            Err(error) => Err((format!("it cannot be read: {error}"), WANTED)),
        }
    };
    match read {
        Ok(found) => {
            ended(&found.ends, &format!("{what}: {shown}"), &place, out);
            Some(found.pem)
        }
        Err((why, hint)) => {
            out.error(&place, format!("{what}: {shown}: {why}"), hint.to_owned());
            None
        }
    }
}

/// More bytes than any authority has; all of them go to each node.
const MOST: u64 = 1 << 20;

/// What has ended is no mistake of the file: whoever renews it must still be able to look at the cluster.
fn ended(ends: &[(usize, i64)], what: &str, place: &Place, out: &mut Findings) {
    let now = Timestamp::now().as_second();
    for (line, until) in ends.iter().filter(|(_, until)| *until <= now) {
        let date = Timestamp::from_second(*until).map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
        let hint = "put the authority's new certificate into the file: what only the old one signs is not pulled from";
        out.warning(place, format!("{what}: the certificate of line {line} ended on {date}"), hint.to_owned());
    }
}
