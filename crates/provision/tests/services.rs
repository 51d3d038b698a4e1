//! Services on a cluster in memory: what is applied, what asks, what is held, what goes.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "services/sealed.rs"]
mod sealed;
#[path = "services/world.rs"]
#[allow(dead_code)] // each test program has what it needs of it
mod world;

use kubestead_core::kube::Kube;
use kubestead_core::plan::{Risk, Step};
use kubestead_core::twin::MemoryKube;
use kubestead_provision::secret::Keys;
use kubestead_provision::service::{self, Action};
use serde_json::{Value, json};
use world::{DEFINITION, World, held, ids, map, name, object};

fn namespace(name: &str) -> String {
    format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
}

/// A definition as the API server has it once it is established.
fn established(mut definition: Value) -> Value {
    definition["status"] = json!({"conditions": [{"type": "Established", "status": "True"}]});
    definition
}

/// The API server establishes a definition by itself.
fn with_definition(kube: &MemoryKube) {
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "meshwork.kubestead.test", "uid": "u", "resourceVersion": "1"}, "spec": {"scope": "Namespaced"}});
    kube.put(established(definition));
}

const MESH: &str = "---\napiVersion: kubestead.test/v1\nkind: Mesh\nmetadata: {name: m, namespace: shop}\nspec: {size: 1}\n";
const DEPLOYMENT: &str = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {replicas: 2}\n";

async fn shop() -> World<MemoryKube> {
    let mut world = World::new(MemoryKube::default());
    world.kube.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "uid": "d"}}));
    world.service("shop", &[], &[namespace("shop"), map("shop", "a", "1"), map("shop", "b", "1"), DEPLOYMENT.into()].concat());
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/manifests.shop/record", "cluster/manifests.shop/apply", "cluster/manifests.shop/ready"]);
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    world
}

/// The controller has rolled it out.
async fn rolled_out(world: &World<MemoryKube>) {
    let mut live = world.get(&object("apps/v1", "Deployment", "shop", "web")).await.unwrap();
    live["status"] = json!({"updatedReplicas": 2, "availableReplicas": 2});
    world.kube.put(live);
}

#[tokio::test]
async fn a_service_is_applied_waited_for_and_then_nothing_is_to_do() {
    let world = shop().await;
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/manifests.shop/ready"]);
    assert!(plan.steps[0].why.contains("Deployment shop/web: 0 of 2 ready"), "{}", plan.steps[0].why);
    rolled_out(&world).await;
    let plan = world.plan().await;
    assert!(plan.is_empty(), "{plan:?}");
    let live = world.get(&object("v1", "ConfigMap", "shop", "a")).await.unwrap();
    assert_eq!(live["metadata"]["labels"], json!({"kubestead.io/service": "shop"}));
}

/// How each service is, as `status` says it.
async fn states(world: &World<MemoryKube>) -> Vec<(String, bool, String)> {
    let states = service::states(&world.wish(), &world.facts().await, &world.records().await, 0);
    states.into_iter().map(|state| (state.name, state.good, state.words)).collect()
}

#[tokio::test]
async fn how_a_service_is_says_what_is_not_ready_what_was_changed_and_what_left_the_file() {
    let mut world = shop().await;
    let told = |good, words: &str| vec![("shop".to_owned(), good, words.to_owned())];
    assert_eq!(states(&world).await, told(false, "4 objects, as its files say; Deployment shop/web: 0 of 2 ready"));
    rolled_out(&world).await;
    assert_eq!(states(&world).await, told(true, "4 objects, as its files say"));
    world.service("shop", &[], &[namespace("shop"), map("shop", "a", "2"), map("shop", "b", "1"), map("shop", "c", "1")].concat());
    assert_eq!(states(&world).await, told(false, "2 of 4 objects as its files say"));
    let empty = World::new(world.kube);
    assert_eq!(states(&empty).await, told(false, "in no file any more"));
}

#[tokio::test]
async fn a_changed_file_is_applied_and_what_left_it_goes_but_for_what_holds_data() {
    let mut world = shop().await;
    rolled_out(&world).await;
    let claim =
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\nspec: {accessModes: [ReadWriteOnce]}\n";
    world.service("shop", &[], &[namespace("shop"), map("shop", "a", "2"), map("shop", "b", "1"), claim.into()].concat());
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/manifests.shop/record", "cluster/manifests.shop/apply", "cluster/manifests.shop/prune"]);
    let Action::Apply { manifests, .. } = &plan.steps[1].action else { panic!("{:?}", plan.steps[1]) };
    assert_eq!(manifests.len(), 2, "what is as its manifest says is left alone");
    assert!(plan.steps[2].why.contains("Deployment shop/web") && plan.steps[2].risk == Risk::Disrupts, "{:?}", plan.steps[2]);
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    assert!(world.plan().await.is_empty());
    assert!(world.get(&object("apps/v1", "Deployment", "shop", "web")).await.is_none());
    world.service("shop", &[], &[namespace("shop"), map("shop", "a", "2"), map("shop", "b", "1")].concat());
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/persistentvolumeclaim.shop.data/delete"]);
    assert_eq!(plan.steps[0].risk, Risk::Destroys);
    world.run(&plan, &[]).await;
    assert!(world.get(&object("v1", "PersistentVolumeClaim", "shop", "data")).await.is_some(), "nobody said yes");
    world.run(&plan, &["cluster/persistentvolumeclaim.shop.data/delete"]).await;
    assert!(world.plan().await.is_empty());
}

