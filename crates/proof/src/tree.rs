//! What a process has started, and its end.
//!
//! A process that is a subreaper (prctl(2)) stays the ancestor of all that it started, sessions and daemons of their own included: so they are found.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Makes this process the ancestor of whatever it starts, whoever started it in between.
pub fn adopt_all() -> Result<(), std::io::Error> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(Into::into)
}

/// The processes below one, without those that have ended, and without those at and below the spared ones.
pub fn descendants(root: u32, spared: &[u32]) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // proc_pid_stat(5): the name stands in brackets and may hold anything; then the state and the parent.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let (Some(state), Some(parent)) = (fields.next(), fields.next().and_then(|p| p.parse().ok())) else { continue };
        if !matches!(state, "Z" | "X") {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(parent) = open.pop() {
        for pid in children.get(&parent).into_iter().flatten().filter(|pid| !spared.contains(pid)) {
            found.push(*pid);
            open.push(*pid);
        }
    }
    found
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// Ends all processes below one: each is asked to end, so that it can clean up, and after a while those that are there are killed. Answers those
/// that even that did not end.
pub fn end(root: u32, spared: &[u32], grace: Duration) -> Vec<u32> {
    for pid in descendants(root, spared) {
        signal(pid, Signal::TERM);
    }
    let begin = Instant::now();
    loop {
        let left = descendants(root, spared);
        let over = begin.elapsed();
        if left.is_empty() || over > grace + Duration::from_secs(30) {
            return left;
        }
        if over >= grace {
            for pid in left {
                signal(pid, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
