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

    /// The same, for a step that takes much longer, and must not have ended.
    pub fn killed_in(&self, step: &str, after: u64) -> Claim {
        let ended = format!("{{\"event\":\"ended\",\"step\":\"{step}\"");
        let lines = self.killed(step, after)?;
        if lines.iter().any(|line| line.contains(&ended)) { Err(format!("{step} had ended")) } else { Ok(()) }
    }

    fn killed(&self, step: &str, after: u64) -> Result<Vec<String>, String> {
        let before = self.journal(0).len();
        let started = format!("{{\"event\":\"started\",\"step\":\"{step}\"");
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
