//! Whether nodes and the cluster's own workloads are well. For a while after a boot the API tells of nodes and pods what it heard before: what
//! machines tell of themselves is held against it.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Gap;
use kubestead_core::probe::{Answers, Section};
use serde_json::Value;

/// Where containerd has a folder for every container of Kubernetes that it runs; it is gone with the power.
const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

/// A machine that is up, by its own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// The id of its boot, which the kubelet tells the API too.
    boot: String,
    /// When it was asked, by its own clock, as Kubernetes writes a time.
    at: String,
    /// The ids of its containers.
    containers: BTreeSet<String>,
}

/// The section for every node.
pub fn alive_section() -> Section {
    Section::script("cluster/alive", include_str!("scripts/alive.sh")).var("tasks", TASKS)
}

/// Reads the answer.
pub fn read_alive(answers: &Answers) -> Result<Alive, Gap> {
    let mut lines = answers.text("cluster/alive")?.lines().map(str::to_owned);
    match (lines.next(), lines.next()) {
        (Some(boot), Some(at)) => Ok(Alive { boot, at, containers: lines.collect() }),
        _ => Err(Gap::new("a machine does not tell its boot")),
    }
}

/// What the API tells of and is no more: the ids of boots and of containers. A machine that was not seen is not doubted, nor is one that
/// tells of no container at all: it came up just now, which its boot says, or keeps them elsewhere.
pub(super) fn gone(nodes: &[Value], pods: &[Value], machines: &BTreeMap<String, Alive>) -> BTreeSet<String> {
    let machine = |value: &Value| value.as_str().and_then(|name| machines.get(name));
    let boots = nodes.iter().filter_map(|node| {
        let boot = boot(node)?;
        machine(&node["metadata"]["name"]).filter(|alive| alive.boot != boot).map(|_| boot)
    });
    let telling = |pod: &Value| machine(&pod["spec"]["nodeName"]).filter(|alive| !alive.containers.is_empty());
    let containers = pods.iter().filter_map(|pod| Some((telling(pod)?, pod))).flat_map(|(alive, pod)| {
        containers(pod).filter(|(id, started)| *started < alive.at.as_str() && !alive.containers.contains(*id)).map(|(id, _)| id)
    });
    boots.chain(containers).map(str::to_owned).collect()
}

/// The boot that a node was in when its kubelet told of it.
pub(super) fn boot(node: &Value) -> Option<&str> {
    node.pointer("/status/nodeInfo/bootID")?.as_str()
}

/// The containers of a pod that run: ids without the runtime's name, and when they began.
fn containers(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    pod["status"]["containerStatuses"].as_array().into_iter().flatten().filter_map(|status| {
        let (_, id) = status["containerID"].as_str()?.split_once("://")?;
        Some((id, status.pointer("/state/running/startedAt")?.as_str()?))
    })
}

/// The workloads that are not well, each with its numbers: of DaemonSets and Deployments what their controllers tell, and of those and of
/// static pods what the pods themselves tell. `gone` is what [`gone`] found.
pub(super) fn shortfalls(workloads: &[Value], pods: &[Value], gone: &BTreeSet<String>) -> Vec<String> {
    let mut well: BTreeMap<Owner, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for (owner, pod) in pods.iter().filter_map(|pod| Some((owner(pod)?, pod))) {
        if ready(pod) && !containers(pod).any(|(id, _)| gone.contains(id)) {
            *well.entry(owner).or_default() += 1;
        } else if owner.0 == "Node" {
            found.push(format!("{}: 0 of 1 ready", pod["metadata"]["name"].as_str().unwrap_or_default()));
        }
    }
    let of_pods = |workload: &Value| {
        let kind = if workload.pointer("/spec/replicas").is_some() { "Deployment" } else { "DaemonSet" };
        well.get(&(kind, text(&workload["metadata"]["namespace"]), text(&workload["metadata"]["name"]))).copied().unwrap_or(0)
    };
    found.extend(workloads.iter().filter_map(|w| shortfall(w, Some(of_pods(w)))));
    found
}

