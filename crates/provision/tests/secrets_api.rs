//! Secrets on a real API server, which `crates/proof` starts: what the twin only claims to do as it does. Skipped where none is given.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use kubestead_backend::api::KubeApi;
use kubestead_core::fact::Fact;
use kubestead_core::outcome::Done;
use kubestead_core::plan::{Part, Risk};
use kubestead_core::probe;
use kubestead_core::secret::Secret;
use kubestead_provision::objects::{self, LAST_APPLIED};
use kubestead_provision::secret::{self, Action, Keys};
use kubestead_secrets::Escrow;
use kubestead_secrets::sops::{Identities, Policy, Selector, Sops, Value};

const CANARY: &str = "canary $HOME ${USER} `id`\n";

struct World {
    dir: tempfile::TempDir,
    kube: KubeApi,
    kubeconfig: String,
}

impl World {
    fn new(kubeconfig: String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Escrow::init(&dir.path().join("secrets/escrow"), &dir.path().join("age.txt")).unwrap();
        let text = std::fs::read_to_string(&kubeconfig).unwrap();
        Self { dir, kube: KubeApi::at(&text, "https://127.0.0.1:6443").unwrap(), kubeconfig }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("secrets").join(file)
    }

    fn seal(&self, name: &str, values: &str) {
        let recipients = std::fs::read_to_string(self.path("escrow/recipients")).unwrap();
        let policy = Policy::age([recipients.trim().to_owned()]).with_selector(Selector::encrypted_regex("^(data|stringData)$").unwrap());
        let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: apps}}\n{values}");
        let plain = Secret::new(text.into_bytes());
        Sops::encrypt_new(&self.path(&format!("{name}.yaml")), &plain, &policy, &Identities::new()).unwrap().save().unwrap();
    }

    fn set(&self, name: &str, key: &str, value: &str) {
        let identities = Identities::new().with_age_file(&self.dir.path().join("age.txt")).unwrap();
        let mut document = Sops::open(&self.path(&format!("{name}.yaml")), &identities).unwrap();
        document.set(["stringData", key], &Value::text(value)).unwrap();
        document.save().unwrap();
    }

    /// The plan, and what the probe answered.
    fn look(&self) -> (Part<Action>, String) {
        let wish = secret::read_folder(&self.dir.path().join("secrets"), "secrets");
        let mut section = objects::section(&secret::paths(&wish), &[], None);
        section.script = section.script.replace("/etc/kubernetes/admin.conf", &self.kubeconfig);
        let command = probe::command(&[section], "n1");
        let output = Command::new("bash").args(["-c", &*command.script()]).output().unwrap();
        let answers = probe::parse(&output.stdout, "n1").unwrap();
        let facts = secret::read(&answers, &wish).unwrap().expect("there is a cluster");
        (secret::plan(&wish, &Fact::Known(facts), None, &BTreeSet::new(), &BTreeSet::new()), String::from_utf8(output.stdout).unwrap())
    }

    fn told(&self) -> Vec<(String, Risk)> {
        self.look().0.steps.iter().map(|step| (step.id.to_string(), step.risk)).collect()
    }

    async fn settle(&self) {
        let escrow = Escrow::open(&self.path("escrow"), &self.dir.path().join("age.txt")).unwrap();
        for step in self.look().0.steps {
            let folder = self.dir.path().join("secrets");
            let keys = Keys::default();
            let apply = || secret::apply(&step.action, &folder, &escrow, &keys, &self.kube);
            assert_eq!(apply().await.unwrap(), Done::Changed, "{}", step.id);
            let again = apply().await;
            assert!(
                matches!(step.id.0.rsplit('/').next(), Some("replace")) || matches!(again, Ok(Done::Already)),
                "{}: {again:?}",
                step.id
            );
        }
        let (again, _) = self.look();
        assert!(again.steps.is_empty() && again.held.is_empty(), "{again:?}");
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(std::env::var_os("KUBECTL").unwrap());
        let output = command.args(["--kubeconfig", &self.kubeconfig, "-n", "apps"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn live(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.kubectl(&["get", "secret", name, "-o", "json"])).unwrap()
    }

    fn value(&self, name: &str, key: &str) -> String {
        use base64::Engine;
        let text = self.live(name)["data"][key].as_str().unwrap().to_owned();
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn on_a_real_api_server() {
    let Ok(kubeconfig) = std::env::var("KUBESTEAD_TEST_API") else {
        println!("skipped: no API server was given; `make prove ONLY=\"API server\"` starts one");
        return;
    };
    let world = World::new(kubeconfig);
    assert!(world.told().is_empty(), "an empty list is understood");
    world.seal("db", &format!("stringData: {{password: {CANARY:?}, user: admin, empty: ''}}\n"));
    world.seal("other", "stringData: {word: other}\n");
    world.settle().await;
    assert_eq!(world.value("db", "password"), CANARY);
    let (before, other) = (world.live("db"), world.live("other"));
    assert!(before["metadata"]["annotations"][LAST_APPLIED].is_null());
    world.set("db", "user", "root");
    assert_eq!(world.told(), [("cluster/secret.apps.db/apply".to_owned(), Risk::Safe)]);
    world.settle().await;
    assert_eq!(world.value("db", "user"), "root");
    assert_eq!(world.live("other"), other, "the other was not touched");

    world.kubectl(&["patch", "secret", "db", "-p", "{\"stringData\":{\"user\":\"mallory\"},\"data\":{\"empty\":null}}"]);
    let (part, _) = world.look();
    assert!(part.steps[0].why.ends_with("empty was taken away, user was set by kubectl-patch"), "{}", part.steps[0].why);
    assert_eq!(world.told(), [("cluster/secret.apps.db/overwrite".to_owned(), Risk::Destroys)]);
    world.settle().await;
    assert_eq!((world.value("db", "user").as_str(), world.value("db", "empty").as_str()), ("root", ""));

    let copy = world.dir.path().join("copy.json");
    let mut object = world.live("db");
    object["metadata"].as_object_mut().unwrap().retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
    std::fs::write(&copy, object.to_string()).unwrap();
    world.kubectl(&["apply", "-f", copy.to_str().unwrap()]);
    let password = object["data"]["password"].as_str().unwrap();
    assert!(world.live("db")["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap().contains(password), "the copy is there");
    let (part, answer) = world.look();
    assert!(!answer.contains(password) && answer.contains(LAST_APPLIED), "it does not leave the machine");
    assert!(part.steps[0].why.contains("left a copy of its values"), "{part:?}");
    world.settle().await;
    assert!(world.live("db")["metadata"]["annotations"][LAST_APPLIED].is_null());

    world.kubectl(&["create", "secret", "generic", "theirs", "--from-literal=word=theirs", "--from-literal=more=theirs"]);
    world.seal("theirs", "stringData: {word: ours}\n");
    assert_eq!(world.told(), [("cluster/secret.apps.theirs/adopt".to_owned(), Risk::Destroys)]);
    world.settle().await;
    assert_eq!((world.value("theirs", "word").as_str(), world.value("theirs", "more").as_str()), ("ours", "theirs"));
    std::fs::remove_file(world.path("theirs.yaml")).unwrap();
    assert_eq!(world.told(), [("cluster/secret.apps.theirs/delete".to_owned(), Risk::Destroys)]);
    world.settle().await;
    assert!(!world.kubectl(&["get", "secret"]).contains("theirs"));

    world.seal("fixed", "immutable: true\nstringData: {word: one}\n");
    world.settle().await;
    world.set("fixed", "word", "two");
    assert_eq!(world.told(), [("cluster/secret.apps.fixed/replace".to_owned(), Risk::Destroys)]);
    world.settle().await;
    assert_eq!(world.value("fixed", "word"), "two");
}
