//! The house: which crate may know which, and within a crate which domain, which room of a domain, which file of a room.
#![allow(clippy::unwrap_used)] // a test fails by it

#[path = "architecture/file.rs"]
mod file;
#[path = "architecture/ids.rs"]
mod ids;
#[path = "architecture/rooms.rs"]
mod rooms;
#[path = "architecture/sources.rs"]
mod sources;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A crate, and the crates of the workspace that it may depend on.
const ARROWS: [(&str, &[&str]); 10] = [
    ("kubestead-core", &[]),
    ("kubestead-storage", &["kubestead-core"]),
    ("kubestead-secrets", &["kubestead-core"]),
    ("kubestead-lab", &[]),
    ("kubestead-proof", &[]),
    ("kubestead-backend", &["kubestead-core"]),
    ("kubestead-provision", &["kubestead-core", "kubestead-storage", "kubestead-secrets"]),
    ("kubestead-py", &["kubestead-core", "kubestead-secrets", "kubestead-backend", "kubestead-provision"]),
    (
        "kubestead-cli",
        &["kubestead-core", "kubestead-storage", "kubestead-secrets", "kubestead-backend", "kubestead-provision", "kubestead-lab"],
    ),
    ("kubestead-embed", &["kubestead-core", "kubestead-storage", "kubestead-secrets", "kubestead-provision"]),
];
/// A crate, and another one that its tests alone may depend on.
const OF_TESTS: [(&str, &str); 1] = [("kubestead-provision", "kubestead-backend")];
/// Clients of machines and of the API: what works over traits knows none.
const CLIENTS: [&str; 3] = ["openssh", "kube", "k8s-openapi"];
const OVER_TRAITS: [&str; 4] = ["kubestead-core", "kubestead-storage", "kubestead-secrets", "kubestead-provision"];
/// Domains and core know no runtime either.
const PURE: [&str; 3] = ["kubestead-core", "kubestead-storage", "kubestead-secrets"];
const RUNTIME: &str = "tokio";

fn violations(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(n, _)| *n == name) else {
            found.push(format!("{name} is not in the picture"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let (other, shipped) = (dependency["name"].as_str().unwrap_or_default(), dependency["kind"].is_null());
            if other.starts_with("kubestead-") && !allowed.contains(&other) && (shipped || !OF_TESTS.contains(&(name, other))) {
                found.push(format!("{name} must not depend on {other}"));
            }
            if shipped && PURE.contains(&name) && other == RUNTIME {
                found.push(format!("{name} is pure and must not depend on {other}"));
            }
            if shipped && OVER_TRAITS.contains(&name) && CLIENTS.contains(&other) {
                found.push(format!("{name} works over traits and must not depend on {other}"));
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
        {"name": "kubestead-provision", "dependencies": [{"name": "kubestead-backend", "kind": null}, {"name": "kube", "kind": null}]},
        {"name": "kubestead-backend", "dependencies": [{"name": "kubestead-provision", "kind": "dev"}, {"name": "kube", "kind": null}]},
        {"name": "kubestead-new", "dependencies": []}]});
    let expected = [
        "kubestead-storage must not depend on kubestead-secrets",
        "kubestead-storage is pure and must not depend on tokio",
        "kubestead-provision must not depend on kubestead-backend",
        "kubestead-provision works over traits and must not depend on kube",
        "kubestead-backend must not depend on kubestead-provision",
        "kubestead-new is not in the picture",
    ];
    assert_eq!(violations(&bad), expected);
    let good = serde_json::json!({"packages": [
        {"name": "kubestead-provision", "dependencies": [{"name": "kubestead-backend", "kind": "dev"}, {"name": "tokio", "kind": null}]}]});
    assert_eq!(violations(&good), Vec::<String>::new());
}

