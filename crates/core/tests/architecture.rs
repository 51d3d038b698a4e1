//! The house: which crate may know which, and in the room of the cluster file, which file.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// A crate, and the crates of the workspace that it may depend on.
const ARROWS: [(&str, &[&str]); 7] = [
    ("kubestead-core", &[]),
    ("kubestead-storage", &["kubestead-core"]),
    ("kubestead-secrets", &["kubestead-core"]),
    ("kubestead-lab", &[]),
    ("kubestead-provision", &["kubestead-core", "kubestead-storage", "kubestead-secrets"]),
    ("kubestead-py", &["kubestead-core", "kubestead-secrets", "kubestead-provision"]),
    ("kubestead-cli", &["kubestead-core", "kubestead-storage", "kubestead-secrets", "kubestead-provision", "kubestead-lab"]),
];
/// Domains and core know no runtime, no ssh and no client.
const PURE: [&str; 3] = ["kubestead-core", "kubestead-storage", "kubestead-secrets"];
const IMPURE: [&str; 4] = ["tokio", "openssh", "kube", "k8s-openapi"];

fn violations(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(n, _)| *n == name) else {
            found.push(format!("{name} is not in the picture"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten().filter(|d| d["kind"].is_null()) {
            let other = dependency["name"].as_str().unwrap_or_default();
            if other.starts_with("kubestead-") && !allowed.contains(&other) {
                found.push(format!("{name} must not depend on {other}"));
            }
            if PURE.contains(&name) && IMPURE.contains(&other) {
                found.push(format!("{name} is pure and must not depend on {other}"));
            }
        }
    }
    found
}

#[test]
fn no_arrow_is_outside_the_picture() {
    let output =
        std::process::Command::new(env!("CARGO")).args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(metadata["packages"].as_array().unwrap().len(), ARROWS.len());
    assert_eq!(violations(&metadata), Vec::<String>::new());
}

#[test]
fn a_forbidden_arrow_is_found() {
    let bad = serde_json::json!({"packages": [
        {"name": "kubestead-storage", "dependencies": [{"name": "kubestead-secrets", "kind": null}, {"name": "tokio", "kind": null}]},
        {"name": "kubestead-new", "dependencies": []}]});
    assert_eq!(violations(&bad).len(), 3);
}

#[test]
fn secrets_stand_alone() {
    let tree = ["tree", "-p", "kubestead-secrets", "--edges", "normal", "--prefix", "none", "--offline"];
    let output = std::process::Command::new(env!("CARGO")).args(tree).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"kubestead-core") && names.contains(&"age"), "the tree was read: {names:?}");
    for other in IMPURE.iter().chain(&["kubestead-provision", "kubestead-storage", "kube-client", "hyper"]) {
        assert!(!names.contains(other), "kubestead-secrets brings {other}");
    }
}

/// A module within its folder: `sections/nodes`; nothing for the folder's own `mod.rs`.
type Module = Vec<String>;

