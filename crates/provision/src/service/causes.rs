//! Why workloads that were waited for in vain are not ready: what the first pod of each says of itself, or, where no pod could be made, the last warning
//! about the workload. It is asked for when the wait has ended, and not before: pods are many.

use std::collections::BTreeMap;

use kubestead_core::kube::{Api, KubeError, ObjectRef};
use serde_json::Value;

use super::health::{bounded, shortfall};
use crate::objects;

/// Of how many workloads a cause is looked for: whoever reads more reads none.
const MOST: usize = 8;
/// What a container waits for that is on its way; it is no cause while there is another.
const ON_ITS_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// An error of a wait, with the causes behind it as far as the API tells them.
pub(super) async fn with_causes<K: Api>(error: objects::Error, workloads: &[ObjectRef], kube: &K) -> objects::Error {
    let words = |what: String, causes: Vec<String>| std::iter::once(what).chain(causes).collect::<Vec<_>>().join("; ");
    match error {
        objects::Error::Failed { what } => objects::Error::Failed { what: words(what, causes(workloads, kube).await.unwrap_or_default()) },
        objects::Error::Late { seconds, what } => {
            objects::Error::Late { seconds, what: words(what, causes(workloads, kube).await.unwrap_or_default()) }
        }
        other => other,
    }
}

/// One look at each workload that is not ready, and one list of pods for each namespace of these.
async fn causes<K: Api>(workloads: &[ObjectRef], kube: &K) -> Result<Vec<String>, KubeError> {
    let mut unready = Vec::new();
    for workload in workloads {
        if unready.len() == MOST {
            break;
        }
        if let Some(live) = kube.get(workload).await?.filter(|live| shortfall(workload, live).is_some()) {
            unready.push((workload, live));
        }
    }
    let mut lists = BTreeMap::new();
    let mut found = Vec::new();
    for (workload, live) in unready {
        let pods = items("Pod", &workload.namespace, &mut lists, kube).await?;
        let (own, cause) = of_pods(&live, pods);
        let cause = match cause {
            None if !own => warning(workload, items("Event", &workload.namespace, &mut lists, kube).await?),
            cause => cause,
        };
        found.extend(cause.map(|cause| format!("{workload}: {cause}")));
    }
    Ok(found)
}

type Lists = BTreeMap<(&'static str, String), Vec<Value>>;

async fn items<'a, K: Api>(kind: &'static str, namespace: &str, lists: &'a mut Lists, kube: &K) -> Result<&'a [Value], KubeError> {
    let key = (kind, namespace.to_owned());
    if !lists.contains_key(&key) {
        let all = ObjectRef { api_version: "v1".into(), kind: kind.into(), namespace: namespace.to_owned(), name: String::new() };
        lists.insert(key.clone(), kube.list(&all).await?.items);
    }
    Ok(lists.get(&key).map(Vec::as_slice).unwrap_or_default())
}

/// Whether a workload has pods, and what the newest of them says that is not ready.
fn of_pods(workload: &Value, pods: &[Value]) -> (bool, Option<String>) {
    let Some(labels) = workload.pointer("/spec/selector/matchLabels").and_then(Value::as_object).filter(|labels| !labels.is_empty()) else {
        return (false, None);
    };
    let mut own: Vec<&Value> =
        pods.iter().filter(|pod| labels.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value)).collect();
    let of = |pod: &Value, field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    own.sort_by_key(|pod| (std::cmp::Reverse(of(pod, "creationTimestamp")), of(pod, "name")));
    let cause = own.iter().find_map(|pod| Some(format!("pod {}: {}", bounded(&of(pod, "name")), reason(pod)?)));
    (!own.is_empty(), cause)
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value[field].as_str().filter(|text| !text.is_empty())
}

/// A reason and its message, no longer than a line.
fn said(value: &Value) -> String {
    let words: Vec<&str> = [text(value, "reason"), text(value, "message")].into_iter().flatten().collect();
    bounded(&words.join(": "))
}

