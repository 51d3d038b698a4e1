//! All domains together: what is seen of machines that hold nothing, and the one plan of examples/three-nodes for them.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

#[path = "compose/components.rs"]
mod components;
#[path = "compose/cuts.rs"]
mod cuts;
#[path = "compose/examples.rs"]
mod examples;
#[path = "compose/files.rs"]
mod files;
#[path = "compose/kubelets.rs"]
mod kubelets;
#[path = "compose/ways.rs"]
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::{HostName, Name};
use kubestead_core::plan::{Plan, StepId};
use kubestead_core::probe::Answers;
use kubestead_provision::bundle::{Bundle, BundleFile, Kind};
use kubestead_provision::compose::{self, Action, NodeSeen, Seen};
use kubestead_provision::encryption::{self, Cipher, Entry, Layout, ModelServer, World};
use kubestead_provision::file::{self, Cluster};
use kubestead_provision::keyserver::{self, ServerFacts};
use kubestead_provision::kubeadm::{self, KubeadmFacts, State};
use kubestead_provision::kubelet::KubeletFacts;
use kubestead_provision::machine::Machine;
use kubestead_provision::node;
use kubestead_provision::objects::{self, ApiFacts, Networking, NodeState, Record};
use kubestead_provision::secret::SecretsWanted;
use kubestead_provision::service::ServicesWanted;

const FILE: &str = include_str!("../../../examples/three-nodes/cluster.yaml");

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn cluster() -> Cluster {
    file::load("cluster.yaml", FILE, Path::new("/x")).unwrap()
}

fn bundle() -> Bundle {
    let file = |kind, name: &str, roles: &[&str]| BundleFile {
        path: name.into(),
        kind,
        name: name.into(),
        version: "1".into(),
        sha256: "ab".repeat(32),
        size: 1,
        arch: None,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        image: (kind == Kind::Image).then(|| format!("registry.k8s.io/{name}:1")),
    };
    let all = ["control-plane", "worker"];
    let mut files: Vec<BundleFile> =
        ["containerd", "runc", "kubeadm", "kubelet", "kubectl"].map(|name| file(Kind::Binary, name, &all)).into();
    files.extend([file(Kind::Cni, "bridge", &all), file(Kind::Image, "pause", &all), file(Kind::Image, "etcd", &all[..1])]);
    Bundle { format_version: 1, kubernetes: "1.37.1".into(), source: "built".into(), files }
}

/// A machine with one blank disk.
fn blank(cluster: &Cluster, node: &Name) -> NodeSeen {
    let spec = compose::storage(cluster, node);
    let mut answers = vec![
        ("storage/lvm".to_owned(), 0, "{\"report\": []}".to_owned()),
        ("storage/mounts".to_owned(), 0, String::new()),
        ("storage/tabs".to_owned(), 0, "@@\n".to_owned()),
        ("files".to_owned(), 0, String::new()),
    ];
    for device in spec.groups.values().flatten() {
        answers.push((format!("storage/device:{device}"), 0, "/dev/ubdc 8589934592 98:32\n\nzero\n{\"signatures\": []}\n".to_owned()));
    }
    let look =
        |volume: &kubestead_storage::spec::Volume| format!("volume {}\nfolder free\nreal {}\nshare no\nabsent\n", volume.name, volume.path);
    answers.push(("storage/volumes".to_owned(), 0, spec.volumes.iter().map(look).collect::<String>() + "@@ end\n"));
    NodeSeen {
        machine: Machine { system: ("debian".into(), "12".into()), missing: vec![], clock: 0, free: vec![] },
        storage: kubestead_storage::observe::read(&spec, &Answers::from_pairs(answers)),
        setup: Some(node::NodeFacts { hostname: node.to_string(), cgroup2: true, ..node::NodeFacts::default() }),
        kubeadm: Some(KubeadmFacts::default()),
        encryption: Fact::Absent,
    }
}

