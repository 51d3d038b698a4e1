//! How volumes are unlocked, in the one plan: whoever needs no key server waits for none.

use kubestead_core::plan::Step;
use kubestead_provision::compose::World;
use kubestead_storage::spec::Encryption;
use kubestead_storage::ways::{Way, Ways};

use super::*;

/// The cluster of one machine alone, from nothing.
fn alone() -> (Cluster, Seen) {
    let text = include_str!("../../../../examples/one-machine/cluster.yaml");
    let cluster = file::load("cluster.yaml", &text.replace("packages: {key: kubernetes.asc}", "bundle: bundle"), Path::new("/x")).unwrap();
    let mut seen = seen(&cluster);
    seen.servers.clear();
    for fact in seen.nodes.values_mut() {
        // The example's volumes are larger than the disk of these tests.
        let Fact::Known(found) = fact else { panic!("it is seen") };
        found.storage.sizes.values_mut().for_each(|size| *size = 2 << 40);
    }
    (cluster, seen)
}

fn after(world: World, step: &Step<Action>) -> World {
    world.after(step).unwrap_or_else(|why| panic!("{}: {why}", step.id))
}

fn settled(cluster: &Cluster, mut world: World) -> World {
    for _ in 0..6 {
        let plan = plan_of(cluster, &world.seen);
        assert!(plan.steps.iter().all(|step| !step.needs_consent()), "{:?}", plan.steps);
        if plan.steps.is_empty() {
            assert!(plan.held.is_empty(), "{:?}", plan.held);
            return world;
        }
        world = plan.steps.iter().fold(world, after);
    }
    panic!("there is still something to do");
}

#[test]
fn one_machine_alone_becomes_a_cluster_without_any_key_server() {
    let (cluster, seen) = alone();
    let plan = plan_of(&cluster, &seen);
    assert!(plan.held.is_empty(), "{:?}", plan.held);
    let ids = of(&plan, "solo");
    assert!(!ids.iter().any(|id| id.ends_with("/share") || id.starts_with("keys/") || id.starts_with("keypair/")), "{ids:?}");
    assert!(waits(&plan, "solo/volumes/format").contains(&StepId("operator/recovery.solo.volumes/escrow".into())));
    assert!(waits(&plan, "solo/kubeadm/init").contains(&StepId("solo/services/require-mounts".into())));
    settled(&cluster, World::new(seen));
}

#[test]
fn after_a_boot_nothing_goes_below_a_locked_mount_point_and_an_unlock_brings_all_back() {
    let (cluster, seen) = alone();
    let mut world = settled(&cluster, World::new(seen));
    let before = world.seen.clone();
    let Some(Fact::Known(found)) = world.seen.nodes.get_mut(&name("solo")) else { panic!("it is seen") };
    found.storage.volumes.values_mut().for_each(|volume| (volume.opened, volume.mounted) = (None, None));
    // The containers are down with it.
    world.seen.api = Fact::Known(ApiFacts::default());
    let plan = plan_of(&cluster, &world.seen);
    assert!(of(&plan, "solo").is_empty(), "{:?}", of(&plan, "solo"));
    let locked: Vec<_> = plan.held.iter().filter(|held| held.hint.ends_with("kubestead volume unlock solo")).collect();
    assert_eq!(locked.len(), 5, "{:?}", plan.held);
    // A key that the escrow lost opens nothing; the others go on.
    let mut lost = world.seen.clone();
    lost.escrow.remove("recovery.solo.etcd");
    let unlock = compose::unlock(&cluster, &lost).unwrap();
    assert!(unlock.held.len() == 1 && unlock.held[0].reason == "its recovery key is not in the escrow", "{:?}", unlock.held);
    assert!(of(&unlock, "solo").iter().all(|id| id.ends_with("/unlock")), "no service is started that would wait for it");
    assert_eq!(unlock.steps.len(), 4);
    let unlock = compose::unlock(&cluster, &world.seen).unwrap();
    assert_eq!(compose::check(&world.seen, &unlock), Vec::<String>::new());
    assert_eq!(of(&unlock, "solo").last().unwrap(), "services/resume");
    world = unlock.steps.iter().fold(world, after);
    assert!(compose::unlock(&cluster, &world.seen).unwrap().steps.is_empty());
    world.seen.api = before.api;
    assert!(plan_of(&cluster, &world.seen).held.is_empty());
}

