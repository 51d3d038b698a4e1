//! Cluster files made of what machines say: each passes `check`, and what speaks against a machine is told by its name.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

mod valid;

#[allow(dead_code)] // the other half is for another test
#[path = "../../backend/tests/sshd/mod.rs"]
mod sshd;

use std::path::Path;
use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_core::name::Name;
use kubestead_core::transport::Login;
use kubestead_core::twin::Silent;
use kubestead_provision::file::{Cluster, load};
use kubestead_provision::machine::{Machine, Room};
use kubestead_provision::survey::{self, Disk, Found, Note, Proposal, Seen, Software, Wanted};
use proptest::prelude::*;
use sshd::{Sshd, works};

const GI: u64 = 1 << 30;

fn disk(kernel: &str, size: u64, holds: Option<&str>) -> Disk {
    Disk {
        kernel: kernel.into(),
        stable: Some(format!("/dev/disk/by-id/ata-{kernel}_1")),
        size: Some(size),
        holds: holds.map(str::to_owned),
    }
}

fn room(bytes: u64) -> Room {
    Room { folder: "/".into(), bytes, inodes: None }
}

fn found(hostname: &str, number: usize, disks: Vec<Disk>) -> Found {
    Found {
        machine: Machine { system: ("debian".into(), "12".into()), missing: Vec::new(), clock: 0, free: vec![room(GI)] },
        hostname: hostname.into(),
        id: format!("{number:032x}"),
        architecture: "x86_64".into(),
        cluster: Vec::new(),
        disks,
    }
}

fn machine(number: usize, disks: Vec<Disk>) -> Seen {
    let address = format!("192.0.2.{number}");
    Seen { typed: address.clone(), address, port: None, found: found(&format!("kube{number}"), number, disks) }
}

fn server() -> Seen {
    Seen { found: found("lock", 99, Vec::new()), ..machine(99, Vec::new()) }
}

fn wanted() -> Wanted {
    Wanted {
        name: Name::new("home").unwrap(),
        control_planes: 1,
        software: Software::Official,
        volumes: true,
        user: Some("root".into()),
        config: None,
    }
}

fn propose(machines: &[Seen]) -> Proposal {
    survey::propose(&wanted(), machines, Some(&server())).unwrap()
}

fn refused(machines: &[Seen]) -> Vec<String> {
    let notes = survey::propose(&wanted(), machines, Some(&server())).unwrap_err();
    notes.iter().filter(|note| note.refuses).map(Note::to_string).collect()
}

fn good(text: &str) -> Cluster {
    let cluster = load("cluster.yaml", text, Path::new("/")).unwrap_or_else(|found| unreachable!("{text}\n{found:?}"));
    assert!(cluster.warnings.is_empty(), "{text}\n{:?}", cluster.warnings);
    valid::holds(text);
    cluster
}

#[test]
fn files_of_one_two_three_and_seven_machines_pass_check() {
    for (count, roots) in [(1, 1), (2, 1), (3, 2), (7, 6)] {
        let machines: Vec<Seen> =
            (1..=count).map(|n| machine(n, vec![disk("sda", 20 * GI, Some("gpt at 0x200")), disk("sdb", 200 * GI, None)])).collect();
        let Proposal { text, notes } = propose(&machines);
        assert_eq!(notes, [], "{text}");
        let cluster = good(&text);
        assert_eq!((cluster.nodes.len(), cluster.control_planes().count(), cluster.servers.len()), (count, 1, 1));
        assert!(
            cluster.nodes[0].is_control_plane() && cluster.nodes.iter().zip(&machines).all(|(node, seen)| node.address == seen.address)
        );
        let volume = |path: &str| cluster.volumes.iter().find(|volume| volume.path == path).unwrap();
        for (path, nodes) in [
            ("/var/lib/etcd", 1),
            ("/etc/kubernetes", 1),
            ("/var/lib/containerd", count),
            ("/var/lib/kubelet", count),
            ("/var/lib/kubestead/volumes", roots),
        ] {
            assert_eq!(volume(path).nodes.len(), nodes, "{path}: {text}");
        }
        assert!(
            cluster.groups.values().flat_map(|nodes| nodes.values()).all(|devices| devices == &["/dev/disk/by-id/ata-sdb_1"]),
            "{text}"
        );
        assert!(text.contains("#   kube1: sda, 20.0 GiB, /dev/disk/by-id/ata-sda_1: gpt at 0x200"), "{text}");
        assert!(!cluster.pools.is_empty() && cluster.namespace.is_some() && cluster.kubernetes.is_some());
    }
}

