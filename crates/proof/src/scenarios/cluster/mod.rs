//! Proofs on three nodes and a key server, and what they ask of them.

mod access;
mod built;
mod certificates;
mod charts;
mod cis;
mod components;
mod conformance;
mod database;
mod disks;
mod doctor;
mod encryption;
mod gateway;
mod idle;
mod keys;
mod kubelets;
mod load_balancer;
mod logs;
mod machines;
mod made;
mod names;
mod network;
mod outage;
mod reset;
mod secrets;
mod services;
mod sync;
mod traces;
mod works;

use crate::scenario::Scenario;
use crate::stage::{Call, Claim, Stage, all, is};

pub(super) use traces::in_images;

/// By subject, in the order in which they are made on one cluster.
pub(super) static SCENARIOS: [&[Scenario]; 28] = [
    made::SCENARIOS,
    works::SCENARIOS,
    access::SCENARIOS,
    idle::SCENARIOS,
    network::SCENARIOS,
    secrets::SCENARIOS,
    charts::SCENARIOS,
    services::SCENARIOS,
    built::SCENARIOS,
    logs::SCENARIOS,
    kubelets::SCENARIOS,
    components::SCENARIOS,
    doctor::SCENARIOS,
    encryption::SCENARIOS,
    traces::SCENARIOS,
    outage::SCENARIOS,
    keys::SCENARIOS,
    cis::SCENARIOS,
    conformance::SCENARIOS,
    reset::SCENARIOS,
    machines::SCENARIOS,
    database::SCENARIOS,
    sync::SCENARIOS,
    gateway::SCENARIOS,
    certificates::SCENARIOS,
    load_balancer::SCENARIOS,
    names::SCENARIOS,
    disks::SCENARIOS,
];

const NODES: [&str; 3] = ["cp1", "kube1", "kube2"];
/// Each volume that must come back.
const VOLUMES: [(&str, &str); 6] = [
    ("cp1", "/var/lib/etcd"),
    ("cp1", "/etc/kubernetes"),
    ("cp1", "/var/lib/kubelet"),
    ("kube1", "/var/lib/containerd"),
    ("kube1", "/var/lib/kubestead/volumes"),
    ("kube2", "/var/lib/kubestead/volumes"),
];

/// kubectl on the control plane, as its administrator.
pub(super) fn kubectl<'a>(s: &'a Stage, words: &[&str]) -> Call<'a> {
    let words: Vec<&str> = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"].iter().chain(words).copied().collect();
    s.on("cp1", &words)
}

/// The API calls each of them Ready.
pub(super) fn ready(s: &Stage, nodes: &[&str]) -> Claim {
    all(nodes, |node| {
        kubectl(s, &["get", "node", node, "-o", "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}"]).run().is("True")
    })
}

/// All volumes are mounted, from dm-crypt.
fn mounted(s: &Stage) -> Claim {
    VOLUMES.iter().try_for_each(|(machine, path)| {
        s.at(machine, &["mounted_from_crypt", path]).run().ok().map_err(|why| format!("{machine}:{path} is not mounted: {why}"))
    })
}

/// The pod of `examples/three-nodes/pod.yaml`: where it runs, and its file there.
struct Pod {
    node: String,
    file: String,
}

const CANARY: &str = "canary-in-a-pod";

fn pod_runs(s: &Stage) -> Claim {
    kubectl(s, &["-n", "apps", "get", "pod", "writer", "-o", "jsonpath={.status.phase}"]).run().is("Running")
}

/// Makes the pod, if it is not there yet, and waits until it has written its file.
fn pod(s: &Stage) -> Result<Pod, String> {
    kubectl(s, &["apply", "-f", "-"]).input(s.repository("examples/three-nodes/pod.yaml")?).run().ok()?;
    s.eventually(120, || pod_runs(s))?;
    let node = kubectl(s, &["-n", "apps", "get", "pod", "writer", "-o", "jsonpath={.spec.nodeName}"]).run().answer()?;
    let volume = kubectl(s, &["-n", "apps", "get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}"]).run().answer()?;
    let path = kubectl(s, &["get", "pv", &volume, "-o", "jsonpath={.spec.local.path}"]).run().answer()?;
    let pod = Pod { node, file: format!("/var/lib/kubestead/volumes/{}/file", path.rsplit('/').next().unwrap_or_default()) };
    s.eventually(30, || pod.wrote(s))?;
    Ok(pod)
}

impl Pod {
    fn wrote(&self, s: &Stage) -> Claim {
        s.on(&self.node, &["grep", "-q", CANARY, &self.file]).run().ok()
    }
}

/// The step of a plan that asks for consent by a name that ends so.
fn consent(plan: &str, end: &str) -> Result<String, String> {
    let found = plan.split_whitespace().find(|word| word.starts_with("cluster/") && word.ends_with(end));
    found.map(str::to_owned).ok_or_else(|| format!("the plan has no cluster/…{end}: {plan}"))
}

/// Whether a file of this computer has the permissions, in octal.
pub(super) fn mode(path: &std::path::Path, mode: u32) -> Claim {
    use std::os::unix::fs::PermissionsExt;
    let found = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.permissions().mode() & 0o7777;
    is(found == mode, || format!("{} has the mode {found:o}", path.display()))
}
