//! `kubestead-proof`: makes the proofs of the lab, or says what there are and what they show.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use kubestead_proof::event::Outcome;
use kubestead_proof::report::{Report, table};
use kubestead_proof::runner::Runner;
use kubestead_proof::scenario::Scenario;
use kubestead_proof::worker::{Place, work};
use kubestead_proof::{batch, promises, scenarios};

/// A pattern that matches nothing, a page that is stale, an option that is none.
const USAGE: u8 = 2;

/// Makes the proofs of the lab: all of them, unless told otherwise. Needs a built `kubestead` (KUBESTEAD), and the lab's parts.
#[derive(Parser)]
#[command(name = "kubestead-proof")]
struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    choice: Choice,
    /// How many batches are made side by side.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    lanes: u8,
    /// How many that failed are made once more before they count as failed; what failed at first is told all the same.
    #[arg(long, default_value_t = 0, value_name = "N")]
    again: usize,
    /// Says what would be made, in batches, and makes nothing.
    #[arg(long)]
    list: bool,
    /// Writes the page of promises, and makes nothing.
    #[arg(long, value_name = "FILE")]
    promises: Option<PathBuf>,
    /// Fails if the page of promises is not what scenarios say of themselves, and makes nothing.
    #[arg(long, value_name = "FILE")]
    check_promises: Option<PathBuf>,
    /// The command that is proved.
    #[arg(long, env = "KUBESTEAD", default_value = "kubestead", global = true)]
    kubestead: PathBuf,
}

#[derive(Args)]
struct Choice {
    /// Only those whose sentence, fixture or promises have this in them.
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// Only those that gate a change.
    #[arg(long)]
    core: bool,
    /// Only the others.
    #[arg(long, conflicts_with = "core")]
    long: bool,
}

impl Choice {
    fn holds(&self, scenario: &Scenario) -> bool {
        (!self.core || scenario.core)
            && (!self.long || !scenario.core)
            && self.only.as_ref().is_none_or(|pattern| scenario.is_meant(pattern))
    }
}

#[derive(Subcommand)]
enum Part {
    /// The process that makes one batch, which stands on standard input; the runner starts it.
    #[command(hide = true)]
    Worker {
        #[arg(long)]
        folder: PathBuf,
        /// For how many seconds what is asked to end may clean up after itself.
        #[arg(long, default_value_t = 30)]
        grace: u64,
    },
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn complain(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
    ExitCode::from(USAGE)
}

/// The top of the repository that this program was built of.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap_or_else(|_| PathBuf::from("."))
}

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = match &options.part {
        Some(Part::Worker { folder, grace }) => {
            let (folder, kubestead) = (folder.clone(), options.kubestead.clone());
            work(Place { top: top(), folder, kubestead, grace: Duration::from_secs(*grace) }, scenarios::all())
        }
        None => made(&options),
    };
    ended.unwrap_or_else(|error| complain(&error.to_string()))
}

fn made(options: &Options) -> Result<ExitCode, std::io::Error> {
    let all = scenarios::all();
    if let Some(file) = options.promises.as_ref().or(options.check_promises.as_ref()) {
        let safety = std::fs::read_to_string(top().join("docs/safety.md"))?;
        let mistakes = promises::mistakes(&all, &safety, &top());
        if !mistakes.is_empty() {
            return Ok(complain(&mistakes.into_iter().map(|m| m.0).collect::<Vec<_>>().join("\n")));
        }
        let page = promises::page(&all, &safety);
        if options.promises.is_some() {
            std::fs::write(file, page)?;
        } else if std::fs::read_to_string(file)? != page {
            return Ok(complain(&format!("{} is not what the scenarios show: run `make promises`", file.display())));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen: Vec<&'static Scenario> = all.iter().filter(|s| options.choice.holds(s)).copied().collect();
    if chosen.is_empty() {
        let pattern = options.choice.only.as_deref().unwrap_or_default();
        return Ok(complain(&format!(
            "no scenario is meant by \"{pattern}\", and nothing was made; `kubestead-proof --list` tells all of them"
        )));
    }
    let batches = batch::batches(&chosen);
    if options.list {
        for batch in &batches {
            say(&format!("{}:", batch.fixture.name()));
            for scenario in &batch.scenarios {
                say(&format!("  {}{} [{}]", scenario.name, if scenario.core { "" } else { " (make prove)" }, scenario.shows.join(", ")));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let lanes = usize::from(options.lanes).min(batches.len());
    let report = Report::new(lanes, Box::new(std::io::stdout()));
    let own = std::env::current_exe()?;
    let worker = vec![own.to_string_lossy().into_owned(), "worker".to_owned()];
    let begin = Instant::now();
    let finished = Runner { worker, lanes, folder: std::env::temp_dir(), report: &report, again: options.again.into() }.run(batches)?;
    let left: Vec<&Scenario> = all.iter().copied().filter(|s| options.choice.core && !s.core).collect();
    say(&table(&finished, begin.elapsed().as_secs(), &left));
    let failed = report.failed();
    if !failed.is_empty() {
        say(&failed);
    }
    Ok(if finished.iter().all(|one| one.outcome == Outcome::Passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
