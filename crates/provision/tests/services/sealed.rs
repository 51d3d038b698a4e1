//! Values of files of sops in the Secrets of services.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kubestead_core::kube::{Api, KubeError, ObjectRef};
use kubestead_provision::objects::Exactly;
use kubestead_provision::service::Kind;

use super::*;

const CANARY: &str = "canary $HOME ${USER} 'x'\n";
const SECRET: &str = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\nstringData:\n  url: \"pg://u:${PW}@db\"\n  password: ${PW}\n";

fn sealed() -> World<MemoryKube> {
    let mut world = World::new(MemoryKube::default());
    world.seal(CANARY);
    world.service("shop", &[], &[namespace("shop"), SECRET.to_owned()].concat());
    world
}

async fn value<K: Api>(world: &World<K>, key: &str) -> String {
    let live = world.get(&object("v1", "Secret", "shop", "db")).await.unwrap();
    String::from_utf8(STANDARD.decode(live["data"][key].as_str().unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_value_of_a_file_of_sops_comes_into_a_secret_and_a_changed_one_is_applied_again() {
    let world = sealed();
    let plan = world.plan().await;
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    assert_eq!(value(&world, "password").await, CANARY);
    assert_eq!(value(&world, "url").await, format!("pg://u:{CANARY}@db"));
    assert!(world.get(&object("v1", "Secret", "shop", "db")).await.unwrap()["stringData"].is_null());
    assert!(world.plan().await.is_empty());
    world.change("other");
    let stale = plan;
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/manifests.shop/apply"]);
    let failed = world.run(&stale, &[]).await;
    assert!(failed.len() == 1 && failed[0].contains("has changed since the plan was made"), "{failed:?}");
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    assert_eq!(value(&world, "password").await, "other");
    assert!(world.plan().await.is_empty());
}

#[tokio::test]
async fn without_a_key_a_plan_is_made_and_nothing_of_the_service_is_applied() {
    let world = sealed();
    std::fs::rename(world.folder.path().join("age.txt"), world.folder.path().join("away.txt")).unwrap();
    let plan = world.plan().await;
    assert!(ids(&plan).contains(&"cluster/manifests.shop/apply"));
    let failed = world.run(&plan, &[]).await.join("\n");
    assert!(failed.contains("Identities were searched"), "{failed}");
    assert!(world.get(&object("v1", "Namespace", "", "shop")).await.is_none());
}

/// Refuses a Secret, or what is done to it after it was taken, and quotes it as a careless webhook does. An extension of its API does not answer.
struct Careless {
    takes: bool,
}

#[tokio::test]
async fn no_value_is_in_plans_facts_copies_or_errors() {
    let world = sealed();
    let planned = world.plan().await;
    let step = planned.steps.iter().find(|step| step.id.0 == "cluster/manifests.shop/apply").unwrap();
    let mut errors = Vec::new();
    for (takes, words) in [(false, "denied: {"), (true, "denied too")] {
        let error = service::apply(&step.action, &world.escrow, &Keys::default(), &Careless { takes }).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        errors.push(error);
    }
    assert_eq!(world.run(&planned, &[]).await, Vec::<String>::new());
    // Somebody edits it by kubectl apply, which leaves a copy of the values.
    let mut live = world.get(&object("v1", "Secret", "shop", "db")).await.unwrap();
    live["data"]["password"] = STANDARD.encode("canary of theirs").into();
    live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = live["data"].to_string().into();
    let entries = live["metadata"]["managedFields"].as_array_mut().unwrap();
    entries[0]["fieldsV1"]["f:data"].as_object_mut().unwrap().remove("f:password");
    entries.push(json!({"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:password": {}}}}));
    world.kube.put(live);
    let facts = world.facts().await;
    let changed = world.plan().await;
    assert_eq!(ids(&changed), ["cluster/secret.shop.db/overwrite"]);
    assert!(changed.steps[0].why.contains(".data.password (set by kubectl)") && changed.steps[0].why.contains("kept nowhere"));
    assert_eq!(world.run(&changed, &["cluster/secret.shop.db/overwrite"]).await, Vec::<String>::new());
    let live = world.get(&object("v1", "Secret", "shop", "db")).await.unwrap();
    assert!(live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].is_null(), "{live}");
    assert_eq!(value(&world, "password").await, CANARY);
    let copies = world.kube.list(&object("v1", "ConfigMap", "kube-system", "")).await.unwrap().items;
    assert!(copies.iter().any(|copy| copy["data"]["object.json"].is_string()), "there is a copy");
    world.services.iter().for_each(|service| assert!(!format!("{service:?}").contains("canary")));
    let all = [
        serde_json::to_string(&(&planned.steps, &changed.steps)).unwrap(),
        serde_json::to_string(&(&world.wish(), &facts, &copies)).unwrap(),
        format!("{planned:?} {changed:?} {facts:?}"),
        errors.join("\n"),
    ];
    let needles =
        ["canary".to_owned(), STANDARD.encode(CANARY), STANDARD.encode(format!("pg://u:{CANARY}@db")), STANDARD.encode("canary of theirs")];
    for (text, needle) in all.iter().flat_map(|text| needles.iter().map(move |needle| (text, needle))) {
        assert!(!text.contains(needle.as_str()), "{needle} is in {text}");
    }
}

