//! Other arguments for the programs of a control plane that is there.

use kubestead_core::plan::Risk;
use kubestead_provision::compose::World;

use super::kubelets::{after, edited, running};
use super::*;

const COMPONENTS: &str = "cp1/kubeadm/components";
const ARGUMENTS: &str =
    "apiServer: {args: {profiling: \"false\"}, certificateNames: [api.example.com]}, scheduler: {args: {v: 4}}, lab: true}";

fn ids(plan: &Plan<Action>) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.0.as_str()).collect()
}

#[test]
fn an_edit_is_one_step_and_then_nothing_is_left_and_back_again() {
    let cluster = edited(&FILE.replace("lab: true}", ARGUMENTS));
    let world = World::new(running());
    let plan = plan_of(&cluster, &world.seen);
    assert_eq!(ids(&plan), [COMPONENTS], "{:?}", plan.held);
    let step = &plan.steps[0];
    assert!(step.risk == Risk::Disrupts && step.why.contains("kube-scheduler: v from not set to 4"), "{}", step.why);
    let world = after(world, step);
    let plan = plan_of(&cluster, &world.seen);
    assert!(plan.steps.is_empty() && plan.held.is_empty(), "{:?} {:?}", ids(&plan), plan.held);
    let back = plan_of(&edited(FILE), &world.seen);
    assert!(ids(&back) == [COMPONENTS] && back.steps[0].why.contains("v from 4 to not set"), "{:?}", ids(&back));
}

#[test]
fn it_comes_after_what_is_asked_of_the_api_and_after_its_kubelet() {
    let file =
        FILE.replace("lab: true}", &format!("kubelet: {{maxPods: 50}}, {ARGUMENTS}")).replace("pool-s: {count: 2,", "pool-s: {count: 3,");
    let plan = plan_of(&edited(&file), &running());
    let before = waits(&plan, COMPONENTS);
    assert!(ids(&plan).contains(&"cluster/storage/apply"), "{:?}", ids(&plan));
    for id in ["cluster/storage/apply", "cp1/kubelet/settings"] {
        assert!(before.iter().any(|found| found.0 == id), "{id}: {before:?}");
    }
}

/// A run was killed while an API server came up with arguments with which it does not.
#[test]
fn a_control_plane_that_is_silent_since_then_gets_its_old_manifests_back() {
    let mut seen = running();
    let Some(Fact::Known(cp1)) = seen.nodes.get_mut(&name("cp1")) else { panic!("it was seen") };
    cp1.kubeadm.as_mut().unwrap().cut = kubestead_provision::kubeadm::Cut::Unproven;
    let plan = plan_of(&cluster(), &seen);
    assert_eq!(ids(&plan), [COMPONENTS], "it answers, and what runs may be what neither the record nor the file says");
    assert!(plan.steps[0].why.contains("a run was cut off: each program must be seen to run"), "{}", plan.steps[0].why);
    assert!(plan_of(&cluster(), &after(World::new(seen.clone()), &plan.steps[0]).seen).steps.is_empty());
    seen.api = Fact::Known(kubestead_provision::objects::ApiFacts::default());
    let plan = plan_of(&cluster(), &seen);
    assert!(ids(&plan).contains(&"cp1/kubeadm/put-back"), "{:?}", ids(&plan));
    assert!(waits(&plan, "cluster/api/reach").iter().any(|id| id.0 == "cp1/kubeadm/put-back"), "{plan:?}");
}