/// All that a crate brings into a program, by others too.
fn brought(package: &str) -> BTreeSet<String> {
    let tree = ["tree", "-p", package, "--edges", "normal", "--prefix", "none", "--offline"];
    let output = std::process::Command::new(env!("CARGO")).args(tree).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn secrets_stand_alone() {
    let names = brought("kubestead-secrets");
    assert!(names.contains("kubestead-core") && names.contains("age"), "the tree was read: {names:?}");
    for other in CLIENTS.iter().chain(&[RUNTIME, "kubestead-provision", "kubestead-storage", "kubestead-backend", "kube-client", "hyper"]) {
        assert!(!names.contains(*other), "kubestead-secrets brings {other}");
    }
}

#[test]
fn a_program_that_brings_its_own_machines_gets_no_client_with_the_engine() {
    let names = brought("kubestead-provision");
    assert!(names.contains("kubestead-core") && names.contains(RUNTIME), "the tree was read: {names:?}");
    for other in CLIENTS.iter().chain(&["kubestead-backend", "kube-client", "hyper", "rustls"]) {
        assert!(!names.contains(*other), "kubestead-provision brings {other}");
    }
    let names = brought("kubestead-backend");
    assert!(CLIENTS.iter().filter(|other| **other != "k8s-openapi").all(|other| names.contains(*other)), "the tree was read: {names:?}");
    for other in ["kubestead-provision", "kubestead-storage", "kubestead-secrets"] {
        assert!(!names.contains(other), "kubestead-backend brings {other}");
    }
}

/// The sources of some crates that name another one.
fn naming(folders: &[&str], name: &str) -> Vec<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let all = folders.iter().flat_map(|folder| sources::modules(&crates.join(folder)));
    all.filter(|(_, text)| text.contains(name)).map(|(module, _)| module.join("/")).collect()
}

#[test]
fn the_backend_and_what_works_over_it_do_not_name_each_other() {
    assert_eq!(naming(&["provision/src", "core/src", "storage/src"], "kubestead_backend"), Vec::<String>::new());
    assert_eq!(naming(&["backend/src", "backend/tests"], "kubestead_provision"), Vec::<String>::new());
    assert_eq!(naming(&["provision/tests"], "kubestead_backend::ssh"), ["open_files", "ssh", "survey"], "sources are read");
}

/// The most lines that a source has. `STYLE.md` asks for fewer; above it a file has more than one subject.
const LINES: usize = 600;
/// What people write here and read.
const SOURCES: [&str; 7] = ["rs", "sh", "py", "pl", "go", "md", "toml"];

/// The sources in a folder and below it, with their numbers of lines; not what cargo made.
fn lines(folder: &Path, found: &mut Vec<(PathBuf, usize)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && !path.join("CACHEDIR.TAG").exists() {
            lines(&path, found);
        } else if path.extension().is_some_and(|kind| SOURCES.iter().any(|known| kind == *known)) {
            found.push((path.clone(), std::fs::read_to_string(&path).unwrap().lines().count()));
        }
    }
}

fn too_long(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    lines(folder, &mut found);
    assert!(!found.is_empty());
    found.iter().filter(|(_, count)| *count > LINES).map(|(path, count)| format!("{}: {count} lines", path.display())).collect()
}

#[test]
fn no_source_has_more_than_six_hundred_lines() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    assert_eq!(too_long(&top), Vec::<String>::new(), "split them along what they are about");
}

#[test]
fn a_source_that_is_too_long_is_found_and_what_cargo_made_is_not_looked_at() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lines");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("a/target")).unwrap();
    let file = |name: &str, count: usize| std::fs::write(folder.join(name), "x\n".repeat(count)).unwrap();
    file("a/good.rs", LINES);
    file("a/data.json", LINES + 1);
    file("a/target/CACHEDIR.TAG", 1);
    file("a/target/made.rs", LINES + 1);
    assert_eq!(too_long(&folder), Vec::<String>::new());
    file("a/bad.sh", LINES + 1);
    assert_eq!(too_long(&folder), [format!("{}: 601 lines", folder.join("a/bad.sh").display())]);
}
