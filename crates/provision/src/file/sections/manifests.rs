//! `manifests`: the users' own services by name: where the manifests of each come from, and the values of their variables.

mod chart;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;

use crate::file::decode::{entries, key_name, list, name, text};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::path::path;
use crate::file::services::{Manifests, Source};
use crate::file::shape::{Bare, Form, Kind, NAME, Need, PATH};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of a service.
    struct Written {
        "path" path Need::Optional("`kustomize` or `chart` says where they come from"), Kind::Text(&PATH),
            "A folder or a file of manifests.";
        "kustomize" kustomize Need::Optional("nothing is rendered by kustomize"), Kind::Text(&PATH),
            "A folder with a kustomization, which kustomize renders on your computer.";
        "chart" chart Need::Optional("nothing is rendered by helm"), chart::KIND,
            "A chart, which helm renders on your computer.";
        "variables" variables Need::Otherwise("{}"), Kind::entries("VARIABLE", &VARIABLE, &Kind::Text(&VALUE)),
            "The values of the variables that the manifests, or the values of the chart, name. No place for a secret: plans show manifests as they are.";
        "secrets" secrets Need::Otherwise("{}"), Kind::entries("VARIABLE", &VARIABLE, &sealed::KIND),
            "Variables whose values are encrypted by sops. They stand in Secrets alone. None has the name of one in `variables`.";
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
    let mut sources = Vec::new();
    let written = [f.path.is_some(), f.kustomize.is_some(), f.chart.is_some()].into_iter().filter(|is| *is).count();
    sources.extend(f.path.and_then(|n| path(n, "path", dir, out)).map(Source::Path));
    sources.extend(f.kustomize.and_then(|n| path(n, "kustomize", dir, out)).map(Source::Kustomize));
    sources.extend(f.chart.and_then(|n| chart::decode(n, dir, out)).map(Source::Chart));
    if written != 1 {
        let hint = "write one of path, kustomize, chart".to_owned();
        out.error(&place, format!("service {key} names {written} places that its manifests come from"), hint);
    }
    let variables = f.variables.map(|n| variables(n, out)).unwrap_or_default();
    let secrets = f.secrets.map(|n| sealed::decode(n, &variables, dir, out)).unwrap_or_default();
    let needs: Vec<At<Name>> = match f.needs {
        Some(node) => list(node, "needs", out).into_iter().filter_map(|item| self::name(item, "needs", out)).collect(),
        None => Vec::new(),
    };
    out.twice(needs.iter().map(|at| (&at.value, &at.place)), "needs names twice");
    let wanted = needs.iter().map(|at| at.value.clone()).collect();
    Some(Decl { service: Manifests { name: name?, source: sources.pop()?, variables, secrets, needs: wanted }, place, needs })
}

fn variables(node: Yaml, out: &mut Findings) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, place, value) in entries(node, "variables", out) {
        if !sealed::is_variable(&key, "variables", &place, out) {
            continue;
        }
        if let Some(value) = text(value, &format!("variable {key}"), out) {
            found.insert(key, value.value);
        }
    }
    found
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
            Ok(cluster) => cluster.manifests.iter().map(|service| format!("{} {:?}", service.name, service.source)).collect(),
            Err(found) => found.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn whom_a_service_needs_comes_before_it() {
        let section =
            "manifests:\n  a: {path: a, needs: [b, c]}\n  b: {path: ../b, needs: [c], variables: {HOST: h}}\n  c: {path: /c.yaml}\n";
        assert_eq!(told(section), ["c Path(\"/c.yaml\")", "b Path(\"/x/../b\")", "a Path(\"/x/a\")"]);
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
            ("8:3", "service b names 0 places"),
            ("8:19", "no field \"pth\""),
        ] {
            assert!(all.lines().any(|line| line.contains(place) && line.contains(words)), "{place} {words}: {all}");
        }
        let circle = told("manifests:\n  a: {path: a, needs: [b]}\n  b: {path: b, needs: [a]}\n  c: {path: c, needs: [c]}\n");
        assert!(circle.len() == 1 && circle[0].contains("need each other") && circle[0].contains("a, b, c"), "{circle:?}");
    }
}