fn seen(cluster: &Cluster) -> Seen {
    let nodes = cluster.nodes.iter().map(|n| (n.name.clone(), Fact::Known(blank(cluster, &n.name)))).collect();
    let keys = cluster.nodes.iter().map(|n| (n.name.clone(), Fact::Known(keyserver::ClientFacts::default())));
    let mut server = ServerFacts::blank("ssh-ed25519 AAAA");
    server.account.login = "root".into();
    Seen {
        nodes,
        keys: keys.collect(),
        servers: BTreeMap::from([(name("masterlock"), Fact::Known(server))]),
        escrow: BTreeSet::new(),
        bundle: Fact::Known(bundle()),
        keyring: Fact::Absent,
        api: Fact::Absent,
        wish: SecretsWanted::default(),
        secrets: Fact::Absent,
        asked: ServicesWanted::default(),
        services: Fact::Absent,
        kubelets: KubeletFacts::default(),
        unreachable: BTreeSet::new(),
    }
}

fn planned(change: impl FnOnce(&Cluster, &mut Seen)) -> Plan<Action> {
    let cluster = cluster();
    let mut seen = seen(&cluster);
    change(&cluster, &mut seen);
    plan_of(&cluster, &seen)
}

fn plan_of(cluster: &Cluster, seen: &Seen) -> Plan<Action> {
    let plan = compose::plan(cluster, seen).unwrap();
    assert_eq!(compose::plan(cluster, seen).unwrap(), plan, "the same facts, the same plan");
    assert_eq!(compose::check(seen, &plan), Vec::<String>::new());
    let kinds = compose::kinds();
    assert!(plan.steps.iter().all(|step| kinds.name(&step.id)), "each step is of a kind that its domain tells: {:?}", plan.steps);
    plan
}

/// The deeds about a target, in order.
fn of(plan: &Plan<Action>, target: &str) -> Vec<String> {
    let all = plan.steps.iter().filter_map(|step| step.id.0.strip_prefix(target)?.strip_prefix('/'));
    all.map(str::to_owned).collect()
}

/// Everything that a step waits for, at first or at last: other steps of its host come before it too.
fn waits(plan: &Plan<Action>, step: &str) -> BTreeSet<StepId> {
    let mut found = BTreeSet::new();
    let mut open = vec![StepId(step.to_owned())];
    while let Some(id) = open.pop() {
        let place = plan.steps.iter().position(|s| s.id == id).unwrap_or_else(|| panic!("no step {id}"));
        let before = plan.steps[..place].iter().filter(|s| s.target == plan.steps[place].target).map(|s| s.id.clone());
        for id in before.chain(plan.steps[place].after.iter().cloned()) {
            if found.insert(id.clone()) {
                open.push(id);
            }
        }
    }
    found
}

#[test]
fn from_nothing_all_is_done_in_an_order_that_cannot_lose_anything() {
    let plan = planned(|_, _| ());
    assert!(plan.held.is_empty(), "{:?}", plan.held);
    let text = plan.steps.iter().fold(String::new(), |mut text, step| {
        let _ = writeln!(text, "{}", step.id);
        text
    });
    let id = |text: &str| StepId(text.to_owned());
    let before = |step: &str, first: &str| assert!(waits(&plan, step).contains(&id(first)), "{step} does not wait for {first}:\n{text}");
    // A key is kept before a header is made with it, and a node can fetch it before it relies on it.
    before("kube1/volkube/format", "operator/recovery.kube1.volkube/escrow");
    before("kube1/volkube/format", "masterlock/kube1/shares");
    before("kube1/volkube/format", "masterlock/kube1/enrol");
    // Nothing is written below a mount point before the volume is there, and no service starts on one.
    for path in ["kubelet", "containerd", "volkube"] {
        before("kube1/containerd/run", &format!("kube1/{path}/mount"));
    }
    // Programs lie on no volume and come beside them.
    let install = plan.steps.iter().find(|s| s.id == id("kube1/software/install")).unwrap();
    assert!(install.beside && install.after.is_empty(), "{:?}", install.after);
    before("kube1/containerd/run", "kube1/software/install");
    before("kube1/containerd/run", "kube1/services/require-mounts");
    before("cp1/kubeadm/prepare", "operator/encryption.key1/escrow");
    // A worker needs a cluster to join, and objects need an API.
    before("kube1/kubeadm/join", "cp1/kubeadm/init");
    before("cluster/storage/apply", "cp1/kubeadm/init");
    before("cluster/nodes/ready", "kube2/kubeadm/join");
    // The one that all wait for gets its programs and images first; another one's programs come behind its programs, and its images beside its images; a
    // second one's programs behind those of the other, and its images behind those of the first, whatever becomes of each.
    let behind = |step: &str| plan.steps.iter().find(|s| s.id == id(step)).unwrap().behind.clone();
    let turns = [
        ("kube1/software/install", "cp1/software/install"),
        ("kube2/software/install", "kube1/software/install"),
        ("kube2/images/import", "cp1/images/import"),
    ];
    for (step, first) in turns {
        assert_eq!(behind(step), BTreeSet::from([id(first)]), "{step}");
    }
    let first = ["cp1/images/import", "cp1/software/install", "kube1/images/import"];
    assert!(first.iter().all(|step| behind(step).is_empty()));
    assert!(
        ["kube1", "kube2"]
            .iter()
            .all(|node| !waits(&plan, &format!("{node}/images/import")).iter().any(|id| id.0.ends_with("images/import")))
    );
    assert!(!waits(&plan, "cp1/images/import").iter().any(|id| id.0.starts_with("kube")), "and waits for no other node");
    assert!(plan.steps.iter().all(|step| !step.needs_consent()), "nothing that is there is destroyed");
}

