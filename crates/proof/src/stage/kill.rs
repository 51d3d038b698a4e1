//! `up` that is killed in the middle of a step.

use std::time::{Duration, Instant};

use super::Stage;
use super::claim::Claim;

/// How long `up` may take until a step begins.
const BEGINS: Duration = Duration::from_secs(900);

impl Stage {
    /// The journal of the cluster's runs, from a line on.
    fn journal(&self, from: usize) -> Vec<String> {
        let text = std::fs::read_to_string(self.work.join("state/kubestead/home.jsonl")).unwrap_or_default();
        text.lines().skip(from).map(str::to_owned).collect()
    }

    /// Begins `up`, and kills it with SIGKILL so many milliseconds after the journal says that the step has begun.
    pub fn kill_at(&self, step: &str, after: u64) -> Claim {
        self.killed(step, after).map(|_| ())
    }

    /// The same for a step that no run was cut off in before. Machines go side by side: a kill in the step of another one may have been in the middle of
    /// this one as well, and is not made again.
    pub fn killed_once_in(&self, step: &str, after: u64) -> Claim {
        if is_cut(&self.journal(0), step) { Ok(()) } else { self.killed_in(step, after) }
    }

    /// The same, for a step that takes much longer, and must not have ended.
    pub fn killed_in(&self, step: &str, after: u64) -> Claim {
        let lines = self.killed(step, after)?;
        let ended = event("ended", step);
        lines.iter().find(|line| line.contains(&ended)).map_or(Ok(()), |line| Err(format!("{step} had ended: {line}")))
    }

    fn killed(&self, step: &str, after: u64) -> Result<Vec<String>, String> {
        let before = self.journal(0).len();
        let started = event("started", step);
        let (mut up, begin) = (self.kubestead(&["up"]).start()?, Instant::now());
        while !self.journal(before).iter().any(|line| line.contains(&started)) {
            if !up.runs() {
                return Err(format!("up ended before {step}: {}", self.journal(before).join("\n")));
            }
            if begin.elapsed() > BEGINS {
                up.kill()?;
                return Err(format!("{step} did not begin within {} s", BEGINS.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::sleep(Duration::from_millis(after));
        up.kill()?;
        Ok(self.journal(before))
    }
}

fn event(event: &str, step: &str) -> String {
    format!("{{\"event\":\"{event}\",\"step\":\"{step}\"")
}

/// Whether a run ended in the middle of the step: one more of it began than ended.
fn is_cut(journal: &[String], step: &str) -> bool {
    let count = |word: &str| journal.iter().filter(|line| line.contains(&event(word, step))).count();
    count("started") > count("ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_began_and_did_not_end_was_cut() {
        let line = |word: &str, step: &str| format!("{},\"what\":\"x\"}}", event(word, step));
        let mut journal = vec![line("started", "a/b"), line("started", "a/bc"), line("ended", "a/b")];
        assert!(!is_cut(&journal, "a/b") && is_cut(&journal, "a/bc") && !is_cut(&journal, "a"));
        journal.extend([line("started", "a/bc"), line("ended", "a/bc")]);
        assert!(is_cut(&journal, "a/bc"), "a later run ended it");
    }
}