#[tokio::test]
async fn a_service_that_left_the_file_leaves_nothing_and_takes_nothing_else() {
    let mut world = shop().await;
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "shop", "uid": "t",
        "labels": {"kubestead.io/service": "shop"}, "managedFields": [{"manager": "helm", "operation": "Apply", "fieldsV1": {}}]}});
    world.kube.put(foreign);
    world.services.clear();
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/manifests.shop/prune", "cluster/namespace.shop/delete", "cluster/manifests.shop/forget"]);
    world.run(&plan, &[]).await;
    // The record stays while something is left.
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/namespace.shop/delete", "cluster/manifests.shop/forget"]);
    assert!(plan.steps[0].why.contains("with all that is in it"), "{}", plan.steps[0].why);
    assert_eq!(world.run(&plan, &["cluster/namespace.shop/delete"]).await, Vec::<String>::new());
    assert!(world.plan().await.is_empty() && world.records().await.is_empty());
    assert!(world.get(&object("v1", "ConfigMap", "shop", "theirs")).await.is_some(), "a label makes nothing ours");
}

#[tokio::test]
async fn an_object_that_moves_to_another_service_is_not_deleted() {
    let mut world = shop().await;
    world.service("shop", &[], &[namespace("shop"), map("shop", "a", "1"), DEPLOYMENT.into()].concat());
    world.service("more", &["shop"], &map("shop", "b", "1"));
    let uid = world.get(&object("v1", "ConfigMap", "shop", "b")).await.unwrap()["metadata"]["uid"].clone();
    let plan = world.plan().await;
    assert!(!ids(&plan).iter().any(|id| id.ends_with("prune")), "{:?}", ids(&plan));
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    let live = world.get(&object("v1", "ConfigMap", "shop", "b")).await.unwrap();
    assert_eq!((&live["metadata"]["uid"], live["metadata"]["labels"]["kubestead.io/service"].as_str()), (&uid, Some("more")));
}

#[tokio::test]
async fn files_that_cannot_be_read_hold_all_that_would_go() {
    let mut world = shop().await;
    rolled_out(&world).await;
    world.service("shop", &[], &[namespace("shop"), DEPLOYMENT.into()].concat());
    world.service("broken", &[], "kind: [");
    world.service("after", &["broken"], &map("default", "x", "1"));
    let plan = world.plan().await;
    assert_eq!(ids(&plan), Vec::<&str>::new());
    let held = held(&plan).join("\n");
    for words in [
        "broken.yaml:1: this is not YAML",
        "cluster/manifests.broken: its files",
        "cluster/manifests.after: it needs service broken",
        "ConfigMap shop/a",
    ] {
        assert!(held.contains(words), "{words}: {held}");
    }
    world.services.retain(|service| service.name == name("broken"));
    assert!(ids(&world.plan().await).is_empty(), "nor does anything go of a service that left the file");
}

#[tokio::test]
async fn what_left_a_file_stays_while_what_comes_instead_is_held() {
    let mut world = shop().await;
    rolled_out(&world).await;
    let renamed = DEPLOYMENT.replace("name: web, namespace: shop", "name: web2, namespace: shpo");
    world.service("shop", &[], &[namespace("shop"), map("shop", "a", "1"), map("shop", "b", "1"), renamed].concat());
    let plan = world.plan().await;
    assert_eq!(ids(&plan), Vec::<&str>::new());
    let told = held(&plan);
    let goes = "cluster/manifests.shop: Deployment shop/web would go, and waits for what is held of service shop";
    assert!(told.contains(&goes.to_owned()) && told.iter().any(|told| told.contains("there is no namespace shpo")), "{told:?}");
    // The same where it waits for a service that it needs.
    world.service("base", &[], &map("nowhere", "x", "1"));
    world.service("shop", &["base"], &[namespace("shop"), map("shop", "a", "1"), DEPLOYMENT.into()].concat());
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/manifests.base/record"]);
    let goes = "cluster/manifests.shop: ConfigMap shop/b would go, and waits for what is held of service shop";
    assert!(held(&plan).contains(&goes.to_owned()), "{:?}", plan.held);
}