#[test]
fn a_machine_that_is_not_seen_is_left_alone_and_the_others_are_not() {
    let plan = planned(|cluster, seen| {
        seen.nodes.insert(cluster.nodes[1].name.clone(), Fact::Unknown(Gap::new("no route to host")));
    });
    assert!(of(&plan, "kube1").is_empty() && plan.held.iter().any(|held| held.object == "kube1" && held.reason == "no route to host"));
    assert!(of(&plan, "kube2").contains(&"kubeadm/join".to_owned()));
}

#[test]
fn without_its_key_server_a_machine_makes_no_volume_and_nothing_on_a_bare_mount_point() {
    let plan = planned(|_, seen| {
        seen.servers.values_mut().for_each(|server| *server = Fact::Unknown(Gap::new("no route to host")));
    });
    for node in ["cp1", "kube1", "kube2"] {
        assert!(of(&plan, node).is_empty(), "{:?}", of(&plan, node));
    }
    assert!(of(&plan, "cluster").is_empty() && !plan.held.is_empty());
}

/// A share and a recovery key are made for what is made: not for a volume whose disk is somebody's, or whose header is not understood.
#[test]
fn a_volume_that_is_held_gets_no_share_and_no_recovery_key() {
    use kubestead_storage::observe::Device;
    let keys = |plan: &Plan<Action>, node: &str| {
        let about = [format!("operator/recovery.{node}."), format!("masterlock/{node}/shares")];
        plan.steps.iter().filter(|step| about.iter().any(|begin| step.id.0.starts_with(begin.as_str()))).count()
    };
    let plan = planned(|_, seen| {
        let Fact::Known(found) = seen.nodes.get_mut(&name("kube1")).unwrap() else { panic!("it is seen") };
        found.storage.devices.values_mut().for_each(|device| *device = Fact::Known(Device::Taken("an ext4 filesystem".into())));
        let Fact::Known(found) = seen.nodes.get_mut(&name("kube2")).unwrap() else { panic!("it is seen") };
        let volume = found.storage.volumes.get_mut(&name("volkube")).unwrap();
        volume.header = Fact::Unknown(Gap::new("a header that is not understood"));
        volume.logical = Fact::Unknown(Gap::new("lvs said something else"));
    });
    assert_eq!(keys(&plan, "kube1"), 0, "{:?}", plan.held);
    assert_eq!(keys(&planned(|_, _| ()), "kube1"), 4, "three volumes and one action for their shares");
    let shares = plan.steps.iter().find(|step| step.id.0 == "masterlock/kube2/shares").unwrap();
    let Action::Keys(keyserver::Action::Shares { volumes, .. }) = &shares.action else { panic!("{:?}", shares.action) };
    assert!(volumes.len() == 2 && !volumes.contains(&name("volkube")), "{volumes:?}");
    assert!(!plan.steps.iter().any(|step| step.id.0 == "operator/recovery.kube2.volkube/escrow"));
}

#[test]
fn a_key_server_whose_account_is_somebody_elses_is_left_alone_and_so_are_the_volumes() {
    let plan = planned(|_, seen| {
        let Fact::Known(server) = seen.servers.get_mut(&name("masterlock")).unwrap() else { panic!("it is seen") };
        server.account.entry = Some((1000, "/home/masterlock".into()));
    });
    for target in ["masterlock", "cp1", "kube1", "kube2", "cluster"] {
        assert!(of(&plan, target).is_empty(), "{:?}", of(&plan, target));
    }
    assert!(
        plan.held.iter().any(|held| held.object == "masterlock" && held.reason.contains("was not made by kubestead")),
        "{:?}",
        plan.held
    );
}