/// Why a pod is not ready. What its program wrote at its end is left out: nobody knows what that has in it.
fn reason(pod: &Value) -> Option<String> {
    let status = &pod["status"];
    let all = |list: &str| status[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let condition = |name: &str| all("conditions").iter().find(|one| one["type"] == name);
    if status["phase"] == "Succeeded" || condition("Ready").is_some_and(|ready| ready["status"] == "True") {
        return None;
    }
    if let Some(scheduled) = condition("PodScheduled").filter(|one| one["status"] == "False") {
        return Some(format!("not scheduled: {}", said(scheduled)));
    }
    if status["phase"] == "Failed" && text(status, "reason").is_some() {
        return Some(said(status));
    }
    let containers = || all("initContainerStatuses").iter().chain(all("containerStatuses"));
    let ended = |state: &Value| {
        let code = state["exitCode"].as_i64().filter(|code| *code != 0)?;
        Some(format!(
            "it ended with the exit code {code}{}",
            text(state, "reason").map(|why| format!(" ({})", bounded(why))).unwrap_or_default()
        ))
    };
    let stuck = containers().find_map(|one| {
        let name = bounded(one["name"].as_str().unwrap_or_default());
        let (waiting, last) = (&one["state"]["waiting"], &one["lastState"]["terminated"]);
        if text(waiting, "reason").is_some_and(|reason| !ON_ITS_WAY.contains(&reason)) {
            let before = ended(last).map(|ended| format!("; {ended}")).unwrap_or_default();
            return Some(format!("container {name}: {}{before}", said(waiting)));
        }
        ended(&one["state"]["terminated"]).or_else(|| ended(last)).map(|ended| format!("container {name}: {ended}"))
    });
    let running = || containers().find(|one| one["ready"] == false && one["state"]["running"].is_object());
    let slow = || containers().map(|one| &one["state"]["waiting"]).find(|waiting| waiting.is_object()).map(said);
    stuck.or_else(slow).or_else(|| {
        let name = bounded(running()?["name"].as_str().unwrap_or_default());
        Some(format!("container {name} runs, and its probe does not say that it is ready"))
    })
}

/// The last warning about a workload: of one whose pods are refused nothing else tells why.
fn warning(workload: &ObjectRef, events: &[Value]) -> Option<String> {
    let about = |event: &&Value| {
        let object = &event["involvedObject"];
        event["type"] == "Warning" && object["kind"] == workload.kind.as_str() && object["name"] == workload.name.as_str()
    };
    let time = |event: &&Value| text(event, "lastTimestamp").or_else(|| text(event, "eventTime")).unwrap_or_default().to_owned();
    events.iter().filter(about).max_by_key(time).map(said)
}

#[cfg(test)]
mod tests {
    use kubestead_core::twin::MemoryKube;
    use serde_json::json;

    use super::*;

    fn pod(status: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "status": status,
            "metadata": {"name": "web-1", "namespace": "s", "labels": {"app": "web"}, "creationTimestamp": "2026-11-29T02:00:00Z"}})
    }

    #[test]
    fn a_pod_that_is_not_ready_says_why_and_nothing_of_its_program() {
        let container = |state: Value| json!({"containerStatuses": [{"name": "web", "ready": false, "state": state}]});
        let pulls = json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"r.io/a:1\""}});
        for (status, words) in [
            (container(pulls), Some("container web: ImagePullBackOff: Back-off pulling image \"r.io/a:1\"")),
            (
                json!({"containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "the password is p"}}}]}),
                Some("container web: CrashLoopBackOff; it ended with the exit code 1 (Error)"),
            ),
            (
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "message": "0/3 nodes are available"}]}),
                Some("not scheduled: Unschedulable: 0/3 nodes are available"),
            ),
            (container(json!({"waiting": {"reason": "ContainerCreating"}})), Some("ContainerCreating")),
            (container(json!({"running": {}})), Some("container web runs, and its probe does not say that it is ready")),
            (json!({"conditions": [{"type": "Ready", "status": "True"}]}), None),
            (json!({"phase": "Failed", "reason": "Evicted", "message": "disk\u{1b}[2K"}), Some("Evicted: disk\\u{1b}[2K")),
        ] {
            assert_eq!(reason(&pod(&status)).as_deref(), words, "{status}");
        }
        let long = reason(&pod(&container(json!({"waiting": {"reason": "X", "message": "x".repeat(9000)}})))).unwrap();
        assert!(long.len() < 400, "{}", long.len());
    }

    #[tokio::test]
    async fn causes_are_those_of_workloads_that_are_not_ready_and_of_one_without_pods_its_last_warning() {
        let kube = MemoryKube::default();
        let object = |kind: &str, name: &str| ObjectRef {
            api_version: "apps/v1".into(),
            kind: kind.into(),
            namespace: "s".into(),
            name: name.into(),
        };
        let workload = |kind: &str, name: &str, ready: u64| {
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "s"},
                "spec": {"selector": {"matchLabels": {"app": name}}},
                "status": {"desiredNumberScheduled": 1, "updatedReplicas": ready, "availableReplicas": ready}})
        };
        kube.put(workload("Deployment", "web", 0));
        kube.put(workload("Deployment", "well", 1));
        kube.put(workload("DaemonSet", "agent", 0));
        kube.put(pod(&json!({"containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "ErrImagePull"}}}]})));
        for (name, kind, message) in [("a", "DaemonSet", "pods \"agent-\" is forbidden: violates PodSecurity"), ("b", "Pod", "another's")] {
            kube.put(json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "s"}, "type": "Warning",
                "reason": "FailedCreate", "message": message, "involvedObject": {"kind": kind, "name": "agent"}}));
        }
        let workloads = [object("Deployment", "web"), object("Deployment", "well"), object("DaemonSet", "agent")];
        let error = with_causes(objects::Error::Late { seconds: 900, what: "0 of 1".into() }, &workloads, &kube).await;
        let objects::Error::Late { what, .. } = error else { panic!("{error}") };
        let expected = "0 of 1; Deployment s/web: pod web-1: container web: ErrImagePull; \
            DaemonSet s/agent: FailedCreate: pods \"agent-\" is forbidden: violates PodSecurity";
        assert_eq!(what, expected);
    }
}
