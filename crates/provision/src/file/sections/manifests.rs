//! `manifests`: the users' own services, each a folder or a file of manifests, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;

use crate::file::cluster::Manifests;
use crate::file::decode::{entries, key_name, list, name, text};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::path::path;
use crate::file::shape::{Bare, Form, Kind, NAME, Need, PATH};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of a service.
    struct Written {
        "path" path Need::Required, Kind::Text(&PATH),
            "A folder or a file of manifests.";
        "variables" variables Need::Otherwise("{}"), Kind::entries("VARIABLE", &VARIABLE, &Kind::Text(&VALUE)),
            "The values of the variables that the manifests name. No place for a secret: plans show manifests as they are.";
        "needs" needs Need::Otherwise("[]"), Kind::List { of: &Kind::Text(&NAME), least: 0, most: None, different: true },
            "The services that must be ready before this one.";
    }
}

const VARIABLE: Form = Form { word: "a variable", pattern: "^[A-Za-z_][A-Za-z0-9_]{0,99}$", example: "HOST", bare: Bare::Any };
const VALUE: Form = Form { word: "a text", pattern: r"^[^\x00-\x1f\x7f]*$", example: "shop.example.org", bare: Bare::Any };
/// A service's name begins the names of its record and of its steps.
const LONGEST: usize = 40;
const SERVICE: Form = Form { word: "a name", pattern: "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$", example: "", bare: Bare::Any };

/// What may be written.
pub(super) const KIND: Kind = Kind::entries("NAME", &SERVICE, &Kind::Map(&Written::SHAPE));

/// A service as written, with the places of its name and of those that it needs.
struct Decl {
    service: Manifests,
    place: Place,
    needs: Vec<At<Name>>,
}

/// Decodes the section: the services, whom one needs before it.
pub(super) fn decode(node: Option<Yaml>, dir: &Path, out: &mut Findings) -> Vec<Manifests> {
    let written = node.map(|n| entries(n, "manifests", out)).unwrap_or_default();
    let known: BTreeSet<String> = written.iter().map(|(key, ..)| key.clone()).collect();
    let decls: Vec<Decl> = written.into_iter().filter_map(|(key, place, value)| service(&key, place, value, dir, out)).collect();
    for need in decls.iter().flat_map(|decl| &decl.needs).filter(|need| !known.contains(need.value.as_str())) {
        let hint = format!("known are {}", known.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        out.error(&need.place, format!("needs: no service is called {}", need.value), hint);
    }
    ordered(decls, out)
}

fn service(key: &str, place: Place, value: Yaml, dir: &Path, out: &mut Findings) -> Option<Decl> {
    let name = key_name(key, &place, "a service", out);
    if key.len() > LONGEST {
        out.error(&place, format!("a service: {key:?} is longer than {LONGEST} characters"), "write a shorter name".to_owned());
    }
    let f = Written::of(value, &format!("service {key}"), out);
    let path = f.path.and_then(|n| path(n, "path", dir, out));
    let variables = f.variables.map(|n| variables(n, out)).unwrap_or_default();
    let needs: Vec<At<Name>> = match f.needs {
        Some(node) => list(node, "needs", out).into_iter().filter_map(|item| self::name(item, "needs", out)).collect(),
        None => Vec::new(),
    };
    out.twice(needs.iter().map(|at| (&at.value, &at.place)), "needs names twice");
    let wanted = needs.iter().map(|at| at.value.clone()).collect();
    Some(Decl { service: Manifests { name: name?, path: path?, variables, needs: wanted }, place, needs })
}

fn variables(node: Yaml, out: &mut Findings) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, place, value) in entries(node, "variables", out) {
        if !is_variable(&key) {
            let hint = "write letters, digits and _, beginning with a letter or _".to_owned();
            out.error(&place, format!("variables: {key:?} is not the name of a variable"), hint);
            continue;
        }
        if let Some(value) = text(value, &format!("variable {key}"), out) {
            found.insert(key, value.value);
        }
    }
    found
}

/// As shells and envsubst(1) have it.
fn is_variable(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    text.len() <= 100 && text.bytes().all(inner) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// The services in an order in which each comes after those that it needs; one that is in a circle is a mistake.
fn ordered(mut open: Vec<Decl>, out: &mut Findings) -> Vec<Manifests> {
    let (mut done, mut names): (Vec<Manifests>, BTreeSet<Name>) = (Vec::new(), BTreeSet::new());
    loop {
        // What is needed and not there is told already.
        let waiting: BTreeSet<Name> = open.iter().map(|decl| decl.service.name.clone()).collect();
        let free = |decl: &Decl| decl.service.needs.iter().all(|need| names.contains(need) || !waiting.contains(need));
        let (now, later): (Vec<Decl>, Vec<Decl>) = open.into_iter().partition(free);
        open = later;
        if now.is_empty() {
            break;
        }
        names.extend(now.iter().map(|decl| decl.service.name.clone()));
        done.extend(now.into_iter().map(|decl| decl.service));
    }
    if let Some(first) = open.first() {
        let all: Vec<&str> = open.iter().map(|decl| decl.service.name.as_str()).collect();
        let message = format!("services need each other, or one that does: {}", all.join(", "));
        out.error(&first.place, message, "take one of their `needs` away".to_owned());
    }
    done
}

#[cfg(test)]
mod tests {
    use crate::file::load;

    const HEAD: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nnodes: [{name: kube1, address: 10.0.0.1, roles: [control-plane]}]\n\
        kubernetes: {version: 1.37.1, bundle: /b}\n";

    fn told(section: &str) -> Vec<String> {
        match load("cluster.yaml", &format!("{HEAD}{section}"), std::path::Path::new("/x")) {
            Ok(cluster) => cluster.manifests.iter().map(|service| format!("{} {}", service.name, service.path.display())).collect(),
            Err(found) => found.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn whom_a_service_needs_comes_before_it() {
        let section =
            "manifests:\n  a: {path: a, needs: [b, c]}\n  b: {path: ../b, needs: [c], variables: {HOST: h}}\n  c: {path: /c.yaml}\n";
        assert_eq!(told(section), ["c /c.yaml", "b /x/../b", "a /x/a"]);
    }

    #[test]
    fn all_mistakes_are_told_with_their_places() {
        let section = "manifests:\n  a: {path: a, needs: [b, a, x, x], variables: {1A: x, B: [1]}}\n  b: {needs: [a], pth: x}\n";
        let all = told(section).join("\n");
        for (place, words) in [
            ("7:30", "no service is called x"),
            ("7:33", "names twice"),
            ("7:49", "not the name of a variable"),
            ("7:59", "variable B must be a string"),
            ("8:6", "needs \"path\""),
            ("8:19", "no field \"pth\""),
        ] {
            assert!(all.lines().any(|line| line.contains(place) && line.contains(words)), "{place} {words}: {all}");
        }
        let circle = told("manifests:\n  a: {path: a, needs: [b]}\n  b: {path: b, needs: [a]}\n  c: {path: c, needs: [c]}\n");
        assert!(circle.len() == 1 && circle[0].contains("need each other") && circle[0].contains("a, b, c"), "{circle:?}");
    }
}
