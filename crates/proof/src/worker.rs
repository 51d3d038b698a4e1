//! A process of its own that makes the scenarios of a batch, so that it can be ended with all that it started.
//!
//! It lives on a leash: its standard input. When that ends, because a limit is over or because the runner is gone, whatever ended it, the worker tells
//! what the machines said last, takes its lab away, ends every process below it, and ends. It does the same when it is asked to end by a signal: who
//! ends the runner so often ends all that runs under its name.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::event::{Event, Outcome};
use crate::job::{Item, Job};
use crate::scenario::{Fixture, Scenario};
use crate::stage::Stage;
use crate::{story, tree};

/// Where a worker does its work.
#[derive(Clone, Debug)]
pub struct Place {
    /// The top of the repository.
    pub top: PathBuf,
    /// A folder of its own, which goes with it.
    pub folder: PathBuf,
    /// The command.
    pub kubestead: PathBuf,
    /// How long what is asked to end may clean up after itself.
    pub grace: Duration,
}

struct Worker {
    place: Place,
    /// Whether the leash was pulled: from then on nothing new begins.
    cut: Arc<AtomicBool>,
    known: Vec<&'static Scenario>,
}

/// Makes the job that stands on the first line of standard input.
pub fn work(place: Place, known: Vec<&'static Scenario>) -> Result<ExitCode, std::io::Error> {
    tree::adopt_all()?;
    let mut first = String::new();
    std::io::stdin().lock().read_line(&mut first)?;
    let job: Job = serde_json::from_str(&first)?;
    let cut = Arc::new(AtomicBool::new(false));
    let (pull, pulled) = channel();
    asked_to_end(pull.clone())?;
    std::thread::spawn(move || {
        // Nothing more is ever written to it.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        pull.send(())
    });
    let leash = (place.clone(), Arc::clone(&cut));
    std::thread::spawn(move || {
        let _ = pulled.recv();
        leash.1.store(true, Ordering::SeqCst);
        story::tell(&leash.0.folder);
        leave(&leash.0);
        std::process::exit(1);
    });
    let worker = Worker { place, cut, known };
    let code = if worker.make(&job) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    worker.hold();
    leave(&worker.place);
    Ok(code)
}

/// Pulls the leash at each signal that asks for an end. What is started later gets the signals as if nobody had waited for them here.
fn asked_to_end(pull: Sender<()>) -> Result<(), std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut terminate, mut interrupt, mut hangup) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {}, _ = hangup.recv() => {} }
                if pull.send(()).is_err() {
                    break;
                }
            }
        });
    });
    Ok(())
}

/// Takes away what a worker made: its labs, its processes, its folder.
fn leave(place: &Place) {
    if place.folder.join("labs").exists() {
        let mut down = Command::new(&place.kubestead);
        let _ = down.args(["lab", "down", "--wipe"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    for pid in tree::end(std::process::id(), &[], place.grace) {
        say(&format!("process {pid} does not end"));
    }
    let _ = std::fs::remove_dir_all(&place.folder);
}

/// A line of the output.
pub(crate) fn say(line: &str) {
    // When nobody reads it any more, the leash is pulled too.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn tell(event: &Event) {
    if let Ok(line) = event.line() {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

impl Worker {
    /// Stops here for good once the leash was pulled: the other thread ends this process.
    fn hold(&self) {
        while self.cut.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }

    /// Whether all went well. After a scenario that did not, the fixture is not what the next one may start from.
    fn make(&self, job: &Job) -> bool {
        let stage = Stage::new(&self.place, Arc::clone(&self.cut));
        match job.fixture() {
            Some(Fixture::Own) => {}
            Some(fixture) => {
                tell(&Event::Starts(fixture.limit()));
                let outcome = self.outcome(&stage, |stage| stage.start(fixture));
                self.hold();
                tell(&Event::Stands(outcome));
                if outcome != Outcome::Passed {
                    return false;
                }
            }
            None => return false,
        }
        for (place, item) in job.items.iter().enumerate() {
            self.hold();
            tell(&Event::Begins(place, item.limit));
            let outcome = self.scenario(&stage, item);
            self.hold();
            tell(&Event::Ended(place, outcome));
            if outcome != Outcome::Passed {
                return false;
            }
        }
        true
    }

    fn scenario(&self, stage: &Stage, item: &Item) -> Outcome {
        let Some(found) = self.known.iter().find(|scenario| scenario.name == item.name) else {
            say("no such scenario is in this program");
            return Outcome::Failed;
        };
        self.outcome(stage, |stage| {
            (found.run)(stage)?;
            if item.as_found { stage.is_as_found() } else { Ok(()) }
        })
    }

    /// What became of something on the stage: a claim that failed, an end in the middle, or a crash; and then the whole story of it.
    fn outcome(&self, stage: &Stage, act: impl FnOnce(&Stage) -> crate::stage::Done) -> Outcome {
        let before = stage.failed();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(stage)));
        self.hold();
        let whole = match ended {
            Ok(Ok(())) => true,
            Ok(Err(broken)) => {
                say(&format!("FAIL  it could not go on: {broken}"));
                false
            }
            Err(_) => {
                say("FAIL  the scenario itself crashed");
                false
            }
        };
        if whole && stage.failed() == before {
            return Outcome::Passed;
        }
        stage.tell_commands();
        story::tell(&self.place.folder);
        if story::panicked(&self.place.folder) { Outcome::Panicked } else { Outcome::Failed }
    }
}

/// The folder of a worker, as it is told by the environment of what it starts.
pub fn environment(folder: &Path) -> [(&'static str, PathBuf); 7] {
    [
        ("TMPDIR", folder.to_owned()),
        // The same everywhere, whatever a computer has.
        ("KUBESTEAD_LAB_BACKEND", "uml".into()),
        ("KUBESTEAD_LAB_DIR", folder.join("labs")),
        ("KUBESTEAD_AGE_KEY_FILE", folder.join("age.txt")),
        ("XDG_STATE_HOME", folder.join("state")),
        ("KUBESTEAD_FILE", folder.join("cluster.yaml")),
        ("KUBECONFIG", folder.join("kubeconfig")),
    ]
}
