//! `manifests`: the users' own services by name: where the manifests of each come from, and the values of their variables.

mod chart;

use std::collections::BTreeMap;
use std::path::Path;

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;

use crate::file::declared::{Declared, Services};
use crate::file::decode::{entries, key_name, list, name, text};
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::path::path;
use crate::file::release;
use crate::file::sealed;
use crate::file::services::{Manifests, Source};
use crate::file::shape::{Bare, Form, Kind, NAME, Need, PATH};
use crate::file::tree::Node as Yaml;

fields! {
    /// The fields of a service.
    struct Written {
        "path" path Need::Optional("`kustomize`, `chart` or `release` says where they come from"), Kind::Text(&PATH),
            "A folder or a file of manifests.";
        "kustomize" kustomize Need::Optional("nothing is rendered by kustomize"), Kind::Text(&PATH),
            "A folder with a kustomization, which kustomize renders on your computer.";
        "chart" chart Need::Optional("nothing is rendered by helm"), chart::KIND,
            "A chart, which helm renders on your computer.";
        "release" release Need::Optional("nothing is downloaded"), release::KIND,
            "A file of manifests that others release. Variables are not looked for in it.";
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

/// Decodes the section.
pub(super) fn decode(node: Option<Yaml>, dir: &Path, out: &mut Findings) -> Services {
    let written = node.map(|n| entries(n, "manifests", out)).unwrap_or_default();
    let named = written.iter().map(|(key, ..)| key.clone()).collect();
    let declared = written.into_iter().filter_map(|(key, place, value)| service(&key, place, value, dir, out)).collect();
    Services { declared, named, places: Vec::new() }
}

fn service(key: &str, place: Place, value: Yaml, dir: &Path, out: &mut Findings) -> Option<Declared> {
    let name = key_name(key, &place, "a service", out);
    if key.len() > LONGEST {
        out.error(&place, format!("a service: {key:?} is longer than {LONGEST} characters"), "write a shorter name".to_owned());
    }
    let f = Written::of(value, &format!("service {key}"), out);
    let mut sources = Vec::new();
    let written = [f.path.is_some(), f.kustomize.is_some(), f.chart.is_some(), f.release.is_some()].into_iter().filter(|is| *is).count();
    sources.extend(f.path.and_then(|n| path(n, "path", dir, out)).map(Source::Path));
    sources.extend(f.kustomize.and_then(|n| path(n, "kustomize", dir, out)).map(Source::Kustomize));
    sources.extend(f.chart.and_then(|n| chart::decode(n, dir, out)).map(Source::Chart));
    sources.extend(f.release.and_then(|n| release::decode(n, "release", None, dir, out)).map(Source::Release));
    if written != 1 {
        let hint = "write one of path, kustomize, chart, release".to_owned();
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
    Some(Declared { service: Manifests { name: name?, source: sources.pop()?, variables, secrets, needs: wanted }, place, needs })
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
