//! Manual pages, which packages ship.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::collections::BTreeMap;
use std::process::Command;

#[test]
fn every_command_has_a_manual_page_and_a_second_time_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man/man1");
    let write = || {
        assert!(Command::new(env!("CARGO_BIN_EXE_kubestead")).arg("man").arg(&pages).status().unwrap().success());
        let names = std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(|name| (name.clone(), std::fs::read_to_string(pages.join(&name)).unwrap())).collect::<BTreeMap<_, _>>()
    };
    let first = write();
    for page in ["kubestead.1", "kubestead-up.1", "kubestead-secret-edit.1", "kubestead-volume-unlock.1"] {
        assert!(first[page].contains(".SH NAME") && first[page].contains(".SH SYNOPSIS"), "{page}");
    }
    assert_eq!(first, write());
}