#[test]
fn without_a_key_server_volumes_are_unlocked_by_hand_and_the_file_says_what_that_means() {
    let machines = [machine(1, vec![disk("sdb", 200 * GI, None)])];
    let text = survey::propose(&wanted(), &machines, None).unwrap().text;
    let cluster = good(&text);
    assert!(cluster.servers.is_empty() && !cluster.volumes.is_empty() && cluster.volumes.iter().all(|volume| volume.by_hand()));
    assert!(text.contains("after each boot the volumes are locked until somebody types `kubestead volume unlock NODE`"), "{text}");
    // No disk, no volume: nothing is said of keys.
    let text = survey::propose(&wanted(), &[machine(1, Vec::new())], None).unwrap().text;
    assert!(good(&text).volumes.is_empty() && !text.contains("unlock"), "{text}");
}

#[test]
fn control_planes_are_as_many_as_are_asked_for() {
    let machines: Vec<Seen> = (1..=3).map(|n| machine(n, vec![disk("sdb", 100 * GI, None)])).collect();
    let three = Wanted { control_planes: 3, ..wanted() };
    let cluster = good(&survey::propose(&three, &machines, Some(&server())).unwrap().text);
    assert_eq!(cluster.control_planes().count(), 3);
    assert!(cluster.volumes.iter().all(|volume| volume.nodes.len() == 3), "they are workers too: nobody else is");
}

