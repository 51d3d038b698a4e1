//! Events as progress: one line on a terminal that names what runs, plain lines in a pipe, with one for each half minute of silence, and JSON lines in
//! the journal.

pub(crate) mod board;
mod past;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use board::Board;
use indicatif::{ProgressBar, ProgressStyle};
use kubestead_core::event::{Event, Planned, Reporter};
use kubestead_core::outcome::Outcome;
use past::Past;

use crate::print::{self, Shown};
use crate::render;

/// How often the line is made anew while nothing happens: what it tells of is seconds.
const TICK: Duration = Duration::from_millis(500);
/// After how long a silence a pipe is told what runs: who reads it cannot tell a program that waits from one that hangs.
const SILENCE: Duration = Duration::from_secs(30);
/// How wide a line in a pipe may be.
const PIPE: usize = 200;

/// Shows events on standard error, and keeps them in a journal for people. Nothing reads the journal back to decide: it only tells how long steps took.
pub(crate) struct Progress {
    live: Live,
    path: Option<PathBuf>,
    journal: Option<Mutex<File>>,
    /// Whether machines that were not seen are told of at once.
    tells_gaps: bool,
}

impl Progress {
    pub(crate) fn new(journal: Option<&Path>) -> Self {
        let file = journal.and_then(|path| {
            std::fs::create_dir_all(path.parent()?).ok()?;
            File::options().append(true).create(true).open(path).ok()
        });
        Self {
            live: Live::start(print::can_redraw(), SILENCE, print::note),
            path: journal.map(Path::to_owned),
            journal: file.map(Mutex::new),
            tells_gaps: true,
        }
    }

    /// For a verb whose answer tells of machines that were not seen.
    pub(crate) fn of_looks() -> Self {
        Self { tells_gaps: false, ..Self::new(None) }
    }

    fn line(&self, text: &Shown) {
        self.live.suspended(|| print::note(text));
    }
}

/// What runs, as one line, and the thread that makes it anew: on a terminal at each tick, in a pipe when nothing was told for a while.
struct Live {
    state: Arc<Mutex<State>>,
    end: Option<(Sender<()>, JoinHandle<()>)>,
}

struct State {
    bar: Option<ProgressBar>,
    board: Board,
    since: Instant,
    /// Whether it is a terminal, whose line can be written over.
    redraws: bool,
    /// Whether there is something to tell of.
    at_work: bool,
    /// When something was told last.
    told: Instant,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.board.line(self.since.elapsed(), print::width()));
        }
    }

    /// The line for a pipe, once it was silent for so long while something runs.
    fn after(&mut self, silence: Duration) -> Option<String> {
        if self.redraws || !self.at_work || self.told.elapsed() < silence {
            return None;
        }
        self.told = Instant::now();
        Some(format!("still {}", self.board.line(self.since.elapsed(), PIPE)))
    }

    /// Takes the line away, and begins another one when there is something to tell of.
    fn begin(&mut self, another: bool) {
        if let Some(old) = self.bar.take() {
            old.finish_and_clear();
        }
        self.at_work = another;
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        self.bar = (another && self.redraws).then(|| ProgressBar::new_spinner().with_style(style));
    }
}

impl Live {
    fn start(redraws: bool, silence: Duration, tell: impl Fn(&str) + Send + 'static) -> Self {
        let now = Instant::now();
        let state = State { bar: None, board: Board::default(), since: now, redraws, at_work: false, told: now };
        let state = Arc::new(Mutex::new(state));
        let (end, ended) = channel();
        let own = state.clone();
        let thread = std::thread::spawn(move || {
            while ended.recv_timeout(TICK.min(silence)) == Err(RecvTimeoutError::Timeout) {
                let mut state = lock(&own);
                state.show();
                // Under the lock: nothing else is told meanwhile.
                if let Some(line) = state.after(silence) {
                    tell(&line);
                }
            }
        });
        Self { state, end: Some((end, thread)) }
    }

    fn suspended(&self, tell: impl FnOnce()) {
        let mut state = lock(&self.state);
        state.told = Instant::now();
        match &state.bar {
            Some(bar) => bar.suspend(tell),
            None => tell(),
        }
    }

