//! Events as progress: one total bar on a terminal, plain lines in a pipe, and JSON lines in the journal.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use kubestead_core::event::{Event, Reporter};
use kubestead_core::outcome::Outcome;

use crate::{print, render};

/// Shows events on standard error, and keeps them in a journal for people. Nothing reads the journal back to decide.
pub(crate) struct Progress {
    bar: Mutex<Option<ProgressBar>>,
    journal: Option<Mutex<File>>,
}

impl Progress {
    pub(crate) fn new(journal: Option<&Path>) -> Self {
        let file = journal.and_then(|path| {
            std::fs::create_dir_all(path.parent()?).ok()?;
            File::options().append(true).create(true).open(path).ok()
        });
        Self { bar: Mutex::new(None), journal: file.map(Mutex::new) }
    }

    fn line(&self, text: &str) {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        match bar.as_ref() {
            Some(bar) => bar.suspend(|| print::note(text)),
            None => print::note(text),
        }
    }

    fn stage(&self, name: &str, total: usize) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = bar.take() {
            old.finish_and_clear();
        }
        if std::io::stderr().is_terminal() && total > 0 {
            let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {elapsed} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let new = ProgressBar::new(total as u64).with_style(style).with_prefix(name.to_owned());
            *bar = Some(new);
        }
    }

    fn advance(&self, message: Option<String>) {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bar.as_ref() {
            match message {
                Some(text) => bar.set_message(text),
                None => bar.inc(1),
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stage("", 0);
    }
}

impl Reporter for Progress {
    fn on(&self, event: &Event) {
        if let (Some(journal), Ok(text)) = (&self.journal, serde_json::to_string(event)) {
            let mut file = journal.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(file, "{text}");
        }
        match event {
            Event::Stage { name, total } => self.stage(name, *total),
            Event::Seen { host, gap } => {
                if let Some(gap) = gap {
                    self.line(&format!("{host}: not seen: {gap}"));
                }
                self.advance(None);
            }
            Event::Planned { steps, held } => {
                for planned in steps {
                    self.line(&render::line(&planned.step, planned.risk, &planned.what));
                }
                self.line(&format!("{} to do, {} held", steps.len(), held.len()));
            }
            Event::Started { step, .. } => self.advance(Some(step.to_string())),
            Event::Ended { step, outcome, millis } => {
                let seconds = std::time::Duration::from_millis(u64::try_from(*millis).unwrap_or(u64::MAX)).as_secs_f64();
                match outcome {
                    Outcome::Changed => self.line(&format!("  done     {step} ({seconds:.1} s)")),
                    Outcome::Already => self.line(&format!("  already  {step}")),
                    Outcome::Skipped(why) => self.line(&format!("  skipped  {step}: {why}")),
                    Outcome::Failed(why) => self.line(&format!("  FAILED   {step} ({seconds:.1} s): {why}")),
                }
                self.advance(None);
            }
        }
    }
}
