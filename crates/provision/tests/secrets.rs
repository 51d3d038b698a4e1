//! Secrets from files to a cluster in memory: what is planned, what is applied, what is refused, and that no value is ever shown.
#![allow(clippy::unwrap_used)] // a test fails by it

#[path = "secrets/refused.rs"]
mod refused;
#[path = "secrets/shown.rs"]
mod shown;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::kube::{Guarded, Kube, KubeError, ObjectRef};
use kubestead_core::name::Name;
use kubestead_core::outcome::{Done, causes};
use kubestead_core::plan::{Part, Risk};
use kubestead_core::probe::Answers;
use kubestead_core::secret::Secret;
use kubestead_core::twin::MemoryKube;
use kubestead_provision::objects::{self, LAST_APPLIED};
use kubestead_provision::secret::{self, Action, Keys, SecretFacts, SecretsWanted, State};
use kubestead_secrets::Escrow;
use kubestead_secrets::sops::{Identities, Policy, Selector, Sops, Value as SopsValue};
use serde_json::{Value, json};

const CANARY: &str = "canary $HOME ${USER} 'x'\n";

struct World {
    dir: tempfile::TempDir,
    kube: MemoryKube,
    /// Namespaces with what `kubectl get` says of them.
    namespaces: Vec<(&'static str, &'static str)>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Escrow::init(&dir.path().join("secrets/escrow"), &dir.path().join("age.txt")).unwrap();
        Self { dir, kube: MemoryKube::default(), namespaces: vec![("apps", "Active"), ("default", "Active")] }
    }

    fn path(&self, file: &str) -> PathBuf {
        let path = self.dir.path().join("secrets").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn policy(&self) -> Policy {
        let recipients = std::fs::read_to_string(self.path("escrow/recipients")).unwrap();
        Policy::age([recipients.trim().to_owned()]).with_selector(Selector::encrypted_regex("^(data|stringData)$").unwrap())
    }

    fn identities(&self) -> Identities {
        Identities::new().with_age_file(&self.dir.path().join("age.txt")).unwrap()
    }

    fn seal(&self, file: &str, plain: &str) {
        let plain = Secret::new(plain.as_bytes().to_vec());
        Sops::encrypt_new(&self.path(file), &plain, &self.policy(), &self.identities()).unwrap().save().unwrap();
    }

    fn set(&self, file: &str, keys: [&str; 2], value: &str) {
        let mut document = Sops::open(&self.path(file), &self.identities()).unwrap();
        document.set(keys, &SopsValue::text(value)).unwrap();
        document.save().unwrap();
    }

    fn wish(&self) -> SecretsWanted {
        secret::read_folder(&self.dir.path().join("secrets"), "secrets")
    }

    fn answer(&self, objects: &[Value], wish: &SecretsWanted) -> String {
        let table = |column: &str, rows: Vec<(String, String)>| {
            let rows: Vec<Value> = rows.into_iter().map(|(name, other)| json!({"cells": [name, other], "object": null})).collect();
            json!({"columnDefinitions": [{"name": "Name"}, {"name": column}], "rows": rows}).to_string()
        };
        let mut bodies = vec![table("Status", self.namespaces.iter().map(|(n, s)| ((*n).to_owned(), (*s).to_owned())).collect())];
        let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let wanted: BTreeSet<&str> = wish.secrets.iter().map(|s| s.namespace.as_str()).collect();
        for namespace in wanted {
            let own = objects.iter().filter(|o| o["metadata"]["namespace"] == namespace);
            bodies.push(table("Type", own.map(|o| (text(o, "/metadata/name"), text(o, "/type"))).collect()));
        }
        let labelled = objects.iter().filter(|o| o["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kubestead");
        let object = |o: &Value| json!({"object": {"kind": "PartialObjectMetadata", "metadata": o["metadata"]}});
        let rows: Vec<Value> = labelled.map(object).collect();
        bodies.push(json!({"kind": "Table", "rows": if rows.is_empty() { Value::Null } else { rows.into() }}).to_string());
        // The lists of the cluster's other objects come first.
        let others = std::iter::repeat_n("{}".to_owned(), objects::LISTS);
        others.chain(bodies).map(|body| format!("{body}\n@@status 200\n")).collect()
    }

    async fn facts(&self, wish: &SecretsWanted) -> SecretFacts {
        let kind = ObjectRef { api_version: "v1".into(), kind: "Secret".into(), namespace: String::new(), name: String::new() };
        let objects = self.kube.list(&kind).await.unwrap().items;
        secret::read(&Answers::from_pairs([("cluster/api", 0, self.answer(&objects, wish))]), wish).unwrap().unwrap()
    }

    async fn plan(&self) -> Part<Action> {
        let wish = self.wish();
        let facts = self.facts(&wish).await;
        secret::plan(&wish, &Fact::Known(facts), None, &BTreeSet::new(), &BTreeSet::new())
    }

    async fn apply(&self, action: &Action) -> Result<Done, String> {
        self.apply_to(action, &self.kube).await
    }

    async fn apply_to(&self, action: &Action, kube: &dyn Guarded) -> Result<Done, String> {
        let escrow = Escrow::open(&self.path("escrow"), &self.dir.path().join("age.txt")).unwrap();
        secret::apply(action, &self.dir.path().join("secrets"), &escrow, &Keys::default(), kube).await.map_err(|e| causes(&e))
    }

    /// Plans and applies all, and then there is nothing left to do.
    async fn settle(&self) {
        for step in self.plan().await.steps {
            assert_eq!(self.apply(&step.action).await, Ok(Done::Changed), "{}", step.id);
        }
        let again = self.plan().await;
        assert!(again.steps.is_empty() && again.held.is_empty(), "{again:?}");
    }

    async fn live(&self, name: &str) -> Option<Value> {
        self.kube.get(&reference(name)).await.unwrap()
    }

    /// As `kubectl edit` does it: the value is that manager's from then on.
    async fn by_hand(&self, name: &str, key: &str, value: Option<&str>) {
        let mut object = self.live(name).await.unwrap();
        for entry in object["metadata"]["managedFields"].as_array_mut().unwrap() {
            entry["fieldsV1"]["f:data"].as_object_mut().unwrap().remove(&format!("f:{key}"));
        }
        match value {
            Some(value) => {
                object["data"][key] = STANDARD.encode(value).into();
                let fields = json!({"f:data": {format!("f:{key}"): {}}});
                let entry = json!({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields});
                object["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
            }
            None => drop(object["data"].as_object_mut().unwrap().remove(key)),
        }
        object["metadata"]["resourceVersion"] = "77".into();
        self.kube.put(object);
    }
}

fn reference(name: &str) -> ObjectRef {
    ObjectRef { api_version: "v1".into(), kind: "Secret".into(), namespace: "apps".into(), name: name.into() }
}

fn plain(name: &str, values: &[(&str, &str)]) -> String {
    let values: String = values.iter().map(|(key, value)| format!("  {key}: {}\n", json!(value))).collect();
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: apps\nstringData:\n{values}")
}

fn told(part: &Part<Action>) -> Vec<(String, Risk)> {
    part.steps.iter().map(|step| (step.id.to_string(), step.risk)).collect()
}

fn findings(wish: &SecretsWanted) -> Vec<String> {
    wish.findings.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_secret_is_applied_to_the_byte_and_then_nothing_is_to_do() {
    let world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", CANARY), ("user", "admin"), ("empty", "")]));
    world.seal(
        "deep/tls.json",
        &json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "immutable": true,
        "metadata": {"name": "web.example", "namespace": "apps", "labels": {"a": "b"}, "creationTimestamp": null},
        "data": {"tls.crt": STANDARD.encode("crt"), "tls.key": STANDARD.encode([0_u8, 255, 10])}})
        .to_string(),
    );
    let part = world.plan().await;
    let ids = [("cluster/secret.apps.db/apply".to_owned(), Risk::Safe), ("cluster/secret.apps.web.example/apply".to_owned(), Risk::Safe)];
    assert_eq!(told(&part), ids);
    assert_eq!(part.steps[0].why, "make Secret apps/db from db.yaml, with the values empty, password, user");
    world.settle().await;
    let live = world.live("db").await.unwrap();
    assert_eq!(STANDARD.decode(live["data"]["password"].as_str().unwrap()).unwrap(), CANARY.as_bytes());
    assert_eq!((&live["data"]["empty"], &live["type"]), (&json!(""), &json!("Opaque")));
    assert!(live["stringData"].is_null() && live["metadata"]["annotations"][LAST_APPLIED].is_null());
    let tls = world.live("web.example").await.unwrap();
    assert_eq!(STANDARD.decode(tls["data"]["tls.key"].as_str().unwrap()).unwrap(), [0, 255, 10]);
    assert_eq!((&tls["immutable"], &tls["metadata"]["labels"]["a"]), (&json!(true), &json!("b")));
    assert_eq!(world.apply(&part.steps[0].action).await, Ok(Done::Already), "a second time changes nothing");
}

#[tokio::test]
async fn several_documents_of_one_file_are_several_secrets() {
    let world = World::new();
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n";
    world.seal("all.yaml", &format!("{}---\n{config}---\n{}", plain("one", &[("k", "first")]), plain("two", &[("k", "second")])));
    world.settle().await;
    for (name, value) in [("one", "first"), ("two", "second")] {
        assert_eq!(world.live(name).await.unwrap()["data"]["k"], STANDARD.encode(value));
    }
    assert!(world.wish().findings.is_empty());
}

#[tokio::test]
async fn only_what_changed_is_applied_and_other_recipients_change_nothing() {
    let world = World::new();
    for name in ["one", "two"] {
        world.seal(&format!("{name}.yaml"), &plain(name, &[("k", "before"), ("gone", "x")]));
    }
    world.settle().await;
    let digests = |wish: &SecretsWanted| wish.secrets.iter().map(|s| s.digest.clone()).collect::<Vec<_>>();
    let before = digests(&world.wish());
    let other = tempfile::tempdir().unwrap();
    Escrow::init(&other.path().join("escrow"), &other.path().join("age.txt")).unwrap();
    let second = std::fs::read_to_string(other.path().join("escrow/recipients")).unwrap();
    let own = std::fs::read_to_string(world.path("escrow/recipients")).unwrap();
    let mut document = Sops::open(&world.path("one.yaml"), &world.identities()).unwrap();
    document.update_recipients(&Policy::age([own.trim().to_owned(), second.trim().to_owned()]), &world.identities()).unwrap();
    document.save().unwrap();
    assert_eq!(digests(&world.wish()), before);
    world.set("two.yaml", ["stringData", "k"], "after");
    let mut document = Sops::open(&world.path("two.yaml"), &world.identities()).unwrap();
    document.unset(["stringData", "gone"]).unwrap();
    document.save().unwrap();
    let part = world.plan().await;
    assert_eq!(told(&part), [("cluster/secret.apps.two/apply".to_owned(), Risk::Safe)]);
    assert!(part.steps[0].why.ends_with("with the value k: its file has changed"), "{}", part.steps[0].why);
    let untouched = world.live("one").await;
    world.settle().await;
    assert_eq!(world.live("one").await, untouched);
    assert_eq!(world.live("two").await.unwrap()["data"], json!({"k": STANDARD.encode("after")}), "a key that left the file is gone");
}

#[tokio::test]
async fn stopped_after_any_step_the_next_run_goes_on() {
    for stop in 0..4 {
        let world = World::new();
        for name in ["a", "b", "c"] {
            world.seal(&format!("{name}.yaml"), &plain(name, &[("k", "v")]).replace("stringData", "immutable: true\nstringData"));
        }
        for step in world.plan().await.steps.iter().take(stop) {
            world.apply(&step.action).await.unwrap();
        }
        assert_eq!(world.plan().await.steps.len(), 3 - stop);
        world.settle().await;
        // Between the two halves of a replacement.
        world.set("b.yaml", ["stringData", "k"], "new");
        world.kube.take(&reference("b"));
        assert_eq!(told(&world.plan().await), [("cluster/secret.apps.b/apply".to_owned(), Risk::Safe)]);
        world.settle().await;
    }
}

#[tokio::test]
async fn what_was_changed_by_hand_is_named_and_overwritten_by_consent_alone() {
    let world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", "ours"), ("user", "admin")]));
    world.settle().await;
    world.by_hand("db", "password", Some("theirs")).await;
    world.by_hand("db", "user", None).await;
    let part = world.plan().await;
    assert_eq!(told(&part), [("cluster/secret.apps.db/overwrite".to_owned(), Risk::Destroys)]);
    let why =
        "overwrite what was changed in Secret apps/db in the cluster, from db.yaml: password was set by kubectl-edit, user was taken away";
    assert_eq!(part.steps[0].why, why);
    world.settle().await;
    let live = world.live("db").await.unwrap();
    assert_eq!(live["data"], json!({"password": STANDARD.encode("ours"), "user": STANDARD.encode("admin")}));
    world.by_hand("db", "extra", Some("theirs")).await;
    assert!(world.plan().await.steps.is_empty(), "a key that others added stays theirs");
}

#[tokio::test]
async fn a_change_between_plan_and_step_stops_the_step() {
    let world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", "one")]));
    let first = world.plan().await;
    world.set("db.yaml", ["stringData", "password"], "two");
    let error = world.apply(&first.steps[0].action).await.unwrap_err();
    assert_eq!(error, "db.yaml has changed since the plan was made; run it again");
    world.settle().await;
    world.set("db.yaml", ["stringData", "password"], "three");
    let planned = world.plan().await;
    world.by_hand("db", "password", Some("theirs")).await;
    let error = world.apply(&planned.steps[0].action).await.unwrap_err();
    assert!(error.contains("not as it was when the plan was made (password was set by kubectl-edit)"), "{error}");
    assert_eq!(world.live("db").await.unwrap()["data"]["password"], STANDARD.encode("theirs"));
}

#[tokio::test]
async fn what_is_in_no_file_goes_by_consent_and_what_is_not_ours_stays() {
    let world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", "x")]));
    world.seal("keep.yaml", &plain("keep", &[("password", "x")]));
    world.settle().await;
    let labels = json!({"app.kubernetes.io/managed-by": "kubestead"});
    let copy = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "copy", "namespace": "apps",
        "labels": labels, "annotations": {"kubestead.io/digest": "sha256:x"}, "managedFields": [{"manager": "kubectl", "operation": "Apply"}]}});
    world.kube.put(copy);
    std::fs::remove_file(world.path("db.yaml")).unwrap();
    let part = world.plan().await;
    assert_eq!(told(&part), [("cluster/secret.apps.db/delete".to_owned(), Risk::Destroys)]);
    assert_eq!(part.steps[0].why, "delete Secret apps/db, which is in no file any more, with the value password");
    std::fs::write(world.path("broken.yaml"), "kind: Secret\n<<<<<<< HEAD\n").unwrap();
    let broken = world.plan().await;
    assert!(broken.steps.is_empty(), "a file that cannot be read may be the one that asks for it");
    assert_eq!(broken.held.len(), 2, "{:?}", broken.held);
    std::fs::remove_file(world.path("broken.yaml")).unwrap();
    world.settle().await;
    assert!(world.live("db").await.is_none() && world.live("keep").await.is_some() && world.live("copy").await.is_some());
}

