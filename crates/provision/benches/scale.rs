//! What large clusters cost. Prints how long the engine takes for many steps, and writes cluster files with facts of many machines, volumes and objects
//! into a folder: `benches/scale.sh` plans them with the command.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a bench fails by it, and prints what it measured

#[path = "../tests/answers/mod.rs"]
#[allow(dead_code)] // that much of it is for tests
mod answers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use answers::{CORPUS, World as Answers};
use futures::future::BoxFuture;
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::plan::{Checked, Part, Plan, Step, StepId, Target};
use kubestead_core::put::Files;
use kubestead_core::twin::Silent;
use kubestead_provision::bundle::{BundleFile, Kind};
use kubestead_provision::compose::{self, NodeSeen, Seen, World};
use kubestead_provision::engine::{Runner, Terms, apply, succeeded};
use kubestead_provision::facts;
use kubestead_provision::file::{self, Cluster};
use kubestead_provision::objects::Live;
use kubestead_provision::service::{Local, ServiceFacts};
use kubestead_storage::facts::{Device, Group, StorageFacts, VolumeFacts};
use kubestead_storage::spec::Volume;
use kubestead_storage::{pv, unit};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

fn main() {
    let dir = std::env::args().nth(1).filter(|arg| !arg.starts_with('-')).unwrap();
    engine();
    let dir = Path::new(&dir);
    let none = Extra::default();
    write(dir, "nodes", &Size { workers: 9_999, ..Size::default() }, &none);
    write(dir, "fresh", &Size { workers: 9_999, fresh: true, ..Size::default() }, &none);
    write(dir, "volumes", &Size { workers: 499, volumes: 60, ..Size::default() }, &none);
    let pools = "pools: {pool: {count: 100, size: 10Mi}}\n";
    write(dir, "objects", &Size { workers: 100, ..Size::default() }, &Extra { pools, ..none });
    std::fs::write(dir.join("shop.yaml"), shop(2_000)).unwrap();
    write(dir, "users", &Size { workers: 2, ..Size::default() }, &Extra { services: "manifests: {shop: {path: shop.yaml}}\n", ..none });
}

/// So many objects of a user: workloads with a Service and a setting each, as far as there is room.
fn shop(count: usize) -> String {
    let metadata = |n: usize| format!("metadata: {{name: part-{n:04}, namespace: default, labels: {{app: part-{n:04}}}}}");
    let one = |n: usize| match n % 3 {
        0 => format!(
            "apiVersion: apps/v1\nkind: Deployment\n{}\nspec:\n  replicas: 1\n  selector: {{matchLabels: {{app: part-{n:04}}}}}\n  template:\n\
             \x20   metadata: {{labels: {{app: part-{n:04}}}}}\n    spec:\n      containers:\n      - name: part\n        image: registry.k8s.io/pause:3.10.1\n\
             \x20       resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 16Mi}}}}\n        ports: [{{containerPort: 8080}}]\n",
            metadata(n)
        ),
        1 => format!(
            "apiVersion: v1\nkind: Service\n{}\nspec: {{selector: {{app: part-{:04}}}, ports: [{{port: 80, targetPort: 8080}}]}}\n",
            metadata(n),
            n - 1
        ),
        _ => format!("apiVersion: v1\nkind: ConfigMap\n{}\ndata: {{settings: 'part {n}'}}\n", metadata(n)),
    };
    (0..count).map(one).collect::<Vec<_>>().join("---\n")
}

/// Where persistent volumes lie.
const POOL_ROOT: &str = "/var/lib/kubestead/volumes";

struct Ready;

impl Runner<()> for Ready {
    fn run<'a>(&'a self, _: &'a Step<()>) -> BoxFuture<'a, Result<Done, String>> {
        Box::pin(std::future::ready(Ok(Done::Changed)))
    }
}

