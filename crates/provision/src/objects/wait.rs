//! Waiting until the API answers, or until nodes and workloads are ready. The API server tells when one of the lists that were looked at has
//! changed (a watch of metadata), so that waiting asks it for nothing while nothing changes. What counts is the look that follows: a watch
//! that is cut, silent or lying costs time and is believed in nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::{BoxFuture, select_all};
use kubestead_core::kube::{Kube, KubeError, ObjectRef};
use kubestead_core::name::HostName;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::error::Error;
use super::health::{shortfall, shortfalls};
use super::namespaces::WORKLOADS;
use super::observe::node;

/// How long nodes may take to become ready; pulling images over a slow line takes minutes.
const READY: Duration = Duration::from_secs(900);
/// How long an API server may let nobody in after its start: it serves before it has read who may what. And how long it may tell of what is
/// gone; the look that follows decides.
const SETTLES: Duration = Duration::from_secs(120);
/// How long without a look: a watch that is dead says nothing either.
const UNSEEN: Duration = Duration::from_secs(30);
/// The shortest and the longest pause before a look. What changes together is told one by one and seen at once; and a look at a large cluster
/// is dear, so that a pause is several times as long as the last one took. An API server that does not answer, or lets nobody watch, cannot tell
/// when it does: it is asked ever less often.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
const SHARE: u32 = 4;

/// What a look found: what is not ready, and the lists that say so, with their versions.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// What is not ready, each with its words.
    pub unready: Vec<String>,
    /// Whether some of that will never be.
    pub failed: bool,
    lists: Vec<(ObjectRef, String)>,
}

/// Waits for the API, or for nodes and workloads. `gone` are boots and containers that the API may tell of and that are no more.
pub(super) async fn wait(wanted: Option<(&[HostName], &BTreeSet<String>)>, kube: &dyn Kube) -> Result<(), Error> {
    let none = BTreeSet::new();
    let look = |settles: bool| -> BoxFuture<'_, Result<Look, KubeError>> {
        match wanted {
            Some((nodes, gone)) => Box::pin(unready(nodes, if settles { gone } else { &none }, kube)),
            // What the next look asks it too.
            None => Box::pin(async { kube.ready().await.map(|()| Look::default()) }),
        }
    };
    until(&look, kube).await
}

/// Waits until a look finds nothing that is not ready. A look is told whether the API may not have settled yet.
pub(crate) async fn until<'a>(
    look: &(dyn Fn(bool) -> BoxFuture<'a, Result<Look, KubeError>> + Sync),
    kube: &dyn Kube,
) -> Result<(), Error> {
    let begin = Instant::now();
    // When it did not answer last, or else the beginning.
    let mut silent = begin;
    let mut failures = 0;
    loop {
        let looked = Instant::now();
        let settles = silent.elapsed() < SETTLES;
        // An API server that restarts is one of the things that are waited for.
        let found = look(settles).await;
        let took = looked.elapsed();
        let (what, lists) = match found {
            Ok(look) if look.unready.is_empty() => return Ok(()),
            Ok(look) if look.failed => return Err(Error::Failed { what: look.unready.join("; ") }),
            Ok(look) => (look.unready.join("; "), look.lists),
            Err(KubeError::Connect(why)) => {
                silent = Instant::now();
                (why, Vec::new())
            }
            Err(error @ KubeError::Slow { .. }) => {
                silent = Instant::now();
                (error.to_string(), Vec::new())
            }
            Err(error @ KubeError::Refused { code: 429 | 500..600, .. }) => (error.to_string(), Vec::new()),
            Err(error @ KubeError::Refused { code: 403, .. }) if settles => (error.to_string(), Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let left = READY.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Err(Error::Late { seconds: READY.as_secs(), what });
        }
        // What was gone counts no more once the API has settled.
        let settling = SETTLES.saturating_sub(silent.elapsed());
        let most = if settling.is_zero() { left.min(UNSEEN) } else { settling.min(UNSEEN) };
        match timeout(most, change(&lists, kube)).await {
            Ok(Err(())) => failures += 1,
            Ok(Ok(())) | Err(_) => failures = 0,
        }
        sleep(pause(failures, took).min(left)).await;
    }
}

/// Ends when one of the lists has changed, or cannot be watched.
async fn change(lists: &[(ObjectRef, String)], kube: &dyn Kube) -> Result<(), ()> {
    if lists.is_empty() {
        return Err(());
    }
    let watches = lists.iter().map(|(kind, version)| kube.changed(kind, version));
    select_all(watches).await.0.map_err(drop)
}

/// How long until the next look, after so many that were no use, the last of which took as long as this.
fn pause(failures: u32, took: Duration) -> Duration {
    let grown = PAUSE.saturating_mul(2_u32.saturating_pow(failures / 4));
    grown.max(took.saturating_mul(SHARE)).min(LONGEST)
}

fn kind(api_version: &str, kind: &str, namespace: &str) -> ObjectRef {
    ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: namespace.into(), name: String::new() }
}

