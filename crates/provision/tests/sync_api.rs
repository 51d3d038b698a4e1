//! Volumes that are kept the same, on a real API server, which `crates/proof` starts. Skipped where none is given.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "services/given.rs"]
mod given;
#[path = "services/world.rs"]
#[allow(dead_code)] // each test program has what it needs of it
mod world;

use std::path::Path;

use given::{asks, kubeconfig, kubectl, plan};
use kubestead_backend::api::KubeApi;
use kubestead_provision::service;
use world::{World, held, ids, object};

const EXAMPLE: &str = include_str!("../../../examples/sync/cluster.yaml");

async fn ran(world: &World<KubeApi>) {
    let plan = plan(world).await;
    assert!(plan.held.is_empty(), "{:?}", held(&plan));
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    let again = self::plan(world).await;
    assert!(again.is_empty(), "{:?} {:?}", ids(&again), held(&again));
}

/// How the sync is, as `status` says it at a time in seconds since 1970.
async fn told(world: &World<KubeApi>, now: i64) -> (bool, String) {
    let facts = world.facts().await;
    let states = service::states(&world.wish(), &facts, &world.records().await, now);
    states.into_iter().find(|state| state.name == "sync").map(|state| (state.good, state.words)).unwrap()
}

#[tokio::test]
async fn the_sync_is_applied_told_by_the_age_of_its_rounds_follows_the_file_and_leaves_nothing() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let mut world = given::world(&kubeconfig);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sync");
    asks(&mut world, EXAMPLE, &folder);
    ran(&world).await;
    let rounds = object("batch/v1", "CronJob", "web", "sync-web-web-1");
    let made = world.get(&rounds).await.unwrap()["metadata"]["creationTimestamp"].as_str().unwrap().to_owned();
    let made = made.parse::<jiff::Timestamp>().unwrap().as_second();

    let age = |seconds: i64| made + seconds;
    let deployment = "; Deployment web/sync-web: ";
    let before = told(&world, age(60)).await;
    assert!(before.1.contains("web/sync-web-web-1: no good round in the 60 s") && before.1.contains(deployment), "{before:?}");
    let status = format!(r#"{{"status": {{"lastSuccessfulTime": "{}"}}}}"#, jiff::Timestamp::from_second(age(100)).unwrap());
    kubectl(&kubeconfig, &["-n", "web", "patch", "cronjob", "sync-web-web-1", "--subresource=status", "--type=merge", "-p", &status]);
    assert!(plan(&world).await.is_empty(), "what its controller writes is no difference");
    assert!(told(&world, age(100 + 240)).await.1.contains("web/sync-web-web-1: last good round 4 min ago"));
    let warned = told(&world, age(100 + 1900)).await;
    assert!(!warned.0 && warned.1.contains("31 min ago, warned of after 30 min"), "{warned:?}");
    let critical = told(&world, age(100 + 8000)).await;
    assert!(!critical.0 && critical.1.contains("critical after 2 h: kubectl -n web get jobs"), "{critical:?}");

    // What is edited by hand is put back; another spoke comes, and one goes.
    kubectl(&kubeconfig, &["-n", "web", "delete", "cronjob", "sync-web-web-1"]);
    ran(&world).await;
    assert!(world.get(&rounds).await.is_some());
    asks(&mut world, &EXAMPLE.replace("web-1: {", "west: {"), &folder);
    ran(&world).await;
    let other = object("batch/v1", "CronJob", "web", "sync-web-west");
    assert!(world.get(&rounds).await.is_none() && world.get(&other).await.is_some());

    // It leaves, and what it was about stays.
    asks(&mut world, EXAMPLE.split("services:\n").next().unwrap(), &folder);
    let leaves = plan(&world).await;
    assert!(leaves.steps.iter().all(|step| !step.needs_consent()), "{leaves:?}");
    assert_eq!(world.run(&leaves, &[]).await, Vec::<String>::new());
    let empty = plan(&world).await;
    assert!(empty.is_empty(), "{:?} {:?}", ids(&empty), held(&empty));
    for (version, kind, name) in
        [("batch/v1", "CronJob", "sync-web-west"), ("apps/v1", "Deployment", "sync-web"), ("v1", "ConfigMap", "sync-web")]
    {
        assert!(world.get(&object(version, kind, "web", name)).await.is_none(), "{kind} {name}");
    }
    assert!(world.get(&object("apps/v1", "StatefulSet", "web", "web")).await.is_some());
    asks(
        &mut world,
        "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nnodes: [{name: kube1, address: 10.0.0.1, roles: [control-plane]}]\n\
        kubernetes: {version: 1.37.1, bundle: /b}\n",
        &folder,
    );
    world.run(&plan(&world).await, &["cluster/statefulset.web.web/delete"]).await;
    // No controller empties a namespace here, so its end is said for one: nothing is left for whoever asks the same server next.
    kubectl(&kubeconfig, &["delete", "namespace", "web", "--wait=false"]);
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}, "spec": {"finalizers": []}}"#)
        .unwrap();
    kubectl(&kubeconfig, &["replace", "--raw", "/api/v1/namespaces/web/finalize", "-f", body.path().to_str().unwrap()]);
    let last = plan(&world).await;
    assert_eq!((world.run(&last, &[]).await, held(&last).len()), (Vec::new(), 0));
    let empty = plan(&world).await;
    assert!(empty.is_empty(), "{:?} {:?}", ids(&empty), held(&empty));
}