/// So many steps over a thousand targets, each after one of another target; the quickest of three runs.
fn steps(count: usize) -> Duration {
    const TARGETS: usize = 1000;
    let mut part = Part::default();
    let host = |n: usize| format!("h{}", n % TARGETS);
    for n in 0..count {
        let before = n.checked_sub(TARGETS + 1).map(|before| StepId(format!("{}/x/{before}", host(before))));
        part.push(Step::new(Target::Host(host(n)), "x", &n.to_string(), (), "").after(before));
    }
    let plan = Checked::new(Plan::new(String::new(), String::new(), part).unwrap(), |_| Vec::new()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let one = || {
        let begin = Instant::now();
        let report = runtime.block_on(apply(&plan, &Ready, &Terms::default(), &Silent, &CancellationToken::new()));
        assert!(report.len() == count && succeeded(&report));
        begin.elapsed()
    };
    (0..3).map(|_| one()).min().unwrap()
}

fn engine() {
    let (half, all) = (steps(100_000), steps(200_000));
    println!(
        "engine: 200,000 steps over 1,000 targets {:.2} s (limit 2), {:.2} times those of 100,000 (linear is 2, limit 2.5)",
        all.as_secs_f64(),
        all.as_secs_f64() / half.as_secs_f64()
    );
}

#[derive(Default)]
struct Size {
    workers: usize,
    /// Volumes of each worker besides those that the example has.
    volumes: usize,
    /// Whether nothing was made on the workers yet.
    fresh: bool,
}

#[derive(Clone, Copy, Default)]
struct Extra {
    pools: &'static str,
    /// Services of users', whose files lie beside the cluster's.
    services: &'static str,
}

fn described(size: &Size, extra: &Extra) -> String {
    let mut text = String::from(
        "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nssh: {user: root}\nkubernetes: {version: 1.37.1, bundle: bundle, lab: true}\n\
         network: {podSubnet: 10.128.0.0/10}\nkeys: {servers: [{host: masterlock, address: 10.77.0.5}], recovery: age}\n\
         nodes:\n- {name: cp1, address: 10.77.0.11, roles: [control-plane]}\n",
    );
    let mut devices = String::from("disks:\n  vg01:\n    devices:\n      cp1: [/dev/disk/by-id/ubd-cp1-data]\n");
    for n in 0..size.workers {
        let _ = writeln!(text, "- {{name: {}, address: {}}}", worker(n), address(n));
        let _ = writeln!(devices, "      {}: [/dev/disk/by-id/ubd-{}-data]", worker(n), worker(n));
    }
    text.push_str(&devices);
    text.push_str(
        "volumes:\n  etcd: {on: [control-plane], group: vg01, size: 1GiB, path: /var/lib/etcd}\n\
         \x20 kubernetes: {on: [control-plane], group: vg01, size: 128MiB, path: /etc/kubernetes}\n\
         \x20 containerd: {on: [all], group: vg01, size: 3GiB, path: /var/lib/containerd}\n\
         \x20 kubelet: {on: [all], group: vg01, size: 1GiB, path: /var/lib/kubelet}\n\
         \x20 volkube: {on: [worker], group: vg01, size: 2GiB, filesystem: xfs, path: /var/lib/kubestead/volumes}\n",
    );
    for n in 3..size.volumes {
        let _ = writeln!(text, "  data{n}: {{on: [worker], group: vg01, size: 1GiB, path: /srv/data{n}}}");
    }
    text + extra.pools + extra.services
}

fn worker(n: usize) -> String {
    format!("w{n:05}")
}

fn address(n: usize) -> String {
    format!("10.78.{}.{}", n / 250, 1 + n % 250)
}

/// A value with another word in all its texts.
fn renamed<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T, words: &[(&str, &str)]) -> T {
    let text = words.iter().fold(serde_json::to_string(value).unwrap(), |text, (from, to)| text.replace(from, to));
    serde_json::from_str(&text).unwrap()
}

/// The storage of a machine on which all was made.
fn made(cluster: &Cluster, node: &Name, like: &VolumeFacts, mut files: Files) -> StorageFacts {
    let spec = compose::storage(cluster, node);
    let volume = |v: &Volume| {
        let mut facts: VolumeFacts = renamed(like, &[("kubelet", v.name.as_str())]);
        let inside = |opened: &mut kubestead_storage::facts::Opened, size: u64| {
            v.filesystem.as_str().clone_into(&mut opened.filesystem);
            let header = size - opened.size;
            opened.size = v.size.0 - header;
            opened.used = opened.size;
            opened.inodes = opened.inodes.filter(|_| opened.filesystem == "ext4");
        };
        if let (Some(opened), Fact::Known(logical)) = (&mut facts.opened, &mut facts.logical) {
            inside(opened, logical.size);
            logical.size = v.size.0;
        }
        (facts.crypttab, facts.fstab) = (unit::crypttab(v), Some(unit::fstab(v)));
        (v.name.clone(), facts)
    };
    for file in unit::own_files(&spec) {
        files.put(&file);
    }
    let devices = || spec.groups.values().flatten();
    StorageFacts {
        devices: devices().map(|d| (d.clone(), Fact::Known(Device::Physical))).collect(),
        sizes: devices().map(|d| (d.clone(), 1 << 40)).collect(),
        groups: spec.groups.keys().map(|g| (g.clone(), Fact::Known(Group::whole(4 << 20, 1 << 36, 1)))).collect(),
        occupied: std::collections::BTreeSet::new(),
        volumes: spec.volumes.iter().map(volume).collect(),
        witnesses: BTreeMap::new(),
        files: Fact::Known(files),
        directories: spec.pool_root.iter().flat_map(|root| root.directories.clone()).collect(),
        barred: Vec::new(),
    }
}

