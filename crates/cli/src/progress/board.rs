//! What runs and what is left, as one line that fits a width. Pure: the time is told to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use kubestead_core::event::Event;
use kubestead_core::plan::StepId;
use kubestead_core::visible::visible;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::past::Past;

/// How a line may be filled, the richest first: cells of the bar, whether the estimate is told, how many running steps and how many hosts are named.
const WAYS: [(usize, bool, usize, usize); 8] = [
    (20, true, 3, 2),
    (20, true, 2, 2),
    (10, true, 2, 2),
    (10, true, 1, 2),
    (10, true, 2, 0),
    (10, true, 1, 0),
    (0, true, 1, 0),
    (0, false, 1, 0),
];
/// A running step is named if that much of it can be.
const LEAST: usize = 12;

/// A run as far as its events told. Times are since it began.
#[derive(Default)]
pub(super) struct Board {
    name: String,
    total: usize,
    done: usize,
    began: Duration,
    running: BTreeMap<StepId, Duration>,
    left: BTreeSet<StepId>,
    past: Past,
}

impl Board {
    /// What earlier runs tell of the steps of a plan.
    pub(super) fn remember(&mut self, past: Past) {
        self.past = past;
    }

    /// Takes an event.
    pub(super) fn on(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Stage { name, total } => {
                (self.name, self.total, self.done, self.began) = (visible(name).into_owned(), *total, 0, now);
                self.running.clear();
            }
            Event::Seen { .. } => self.done += 1,
            Event::Planned { steps, .. } => self.left = steps.iter().map(|planned| planned.step.clone()).collect(),
            Event::Started { step, .. } => _ = self.running.insert(step.clone(), now),
            Event::Ended { step, .. } => {
                self.done += 1;
                self.running.remove(step);
                self.left.remove(step);
            }
        }
    }

    /// The line, which is less wide than `width`: a terminal would begin another one at its end.
    pub(super) fn line(&self, now: Duration, width: usize) -> String {
        let room = width.saturating_sub(1);
        let estimate = self.estimate(now);
        for (cells, estimated, runs, hosts) in WAYS {
            let text = self.filled(now, cells, estimate.filter(|_| estimated), (runs, usize::MAX), hosts);
            if text.width() <= room {
                return text;
            }
        }
        // The name of a step is cut where something of it can be there.
        let head = self.filled(now, 0, None, (0, 0), 0);
        let with_name = |name: usize| self.filled(now, 0, None, (1, name), 0);
        let name = room.saturating_sub(with_name(0).width());
        if self.running.is_empty() || name < LEAST { cut(&head, room) } else { with_name(name) }
    }

    fn filled(&self, now: Duration, cells: usize, estimate: Option<Duration>, (runs, name): (usize, usize), hosts: usize) -> String {
        let named = |step: &StepId| cut(&visible(&step.0), name);
        let mut text = self.name.clone();
        if cells > 0 {
            let full = (cells * self.done.min(self.total)).checked_div(self.total).unwrap_or(0);
            let _ = write!(text, " [{}{}]", "#".repeat(full), "-".repeat(cells - full));
        }
        let _ = write!(text, " {}/{} {}", self.done, self.total, clock(now.saturating_sub(self.began)));
        if let Some(estimate) = estimate {
            let _ = write!(text, ", about {} left", clock(estimate));
        }
        let mut running: Vec<(&StepId, Duration)> = self.running.iter().map(|(step, since)| (step, now.saturating_sub(*since))).collect();
        running.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        if runs > 0 && !running.is_empty() {
            let named: Vec<String> = running.iter().take(runs).map(|(step, time)| format!("{} {}", named(step), clock(*time))).collect();
            let more = running.len().saturating_sub(runs);
            let _ = write!(text, " | {}{}", named.join(", "), if more > 0 { format!(", +{more}") } else { String::new() });
        }
        let busiest = self.busiest();
        if hosts > 0 && busiest.len() > 1 {
            let named: Vec<String> = busiest.iter().take(hosts).map(|(host, count)| format!("{} {count}", visible(host))).collect();
            let _ = write!(text, " | most left: {}", named.join(", "));
        }
        text
    }

    /// Hosts by how many steps they have left, the busiest first.
    fn busiest(&self) -> Vec<(&str, usize)> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for step in &self.left {
            *counts.entry(host(step)).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// How long the busiest host takes by what its steps took before. `None` if one of the steps that are left was never seen to end: half of an
    /// estimate is none.
    fn estimate(&self, now: Duration) -> Option<Duration> {
        let mut hosts: BTreeMap<&str, Duration> = BTreeMap::new();
        for step in &self.left {
            let whole = self.past.of_step(step)?;
            let spent = self.running.get(step).map_or(Duration::ZERO, |since| now.saturating_sub(*since));
            *hosts.entry(host(step)).or_default() += whole.saturating_sub(spent);
        }
        hosts.into_values().max().filter(|time| time.as_secs() > 0)
    }
}