#[tokio::test]
async fn what_something_else_asks_for_now_does_not_go_and_keeps_the_record_while_it_has_the_label() {
    let mut world = shop().await;
    rolled_out(&world).await;
    let moved = object("v1", "ConfigMap", "shop", "a");
    world.around.asked.insert(moved.clone());
    world.service("shop", &[], &[namespace("shop"), map("shop", "b", "1"), DEPLOYMENT.into()].concat());
    let plan = world.plan().await;
    assert!(plan.is_empty(), "{:?}", plan.steps);
    world.services.clear();
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/manifests.shop/prune", "cluster/namespace.shop/delete"]);
    let Action::Delete { objects } = &plan.steps[0].action else { panic!("{:?}", plan.steps[0]) };
    assert!(objects.len() == 2 && objects.iter().all(|on| on.object != moved), "{objects:?}");
    let mut live = world.get(&moved).await.unwrap();
    live["metadata"]["labels"] = json!({});
    world.kube.put(live);
    assert!(ids(&world.plan().await).contains(&"cluster/manifests.shop/forget"));
}

#[tokio::test]
async fn a_service_of_no_object_is_a_mistake_and_takes_nothing_away() {
    let mut world = shop().await;
    rolled_out(&world).await;
    world.service("shop", &[], "apiVersion: v1\nkind: List\nitems: []\n");
    let plan = world.plan().await;
    assert_eq!(ids(&plan), Vec::<&str>::new());
    let told: Vec<String> = world.wish().findings.iter().map(ToString::to_string).collect();
    let hint = "take the service out of the cluster file if nothing of it shall be left";
    assert!(told.len() == 1 && told[0].starts_with("shop.yaml:1:1: error: it asks for no object") && told[0].contains(hint), "{told:?}");
}