#[test]
fn a_plan_that_does_not_fit_the_key_servers_as_seen_is_told_before_it_runs() {
    let cluster = cluster();
    let mut seen = seen(&cluster);
    let plan = plan_of(&cluster, &seen);
    assert!(compose::check(&seen, &plan).is_empty(), "{:?}", compose::check(&seen, &plan));
    let Fact::Known(server) = seen.servers.get_mut(&name("masterlock")).unwrap() else { panic!("it is seen") };
    server.shares.insert("kube1/volkube".into(), "ab".repeat(32));
    assert_eq!(compose::check(&seen, &plan), ["masterlock/kube1/shares: masterlock has a share of kube1/volkube"]);
}

/// Just after its boot a machine looks as if it had never been a node: all that says so is on its volumes.
#[test]
fn a_volume_that_was_made_before_is_mounted_and_nothing_is_concluded_from_its_absence() {
    use kubestead_storage::action::Action as Storage;
    use kubestead_storage::model::model;
    let plan = planned(|cluster, seen| {
        let first = name("cp1");
        let Fact::Known(found) = seen.nodes.get_mut(&first).unwrap() else { panic!("it is seen") };
        let made = kubestead_storage::plan::plan(&compose::storage(cluster, &first), &found.storage);
        let own = made.steps.iter().filter(|step| !matches!(step.action, Storage::Mount { .. }));
        found.storage = own.fold(found.storage.clone(), |facts, step| model(&step.action, facts));
        let Fact::Known(server) = seen.servers.get_mut(&name("masterlock")).unwrap() else { panic!("it is seen") };
        for volume in ["etcd", "kubernetes", "containerd", "kubelet"] {
            seen.escrow.insert(format!("recovery.cp1.{volume}"));
            server.shares.insert(format!("cp1/{volume}"), "ab".repeat(32));
        }
    });
    let (mounts, rest): (Vec<String>, Vec<String>) = of(&plan, "cp1").into_iter().partition(|deed| deed.ends_with("/mount"));
    assert_eq!(mounts.len(), 4, "{mounts:?} {:?}", plan.held);
    assert!(rest.iter().all(|deed| deed.starts_with("keypair/") || deed.starts_with("keys/")), "{rest:?}");
    assert!(of(&plan, "cluster").is_empty(), "{:?}", of(&plan, "cluster"));
    assert!(plan.steps.iter().any(|step| step.why == "open and mount at /var/lib/etcd; what is on it shows then"));
    assert!(of(&plan, "kube1").iter().all(|deed| deed != "kubeadm/join"), "there is no cluster to be seen");
}

/// All that a first run made on kube1, then its data disk swapped for a blank one of the same name.
#[test]
fn a_swapped_data_disk_is_held_its_keys_stay_and_nothing_else_is_done_on_its_machine() {
    use kubestead_storage::model::model;
    let plan = planned(|cluster, seen| {
        let node = name("kube1");
        let spec = compose::storage(cluster, &node);
        let Fact::Known(found) = seen.nodes.get_mut(&node).unwrap() else { panic!("it is seen") };
        let made = kubestead_storage::plan::plan(&spec, &found.storage);
        let before = made.steps.iter().fold(found.storage.clone(), |facts, step| model(&step.action, facts));
        for (volume, facts) in &mut found.storage.volumes {
            let known = &before.volumes[volume];
            (facts.share, facts.crypttab, facts.fstab) = (true, known.crypttab.clone(), known.fstab.clone());
        }
        let Fact::Known(server) = seen.servers.get_mut(&name("masterlock")).unwrap() else { panic!("it is seen") };
        server.shares.extend(spec.volumes.iter().map(|v| (format!("kube1/{}", v.name), "ab".repeat(32))));
        seen.escrow.extend(spec.volumes.iter().map(|v| format!("recovery.kube1.{}", v.name)));
    });
    let held = plan.held.iter().find(|h| h.object == "kube1/vg01").unwrap_or_else(|| panic!("{:?}", plan.held));
    assert!(held.reason.contains("volkube") && held.hint.contains("--yes kube1/vg01/group makes them anew"), "{held:?}");
    let group = plan.steps.iter().find(|s| s.id.0 == "kube1/vg01/group").unwrap();
    assert!(group.needs_consent());
    let safe: Vec<String> = of(&plan, "kube1").into_iter().filter(|deed| deed.contains("kubeadm") || deed.contains("software")).collect();
    assert!(safe.is_empty(), "{safe:?}");
    assert!(of(&plan, "masterlock").iter().all(|deed| !deed.starts_with("kube1.") || !deed.ends_with("/share")), "no share is made anew");
    assert!(of(&plan, "operator").iter().all(|deed| !deed.starts_with("recovery.kube1.")), "no recovery key is made anew");
    assert!(of(&plan, "kube2").iter().any(|deed| deed == "vg01/group"), "another machine is made");
}