fn persistent(object: Value) -> Live {
    let mut object = object;
    object["metadata"]["uid"] = "8d6f5c1e-0f0e-4a53-9d52-7a1a3b3f7f10".into();
    object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "kubestead".into();
    object["metadata"]["managedFields"] = json!([{"manager": "kubestead", "operation": "Apply", "fieldsV1": {}}]);
    object["status"]["phase"] = "Available".into();
    let (version, kind) = (object["apiVersion"].as_str().unwrap().to_owned(), object["kind"].as_str().unwrap().to_owned());
    Live::read(&version, &kind, object).unwrap()
}

/// The software that a machine of the corpus has, as a bundle.
fn software(seen: &mut Seen, nodes: &[&NodeSeen]) {
    let Fact::Known(bundle) = &mut seen.bundle else { return };
    let setups = || nodes.iter().filter_map(|node| node.setup.as_ref());
    let file = |kind: Kind, name: &str, sha256: &str| BundleFile {
        path: format!("files/{name}"),
        kind,
        name: name.to_owned(),
        version: "1.37.1".to_owned(),
        sha256: sha256.to_owned(),
        size: 1,
        arch: None,
        roles: vec!["control-plane".into(), "worker".into()],
        image: (kind == Kind::Image).then(|| name.to_owned()),
    };
    let programs: BTreeMap<&String, &String> = setups().flat_map(|setup| &setup.installed).collect();
    bundle.files = programs
        .into_iter()
        .filter_map(|(path, sum)| {
            let name = path.rsplit_once('/')?.1;
            let kind = if path.starts_with("/opt/cni/") { Kind::Cni } else { Kind::Binary };
            Some(file(kind, name, sum))
        })
        .collect();
    let images = setups().next().into_iter().flat_map(|setup| &setup.images).filter(|image| !image.starts_with("sha256:"));
    let everywhere = |image: &String| setups().all(|setup| setup.images.contains(image));
    bundle.files.extend(images.map(|image| {
        let mut file = file(Kind::Image, image, &"ab".repeat(32));
        file.roles.truncate(if everywhere(image) { 2 } else { 1 });
        file
    }));
    let version = setups().find_map(|setup| setup.versions.get("containerd")?.installed.clone()).unwrap();
    bundle.files.iter_mut().filter(|f| f.name == "containerd").for_each(|f| f.version.clone_from(&version));
}

/// What the corpus has in an older form, or lacks, as this version makes it: nothing is left to do.
fn made_whole(cluster: &Cluster, seen: Seen) -> Seen {
    let steps = compose::plan(cluster, &seen).unwrap().steps;
    let whole = steps.iter().fold(World::new(seen), |world, step| world.after(step).unwrap()).seen;
    let left = compose::plan(cluster, &whole).unwrap();
    assert!(left.steps.is_empty() && left.held.is_empty(), "{:?} {:?}", left.steps.first(), left.held.first());
    whole
}

