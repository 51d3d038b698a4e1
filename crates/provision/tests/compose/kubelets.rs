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
