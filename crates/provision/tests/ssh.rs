//! A session over the command's backend, against real sshds on loopback.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

#[allow(dead_code)] // the other half is for other tests
#[path = "../../backend/tests/sshd/mod.rs"]
mod sshd;

use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_core::event::Event;
use kubestead_core::twin::{Collect, Silent};
use kubestead_provision::file;
use kubestead_provision::session::{Goal, Session};
use sshd::{Sshd, works};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_that_do_not_give_their_lock_are_held_and_the_others_work() {
    let bad = "echo 'This account is currently not available.'; exit 1";
    let (Some(a), Some(b)) = (Sshd::with_lock_of_its_own(), Sshd::with_lock_of_its_own()) else { return };
    let (Some(c), Some(d)) = (Sshd::with_forced(bad), Sshd::with_forced(bad)) else { return };
    if !works(&a.connect().await).await {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // The first one's lock is taken alone, before the others': both ways must go on.
    let all = [(1, &c), (2, &a), (3, &d), (4, &b)];
    let block = |(n, sshd): (u8, &Sshd)| {
        std::fs::read_to_string(sshd.path("config")).unwrap().replace("Host *\n", &format!("Host 127.0.1.{n}\n  HostName 127.0.0.1\n"))
    };
    std::fs::write(dir.path().join("config"), all.map(block).concat()).unwrap();
    let nodes: String = all.map(|(n, _)| format!("  - {{name: kube{n}, address: 127.0.1.{n}, roles: [control-plane]}}\n")).concat();
    let text = format!("apiVersion: kubestead/v1\nkind: Cluster\nname: c\nssh: {{config: config}}\nnodes:\n{nodes}");
    let cluster = file::load("cluster.yaml", &text, dir.path()).unwrap();
    let session = Session::over(cluster, Arc::<Ssh>::default());
    let leases = session.lease().await.unwrap();
    assert_eq!(leases.len(), 2, "the others are ours");
    for sshd in [&a, &b] {
        assert!(sshd.connect().await.lease().await.unwrap().is_none(), "and nobody else's");
    }
    let plan = session.plan(&Goal::Up, &Silent).await.unwrap();
    let held: Vec<&str> = plan.held.iter().filter(|h| h.reason.contains("its lock was not given")).map(|h| h.object.as_str()).collect();
    assert_eq!(held, ["kube1", "kube3"], "{:?}", plan.held);
    assert!(plan.held.iter().all(|h| !["kube2", "kube4"].contains(&h.object.as_str())), "{:?}", plan.held);
    drop(leases);
}

/// A machine that is connected is looked at right then: by the time that silent ones are given up, its connection may be gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_is_looked_at_while_others_are_still_waited_for() {
    let Some(sshd) = Sshd::start("") else { return };
    if !works(&sshd.connect().await).await {
        return;
    }
    // It takes connections, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(sshd.path("config")).unwrap();
    let answers = config.replace("Host *\n", "Host 127.0.1.20\n  HostName 127.0.0.1\n");
    let mute: String = (1..=12).map(|n| format!("Host 127.0.1.{n}\n  HostName 127.0.0.1\n  Port {port}\n")).collect();
    std::fs::write(dir.path().join("config"), mute + &answers).unwrap();
    let node = |n: u8| format!("  - {{name: kube{n}, address: 127.0.1.{n}, roles: [control-plane]}}\n");
    let nodes: String = (1..=12).chain([20]).map(node).collect();
    let text = format!("apiVersion: kubestead/v1\nkind: Cluster\nname: c\nssh: {{config: config}}\nnodes:\n{nodes}");
    let cluster = file::load("cluster.yaml", &text, dir.path()).unwrap();
    let seen = Collect::default();
    Session::over(cluster, Arc::<Ssh>::default()).observe(&seen).await.unwrap();
    let order: Vec<(String, bool)> = seen
        .events()
        .into_iter()
        .filter_map(|event| if let Event::Seen { host, gap } = event { Some((host, gap.is_none())) } else { None })
        .collect();
    assert_eq!(order.len(), 13, "{order:?}");
    assert_eq!(order[0], ("kube20".to_owned(), true), "{order:?}");
    assert!(order[1..].iter().all(|(_, answered)| !answered), "{order:?}");
}