/// The modules of a folder with their text, without their tests.
fn modules(folder: &Path) -> BTreeMap<Module, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(folder).unwrap().with_extension("");
            let module = inside.iter().map(|part| part.to_str().unwrap().to_owned()).filter(|part| part != "mod").collect();
            if path.extension().is_some_and(|end| end == "rs") {
                found.insert(module, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// Words, `::` and single signs of a text without its tests and comments.
fn tokens(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for mut rest in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let end = match first {
                _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            found.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
    }
    found
}

/// The paths that begin here, `a::{b, c::d}` as two; returns where they end.
fn paths(tokens: &[&str], at: usize, prefix: &[String], found: &mut Vec<Module>) -> usize {
    let Some(token) = tokens.get(at) else { return at };
    if *token == "{" {
        let mut at = at + 1;
        while tokens.get(at).is_some_and(|token| *token != "}") {
            at = if tokens[at] == "," { at + 1 } else { paths(tokens, at, prefix, found) };
        }
        return at + 1;
    }
    let path = [prefix, &[(*token).to_owned()]].concat();
    if tokens.get(at + 1) == Some(&"::") {
        return paths(tokens, at + 2, &path, found);
    }
    found.push(path);
    at + 1
}

/// The module of a folder, which is `crate::NAME`, that a path of another module leads into.
fn target(all: &BTreeMap<Module, String>, name: &str, from: &[String], path: &[String]) -> Option<Module> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let (mut base, rest) = match path {
        [first, second, rest @ ..] if first == "crate" => (second == name).then(|| (Module::new(), rest))?,
        [first, rest @ ..] if first == "self" => (from.to_vec(), rest),
        _ => (from[..from.len().checked_sub(ups)?].to_vec(), &path[ups..]),
    };
    for part in rest {
        base.push(part.clone());
        if !all.contains_key(&base) {
            base.pop();
            break;
        }
    }
    (base != from).then_some(base)
}

/// Which module uses which. A module uses those that it declares.
fn arrows(all: &BTreeMap<Module, String>, name: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    let used = |module: &Module, text: &String| {
        let (tokens, mut found, mut at) = (tokens(text), Vec::new(), 0);
        while at < tokens.len() {
            let is_path = tokens.get(at + 1) == Some(&"::") || tokens[at] == "mod";
            at = if is_path { paths(&tokens, at + usize::from(tokens[at] == "mod"), &[], &mut found) } else { at + 1 };
        }
        found.iter().filter_map(|path| target(all, name, module, path)).collect()
    };
    all.iter().map(|(module, text)| (module.clone(), used(module, text))).collect()
}

/// All that a module uses, by others too.
fn reached<'a>(arrows: &'a BTreeMap<Module, BTreeSet<Module>>, from: &'a Module) -> BTreeSet<&'a Module> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        let next = arrows.get(module).into_iter().flatten();
        open.extend(next.filter(|module| found.insert(*module)));
    }
    found
}

/// Where ids of steps are put together. All else takes them from the `ids.rs` of the domain whose steps they are.
const IDS: [&str; 3] = ["core/src/plan.rs", "core/src/plan/deed.rs", "storage/src/plan.rs"];

/// Whether a text makes an id of a step of words.
fn makes_ids(text: &str) -> bool {
    let tokens = tokens(text);
    let called = |of: &[&str]| tokens.windows(of.len()).any(|found| found == of);
    called(&["StepId", "::", "new", "("]) || called(&["StepId", "("]) || called(&["Step", "::", "new", "("])
}

#[test]
fn an_id_of_a_step_is_written_down_once() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for room in ["core/src", "storage/src", "provision/src"] {
        for (module, text) in modules(&crates.join(room)) {
            let file = format!("{room}/{}.rs", module.join("/"));
            if makes_ids(&text) && !IDS.contains(&file.as_str()) {
                found.push(file);
            }
        }
    }
    assert_eq!(found, Vec::<String>::new(), "ids of steps belong into ids.rs, and steps are made by them");
    assert!(makes_ids("let a = StepId::new(host, \"images\", \"import\");") && !makes_ids("ids::IMPORT.on(host)"));
}

/// The steps of other domains that a text names, as `DOMAIN::ids::DEED`. The list of all kinds names no step.
fn foreign_steps(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let named = tokens.windows(5).filter(|w| w[1..4] == ["::", "ids", "::"] && w[0] != "super" && w[4] != "KINDS");
    named.map(<[&str]>::concat).collect()
}

#[test]
fn one_file_says_who_waits_for_another_domain() {
    let all = modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../provision/src"));
    let of = |module: &Module| foreign_steps(&all[module]);
    let order: Module = ["compose", "order"].map(str::to_owned).into();
    assert!(of(&order).contains(&"kubeadm::ids::RESET".to_owned()), "the files were read");
    let others = all.keys().filter(|module| **module != order);
    let found: BTreeMap<&Module, Vec<String>> = others.map(|module| (module, of(module))).filter(|(_, steps)| !steps.is_empty()).collect();
    assert_eq!(found, BTreeMap::new(), "edges between domains belong into compose/order.rs");
    assert_eq!(foreign_steps("let a = [crate::node::ids::IMAGES.on(x), ids::OWN.on(x), super::ids::OWN];"), ["node::ids::IMAGES"]);
}

