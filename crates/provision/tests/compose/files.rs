//! Every file that any domain may write on any host, whatever is in its place.

use kubestead_core::claim::{Adoption, adopts};
use kubestead_core::plan::{Step, Target};
use kubestead_core::put::{Files, Found, digest};
use kubestead_provision::node::{AptFacts, Offer, System};

use super::*;

/// The key of the official world.
const PRINT: &str = "CB88F838D695A2601A192861DDE092B251C1362B";

/// What both repositories offer a machine that has nothing of them.
fn offers() -> AptFacts {
    let versions = ["kubeadm", "kubelet", "kubectl", "containerd.io"]
        .map(|name| (name.to_owned(), vec!["1.37.1-1.1".to_owned(), "2.2.1-1".to_owned()]));
    let offer = Offer {
        now: 1_800_000_000,
        asked: true,
        key: Some(include_str!("key.asc").to_owned()),
        system: Some(System { id: "debian".into(), codename: "bookworm".into(), architecture: "amd64".into() }),
        versions: versions.into(),
        ..Offer::default()
    };
    AptFacts { kubernetes: Some(offer.clone()), docker: Some(offer), ..AptFacts::default() }
}

/// Three nodes with a bundle, with packages whose key lies here, and with packages of both repositories; all machines are blank.
pub(super) fn worlds() -> [(Cluster, Seen); 3] {
    let bundled = cluster();
    let text = FILE.replace("bundle: bundle,", "packages: {key: kubernetes.asc},");
    // And volumes that are not encrypted beside those that are.
    let text = text
        .replace("path: /var/lib/kubelet}", "path: /var/lib/kubelet, encryption: none}")
        .replace("filesystem: xfs,", "filesystem: xfs, encryption: none,");
    let packaged = file::load("cluster.yaml", &text, Path::new("/x")).unwrap();
    let (one, mut two) = (seen(&bundled), seen(&packaged));
    (two.bundle, two.keyring) = (Fact::Absent, Fact::Known("KEY".into()));
    for node in two.nodes.values_mut() {
        let Fact::Known(NodeSeen { setup: Some(setup), .. }) = node else { panic!("it is seen") };
        (setup.apt, setup.runtime) = (Some(AptFacts::default()), Some("2.1.4".into()));
    }
    let text = FILE.replace(
        "bundle: bundle,",
        &format!("packages: {{fingerprint: {PRINT}, docker: {{fingerprint: {PRINT}}}}}, proxy: {{https: 'http://10.9.9.9:3128'}}, registries: {{docker.io: {{mirrors: ['https://m']}}, m: {{ca: ca.pem}}}}, kubelet: {{evictionHard: {{imagefs.available: 0%}}, maxPods: 50}},"),
    );
    let text = text.replace("{name: kube1,", "{name: kube1, taints: ['for=db:NoSchedule'], annotations: {rack: '7'},");
    let official = file::load("cluster.yaml", &text, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compose"))).unwrap();
    let mut three = seen(&official);
    three.bundle = Fact::Absent;
    for node in three.nodes.values_mut() {
        let Fact::Known(NodeSeen { setup: Some(setup), .. }) = node else { panic!("it is seen") };
        setup.apt = Some(offers());
    }
    [(bundled, one), (packaged, two), (official, three)]
}

/// Each domain reads the one answer of a host.
fn change(seen: &mut Seen, host: &Name, change: &dyn Fn(&mut Files)) {
    if let Some(Fact::Known(server)) = seen.servers.get_mut(host) {
        change(&mut server.files);
    }
    if let Some(Fact::Known(node)) = seen.nodes.get_mut(host) {
        let Fact::Known(files) = &mut node.storage.files else { panic!("they are seen") };
        change(files);
        change(&mut node.setup.as_mut().unwrap().files);
        change(&mut node.kubeadm.as_mut().unwrap().files);
    }
    if let Some(Fact::Known(keys)) = seen.keys.get_mut(host) {
        change(&mut keys.files);
    }
}

fn writers<'a>(plan: &'a Plan<Action>, host: &Name, path: &str) -> Vec<&'a Step<Action>> {
    let target = Target::Host(host.to_string());
    plan.steps.iter().filter(|step| step.target == target && step.action.writes().iter().any(|file| file.path == path)).collect()
}

