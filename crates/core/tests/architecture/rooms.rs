//! The domains and their rooms: what a domain must have, which of its rooms may know which, and which other domain it may know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::sources::{Module, arrows, modules, named, reached};

/// What every domain has: what shall be, what can be done and what its steps are called, what is, what is left to do, how it is done, and what must not be done.
const ROOMS: [&str; 7] = ["spec", "action", "ids", "observe", "plan", "apply", "check"];

/// A domain that changes something, and what it has beside [`ROOMS`] that others build on.
const DOMAINS: [(&str, &[&str]); 9] = [
    ("storage", &["error", "model"]),
    ("node", &[]),
    ("kubelet", &["error", "model"]),
    ("keyserver", &["error"]),
    ("kubeadm", &["error"]),
    ("encryption", &["error", "model"]),
    ("objects", &["error"]),
    ("secret", &["error"]),
    ("service", &["error", "model"]),
];

/// A room of a domain, and the rooms that it never needs, not even by others: what is done is known without knowing why.
const NEVER: [(&str, &[&str]); 9] = [
    ("spec", &["action", "observe", "plan", "apply", "check", "model"]),
    ("facts", &["action", "observe", "plan", "apply", "check", "model"]),
    ("action", &["observe", "plan", "apply", "check", "model"]),
    ("ids", &["action", "observe", "plan", "apply", "check", "model"]),
    ("observe", &["action", "plan", "apply", "check", "model"]),
    ("plan", &["apply", "check", "model"]),
    ("apply", &["plan", "check", "model"]),
    ("check", &["plan", "apply", "model"]),
    ("model", &["plan", "apply", "check"]),
];

/// A domain and another one that it may know, and why.
const ARROWS: [(&str, &str, &str); 6] = [
    ("kubeadm", "encryption", "init lays the first configuration of encryption at rest, and the API server's mounts are kubeadm's"),
    ("kubeadm", "objects", "what a cluster can never change is read from what its API says"),
    ("secret", "objects", "Secrets are objects of the cluster, with its labels, annotations and lists"),
    (
        "service",
        "objects",
        "what users' files ask for are objects of the cluster: told apart, kept before they are taken over, and waited for as kubestead's own",
    ),
    (
        "service",
        "secret",
        "what opens files of sops, and keeps their values out of the words of others, is the same for Secrets of services",
    ),
    ("keyserver", "machine", "the doctor reads clocks as the look at a machine does"),
];

/// Folders without rooms: of values that all may know, of what only looks, of what drives machines, and of what is not a part of a plan.
const VALUES: [&str; 2] = ["file", "releases"];
const OTHERS: [&str; 4] = ["machine", "survey", "compose", "doctor"];

/// What drives machines, or puts domains together, and is known to no domain.
const ABOVE: [&str; 9] = ["access", "compose", "doctor", "key_servers", "engine", "facts", "fleet", "rights", "session"];
/// What of core is for those, and for backends.
const BELOW: [&str; 2] = ["kubestead_core", "transport"];

/// The folder of a domain, and what it is called within its crate.
fn home(domain: &str) -> (PathBuf, Option<&str>) {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if domain == "storage" { (crates.join("storage/src"), None) } else { (crates.join("provision/src").join(domain), Some(domain)) }
}

/// What other module of its crate a domain's module knows.
fn others(domain: &str, module: &Module, text: &str) -> BTreeSet<String> {
    let outside = |path: Module| match path.split_first() {
        Some((first, rest)) if first == "crate" => rest.first().cloned(),
        _ => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            (ups > module.len()).then(|| path.get(ups).cloned())?
        }
    };
    named(text).into_iter().filter_map(outside).filter(|other| other != domain).collect()
}

/// Which room uses which: a file and the folder of its name are one.
fn walls(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeMap<Module, BTreeSet<Module>> {
    let room = |module: &Module| module[..module.len().min(1)].to_vec();
    let mut found: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, used) in arrows.iter().filter(|(module, _)| !module.is_empty()) {
        found.entry(room(module)).or_default().extend(used.iter().map(room).filter(|other| *other != room(module)));
    }
    found
}

