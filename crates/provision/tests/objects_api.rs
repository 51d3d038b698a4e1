//! Other people's objects on a real API server, which `crates/proof` starts: what the twin only claims to do as it does. Skipped where none is given.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use kubestead_core::fact::Fact;
use kubestead_core::kube::{Kube, ObjectRef};
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::plan::{Part, Step};
use kubestead_core::probe;
use kubestead_provision::api::KubeApi;
use kubestead_provision::file::Namespace;
use kubestead_provision::objects::{self, Action, ApiFacts, COPIES, ObjectsSpec};
use serde_json::{Value, json};

struct World {
    kube: KubeApi,
    kubeconfig: String,
    spec: ObjectsSpec,
}

fn spec() -> ObjectsSpec {
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "kube1-a"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "pool", "local": {"path": "/v/a"}, "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions":
            [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["kube1"]}]}]}}}});
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "pool"},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Retain"});
    ObjectsSpec {
        endpoint: "10.0.0.1:6443".into(),
        interfaces: vec![],
        backend: kubestead_provision::file::Backend::Vxlan { mtu: None },
        pods: "10.244.0.0/16".into(),
        images: ("f:1".into(), "p:1".into()),
        storage: vec![class, volume],
        namespace: Some(Namespace { name: Name::new("team").unwrap(), users: vec![Name::new("dev").unwrap()] }),
        nodes: BTreeMap::new(),
        annotations: BTreeMap::new(),
        after: BTreeSet::new(),
        joined: BTreeSet::new(),
    }
}

impl World {
    fn kubectl(&self, arguments: &[&str], input: &str) {
        use std::io::Write as _;
        let kubectl = std::env::var("KUBECTL").unwrap();
        let mut child = Command::new(kubectl)
            .args(["--kubeconfig", &self.kubeconfig])
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "kubectl {arguments:?}");
    }

    /// As the probe sees it.
    fn facts(&self) -> ApiFacts {
        let names = objects::names(&self.spec);
        let mut section = objects::section(&[], &names);
        section.script = section.script.replace("/etc/kubernetes/admin.conf", &self.kubeconfig);
        let command = probe::command(&[section], "n1");
        let output = Command::new("bash").args(["-c", &*command.script()]).output().unwrap();
        let answers = probe::parse(&output.stdout, "n1").unwrap();
        objects::read(&answers, &BTreeMap::new(), 0, &names).unwrap().expect("there is a cluster")
    }

    /// The plan without waiting for workloads that no controller rolls out here.
    fn plan(&self) -> Part<Action> {
        let mut part = objects::plan(&self.spec, &Fact::Known(self.facts()));
        part.steps.retain(|step| !matches!(step.action, Action::Wait { .. }));
        part
    }

    async fn run(&self, steps: &[Step<Action>]) {
        for step in steps {
            assert_eq!(objects::apply(&step.action, &self.kube).await.unwrap_or_else(|e| panic!("{}: {e}", step.id)), Done::Changed);
        }
    }
}

fn ids(part: &Part<Action>) -> Vec<&str> {
    part.steps.iter().map(|step| step.id.0.as_str()).collect()
}

