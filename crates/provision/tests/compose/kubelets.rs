//! Settings of kubelets on a cluster that is there: planned, carried out in the model, planned again, and taken away.

use kubestead_core::plan::{Risk, Step};
use kubestead_provision::compose::World;

use super::*;

const SET: &str = "kubelet: {evictionHard: {imagefs.available: 0%}}, lab: true}";

pub(super) fn edited(text: &str) -> Cluster {
    file::load("cluster.yaml", text, Path::new("/x")).unwrap()
}

pub(super) fn after(world: World, step: &Step<Action>) -> World {
    world.after(step).unwrap_or_else(|why| panic!("{}: {why}", step.id))
}

/// The three nodes, as members whose kubelets run and can be asked.
pub(super) fn running() -> Seen {
    let cluster = cluster();
    let mut world = World::new(seen(&cluster));
    loop {
        let plan = plan_of(&cluster, &world.seen);
        if plan.steps.is_empty() {
            return world.seen;
        }
        world = plan.steps.iter().fold(world, after);
    }
}

fn settings(plan: &Plan<Action>) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.0.as_str()).collect()
}

#[test]
fn settings_reach_a_worker_first_and_control_planes_last_and_then_nothing_is_left_to_do() {
    let cluster = edited(&FILE.replace("lab: true}", SET));
    let mut world = World::new(running());
    let plan = plan_of(&cluster, &world.seen);
    assert_eq!(settings(&plan), ["kube1/kubelet/settings", "kube2/kubelet/settings", "cp1/kubelet/settings"], "{:?}", plan.held);
    assert!(plan.steps.iter().all(|step| step.risk == Risk::Disrupts && step.why.contains("evictionHard")));
    assert!(waits(&plan, "kube2/kubelet/settings").contains(&plan.steps[0].id));
    assert!(waits(&plan, "cp1/kubelet/settings").contains(&plan.steps[1].id));
    for (done, step) in plan.steps.iter().enumerate() {
        world = after(world, step);
        assert_eq!(plan_of(&cluster, &world.seen).steps.len(), 2 - done, "{}", step.id);
    }
    assert!(plan_of(&cluster, &world.seen).held.is_empty());

    // Somebody's own flag: the files are as they shall be, and the kubelet says something else.
    let mut other = world.seen.clone();
    let told = other.kubelets.0.get_mut("kube1").unwrap();
    told.insert("evictionHard".into(), serde_json::json!({"imagefs.available": "15%"}));
    let plan = plan_of(&cluster, &other);
    assert!(settings(&plan) == ["kube1/kubelet/settings"] && plan.steps[0].why.contains("is \"15%\" and shall be \"0%\""), "{plan:?}");
    other.kubelets.0.remove("kube1");
    let plan = plan_of(&cluster, &other);
    assert!(plan.steps.is_empty() && plan.held.iter().any(|held| held.object == "kube1/kubelet"), "{plan:?}");

    // Without them in the file they go.
    let plan = plan_of(&self::cluster(), &world.seen);
    assert_eq!(settings(&plan), ["kube1/kubelet/unset", "kube2/kubelet/unset", "cp1/kubelet/unset"]);
    world = plan.steps.iter().fold(world, after);
    assert!(plan_of(&self::cluster(), &world.seen).is_empty());
}

#[test]
fn a_new_node_has_its_own_settings_before_it_joins_and_no_other_one_notices() {
    let text = FILE.replace("{name: kube1,", "{name: kube1, kubelet: {maxPods: 50},");
    let cluster = edited(&text);
    let plan = plan_of(&cluster, &seen(&cluster));
    assert!(plan.held.is_empty(), "{:?}", plan.held);
    let own: Vec<&Step<Action>> = plan.steps.iter().filter(|step| step.id.0.ends_with("kubelet/settings")).collect();
    assert!(own.len() == 1 && own[0].id.0 == "kube1/kubelet/settings" && own[0].risk == Risk::Safe, "{own:?}");
    assert!(waits(&plan, "kube1/kubeadm/join").contains(&own[0].id));
    assert!(waits(&plan, "kube1/kubelet/settings").contains(&StepId("kube1/kubelet/unit".into())));
}

#[test]
fn kubelets_ask_for_certificates_once_somebody_approves_them_and_not_any_more_when_nothing_needs_them() {
    // What the service is made of is for the API, which is another test's.
    let cluster = edited(&format!("{FILE}services: {{metrics: {{}}}}\n"));
    let mut world = World::new(running());
    let plan = plan_of(&cluster, &world.seen);
    let steps = settings(&plan);
    assert_eq!(
        steps,
        ["cp1/kubelet/approver", "kube1/kubelet/settings", "kube2/kubelet/settings", "cp1/kubelet/settings"],
        "{:?}",
        plan.held
    );
    for step in &plan.steps[1..] {
        assert!(step.why.contains("serverTLSBootstrap") && waits(&plan, &step.id.0).contains(&plan.steps[0].id), "{}", step.id);
    }
    world = plan.steps.iter().fold(world, after);
    assert!(plan_of(&cluster, &world.seen).is_empty());
    let plan = plan_of(&self::cluster(), &world.seen);
    let steps: BTreeSet<&str> = settings(&plan).into_iter().collect();
    assert_eq!(steps, ["cp1/kubelet/no-approver", "cp1/kubelet/unset", "kube1/kubelet/unset", "kube2/kubelet/unset"].into());
    world = plan.steps.iter().fold(world, after);
    assert!(plan_of(&self::cluster(), &world.seen).is_empty());
}

