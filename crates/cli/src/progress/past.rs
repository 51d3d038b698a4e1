//! How long steps took in earlier runs, by the journal's end. Only an estimate is made of it: a journal that is missing, huge or broken tells less, and
//! nothing else depends on it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use kubestead_core::plan::StepId;
use serde::Deserialize;

/// No more than that of a journal's end is read, in bytes.
const TAIL: u64 = 1 << 20;

/// How long steps took, by their ids, and by object and deed on whichever machine.
#[derive(Debug, Default)]
pub(super) struct Past {
    exact: BTreeMap<String, Vec<u64>>,
    alike: BTreeMap<String, Vec<u64>>,
}

/// A line of the journal, as far as it is needed.
#[derive(Deserialize)]
struct Line {
    event: String,
    step: Option<String>,
    outcome: Option<serde_json::Value>,
    millis: Option<u64>,
}

impl Past {
    /// What a journal tells.
    pub(super) fn read(path: &Path) -> Self {
        tail(path).map(|bytes| Self::of(&String::from_utf8_lossy(&bytes))).unwrap_or_default()
    }

    /// What lines of a journal tell; the first may be the rest of one.
    pub(super) fn of(text: &str) -> Self {
        let mut past = Self::default();
        for line in text.lines() {
            let Ok(Line { event, step: Some(step), outcome: Some(outcome), millis: Some(millis) }) = serde_json::from_str(line) else {
                continue;
            };
            if event == "ended" && outcome == "changed" {
                past.alike.entry(alike(&step).to_owned()).or_default().push(millis);
                past.exact.entry(step).or_default().push(millis);
            }
        }
        past.exact.values_mut().chain(past.alike.values_mut()).for_each(|all| all.sort_unstable());
        past
    }

    /// How long a step takes by the median of those before; `None` if there was none.
    pub(super) fn of_step(&self, step: &StepId) -> Option<Duration> {
        let all = self.exact.get(&step.0).or_else(|| self.alike.get(alike(&step.0)))?;
        all.get(all.len() / 2).copied().map(Duration::from_millis)
    }
}

/// An id without its machine.
fn alike(step: &str) -> &str {
    step.split_once('/').map_or(step, |(_, rest)| rest)
}

fn tail(path: &Path) -> Option<Vec<u8>> {
    // A pipe in its place would be waited for.
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(step: &str, outcome: &str, millis: &str) -> String {
        format!("{{\"event\":\"ended\",\"step\":\"{step}\",\"outcome\":{outcome},\"millis\":{millis}}}\n")
    }

    fn took(past: &Past, step: &str) -> Option<u128> {
        past.of_step(&StepId(step.into())).map(|time| time.as_millis())
    }

    #[test]
    fn a_step_takes_the_median_of_its_own_past_or_of_its_like_elsewhere() {
        let text = [("kube1/data/mkfs", "1000"), ("kube1/data/mkfs", "9000"), ("kube1/data/mkfs", "2000"), ("kube2/data/mkfs", "7000")]
            .map(|(step, millis)| ended(step, "\"changed\"", millis))
            .concat();
        let past = Past::of(&text);
        assert_eq!((took(&past, "kube1/data/mkfs"), took(&past, "kube2/data/mkfs")), (Some(2000), Some(7000)));
        assert_eq!((took(&past, "kube3/data/mkfs"), took(&past, "kube3/data/other")), (Some(7000), None));
    }

    #[test]
    fn what_was_there_already_failed_or_is_broken_tells_nothing() {
        let text = ended("a/b/c", "\"already\"", "1") + &ended("a/b/c", "{\"failed\":\"x\"}", "1") + &ended("a/b/c", "\"changed\"", "-1");
        let past = Past::of(&(text + "rest of a line\"}\n{\"event\":\n[[[[\n\u{fffd}\0\n{\"event\":\"ended\"}\n7\n"));
        assert_eq!(took(&past, "a/b/c"), None);
    }

    #[test]
    fn of_a_huge_journal_the_end_is_read_and_of_another_thing_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home.jsonl");
        let line = ended("kube1/data/mkfs", "\"changed\"", "3000");
        std::fs::write(&path, "x".repeat(3 << 20) + "\n" + &line).unwrap();
        assert_eq!(tail(&path).map(|bytes| bytes.len() as u64), Some(TAIL));
        assert_eq!(took(&Past::read(&path), "kube1/data/mkfs"), Some(3000));
        for other in [dir.path(), Path::new("/dev/zero"), &dir.path().join("none")] {
            assert!(tail(other).is_none(), "{}", other.display());
        }
    }
}