/// The machine of a step, by its id.
fn host(step: &StepId) -> &str {
    step.0.split('/').next().unwrap_or_default()
}

/// `m:ss`, or `h:mm:ss`.
fn clock(time: Duration) -> String {
    let (hours, minutes, seconds) = (time.as_secs() / 3600, time.as_secs() / 60 % 60, time.as_secs() % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// As much of a text as fits.
pub(crate) fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= room {
            break;
        }
        kept.push(c);
    }
    if room > 0 { kept + "…" } else { kept }
}

#[cfg(test)]
mod tests {
    use kubestead_core::event::Planned;
    use kubestead_core::outcome::Outcome;
    use kubestead_core::plan::Risk;

    use super::*;
    use crate::golden;

    const STEPS: [&str; 8] = [
        "kube1/volkube/create",
        "kube1/volkube/mkfs",
        "kube1/containerd/start",
        "kube2/volkube/create",
        "kube2/volkube/mkfs",
        "cp1/kubeadm/init",
        "cp1/volumes/boot",
        "cluster/flannel/apply",
    ];

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A run of eight steps after 65 seconds: two ended, three run.
    fn board(past: &str) -> Board {
        let mut board = Board::default();
        board.remember(Past::of(past));
        let steps = STEPS.map(|id| Planned { step: StepId(id.into()), what: String::new(), risk: Risk::Safe }).to_vec();
        board.on(&Event::Planned { steps, held: Vec::new() }, at(2));
        board.on(&Event::Stage { name: "apply".into(), total: 8 }, at(2));
        for (n, (index, ends)) in [(0, true), (3, true), (1, false), (4, false), (5, false)].into_iter().enumerate() {
            let step = StepId(STEPS[index].into());
            board.on(&Event::Started { step: step.clone(), what: String::new() }, at(3 + 10 * n as u64));
            if ends {
                board.on(&Event::Ended { step, outcome: Outcome::Changed, millis: 1 }, at(4 + 10 * n as u64));
            }
        }
        board
    }

    fn look() -> Board {
        let mut board = Board::default();
        board.on(&Event::Stage { name: "observe".into(), total: 4 }, at(60));
        board.on(&Event::Seen { host: "cp1".into(), gap: None }, at(61));
        board
    }

    fn past(steps: &[&str]) -> String {
        steps.iter().map(|id| format!("{{\"event\":\"ended\",\"step\":\"{id}\",\"outcome\":\"changed\",\"millis\":90000}}\n")).collect()
    }

    #[test]
    fn the_line_tells_what_fits() {
        let mut text = String::new();
        for (what, board) in [("with a past", board(&past(&STEPS))), ("without", board("")), ("the look", look())] {
            for width in [40, 80, 120, 200] {
                let line = board.line(at(67), width);
                assert!(line.width() < width, "{line}");
                let _ = write!(text, "{what}, {width} columns:\n{line}\n");
            }
        }
        golden::holds("progress", &text);
    }

    #[test]
    fn no_width_and_no_name_makes_a_line_too_long() {
        let mut board = board("");
        board.on(&Event::Started { step: StepId("kube1/容容容容容容容容容容\u{1b}[2K/make".into()), what: String::new() }, at(3));
        for width in 0..140 {
            let line = board.line(at(3600 * 30), width);
            assert!(line.width() < width.max(1), "{width}: {line}");
            assert!(!line.contains('\u{1b}'));
        }
    }

    #[test]
    fn an_estimate_needs_a_past_of_all_that_is_left() {
        assert_eq!(board(&past(&STEPS[..7])).estimate(at(67)), None);
        // cp1 has most of a step and a whole one left.
        assert_eq!(board(&past(&STEPS)).estimate(at(67)), Some(at(90 - 24 + 90)));
    }
}