#[test]
fn a_value_leaves_no_secret_and_no_secret_has_one_in_the_clear() {
    let mut world = World::new(MemoryKube::default());
    world.seal("x");
    world.variable("NONE", &["db", "nothing"]);
    world.variable("CLEAR", &["clear"]);
    world.variable("NUMBER", &["db", "port"]);
    let base = STANDARD.encode("${PW}");
    let text = format!(
        "{SECRET}  user: admin\n  none: \"\"\ndata:\n  a: {base}\n  b: ${{PW}}\n  password: {base}\n---\napiVersion: v1\nkind: ConfigMap\n\
         metadata:\n  name: a\n  namespace: shop\n  annotations:\n    sum: a${{PW}}\ndata:\n  a: ${{PW}}\n---\napiVersion: v1\nkind: Secret\n\
         metadata: {{name: empty, namespace: shop}}\n"
    );
    world.service("shop", &[], &text);
    let wanted = world.wish();
    let told: Vec<String> = wanted.findings.iter().map(ToString::to_string).collect();
    let all = told.join("\n");
    for (at, words) in [
        ("values.sops.yaml:1:1:", "db.nothing is no value of this file"),
        ("values.sops.yaml:1:8:", "clear is not encrypted"),
        ("values.sops.yaml:4:", "db.port is no text"),
        ("shop.yaml:8:9:", "Secret shop/db: the value user in the clear"),
        ("shop.yaml:12:6:", "data.b is no text in base64"),
        ("shop.yaml:7:3:", "is in data and in stringData"),
        ("shop.yaml:21:10:", "outside of a Secret"),
        ("shop.yaml:23:6:", "outside of a Secret"),
    ] {
        assert!(told.iter().any(|told| told.starts_with(at) && told.contains(words)), "{at} {words}: {all}");
    }
    assert_eq!(told.iter().filter(|told| told.contains(": error:")).count(), 8, "{all}");
    assert!(!wanted.services[0].whole && !all.contains("admin"));
}

#[tokio::test]
async fn a_record_stays_when_an_extension_falls_silent_after_the_plan() {
    let world = sealed();
    let record = object("v1", "ConfigMap", "kube-system", "kubestead-service-mesh");
    let action = Action::Forget {
        service: "mesh".to_owned(),
        kinds: [Kind::new("v1", "ConfigMap"), Kind::new("kubestead.test/v1", "Mesh")].into(),
        record: Exactly { object: record, uid: "u".to_owned(), digest: String::new() },
    };
    let error = service::apply(&action, &world.escrow, &Keys::default(), &Careless { takes: true }).await.unwrap_err().to_string();
    let words = "the kind Mesh (kubestead.test/v1) does not answer: what is left of service mesh cannot be known, and its record stays";
    assert!(error.contains(words) && error.contains("`kubectl get apiservices`"), "{error}");
}

