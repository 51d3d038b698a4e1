//! Manifests as people write them, on a real API server, which `crates/proof` starts: a server keeps much of them in another form, and a second plan has
//! nothing to do. Skipped where no server is given.
#![allow(clippy::unwrap_used)] // a test fails by it

#[path = "services/world.rs"]
#[allow(dead_code)] // each test program has what it needs of it
mod world;

use std::io::Write as _;
use std::process::{Command, Stdio};

use kubestead_backend::api::KubeApi;
use kubestead_core::plan::Plan;
use kubestead_provision::service::Action;
use world::{World, held, ids, object};

const WRITTEN: &str = include_str!("services/as-written.yaml");
const PORTS: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: twice, namespace: default}\nspec:\n  selector: {matchLabels: {app: twice}}\n  \
    template:\n    metadata: {labels: {app: twice}}\n    spec:\n      containers:\n      - {name: c, image: \"i:1\", ports: [{name: a, containerPort: 80}, {name: b, containerPort: 80}]}\n";

/// Objects, and another value of one of them that no server ever takes: it is held, and not found out by a step that fails.
const FIXED: [(&str, &str, &str); 13] = [
    ("Job", "i:1", "i:2"),
    ("StatefulSet", "storage: 1Gi", "storage: 2Gi"),
    ("Deployment", "app: fixed", "app: other"),
    ("Service", "clusterIP: None", "clusterIP: 10.0.0.99"),
    ("ConfigMap", "a: b", "a: c"),
    ("PriorityClass", "value: 7", "value: 8"),
    ("IngressClass", "controller: a.example/b", "controller: a.example/c"),
    ("RuntimeClass", "handler: runc", "handler: kata"),
    ("StorageClass", "provisioner: a.example/b", "provisioner: a.example/c"),
    ("ClusterRoleBinding", "name: view", "name: edit"),
    ("PersistentVolumeClaim", "ReadWriteOnce", "ReadWriteMany"),
    ("EndpointSlice", "addressType: IPv4", "addressType: IPv6"),
    ("ReplicaSet", "app: fixed", "app: other"),
];

fn fixed(kind: &str) -> String {
    let pod = "template: {metadata: {labels: {app: fixed}}, spec: {containers: [{name: c, image: 'i:1'}]}}";
    let (api, body) = match kind {
        "Job" => ("batch/v1", "spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'i:1'}]}}}".to_owned()),
        "StatefulSet" => (
            "apps/v1",
            format!(
                "spec: {{serviceName: s, selector: {{matchLabels: {{app: fixed}}}}, {pod}, volumeClaimTemplates: [{{metadata: {{name: d}}, spec: {{accessModes: \
                 [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}}}]}}"
            ),
        ),
        "Deployment" | "ReplicaSet" => ("apps/v1", format!("spec: {{selector: {{matchLabels: {{app: fixed}}}}, {pod}}}")),
        "Service" => ("v1", "spec: {clusterIP: None, ports: [{port: 80}]}".to_owned()),
        "ConfigMap" => ("v1", "data: {a: b}\nimmutable: true".to_owned()),
        "PriorityClass" => ("scheduling.k8s.io/v1", "value: 7".to_owned()),
        "IngressClass" => ("networking.k8s.io/v1", "spec: {controller: a.example/b}".to_owned()),
        "RuntimeClass" => ("node.k8s.io/v1", "handler: runc".to_owned()),
        "StorageClass" => ("storage.k8s.io/v1", "provisioner: a.example/b".to_owned()),
        "ClusterRoleBinding" => (
            "rbac.authorization.k8s.io/v1",
            "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: []".to_owned(),
        ),
        "PersistentVolumeClaim" => ("v1", "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}".to_owned()),
        _ => ("discovery.k8s.io/v1", "addressType: IPv4\nendpoints: []\nports: []".to_owned()),
    };
    let cluster = ["PriorityClass", "IngressClass", "RuntimeClass", "StorageClass", "ClusterRoleBinding"].contains(&kind);
    let namespace = if cluster { "" } else { ", namespace: default" };
    format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: kubestead-fixed{namespace}}}\n{body}\n")
}

