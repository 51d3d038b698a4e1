//! Pod security on a real API server, which `crates/proof` starts: each pod that the file grants and each that it does not is really tried. Skipped where
//! none is given.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

mod api;
#[path = "api/pods.rs"]
mod pods;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use api::{World, ids};
use kubestead_core::plan::Risk;
use kubestead_provision::file::{self, Namespace, PodSecurity};
use kubestead_provision::objects::{self, ObjectsSpec};
use pods::{baseline, granted, mounts, pod};
use serde_json::{Value, json};

const HOME: &str = "pods";
/// A namespace that Pod Security itself holds to the level `baseline`.
const ORACLE: &str = "pods-oracle";
const LEVEL: &str = "pod-security.kubernetes.io/enforce";

/// The namespace of a cluster file.
fn namespace(pod_security: &str) -> Namespace {
    let section = if pod_security.is_empty() { String::new() } else { format!("  podSecurity:\n{pod_security}") };
    let text = format!(
        "apiVersion: kubestead/v1\nkind: Cluster\nname: c\nnodes: [{{name: n, address: 192.0.2.1, roles: [control-plane]}}]\n\
         namespace:\n  name: {HOME}\n  users: [{{name: dev}}]\n{section}"
    );
    file::load("c.yaml", &text, Path::new("/x")).unwrap_or_else(|found| panic!("{found:?}\n{text}")).namespace.unwrap()
}

impl World {
    /// Which of these pods the server would make for a user, and what it says against the others.
    fn tried(&self, pods: &[Value], user: Option<&str>) -> (BTreeSet<String>, String) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
        let user = user.map(|user| format!("--as={user}"));
        let words: Vec<&str> = ["create", "--dry-run=server", "-f", "-"].into_iter().chain(user.as_deref()).collect();
        let answer = self.ask(&words, &list.to_string());
        let made = answer.said.lines().filter_map(|line| line.strip_suffix(" created (server dry run)"));
        let name = |line: &str| line.rsplit('/').next().unwrap_or_default().to_owned();
        (made.map(name).collect(), answer.complained)
    }

    /// The words of a refusal of a pod or volume: none if it would be made.
    fn refused(&self, object: &Value) -> Option<String> {
        let (made, complaints) = self.tried(std::slice::from_ref(object), None);
        made.is_empty().then_some(complaints)
    }

    /// Until the server goes by what it was told, which it reads anew about once a second.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..300 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("waited for the API server: {what}");
    }

    fn nothing_to_do(&self) {
        let again = self.plan();
        assert!(again.steps.is_empty() && again.held.is_empty(), "{:?} {:?}", ids(&again), again.held);
    }

    fn level(&self) -> Value {
        self.get(&["namespace", HOME])["metadata"]["labels"][LEVEL].clone()
    }

    fn service_account(&self, namespace: &str) {
        self.kubectl(&["-n", namespace, "create", "serviceaccount", "default"], "");
    }
}

/// What the rules in this program say of a pod: whether it is refused.
fn judged(pod: &Value, policy: &PodSecurity) -> bool {
    objects::beyond(pod).is_some_and(|found| !found.refused(policy).is_empty())
}

fn volume(name: &str, source: &Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions":
            [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["kube1"]}]}]}}}});
    for (key, value) in source.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

#[tokio::test]
async fn pods_get_what_the_file_grants_and_nothing_else() {
    let Some(mut world) = World::new(api::spec(None)) else { return };
    // What other tests left on the server.
    world.run(&world.plan().steps).await;
    world.spec = api::spec(Some(namespace("")));
    world.run(&world.plan().steps).await;
    world.nothing_to_do();
    world.service_account(HOME);

    // A pod of before, which the policies will refuse.
    world.kubectl(&["label", "namespace", HOME, &format!("{LEVEL}-")], "");
    world.kubectl(&["create", "-f", "-"], &pod(HOME, "old", "default", &mounts("/etc", &[false])).to_string());
    world.kubectl(&["create", "-f", "-"], &pod(HOME, "good", "default", &json!({})).to_string());
    let policy = namespace(pods::GRANTS);
    world.spec = api::spec(Some(policy.clone()));
    let policy = policy.pod_security.unwrap();
    let planned = world.plan();
    assert_eq!(ids(&planned), ["cluster/pod-security/apply", "cluster/namespace/apply"], "{:?}", planned.held);
    let (first, second) = (&planned.steps[0], &planned.steps[1]);
    let said = "1 pod runs now that it refuses when made anew: pods/old of account default: hostPath /etc to write";
    assert!(first.risk == Risk::Disrupts && first.why.ends_with(said), "{}", first.why);
    assert!(second.after.contains(&first.id), "the namespace is opened when the policies are there");
    world.run(&planned.steps).await;
    world.nothing_to_do();
    assert_eq!(world.level(), "privileged");
    let outlaw = pod(HOME, "outlaw", "default", &json!({"spec": {"hostPID": true}}));
    world.until("policies for pods", |world| world.refused(&outlaw).is_some()).await;

    the_table(&world, &policy);
    the_level(&world, &policy);
    debugging(&world);
    volumes(&world).await;
    world.kubectl(&["-n", HOME, "delete", "pod", "old", "good", "--force", "--grace-period=0"], "");
    world.until("the pod of before to be gone", |world| world.facts().pods.unwrap().beyond.is_empty()).await;
    by_hand(&world).await;
    left(world).await;
}