#[test]
fn a_node_whose_volumes_are_unlocked_by_hand_waits_for_no_key_server_and_the_others_do() {
    let mut cluster = cluster();
    for volume in &mut cluster.volumes {
        volume.spec.encryption = Encryption::Luks(Ways::new(vec![Way::Recovery]).unwrap());
    }
    let by_hand = cluster.volumes.iter().map(|v| v.nodes.contains(&name("kube2"))).collect::<Vec<_>>();
    assert!(by_hand.contains(&true));
    // Of kube1 and of cp1 one volume is fetched all the same.
    let mut own = cluster.volumes[0].clone();
    own.spec =
        kubestead_storage::spec::Volume { name: name("own"), path: "/srv/own".into(), encryption: Encryption::default(), ..own.spec };
    own.nodes = BTreeSet::from([name("kube1"), name("cp1")]);
    cluster.volumes.push(own);
    let mut seen = seen(&cluster);
    seen.servers.values_mut().for_each(|server| *server = Fact::Unknown(Gap::new("no route to host")));
    let plan = plan_of(&cluster, &seen);
    assert!(of(&plan, "kube1").is_empty() && of(&plan, "cp1").is_empty(), "{:?}", of(&plan, "kube1"));
    assert!(of(&plan, "kube2").contains(&"kubelet/mount".to_owned()), "{:?}", of(&plan, "kube2"));
    // With its server the one volume alone has a share there.
    let seen = super::seen(&cluster);
    let plan = plan_of(&cluster, &seen);
    let shares: Vec<&String> =
        plan.steps.iter().map(|s| &s.id.0).filter(|id| id.starts_with("masterlock/") && id.ends_with("/shares")).collect();
    assert_eq!(shares, ["masterlock/cp1/shares", "masterlock/kube1/shares"]);
    assert!(!of(&plan, "kube2").iter().any(|id| id.starts_with("keypair/")));
}

/// Machines that were made as a file says get a file with other ways: by hand, and by a key server that none of them knew.
#[test]
fn another_way_on_volumes_that_are_there_is_an_edit_whatever_cuts_it_off() {
    let fetched = cluster();
    let mut by_hand = fetched.clone();
    by_hand.volumes.iter_mut().for_each(|volume| volume.spec.encryption = Encryption::Luks(Ways::new(vec![Way::Recovery]).unwrap()));
    for (from, to) in [(&fetched, &by_hand), (&by_hand, &fetched)] {
        let begin = settled(from, World::new(seen(from)));
        let plan = plan_of(to, &begin.seen);
        assert!(plan.held.is_empty(), "{:?}", plan.held);
        let ways = plan.steps.iter().filter(|step| step.id.0.ends_with("-way")).count();
        assert_eq!(ways, from.volumes.iter().map(|v| v.nodes.len()).sum::<usize>());
        if to.volumes[0].fetched() {
            for id in ["masterlock/kube1/shares", "masterlock/kube1/enrol", "kube1/kubelet/share"] {
                assert!(waits(&plan, "kube1/kubelet/add-way").contains(&StepId(id.into())), "{id}");
            }
        }
        let mut world = begin;
        for step in &plan.steps {
            world = after(world, step);
            let end = settled(to, world.clone());
            for fact in end.seen.nodes.values() {
                let Fact::Known(node) = fact else { panic!("it is seen") };
                assert!(node.storage.volumes.values().all(|v| v.ways.contains(&Way::Ssh) == to.volumes[0].fetched()), "{}", step.id);
            }
        }
    }
}
