//! The key of encryption at rest, replaced.

use base64::Engine;
use serde_json::Value;

use crate::scenario::{Fixture, Leaves, Run, Scenario};
use crate::stage::{Claim, Done, Stage, is};

use super::secrets::live;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "the key of encryption at rest is replaced by an edit of the file, also when `up` is killed in the middle",
    shows: &["F09", "R3", "R4", "a key of encryption at rest goes only when"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 900,
    takes: 250,
    core: false,
    run: Run::Here(replaced),
}];

fn replaced(s: &Stage) -> Done {
    let old = s.at("cp1", &["encryption_key"]).run().answer()?;
    s.claim("every Secret in etcd carries the old key", every_secret(s, "k8s:enc:secretbox:v1:key1:"));
    s.claim("the old key lies on the control plane", s.at("cp1", &["holds_key"]).input(old.as_str()).run().ok());
    s.edit("cluster.yaml", "lab: true}", "lab: true, encryption: {provider: secretbox, key: key2, resources: [secrets]}}")?;
    let plan = s.plan(&[]);
    s.claim("the plan shows its stages, and no key", plan.status(3).and(plan.says("cp1/encryption/drop")).and(plan.lacks(&old)));
    s.claim("killed while the new key is promoted", s.kill_at("cp1/encryption/promote", 1000));
    s.claim("the next up finishes", s.kubestead(&["up"]).run().ok());
    s.claim("every Secret in etcd carries the new key", every_secret(s, "k8s:enc:secretbox:v1:key2:"));
    s.claim("the old key is gone from the control plane", s.at("cp1", &["holds_key"]).input(old).run().fails());
    let kept = s.kept()?;
    s.claim("a Secret is what it was", live(s, "kept", "word").and_then(|found| is(found == kept, || "it is another one".to_owned())));
    s.claim("the plan is empty", s.eventually(60, || s.plan(&[]).status(0)));
    Ok(())
}

/// Every Secret in etcd begins so.
fn every_secret(s: &Stage, prefix: &str) -> Claim {
    let answer = s.at("cp1", &["etcd_secrets"]).run().answer()?;
    let found: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    let values = found["kvs"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
    let bad = |kv: &&Value| !text(&kv["value"]).starts_with(prefix.as_bytes());
    let others: Vec<String> = values.iter().filter(bad).map(|kv| String::from_utf8_lossy(&text(&kv["key"])).into_owned()).collect();
    is(!values.is_empty() && others.is_empty(), || format!("of {} these begin otherwise: {others:?}", values.len()))
}