/// Each pod is tried by a user, and held against the rules of this program.
fn the_table(world: &World, policy: &PodSecurity) {
    let table = granted();
    let pods: Vec<Value> = table.iter().map(|(name, account, more, _)| pod(HOME, name, account, more)).collect();
    let (made, complaints) = world.tried(&pods, Some(&format!("system:serviceaccount:{HOME}:dev")));
    for ((name, _, _, refusal), object) in table.iter().zip(&pods) {
        let own = complaints.lines().find(|line| line.contains(&format!("\"{name}\""))).unwrap_or_default();
        match refusal {
            None => assert!(made.contains(*name), "{name}: {own}"),
            Some(words) => assert!(!made.contains(*name) && own.contains(words), "{name} with {words}: {own}"),
        }
        assert_eq!(judged(object, policy), refusal.is_some(), "the rules here, of {name}");
    }
    let forbidden = complaints.lines().filter(|line| line.contains("is forbidden: ValidatingAdmissionPolicy")).count();
    assert!(forbidden > 25, "refused as forbidden: {complaints}");
}

/// Pod Security itself, the policies and the rules here say the same of each pod.
fn the_level(world: &World, policy: &PodSecurity) {
    world.kubectl(&["create", "namespace", ORACLE], "");
    world.kubectl(&["label", "namespace", ORACLE, &format!("{LEVEL}=baseline")], "");
    world.service_account(ORACLE);
    let all: Vec<(String, Value)> = baseline()
        .into_iter()
        .enumerate()
        .map(|(n, (name, more))| (format!("p{n}-{}", name.to_lowercase().replace('_', "-")), more))
        .collect();
    let of = |namespace: &str| all.iter().map(|(name, more)| pod(namespace, name, "default", more)).collect::<Vec<_>>();
    let (theirs, their_words) = world.tried(&of(ORACLE), None);
    let (ours, our_words) = world.tried(&of(HOME), None);
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    assert!(theirs == ours, "only {:?}; only here {:?}\n{their_words}\n{our_words}", only(&theirs, &ours), only(&ours, &theirs));
    assert!(theirs.len() > 30 && all.len() - theirs.len() > 30, "both verdicts: {} of {}", theirs.len(), all.len());
    for object in of(HOME) {
        let name = object["metadata"]["name"].as_str().unwrap();
        // What the server refuses as no pod at all is nobody's verdict.
        if !our_words.lines().any(|line| line.contains(&format!("\"{name}\" is invalid"))) {
            assert_eq!(judged(&object, policy), !ours.contains(name), "the rules here, of {object}");
        }
    }
}

/// A container that is added to a pod that runs.
fn debugging(world: &World) {
    let debug = |profile: &str| {
        let profile = format!("--profile={profile}");
        world.ask(&["-n", HOME, "debug", "good", "--image=i", "--attach=false", &profile], "")
    };
    let refused = debug("sysadmin");
    assert!(!refused.good && refused.complained.contains("privileged: it must be false"), "{}", refused.complained);
    let refused = debug("netadmin");
    assert!(!refused.good && refused.complained.contains("capability: not granted"), "{}", refused.complained);
    let made = debug("baseline");
    assert!(made.good, "{}", made.complained);
}

/// PersistentVolumes, which no rule about pods sees.
async fn volumes(world: &World) {
    let refused = |name: &str, source: Value| world.refused(&volume(name, &source));
    let local = |path: &str| json!({"local": {"path": path}});
    world.until("policies for volumes", |_| refused("etc", local("/etc")).is_some()).await;
    for path in ["/var/lib/kubestead/volumes/pool-s-0001", "/mnt/disks", "/mnt/disks/ssd1"] {
        assert_eq!(refused("good", local(path)), None, "{path}");
        assert_eq!(refused("good", json!({"hostPath": {"path": path}})), None, "{path}");
    }
    for path in ["/etc", "/", "/mnt", "/mnt/disks-x", "/var/lib/kubestead/volumes-x/a", "/srv/share", "/mnt/disks//a", "/mnt/disks/./a"] {
        for source in [local(path), json!({"hostPath": {"path": path}})] {
            let words = refused("bad", source).unwrap_or_else(|| panic!("{path} was taken"));
            assert!(
                words.contains(&format!("PersistentVolume in {path}: not below /mnt/disks")) || words.contains("not below /var/lib"),
                "{words}"
            );
        }
    }
    let csi = json!({"csi": {"driver": "d", "volumeHandle": "h"}});
    assert_eq!(refused("csi", csi), None);
}

