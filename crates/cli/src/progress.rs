//! Events as progress: one line on a terminal that names what runs, plain lines in a pipe, and JSON lines in the journal.

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

/// Shows events on standard error, and keeps them in a journal for people. Nothing reads the journal back to decide: it only tells how long steps took.
pub(crate) struct Progress {
    live: Option<Live>,
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
        let live = print::can_redraw().then(Live::start);
        Self { live, path: journal.map(Path::to_owned), journal: file.map(Mutex::new), tells_gaps: true }
    }

    /// For a verb whose answer tells of machines that were not seen.
    pub(crate) fn of_looks() -> Self {
        Self { tells_gaps: false, ..Self::new(None) }
    }

    fn line(&self, text: &Shown) {
        match &self.live {
            Some(live) => live.suspended(|| print::note(text)),
            None => print::note(text),
        }
    }
}

/// The line of a terminal, and the thread that makes it anew.
struct Live {
    state: Arc<Mutex<State>>,
    end: Option<(Sender<()>, JoinHandle<()>)>,
}

struct State {
    bar: Option<ProgressBar>,
    board: Board,
    since: Instant,
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

    /// Takes the line away, and begins another one when there is something to tell of.
    fn begin(&mut self, another: bool) {
        if let Some(old) = self.bar.take() {
            old.finish_and_clear();
        }
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        self.bar = another.then(|| ProgressBar::new_spinner().with_style(style));
    }
}

impl Live {
    fn start() -> Self {
        let state = Arc::new(Mutex::new(State { bar: None, board: Board::default(), since: Instant::now() }));
        let (end, ended) = channel();
        let own = state.clone();
        let thread = std::thread::spawn(move || {
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                lock(&own).show();
            }
        });
        Self { state, end: Some((end, thread)) }
    }

    fn suspended(&self, tell: impl FnOnce()) {
        match &lock(&self.state).bar {
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
        if let Some(live) = &self.live {
            live.on(event, self.path.as_deref());
        }
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
