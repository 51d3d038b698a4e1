//! The services that kubestead brings, on a real API server, which `crates/proof` starts. Skipped where none is given.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "services/given.rs"]
mod given;
#[path = "services/world.rs"]
#[allow(dead_code)] // each test program has what it needs of it
mod world;

use std::collections::BTreeSet;
use std::path::Path;

use given::{asks, kubeconfig, kubectl, plan};
use kubestead_backend::api::KubeApi;
use kubestead_core::kube::{Catalog, Kube, ObjectRef};
use kubestead_core::plan::Step;
use kubestead_provision::service::Action;
use world::{held, ids, object};

const FILE: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nnodes: [{name: kube1, address: 10.0.0.1, roles: [control-plane]}]\n\
    kubernetes: {version: 1.37.1, bundle: /b}\nnamespace: {name: apps, users: [{name: apps-user}]}\n";
/// Every service that needs nothing from elsewhere.
const ALL: &str = "services: {metrics: {}, dashboard: {}, logs: {}, dnsCache: {}}\n";

/// All objects that there are, but for those that come and go by themselves, and copies, which are kept for good.
async fn listing(kube: &KubeApi) -> BTreeSet<ObjectRef> {
    let mut found = BTreeSet::new();
    let own = ["Event", "Lease", "EndpointSlice", "Endpoints", "ServiceCIDR", "IPAddress"];
    for resource in kube.resources().await.unwrap().known.into_iter().filter(|resource| !own.contains(&resource.kind.as_str())) {
        // Some kinds cannot be listed, such as reviews.
        let Ok(listed) = kube.list(&object(&resource.api_version, &resource.kind, "", "")).await else { continue };
        found.extend(listed.items.iter().filter(|item| item["metadata"]["labels"]["kubestead.io/copy"].is_null()).map(ObjectRef::of));
    }
    found
}

#[tokio::test]
async fn kubesteads_own_services_are_applied_put_back_and_leave_nothing_on_a_real_api_server() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let mut world = given::world(&kubeconfig);
    let file = |services: &str| format!("{FILE}{services}");
    let before = listing(&world.kube).await;

    // Somebody's own object of a name of ours asks, and is as it was without a yes; the other services go on.
    kubectl(&kubeconfig, &["create", "clusterrole", "kubestead:metrics-reader", "--verb=get", "--resource=pods"]);
    asks(&mut world, &file(ALL), Path::new("/x"));
    let first = plan(&world).await;
    assert!(first.held.is_empty(), "{:?}", held(&first));
    let adopt = "cluster/clusterrole.kubestead:metrics-reader/adopt";
    assert!(ids(&first).contains(&adopt) && first.steps.iter().filter(|step| Step::needs_consent(step)).count() == 1, "{:?}", ids(&first));
    assert_eq!(world.run(&first, &[]).await, Vec::<String>::new());
    let dashboard = object("apps/v1", "Deployment", "headlamp", "headlamp");
    let metrics = object("apps/v1", "Deployment", "metrics-server", "metrics-server");
    assert!(world.get(&dashboard).await.is_some() && world.get(&metrics).await.is_none());
    kubectl(&kubeconfig, &["delete", "clusterrole", "kubestead:metrics-reader"]);
    let rest = plan(&world).await;
    assert_eq!(ids(&rest), ["cluster/manifests.metrics/apply"], "{rest:?}");
    assert_eq!(world.run(&rest, &[]).await, Vec::<String>::new());
    let second = plan(&world).await;
    assert!(second.is_empty(), "the second plan: {:?} {:?}", ids(&second), held(&second));
    let binding = object("rbac.authorization.k8s.io/v1", "RoleBinding", "kube-system", "kubestead-metrics-server");
    assert!(world.get(&binding).await.is_some());

    // What is edited by hand is told with who did it, and put back.
    kubectl(&kubeconfig, &["-n", "headlamp", "scale", "deployment", "headlamp", "--replicas=3"]);
    kubectl(&kubeconfig, &["-n", "metrics-server", "delete", "service", "metrics-server"]);
    let edited = plan(&world).await;
    let asked = ["cluster/deployment.headlamp.headlamp/overwrite"];
    assert_eq!(ids(&edited).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([asked[0], "cluster/manifests.metrics/apply"]));
    assert!(edited.steps.iter().any(|step| step.why.contains(".spec.replicas (set by kubectl)")), "{edited:?}");
    assert_eq!(world.run(&edited, &asked).await, Vec::<String>::new());
    assert!(plan(&world).await.is_empty());

    // A value of the file is one of the object, and no more than that.
    asks(&mut world, &file("services: {metrics: {replicas: 2}, dashboard: {}, logs: {}, dnsCache: {}}\n"), Path::new("/x"));
    let changed = plan(&world).await;
    assert!(
        ids(&changed) == ["cluster/manifests.metrics/apply"]
            && matches!(&changed.steps[0].action, Action::Apply { manifests, .. } if manifests.len() == 1)
    );
    assert_eq!(world.run(&changed, &[]).await, Vec::<String>::new());

    // Each leaves, and nothing of it is left; of the other all.
    asks(&mut world, &file("services: {metrics: {replicas: 2}}\n"), Path::new("/x"));
    for services in [
        "services: {metrics: {replicas: 2}, logs: {}, dnsCache: {}}\n",
        "services: {metrics: {replicas: 2}, logs: {}}\n",
        "services: {metrics: {replicas: 2}}\n",
        "",
    ] {
        asks(&mut world, &file(services), Path::new("/x"));
        let leaves = plan(&world).await;
        let consent: Vec<&str> =
            ids(&leaves).into_iter().filter(|id| id.starts_with("cluster/namespace.") && id.ends_with("/delete")).collect();
        assert!(consent.len() == 1 && leaves.steps.iter().filter(|step| step.needs_consent()).count() == 1, "{leaves:?}");
        // No controller empties a namespace here: what is in it is gone before, and it stays.
        world.run(&leaves, &[]).await;
        let namespace = consent[0].trim_start_matches("cluster/namespace.").trim_end_matches("/delete").to_owned();
        kubectl(&kubeconfig, &["delete", "namespace", &namespace, "--wait=false"]);
        let raw = format!("/api/v1/namespaces/{namespace}/finalize");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(
            &mut file,
            format!(r#"{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{namespace}"}}, "spec": {{"finalizers": []}}}}"#)
                .as_bytes(),
        )
        .unwrap();
        kubectl(&kubeconfig, &["replace", "--raw", &raw, "-f", file.path().to_str().unwrap()]);
        let forget = plan(&world).await;
        assert_eq!(world.run(&forget, &[]).await, Vec::<String>::new(), "{forget:?}");
        let empty = plan(&world).await;
        assert!(empty.is_empty(), "{:?} {:?}", ids(&empty), held(&empty));
    }
    let after = listing(&world.kube).await;
    assert!(
        after == before,
        "left: {:?}; gone: {:?}",
        after.difference(&before).collect::<Vec<_>>(),
        before.difference(&after).collect::<Vec<_>>()
    );
}