    fn on(&self, event: &Event, journal: Option<&Path>) {
        let mut state = lock(&self.state);
        let now = state.since.elapsed();
        state.board.on(event, now);
        match event {
            Event::Stage { total, .. } => state.begin(*total > 0),
            // Somebody may be asked now.
            Event::Planned { .. } => {
                state.begin(false);
                state.board.remember(journal.map(Past::read).unwrap_or_default());
            }
            Event::Seen { .. } | Event::Started { .. } | Event::Ended { .. } => {}
        }
        state.show();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            drop(end);
            let _ = thread.join();
        }
        lock(&self.state).begin(false);
    }
}

impl Reporter for Progress {
    fn on(&self, event: &Event) {
        if let (Some(journal), Ok(text)) = (&self.journal, serde_json::to_string(event)) {
            let mut file = journal.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(file, "{}", print::ascii(&text));
        }
        if self.tells_gaps || !matches!(event, Event::Seen { .. }) {
            for line in told(event) {
                self.line(&line);
            }
        }
        self.live.on(event, self.path.as_deref());
    }
}

/// What is told of an event, a message each.
fn told(event: &Event) -> Vec<Shown> {
    match event {
        Event::Seen { host, gap: Some(gap) } => vec![Shown::from(&format!("{host}: not seen: {gap}"))],
        Event::Planned { steps, held } => {
            let line = |planned: &Planned| Shown::from(&render::line(&planned.step, planned.risk, &planned.what));
            steps.iter().map(line).chain([Shown::from(&format!("{} to do, {} held", steps.len(), held.len()))]).collect()
        }
        Event::Ended { step, outcome, millis } => {
            let seconds = std::time::Duration::from_millis(u64::try_from(*millis).unwrap_or(u64::MAX)).as_secs_f64();
            vec![Shown::from(&match outcome {
                Outcome::Changed => format!("  done     {step} ({seconds:.1} s)"),
                Outcome::Already => format!("  already  {step}"),
                Outcome::Skipped(why) => format!("  skipped  {step}: {why}"),
                Outcome::Failed(why) => format!("  FAILED   {step} ({seconds:.1} s): {why}"),
            })]
        }
        Event::Stage { .. } | Event::Seen { gap: None, .. } | Event::Started { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use kubestead_core::plan::StepId;

    use super::*;

    #[test]
    fn a_pipe_is_told_what_runs_when_it_was_silent_and_a_terminal_is_not() {
        for redraws in [false, true] {
            let (sender, told) = channel();
            let live = Live::start(redraws, Duration::from_millis(20), move |line| drop(sender.send(line.to_owned())));
            live.on(&Event::Stage { name: "observe".into(), total: 2 }, None);
            live.on(&Event::Seen { host: "kube1".into(), gap: None }, None);
            if redraws {
                assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
                continue;
            }
            let line = told.recv().unwrap();
            assert!(line.starts_with("still observe ") && line.contains(" 1/2 0:0"), "{line}");
            // Nothing runs while somebody is asked.
            live.on(&Event::Planned { steps: Vec::new(), held: Vec::new() }, None);
            let before = told.try_iter().count();
            assert!(before <= 1 && told.recv_timeout(Duration::from_millis(200)).is_err());
        }
    }

    #[test]
    fn a_hosts_stderr_is_told_as_the_end_of_its_line() {
        let step = StepId("kube1/data/mkfs".into());
        let why = "kube1: mkfs.ext4: no\x1b[1A\x1b[2K\n  done     kube1/data/mkfs (0.1 s)\r\n3 to do, 0 held; needs your consent: --yes x"
            .to_owned();
        let told = told(&Event::Ended { step, outcome: Outcome::Failed(why), millis: 1500 });
        let text: String = told.iter().map(ToString::to_string).collect();
        let expected = "  FAILED   kube1/data/mkfs (1.5 s): kube1: mkfs.ext4: no\\u{1b}[1A\\u{1b}[2K\n  | done     kube1/data/mkfs (0.1 s)\n  | 3 to do, 0 held; needs your consent: --yes x\n";
        assert_eq!(text, expected);
    }
}