#[test]
fn a_volume_that_is_held_gets_no_recovery_key_and_every_one_that_is_made_gets_a_whole_one() {
    let plan = planned(|_, seen| {
        let Fact::Known(found) = seen.nodes.get_mut(&name("kube1")).unwrap() else { panic!("it is seen") };
        found.storage.volumes.get_mut(&name("volkube")).unwrap().resolved = Some("/mnt/volumes".into());
    });
    let keys = of(&plan, "operator");
    assert!(keys.contains(&"recovery.kube1.kubelet/escrow".to_owned()) && !keys.contains(&"recovery.kube1.volkube/escrow".to_owned()));
    assert_eq!(kubestead_secrets::recovery_key().unwrap().expose().len(), kubestead_storage::key::LENGTH);
}

/// A node is called by its host name where Kubernetes is asked, and by its name where it is about its steps, keys and volumes.
#[test]
fn a_host_name_is_a_nodes_name_in_kubernetes_alone() {
    let text = FILE.replace("{name: kube1,", "{name: kube1, hostname: kube1.example.com,");
    let cluster = file::load("cluster.yaml", &text, Path::new("/x")).unwrap();
    let mut seen = seen(&cluster);
    let held = plan_of(&cluster, &seen).held;
    assert!(
        held.iter().any(|h| h.object == "kube1/hostname" && h.hint.starts_with("hostnamectl set-hostname kube1.example.com")),
        "{held:?}"
    );
    let Fact::Known(found) = seen.nodes.get_mut(&name("kube1")).unwrap() else { panic!("it is seen") };
    found.setup.as_mut().unwrap().hostname = "kube1.example.com".into();
    let plan = plan_of(&cluster, &seen);
    assert!(plan.held.is_empty(), "{:?}", plan.held);
    let step = |id: &str| plan.steps.iter().find(|s| s.id.0 == id).unwrap_or_else(|| panic!("no step {id}"));
    let Action::Kubeadm(kubeadm::Action::Join { spec, node, .. }) = &step("kube1/kubeadm/join").action else { panic!("it joins") };
    assert_eq!((node.as_str(), spec.hostname(node).as_str()), ("kube1", "kube1.example.com"));
    assert_eq!(spec.hostname(&name("kube2")).as_str(), "kube2");
    let Action::Objects(objects::Action::Wait { nodes, .. }) = &step("cluster/nodes/ready").action else { panic!("it waits") };
    assert_eq!(nodes.iter().map(HostName::as_str).collect::<Vec<_>>(), ["cp1", "kube1.example.com", "kube2"]);
    let manifests = |id: &str| match &step(id).action {
        Action::Objects(objects::Action::Apply { manifests }) => manifests.clone(),
        other => panic!("{other:?}"),
    };
    assert!(manifests("cluster/labels/apply").iter().any(|m| m["metadata"]["name"] == "kube1.example.com"));
    let volumes: Vec<_> =
        manifests("cluster/storage/apply").into_iter().filter(|m| m["metadata"]["labels"]["volume.node"] == "kube1").collect();
    assert!(!volumes.is_empty());
    for volume in volumes {
        let terms = &volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"];
        assert_eq!(terms[0]["matchExpressions"][0]["values"], serde_json::json!(["kube1.example.com"]));
        assert!(volume["metadata"]["name"].as_str().unwrap().starts_with("kube1-"));
    }
}