/// What others do to the policies is shown and put back; a fault in them opens nothing, and reaches no other namespace.
async fn by_hand(world: &World) {
    let (parameters, policy) = (format!("kubestead-pods-{HOME}"), "validatingadmissionpolicy");
    let etc = pod(HOME, "etc", "default", &mounts("/etc", &[true]));
    let share = pod(HOME, "share", "default", &mounts("/srv/share", &[false]));
    let system = pod("kube-system", "system", "default", &json!({"spec": {"hostNetwork": true}}));
    world.ask(&["-n", "kube-system", "create", "serviceaccount", "default"], "");
    // A path that is none grants nothing.
    let broken = json!({"data": {"readWrite": "/\n\n", "readOnly": "\n/"}}).to_string();
    world.kubectl(&["-n", "kube-system", "patch", "configmap", &parameters, "--type=merge", "-p", &broken], "");
    world.until("broken parameters", |world| world.refused(&share).is_some()).await;
    assert!(world.refused(&etc).is_some());
    let planned = world.plan();
    assert_eq!(ids(&planned), [format!("cluster/configmap.kube-system.{parameters}/overwrite")], "{:?}", planned.held);
    assert!(planned.steps[0].why.contains(".data.readWrite (set by kubectl-patch)"), "{}", planned.steps[0].why);
    world.run(&planned.steps).await;
    world.nothing_to_do();
    world.until("the parameters that were put back", |world| world.refused(&share).is_none()).await;

    // Without parameters nothing is granted, and the cluster's own pods are still made.
    world.kubectl(&["-n", "kube-system", "delete", "configmap", &parameters], "");
    world.until("parameters that are gone", |world| world.refused(&share).is_some()).await;
    assert!(world.refused(&pod(HOME, "plain", "default", &json!({}))).is_some());
    assert_eq!(world.refused(&system), None, "no fault reaches the cluster's own namespace");
    let planned = world.plan();
    assert_eq!(ids(&planned), ["cluster/pod-security/apply"]);
    world.run(&planned.steps).await;
    world.until("parameters that are back", |world| world.refused(&share).is_none()).await;

    // A policy that somebody loosened, and one that somebody else made.
    world.kubectl(&["patch", policy, &parameters, "--type=merge", "-p", "{\"spec\": {\"failurePolicy\": \"Ignore\"}}"], "");
    let planned = world.plan();
    assert_eq!(ids(&planned), [format!("cluster/validatingadmissionpolicy.{parameters}/overwrite")]);
    world.run(&planned.steps).await;
    world.nothing_to_do();
    let theirs = world.get(&["validatingadmissionpolicybinding", &parameters]);
    world.kubectl(&["delete", "validatingadmissionpolicybinding", &parameters], "");
    let mut other =
        json!({"apiVersion": theirs["apiVersion"], "kind": theirs["kind"], "metadata": {"name": parameters}, "spec": theirs["spec"]});
    other["spec"]["validationActions"] = json!(["Audit"]);
    world.kubectl(&["create", "-f", "-"], &other.to_string());
    let planned = world.plan();
    let stays = ".spec.validationActions[\"Audit\"] (set by kubectl-create)";
    assert!(planned.steps.is_empty() && planned.held[0].reason.contains(stays), "what applying does not take away: {:?}", planned.held);
    world.kubectl(&["delete", "validatingadmissionpolicybinding", &parameters], "");
    other["spec"]["validationActions"] = json!(["Deny"]);
    other["spec"]["paramRef"]["parameterNotFoundAction"] = "Allow".into();
    world.kubectl(&["create", "-f", "-"], &other.to_string());
    let planned = world.plan();
    let [adopt] = planned.steps.as_slice() else { panic!("{:?}", ids(&planned)) };
    assert!(adopt.needs_consent() && adopt.id.0.ends_with("/adopt"), "{adopt:?}");
    world.run(&planned.steps).await;
    world.nothing_to_do();
}

/// Without the section nothing of it is left, and the namespace is closed first.
async fn left(mut world: World) {
    world.spec = ObjectsSpec { namespace: Some(namespace("")), ..world.spec };
    let planned = world.plan();
    // The binding was somebody else's.
    let asked = format!("cluster/validatingadmissionpolicybinding.kubestead-pods-{HOME}/delete");
    assert_eq!(ids(&planned), ["cluster/namespace/apply", &asked, "cluster/leftovers/delete", "cluster/pod-security/delete"]);
    let (closed, last) = (&planned.steps[0].id, &planned.steps[3]);
    assert!(planned.steps[1].after.contains(closed) && last.after.contains(closed) && last.after.contains(&planned.steps[1].id));
    world.run(&planned.steps).await;
    world.nothing_to_do();
    assert_eq!(world.level(), "baseline");
    for kind in ["validatingadmissionpolicies", "validatingadmissionpolicybindings", "configmaps", "serviceaccounts"] {
        let listed = world.ask(&["get", kind, "--all-namespaces", "-o", "name"], "");
        let ours: Vec<&str> = listed
            .said
            .lines()
            .filter(|line| line.contains("kubestead-pods") || line.contains("pods-") || line.contains("kubestead-volumes"))
            .collect();
        assert!(listed.good && ours.is_empty(), "{ours:?}");
    }
}