#[tokio::test]
async fn a_secret_that_is_not_ours_is_taken_over_by_consent_alone() {
    let world = World::new();
    let meta = json!({"name": "db", "namespace": "apps", "uid": "u", "resourceVersion": "5", "annotations": {LAST_APPLIED: "{}"},
        "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:password": {}, "f:other": {}}}}]});
    let data = json!({"password": STANDARD.encode("theirs"), "other": STANDARD.encode("theirs")});
    let theirs = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta, "data": data});
    world.kube.put(theirs);
    world.seal("db.yaml", &plain("db", &[("password", "ours")]));
    let part = world.plan().await;
    assert_eq!(told(&part), [("cluster/secret.apps.db/adopt".to_owned(), Risk::Destroys)]);
    world.settle().await;
    let live = world.live("db").await.unwrap();
    assert_eq!(live["data"], json!({"password": STANDARD.encode("ours"), "other": STANDARD.encode("theirs")}));
    assert!(live["metadata"]["annotations"][LAST_APPLIED].is_null(), "the copy of its values is gone");
    let other =
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "web", "namespace": "apps"}});
    world.kube.put(other);
    world.seal("web.yaml", &plain("web", &[("a", "b")]));
    let part = world.plan().await;
    assert!(part.steps.is_empty() && part.held[0].reason.contains("of type kubernetes.io/tls, and web.yaml says Opaque"), "{part:?}");
}