#[tokio::test]
async fn what_others_made_or_set_asks_and_is_kept_as_it_was() {
    let mut world = shop().await;
    rolled_out(&world).await;
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop", "uid": "t", "resourceVersion": "1",
        "managedFields": [{"manager": "helm", "operation": "Apply", "fieldsV1": {"f:data": {"f:value": {}}}}]}, "data": {"value": "theirs"}});
    world.kube.put(theirs);
    // Somebody changed a value: the server takes it away from our fields.
    let mut live = world.get(&object("v1", "ConfigMap", "shop", "a")).await.unwrap();
    live["data"]["value"] = "edited".into();
    let entries = live["metadata"]["managedFields"].as_array_mut().unwrap();
    entries[0]["fieldsV1"].as_object_mut().unwrap().remove("f:data");
    entries.push(json!({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:value": {}}}}));
    world.kube.put(live);
    world.service(
        "shop",
        &[],
        &[namespace("shop"), map("shop", "a", "1"), map("shop", "b", "1"), map("shop", "c", "1"), DEPLOYMENT.into()].concat(),
    );
    let plan = world.plan().await;
    let asked = ["cluster/configmap.shop.a/overwrite", "cluster/configmap.shop.c/adopt"];
    assert_eq!(ids(&plan)[..2], asked, "{:?}", ids(&plan));
    assert!(
        plan.steps[0].why.contains(".data.value (set by kubectl-edit)") && plan.steps[1].why.contains("(set by helm)"),
        "{:?}",
        plan.steps
    );
    assert!(plan.steps[..2].iter().all(Step::needs_consent));
    assert_eq!(world.run(&plan, &asked).await, Vec::<String>::new());
    assert!(world.plan().await.is_empty());
    let value = |live: Option<Value>| live.unwrap()["data"]["value"].clone();
    assert_eq!(value(world.get(&object("v1", "ConfigMap", "shop", "c")).await), "1");
    let copies = world.kube.list(&object("v1", "ConfigMap", "kube-system", "")).await.unwrap().items;
    let kept: Vec<&str> = copies.iter().filter_map(|copy| copy["data"]["object.json"].as_str()).collect();
    assert!(kept.len() == 2 && kept.iter().any(|text| text.contains("theirs")) && kept.iter().any(|text| text.contains("edited")));
    // What was taken over goes with a yes only.
    world.service("shop", &[], &[namespace("shop"), map("shop", "a", "1"), map("shop", "b", "1"), DEPLOYMENT.into()].concat());
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/configmap.shop.c/delete"]);
    assert!(plan.steps[0].needs_consent());
}

#[tokio::test]
async fn a_label_that_was_taken_away_is_put_back() {
    let world = shop().await;
    rolled_out(&world).await;
    let mut live = world.get(&object("v1", "ConfigMap", "shop", "a")).await.unwrap();
    live["metadata"]["labels"] = json!({});
    live["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"].as_object_mut().unwrap().remove("f:labels");
    world.kube.put(live);
    let plan = world.plan().await;
    assert_eq!(ids(&plan), ["cluster/manifests.shop/apply", "cluster/manifests.shop/ready"], "it is still found, by its name");
    assert_eq!(world.run(&plan, &[]).await, Vec::<String>::new());
    assert!(world.plan().await.is_empty());
}

/// An API server that lost a definition after it accepted its names looks at it again when it is written.
#[tokio::test(start_paused = true)]
async fn a_definition_that_the_server_overlooked_is_written_once_more_and_is_as_it_was() {
    let mut world = World::new(MemoryKube::default());
    world.service("mesh", &[], DEFINITION);
    let definition = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "meshwork.kubestead.test");
    for step in world.plan().await.steps {
        let Action::Establish { .. } = &step.action else {
            world.apply(&step).await.unwrap();
            continue;
        };
        let begin = tokio::time::Instant::now();
        let server = async {
            let seen = world.kube.list(&object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "")).await.unwrap();
            world.kube.changed(&definition, &seen.version).await.unwrap();
            world.kube.put(established(world.get(&definition).await.unwrap()));
        };
        let (applied, ()) = tokio::join!(world.apply(&step), server);
        applied.unwrap();
        assert!((10..30).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    }
    let live = world.get(&definition).await.unwrap();
    assert!(live["metadata"]["annotations"].as_object().unwrap().keys().all(|key| !key.contains("touched")), "{live}");
    assert!(world.plan().await.is_empty());
}

#[tokio::test]
async fn kinds_come_with_their_definitions_and_what_has_none_is_named_while_the_rest_goes_on() {
    let mut world = World::new(MemoryKube::default());
    world.service("mesh", &[], &format!("{DEFINITION}{}{MESH}", namespace("shop")));
    world.service("odd", &[], "apiVersion: x.org/v1\nkind: Odd\nmetadata: {name: o}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: nowhere}\n");
    let plan = world.plan().await;
    assert_eq!(
        ids(&plan),
        [
            "cluster/manifests.mesh/record",
            "cluster/manifests.mesh.definitions/apply",
            "cluster/manifests.mesh.definitions/establish",
            "cluster/manifests.mesh/apply",
            "cluster/manifests.odd/record"
        ]
    );
    let all = held(&plan).join("\n");
    assert!(
        all.contains("cluster/odd.x.org.o: the API server has no kind Odd (x.org/v1)") && all.contains("there is no namespace nowhere"),
        "{all}"
    );
    world.service(
        "odd",
        &["mesh"],
        &format!("apiVersion: kubestead.test/v1\nkind: Mesh\nmetadata: {{name: other}}\n{}", map("shop", "a", "1")),
    );
    let all = held(&world.plan().await).join("\n");
    assert!(all.contains("cluster/mesh.kubestead.test.other: it says no namespace"), "{all}");
    world.service("odd", &["mesh"], &MESH.replace("name: m", "name: other"));
    let plan = world.plan().await;
    assert!(plan.held.is_empty(), "a kind of a service that it needs: {plan:?}");
    for step in plan.steps {
        if matches!(step.action, Action::Establish { .. }) {
            let live =
                world.get(&object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "meshwork.kubestead.test")).await.unwrap();
            world.kube.put(established(live));
        }
        world.apply(&step).await.unwrap();
    }
    assert!(world.plan().await.is_empty());
    world.services.clear();
    let plan = world.plan().await;
    let delete = plan.steps.iter().find(|step| step.id.0 == "cluster/customresourcedefinition.meshwork.kubestead.test/delete").unwrap();
    assert!(delete.needs_consent() && delete.why.contains("with all objects of its kind"), "{delete:?}");
    let own = plan.steps.iter().find(|step| step.id.0.starts_with("cluster/mesh.kubestead.test.")).unwrap();
    assert!(own.needs_consent() && own.why.contains("which may be data"), "{own:?}");
    assert!(delete.behind.contains(&own.id), "its own objects go before it");
}

#[tokio::test]
async fn a_definition_of_somebody_else_asks_and_its_objects_wait_for_the_yes() {
    let mut world = World::new(MemoryKube::default());
    with_definition(&world.kube);
    world.service("mesh", &[], &format!("{DEFINITION}{}{MESH}", namespace("shop")));
    let plan = world.plan().await;
    let adopt = "cluster/customresourcedefinition.meshwork.kubestead.test/adopt";
    let apply = plan.steps.iter().find(|step| step.id.0 == "cluster/manifests.mesh/apply").unwrap();
    assert!(ids(&plan).contains(&adopt), "{:?}", ids(&plan));
    world.run(&plan, &[]).await;
    assert!(world.get(&object("kubestead.test/v1", "Mesh", "shop", "m")).await.is_none(), "{apply:?}");
}