/// Kind, namespace and name.
type Owner = (&'static str, String, String);

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// To which workload a pod belongs; a static pod to its node.
fn owner(pod: &Value) -> Option<Owner> {
    let owners = pod["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|o| o["controller"] == true)?;
    let (kind, name) = match (owner["kind"].as_str()?, owner["name"].as_str()?) {
        ("DaemonSet", name) => ("DaemonSet", name),
        // A Deployment's are named by it and by a hash.
        ("ReplicaSet", name) => ("Deployment", name.rsplit_once('-')?.0),
        ("Node", name) => ("Node", name),
        _ => return None,
    };
    Some((kind, text(&pod["metadata"]["namespace"]), name.to_owned()))
}

fn ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// A DaemonSet or Deployment that has not rolled out, with its numbers; `pods` is how many of its pods are well, where they were asked for.
pub(super) fn shortfall(workload: &Value, pods: Option<u64>) -> Option<String> {
    let number = |pointer: &str| workload.pointer(pointer).and_then(Value::as_u64);
    let (wanted, ready) = match number("/spec/replicas") {
        Some(replicas) => (Some(replicas), number("/status/readyReplicas").unwrap_or(0)),
        None => (number("/status/desiredNumberScheduled"), number("/status/numberReady").unwrap_or(0)),
    };
    let ready = pods.map_or(ready, |pods| ready.min(pods));
    let seen = number("/status/observedGeneration") >= number("/metadata/generation");
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    match wanted {
        Some(wanted) if seen && ready >= wanted => None,
        Some(wanted) => Some(format!("{name}: {ready} of {wanted} ready")),
        None => Some(format!("{name}: not seen by its controller yet")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn machine(boot: &str, containers: &[&str]) -> BTreeMap<String, Alive> {
        let containers = containers.iter().map(|c| (*c).to_owned()).collect();
        BTreeMap::from([("cp1".to_owned(), Alive { boot: boot.into(), at: "2026-11-26T20:30:15Z".into(), containers })])
    }

    fn pod(owner: &str, name: &str, id: &str, started: &str) -> Value {
        json!({
            "metadata": {"name": format!("{name}-x"), "namespace": "s", "ownerReferences": [{"kind": owner, "name": name, "controller": true}]},
            "spec": {"nodeName": "cp1"},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"containerID": format!("containerd://{id}"), "state": {"running": {"startedAt": started}}}],
            },
        })
    }

    fn set(generation: u64, ready: u64) -> Value {
        let status = json!({"observedGeneration": 1, "desiredNumberScheduled": 2, "numberReady": ready});
        json!({"metadata": {"name": "ds", "namespace": "s", "generation": generation}, "status": status})
    }

    #[test]
    fn a_workload_counts_when_its_controller_has_seen_it() {
        assert_eq!(shortfall(&set(1, 2), None), None);
        assert!(shortfall(&set(1, 1), None).unwrap().contains("1 of 2"));
        assert!(shortfall(&set(2, 2), None).is_some());
    }

    #[test]
    fn what_a_machine_does_not_know_of_is_gone_and_what_began_since_it_was_asked_is_not() {
        let node = json!({"metadata": {"name": "cp1"}, "status": {"nodeInfo": {"bootID": "b1"}}});
        let pods = [
            pod("DaemonSet", "ds", "old", "2026-11-26T19:00:00Z"),
            pod("DaemonSet", "ds", "runs", "2026-11-26T20:30:00Z"),
            pod("DaemonSet", "ds", "new", "2026-11-26T20:30:15Z"),
        ];
        let all = gone(std::slice::from_ref(&node), &pods, &machine("b2", &["runs"]));
        assert_eq!(all.into_iter().collect::<Vec<_>>(), ["b1", "old"]);
        assert!(gone(std::slice::from_ref(&node), &pods, &BTreeMap::new()).is_empty(), "a machine that was not seen");
        assert!(gone(&[node], &pods, &machine("b1", &[])).is_empty(), "a runtime that keeps its containers elsewhere");
    }

    #[test]
    fn pods_are_counted_for_what_owns_them_without_those_that_are_gone() {
        let deployment =
            json!({"metadata": {"name": "coredns", "namespace": "s"}, "spec": {"replicas": 1}, "status": {"readyReplicas": 1}});
        let now = "2026-11-26T20:00:00Z";
        let mut pods = vec![
            pod("DaemonSet", "ds", "a", now),
            pod("DaemonSet", "ds", "b", now),
            pod("ReplicaSet", "coredns-674b8", "c", now),
            pod("Node", "cp1", "d", now),
        ];
        let workloads = [set(1, 2), deployment];
        let told = |pods: &[Value], gone: &[&str]| shortfalls(&workloads, pods, &gone.iter().map(|g| (*g).to_owned()).collect());
        assert!(told(&pods, &[]).is_empty());
        assert_eq!(told(&pods, &["b", "c", "d"]), ["cp1-x: 0 of 1 ready", "ds: 1 of 2 ready", "coredns: 0 of 1 ready"]);
        pods[3]["status"]["conditions"][0]["status"] = "False".into();
        assert_eq!(told(&pods, &[]), ["cp1-x: 0 of 1 ready"]);
    }

    #[test]
    fn a_machine_tells_its_boot_its_time_and_its_containers() {
        let folder = tempfile::tempdir().unwrap();
        for place in ["one", "two"] {
            std::fs::create_dir(folder.path().join(place)).unwrap();
        }
        let command = kubestead_core::probe::command(&[alive_section()], "n1");
        let script = command.script().replace(TASKS, folder.path().to_str().unwrap());
        let output = std::process::Command::new("bash").args(["-c", &script]).env("TZ", "Asia/Tokyo").output().unwrap();
        let alive = read_alive(&kubestead_core::probe::parse(&output.stdout, "n1").unwrap()).unwrap();
        assert_eq!(alive.containers, ["one".to_owned(), "two".to_owned()].into());
        let real = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        assert_eq!(alive.boot, real.trim());
        let date = std::process::Command::new("date").args(["-u", "+%FT%H"]).output().unwrap();
        assert!(alive.at.starts_with(String::from_utf8(date.stdout).unwrap().trim()), "{}", alive.at);
        assert!(read_alive(&Answers::from_pairs([("cluster/alive", 0, "")])).is_err());
    }
}
