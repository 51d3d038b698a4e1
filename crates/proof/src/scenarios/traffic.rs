//! Secrets that are written and read all the time on a control plane, through its API server, and such that nobody touches; and what etcd holds of them.

use std::cell::Cell;
use std::collections::BTreeMap;

use base64::Engine;
use serde_json::Value;

use super::cluster::kubectl;
use crate::stage::{Claim, Done, Stage, fresh_value, is};
use crate::worker::say;

/// The control plane.
const MACHINE: &str = "cp1";
/// How many Secrets nobody touches again.
const STILL: usize = 600;
/// How many Secrets must have been written, for something to judge by.
const LEAST: &str = "20";

/// Traffic of a cluster.
pub(super) struct Traffic<'a> {
    s: &'a Stage,
    /// What the Secrets that nobody touches hold.
    pub(super) word: String,
    runs: Cell<usize>,
}

/// What was written from a begin to an end.
pub(super) struct Written {
    run: usize,
    /// By name.
    words: BTreeMap<String, String>,
    errors: Claim,
}

/// Each value of an answer of `etcdctl get -w json`, by its key.
fn values(answer: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let found: Value = serde_json::from_str(answer).map_err(|error| error.to_string())?;
    let bytes = |value: &Value| base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap_or_default());
    let pair = |kv: &Value| Ok((String::from_utf8_lossy(&bytes(&kv["key"])?).into_owned(), bytes(&kv["value"])?));
    let all = found["kvs"].as_array().cloned().unwrap_or_default();
    all.iter().map(pair).collect::<Result<_, base64::DecodeError>>().map_err(|error| error.to_string())
}

/// Every value of a kind in etcd begins so: counted here in another way than kubestead counts.
pub(super) fn every_value(s: &Stage, kind: &str, prefix: &str) -> Claim {
    let values = values(&s.at(MACHINE, &["etcd_values", kind]).run().answer()?)?;
    let others: Vec<&String> = values.iter().filter(|(_, value)| !value.starts_with(prefix.as_bytes())).map(|(key, _)| key).collect();
    is(!values.is_empty() && others.is_empty(), || format!("of {} these begin otherwise: {others:?}", values.len()))
}

/// etcd's file has a text somewhere, also in pages that are free.
pub(super) fn file_holds(s: &Stage, text: &str) -> Claim {
    s.at(MACHINE, &["etcd_file_holds", text]).run().ok()
}

/// It has it nowhere.
pub(super) fn file_lacks(s: &Stage, text: &str) -> Claim {
    s.at(MACHINE, &["etcd_file_holds", text]).run().status(1)
}

/// The Secrets of a list, by name.
fn secrets(list: &str) -> Result<BTreeMap<String, String>, String> {
    let list: Value = serde_json::from_str(list).map_err(|error| error.to_string())?;
    let word = |secret: &Value| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(secret["data"]["word"].as_str()?).ok()?;
        Some((secret["metadata"]["name"].as_str()?.to_owned(), String::from_utf8(bytes).ok()?))
    };
    Ok(list["items"].as_array().into_iter().flatten().filter_map(word).collect())
}

impl<'a> Traffic<'a> {
    /// The namespace of it, without traffic.
    pub(super) fn new(s: &'a Stage) -> Result<Self, String> {
        kubectl(s, &["create", "namespace", "traffic"]).run().ok()?;
        Ok(Self { s, word: fresh_value()?, runs: Cell::new(0) })
    }

    fn still(&self) -> impl Iterator<Item = (String, String)> {
        (1..=STILL).map(|number| (format!("still-{number}"), self.word.clone()))
    }

    /// Makes the Secrets that nobody touches.
    pub(super) fn make_still(&self) -> Claim {
        let one = |(name, word)| {
            format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: traffic}}\nstringData: {{word: {word}}}\n")
        };
        kubectl(self.s, &["apply", "-f", "-"]).input(self.still().map(one).collect::<String>()).run().ok()
    }

    /// One of them that may not be changed either.
    pub(super) fn make_immutable(&self) -> Claim {
        kubectl(self.s, &["-n", "traffic", "patch", "secret", "still-7", "-p", "{\"immutable\": true}"]).run().ok()
    }

    /// The API server gives one of them as it was.
    pub(super) fn reads(&self, number: usize) -> Claim {
        let answer = kubectl(self.s, &["-n", "traffic", "get", "secret", &format!("still-{number}"), "-o", "json"]).run().answer()?;
        let list = format!("{{\"items\": [{answer}]}}");
        is(secrets(&list)?.into_values().eq([self.word.clone()]), || "it is not what it was".to_owned())
    }

    /// Begins to write and to read.
    pub(super) fn begin(&self) -> Done {
        self.runs.set(self.runs.get() + 1);
        self.s.at(MACHINE, &["begin_traffic", &self.runs.get().to_string(), &STILL.to_string(), &self.word]).run().ok()
    }

    /// Ends it when enough was written.
    pub(super) fn end(&self) -> Result<Written, String> {
        let at = |words: &[&str]| self.s.at(MACHINE, words).run();
        let enough = self.s.eventually(180, || at(&["written_more_than", LEAST]).ok());
        let run = self.runs.get();
        let lines = at(&["end_traffic", &run.to_string()]).answer()?;
        let words: BTreeMap<String, String> =
            lines.lines().filter_map(|line| line.split_once(' ')).map(|(name, word)| (name.to_owned(), word.to_owned())).collect();
        say(&format!("      {} Secrets written, {} reads", words.len(), at(&["reads"]).answer()?));
        let errors = enough.and(at(&["no_traffic_errors"]).ok());
        Ok(Written { run, words, errors })
    }

    /// Every Secret is what was last written into it.
    pub(super) fn none_lost(&self, written: &Written) -> Claim {
        let found = secrets(&kubectl(self.s, &["-n", "traffic", "get", "secrets", "-o", "json"]).run().answer()?)?;
        let mut wanted = written.words.clone();
        // It was written over all the time.
        wanted.remove(&format!("moving-{}-1", written.run));
        wanted.extend(self.still());
        let lost: Vec<&String> = wanted.iter().filter(|(name, word)| found.get(*name) != Some(word)).map(|(name, _)| name).collect();
        is(lost.is_empty(), || format!("lost or changed: {lost:?}"))
    }

    /// Removes all of it.
    pub(super) fn remove(self) -> Done {
        kubectl(self.s, &["delete", "namespace", "traffic", "--timeout=300s"]).run().ok()
    }
}

impl Written {
    /// Enough was written, and no write and no read failed or told another word.
    pub(super) fn no_errors(&self) -> Claim {
        self.errors.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcd_and_the_api_server_answer_is_read() {
        let answer = r#"{"kvs": [{"key": "L2E=", "value": "azhzOmE="}, {"key": "L2I=", "value": "azhzOmI="}]}"#;
        let found = values(answer).unwrap();
        assert_eq!(found, [("/a".to_owned(), b"k8s:a".to_vec()), ("/b".to_owned(), b"k8s:b".to_vec())]);
        assert!(values("{").is_err() && values("{}").unwrap().is_empty() && values(r#"{"kvs": [{"key": "?"}]}"#).is_err());
        let list = r#"{"items": [{"metadata": {"name": "a"}, "data": {"word": "d29yZA=="}}, {"metadata": {"name": "b"}}]}"#;
        assert_eq!(secrets(list).unwrap().into_iter().collect::<Vec<_>>(), [("a".to_owned(), "word".to_owned())]);
    }
}
