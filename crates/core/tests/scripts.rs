//! Every script of the crates is one that bash can read and that shellcheck has nothing to say about.

use std::path::{Path, PathBuf};
use std::process::Command;

fn scripts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, found);
        } else if path.extension().is_some_and(|e| e == "sh") {
            found.push(path);
        }
    }
}

#[test]
fn every_script_is_one_that_bash_and_shellcheck_accept() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(crates).unwrap() {
        let source = entry.unwrap().path().join("src");
        scripts(&source, &mut found);
    }
    assert!(found.len() >= 4, "{found:?}");
    let status = Command::new("bash").arg("-n").args(&found).status().unwrap();
    assert!(status.success());
    match Command::new("shellcheck").args(["-S", "warning", "-f", "gcc"]).args(&found).output() {
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout)),
        // The gate installs it; elsewhere bash alone has looked.
        Err(error) => assert!(std::env::var_os("CI").is_none(), "shellcheck: {error}"),
    }
}