#[tokio::test]
async fn what_the_api_does_not_let_change_is_made_anew_by_consent() {
    let world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", "one")]).replace("stringData", "immutable: true\nstringData"));
    world.settle().await;
    world.set("db.yaml", ["stringData", "password"], "two");
    assert_eq!(told(&world.plan().await), [("cluster/secret.apps.db/replace".to_owned(), Risk::Destroys)]);
    world.settle().await;
    assert_eq!(world.live("db").await.unwrap()["data"]["password"], STANDARD.encode("two"));
    std::fs::remove_file(world.path("db.yaml")).unwrap();
    world.seal(
        "db.yaml",
        &plain("db", &[("password", "two"), ("username", "u")]).replace("stringData", "type: kubernetes.io/basic-auth\nstringData"),
    );
    let part = world.plan().await;
    assert!(part.steps[0].why.contains("its type is Opaque, and its file says kubernetes.io/basic-auth"), "{part:?}");
}

#[tokio::test]
async fn namespaces_that_are_not_there_and_gaps_are_held() {
    let mut world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", "x")]));
    world.namespaces = vec![("apps", "Terminating")];
    assert_eq!(world.plan().await.held[0].reason, "namespace apps is being deleted");
    world.namespaces = vec![];
    let part = world.plan().await;
    assert!(part.steps.is_empty() && part.held[0].object == "cluster/secret.apps.db", "{part:?}");
    let (wish, apps) = (world.wish(), Name::new("apps").unwrap());
    let fresh = secret::plan(&wish, &Fact::Absent, Some(&apps), &BTreeSet::new(), &BTreeSet::new());
    assert_eq!(told(&fresh), [("cluster/secret.apps.db/apply".to_owned(), Risk::Safe)]);
    let unknown = secret::plan(
        &wish,
        &Fact::Unknown(Gap::new("the API server answers 403 when asked for Secrets")),
        None,
        &BTreeSet::new(),
        &BTreeSet::new(),
    );
    assert!(unknown.steps.is_empty() && unknown.held[0].reason.contains("403"), "unreachable is not missing");
}