/// Writes `NAME.yaml` and `NAME.json`.
fn write(dir: &Path, name: &str, size: &Size, extra: &Extra) {
    let text = described(size, extra);
    let cluster = file::load(name, &text, dir).unwrap();
    let world = Answers::new();
    let known = |found: &Seen, name: &str| found.nodes[&Name::new(name).unwrap()].known().unwrap().clone();
    let corpus = world.look(&CORPUS);
    let (cp1, kube1, kube2) = (known(&corpus, "cp1"), known(&corpus, "kube1"), known(&corpus, "kube2"));
    let key = |name: &str| corpus.keys[&Name::new(name).unwrap()].known().unwrap().clone();
    let kubelet = kube1.storage.volumes[&Name::new("kubelet").unwrap()].clone();
    let mut seen = Seen { nodes: BTreeMap::new(), keys: BTreeMap::new(), ..corpus.clone() };
    software(&mut seen, &[&cp1, &kube1]);
    seen.wish = kubestead_provision::secret::SecretsWanted::default();
    let first = &cluster.nodes[0].name;
    let files = |facts: &NodeSeen| facts.storage.files.known().unwrap().clone();
    seen.nodes.insert(first.clone(), Fact::Known(NodeSeen { storage: made(&cluster, first, &kubelet, files(&cp1)), ..cp1 }));
    seen.keys.insert(first.clone(), Fact::Known(key("cp1")));
    let Some(Fact::Known(server)) = seen.servers.values_mut().next() else { return };
    let Fact::Known(api) = &mut seen.api else { return };
    let (lines, shares) = (server.lines.clone(), server.shares.clone());
    let own = |line: &String| line.contains("home/kube1");
    let line = lines.iter().find(|line| own(line)).unwrap();
    server.lines.retain(|line| line.contains("home/cp1"));
    server.shares.retain(|path, _| path.starts_with("cp1/"));
    let share = shares.values().next().unwrap();
    // The range of the example has room for 256 nodes.
    *api = renamed(api, &[("10.244.0.0/16", "10.128.0.0/10"), ("10.244.", "10.128.")]);
    let node = api.nodes["kube1"].clone();
    api.nodes.retain(|name, _| name == "cp1");
    api.unready.clear();
    api.gone.clear();
    api.objects.retain(|live| live.object.kind != "PersistentVolume");
    let hostname = |facts: &NodeSeen, name: &str| {
        let mut facts = facts.clone();
        facts.setup.iter_mut().for_each(|setup| name.clone_into(&mut setup.hostname));
        facts
    };
    for described in &cluster.nodes[1..] {
        let name = described.name.as_str();
        if size.fresh {
            let mut facts: NodeSeen = renamed(&kube2, &[("kube2", name)]);
            facts.storage.devices.values_mut().for_each(|device| *device = Fact::Known(Device::Blank));
            facts.storage.groups.values_mut().for_each(|group| *group = Fact::Absent);
            seen.nodes.insert(described.name.clone(), Fact::Known(hostname(&facts, name)));
            seen.keys.insert(described.name.clone(), Fact::Known(key("kube2")));
            continue;
        }
        server.lines.push(line.replace("kube1", name).replace("10.77.0.21", &described.address));
        for volume in cluster.volumes_of(&described.name) {
            server.shares.insert(format!("{name}/{}", volume.name), share.clone());
        }
        api.nodes.insert(name.to_owned(), node.clone());
        let facts = NodeSeen { storage: made(&cluster, &described.name, &kubelet, files(&kube1)), ..kube1.clone() };
        seen.nodes.insert(described.name.clone(), Fact::Known(hostname(&facts, name)));
        seen.keys.insert(described.name.clone(), Fact::Known(key("kube1")));
    }
    for described in cluster.nodes.iter().filter(|n| cluster.volumes_of(&n.name).any(|v| v.path == POOL_ROOT)) {
        let of = (described.name.as_str(), described.hostname.as_str());
        api.objects.extend(pv::volumes(of.0, of.1, POOL_ROOT, &cluster.pools, &cluster.named).into_iter().map(persistent));
    }
    api.objects.extend(pv::classes(&cluster.pools, &cluster.named).into_iter().map(persistent));
    seen.escrow = cluster
        .nodes
        .iter()
        .flat_map(|n| cluster.volumes_of(&n.name).map(move |v| format!("recovery.{}.{}", n.name, v.name)))
        .chain(corpus.escrow.iter().filter(|name| name.starts_with("encryption.")).cloned())
        .collect();
    if !extra.services.is_empty() {
        seen.asked = compose::services(&cluster, &seen.wish, &Local::here(), &|path| path.display().to_string());
        seen.services = Fact::Known(ServiceFacts { namespaces: ["default".to_owned()].into(), ..ServiceFacts::default() });
    }
    if !size.fresh {
        seen = made_whole(&cluster, seen);
    }
    std::fs::write(dir.join(format!("{name}.yaml")), text).unwrap();
    let saved = facts::text(&cluster, &seen, jiff::Timestamp::now()).unwrap();
    println!("{name}: {} machines, facts of {} MB", cluster.nodes.len(), saved.len() / 1_000_000);
    std::fs::write(dir.join(format!("{name}.json")), saved).unwrap();
}
