//! Services on a real API server, which `crates/proof` starts: what the twin only claims to do as it does. Skipped where none is given.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "services/world.rs"]
#[allow(dead_code)] // each test program has what it needs of it
mod world;

use std::collections::BTreeSet;
use std::process::Command;

use kubestead_backend::api::KubeApi;
use kubestead_core::kube::{Catalog, Kube, ObjectRef};
use kubestead_core::plan::{Plan, Step};
use kubestead_provision::service::Action;
use world::{DEFINITION, World, held, ids, map, object};

const MESH: &str = "---\napiVersion: kubestead.test/v1\nkind: Mesh\nmetadata: {name: m, namespace: default}\nspec: {size: 1, wide: true}\n";
/// Values that the server writes in another way, and more of what it adds by itself.
const WEB: &str = "
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, creationTimestamp: null}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]
        env: [{name: A, value: \"\"}, {name: B, value: b}]
        args: []
        resources: {limits: {cpu: 0.5, memory: 1024Mi}, requests: {memory: 0.5Gi}}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{port: 80, name: http}, {port: 53, protocol: UDP, name: dns}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: default}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: default}
spec: {schedule: \"0 3 * * *\", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: kubestead-test-reader}
rules: [{apiGroups: [\"\"], resources: [pods], verbs: [get, list]}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: default}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
";

fn kubectl(kubeconfig: &str, arguments: &[&str]) {
    let ran = Command::new(std::env::var("KUBECTL").unwrap()).args(["--kubeconfig", kubeconfig]).args(arguments).output().unwrap();
    assert!(ran.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// All objects that there are, but for those that come and go by themselves, and copies, which are kept for good.
async fn listing(kube: &KubeApi) -> BTreeSet<ObjectRef> {
    let mut found = BTreeSet::new();
    let own = ["Event", "Lease", "APIService", "EndpointSlice", "Endpoints", "ServiceCIDR", "IPAddress"];
    for resource in kube.resources().await.unwrap().known.into_iter().filter(|resource| !own.contains(&resource.kind.as_str())) {
        // Some kinds cannot be listed, such as reviews.
        let Ok(listed) = kube.list(&object(&resource.api_version, &resource.kind, "", "")).await else { continue };
        found.extend(listed.items.iter().filter(|item| item["metadata"]["labels"]["kubestead.io/copy"].is_null()).map(ObjectRef::of));
    }
    found
}

/// Without waiting for what no controller rolls out here.
fn without_ready(mut plan: Plan<Action>) -> Plan<Action> {
    plan.steps.retain(|step| !matches!(step.action, Action::Ready { .. }));
    plan
}

#[tokio::test]
async fn services_are_applied_put_back_and_pruned_on_a_real_api_server() {
    let Ok(kubeconfig) = std::env::var("KUBESTEAD_TEST_API") else {
        println!("skipped: no API server was given; `make prove ONLY=\"API server\"` starts one");
        return;
    };
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let mut world = World::new(KubeApi::at(&text, "https://127.0.0.1:6443").unwrap());
    let before = listing(&world.kube).await;
    assert!(before.len() > 50, "{before:?}");

    // A definition that the server refuses is named; the rest goes on, the next run converges.
    let broken = DEFINITION.replace("mesh", "rope").replace("Mesh", "Rope").replace("type: object, x-", "type: what, x-");
    world.service("web", &[], &[WEB, &map("default", "web", "1")].concat());
    world.service("mesh", &["web"], &[DEFINITION, MESH].concat());
    world.service("rope", &[], &broken);
    let plan = without_ready(world.plan().await);
    assert!(plan.held.is_empty() && !plan.steps.iter().any(Step::needs_consent), "{plan:?}");
    let failed = world.run(&plan, &[]).await;
    assert!(
        failed.len() == 1
            && failed[0].starts_with("cluster/manifests.rope.definitions/apply")
            && failed[0].contains("CustomResourceDefinition ropework"),
        "{failed:?}"
    );
    assert!(
        world.get(&object("kubestead.test/v1", "Mesh", "default", "m")).await.is_some(),
        "a kind of an odd plural, in the same run as its definition"
    );
    world.services.retain(|service| service.name.as_str() != "rope");
    let plan = without_ready(world.plan().await);
    assert_eq!(ids(&plan), ["cluster/manifests.rope/forget"]);
    assert!(world.run(&plan, &[]).await.is_empty());
    let plan = without_ready(world.plan().await);
    assert!(plan.is_empty(), "the second plan: {:?} {:?}", ids(&plan), held(&plan));

    // What was edited by hand is told with who did it, and put back.
    kubectl(&kubeconfig, &["-n", "default", "scale", "deployment", "web", "--replicas=5"]);
    kubectl(&kubeconfig, &["-n", "default", "set", "resources", "deployment", "web", "--limits=memory=3Gi"]);
    kubectl(&kubeconfig, &["-n", "default", "patch", "configmap", "web", "--type=merge", "-p", "{\"data\": {\"value\": \"2\"}}"]);
    kubectl(
        &kubeconfig,
        &["-n", "default", "patch", "service", "web", "--type=json", "-p", "[{\"op\": \"remove\", \"path\": \"/spec/ports/1\"}]"],
    );
    kubectl(&kubeconfig, &["-n", "default", "annotate", "deployment", "web", "theirs=kept"]);
    let plan = without_ready(world.plan().await);
    let asked = ["cluster/configmap.default.web/overwrite", "cluster/deployment.default.web/overwrite"];
    assert_eq!(ids(&plan), [asked[0], asked[1], "cluster/manifests.web/apply"], "{plan:?}");
    let why = &plan.steps[1].why;
    assert!(why.contains(".spec.replicas (set by kubectl)") && why.contains("memory (set by kubectl-set)"), "{why}");
    assert_eq!(world.run(&plan, &asked).await, Vec::<String>::new());
    let plan = without_ready(world.plan().await);
    assert!(plan.is_empty(), "{:?} {:?}", ids(&plan), held(&plan));
    let live = world.get(&object("apps/v1", "Deployment", "default", "web")).await.unwrap();
    assert_eq!((&live["spec"]["replicas"], live["metadata"]["annotations"]["theirs"].as_str()), (&2.into(), Some("kept")));

    // Somebody else's object is held until there is a yes, and is as it was without one.
    kubectl(&kubeconfig, &["-n", "default", "create", "configmap", "theirs", "--from-literal=value=theirs"]);
    world.service("web", &[], &[WEB, &map("default", "web", "1"), &map("default", "theirs", "ours")].concat());
    let plan = without_ready(world.plan().await);
    assert_eq!(ids(&plan), ["cluster/configmap.default.theirs/adopt"]);
    world.run(&plan, &[]).await;
    let theirs = world.get(&object("v1", "ConfigMap", "default", "theirs")).await.unwrap();
    assert_eq!(theirs["data"]["value"], "theirs");
    kubectl(&kubeconfig, &["-n", "default", "delete", "configmap", "theirs"]);

    // Without the services nothing of them is left, and all else is there.
    world.services.clear();
    let plan = world.plan().await;
    let asks: Vec<&str> = plan.steps.iter().filter(|step| step.needs_consent()).map(|step| step.id.0.as_str()).collect();
    assert_eq!(
        asks,
        [
            "cluster/mesh.kubestead.test.default.m/delete",
            "cluster/customresourcedefinition.meshwork.kubestead.test/delete",
            "cluster/persistentvolumeclaim.default.data/delete"
        ]
    );
    world.run(&plan, &[]).await;
    assert!(world.get(&object("v1", "PersistentVolumeClaim", "default", "data")).await.is_some(), "nobody said yes to that");
    // What protects a claim is a controller, of which there is none here.
    kubectl(&kubeconfig, &["-n", "default", "patch", "pvc", "data", "--type=merge", "-p", "{\"metadata\": {\"finalizers\": null}}"]);
    let plan = world.plan().await;
    let asks: Vec<String> = plan.steps.iter().filter(|step| step.needs_consent()).map(|step| step.id.0.clone()).collect();
    let consent: Vec<&str> = asks.iter().map(String::as_str).collect();
    assert_eq!(world.run(&plan, &consent).await, Vec::<String>::new());
    assert!(world.plan().await.is_empty());
    let after = listing(&world.kube).await;
    assert_eq!(after.symmetric_difference(&before).collect::<Vec<_>>(), Vec::<&ObjectRef>::new());
}
