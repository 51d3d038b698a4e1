//! Batches side by side in lanes, each scenario within its limit.

use std::collections::{HashSet, VecDeque};
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::event::{Event, Outcome};
use crate::job::Job;
use crate::report::{Finished, Report};
use crate::scenario::Scenario;
use crate::tree;
use crate::worker::environment;

/// How long a worker has between scenarios, and how long to begin.
const BETWEEN: Duration = Duration::from_secs(180);
/// How long a worker whose leash was pulled may take: it asks machines for their journals, and takes a lab away.
const LEAVING: Duration = Duration::from_secs(180);

/// What runs batches.
pub struct Runner<'a> {
    /// The program that is a worker when it is called with `worker`, and its arguments.
    pub worker: Vec<String>,
    /// How many batches are made side by side.
    pub lanes: usize,
    /// Where folders of workers are made.
    pub folder: PathBuf,
    /// Who tells it.
    pub report: &'a Report,
    /// How many that failed are made once more before they count as failed. What failed at first is told at the end all the same.
    pub again: AtomicUsize,
}

/// What a worker is about.
#[derive(Clone, Copy)]
enum Now {
    /// Between two scenarios, or before the first or after the last one.
    Nothing,
    Fixture,
    /// The scenario of this place in the batch.
    Scenario(usize),
}