#[test]
fn another_version_than_the_bundles_is_held_before_any_node_is_set_up() {
    let plan = planned(|_, seen| {
        seen.bundle = Fact::Known(Bundle { kubernetes: "1.36.0".into(), ..bundle() });
    });
    assert!(plan.held.iter().any(|held| held.object == "cluster/bundle" && held.reason.contains("1.36.0")));
    assert!(of(&plan, "cp1").iter().all(|deed| !deed.contains("kubeadm") && !deed.contains("software")));
    assert!(of(&plan, "cp1").contains(&"etcd/mount".to_owned()), "volumes are made all the same");
}

/// What the API server mounts stands in the manifest that kubeadm makes, and it restarts with it: what the plan asks of the API comes before.
#[test]
fn a_plugins_folder_is_mounted_by_kubeadm_after_the_api_was_asked_for_all_else() {
    let text =
        FILE.replace("lab: true}", "lab: true, encryption: {provider: kms, kms: {name: vault, endpoint: \"unix:///run/kms/vault.sock\"}}}");
    let cluster = file::load("cluster.yaml", &text, Path::new("/x")).unwrap();
    let mut seen = seen(&cluster);
    let Fact::Known(first) = seen.nodes.get_mut(&name("cp1")).unwrap() else { panic!("it is seen") };
    let member = first.kubeadm.as_mut().unwrap();
    (member.state, member.cluster, member.ca) = (State::ControlPlane, Some("home".into()), Some("a".repeat(64)));
    (member.encryption, member.kubelet) = (true, true);
    let key1 = Entry::Key { cipher: Cipher::Secretbox, name: "key1".into() };
    let server = ModelServer::new(Layout(BTreeMap::from([("secrets".to_owned(), vec![key1])])));
    let world = World { servers: BTreeMap::from([(name("cp1"), server)]), ..World::default() };
    first.encryption = Fact::Known(world.facts(&name("cp1")).unwrap());
    seen.escrow.insert(encryption::escrow_name("key1"));
    seen.api = Fact::Known(ApiFacts { answers: true, ..ApiFacts::default() });
    let plan = plan_of(&cluster, &seen);
    let step = plan.steps.iter().find(|step| step.id.0 == "cp1/encryption/mount").unwrap_or_else(|| panic!("{:?}", plan.held));
    let Action::Kubeadm(kubeadm::Action::Mount { address, before, folders, .. }) = &step.action else { panic!("{:?}", step.action) };
    assert_eq!((address.as_str(), before.len(), folders.as_slice()), ("10.77.0.11", 0, ["/run/kms".to_owned()].as_slice()));
    for asked in ["network", "storage", "namespace", "labels"] {
        assert!(step.after.contains(&StepId::new("cluster", asked, "apply")), "{:?}", step.after);
    }
    assert!(waits(&plan, "cp1/encryption/promote").contains(&step.id));
}

/// A cluster that is there, as the file says.
fn there(seen: &mut Seen) {
    let Fact::Known(first) = seen.nodes.get_mut(&name("cp1")).unwrap() else { panic!("it is seen") };
    first.kubeadm = Some(KubeadmFacts {
        state: State::ControlPlane,
        cluster: Some("home".into()),
        ca: Some("a".repeat(64)),
        encryption: true,
        kubelet: true,
        server: Some("1.37.1".into()),
        ..KubeadmFacts::default()
    });
    let text = |t: &str| Some(t.to_owned());
    let record = Record {
        kubernetes_version: text("v1.37.1"),
        cluster_name: text("home"),
        control_plane_endpoint: text("10.77.0.11:6443"),
        networking: Networking {
            pod_subnet: text("10.244.0.0/16"),
            service_subnet: text("10.96.0.0/12"),
            dns_domain: text("cluster.local"),
        },
        ..Record::default()
    };
    let node = NodeState { kubelet: text("1.37.1"), runtime: text("2.1.4"), ..NodeState::default() };
    let nodes = BTreeMap::from([("cp1".to_owned(), node)]);
    seen.api = Fact::Known(ApiFacts { answers: true, version: text("1.37.1"), record: Some(record), nodes, ..ApiFacts::default() });
}

fn of_kubernetes(plan: &Plan<Action>) -> Vec<&str> {
    let kind =
        |step: &&kubestead_core::plan::Step<Action>| matches!(step.action, Action::Node(_) | Action::Kubeadm(_) | Action::Objects(_));
    plan.steps.iter().filter(kind).map(|step| step.id.0.as_str()).collect()
}