fn kubectl(kubeconfig: &str, arguments: &[&str]) -> Command {
    let mut kubectl = Command::new(std::env::var("KUBECTL").unwrap());
    kubectl.args(["--kubeconfig", kubeconfig]).args(arguments);
    kubectl
}

/// Whether the server takes it from somebody who has all rights.
fn is_taken(kubeconfig: &str, manifest: &str) -> bool {
    let mut kubectl = kubectl(kubeconfig, &["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"]);
    let mut child = kubectl.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

async fn what_never_changes(world: &mut World<KubeApi>, kubeconfig: &str) {
    for (kind, value, other) in FIXED {
        let (before, after) = (fixed(kind), fixed(kind).replace(value, other));
        world.service("fixed", &[], &before);
        let first = plan(world).await;
        assert_eq!(world.run(&first, &[]).await, Vec::<String>::new(), "{kind}");
        assert!(plan(world).await.is_empty(), "{kind}");
        assert!(is_taken(kubeconfig, &before) && !is_taken(kubeconfig, &after), "{kind} is not what servers refuse to change");
        world.service("fixed", &[], &after);
        let wanted = plan(world).await;
        let held = held(&wanted);
        assert!(
            wanted.steps.is_empty() && held.iter().any(|held| held.contains("can never change")),
            "{kind}: {held:?} {:?}",
            ids(&wanted)
        );
        if kind == "PersistentVolumeClaim" {
            // What protects a claim is a controller, of which there is none here.
            let patch =
                ["-n", "default", "patch", "pvc", "kubestead-fixed", "--type=merge", "-p", "{\"metadata\": {\"finalizers\": null}}"];
            assert!(kubectl(kubeconfig, &patch).output().unwrap().status.success());
        }
        clear(world).await;
    }
}

/// Takes all services away, with every yes.
async fn clear(world: &mut World<KubeApi>) {
    world.services.clear();
    for _ in 0..2 {
        let gone = world.plan().await;
        let asks: Vec<&str> = gone.steps.iter().filter(|step| step.needs_consent()).map(|step| step.id.0.as_str()).collect();
        assert_eq!(world.run(&gone, &asks).await, Vec::<String>::new());
    }
}

/// Without waiting for what no controller rolls out here.
async fn plan(world: &World<KubeApi>) -> Plan<Action> {
    let mut plan = world.plan().await;
    plan.steps.retain(|step| !matches!(step.action, Action::Ready { .. }));
    plan
}

#[tokio::test]
async fn what_people_write_is_applied_once() {
    let Ok(kubeconfig) = std::env::var("KUBESTEAD_TEST_API") else {
        println!("skipped: no API server was given; `make prove ONLY=\"API server\"` starts one");
        return;
    };
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let mut world = World::new(KubeApi::at(&text, "https://127.0.0.1:6443").unwrap());
    world.service("written", &[], WRITTEN);
    let first = plan(&world).await;
    assert!(first.held.is_empty(), "{:?}", held(&first));
    assert_eq!(world.run(&first, &[]).await, Vec::<String>::new());
    let second = plan(&world).await;
    let why: Vec<&str> = second.steps.iter().map(|step| step.why.as_str()).collect();
    assert!(second.is_empty(), "{:?} {why:?} {:?}", ids(&second), held(&second));

    // A port that changes its number and keeps its name (kubernetes 131147).
    world.service("written", &[], &WRITTEN.replace("{name: web, port: 80}", "{name: web, port: 8080}"));
    let moved = plan(&world).await;
    assert_eq!(world.run(&moved, &[]).await, Vec::<String>::new());
    let service = world.get(&object("v1", "Service", "default", "ports")).await.unwrap();
    assert_eq!(service["spec"]["ports"].as_array().unwrap().len(), 3, "{service}");
    assert!(plan(&world).await.is_empty());

    // Two ports with one number: the server refuses it from whoever applies (kubernetes 108148), and what else is asked for is done.
    world.service("twice", &[], PORTS);
    let both = plan(&world).await;
    let failed = world.run(&both, &[]).await;
    assert!(failed.len() == 1 && failed[0].contains("Deployment default/twice") && failed[0].contains("ports"), "{failed:?}");

    clear(&mut world).await;
    what_never_changes(&mut world, &kubeconfig).await;
    assert!(world.plan().await.is_empty());
}
