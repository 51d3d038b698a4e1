//! Other people's objects in a cluster: seen, asked for, taken over with a copy, or left as they are; from the look to the step, on the API's twin.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use kubestead_core::fact::Fact;
use kubestead_core::kube::{Guarded, Kube, ObjectRef};
use kubestead_core::name::Name;
use kubestead_core::outcome::{Done, Outcome, causes};
use kubestead_core::plan::{Checked, Kinds, Part, Plan, Step, StepId};
use kubestead_core::twin::{MemoryKube, Silent};
use kubestead_provision::engine::{self, Report, Runner, Terms};
use kubestead_provision::file::Namespace;
use kubestead_provision::objects::{self, Action, ApiFacts, COPIES, Live, NodeState, ObjectsSpec};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

struct World {
    kube: MemoryKube,
    spec: ObjectsSpec,
}

impl Runner<Action> for World {
    fn run<'a>(&'a self, step: &'a Step<Action>) -> BoxFuture<'a, Result<Done, String>> {
        Box::pin(async move { objects::apply(&step.action, &self.kube).await.map_err(|e| causes(&e)) })
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

impl World {
    fn new() -> Self {
        let volume = |name: &str| {
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
                "spec": {"storageClassName": "pool", "capacity": {"storage": "1Gi"}, "local": {"path": format!("/v/{name}")}}})
        };
        let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "pool"}, "provisioner": "kubernetes.io/no-provisioner"});
        let spec = ObjectsSpec {
            pods: "10.244.0.0/16".into(),
            endpoint: "10.0.0.1:6443".into(),
            interfaces: vec![],
            backend: kubestead_provision::file::Backend::Vxlan { mtu: None },
            images: ("f:1".into(), "p:1".into()),
            storage: vec![class, volume("a"), volume("b")],
            namespace: Some(Namespace { users: vec![name("dev")], ..Namespace::new(name("apps")) }),
            logins: BTreeSet::new(),
            nodes: BTreeMap::new(),
            annotations: BTreeMap::new(),
            after: BTreeSet::new(),
            joined: BTreeSet::new(),
            asked: BTreeSet::new(),
        };
        Self { kube: MemoryKube::default(), spec }
    }

    async fn all(&self) -> Vec<Value> {
        let kinds: BTreeSet<(String, String)> = objects::names(&World::new().spec).into_iter().map(|n| (n.api_version, n.kind)).collect();
        let mut found = Vec::new();
        for (api_version, kind) in kinds {
            found.extend(
                self.kube.list(&ObjectRef { api_version, kind, namespace: String::new(), name: String::new() }).await.unwrap().items,
            );
        }
        found.retain(|object| object["metadata"]["namespace"] != COPIES);
        found
    }

    /// As the probe sees it: what is ours, and what has a name that the file asks for.
    async fn plan(&self) -> Part<Action> {
        let names: BTreeSet<ObjectRef> = objects::names(&self.spec).into_iter().collect();
        let read = |object: Value| {
            let reference = ObjectRef::of(&object);
            Live::read(&reference.api_version, &reference.kind, object).unwrap()
        };
        let objects = self.all().await.into_iter().map(read).filter(|live| live.ours || names.contains(&live.object)).collect();
        objects::plan(&self.spec, &Fact::Known(ApiFacts { answers: true, objects, ..ApiFacts::default() }))
    }

    async fn run(&self, consent: &[StepId]) -> Report {
        let plan = checked(self.plan().await);
        let terms = Terms { consent: consent.iter().cloned().collect(), fail_fast: false };
        engine::apply(&plan, self, &terms, &Silent, &CancellationToken::new()).await
    }

    fn put(&self, manager: &str, mut object: Value) -> ObjectRef {
        let fields = kubestead_core::fields::claimed(&object);
        object["metadata"]["uid"] = format!("uid-of-{manager}").into();
        object["metadata"]["resourceVersion"] = "5".into();
        object["metadata"]["managedFields"] = json!([{"manager": manager, "operation": "Update", "fieldsV1": fields}]);
        let reference = ObjectRef::of(&object);
        self.kube.put(object);
        reference
    }

    async fn get(&self, object: &ObjectRef) -> Value {
        self.kube.get(object).await.unwrap().unwrap_or_default()
    }

    async fn copies(&self) -> Vec<Value> {
        let kind = ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: COPIES.into(), name: String::new() };
        let all = self.kube.list(&kind).await.unwrap().items;
        all.iter().map(|copy| serde_json::from_str(copy["data"]["object.json"].as_str().unwrap()).unwrap()).collect()
    }
}

fn checked(part: Part<Action>) -> Checked<Action> {
    let own = Kinds::of(&[objects::ids::KINDS]);
    assert!(part.steps.iter().all(|step| own.name(&step.id)), "{:?}", ids(&part));
    Checked::new(Plan::new(String::new(), String::new(), part.without_idle(&own)).unwrap(), |_| Vec::new()).unwrap()
}

