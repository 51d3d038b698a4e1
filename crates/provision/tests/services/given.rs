//! Services on a real API server, which `crates/proof` gives.
#![allow(dead_code, clippy::print_stdout)] // each test program has what it needs of it; a test says that it skips

use std::path::Path;
use std::process::Command;

use kubestead_backend::api::KubeApi;
use kubestead_core::plan::Plan;
use kubestead_provision::file::load;
use kubestead_provision::service::Action;

use crate::world::World;

/// The kubeconfig of the API server. `None`, and said, where none is given.
pub(crate) fn kubeconfig() -> Option<String> {
    let given = std::env::var("KUBESTEAD_TEST_API").ok();
    if given.is_none() {
        println!("skipped: no API server was given; `make prove ONLY=\"API server\"` starts one");
    }
    given
}

pub(crate) fn world(kubeconfig: &str) -> World<KubeApi> {
    World::new(KubeApi::at(&std::fs::read_to_string(kubeconfig).unwrap(), "https://127.0.0.1:6443").unwrap())
}

/// Changes something as other people do it.
pub(crate) fn kubectl(kubeconfig: &str, arguments: &[&str]) {
    let ran = Command::new(std::env::var("KUBECTL").unwrap()).args(["--kubeconfig", kubeconfig]).args(arguments).output().unwrap();
    assert!(ran.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// What the cluster file asks for from now on. What it names lies in the folder.
pub(crate) fn asks(world: &mut World<KubeApi>, file: &str, folder: &Path) {
    let cluster = load("cluster.yaml", file, folder).unwrap();
    world.services.clone_from(&cluster.manifests);
    world.cluster = Some(cluster);
}

/// Without waiting for what no controller rolls out here.
pub(crate) async fn plan(world: &World<KubeApi>) -> Plan<Action> {
    let mut plan = world.plan().await;
    plan.steps.retain(|step| !matches!(step.action, Action::Ready { .. }));
    plan
}
