//! Whether what a service runs is well, in the words of its controllers: rolled out as it is asked for now, as `kubectl rollout status` has it.

use kubestead_core::kube::ObjectRef;
use kubestead_core::visible::visible;
use serde_json::Value;

use super::kinds::{group, is_definition};

/// What of an object is not ready.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shortfall {
    /// What, and why, with its numbers.
    pub words: String,
    /// Whether waiting does not help.
    pub failed: bool,
}

/// Whether an object is a workload, or leads to one that answers for a part of the API, and is waited for.
pub(super) fn is_workload(object: &ObjectRef) -> bool {
    let kind = object.kind.as_str();
    match group(&object.api_version) {
        "apps" => ["Deployment", "StatefulSet", "DaemonSet"].contains(&kind),
        "batch" => kind == "Job",
        "apiregistration.k8s.io" => kind == "APIService",
        _ => false,
    }
}

/// What of a live object is not ready; `None` if it is, and for kinds that are never waited for.
pub(super) fn shortfall(object: &ObjectRef, live: &Value) -> Option<Shortfall> {
    if is_definition(object) {
        return definition(live).map(|(words, failed)| Shortfall { words: format!("{object}: {words}"), failed });
    }
    if !is_workload(object) {
        return None;
    }
    let (words, failed) = match object.kind.as_str() {
        "Job" => job(live)?,
        "APIService" => answers(live)?,
        kind => rollout(kind, live)?,
    };
    Some(Shortfall { words: format!("{object}: {words}"), failed })
}

fn number(live: &Value, pointer: &str) -> Option<u64> {
    live.pointer(pointer).and_then(Value::as_u64)
}

fn condition<'a>(live: &'a Value, name: &str) -> Option<&'a Value> {
    live["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == name)
}

/// What a controller says, no longer than a line.
fn said(condition: &Value) -> String {
    let text = condition["message"].as_str().filter(|text| !text.is_empty()).or_else(|| condition["reason"].as_str());
    bounded(text.unwrap_or("it does not say why"))
}

/// The longest of what the API is quoted with, in characters.
const LONGEST: usize = 300;

/// Words of the API as they may be shown, no longer than a line.
pub(super) fn bounded(text: &str) -> String {
    let begin: String = text.chars().take(LONGEST).collect();
    visible(&begin).into_owned()
}

