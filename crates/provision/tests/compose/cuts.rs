//! Plan, model, plan again, until nothing is left: wherever the run before was cut off.

use kubestead_core::plan::{Step, Target};
use kubestead_provision::compose::World;
use kubestead_provision::secret::SecretSpec;

use super::files::worlds;
use super::*;

/// Two services: one brings a kind and an object of it, and needs the other.
fn services(namespace: &str) -> ServicesWanted {
    let folder = tempfile::tempdir().unwrap();
    let text = |service: &str| match service {
        "web" => format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: {namespace}}}\n---\napiVersion: apps/v1\nkind: Deployment\n\
            metadata: {{name: web, namespace: {namespace}}}\nspec: {{replicas: 2}}\n"
        ),
        _ => format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: meshes.x.org}}\nspec: {{group: x.org, scope: Namespaced, \
            names: {{plural: meshes, kind: Mesh}}, versions: [{{name: v1}}]}}\n---\napiVersion: x.org/v1\nkind: Mesh\nmetadata: {{name: m, namespace: {namespace}}}\n"
        ),
    };
    let service = |service: &str, needs: &[&str]| {
        let path = folder.path().join(format!("{service}.yaml"));
        std::fs::write(&path, text(service)).unwrap();
        let needs = needs.iter().map(|need| name(need)).collect();
        kubestead_provision::file::Manifests {
            name: name(service),
            source: kubestead_provision::file::Source::Path(path),
            variables: BTreeMap::new(),
            secrets: BTreeMap::new(),
            needs,
        }
    };
    let wanted = kubestead_provision::service::read_files(
        &[service("web", &[]), service("mesh", &["web"])],
        &kubestead_provision::service::Beside {
            shown: &|path| path.display().to_string(),
            taken: Vec::new(),
            version: None,
            cluster: None,
            programs: &kubestead_provision::service::Local::here(),
        },
    );
    assert!(wanted.findings.is_empty(), "{:?}", wanted.findings);
    wanted
}

/// The worlds of blank machines, with a Secret that the folder asks for, and services.
fn blank() -> [(Cluster, World); 3] {
    worlds().map(|(cluster, mut seen)| {
        seen.wish.secrets.push(SecretSpec {
            file: "db.yaml".into(),
            namespace: cluster.namespace.as_ref().unwrap().name.to_string(),
            name: "db".into(),
            kind: "Opaque".into(),
            immutable: false,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            keys: BTreeSet::from(["password".to_owned()]),
            digest: "sha256:x".into(),
        });
        seen.asked = services(cluster.namespace.as_ref().unwrap().name.as_str());
        (cluster, World::new(seen))
    })
}

fn after(world: World, step: &Step<Action>) -> World {
    world.after(step).unwrap_or_else(|why| panic!("{}: {why}", step.id))
}

/// What is seen when plans are carried out until one is empty. Nobody is asked for anything, and nothing is held at the end; before that a node may have
/// to wait for a control plane whose volume was made and not mounted yet.
fn settled(cluster: &Cluster, mut world: World, from: &str) -> Seen {
    for _ in 0..6 {
        let plan = plan_of(cluster, &world.seen);
        if plan.steps.is_empty() {
            assert!(plan.held.is_empty(), "{from}: {:?}", plan.held);
            return in_order(world.seen);
        }
        assert!(plan.steps.iter().all(|step| !step.needs_consent()), "{from}: what a cut left is nobody else's");
        world = plan.steps.iter().fold(world, after);
    }
    panic!("{from}: there is still something to do: {:?}", plan_of(cluster, &world.seen).steps);
}

/// The same without the order in which objects were applied and nodes were let in.
fn in_order(mut seen: Seen) -> Seen {
    if let Fact::Known(api) = &mut seen.api {
        api.objects.sort_by(|a, b| a.object.cmp(&b.object));
    }
    for server in seen.servers.values_mut() {
        if let Fact::Known(server) = server {
            server.lines.sort();
        }
    }
    seen
}

/// That it waits for the yes to somebody else's namespace is shown beside.
#[test]
fn a_secret_waits_for_the_namespace_that_the_same_plan_makes() {
    for (cluster, world) in blank() {
        let plan = plan_of(&cluster, &world.seen);
        let secret =
            plan.steps.iter().find(|step| step.id.0 == "cluster/secret.apps.db/apply").unwrap_or_else(|| panic!("{:?}", plan.held));
        assert!(secret.after.iter().any(|id| id.0 == "cluster/namespace/apply"), "{:?}", secret.after);
    }
}

