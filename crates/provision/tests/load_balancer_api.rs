//! What gives Services addresses, on a real API server with the definitions of its kinds, which `crates/proof` gives. Skipped where none is given.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "services/given.rs"]
mod given;
#[path = "services/world.rs"]
#[allow(dead_code)] // each test program has what it needs of it
mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use given::{asks, kubeconfig, kubectl, plan};
use kubestead_core::plan::Plan;
use kubestead_provision::service::Action;
use serde_json::json;
use world::{held, ids, object};

const FILE: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nnodes: [{name: kube1, address: 10.0.0.1, roles: [control-plane]}]\n\
    kubernetes: {version: 1.37.1, bundle: /b}\n";
const SERVICES: &str =
    "services:\n  loadBalancer:\n    addresses: [10.0.0.64-10.0.0.79]\n    interfaces: [eth0]\n    definitions: {path: metallb.yaml}\n";
const POOL: (&str, &str, &str, &str) = ("metallb.io/v1beta1", "IPAddressPool", "metallb", "addresses");

fn asked(plan: &Plan<Action>) -> Vec<&str> {
    plan.steps.iter().filter(|step| step.needs_consent()).map(|step| step.id.0.as_str()).collect()
}

#[tokio::test]
async fn addresses_of_services_are_objects_that_follow_the_file_are_put_back_and_leave_nothing_on_a_real_api_server() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let definitions = std::env::var("KUBESTEAD_TEST_DEFINITIONS").unwrap();
    let (definitions, mut world) = (Path::new(&definitions), given::world(&kubeconfig));
    let file = |services: &str| format!("{FILE}{services}");
    let get = |(api_version, kind, namespace, name)| object(api_version, kind, namespace, name);
    asks(&mut world, &file(SERVICES), definitions);
    let first = plan(&world).await;
    assert!(first.held.is_empty() && asked(&first).is_empty(), "{first:?}");
    assert_eq!(world.run(&first, &[]).await, Vec::<String>::new());
    let second = plan(&world).await;
    assert!(second.is_empty(), "the second plan: {:?} {:?}", ids(&second), held(&second));
    assert_eq!(world.get(&get(POOL)).await.unwrap()["spec"]["addresses"], json!(["10.0.0.64-10.0.0.79"]));
    let definition = get(("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "bgppeers.metallb.io"));
    assert_eq!(world.get(&definition).await.unwrap()["spec"]["conversion"]["strategy"], "None");

    // An edit of the file is one of the objects that it is about, and of no other.
    asks(&mut world, &file(&SERVICES.replace("-10.0.0.79", "-10.0.0.70")), definitions);
    let changed = plan(&world).await;
    assert_eq!(ids(&changed), ["cluster/manifests.load-balancer/apply"]);
    let Action::Apply { manifests, .. } = &changed.steps[0].action else { panic!("{changed:?}") };
    assert_eq!(manifests.iter().filter_map(|manifest| manifest["kind"].as_str()).collect::<Vec<_>>(), ["IPAddressPool"]);
    assert_eq!(world.run(&changed, &[]).await, Vec::<String>::new());
    assert!(plan(&world).await.is_empty());

    // What MetalLB says of its pool is MetalLB's; what somebody else says of our fields asks, and is put back.
    let pool = ["-n", "metallb", "patch", "ipaddresspool", "addresses", "--type=merge"];
    let counts = r#"{"status": {"assignedIPv4": 1, "assignedIPv6": 0, "availableIPv4": 6, "availableIPv6": 0}}"#;
    kubectl(&kubeconfig, &[&pool[..], &["--subresource=status", "-p", counts]].concat());
    assert!(plan(&world).await.is_empty(), "{:?}", ids(&plan(&world).await));
    kubectl(&kubeconfig, &[&pool[..], &["-p", r#"{"spec": {"addresses": ["10.0.0.1/32"]}}"#]].concat());
    let edited = plan(&world).await;
    assert_eq!(asked(&edited), ["cluster/ipaddresspool.metallb.io.metallb.addresses/overwrite"]);
    assert_eq!(world.run(&edited, &asked(&edited)).await, Vec::<String>::new());
    assert!(plan(&world).await.is_empty());

    // Without it its kinds, its namespace and the objects of these kinds ask, one by one; all else goes.
    asks(&mut world, &file(""), definitions);
    let leaves = plan(&world).await;
    let consent: Vec<&str> = asked(&leaves).into_iter().filter(|id| !id.starts_with("cluster/namespace.")).collect();
    assert!(asked(&leaves).contains(&"cluster/namespace.metallb/delete"), "{leaves:?}");
    assert!(consent.iter().all(|id| id.contains("metallb.io")), "{consent:?}");
    // No controller empties a namespace here.
    assert_eq!(world.run(&leaves, &consent).await, Vec::<String>::new());
    for object in [
        get(("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "ipaddresspools.metallb.io")),
        get(("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "l2advertisements.metallb.io")),
        get(("apps/v1", "DaemonSet", "metallb", "speaker")),
        get(("rbac.authorization.k8s.io/v1", "ClusterRole", "", "kubestead-load-balancer-speaker")),
        definition,
    ] {
        // The server takes a definition away when it has taken all of its kind.
        let limit = Instant::now() + Duration::from_secs(60);
        while world.get(&object).await.is_some() {
            assert!(Instant::now() < limit, "{object} is left");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