/// What is wrong with the rooms of one domain.
fn rooms(domain: &str, name: Option<&str>, all: &BTreeMap<Module, String>) -> Vec<String> {
    let mut found = Vec::new();
    let extra = DOMAINS.iter().find(|(known, _)| *known == domain).map_or(&[][..], |(_, extra)| extra);
    let missing = ROOMS.iter().chain(extra).filter(|room| !all.contains_key([(**room).to_owned()].as_slice()));
    found.extend(missing.map(|room| format!("{domain} has no {room}.rs")));
    for ((module, text), (_, used)) in all.iter().zip(&arrows(all, name)) {
        let shown = module.join("/");
        if !module.is_empty() && used.contains(&Module::new()) {
            found.push(format!("{domain}/{shown}.rs takes from its own mod.rs"));
        }
        if module.first().is_some_and(|room| room != "action") && text.contains("pub enum Action ") {
            found.push(format!("{domain}/{shown}.rs has the actions, which belong in action.rs"));
        }
    }
    let walls = walls(&arrows(all, name));
    for room in walls.keys() {
        let reached = reached(&walls, room);
        if reached.contains(room) {
            found.push(format!("{domain}/{}.rs is in a circle", room.join("/")));
        }
        let never = NEVER.iter().filter(|(known, _)| room.first().is_some_and(|room| room == known)).flat_map(|(_, never)| *never);
        for other in never.filter(|other| reached.iter().any(|reached| reached.first().is_some_and(|reached| reached == *other))) {
            found.push(format!("{domain}/{}.rs must not use {other}.rs", room.join("/")));
        }
    }
    found
}

/// What is wrong between a domain of `provision`, which has these folders, and what else is there; and what it knows.
fn between(domain: &str, folders: &BTreeSet<String>, all: &BTreeMap<Module, String>) -> (Vec<String>, BTreeSet<String>) {
    let (mut found, mut known) = (Vec::new(), BTreeSet::new());
    for (module, text) in all {
        for other in others(domain, module, text) {
            let allowed = ARROWS.iter().any(|(from, to, _)| *from == domain && *to == other);
            if ABOVE.contains(&other.as_str()) || (folders.contains(&other) && !allowed && !VALUES.contains(&other.as_str())) {
                found.push(format!("{domain}/{}.rs must not use {other}", module.join("/")));
            }
            known.insert(other);
        }
    }
    (found, known)
}

/// The folders of `provision`, each a module.
fn folders() -> BTreeSet<String> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../provision/src")).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.path().join("mod.rs").exists()).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// What of a domain knows how machines are connected.
fn connects(domain: &str, all: &BTreeMap<Module, String>) -> Vec<String> {
    let found = all.iter().filter(|(_, text)| named(text).iter().any(|path| path.starts_with(&BELOW.map(str::to_owned))));
    found.map(|(module, _)| format!("{domain}/{}.rs must not use {}", module.join("/"), BELOW.join("::"))).collect()
}

