//! A chart with a secret on a real API server, which `crates/proof` starts. Skipped where none is given, or no helm.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "services/chart.rs"]
#[allow(dead_code)] // most of it is for other tests
mod chart;
#[path = "services/world.rs"]
#[allow(dead_code)] // most of it is for other tests
mod world;

use std::collections::BTreeSet;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chart::Folder;
use kubestead_backend::api::KubeApi;
use kubestead_core::kube::ObjectRef;
use world::{DEFINITION, World, held, ids, object};

fn kubectl(kubeconfig: &str, arguments: &[&str]) {
    let ran = Command::new(std::env::var("KUBECTL").unwrap()).args(["--kubeconfig", kubeconfig]).args(arguments).output().unwrap();
    assert!(ran.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

async fn password(world: &World<KubeApi>, secret: &ObjectRef) -> String {
    let live = world.get(secret).await.unwrap();
    String::from_utf8(STANDARD.decode(live["data"]["password"].as_str().unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_chart_with_a_secret_is_applied_put_back_and_pruned_on_a_real_api_server() {
    let Ok(kubeconfig) = std::env::var("KUBESTEAD_TEST_API") else {
        eprintln!("skipped: no API server");
        return;
    };
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let mut world = World::new(KubeApi::at(&text, "https://127.0.0.1:6443").unwrap());
    assert!(world.programs.helm.is_some(), "HELM names the real one");
    world.seal("a,b={c} 'd'");
    let folder = Folder::new(world.folder.path());
    folder.write("values/shop.yaml", "password: ${PW}\nhost: a.example\n");
    let values = folder.path("values/shop.yaml");
    let shop = |folder: &Folder| match folder.chart(&[&values]) {
        kubestead_provision::file::Source::Chart(chart) => {
            kubestead_provision::file::Source::Chart(kubestead_provision::file::Chart { namespace: world::name("default"), ..chart })
        }
        other => other,
    };
    world.service("base", &[], DEFINITION);
    world.from("shop", &["base"], shop(&folder));
    let plan = world.plan().await;
    assert!(plan.held.is_empty(), "{:?}", held(&plan));
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    let secret = object("v1", "Secret", "default", "shop");
    assert_eq!(password(&world, &secret).await, "u:a,b={c} 'd'");
    let plan = world.plan().await;
    assert!(plan.is_empty(), "the second plan: {:?} {:?}", ids(&plan), held(&plan));
    assert!(!serde_json::to_string(&world.facts().await).unwrap().contains(&STANDARD.encode("u:a,b={c} 'd'")));

    // A changed value is applied; what somebody else set asks.
    world.change("other");
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/manifests.shop/apply"]);
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    assert_eq!(password(&world, &secret).await, "u:other");
    let theirs = format!("{{\"data\": {{\"password\": \"{}\"}}}}", STANDARD.encode("theirs"));
    kubectl(&kubeconfig, &["-n", "default", "patch", "secret", "shop", "--type=merge", "-p", &theirs]);
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/secret.default.shop/overwrite"]);
    assert!(plan.steps[0].why.contains(".data.password (set by kubectl"), "{}", plan.steps[0].why);
    assert_eq!(world.run(&plan, &["cluster/secret.default.shop/overwrite"]).await, Vec::<String>::new());
    assert_eq!(password(&world, &secret).await, "u:other");
    let plan = world.plan().await;
    assert!(plan.is_empty(), "{:?} {:?}", ids(&plan), held(&plan));

    world.services.clear();
    let plan = world.plan().await;
    let asks: BTreeSet<String> = plan.steps.iter().filter(|step| step.needs_consent()).map(|step| step.id.0.clone()).collect();
    let consent: Vec<&str> = asks.iter().map(String::as_str).collect();
    assert_eq!(
        consent,
        ["cluster/customresourcedefinition.meshwork.kubestead.test/delete", "cluster/mesh.kubestead.test.default.m/delete"]
    );
    assert_eq!(world.run(&plan, &consent).await, Vec::<String>::new());
    let plan = world.plan().await;
    assert!(plan.is_empty(), "{:?} {:?}", ids(&plan), held(&plan));
    assert!(world.get(&secret).await.is_none());
}