#[test]
fn no_file_is_written_that_no_probe_looks_at() {
    for (cluster, seen) in worlds() {
        let plan = plan_of(&cluster, &seen);
        assert!(plan.held.is_empty(), "{:?}", plan.held);
        for (host, paths) in compose::own_paths(&cluster, &seen.bundle, &seen.keyring) {
            let target = Target::Host(host.to_string());
            let written: Vec<String> =
                plan.steps.iter().filter(|s| s.target == target).flat_map(|s| s.action.writes()).map(|f| f.path).collect();
            let looked: BTreeSet<String> = paths.iter().cloned().collect();
            assert_eq!(written.iter().cloned().collect::<BTreeSet<_>>(), looked, "{host}");
            assert_eq!((written.len(), paths.len()), (looked.len(), looked.len()), "each path is of one domain: {host}");
        }
    }
}

#[test]
fn whatever_is_in_the_place_of_a_file_no_step_writes_it_without_an_adoption_before() {
    let mut tried = 0;
    for (cluster, blank) in worlds() {
        for (host, paths) in compose::own_paths(&cluster, &blank.bundle, &blank.keyring) {
            for path in paths {
                for recorded in [false, true] {
                    let mut seen = blank.clone();
                    change(&mut seen, &host, &|files| {
                        files.foreign(&path, "theirs\n");
                        if recorded {
                            files.written.insert(path.clone(), BTreeSet::from([digest("ours once\n")]));
                        }
                    });
                    let plan = plan_of(&cluster, &seen);
                    let id = adopts(host.as_str(), &path);
                    let step = plan.steps.iter().find(|s| s.id == id).unwrap_or_else(|| panic!("{id} is not planned: {:?}", plan.held));
                    let whole = Some(Adoption::Adopt { path: path.clone(), sum: digest("theirs\n") });
                    assert!(step.needs_consent() && step.action.adoption() == whole.as_ref(), "{step:?}");
                    let writers = writers(&plan, &host, &path);
                    assert!(!writers.is_empty() && writers.iter().all(|s| s.after.contains(&id)), "{id}: {writers:?}");
                    // A plan without the edge is one that does not run.
                    let mut careless = plan.clone();
                    careless.steps.iter_mut().for_each(|s| _ = s.after.remove(&id));
                    assert_eq!(compose::check(&seen, &careless).len(), writers.len(), "{id}");
                    tried += 1;
                }
                let mut seen = blank.clone();
                change(&mut seen, &host, &|files| _ = files.found.insert(path.clone(), Found::Other));
                let plan = plan_of(&cluster, &seen);
                assert!(writers(&plan, &host, &path).is_empty(), "{host}{path} is no file and would be written");
                assert!(plan.held.iter().any(|held| held.reason.starts_with(&format!("{path} is a link"))), "{:?}", plan.held);
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

/// Without the consent to one file the steps that wait for it are skipped, and the engine goes on with the others of the host.
#[test]
fn without_consent_nothing_is_written_below_a_mount_point_that_waits_for_its_volume() {
    let cluster = cluster();
    let mut skipped = 0;
    for (host, paths) in compose::own_paths(&cluster, &Fact::Known(bundle()), &Fact::Absent) {
        for path in paths {
            let mut seen = seen(&cluster);
            change(&mut seen, &host, &|files| files.foreign(&path, "theirs\n"));
            let plan = plan_of(&cluster, &seen);
            let mut out = BTreeSet::from([adopts(host.as_str(), &path)]);
            // The steps are in an order in which they could run.
            for step in &plan.steps {
                if step.after.iter().any(|id| out.contains(id)) {
                    out.insert(step.id.clone());
                }
            }
            for node in &cluster.nodes {
                let target = Target::Host(node.name.to_string());
                let own: Vec<&Step<Action>> = plan.steps.iter().filter(|s| s.target == target).collect();
                let mounts = |s: &&&Step<Action>| matches!(s.action, Action::Storage(kubestead_storage::action::Action::Mount { .. }));
                if own.iter().filter(mounts).any(|s| out.contains(&s.id)) {
                    skipped += 1;
                    // Programs lie on no volume of this cluster.
                    for step in own.iter().filter(|s| !s.beside && matches!(s.action, Action::Node(_) | Action::Kubeadm(_))) {
                        assert!(out.contains(&step.id), "{} runs without {host}{path}", step.id);
                    }
                }
            }
        }
    }
    assert!(skipped > 20, "{skipped}");
}

#[test]
fn a_node_that_cannot_be_told_its_key_servers_gets_no_share() {
    let cluster = cluster();
    let mut seen = seen(&cluster);
    change(&mut seen, &name("kube1"), &|files| _ = files.found.insert("/etc/kubestead/known_hosts".into(), Found::Other));
    let plan = plan_of(&cluster, &seen);
    assert!(of(&plan, "kube1").is_empty() && !of(&plan, "masterlock").iter().any(|deed| deed.starts_with("kube1/")), "{:?}", plan.steps);
    assert!(of(&plan, "operator").iter().all(|deed| !deed.starts_with("recovery.kube1.")));
    assert!(of(&plan, "masterlock").contains(&"kube2/shares".to_owned()));
}

#[test]
fn a_key_pair_of_somebody_elses_asks_and_everything_that_needs_it_waits() {
    let cluster = cluster();
    for path in keyserver::made_paths() {
        let mut seen = seen(&cluster);
        change(&mut seen, &name("kube1"), &|files| files.foreign(path, "theirs\n"));
        let plan = plan_of(&cluster, &seen);
        let id = adopts("kube1", path);
        assert!(plan.steps.iter().find(|s| s.id == id).is_some_and(Step::needs_consent), "{path}: {:?}", plan.held);
        let mut careless = plan.clone();
        careless.steps.iter_mut().for_each(|s| _ = s.after.remove(&id));
        assert_eq!(compose::check(&seen, &careless).len(), 1, "{path}");
        // Without the consent the node is not let in, and none of its volumes is made.
        let mut out = BTreeSet::from([id]);
        for step in &plan.steps {
            if step.after.iter().any(|id| out.contains(id)) {
                out.insert(step.id.clone());
            }
        }
        let ids: BTreeSet<&str> = out.iter().map(|id| id.0.as_str()).collect();
        assert!(ids.contains("kube1/keypair/make") && ids.contains("masterlock/kube1/enrol"), "{ids:?}");
        assert!(ids.iter().any(|id| id.starts_with("kube1/") && id.ends_with("/format")), "{ids:?}");
        assert!(!ids.iter().any(|id| id.starts_with("kube2/")), "{ids:?}");
        change(&mut seen, &name("kube1"), &|files| _ = files.found.insert(path.into(), Found::Other));
        let plan = plan_of(&cluster, &seen);
        assert!(of(&plan, "kube1").is_empty() && plan.held.iter().any(|held| held.reason.starts_with(path)), "{:?}", plan.held);
    }
}

#[test]
fn a_key_file_whose_key_is_not_in_the_escrow_is_no_reason_to_make_another() {
    let cluster = cluster();
    let mut seen = seen(&cluster);
    let Fact::Known(found) = seen.nodes.get_mut(&name("cp1")).unwrap() else { panic!("it is seen") };
    let facts = found.kubeadm.as_mut().unwrap();
    (facts.cluster, facts.encryption) = (Some(cluster.name.to_string()), true);
    let plan = plan_of(&cluster, &seen);
    assert!(!of(&plan, "operator").contains(&"encryption.key1/escrow".to_owned()));
    assert!(!of(&plan, "cp1").iter().any(|deed| deed.starts_with("kubeadm/")), "{:?}", of(&plan, "cp1"));
    assert!(plan.held.iter().any(|h| h.object == "cp1/encryption" && h.hint.contains("restore encryption.key1.age")), "{:?}", plan.held);
    seen.escrow.insert(encryption::escrow_name("key1"));
    assert!(of(&plan_of(&cluster, &seen), "cp1").contains(&"kubeadm/prepare".to_owned()));
}
