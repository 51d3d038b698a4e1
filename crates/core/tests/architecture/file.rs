//! The room of the cluster file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sources::{Module, arrows, modules, reached, tokens};

/// Values of a cluster file, which know nothing of how they are decoded.
const VALUES: [&str; 6] = ["cluster", "address", "api_server", "grants", "limits", "services"];

/// What is wrong with the room of the cluster file.
fn disorder(all: &BTreeMap<Module, String>) -> Vec<String> {
    let arrows = arrows(all, Some("file"));
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
    let arrows = arrows(&all, Some("file"));
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