/// An edit of the version installed other programs side by side with the old ones and told that all was done (kubespray#409, kubespray#10293).
#[test]
fn another_version_in_the_file_than_the_one_that_runs_touches_no_node() {
    let other = |seen: &mut Seen| {
        seen.bundle = Fact::Known(Bundle { kubernetes: "1.37.2".into(), ..bundle() });
        there(seen);
    };
    let text = FILE.replace("1.37.1", "1.37.2");
    let cluster = file::load("cluster.yaml", &text, Path::new("/x")).unwrap();
    let mut facts = seen(&cluster);
    other(&mut facts);
    let plan = plan_of(&cluster, &facts);
    assert!(of_kubernetes(&plan).is_empty(), "{:?}", of_kubernetes(&plan));
    let held = plan.held.iter().find(|held| held.object == "cluster/version").unwrap_or_else(|| panic!("{:?}", plan.held));
    assert!(held.reason.contains("runs 1.37.1") && held.hint.contains("put kubernetes.version back to 1.37.1"), "{held:?}");
    // The API server does not answer: its manifest tells.
    facts.api = Fact::Known(ApiFacts::default());
    let plan = plan_of(&cluster, &facts);
    assert!(of_kubernetes(&plan).is_empty() && plan.held.iter().any(|held| held.reason.contains("manifest")), "{:?}", plan.held);
    // As the file was, the same machines get what is missing.
    let plan = planned(|_, seen| there(seen));
    assert!(of_kubernetes(&plan).contains(&"kube1/kubeadm/join") && plan.held.is_empty(), "{:?}", plan.held);
}

/// A changed podSubnet rewrote flannel's configuration alone (flannel#1428), and no cluster can follow (kubespray#2494, kubespray#10279).
#[test]
fn a_changed_range_of_pods_or_services_changes_nothing_anywhere() {
    for (line, field) in
        [("podSubnet: 10.32.0.0/16", "cluster/network.podSubnet"), ("serviceSubnet: 10.112.0.0/12", "cluster/network.serviceSubnet")]
    {
        let text = format!("{FILE}\nnetwork: {{{line}}}\n");
        let cluster = file::load("cluster.yaml", &text, Path::new("/x")).unwrap_or_else(|e| panic!("{e:?}"));
        let mut facts = seen(&cluster);
        there(&mut facts);
        let plan = plan_of(&cluster, &facts);
        assert!(of_kubernetes(&plan).is_empty(), "{:?}", of_kubernetes(&plan));
        assert!(plan.held.iter().any(|held| held.object == field), "{:?}", plan.held);
    }
}

#[test]
fn a_member_of_another_version_gets_no_program_over_the_one_that_runs() {
    let worker = |version: &str, runtime: &str| {
        let (version, runtime) = (version.to_owned(), runtime.to_owned());
        planned(move |_, seen| {
            there(seen);
            let Fact::Known(found) = seen.nodes.get_mut(&name("kube1")).unwrap() else { panic!("it is seen") };
            found.kubeadm = Some(KubeadmFacts {
                state: State::Worker,
                cluster: Some("home".into()),
                ca: Some("a".repeat(64)),
                kubelet: true,
                ..KubeadmFacts::default()
            });
            let Fact::Known(api) = &mut seen.api else { panic!("it answers") };
            api.nodes.insert("kube1".into(), NodeState { kubelet: Some(version), runtime: Some(runtime), ..NodeState::default() });
            let Fact::Known(bundle) = &mut seen.bundle else { panic!("there is one") };
            bundle.files.iter_mut().filter(|f| f.name == "containerd").for_each(|f| f.version = "2.1.4".into());
        })
    };
    let software = |plan: &Plan<Action>| {
        of(plan, "kube1")
            .into_iter()
            .filter(|d| ["software/", "containerd/run", "images/", "kubelet/unit"].iter().any(|p| d.starts_with(p)))
            .count()
    };
    assert!(software(&worker("1.37.1", "2.1.4")) > 0);
    for (plan, word) in [(worker("1.36.2", "2.1.4"), "kubelet 1.36.2"), (worker("1.37.1", "2.0.0"), "containerd 2.0.0")] {
        assert_eq!(software(&plan), 0, "{:?}", of(&plan, "kube1"));
        assert!(plan.held.iter().any(|held| held.object == "kube1/version" && held.reason.contains(word)), "{:?}", plan.held);
        assert!(of(&plan, "kube2").contains(&"software/install".to_owned()), "the others go on");
    }
}

