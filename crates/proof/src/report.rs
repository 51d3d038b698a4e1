//! How a run is told: each scenario's own words when it has ended, or as they come if there is one lane; and the table at the end.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::event::Outcome;
use crate::scenario::Scenario;

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its name.
    pub name: &'static str,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: u64,
    /// How it ended at first, if it was made once more.
    pub first: Option<Outcome>,
}

/// How many lines of a claim that failed are told once more at the end.
const LINES: usize = 15;

/// What failed in a scenario: at the end of a long output it is told once more.
#[derive(Default)]
struct Failures {
    claims: Vec<Vec<String>>,
    /// Whether the next line, if it is indented, belongs to the last claim.
    open: bool,
}

impl Failures {
    fn line(&mut self, line: &str) {
        if line.starts_with("FAIL") {
            self.claims.push(vec![line.to_owned()]);
            self.open = true;
        } else if self.open && line.starts_with("      ") && !line.starts_with("      --") {
            // What went well, and what was planned, says nothing of it.
            let is_noise = ["done ", "+ "].iter().any(|noise| line.trim_start().starts_with(noise));
            self.claims.last_mut().filter(|_| !is_noise).into_iter().for_each(|claim| claim.push(line.to_owned()));
        } else {
            self.open = false;
        }
    }

    /// All claims, each with the end of what was told of it. None is kept.
    fn take(&mut self) -> String {
        let mut text = String::new();
        for claim in std::mem::take(self).claims {
            let (head, rest) = claim.split_at(1);
            for line in head.iter().chain(&rest[rest.len().saturating_sub(LINES)..]) {
                text.extend([line, "\n"]);
            }
        }
        text
    }
}

/// What is told to whoever started a run.
pub struct Report {
    /// Of the scenario of each lane.
    failures: Vec<Mutex<Failures>>,
    /// Of scenarios that have ended.
    failed: Mutex<String>,
    /// What each lane has said since its scenario began; `None` if it is told as it comes.
    kept: Option<Vec<Mutex<String>>>,
    out: Mutex<Box<dyn Write + Send>>,
}

/// The time of day, UTC.
pub(crate) fn time() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) % 86400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::Panicked => "PANICKED",
            Self::TimedOut => "TIMED OUT",
        }
    }
}

impl Report {
    /// For so many lanes, to where it is read.
    pub fn new(lanes: usize, out: Box<dyn Write + Send>) -> Self {
        let failures = (0..lanes).map(|_| Mutex::default()).collect();
        Self {
            failures,
            failed: Mutex::default(),
            kept: (lanes > 1).then(|| (0..lanes).map(|_| Mutex::default()).collect()),
            out: Mutex::new(out),
        }
    }

    fn out(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever closed it does not want to know more.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    fn tell(&self, lane: usize, text: &str) {
        match self.kept.as_ref().and_then(|kept| kept.get(lane)) {
            Some(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(text),
            None => self.out(text),
        }
    }

    /// A line of the lane's own.
    pub(crate) fn line(&self, lane: usize, line: &str) {
        if let Some(failures) = self.failures.get(lane) {
            failures.lock().unwrap_or_else(PoisonError::into_inner).line(line);
        }
        self.tell(lane, &format!("{line}\n"));
    }

    /// What failed in scenarios that have ended; empty if nothing did.
    pub fn failed(&self) -> String {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn begins(&self, lane: usize, name: &str) {
        if self.kept.is_some() {
            self.out(&format!(".. {name} ({})\n", time()));
        }
        self.tell(lane, &format!("\n=== {name} ({})\n", time()));
    }

    pub(crate) fn ends(&self, lane: usize, name: &str, outcome: Outcome, seconds: u64) {
        self.tell(lane, &format!("=== {}: {name}, {seconds} s ({})\n", outcome.word(), time()));
        if let Some(failures) = self.failures.get(lane) {
            let claims = failures.lock().unwrap_or_else(PoisonError::into_inner).take();
            if outcome != Outcome::Passed {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = write!(failed, "\n{}: {name}\n{claims}", outcome.word());
            }
        }
        if let Some(kept) = self.kept.as_ref().and_then(|kept| kept.get(lane)) {
            self.out(&std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner)));
        }
    }
}

/// The table of a run: each scenario with how it ended and how long it took, the sum, and what was not chosen.
pub fn table(finished: &[Finished], seconds: u64, left: &[&Scenario]) -> String {
    let mut text = String::from("\n== the proofs that were made\n");
    for one in finished {
        let more = match one.first {
            None => "",
            Some(Outcome::Panicked) => " (once more: the lab's own kernel had panicked)",
            Some(_) => " (once more: it had failed, as is told below: find out why)",
        };
        let _ = writeln!(text, "{:<10}{:>6} s  {}{more}", one.outcome.word(), one.seconds, one.name);
    }
    let good = finished.iter().filter(|one| one.outcome == Outcome::Passed).count();
    let _ = writeln!(text, "{good} of {} passed, in {seconds} s", finished.len());
    if !left.is_empty() {
        text.push_str("\n== left to `make prove`\n");
        for scenario in left {
            text.extend([scenario.name, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Fixture, Leaves};

    #[test]
    fn what_failed_is_told_once_more_at_the_end() {
        let report = Report::new(2, Box::new(std::io::sink()));
        let noise = (0..LINES).map(|n| format!("        done     kube1/x{n}/make (0.1 s)"));
        let told = (0..LINES).map(|n| format!("      line {n}"));
        report.begins(0, "a");
        report.begins(1, "b");
        report.line(1, "ok    it is there");
        report.line(1, "      of no claim that failed");
        report.line(1, "FAIL  up");
        noise.chain(["      first".to_owned()]).chain(told).for_each(|line| report.line(1, &line));
        report.line(1, "ok    it goes on");
        report.line(0, "FAIL  with the lab's own kernel");
        report.ends(0, "a", Outcome::Passed, 1);
        report.ends(1, "b", Outcome::Failed, 1);
        let lines: Vec<String> = (0..LINES).map(|n| format!("      line {n}\n")).collect();
        assert_eq!(report.failed(), format!("\nFAILED: b\nFAIL  up\n{}", lines.concat()));
    }

    #[test]
    fn the_table_tells_every_end_and_what_was_left() {
        static LEFT: Scenario = Scenario {
            name: "a fleet goes on",
            shows: &[],
            fixture: Fixture::Own,
            leaves: Leaves::WornOut,
            limit: 1,
            takes: 1,
            core: false,
            run: |_| Ok(()),
        };
        let one = |name, outcome, first| Finished { name, outcome, seconds: 7, first };
        let finished = [
            one("a", Outcome::Passed, Some(Outcome::Panicked)),
            one("b", Outcome::Failed, None),
            one("c", Outcome::TimedOut, None),
            one("d", Outcome::Panicked, Some(Outcome::Panicked)),
            one("e", Outcome::Passed, Some(Outcome::Failed)),
        ];
        let text = table(&finished, 20, &[&LEFT]);
        for line in [
            "ok             7 s  a (once more: the lab's own kernel had panicked)",
            "FAILED         7 s  b",
            "TIMED OUT      7 s  c",
            "PANICKED       7 s  d (once more: the lab's own kernel had panicked)",
            "ok             7 s  e (once more: it had failed, as is told below: find out why)",
            "2 of 5 passed, in 20 s",
            "a fleet goes on",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}