#[tokio::test]
async fn other_peoples_objects_are_seen_asked_for_and_kept() {
    let Ok(kubeconfig) = std::env::var("KUBESTEAD_TEST_API") else { return };
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let world = World { kube: KubeApi::at(&text, "https://127.0.0.1:6443").unwrap(), kubeconfig, spec: spec() };
    world.kubectl(&["create", "namespace", "team"], "");
    world.kubectl(&["label", "namespace", "team", "pod-security.kubernetes.io/enforce=privileged"], "");
    let limits = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults", "namespace": "team"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "2"}}]}});
    world.kubectl(&["apply", "-f", "-"], &limits.to_string());
    world.kubectl(&["apply", "--server-side", "--field-manager", "kustomize-controller", "-f", "-"], &spec().storage[1].to_string());
    let facts = world.facts();
    assert!(facts.version.is_some() && facts.record.is_none() && facts.objects.iter().all(|live| !live.ours), "{facts:?}");
    let planned = world.plan();
    let asked: Vec<&str> = planned.steps.iter().filter(|s| s.needs_consent()).map(|s| s.id.0.as_str()).collect();
    assert_eq!(asked, ["cluster/persistentvolume.kube1-a/adopt", "cluster/namespace.team/adopt", "cluster/limitrange.team.defaults/adopt"]);
    // What is applied without a yes refuses what it should not have been asked for.
    let Action::Take { manifest, .. } = &planned.steps.iter().find(|s| s.id.0.ends_with("defaults/adopt")).unwrap().action else {
        panic!("it is a step")
    };
    let unasked = Action::Apply { manifests: vec![manifest.clone()] };
    assert!(matches!(objects::apply(&unasked, &world.kube).await, Err(error) if error.to_string().contains("kubestead did not make it")));
    world.run(&planned.steps).await;
    let again = world.plan();
    assert!(again.steps.is_empty() && again.held.is_empty(), "{:?} {:?}", ids(&again), again.held);
    let copies = ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: COPIES.into(), name: String::new() };
    let copies: Vec<Value> = world
        .kube
        .list(&copies)
        .await
        .unwrap()
        .items
        .into_iter()
        .filter(|c| c["metadata"]["labels"]["kubestead.io/copy"] == "true")
        .collect();
    assert!(copies.len() == 3 && copies.iter().any(|c| c["data"]["object.json"].as_str().unwrap().contains("privileged")), "{copies:?}");
    // A field of ours that another manager sets: foreseen by the plan as the server would refuse it.
    world.kubectl(&["label", "--overwrite", "namespace", "team", "pod-security.kubernetes.io/enforce=privileged"], "");
    let planned = world.plan();
    assert_eq!(ids(&planned), ["cluster/namespace.team/overwrite"], "{planned:?}");
    assert!(planned.steps[0].why.contains("kubectl-label"), "{}", planned.steps[0].why);
    let Action::Take { manifest, .. } = &planned.steps[0].action else { panic!("it is a step") };
    let error = objects::apply(&Action::Apply { manifests: vec![manifest.clone()] }, &world.kube).await.unwrap_err();
    assert!(error.to_string().contains("kubectl-label"), "{error}");
    world.run(&planned.steps).await;
    assert!(world.plan().steps.is_empty());
    // An item of a list by its name: another image asks, and a container that somebody added is held.
    world.kubectl(&["-n", "kube-flannel", "set", "image", "daemonset/kube-flannel-ds", "kube-flannel=theirs:2"], "");
    let planned = world.plan();
    assert_eq!(ids(&planned), ["cluster/daemonset.kube-flannel.kube-flannel-ds/overwrite"], "{planned:?}");
    assert!(
        planned.steps[0].why.contains(".spec.template.spec.containers[\"kube-flannel\"].image (set by kubectl-set)"),
        "{}",
        planned.steps[0].why
    );
    world.run(&planned.steps).await;
    assert!(world.plan().steps.is_empty());
    let extra = r#"{"spec": {"template": {"spec": {"containers": [{"name": "extra", "image": "x:1"}]}}}}"#;
    world.kubectl(&["-n", "kube-flannel", "patch", "daemonset", "kube-flannel-ds", "-p", extra], "");
    let planned = world.plan();
    assert!(planned.steps.is_empty() && planned.held[0].reason.contains("containers[\"extra\"] (set by kubectl-patch)"), "{planned:?}");
    let gone = r#"[{"op": "remove", "path": "/spec/template/spec/containers/0"}]"#;
    world.kubectl(&["-n", "kube-flannel", "patch", "daemonset", "kube-flannel-ds", "--type", "json", "-p", gone], "");
    let planned = world.plan();
    assert!(planned.steps.is_empty() && planned.held.is_empty(), "{planned:?}");
    // A volume that was changed since the plan is not deleted; one that is as it was is.
    let fewer = World { spec: ObjectsSpec { storage: vec![], ..spec() }, ..world };
    let planned = fewer.plan();
    assert_eq!(
        ids(&planned),
        ["cluster/persistentvolume.kube1-a/delete", "cluster/leftovers/delete"],
        "one was adopted, its class was not"
    );
    fewer.kubectl(&["label", "persistentvolume", "kube1-a", "new=1"], "");
    assert!(objects::apply(&planned.steps[0].action, &fewer.kube).await.is_err());
    fewer.run(&fewer.plan().steps).await;
    assert!(fewer.plan().steps.is_empty());
}
