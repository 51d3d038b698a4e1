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

use serde_json::Value;

/// A crate, and the crates of the workspace that it may depend on.
const ARROWS: [(&str, &[&str]); 9] = [
    ("kubestead-core", &[]),
    ("kubestead-storage", &["kubestead-core"]),
    ("kubestead-secrets", &["kubestead-core"]),
    ("kubestead-lab", &[]),
    ("kubestead-proof", &[]),
    ("kubestead-provision", &["kubestead-core", "kubestead-storage", "kubestead-secrets"]),
    ("kubestead-py", &["kubestead-core", "kubestead-secrets", "kubestead-provision"]),
    ("kubestead-cli", &["kubestead-core", "kubestead-storage", "kubestead-secrets", "kubestead-provision", "kubestead-lab"]),
    ("kubestead-embed", &["kubestead-core", "kubestead-storage", "kubestead-secrets", "kubestead-provision"]),
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