#[test]
fn disks_of_different_sizes_and_none_that_is_blank_are_told_by_name() {
    let machines = [
        machine(1, vec![disk("sdb", 40 * GI, None)]),
        machine(2, vec![disk("sdb", 30 * GI, None)]),
        machine(3, vec![disk("sdb", 500 * GI, None), disk("sdc", 500 * GI, None)]),
        machine(4, vec![disk("sda", 500 * GI, Some("in use by sda1"))]),
        machine(5, vec![disk("sdb", 2 * GI, None)]),
        machine(6, Vec::new()),
    ];
    let Proposal { text, notes } = propose(&machines);
    let told: String = notes.iter().map(|note| format!("{note}\n")).collect();
    for word in [
        "192.0.2.2 (kube2): its blank disks have 29.9 GiB, and those of others up to 999.9 GiB: volumes are sized to fit it",
        "192.0.2.4 (kube4): it has no blank disk: sda: in use by sda1: it gets no volumes",
        "192.0.2.5 (kube5): its blank disks have 1.9 GiB, and its volumes need 5.0 GiB at least",
        "192.0.2.6 (kube6): it has no blank disk: it gets no volumes",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let cluster = good(&text);
    let root = cluster.volumes.iter().find(|volume| volume.path == "/var/lib/kubestead/volumes").unwrap();
    let names: Vec<&str> = root.nodes.iter().map(Name::as_str).collect();
    assert_eq!(names, ["kube2", "kube3"]);
    assert!(root.size.0 < 30 * GI && text.contains("kube5: sdb, 2.0 GiB, /dev/disk/by-id/ata-sdb_1: blank"), "{text}");
    // None at all: no volumes, and nothing that needs them.
    let cluster = good(&propose(&machines[3..]).text);
    assert!(cluster.volumes.is_empty() && cluster.pools.is_empty() && cluster.servers.is_empty());
    let plain = Wanted { volumes: false, ..wanted() };
    let Proposal { text, notes } = survey::propose(&plain, &machines, None).unwrap();
    assert!(
        good(&text).volumes.is_empty() && notes.is_empty() && text.contains("kube1: sdb, 40.0 GiB, /dev/disk/by-id/ata-sdb_1: blank"),
        "{text}"
    );
}

#[test]
fn machines_that_are_no_two_or_in_a_cluster_or_of_another_system_are_refused_by_name() {
    let whole = || vec![machine(1, vec![disk("sdb", 100 * GI, None)]), machine(2, vec![disk("sdb", 100 * GI, None)])];
    let with = |change: &dyn Fn(&mut Seen)| {
        let mut machines = whole();
        change(&mut machines[1]);
        machines
    };
    for (machines, words) in [
        (
            with(&|m| m.found.id = format!("{:032x}", 1)),
            ["192.0.2.2 (kube2): it has the machine-id of 192.0.2.1 (kube1)", "systemd-machine-id-setup"],
        ),
        (
            with(&|m| m.address = "192.0.2.1".into()),
            ["192.0.2.2 (kube2): 192.0.2.1 has the address 192.0.2.1 too", "name each machine once"],
        ),
        (with(&|m| m.found.id = format!("{:032x}", 99)), ["it has the machine-id of 192.0.2.2 (kube2)", "name each machine once"]),
        (
            with(&|m| m.found.machine.system = ("arch".into(), "x\u{1b}[2J".into())),
            ["192.0.2.2 (kube2): arch x\\u{1b}[2J is not supported", "debian 12"],
        ),
        (
            with(&|m| m.found.cluster = vec!["it is a control plane".into()]),
            ["192.0.2.2 (kube2): a cluster is there already: it is a control plane", "kubestead reset"],
        ),
    ] {
        let told = refused(&machines);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(words.iter().all(|word| told[0].contains(word)), "{told:?}");
    }
    // No id at all is nobody's.
    let mut machines = whole();
    for seen in &mut machines {
        seen.found.id.clear();
    }
    good(&propose(&machines).text);
}

#[test]
fn host_names_that_are_none_or_anothers_get_names_and_what_to_do() {
    let mut machines: Vec<Seen> = (1..=4).map(|n| machine(n, vec![disk("sdb", 100 * GI, None)])).collect();
    for (seen, name) in machines.iter_mut().zip(["debian", "debian", "Big_Box", "kube4.example.com"]) {
        seen.found.hostname = name.into();
    }
    let Proposal { text, notes } = propose(&machines);
    let cluster = good(&text);
    let names: Vec<String> = cluster.nodes.iter().map(|node| format!("{} {}", node.name, node.hostname)).collect();
    assert_eq!(names, ["debian debian", "debian-2 debian-2", "big-box big-box", "kube4 kube4.example.com"]);
    let told: Vec<String> = notes.iter().map(Note::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("192.0.2.2 (debian): another machine has the host name debian too")
            && told[0].ends_with("hostnamectl set-hostname debian-2"),
        "{told:?}"
    );
    assert!(
        told[1].contains("\"Big_Box\" is none that Kubernetes takes") && told[1].ends_with("hostnamectl set-hostname big-box"),
        "{told:?}"
    );
}

#[test]
fn what_a_machine_lacks_is_told_and_the_file_is_made() {
    let mut seen = machine(1, vec![disk("sdb", 100 * GI, None)]);
    seen.found.machine = Machine { missing: vec!["lvm".into()], clock: 900, free: vec![room(1)], ..seen.found.machine };
    let Proposal { text, notes } = propose(&[seen]);
    good(&text);
    let told: String = notes.iter().map(|note| format!("{note}\n")).collect();
    for word in ["missing: lvm: before `kubestead up`: apt-get install lvm2", "900 s ahead", "1 bytes are free"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn addresses_in_the_usual_ranges_of_pods_and_services_get_others() {
    let mut machines: Vec<Seen> = (1..=2).map(|n| machine(n, vec![disk("sdb", 100 * GI, None)])).collect();
    machines[0].address = "10.96.0.1".into();
    machines[1].address = "10.244.3.4".into();
    let Proposal { text, .. } = propose(&machines);
    good(&text);
    assert!(text.contains("network: {podSubnet: 172.24.0.0/16, serviceSubnet: 172.25.0.0/16}"), "{text}");
    assert!(!propose(&machines[..0]).text.contains("network:"), "not where none is in them");
}

#[test]
fn ports_logins_and_paths_are_written_as_they_were_typed() {
    let mut seen = machine(1, vec![disk("sdb", 100 * GI, None)]);
    seen.port = Some(2222);
    let mut lock = server();
    lock.port = Some(2200);
    let wanted = Wanted { software: Software::Bundle("/my: bundle #1".into()), config: Some("/my \"ssh\"/config".into()), ..wanted() };
    let cluster = good(&survey::propose(&wanted, &[seen], Some(&lock)).unwrap().text);
    assert_eq!((cluster.nodes[0].ssh.port, cluster.servers[0].port, cluster.servers[0].name.as_str()), (Some(2222), 2200, "lock"));
    assert_eq!((cluster.ssh.user.as_deref(), cluster.ssh.config.as_deref()), (Some("root"), Some(Path::new("/my \"ssh\"/config"))));
    assert_eq!(cluster.kubernetes.unwrap().bundle.as_deref(), Some(Path::new("/my: bundle #1")));
}

#[test]
fn the_example_is_refused_with_one_line_for_each_thing_to_fill_in() {
    let text = survey::example(&Name::new("home").unwrap());
    let found = load("cluster.yaml", &text, Path::new("/")).unwrap_err();
    let places: Vec<u64> = found.iter().map(|d| d.place.line).collect();
    let open: Vec<u64> =
        text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#') && line.contains("CHANGE-ME")).map(|(_, line)| line).collect();
    assert_eq!(places, open, "{found:?}");
    assert!(found.len() > 4 && found.iter().all(|d| d.message.contains("is to be filled in")), "{found:?}");
    let mut n = 10;
    let filled: String = text
        .lines()
        .map(|line| {
            n += 1;
            let value =
                if line.contains('[') && !line.contains("address") { format!("/dev/disk/by-id/ata-{n}") } else { format!("192.0.2.{n}") };
            line.replace("CHANGE-ME", &value) + "\n"
        })
        .collect();
    assert_eq!(good(&filled).nodes.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_machine_is_seen_in_one_probe() {
    let Some(sshd) = Sshd::start("") else { return };
    if !works(&sshd.connect().await).await {
        return;
    }
    let gone = Login { port: Some(1), ..sshd.login("gone") };
    let looked = survey::look(&[sshd.login("here"), gone], Arc::<Ssh>::default(), "n1", &Silent).await;
    let here = looked[0].as_ref().unwrap();
    assert_eq!(here.hostname, std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
    assert!(looked[1].as_ref().unwrap_err().to_string().contains("gone"));
}

proptest! {
    /// Whatever machines say: what is written is a good file, and holds nothing that a terminal or YAML would obey.
    #[test]
    fn every_file_that_is_made_is_good(
        machines in prop::collection::vec(
            ("[a-zA-Z0-9._\u{e9}\n\u{1b} -]{0,70}", "[a-z#:{}\n\u{85}\u{2028}\"' -]{0,12}", prop::collection::vec((0_u64..2000, any::<bool>(), any::<bool>(), ".{0,30}"), 0..4)),
            1..8,
        ),
        control_planes in prop_oneof![Just(1_usize), Just(3)],
        volumes: bool,
    ) {
        let machines: Vec<Seen> = machines.into_iter().zip(1..).map(|((hostname, architecture, disks), n)| {
            let disks = disks.into_iter().zip(0..).map(|((size, blank, named, holds), at)| Disk {
                kernel: format!("sd{at}"),
                stable: named.then(|| format!("/dev/disk/by-path/pci-0000:00:{n}.{at}")),
                size: Some(size * GI),
                holds: (!blank).then_some(holds),
            });
            let mut seen = machine(n, disks.collect());
            (seen.found.hostname, seen.found.architecture) = (hostname, architecture);
            seen
        }).collect();
        let wanted = Wanted { control_planes: control_planes.min(machines.len()), volumes, ..wanted() };
        let Proposal { text, notes } = survey::propose(&wanted, &machines, Some(&server())).unwrap();
        let cluster = good(&text);
        prop_assert_eq!(cluster.nodes.len(), machines.len());
        prop_assert!(!text.chars().any(|c| c != '\n' && kubestead_core::visible::is_hidden(c)), "{:?}", text);
        for note in notes {
            prop_assert!(!note.to_string().chars().any(kubestead_core::visible::is_hidden), "{note}");
        }
    }
}
