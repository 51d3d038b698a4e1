//! Events as progress: one total bar on a terminal, plain lines in a pipe, and JSON lines in the journal.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use kubestead_core::event::{Event, Planned, Reporter};
use kubestead_core::outcome::Outcome;
use kubestead_core::visible::visible;

use crate::print::{self, Shown};
use crate::render;

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

    fn line(&self, text: &Shown) {
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
            let new = ProgressBar::new(total as u64).with_style(style).with_prefix(visible(name).into_owned());
            *bar = Some(new);
        }
    }

    fn advance(&self, message: Option<String>) {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bar.as_ref() {
            match message {
                Some(text) => bar.set_message(visible(&text).into_owned()),
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
            let _ = writeln!(file, "{}", print::ascii(&text));
        }
        for line in told(event) {
            self.line(&line);
        }
        match event {
            Event::Stage { name, total } => self.stage(name, *total),
            Event::Seen { .. } | Event::Ended { .. } => self.advance(None),
            Event::Started { step, .. } => self.advance(Some(step.to_string())),
            Event::Planned { .. } => {}
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
