//! The gateway and what issues certificates, on a real API server with the definitions of their kinds, which `crates/proof` gives. Skipped where none is given.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "services/given.rs"]
mod given;
#[path = "services/world.rs"]
#[allow(dead_code)] // each test program has what it needs of it
mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use given::{asks, kubeconfig, kubectl, plan};
use kubestead_provision::service::Action;
use world::{held, ids, object};

const FILE: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nnodes: [{name: kube1, address: 10.0.0.1, roles: [control-plane]}]\n\
    kubernetes: {version: 1.37.1, bundle: /b}\n";
const SERVICES: &str = "services:\n  gateway:\n    nodes: [kube1]\n    hosts: {a.kubestead.io: {issuer: staging}}\n    tcp: {git: {port: 2222}}\n    ingressClass: nginx\n    \
    definitions: {path: gateway.yaml}\n  certificates: {issuers: {staging: {}}, definitions: {path: certificates.yaml}}\n";

#[tokio::test]
async fn the_gateway_and_certificates_are_applied_with_their_kinds_changed_and_put_back_on_a_real_api_server() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let definitions = std::env::var("KUBESTEAD_TEST_DEFINITIONS").unwrap();
    let (definitions, mut world) = (Path::new(&definitions), given::world(&kubeconfig));
    let file = |services: &str| format!("{FILE}{services}");
    asks(&mut world, &file(SERVICES), definitions);
    let first = plan(&world).await;
    assert!(first.held.is_empty() && first.steps.iter().all(|step| !step.needs_consent()), "{first:?}");
    assert_eq!(world.run(&first, &[]).await, Vec::<String>::new());
    let second = plan(&world).await;
    assert!(second.is_empty(), "the second plan: {:?} {:?}", ids(&second), held(&second));
    let kind = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "tcproutes.gateway.networking.k8s.io");
    let versions = world.get(&kind).await.unwrap()["spec"]["versions"].clone();
    let served: Vec<&str> =
        versions.as_array().unwrap().iter().filter(|one| one["served"] == true).filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(served, ["v1", "v1alpha2"], "a route of TCP is one that Traefik asks for");

    // An edit of the file is one of the objects that it is about, and of no other.
    asks(&mut world, &file(&SERVICES.replace("port: 2222", "port: 2223")), definitions);
    let changed = plan(&world).await;
    assert_eq!(ids(&changed), ["cluster/manifests.gateway/apply"]);
    let Action::Apply { manifests, .. } = &changed.steps[0].action else { panic!("{changed:?}") };
    let kinds: Vec<&str> = manifests.iter().filter_map(|manifest| manifest["kind"].as_str()).collect();
    assert_eq!(kinds, ["Service", "Deployment", "Gateway"]);
    assert_eq!(world.run(&changed, &[]).await, Vec::<String>::new());
    assert!(plan(&world).await.is_empty());

    // What is edited by hand is put back; what others say of it stays theirs.
    kubectl(
        &kubeconfig,
        &["-n", "gateway", "patch", "gateway", "gateway", "--type=json", "-p", r#"[{"op": "remove", "path": "/spec/listeners/1"}]"#],
    );
    kubectl(&kubeconfig, &["annotate", "gatewayclass", "traefik", "theirs=kept"]);
    let edited = plan(&world).await;
    assert!(!edited.is_empty() && ids(&edited).iter().all(|id| id.contains("gateway")), "{:?}", ids(&edited));
    let consent: Vec<&str> = edited.steps.iter().filter(|step| step.needs_consent()).map(|step| step.id.0.as_str()).collect();
    assert_eq!(world.run(&edited, &consent).await, Vec::<String>::new());
    assert!(plan(&world).await.is_empty());

    // Without them their kinds, their namespaces and the objects of these kinds ask, one by one; all else goes.
    asks(&mut world, &file(""), definitions);
    let leaves = plan(&world).await;
    let asked: Vec<&str> = leaves.steps.iter().filter(|step| step.needs_consent()).map(|step| step.id.0.as_str()).collect();
    for id in ["cluster/namespace.gateway/delete", "cluster/gateway.gateway.networking.k8s.io.gateway.gateway/delete"] {
        assert!(asked.contains(&id), "{asked:?}");
    }
    assert!(asked.iter().all(|id| id.contains("namespace.") || id.contains(".k8s.io") || id.contains("cert-manager.io")), "{asked:?}");
    // No controller empties a namespace here.
    let consent: Vec<&str> = asked.into_iter().filter(|id| !id.starts_with("cluster/namespace.")).collect();
    assert_eq!(world.run(&leaves, &consent).await, Vec::<String>::new());
    for (api_version, kind, namespace, name) in [
        ("apps/v1", "Deployment", "gateway", "traefik"),
        ("apps/v1", "Deployment", "cert-manager", "controller"),
        ("networking.k8s.io/v1", "IngressClass", "", "nginx"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "", "kubestead-gateway"),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", "cert-manager"),
        ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", "cert-manager"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "tcproutes.gateway.networking.k8s.io"),
    ] {
        // The server takes a definition away when it has taken all of its kind.
        let (object, limit) = (object(api_version, kind, namespace, name), Instant::now() + Duration::from_secs(60));
        while world.get(&object).await.is_some() {
            assert!(Instant::now() < limit, "{object} is left");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