#[test]
fn cut_answers_are_gaps_and_no_cluster_is_none() {
    let world = World::new();
    world.seal("db.yaml", &plain("db", &[("password", "x")]));
    let wish = world.wish();
    let read = |text: &str| secret::read(&Answers::from_pairs([("cluster/api", 0, text)]), &wish);
    let whole = world.answer(&[], &wish);
    assert_eq!(read(""), Ok(None));
    assert!(read(&whole).unwrap().is_some());
    for cut in 1..whole.len() - 1 {
        assert!(read(&whole[..cut]).is_err() || whole[cut..].trim_end() == "", "cut at {cut}");
    }
    assert!(read(&whole.replace("200", "403")).unwrap_err().to_string().contains("403"));
}

#[test]
fn copies_of_values_in_annotations_are_cut_out_on_the_machine() {
    let section = objects::section(&secret::paths(&SecretsWanted::default()), &[], None);
    let (_, function) = section.script.split_once("without_values()").unwrap();
    let (function, rest) = function.split_once("as_admin -m").unwrap();
    assert!(rest.contains("\"${urls[@]}\" | without_values\n"), "all that it answers goes through it");
    let script = format!("annotation='{LAST_APPLIED}'\nwithout_values(){function}without_values");
    let copy = format!(r#"{{\"data\":{{\"a\":\"{CANARY}\\\\\"}}}}"#).replace('\n', "\\n");
    for blank in ["", " "] {
        let text = format!("{{\"x\": 1, \"{LAST_APPLIED}\":{blank}\"{copy}\", \"y\": \"z \\\" \"}}\n");
        let mut command = std::process::Command::new("bash");
        let piped = std::process::Stdio::piped;
        let mut child = command.args(["-c", &script]).stdin(piped()).stdout(piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(output, format!("{{\"x\": 1, \"{LAST_APPLIED}\":{blank}\"\", \"y\": \"z \\\" \"}}\n"));
    }
}