/// The file with a cache of names, and what its service asks for beside what is seen.
fn cached(world: &mut World, more: &str) -> Cluster {
    let text = FILE.replace("lab: true}", &format!("{more}lab: true}}"));
    let cluster = edited(&format!("{text}services: {{dnsCache: {{}}}}\n"));
    let shown = |path: &Path| path.display().to_string();
    world.seen.asked = compose::services(&cluster, &SecretsWanted::default(), &kubestead_provision::service::Local::default(), &shown);
    cluster
}

const RESTARTS: [&str; 3] = ["kube1/kubelet/settings", "kube2/kubelet/settings", "cp1/kubelet/settings"];
const READY: &str = "cluster/manifests.dns-cache/ready";

#[test]
fn pods_are_told_of_a_cache_of_names_when_it_answers_on_every_node_and_it_goes_when_nobody_is_told_any_more() {
    let mut world = World::new(running());
    let cluster = cached(&mut world, "");
    let plan = plan_of(&cluster, &world.seen);
    assert!(plan.held.is_empty(), "{:?}", plan.held);
    for node in ["cp1", "kube1", "kube2"] {
        let address = StepId(format!("{node}/kubelet/dns-address"));
        assert!(waits(&plan, "cluster/manifests.dns-cache/apply").contains(&address), "{node}: {:?}", settings(&plan));
    }
    for step in RESTARTS {
        assert!(waits(&plan, step).contains(&StepId(READY.into())), "{step}: {:?}", settings(&plan));
    }
    world = plan.steps.iter().fold(world, after);
    assert!(plan_of(&cluster, &world.seen).is_empty(), "{:?}", plan_of(&cluster, &world.seen).steps);
    let told = &world.seen.kubelets.0["kube1"]["clusterDNS"];
    assert_eq!(*told, serde_json::json!(["169.254.20.10", "10.96.0.10"]), "and of the cluster's own service behind it");

    // Kubelets first, then what answered; the address stays until the node starts anew, and the plan says so.
    world.seen.asked = ServicesWanted::default();
    let plan = plan_of(&self::cluster(), &world.seen);
    assert!(plan.held.is_empty(), "{:?}", plan.held);
    for node in ["cp1", "kube1", "kube2"] {
        let before = waits(&plan, "cluster/manifests.dns-cache/prune");
        assert!(before.contains(&StepId(format!("{node}/kubelet/unset"))), "{node}: {:?}", settings(&plan));
        let gone = plan.steps.iter().find(|step| step.id.0 == format!("{node}/kubelet/no-dns-address")).unwrap();
        assert!(gone.why.contains("those that were made before") && gone.risk == Risk::Safe, "{}", gone.why);
    }
    world = plan.steps.iter().fold(world, after);
    assert!(plan_of(&self::cluster(), &world.seen).is_empty());
}

#[test]
fn no_pod_is_told_of_a_cache_of_names_that_is_held_or_not_ready() {
    let mut world = World::new(running());
    let cluster = cached(&mut world, "");
    world.seen.asked.services[0].whole = false;
    let plan = plan_of(&cluster, &world.seen);
    assert!(!settings(&plan).iter().any(|step| step.ends_with("kubelet/settings")), "{:?}", settings(&plan));
    let held: Vec<&str> = plan.held.iter().map(|held| held.object.as_str()).collect();
    assert!(["cp1/kubelet", "kube1/kubelet", "kube2/kubelet"].iter().all(|one| held.contains(one)), "{held:?}");
}

#[test]
fn a_new_node_is_told_of_the_cache_before_it_joins_and_what_asks_kubelets_waits_for_none_that_waits_for_it() {
    let mut world = World::new(seen(&cluster()));
    let cluster = cached(&mut world, "");
    let plan = plan_of(&cluster, &world.seen);
    assert!(plan.held.is_empty(), "{:?}", plan.held);
    assert!(waits(&plan, "kube1/kubeadm/join").contains(&StepId("kube1/kubelet/settings".into())));
    assert!(waits(&plan, "kube1/kubelet/settings").contains(&StepId("kube1/kubelet/dns-address".into())));
    assert!(waits(&plan, READY).contains(&StepId("kube2/kubeadm/join".into())));

    // With metrics, whose kubelets start again too.
    let mut world = World::new(running());
    let text = format!("{FILE}services: {{metrics: {{}}, dnsCache: {{}}}}\n");
    let cluster = edited(&text);
    let shown = |path: &Path| path.display().to_string();
    world.seen.asked = compose::services(&cluster, &SecretsWanted::default(), &kubestead_provision::service::Local::default(), &shown);
    let Fact::Known(services) = &mut world.seen.services else { panic!("it is seen") };
    services.namespaces.insert("kube-system".into());
    let plan = plan_of(&cluster, &world.seen);
    assert!(plan.held.is_empty(), "{:?}", plan.held);
    for step in RESTARTS {
        assert!(waits(&plan, "cluster/manifests.metrics/ready").contains(&StepId(step.into())), "{:?}", settings(&plan));
        assert!(waits(&plan, step).contains(&StepId(READY.into())), "{:?}", settings(&plan));
    }
    world = plan.steps.iter().fold(world, after);
    assert!(plan_of(&cluster, &world.seen).is_empty());
}
