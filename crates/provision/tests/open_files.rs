//! The limit of open files of this program, which is one of a whole process: so it has a test program of its own, with one test.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::fmt::Write as _;
use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_provision::file;
use kubestead_provision::fleet::Fleet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[tokio::test]
async fn the_limit_of_open_files_is_raised_for_many_machines_or_named_before_any_is_connected() {
    let limit = |current, maximum| setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: Some(maximum) }).unwrap();
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 16);
    let mut text = "apiVersion: kubestead/v1\nkind: Cluster\nname: c\nnodes:\n".to_owned();
    for n in 1..=100 {
        writeln!(text, "  - {{name: kube{n}, address: 192.0.2.{n}, roles: [control-plane]}}").unwrap();
    }
    let cluster = file::load("cluster.yaml", &text, std::path::Path::new("/x")).unwrap();
    // 16 a machine, and 128.
    let needed = 1728;
    assert!(hard >= needed, "this test needs {needed} open files allowed: ulimit -Hn");

    limit(256, hard);
    let one = Fleet::over(cluster.logins().into_iter().take(1), Arc::<Ssh>::default());
    assert_eq!(getrlimit(Resource::Nofile).current, Some(256), "one machine needs no more than there is");
    let fleet = Fleet::over(cluster.logins(), Arc::<Ssh>::default());
    assert!(getrlimit(Resource::Nofile).current.unwrap() >= needed, "raised, as far as we may");
    assert!(one.failed().is_empty() && fleet.failed().is_empty(), "nothing was asked yet");

    limit(256, needed - 1);
    let fleet = Fleet::over(cluster.logins(), Arc::<Ssh>::default());
    fleet.connect().await;
    let failed = fleet.failed();
    assert_eq!(failed.len(), 100, "none is connected");
    for (name, error) in failed {
        let told = error.to_string();
        assert!(told.starts_with(name.as_str()) && told.contains("ulimit -n 1728") && told.contains("100 machines"), "{told}");
        assert!(!told.contains("try it"), "ssh was not started: {told}");
    }
}
