//! The programs do what they show: each runs, and prints just this.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::process::Command;

fn prints(program: &str, expected: &str) {
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{program}");
}

#[test]
fn a_plan_of_a_value_that_is_built_in_code() {
    prints(env!("CARGO_BIN_EXE_plan"), include_str!("plan.txt"));
}

#[test]
fn a_host_and_a_transport_of_ones_own() {
    prints(env!("CARGO_BIN_EXE_transport"), include_str!("transport.txt"));
}

#[test]
fn a_sops_file_is_read() {
    prints(env!("CARGO_BIN_EXE_sops"), include_str!("sops.txt"));
}

#[test]
fn a_report_of_what_is_held() {
    prints(env!("CARGO_BIN_EXE_held"), include_str!("held.txt"));
}