/// A worker at work, and what came of its batch so far.
struct Watch {
    now: Now,
    since: Instant,
    limit: Duration,
    /// How the scenarios ended, in their order; what comes after one that did not pass is not made by this worker.
    ended: Vec<(Outcome, Duration)>,
    fixture: Option<Outcome>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runner<'_> {
    /// Makes all batches, whatever becomes of some, and answers how each scenario ended.
    pub fn run(&self, batches: Vec<Batch>) -> Result<Vec<Finished>, std::io::Error> {
        tree::adopt_all()?;
        let (queue, finished) = (Mutex::new(VecDeque::from(batches)), Mutex::new(Vec::new()));
        let workers = Mutex::new(HashSet::new());
        std::thread::scope(|scope| {
            for lane in 0..self.lanes {
                let (queue, finished, workers) = (&queue, &finished, &workers);
                scope.spawn(move || {
                    loop {
                        let next = locked(queue).pop_front();
                        let Some(batch) = next else { break };
                        let ended = self.batch(lane, batch, workers);
                        locked(finished).extend(ended);
                    }
                });
            }
        });
        Ok(finished.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether what ended so is made once more: a panic of the lab's own kernel shows nothing; of the others, as many as the runner may.
    fn is_made_again(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Passed => false,
            Outcome::Panicked => true,
            Outcome::Failed | Outcome::TimedOut => {
                self.again.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
            }
        }
    }

    /// All scenarios of a batch: those after one that failed start from a fixture of their own.
    fn batch(&self, lane: usize, batch: Batch, workers: &Mutex<HashSet<u32>>) -> Vec<Finished> {
        let (mut all, mut repeated, mut fixture_repeated) = (Vec::new(), None, false);
        let mut rest = batch;
        while !rest.scenarios.is_empty() {
            let watched = self.worker(lane, &rest, workers);
            let mut again = None;
            for (outcome, took) in &watched.ended {
                let name = rest.scenarios[0].name;
                let first = repeated.take_if(|(of, _)| *of == name).map(|(_, first)| first);
                if first.is_none() && self.is_made_again(*outcome) {
                    again = Some((name, *outcome));
                    break;
                }
                all.push(Finished { name, outcome: *outcome, seconds: took.as_secs(), first });
                rest.scenarios.remove(0);
            }
            if again.is_some() {
                repeated = again;
            } else if watched.ended.is_empty() {
                if !fixture_repeated && watched.fixture.is_some_and(|outcome| self.is_made_again(outcome)) {
                    fixture_repeated = true;
                    continue;
                }
                // Without its fixture none of them can be made.
                let none = |s: &&'static Scenario| Finished { name: s.name, outcome: Outcome::Failed, seconds: 0, first: None };
                all.extend(rest.scenarios.drain(..).map(|s| none(&s)));
            }
            if let Some(next) = rest.scenarios.first() {
                rest.fixture = next.fixture;
            }
        }
        all
    }

    /// A worker for a batch, from its begin to its end.
    fn worker(&self, lane: usize, batch: &Batch, workers: &Mutex<HashSet<u32>>) -> Watch {
        let mut watch = Watch::new();
        let begun = self.begin(batch, workers);
        let (mut child, lines) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.report.line(lane, &format!("a worker cannot be started: {error}"));
                return watch;
            }
        };
        let mut pulled: Option<Instant> = None;
        let ended = loop {
            match lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => self.hear(lane, batch, &mut watch, &line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => match child.try_wait() {
                    Ok(None) => {}
                    Ok(Some(status)) => break Some(status),
                    Err(_) => break None,
                },
            }
            if pulled.is_none() && watch.is_over() {
                self.report
                    .line(lane, &format!("      not at its end after {} s: it is ended, with all that it started", watch.limit.as_secs()));
                drop(child.stdin.take());
                pulled = Some(Instant::now());
            }
            if pulled.is_some_and(|at| at.elapsed() > LEAVING) {
                // It does not come to its own end; what is below it becomes this process' own by that.
                let _ = child.kill();
            }
        };
        while let Ok(line) = lines.recv_timeout(Duration::from_millis(200)) {
            self.hear(lane, batch, &mut watch, &line);
        }
        if !matches!(watch.now, Now::Nothing) {
            let outcome = if pulled.is_some() { Outcome::TimedOut } else { Outcome::Failed };
            if pulled.is_none() {
                self.report
                    .line(lane, &format!("the worker ended in the middle of it ({})", ended.map_or_else(String::new, |e| e.to_string())));
            }
            self.end(lane, batch, &mut watch, outcome);
        }
        // Held, so that no worker that begins meanwhile is taken for something that was left.
        let mut others = locked(workers);
        others.remove(&child.id());
        let spared: Vec<u32> = others.iter().copied().collect();
        for pid in tree::end(std::process::id(), &spared, Duration::ZERO) {
            self.report.line(lane, &format!("process {pid} does not end"));
        }
        watch
    }

    fn begin(&self, batch: &Batch, workers: &Mutex<HashSet<u32>>) -> Result<(Child, Receiver<String>), std::io::Error> {
        // Every user may go through it, for a proof that is about one without root; nothing in it can be listed. Short: sockets lie below it.
        let folder = tempfile::Builder::new().prefix("proof.").permissions(Permissions::from_mode(0o711)).tempdir_in(&self.folder)?.keep();
        let (reader, writer) = std::io::pipe()?;
        let (program, arguments) = self.worker.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).arg("--folder").arg(&folder).envs(environment(&folder));
        command.stdin(Stdio::piped()).stderr(writer.try_clone()?).stdout(writer).process_group(0);
        let mut child = {
            let mut others = locked(workers);
            let child = command.spawn()?;
            others.insert(child.id());
            child
        };
        drop(command);
        if let Some(leash) = &mut child.stdin {
            let job = serde_json::to_string(&Job::from(batch))?;
            leash.write_all(job.as_bytes())?;
            leash.write_all(b"\n")?;
        }
        let (sender, lines) = channel();
        // Not waited for: a process that outlives its worker may hold the other end.
        std::thread::spawn(move || {
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                line.clear();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Ok((child, lines))
    }

    /// A line of a worker: an event, or what a scenario says.
    fn hear(&self, lane: usize, batch: &Batch, watch: &mut Watch, line: &str) {
        match Event::parse(line) {
            Some(Event::Starts(limit)) => {
                self.report.begins(lane, batch.fixture.name());
                watch.begins(Now::Fixture, limit);
            }
            Some(Event::Begins(place, limit)) => {
                if let Some(scenario) = batch.scenarios.get(place) {
                    self.report.begins(lane, scenario.name);
                    watch.begins(Now::Scenario(place), limit);
                }
            }
            Some(Event::Stands(outcome) | Event::Ended(_, outcome)) => self.end(lane, batch, watch, outcome),
            None => self.report.line(lane, line),
        }
    }

    fn end(&self, lane: usize, batch: &Batch, watch: &mut Watch, outcome: Outcome) {
        let took = watch.since.elapsed();
        match std::mem::replace(&mut watch.now, Now::Nothing) {
            Now::Scenario(place) => {
                watch.ended.push((outcome, took));
                self.report.ends(lane, batch.scenarios.get(place).map_or("", |s| s.name), outcome, took.as_secs());
            }
            Now::Fixture => {
                watch.fixture = Some(outcome);
                self.report.ends(lane, batch.fixture.name(), outcome, took.as_secs());
            }
            Now::Nothing => {}
        }
        watch.rests();
    }
}

impl Watch {
    fn new() -> Self {
        Self { now: Now::Nothing, since: Instant::now(), limit: BETWEEN, ended: Vec::new(), fixture: None }
    }

    fn begins(&mut self, what: Now, seconds: u64) {
        (self.now, self.since, self.limit) = (what, Instant::now(), Duration::from_secs(seconds));
    }

    fn rests(&mut self) {
        (self.since, self.limit) = (Instant::now(), BETWEEN);
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() > self.limit
    }
}