#[test]
fn a_value_in_base64_within_other_text_is_a_mistake_wherever_it_stands() {
    let mut world = sealed();
    let mark = world.wish().services[0].manifests[1]["data"]["password"].as_str().unwrap().to_owned();
    assert!(mark.starts_with("kubestead-sealed-PW-"));
    for before in ["", "u", "us", "me:", "~~~>"] {
        let once = STANDARD.encode(format!("{before}{mark}~"));
        let lines = format!("{}\n{}", &once[..10], &once[10..]);
        for auth in [STANDARD.encode(&once), URL_SAFE_NO_PAD.encode(format!("{before}{mark}~")), lines, once] {
            let login = format!("password={mark} auth={auth}");
            let text = format!("{SECRET}  login: {}\ndata:\n  again: {}\n", json!(login), STANDARD.encode(&login));
            world.service(
                "shop",
                &[],
                &format!("{text}{}", map("shop", "a", "1").replace("\"1\"", &json!(format!("auth={auth}")).to_string())),
            );
            let wanted = world.wish();
            let told: Vec<String> = wanted.findings.iter().map(ToString::to_string).collect();
            for (at, words) in [
                ("shop.yaml:8:10:", "Secret shop/db: the value login has an encrypted value in base64 within other text"),
                ("shop.yaml:10:10:", "Secret shop/db: the value again has an encrypted value in base64 within other text"),
                ("shop.yaml:15:15:", "outside of a Secret"),
            ] {
                assert!(told.iter().any(|told| told.starts_with(at) && told.contains(words)), "{before}: {words}: {told:?}");
            }
            assert!(told.len() == 3 && !wanted.services[0].whole, "{told:?}");
        }
    }
}

#[tokio::test]
async fn values_are_opened_to_be_taken_out_of_texts_and_those_that_cannot_be_are_counted() {
    let mut world = sealed();
    world.variable("NONE", &["db", "nothing"]);
    // Whatever becomes of its manifests.
    world.service("more", &[], "kind: [");
    let here = async || {
        let (values, closed) = service::values_here(&world.services, &world.escrow, &Keys::default()).await;
        (values.iter().map(|value| String::from_utf8(value.expose().to_vec()).unwrap()).collect::<Vec<_>>(), closed)
    };
    assert_eq!(here().await, (vec![CANARY.to_owned(), CANARY.to_owned()], 1));
    std::fs::rename(world.folder.path().join("age.txt"), world.folder.path().join("away.txt")).unwrap();
    assert_eq!(here().await, (Vec::new(), 3));
}

#[async_trait]
impl kubestead_core::kube::Guarded for Careless {
    async fn metadata(&self, _: &ObjectRef) -> Result<Option<Value>, KubeError> {
        Ok(None)
    }
    async fn apply_guarded(&self, manifest: &Value, _: bool) -> Result<Value, KubeError> {
        if manifest["kind"] != "Secret" || self.takes {
            let left = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
            return Ok(json!({"metadata": {"annotations": left, "managedFields": [{"manager": "kubestead", "operation": "Apply",
                "fieldsV1": kubestead_core::fields::claimed(manifest)}]}}));
        }
        let plain = String::from_utf8(STANDARD.decode(manifest["data"]["password"].as_str().unwrap()).unwrap()).unwrap();
        Err(KubeError::Refused {
            object: "Secret shop/db".into(),
            reason: format!("denied: {manifest} {plain} {}", plain.trim()),
            code: 422,
        })
    }
    async fn annotate(&self, _: &ObjectRef, _: &str, _: Option<&str>) -> Result<Value, KubeError> {
        let reason = format!("denied too: {CANARY} {CANARY:?} {}", STANDARD.encode(CANARY));
        Err(KubeError::Refused { object: "Secret shop/db".into(), reason, code: 403 })
    }
    async fn delete_exactly(&self, _: &ObjectRef, _: &str, _: &str) -> Result<(), KubeError> {
        unreachable!("nothing is deleted")
    }
}

#[async_trait]
impl Kube for Careless {
    async fn ready(&self) -> Result<(), KubeError> {
        Ok(())
    }
    async fn get(&self, _: &ObjectRef) -> Result<Option<Value>, KubeError> {
        Ok(None)
    }
    async fn list(&self, _: &ObjectRef) -> Result<kubestead_core::kube::Listed, KubeError> {
        Ok(kubestead_core::kube::Listed::default())
    }
    async fn changed(&self, _: &ObjectRef, _: &str) -> Result<(), KubeError> {
        Ok(())
    }
}

#[async_trait]
impl kubestead_core::kube::Rewrite for Careless {
    async fn rewrite(&self, _: &ObjectRef) -> Result<u64, KubeError> {
        Ok(0)
    }
}

#[async_trait]
impl kubestead_core::kube::Catalog for Careless {
    async fn resources(&self) -> Result<kubestead_core::kube::Resources, KubeError> {
        Ok(kubestead_core::kube::Resources { known: Vec::new(), silent: ["kubestead.test/v1".to_owned()].into() })
    }
    async fn labelled(&self, _: &ObjectRef, _: &str) -> Result<Vec<Value>, KubeError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl kubestead_core::kube::Review for Careless {
    async fn review(&self, _: &Value) -> Result<Value, KubeError> {
        Ok(Value::Null)
    }
}