/// Values of a cluster file, which know nothing of how they are decoded.
const VALUES: [&str; 2] = ["cluster", "address"];

/// What is wrong with the room of the cluster file.
fn disorder(all: &BTreeMap<Module, String>) -> Vec<String> {
    let arrows = arrows(all, "file");
    let mut found = Vec::new();
    for (module, used) in &arrows {
        let (shown, reached) = (module.join("/"), reached(&arrows, module));
        if reached.contains(module) {
            found.push(format!("{shown}.rs is in a circle"));
        }
        if VALUES.contains(&shown.as_str()) && reached.iter().any(|other| !VALUES.contains(&other.join("/").as_str())) {
            found.push(format!("{shown}.rs holds values and must not use {reached:?}"));
        }
        let [sections, section, ..] = module.as_slice() else { continue };
        if sections != "sections" {
            continue;
        }
        if used.iter().any(|other| other.len() > 1 && other[0] == *sections && other[1] != *section) {
            found.push(format!("{shown}.rs uses another section: what lies across is in across/"));
        }
        let list = tokens(all.get([sections.clone()].as_slice()).map(String::as_str).unwrap_or_default());
        let has = |words: &[&str]| list.windows(words.len()).any(|found| found == words);
        if !has(&["mod", section, ";"]) || !has(&[section, "::", "decode", "("]) {
            found.push(format!("{shown}.rs is not listed in sections/mod.rs"));
        }
    }
    found
}

#[test]
fn the_room_of_the_cluster_file_is_in_order() {
    let all = modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../provision/src/file"));
    let arrows = arrows(&all, "file");
    let of = |path: &str| path.split('/').map(str::to_owned).collect::<Module>();
    for (from, to) in [
        ("load", "across"),
        ("load", "tree"),
        ("cluster", "address"),
        ("sections", "sections/nodes"),
        ("sections/nodes", "sections/nodes/labels"),
        ("sections/kubernetes/encryption", "decode"),
        ("across/pools", "sections"),
    ] {
        assert!(arrows[&of(from)].contains(&of(to)), "the files were read: {from} uses {to}");
    }
    assert_eq!(disorder(&all), Vec::<String>::new());
}

#[test]
fn disorder_in_a_room_is_found() {
    let good = [
        ("", "mod address;\nmod cluster;\nmod decode;\nmod load;\nmod sections;\npub use cluster::Cluster;"),
        ("address", ""),
        ("cluster", "use super::address::Subnet;\n// not super::decode"),
        ("decode", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use super::*;\n}"),
        ("load", "use super::{cluster::Cluster, sections};"),
        ("sections", "\nmod nodes;\nmod ssh;\nlet all = (nodes::decode(), ssh::decode());"),
        ("sections/nodes", "use crate::file::decode;"),
        ("sections/ssh", "use crate::file::decode::{\n    a,\n    b};"),
    ];
    let all = |changed: &str, text: &'static str| {
        let files = good.into_iter().map(|(module, good)| (module, if module == changed { text } else { good }));
        let files = files.chain((changed == "sections/new").then_some((changed, text)));
        files.map(|(module, text)| (module.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect(), text.to_owned())).collect()
    };
    assert_eq!(disorder(&all("none", "")), Vec::<String>::new());
    for (changed, text, expected) in [
        ("cluster", "fn f() { super::decode::text() }", "cluster.rs holds values"),
        ("cluster", "use crate::file::{address::Subnet, sections::Nodes};", "cluster.rs holds values"),
        ("address", "use super::decode;", "cluster.rs holds values"),
        ("address", "use super::cluster::{self, Node};", "address.rs is in a circle"),
        ("decode", "use super::Cluster;", "decode.rs is in a circle"),
        ("sections/ssh", "use super::Sections;", "sections/ssh.rs is in a circle"),
        ("sections/ssh", "use super::nodes::Nodes;", "sections/ssh.rs uses another section"),
        ("sections/new", "", "sections/new.rs is not listed"),
    ] {
        let found = disorder(&all(changed, text));
        assert!(found.iter().any(|told| told.starts_with(expected)), "{changed}: {text}\n{found:?}");
    }
}