#[test]
fn a_service_waits_for_its_namespace_its_needs_and_for_nodes_that_can_run_it() {
    for (cluster, world) in blank() {
        let plan = plan_of(&cluster, &world.seen);
        for (step, before) in [
            ("cluster/manifests.web/apply", "cluster/namespace/apply"),
            ("cluster/manifests.web/apply", "cluster/manifests.web/record"),
            ("cluster/manifests.web/ready", "cluster/nodes/ready"),
            ("cluster/manifests.mesh.definitions/apply", "cluster/manifests.web/ready"),
            ("cluster/manifests.mesh/apply", "cluster/manifests.mesh.definitions/establish"),
        ] {
            let step = plan.steps.iter().find(|found| found.id.0 == step).unwrap_or_else(|| panic!("{:?}", plan.held));
            assert!(step.after.iter().any(|id| id.0 == before), "{} {:?}", step.id, step.after);
        }
    }
}

/// Services that left the file, cut at each step: nothing of them is left, and all else is as without them.
#[test]
fn services_that_left_the_file_leave_nothing_wherever_a_run_is_cut() {
    let [(cluster, blank), ..] = blank();
    let mut without = blank.clone();
    without.seen.asked = ServicesWanted::default();
    let Seen { api: Fact::Known(bare), .. } = settled(&cluster, without, "nothing") else { panic!("it is there") };
    let mut world = World::new(settled(&cluster, blank, "nothing"));
    world.seen.asked = ServicesWanted::default();
    let ends = |mut world: World| {
        while let plan @ Plan { .. } = plan_of(&cluster, &world.seen)
            && !plan.steps.is_empty()
        {
            world = plan.steps.iter().fold(world, after);
        }
        in_order(world.seen)
    };
    for step in plan_of(&cluster, &world.seen).steps {
        let seen = ends(world.clone());
        assert_eq!(seen.services.known().unwrap().objects, [], "{}", step.id);
        assert_eq!(seen.api, Fact::Known(bare.clone()), "{}", step.id);
        world = after(world, &step);
    }
}

#[test]
fn after_every_step_the_rest_is_planned_and_then_nothing() {
    for (cluster, blank) in blank() {
        let whole = settled(&cluster, blank.clone(), "nothing");
        let mut world = blank;
        let steps = plan_of(&cluster, &world.seen).steps;
        let has = |kind: &dyn Fn(&Action) -> bool| steps.iter().any(|step| kind(&step.action));
        assert!(
            steps.len() > 50 && has(&|a| matches!(a, Action::Secret(_))) && has(&|a| matches!(a, Action::Service(_))),
            "{}",
            steps.len()
        );
        for step in &steps {
            world = after(world, step);
            assert_eq!(settled(&cluster, world.clone(), &step.id.to_string()), whole, "{}", step.id);
        }
    }
}

/// Machines work side by side: one that does nothing at all keeps from being done what waits for it, and no more.
#[test]
fn without_any_one_machine_the_rest_is_done_and_it_is_made_up_for_later() {
    for (cluster, blank) in blank() {
        let whole = settled(&cluster, blank.clone(), "nothing");
        let steps = plan_of(&cluster, &blank.seen).steps;
        let hosts: BTreeSet<Target> = steps.iter().map(|step| step.target.clone()).collect();
        for idle in hosts {
            let mut out = BTreeSet::new();
            let mut world = blank.clone();
            for step in &steps {
                if step.target == idle || step.after.iter().any(|id| out.contains(id)) {
                    out.insert(step.id.clone());
                } else {
                    world = after(world, step);
                }
            }
            assert_eq!(settled(&cluster, world, &idle.to_string()), whole, "{idle}");
        }
    }
}

/// What moves between the cluster file, the folder of secrets and services is taken over by the one, and deleted by none.
#[test]
fn what_another_part_of_the_repository_asks_for_now_is_not_deleted() {
    for (cluster, world) in blank() {
        let mut seen = settled(&cluster, world, "the beginning");
        let namespace = cluster.namespace.as_ref().unwrap().name.to_string();
        let object = |kind: &str, name: &str, labels: serde_json::Value| {
            serde_json::json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace, "uid": "u", "labels": labels,
                "managedFields": [{"manager": "kubestead", "operation": "Apply", "fieldsV1": {}}]}})
        };
        let (Fact::Known(services), Fact::Known(api), Fact::Known(secrets)) = (&mut seen.services, &mut seen.api, &mut seen.secrets) else {
            panic!("all is seen");
        };
        // From a service to the folder, to a service from the cluster file, and from the folder.
        let labels = serde_json::json!({"kubestead.io/service": "web"});
        services.objects.push(kubestead_provision::service::Found::read("v1", "Secret", object("Secret", "db", labels)).unwrap());
        api.objects.push(objects::Live::read("v1", "ConfigMap", object("ConfigMap", "a", serde_json::json!({}))).unwrap());
        let live = secrets.ours[&format!("{namespace}/db")].clone();
        secrets.ours.insert(format!("{namespace}/old"), live);
        let old = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "old", "namespace": namespace,
            "labels": {"kubestead.io/service": "web"}}});
        seen.asked.services[0].manifests.push(old);
        let plan = plan_of(&cluster, &seen);
        let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.0.as_str()).collect();
        assert_eq!(ids, ["record", "apply", "ready"].map(|deed| format!("cluster/manifests.web/{deed}")), "{:?}", plan.held);
    }
}