#[test]
fn every_domain_has_its_rooms_and_no_room_knows_what_it_must_not() {
    let mut found = Vec::new();
    for (domain, _) in DOMAINS {
        let (folder, name) = home(domain);
        let all = modules(&folder);
        found.extend(connects(domain, &all));
        let of = |room: &str| vec![room.to_owned()];
        assert!(arrows(&all, name)[&of("plan")].contains(&of("action")), "the files of {domain} were read: its planner knows its actions");
        found.extend(rooms(domain, name, &all));
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn no_domain_knows_another_or_what_drives_machines() {
    let (folders, mut found, mut unused) = (folders(), Vec::new(), Vec::new());
    let listed = DOMAINS.map(|(domain, _)| domain).into_iter().filter(|domain| *domain != "storage").chain(VALUES).chain(OTHERS);
    assert_eq!(folders, listed.map(str::to_owned).collect(), "a folder is a domain, or is listed as something else");
    for domain in DOMAINS.map(|(domain, _)| domain).into_iter().chain(["machine"]).filter(|domain| *domain != "storage") {
        let (wrong, known) = between(domain, &folders, &modules(&home(domain).0));
        found.extend(wrong);
        unused.extend(
            ARROWS.iter().filter(|(from, to, _)| *from == domain && !known.contains(*to)).map(|(from, to, _)| format!("{from} to {to}")),
        );
    }
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(unused, Vec::<String>::new(), "arrows that nothing uses any more");
}

fn house(files: &[(&str, &str)]) -> BTreeMap<Module, String> {
    let module = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    files.iter().map(|(path, text)| (module(path), (*text).to_owned())).collect()
}

#[test]
fn a_wall_that_is_broken_is_found() {
    let good = [
        ("", "mod spec;\nmod action;\nmod ids;\nmod observe;\nmod plan;\nmod apply;\nmod check;\npub use action::Action;"),
        ("spec", "pub struct Spec;"),
        ("action", "use super::spec::Spec;\npub enum Action {}"),
        ("observe", "use super::spec::Spec;\nuse super::other::read;\n#[cfg(test)]\nmod tests {\n    use super::super::plan::plan;\n}"),
        ("ids", "pub const DO: Deed = deed();"),
        ("other", "use super::spec::Spec;"),
        ("plan", "mod part;\nuse super::action::Action;\n// super::apply"),
        ("plan/part", "use crate::node::{action::Action, observe::Facts};"),
        ("apply", "use super::action::Action;\nuse crate::bundle::Bundle;"),
        ("check", "use super::{action::Action, observe::Facts};"),
    ];
    let changed = |path: &str, text: &'static str| {
        let files = good.iter().filter(|(own, _)| *own != path).copied().chain((text != "-").then_some((path, text)));
        house(&files.collect::<Vec<_>>())
    };
    let all = house(&good);
    assert_eq!(rooms("node", Some("node"), &all), Vec::<String>::new());
    for (path, text, expected) in [
        ("check", "-", "node has no check.rs"),
        ("ids", "-", "node has no ids.rs"),
        ("ids", "use super::observe::Facts;", "node/ids.rs must not use observe.rs"),
        ("apply", "use super::plan::stuff;", "node/apply.rs must not use plan.rs"),
        ("apply", "fn f() { crate::node::plan::part::stuff() }", "node/apply.rs must not use plan.rs"),
        ("action", "use super::observe::Facts;", "node/action.rs must not use observe.rs"),
        ("check", "use super::plan::{part::stuff};", "node/check.rs must not use plan.rs"),
        ("spec", "use super::action::Action;", "node/spec.rs is in a circle"),
        ("plan/part", "use crate::node::apply::stuff;", "node/plan.rs must not use apply.rs"),
        ("other", "use super::observe::Facts;\nuse super::spec::Spec;", "node/other.rs is in a circle"),
        ("check", "use super::Action;", "node/check.rs takes from its own mod.rs"),
        ("plan", "use super::action::X;\npub enum Action {}", "node/plan.rs has the actions"),
    ] {
        let found = rooms("node", Some("node"), &changed(path, text));
        assert!(found.iter().any(|line| line.starts_with(expected)), "{path}: {text}: {found:?}");
    }
    let folders = BTreeSet::from(["node".to_owned(), "kubeadm".to_owned(), "file".to_owned()]);
    assert_eq!(between("node", &folders, &all), (Vec::new(), BTreeSet::from(["bundle".to_owned()])));
    for (text, other) in [
        ("use crate::kubeadm::KubeadmSpec;", "kubeadm"),
        ("use super::super::kubeadm::KubeadmSpec;", "kubeadm"),
        ("fn f() { crate::kubeadm::apply() }", "kubeadm"),
        ("use crate::{session::Session, bundle};", "session"),
    ] {
        assert_eq!(between("node", &folders, &changed("apply", text)).0, [format!("node/apply.rs must not use {other}")], "{text}");
    }
    assert_eq!(connects("node", &all), Vec::<String>::new());
    let apply = changed("apply", "use kubestead_core::{host::Host, transport::Remote};");
    assert_eq!(connects("node", &apply), ["node/apply.rs must not use kubestead_core::transport"]);
}

#[test]
fn what_is_for_tests_alone_is_left_out_and_what_follows_it_is_not() {
    let text = "#[cfg(test)]\nmod fixture;\nuse super::one;\n#[cfg(test)]\npub(crate) fn f() {\n    super::two::g();\n}\nuse super::three;\n\
        #[cfg(test)]\nmod tests {\n    use super::four;\n}\n";
    let found: Vec<String> = named(text).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["super::one", "super::three"]);
}