fn ids(part: &Part<Action>) -> Vec<&str> {
    part.steps.iter().map(|step| step.id.0.as_str()).collect()
}

fn asking(part: &Part<Action>) -> Vec<StepId> {
    part.steps.iter().filter(|step| step.needs_consent()).map(|step| step.id.clone()).collect()
}

fn ended(report: &Report, how: fn(&Outcome) -> bool) -> Vec<&str> {
    report.iter().filter(|(_, outcome)| how(outcome)).map(|(id, _)| id.0.as_str()).collect()
}

#[tokio::test]
async fn from_nothing_all_is_applied_and_a_second_run_changes_nothing() {
    let world = World::new();
    let report = world.run(&[]).await;
    assert!(engine::succeeded(&report), "{report:?}");
    let before = world.all().await;
    let again = world.plan().await;
    assert!(again.steps.is_empty() && again.held.is_empty(), "{again:?}");
    assert!(world.run(&[]).await.is_empty() && world.all().await == before);
}

/// Helm and kubectl were here first (helm#6561: a tool replaced and deleted what it did not own).
#[tokio::test]
async fn what_others_made_is_left_to_the_byte_without_a_yes_and_taken_with_a_copy_with_it() {
    let world = World::new();
    let labels = json!({"pod-security.kubernetes.io/enforce": "privileged", "team": "red"});
    let others = [
        world.put("helm", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps", "labels": labels}})),
        world.put(
            "kubectl",
            json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults", "namespace": "apps"},
            "spec": {"limits": [{"type": "Pod", "max": {"cpu": "8"}}]}}),
        ),
        world.put(
            "kubectl",
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "flannel"}, "rules": []}),
        ),
        world.put(
            "kubectl",
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"}, "spec": {"local": {"path": "/v/a"}}}),
        ),
    ];
    let mut before = Vec::new();
    for object in &others {
        before.push(world.get(object).await);
    }
    let planned = world.plan().await;
    assert_eq!(asking(&planned).len(), 4, "{:?}", ids(&planned));
    let report = world.run(&[]).await;
    for (object, before) in others.iter().zip(&before) {
        assert_eq!(&world.get(object).await, before);
    }
    assert!(ended(&report, |o| matches!(o, Outcome::Failed(_))).is_empty(), "nothing failed: up ends with 4");
    let skipped = ended(&report, |o| matches!(o, Outcome::Skipped(_)));
    assert!(skipped.contains(&"cluster/network/apply") && skipped.contains(&"cluster/namespace/apply"), "{skipped:?}");
    assert_eq!(ended(&report, |o| matches!(o, Outcome::Changed)), ["cluster/storage/apply"], "what depends on none of them");
    assert!(world.copies().await.is_empty());
    // A yes to one is a yes to that one.
    let only = [StepId("cluster/clusterrole.flannel/adopt".into())];
    let report = world.run(&only).await;
    assert_eq!(ended(&report, |o| matches!(o, Outcome::Changed)), ["cluster/clusterrole.flannel/adopt", "cluster/network/apply"]);
    let all = asking(&world.plan().await);
    assert_eq!(all.len(), 3);
    let report = world.run(&all).await;
    assert!(engine::succeeded(&report), "{report:?}");
    let namespace = world.get(&others[0]).await;
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "baseline");
    assert_eq!((&namespace["metadata"]["labels"]["team"], &namespace["metadata"]["uid"]), (&json!("red"), &json!("uid-of-helm")));
    let copies = world.copies().await;
    assert!(copies.len() == 4 && copies.iter().any(|copy| copy["metadata"]["labels"] == labels), "{copies:?}");
    let again = world.plan().await;
    assert!(again.steps.is_empty() && again.held.is_empty(), "{again:?}");
    // And when the file names them no more, they do not go by themselves.
    let fewer = World { spec: ObjectsSpec { namespace: None, storage: vec![], ..world.spec.clone() }, ..world };
    let asked: Vec<String> = asking(&fewer.plan().await).into_iter().map(|id| id.0).collect();
    assert_eq!(asked, ["cluster/limitrange.apps.defaults/delete", "cluster/namespace.apps/delete", "cluster/persistentvolume.a/delete"]);
}

