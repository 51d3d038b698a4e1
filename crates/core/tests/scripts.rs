//! Every script of the crates is one that bash can read and that shellcheck has nothing to say about.

use std::path::Path;
use std::process::Command;

#[test]
fn every_script_is_one_that_bash_and_shellcheck_accept() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<_> = std::fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path().join("src")).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "sh") {
                found.push(path);
            }
        }
    }
    assert!(found.len() >= 4, "{found:?}");
    for script in &found {
        assert!(Command::new("bash").arg("-n").arg(script).status().unwrap().success(), "{}", script.display());
    }
    match Command::new("shellcheck").args(["-S", "warning", "-f", "gcc"]).args(&found).output() {
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout)),
        // The gate installs it; elsewhere bash alone has looked.
        Err(error) => assert!(std::env::var_os("CI").is_none(), "shellcheck: {error}"),
    }
}
