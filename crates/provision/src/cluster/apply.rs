//! One action, through the API.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kubestead_core::kube::{Kube, KubeError, ObjectRef};
use kubestead_core::name::HostName;
use kubestead_core::outcome::Done;

use super::health::{shortfall, shortfalls};
use super::observe::node;
use super::plan::Action;

/// How long nodes may take to become ready; pulling images over a slow line takes minutes.
const READY: Duration = Duration::from_secs(900);
const POLL: Duration = Duration::from_millis(500);
/// How long an API server may let nobody in after its start: it serves before it has read who may what. And how long it may tell of what is
/// gone; the look that follows decides.
const SETTLES: Duration = Duration::from_secs(120);

/// An action that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API did not do it.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// The time is over.
    #[error("not ready after {seconds} s: {what}")]
    Late {
        /// How long it was waited for.
        seconds: u64,
        /// What is not ready, and why.
        what: String,
    },
}

/// Carries an action out.
pub async fn apply(action: &Action, kube: &dyn Kube) -> Result<Done, Error> {
    match action {
        Action::Apply { manifests } => {
            for manifest in manifests {
                kube.apply(manifest).await?;
            }
        }
        Action::Delete { objects } => {
            for object in objects {
                kube.delete(object).await?;
            }
        }
        Action::Reach => wait(None, kube).await?,
        Action::Wait { nodes, gone } => wait(Some((nodes, gone)), kube).await?,
    }
    Ok(Done::Changed)
}

/// Waits for the API, or for nodes and workloads.
async fn wait(wanted: Option<(&[HostName], &BTreeSet<String>)>, kube: &dyn Kube) -> Result<(), Error> {
    let begin = Instant::now();
    let none = BTreeSet::new();
    loop {
        // An API server that restarts is one of the things that are waited for.
        let look = match wanted {
            Some((nodes, gone)) => unready(nodes, if begin.elapsed() < SETTLES { gone } else { &none }, kube).await,
            // What the next look asks it too.
            None => kube.ready().await.map(|()| Vec::new()),
        };
        let what = match look {
            Ok(what) if what.is_empty() => return Ok(()),
            Ok(what) => what.join("; "),
            Err(KubeError::Connect(why)) => why,
            Err(error @ KubeError::Refused { code: 429 | 500..600, .. }) => error.to_string(),
            Err(error @ KubeError::Refused { code: 403, .. }) if begin.elapsed() < SETTLES => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        if begin.elapsed() > READY {
            return Err(Error::Late { seconds: READY.as_secs(), what });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn kind(api_version: &str, kind: &str, namespace: &str) -> ObjectRef {
    ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: namespace.into(), name: String::new() }
}

async fn unready(nodes: &[HostName], gone: &BTreeSet<String>, kube: &dyn Kube) -> Result<Vec<String>, KubeError> {
    let live = kube.list(&kind("v1", "Node", "")).await?;
    let state = |name: &HostName| live.iter().find(|n| n["metadata"]["name"] == name.as_str()).map(|n| node(n, gone));
    let mut found: Vec<String> = nodes
        .iter()
        .filter_map(|name| match state(name) {
            Some(node) if node.ready => None,
            Some(node) => Some(format!("{name}: {}", node.message)),
            None => Some(format!("{name}: the API does not know it")),
        })
        .collect();
    let mut workloads = Vec::new();
    for (workload, namespace) in [("DaemonSet", "kube-system"), ("DaemonSet", "kube-flannel"), ("Deployment", "kube-system")] {
        workloads.extend(kube.list(&kind("apps/v1", workload, namespace)).await?);
    }
    found.extend(workloads.iter().filter_map(|w| shortfall(w, None)));
    // Pods are many: they are asked for at last.
    if found.is_empty() {
        let mut pods = kube.list(&kind("v1", "Pod", "kube-system")).await?;
        pods.extend(kube.list(&kind("v1", "Pod", "kube-flannel")).await?);
        found = shortfalls(&workloads, &pods, gone);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use kubestead_core::kube::MockKube;
    use kubestead_core::twin::MemoryKube;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_is_not_ready_is_named_with_its_words() {
        let kube = MemoryKube::default();
        let conditions = json!([{"type": "Ready", "status": "False", "message": "no network plugin"}]);
        let manifest = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": {"conditions": conditions}});
        apply(&Action::Apply { manifests: vec![manifest] }, &kube).await.unwrap();
        let names = ["a", "b"].map(|n| HostName::new(n).unwrap());
        let found = unready(&names, &BTreeSet::new(), &kube).await.unwrap();
        assert_eq!(found, ["a: no network plugin", "b: the API does not know it"]);
    }

    #[tokio::test]
    async fn a_node_that_the_api_knows_from_before_its_boot_is_waited_for() {
        let kube = MemoryKube::default();
        let status = json!({"nodeInfo": {"bootID": "old"}, "conditions": [{"type": "Ready", "status": "True"}]});
        let manifest = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": status});
        apply(&Action::Apply { manifests: vec![manifest] }, &kube).await.unwrap();
        let names = [HostName::new("a").unwrap()];
        let found = unready(&names, &BTreeSet::from(["old".to_owned()]), &kube).await.unwrap();
        assert_eq!(found, ["a: its kubelet has told nothing since the machine came up"]);
        assert!(unready(&names, &BTreeSet::new(), &kube).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_api_server_that_has_just_started_may_refuse_and_another_may_not() {
        let refused = |code| Err(KubeError::Refused { object: "Node".into(), reason: "forbidden".into(), code });
        let mut kube = MockKube::new();
        let mut answers = [refused(403), refused(500), Ok(())].into_iter();
        kube.expect_ready().times(3).returning(move || answers.next().unwrap());
        assert_eq!(apply(&Action::Reach, &kube).await.unwrap(), Done::Changed);
        let mut kube = MockKube::new();
        kube.expect_ready().times(1).returning(move || refused(401));
        assert!(matches!(apply(&Action::Reach, &kube).await, Err(Error::Kube(KubeError::Refused { code: 401, .. }))));
    }
}
