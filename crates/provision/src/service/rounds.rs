//! What is done again and again: how long ago it was done well the last time, as its CronJob says, for those CronJobs that say how long ago that may be.

use jiff::Timestamp;
use kubestead_core::kube::ObjectRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kinds::group;

/// Annotations of a CronJob, in seconds.
const WARN: &str = "rounds.kubestead.io/warn-after-seconds";
const CRITICAL: &str = "rounds.kubestead.io/critical-after-seconds";

/// A CronJob whose rounds have an age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rounds {
    /// The CronJob.
    pub object: ObjectRef,
    /// When the last good round ended, in seconds since 1970. `None` before the first one.
    pub good: Option<i64>,
    /// When the CronJob was made, in seconds since 1970.
    pub made: i64,
    /// In seconds: how old the last good round may be.
    pub warn: i64,
    /// In seconds: how old it is when this is critical.
    pub critical: i64,
}

impl Rounds {
    /// Reads a live object; `None` for one that has no such rounds.
    pub(super) fn read(object: &ObjectRef, live: &Value) -> Option<Self> {
        if group(&object.api_version) != "batch" || object.kind != "CronJob" {
            return None;
        }
        let limit = |key: &str| live["metadata"]["annotations"][key].as_str()?.parse().ok();
        let time = |value: &Value| Some(value.as_str()?.parse::<Timestamp>().ok()?.as_second());
        Some(Self {
            object: object.clone(),
            good: time(&live["status"]["lastSuccessfulTime"]),
            made: time(&live["metadata"]["creationTimestamp"])?,
            warn: limit(WARN)?,
            critical: limit(CRITICAL)?,
        })
    }

    /// How old the last good round is at a time, in seconds since 1970, and whether that is well.
    pub(super) fn told(&self, now: i64) -> (bool, String) {
        let age = now.saturating_sub(self.good.unwrap_or(self.made)).max(0);
        let ObjectRef { namespace, name, .. } = &self.object;
        let since = match self.good {
            Some(_) => format!("{namespace}/{name}: last good round {} ago", span(age)),
            None => format!("{namespace}/{name}: no good round in the {} that it is there", span(age)),
        };
        let late = match age {
            age if age > self.critical => format!("critical after {}", span(self.critical)),
            age if age > self.warn => format!("warned of after {}", span(self.warn)),
            _ => return (true, since),
        };
        (false, format!("{since}, {late}: kubectl -n {namespace} get jobs, and the logs of those of {name}"))
    }
}

/// A time in its largest unit that it has two of, such as `90 min`.
fn span(seconds: i64) -> String {
    let (unit, length) = match seconds {
        seconds if seconds >= 2 * 86_400 => ("d", 86_400),
        seconds if seconds >= 2 * 3_600 => ("h", 3_600),
        seconds if seconds >= 2 * 60 => ("min", 60),
        _ => ("s", 1),
    };
    format!("{} {unit}", seconds / length)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_age_of_the_last_good_round_is_told_and_judged() {
        let object =
            ObjectRef { api_version: "batch/v1".into(), kind: "CronJob".into(), namespace: "apps".into(), name: "sync-share-kube2".into() };
        let mut live = json!({"metadata": {"creationTimestamp": "2026-11-29T02:00:00Z", "annotations": {WARN: "1800", CRITICAL: "7200"}}});
        let now = |after: i64| "2026-11-29T02:00:00Z".parse::<Timestamp>().unwrap().as_second() + after;
        let told = |live: &Value, after: i64| Rounds::read(&object, live).unwrap().told(now(after));
        assert_eq!(told(&live, 60), (true, "apps/sync-share-kube2: no good round in the 60 s that it is there".into()));
        assert!(matches!(told(&live, 1801), (false, words) if words.contains("30 min that it is there, warned of after 30 min")));
        live["status"]["lastSuccessfulTime"] = "2026-11-29T02:10:00Z".into();
        assert_eq!(told(&live, 900), (true, "apps/sync-share-kube2: last good round 5 min ago".into()));
        assert!(matches!(told(&live, 600 + 1801), (false, words) if words.contains("30 min ago, warned of after")));
        assert!(
            matches!(told(&live, 600 + 7201), (false, words) if words.contains("2 h ago, critical after 2 h: kubectl -n apps get jobs"))
        );
        assert_eq!(told(&live, 0), (true, "apps/sync-share-kube2: last good round 0 s ago".into()), "a clock may be behind");
        live["metadata"]["annotations"] = json!({});
        assert_eq!(Rounds::read(&object, &live), None, "a CronJob of somebody's own");
    }
}
