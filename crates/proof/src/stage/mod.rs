//! What scenarios in Rust use: commands, claims, and the machines of their fixture.

mod api;
mod call;
mod claim;
mod files;
mod fixture;
mod kill;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub use call::{Call, Ran, Running};
pub use claim::{Claim, all, is};
pub use files::fresh_value;

use crate::worker::{Place, say};

/// The end of a scenario; an error says why it could not go on. What it claims and what is not so is told as it comes, and counted.
pub type Done = Result<(), String>;

/// Where the functions for machines lie on each of them.
const ON_MACHINE: &str = "/root/proof.sh";
/// How many of the last commands the story of a failure tells.
const TOLD: usize = 25;

/// Where a scenario plays.
#[derive(Debug)]
pub struct Stage {
    top: PathBuf,
    work: PathBuf,
    kubestead: PathBuf,
    passed: Cell<usize>,
    failed: Cell<usize>,
    calls: Cell<usize>,
    commands: RefCell<VecDeque<Ran>>,
    cut: Arc<AtomicBool>,
    /// A process in the network of the API server; 0 where there is none.
    network: Cell<u32>,
    /// Words of command lines of this computer.
    seen: Arc<Mutex<BTreeSet<String>>>,
}

impl Stage {
    pub(crate) fn new(place: &Place, cut: Arc<AtomicBool>) -> Self {
        let Place { top, folder, kubestead, grace: _ } = place.clone();
        let (passed, failed, calls) = Default::default();
        Self {
            top,
            work: folder,
            kubestead,
            passed,
            failed,
            calls,
            commands: RefCell::default(),
            cut,
            network: Cell::new(0),
            seen: Arc::default(),
        }
    }

    /// Whether this computer's root makes the proof.
    pub fn is_root(&self) -> bool {
        rustix::process::getuid().is_root()
    }

    /// How many claims were not so.
    pub(crate) fn failed(&self) -> usize {
        self.failed.get()
    }

    /// Stops here for good once this worker is to end.
    fn hold(&self) {
        while self.cut.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }

    /// Tells the last commands and what each of them said.
    pub(crate) fn tell_commands(&self) {
        say(&format!("      {} claims passed, {} failed; the last commands:", self.passed.get(), self.failed.get()));
        self.commands.borrow().iter().for_each(Ran::tell);
    }
}
