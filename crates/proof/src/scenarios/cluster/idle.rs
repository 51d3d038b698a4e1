//! What a cluster takes that does nothing.

use std::time::{Duration, Instant};

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};
use crate::tree;
use crate::worker::say;

use super::{NODES, ready};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "a cluster of three nodes that does nothing takes at most 0.8 of a core of this computer",
    shows: &["R6"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 900,
    takes: 90,
    core: false,
    run: idle,
}];

/// Over how long it is measured.
const MINUTE: Duration = Duration::from_secs(60);
/// In how many seconds it must have settled.
const SETTLES: u64 = 300;
const MOST: f64 = 0.8;

/// The ticks of a line of proc_pid_stat(5): of the process, and of those below it that have ended and were waited for.
fn ticks(stat: &str) -> u64 {
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The processor's time that the lab's processes have used: machines, what runs in them, and what carries their packets. This computer may do
/// something else meanwhile.
fn used() -> Duration {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let all: u64 = tree::descendants(std::process::id(), &[]).into_iter().map(|pid| ticks(&stat(pid))).sum();
    Duration::from_millis(all * 1000 / rustix::param::clock_ticks_per_second())
}

/// The cores that it takes for a minute.
fn cores() -> f64 {
    let (begin, before) = (Instant::now(), used());
    std::thread::sleep(MINUTE);
    used().saturating_sub(before).as_secs_f64() / begin.elapsed().as_secs_f64()
}

fn little() -> Claim {
    let cores = cores();
    say(&format!("      {cores:.2} of a core for a minute"));
    is(cores > 0.0 && cores <= MOST, || format!("it takes {cores:.2} of a core"))
}

#[expect(clippy::unnecessary_wraps, reason = "the form of every scenario")]
fn idle(s: &Stage) -> Done {
    s.claim("all nodes are Ready", ready(s, &NODES));
    s.claim("an idle cluster takes at most 0.8 of a core", s.eventually(SETTLES, little));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_and_its_ended_children_used_is_read_whatever_its_name() {
        assert_eq!(ticks("7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 10 5 3 2 20 0 1 0 100 0"), 20);
        assert_eq!(ticks(""), 0);
        let (begin, before) = (Instant::now(), used());
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        while used() <= before + Duration::from_millis(50) {
            assert!(begin.elapsed() < MINUTE, "a process that works uses nothing");
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