impl Look {
    /// The objects of a list, which is watched from now on.
    pub(crate) async fn list(&mut self, kind: ObjectRef, kube: &dyn Kube) -> Result<Vec<Value>, KubeError> {
        let listed = kube.list(&kind).await?;
        self.lists.push((kind, listed.version));
        Ok(listed.items)
    }
}

async fn unready(nodes: &[HostName], gone: &BTreeSet<String>, kube: &dyn Kube) -> Result<Look, KubeError> {
    let mut look = Look::default();
    let live = look.list(kind("v1", "Node", ""), kube).await?;
    let live: BTreeMap<&str, &Value> = live.iter().filter_map(|n| Some((n["metadata"]["name"].as_str()?, n))).collect();
    let state = |name: &HostName| live.get(name.as_str()).map(|n| node(n, gone));
    look.unready = nodes
        .iter()
        .filter_map(|name| match state(name) {
            Some(node) if node.ready => None,
            Some(node) => Some(format!("{name}: {}", node.message)),
            None => Some(format!("{name}: the API does not know it")),
        })
        .collect();
    // One list while nodes are awaited.
    if !look.unready.is_empty() {
        return Ok(look);
    }
    let mut workloads = Vec::new();
    for (workload, namespace) in WORKLOADS.map(|namespace| ("DaemonSet", namespace)).into_iter().chain([("Deployment", "kube-system")]) {
        workloads.extend(look.list(kind("apps/v1", workload, namespace), kube).await?);
    }
    look.unready.extend(workloads.iter().filter_map(|w| shortfall(w, None)));
    // Pods are many: they are asked for at last.
    if look.unready.is_empty() {
        let mut pods = Vec::new();
        for namespace in WORKLOADS {
            pods.extend(look.list(kind("v1", "Pod", namespace), kube).await?);
        }
        look.unready = shortfalls(&workloads, &pods, gone);
    }
    Ok(look)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use kubestead_core::kube::{Listed, MockKube};
    use kubestead_core::twin::MemoryKube;
    use serde_json::json;

    use super::*;

    fn node_of(status: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": status})
    }

    fn ready(status: &str) -> Value {
        node_of(&json!({"conditions": [{"type": "Ready", "status": status, "message": "no network plugin"}]}))
    }

    fn names<const N: usize>(names: [&str; N]) -> [HostName; N] {
        names.map(|n| HostName::new(n).unwrap())
    }

    #[tokio::test]
    async fn what_is_not_ready_is_named_with_its_words() {
        let kube = MemoryKube::default();
        kube.put(ready("False"));
        let found = unready(&names(["a", "b"]), &BTreeSet::new(), &kube).await.unwrap();
        assert_eq!(found.unready, ["a: no network plugin", "b: the API does not know it"]);
    }

    #[tokio::test]
    async fn a_node_that_the_api_knows_from_before_its_boot_is_waited_for() {
        let kube = MemoryKube::default();
        kube.put(node_of(&json!({"nodeInfo": {"bootID": "old"}, "conditions": [{"type": "Ready", "status": "True"}]})));
        let found = unready(&names(["a"]), &BTreeSet::from(["old".to_owned()]), &kube).await.unwrap();
        assert_eq!(found.unready, ["a: its kubelet has told nothing since the machine came up"]);
        assert!(unready(&names(["a"]), &BTreeSet::new(), &kube).await.unwrap().unready.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_has_just_started_may_refuse_and_another_may_not() {
        let refused = |code| Err(KubeError::Refused { object: "Node".into(), reason: "forbidden".into(), code });
        let mut kube = MockKube::new();
        let slow = Err(KubeError::Slow { object: "/readyz".into(), seconds: 60 });
        let mut answers = [refused(403), refused(500), slow, Ok(())].into_iter();
        kube.expect_ready().times(4).returning(move || answers.next().unwrap());
        wait(None, &kube).await.unwrap();
        for end in [refused(401), Err(KubeError::TooMuch { object: "Node".into(), limit: "8 MiB".into() })] {
            let mut kube = MockKube::new();
            kube.expect_ready().times(1).returning(move || end.clone());
            assert!(matches!(wait(None, &kube).await, Err(Error::Kube(_))));
        }
    }

    /// One that was restarted while it was waited for is one that has just started.
    #[tokio::test(start_paused = true)]
    async fn an_api_server_may_refuse_for_a_while_after_it_was_silent_and_not_for_ever() {
        let answers = |silent: Duration, refuses: Duration| {
            let (mut kube, begin) = (MockKube::new(), Instant::now());
            kube.expect_ready().returning(move || match begin.elapsed() {
                now if now < silent => Err(KubeError::Connect("refused".into())),
                now if now < silent + refuses => Err(KubeError::Refused { object: "Node".into(), reason: "forbidden".into(), code: 403 }),
                _ => Ok(()),
            });
            kube
        };
        wait(None, &answers(2 * SETTLES, SETTLES / 2)).await.unwrap();
        let ended = wait(None, &answers(2 * SETTLES, 2 * SETTLES)).await;
        assert!(matches!(ended, Err(Error::Kube(KubeError::Refused { code: 403, .. }))), "{ended:?}");
    }

    /// A look while nodes are awaited is one list.
    #[tokio::test]
    async fn a_wait_for_nodes_asks_for_nodes_alone_and_pauses_have_a_limit() {
        let mut kube = MockKube::new();
        kube.expect_list().times(1).withf(|kind| kind.kind == "Node").returning(|_| Ok(Listed::default()));
        assert_eq!(unready(&names(["a"]), &BTreeSet::new(), &kube).await.unwrap().unready.len(), 1);
        let looks: Vec<Duration> = (0..60).map(|look| pause(look, Duration::from_millis(20))).collect();
        assert!(looks[0] == PAUSE && looks[59] == LONGEST && looks.is_sorted());
        assert!((0..u32::MAX).step_by(1 << 28).all(|look| pause(look, Duration::ZERO) <= LONGEST));
        assert_eq!(pause(0, Duration::from_millis(400)), Duration::from_millis(1600), "a dear look is not repeated at once");
    }

    /// What a watch does.
    #[derive(Clone, Copy)]
    enum Watch {
        True,
        Refused,
        Dead,
        Lies,
    }

    /// A cluster in memory whose lists are counted.
    struct Counting(MemoryKube, Watch, AtomicUsize);

    #[async_trait]
    impl Kube for Counting {
        async fn ready(&self) -> Result<(), KubeError> {
            self.0.ready().await
        }
        async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
            self.0.get(object).await
        }
        async fn list(&self, kind: &ObjectRef) -> Result<Listed, KubeError> {
            self.2.fetch_add(1, Ordering::Relaxed);
            self.0.list(kind).await
        }
        async fn changed(&self, kind: &ObjectRef, version: &str) -> Result<(), KubeError> {
            match self.1 {
                Watch::True => self.0.changed(kind, version).await,
                Watch::Refused => Err(KubeError::Connect("cut".into())),
                Watch::Dead => std::future::pending().await,
                Watch::Lies => Ok(()),
            }
        }
    }

    /// How long it is waited for a node that is ready after so many seconds, and how many lists that takes before it is.
    async fn waited(watch: Watch, seconds: u64) -> (Result<(), Error>, Duration, usize) {
        let kube = Counting(MemoryKube::default(), watch, AtomicUsize::new(0));
        kube.0.put(ready("False"));
        let begin = Instant::now();
        let becomes = async {
            sleep(Duration::from_secs(seconds)).await;
            let lists = kube.2.load(Ordering::Relaxed);
            kube.0.put(ready("True"));
            lists
        };
        let none = BTreeSet::new();
        let nodes = names(["a"]);
        let (ended, lists) = tokio::join!(async { (wait(Some((&nodes, &none)), &kube).await, begin.elapsed()) }, becomes);
        (ended.0, ended.1, lists)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_change_and_asks_for_nothing_before() {
        let (ended, took, lists) = waited(Watch::True, 25).await;
        assert!(ended.is_ok() && took < Duration::from_secs(26), "{took:?}");
        assert_eq!(lists, 1, "one look, and then the API server is asked for nothing");
        // Looks without a change are rare: one at every half minute.
        let (ended, took, lists) = waited(Watch::True, 600).await;
        assert!(ended.is_ok() && took < Duration::from_secs(601) && lists < 24, "{took:?} {lists}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_cut_dead_or_lying_is_followed_by_looks_and_ends_all_the_same() {
        for (watch, most) in [(Watch::Refused, 40), (Watch::Dead, 10), (Watch::Lies, 1000)] {
            let (ended, took, lists) = waited(watch, 200).await;
            assert!(ended.is_ok() && took < Duration::from_secs(232) && lists < most, "{took:?} {lists}");
            let (ended, took, _) = waited(watch, 1000).await;
            let Err(Error::Late { what, .. }) = ended else { panic!("{took:?}") };
            assert!(what == "a: no network plugin" && took < READY + UNSEEN, "{what} {took:?}");
        }
    }
}