/// Two tools that set one field (tanka#852, argo-cd#25561): the server tells who, and nobody is overwritten unasked, run after run.
#[tokio::test]
async fn a_field_that_flux_sets_is_asked_for_and_not_fought_over() {
    let world = World::new();
    world.run(&[]).await;
    let reference = ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: String::new(), name: "apps".into() };
    let mut object = world.get(&reference).await;
    let level = "pod-security.kubernetes.io/enforce";
    object["metadata"]["labels"][level] = "privileged".into();
    let own = object["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"].as_object_mut().unwrap();
    own.remove(&format!("f:{level}"));
    let fields = json!({"f:metadata": {"f:labels": {format!("f:{level}"): {}}}});
    object["metadata"]["managedFields"]
        .as_array_mut()
        .unwrap()
        .push(json!({"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": fields}));
    world.kube.put(object.clone());
    for _ in 0..2 {
        let planned = world.plan().await;
        assert_eq!(ids(&planned), ["cluster/namespace.apps/overwrite"]);
        assert!(planned.steps[0].why.contains("kustomize-controller"), "{}", planned.steps[0].why);
        world.run(&[]).await;
        assert_eq!(world.get(&reference).await, object);
    }
    let report = world.run(&asking(&world.plan().await)).await;
    assert!(engine::succeeded(&report) && world.plan().await.steps.is_empty(), "{report:?}");
    assert_eq!(world.copies().await[0]["metadata"]["labels"][level], "privileged");
}

/// A copied label makes nothing ours: tools that prune by label deleted what others had made (argo-cd#15058 and its kin).
#[tokio::test]
async fn what_carries_our_label_and_was_made_by_others_is_never_deleted() {
    let world = World::new();
    world.run(&[]).await;
    let labels = json!({"app.kubernetes.io/managed-by": "kubestead"});
    let reference =
        world.put("helm", json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "copied", "labels": labels}}));
    let planned = world.plan().await;
    assert!(planned.steps.is_empty() && planned.held.is_empty(), "{planned:?}");
    assert!(!world.get(&reference).await.is_null());
}

/// A binding to another role under our name (linkerd2#2957, helm#6468): no run after run that the server refuses.
#[tokio::test]
async fn a_binding_whose_role_can_never_change_is_held_and_tells_what_to_do() {
    let world = World::new();
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
    let reference = world.put(
        "kubectl",
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "flannel"}, "roleRef": role}),
    );
    let before = world.get(&reference).await;
    let planned = world.plan().await;
    assert!(planned.held[0].reason.contains("roleRef") && planned.held[0].hint.contains("delete it by hand"), "{:?}", planned.held);
    assert!(!ids(&planned).contains(&"cluster/network/apply") && !ids(&planned).contains(&"cluster/nodes/ready"), "{:?}", ids(&planned));
    world.run(&asking(&planned)).await;
    assert_eq!(world.get(&reference).await, before);
}

/// Between the look and the step somebody makes the object: the step refuses, and the next plan asks.
#[tokio::test]
async fn who_comes_between_the_plan_and_its_step_is_not_overwritten() {
    let world = World::new();
    let plan = checked(world.plan().await);
    let namespace = world.put("kubectl", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps"}}));
    let before = world.get(&namespace).await;
    let report = engine::apply(&plan, &world, &Terms::default(), &Silent, &CancellationToken::new()).await;
    let failed = report.iter().find(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
    assert!(
        matches!(failed, Some((id, Outcome::Failed(why))) if id.0 == "cluster/namespace/apply" && why.contains("kubestead did not make it")),
        "{report:?}"
    );
    assert_eq!(world.get(&namespace).await, before);
    assert_eq!(ids(&world.plan().await), ["cluster/namespace.apps/adopt", "cluster/namespace/apply"]);
}

/// An adoption that was cut off after its copy, and one after its deed.
#[tokio::test]
async fn an_adoption_is_taken_up_again_wherever_it_was_cut() {
    let world = World::new();
    world.run(&[]).await;
    let namespace = ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: String::new(), name: "apps".into() };
    world.kube.take(&namespace);
    world.put("kubectl", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps"}}));
    let planned = world.plan().await;
    let Action::Take { on, .. } = &planned.steps[0].action else { panic!("{planned:?}") };
    let copy = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": on.copy(), "namespace": COPIES}, "data": {"object.json": "\"first\""}});
    world.kube.apply_guarded(&copy, false).await.unwrap();
    let consent = asking(&planned);
    assert!(engine::succeeded(&world.run(&consent).await));
    assert_eq!(world.copies().await, [json!("first")], "a copy is never replaced");
    assert_eq!(objects::apply(&planned.steps[0].action, &world.kube).await.unwrap(), Done::Already);
    assert!(world.plan().await.steps.is_empty());
}

#[test]
fn labels_are_compared_by_who_set_them() {
    let mut spec = World::new().spec;
    spec.nodes.insert((&name("cp1")).into(), BTreeMap::from([("zone".to_owned(), "a".to_owned())]));
    let mut facts = ApiFacts { answers: true, ..ApiFacts::default() };
    let node = NodeState {
        ready: true,
        labels: BTreeMap::from([("zone".to_owned(), "b".to_owned())]),
        others: BTreeMap::from([("zone".to_owned(), "kubelet".to_owned())]),
        ..NodeState::default()
    };
    facts.nodes.insert("cp1".into(), node);
    assert!(ids(&objects::plan(&spec, &Fact::Known(facts))).contains(&"cluster/labels.cp1/overwrite"));
}
