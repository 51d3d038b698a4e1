//! The plan of an example as it is printed: of two machines that are made, one that is not, and a key server. `UPDATE=1` writes the goldens anew.
#![allow(clippy::unwrap_used)] // a test fails by it

#[allow(dead_code)] // most of it is for the fuzzer of provision
#[path = "../../provision/tests/answers/mod.rs"]
mod answers;

use std::path::Path;
use std::process::Command;

use answers::{CORPUS, World};
use kubestead_provision::facts;

fn holds(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{} is not what is printed now (UPDATE=1 writes it anew):\n{text}", path.display());
}

#[test]
fn the_plan_of_the_example_is_as_it_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new();
    let taken = "2026-11-27T14:01:47Z".parse().unwrap();
    std::fs::write(dir.path().join("cluster.yaml"), include_str!("../../../examples/three-nodes/cluster.yaml")).unwrap();
    std::fs::write(dir.path().join("facts.json"), facts::text(&world.cluster, &world.look(&CORPUS), taken).unwrap()).unwrap();
    for (name, more) in [("plan.txt", None), ("plan-diff.txt", Some("--diff"))] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubestead"));
        command.args(["plan", "--facts", "facts.json"]).args(more).current_dir(dir.path()).env("HOME", dir.path());
        let ran = command.env_remove("KUBESTEAD_FILE").env_remove("CLICOLOR_FORCE").output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(4), "{text}");
        holds(name, &text.replace(dir.path().to_str().unwrap(), "/home/me"));
    }
}