/// While the API does not answer, nobody can tell whether the file still describes the cluster.
#[test]
fn nobody_joins_a_cluster_whose_api_does_not_answer() {
    let plan = planned(|_, seen| {
        there(seen);
        seen.api = Fact::Known(ApiFacts::default());
    });
    assert!(!of_kubernetes(&plan).iter().any(|id| id.ends_with("/kubeadm/join")), "{:?}", of_kubernetes(&plan));
    assert!(of_kubernetes(&plan).contains(&"cluster/api/reach"));
}

#[test]
fn a_secret_waits_for_the_yes_to_its_namespace() {
    use kubestead_provision::secret::SecretFacts;
    let plan = planned(|_, seen| {
        there(seen);
        let foreign = serde_json::json!({"metadata": {"name": "apps", "uid": "u"}});
        let Fact::Known(api) = &mut seen.api else { panic!("it answers") };
        api.objects.push(kubestead_provision::objects::Live::read("v1", "Namespace", foreign).unwrap());
        seen.wish.secrets.push(kubestead_provision::secret::SecretSpec {
            file: "db.yaml".into(),
            namespace: "apps".into(),
            name: "db".into(),
            kind: "Opaque".into(),
            immutable: false,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            keys: BTreeSet::from(["password".to_owned()]),
            digest: "sha256:x".into(),
        });
        let namespaces = BTreeMap::from([("apps".to_owned(), true)]);
        seen.secrets = Fact::Known(SecretFacts { namespaces, types: BTreeMap::new(), ours: BTreeMap::new() });
    });
    let secret = plan.steps.iter().find(|step| matches!(step.action, Action::Secret(_))).unwrap_or_else(|| panic!("{:?}", plan.held));
    let namespace = StepId("cluster/namespace.apps/adopt".into());
    assert!(secret.after.contains(&namespace) && plan.steps.iter().any(|step| step.id == namespace && step.needs_consent()));
}

/// Plans that no planner makes: whatever makes them, they do not run. That of a reset is one of them.
#[test]
fn what_must_not_run_is_seen_in_every_plan() {
    use kubestead_core::plan::{Part, Step, Target};
    use kubestead_provision::objects::{Action as Object, Live};
    let cluster = cluster();
    let mut facts = seen(&cluster);
    there(&mut facts);
    let reset = compose::reset(&cluster, &facts, &[]).unwrap();
    assert!(of(&reset, "cp1").contains(&"kubeadm/reset".to_owned()) && compose::check(&facts, &reset).is_empty());
    let Fact::Known(first) = facts.nodes.get_mut(&name("cp1")).unwrap() else { panic!("it is seen") };
    first.kubeadm.as_mut().unwrap().cluster = Some("work".into());
    assert!(compose::check(&facts, &reset)[0].contains("not proven to belong to home"));
    let init = planned(|_, _| ());
    let Fact::Known(first) = facts.nodes.get_mut(&name("cp1")).unwrap() else { panic!("it is seen") };
    first.kubeadm = Some(KubeadmFacts { leftovers: vec!["/etc/kubernetes/pki/ca.crt".into()], ..KubeadmFacts::default() });
    assert!(compose::check(&facts, &init).iter().any(|fault| fault.contains("cp1/kubeadm/init: an earlier cluster left")));
    let object = |name: &str| serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": "u"}});
    let live = Live::read("v1", "Namespace", object("apps")).unwrap();
    let actions = [
        (Object::Apply { manifests: vec![object("apps")] }, "did not make"),
        (Object::Apply { manifests: vec![object("kube-system")] }, "belongs to Kubernetes"),
        (Object::Delete { objects: vec![live.exactly()] }, "not proven ours"),
        (Object::Take { manifest: object("apps"), on: live.exactly() }, "unasked"),
    ];
    let Fact::Known(api) = &mut facts.api else { panic!("it answers") };
    api.objects.push(live);
    for (action, words) in actions {
        let mut part = Part::default();
        part.push(Step::new(Target::Cluster, "x", "do", Action::Objects(action), "x"));
        let plan = Plan::new(String::new(), String::new(), part).unwrap();
        let faults = compose::check(&facts, &plan);
        assert!(faults.len() == 1 && faults[0].contains(words), "{faults:?}");
    }
}
