//! Kubeconfigs of a host that somebody has taken over: nothing of them runs, opens a file or goes anywhere else.
#![allow(clippy::unwrap_used)] // a test fails by it

use kubestead_backend::api::KubeApi;

const GOOD: &str = include_str!("../../core/tests/admin.conf");
const USER: &str = "    client-key-data: ";

/// The good one with more lines of its user.
fn with(lines: &str) -> String {
    assert_eq!(GOOD.matches(USER).count(), 1);
    GOOD.replace(USER, &format!("{lines}{USER}"))
}

/// A kubeconfig can name a program, which clients run where they read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_named_does_not_run_and_no_file_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (canary, program) = (dir.path().join("ran"), dir.path().join("program"));
    std::fs::write(&program, format!("#!/bin/sh\ntouch {}\n", canary.display())).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let exec = format!(
        "    exec: {{apiVersion: client.authentication.k8s.io/v1, command: {}, interactiveMode: Never, provideClusterInfo: false}}\n",
        program.display()
    );
    let provider = format!("    auth-provider: {{name: gcp, config: {{cmd-path: {}, cmd-args: x}}}}\n", program.display());
    let file = format!("    tokenFile: {}\n", dir.path().join("fifo").display());
    for lines in [exec, provider, file] {
        // With and without the certificate that would come first.
        let without: String = with(&lines).lines().filter(|l| !l.contains("client-")).map(|l| format!("{l}\n")).collect();
        for text in [with(&lines), without] {
            assert!(KubeApi::at(&text, "https://127.0.0.1:1").is_err(), "{text}");
        }
    }
    assert!(!canary.exists(), "the program of a host's kubeconfig ran here");
    KubeApi::at(GOOD, "https://127.0.0.1:1").map(|_| ()).unwrap();
}