fn rollout(kind: &str, live: &Value) -> Option<(String, bool)> {
    let status = |field: &str| number(live, &format!("/status/{field}")).unwrap_or(0);
    if number(live, "/status/observedGeneration") < number(live, "/metadata/generation") {
        return Some(("not seen by its controller yet".to_owned(), false));
    }
    let by_hand = live["spec"]["updateStrategy"]["type"] == "OnDelete";
    let (wanted, updated, ready) = match kind {
        "DaemonSet" => (status("desiredNumberScheduled"), status("updatedNumberScheduled"), status("numberAvailable")),
        "StatefulSet" => (number(live, "/spec/replicas").unwrap_or(1), status("updatedReplicas"), status("readyReplicas")),
        _ => (number(live, "/spec/replicas").unwrap_or(1), status("updatedReplicas"), status("availableReplicas")),
    };
    // Pods below a partition are left as they are on purpose.
    let partition = number(live, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let current = if by_hand { wanted } else { (updated + partition).min(wanted) };
    if current >= wanted && ready >= wanted {
        return None;
    }
    let late = condition(live, "Progressing").filter(|c| c["status"] == "False" && c["reason"] == "ProgressDeadlineExceeded");
    // Why pods could not be made says more than that they are not there. It may be of a ReplicaSet that is on its way out, and is no failure by itself.
    let refused = condition(live, "ReplicaFailure").filter(|condition| condition["status"] == "True").map(said);
    let why = refused.or_else(|| late.map(said)).map(|why| format!(": {why}")).unwrap_or_default();
    Some((format!("{} of {wanted} ready{why}", ready.min(current)), late.is_some()))
}

fn answers(live: &Value) -> Option<(String, bool)> {
    let available = condition(live, "Available");
    let why = available.map_or_else(|| "the API server has not looked yet".to_owned(), said);
    available.is_none_or(|condition| condition["status"] != "True").then(|| (format!("it does not answer: {why}"), false))
}

fn job(live: &Value) -> Option<(String, bool)> {
    let is = |name: &str| condition(live, name).filter(|condition| condition["status"] == "True");
    if is("Complete").is_some() || live["spec"]["suspend"] == true {
        return None;
    }
    if let Some(failed) = is("Failed") {
        return Some((format!("it failed: {}", said(failed)), true));
    }
    let wanted = number(live, "/spec/completions").unwrap_or(1);
    Some((format!("{} of {wanted} complete", number(live, "/status/succeeded").unwrap_or(0)), false))
}

fn definition(live: &Value) -> Option<(String, bool)> {
    if condition(live, "Established").is_some_and(|condition| condition["status"] == "True") {
        return None;
    }
    match condition(live, "NamesAccepted").filter(|condition| condition["status"] == "False") {
        Some(refused) => Some((format!("its names are taken: {}", said(refused)), true)),
        None => Some(("the API does not serve its kinds yet".to_owned(), false)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(api_version: &str, kind: &str, live: &Value) -> Option<(String, bool)> {
        let object = ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: "s".into(), name: "x".into() };
        shortfall(&object, live).map(|found| (found.words, found.failed))
    }

    #[test]
    fn a_rollout_is_done_when_the_new_pods_are_ready_and_not_the_old_ones() {
        let live = |updated: u64, available: u64, seen: u64| {
            json!({"metadata": {"generation": 2}, "spec": {"replicas": 2},
                "status": {"observedGeneration": seen, "updatedReplicas": updated, "availableReplicas": available, "readyReplicas": available}})
        };
        let words = |live: &Value| told("apps/v1", "Deployment", live).map(|(words, _)| words);
        assert_eq!(words(&live(2, 2, 2)), None);
        assert_eq!(words(&live(1, 2, 2)).as_deref(), Some("Deployment s/x: 1 of 2 ready"), "one of them is old");
        assert_eq!(words(&live(2, 2, 1)).as_deref(), Some("Deployment s/x: not seen by its controller yet"));
        let mut late = live(2, 0, 2);
        late["status"]["conditions"] =
            json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
        assert_eq!(told("apps/v1", "Deployment", &late), Some(("Deployment s/x: 0 of 2 ready: timed out".into(), true)));
        let refused = json!({"type": "ReplicaFailure", "status": "True", "message": "pods \"x\" is forbidden: violates PodSecurity"});
        let words = "Deployment s/x: 0 of 2 ready: pods \"x\" is forbidden: violates PodSecurity";
        for (conditions, failed) in [(json!([refused]), false), (json!([late["status"]["conditions"][0], refused]), true)] {
            let mut live = live(2, 0, 2);
            live["status"]["conditions"] = conditions;
            assert_eq!(told("apps/v1", "Deployment", &live), Some((words.into(), failed)));
        }
        let partition =
            json!({"spec": {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 2}}}, "status": {"readyReplicas": 2}});
        assert_eq!(told("apps/v1", "StatefulSet", &partition), None);
        let none = json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "desiredNumberScheduled": 0}});
        assert_eq!(told("apps/v1", "DaemonSet", &none), None);
    }

    #[test]
    fn jobs_and_definitions_are_waited_for_and_other_kinds_are_not() {
        let with = |name: &str, message: &str| json!({"status": {"conditions": [{"type": name, "status": "True", "message": message}]}});
        assert_eq!(told("batch/v1", "Job", &with("Complete", "")), None);
        assert_eq!(told("batch/v1", "Job", &with("Failed", "BackoffLimit")), Some(("Job s/x: it failed: BackoffLimit".into(), true)));
        assert_eq!(told("batch/v1", "Job", &json!({})), Some(("Job s/x: 0 of 1 complete".into(), false)));
        let definition = |live: &Value| told("apiextensions.k8s.io/v1", "CustomResourceDefinition", live).map(|(_, failed)| failed);
        assert_eq!(definition(&with("Established", "")), None);
        assert_eq!(definition(&json!({})), Some(false));
        let taken = json!({"status": {"conditions": [{"type": "NamesAccepted", "status": "False", "reason": "ListKindConflict"}]}});
        assert_eq!(definition(&taken), Some(true));
        let part = |live: &Value| told("apiregistration.k8s.io/v1", "APIService", live);
        let refused = json!({"status": {"conditions": [{"type": "Available", "status": "False", "message": "no endpoints"}]}});
        assert_eq!(part(&with("Available", "")), None);
        assert_eq!(part(&refused), Some(("APIService s/x: it does not answer: no endpoints".into(), false)));
        assert!(part(&json!({})).is_some());
        assert_eq!(told("v1", "ConfigMap", &json!({})), None);
        assert_eq!(told("x.org/v1", "Job", &json!({})), None, "another group's");
    }
}
