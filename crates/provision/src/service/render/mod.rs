//! Services that programs of the operator's computer render, or download. What renders gets no network, no plugins, no cluster and no value of a secret; all are bounded in time
//! and output. What they make is read as files of manifests are.

pub(super) mod chart;
pub(super) mod kustomize;
mod local;
mod pull;
pub(super) mod release;
mod twice;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kubestead_core::visible::visible;

pub use local::Local;

/// A program that renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// helm(1), 4 or 3.
    Helm,
    /// kustomize(1), or the one that kubectl(1) has in it.
    Kustomize,
    /// curl(1), which downloads.
    Curl,
}

/// One call of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which.
    pub tool: Tool,
    /// Its arguments. None is a secret.
    pub arguments: Vec<OsString>,
    /// Its standard input.
    pub input: Vec<u8>,
    /// Whether it may use the network, and the operator's own settings with it; it renders nothing then.
    pub network: bool,
    /// How long it may take.
    pub within: Duration,
}

/// What a program said that did what it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its standard output.
    pub output: String,
    /// What it warned of.
    pub complained: String,
}

/// Why there is no output.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failed {
    /// It is not there.
    #[error("{0}")]
    Missing(String),
    /// It could not be run.
    #[error("{program} could not be run: {why}")]
    Broken {
        /// Its path.
        program: String,
        /// Why.
        why: String,
    },
    /// It did not end in time.
    #[error("{program} did not end within {seconds} s, and was ended")]
    Late {
        /// Its path.
        program: String,
        /// The limit.
        seconds: u64,
    },
    /// It said more than anybody reads.
    #[error("{program} said more than {limit} MiB, and was ended")]
    TooMuch {
        /// Its path.
        program: String,
        /// The limit.
        limit: u64,
    },
    /// It refused.
    #[error("{program} says: {words}")]
    Said {
        /// Its path.
        program: String,
        /// Its words.
        words: String,
    },
}

/// The programs that render.
pub trait Programs: Sync {
    /// Runs one, to its end.
    fn run(&self, run: &Run) -> Result<Ran, Failed>;
    /// The folder for archives that were downloaded, and for what is known of earlier renderings; it may not be there yet. `None` if nothing is kept.
    fn cache(&self) -> Option<PathBuf>;
    /// Returns when a second of the clock has ended, so that what is made of the time differs.
    fn next_second(&self);
}

/// How long a program may take to render.
const WITHIN: Duration = Duration::from_secs(60);

/// Puts a file into its place whole, and makes the folder for it.
fn keep(to: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let folder = to.parent().unwrap_or(to);
    std::fs::create_dir_all(folder)?;
    // Beside its place first: what is written may be of another filesystem, and another run may read it.
    let part = tempfile::NamedTempFile::new_in(folder)?;
    write(part.path())?;
    part.persist(to).map(drop).map_err(|error| error.error)
}

/// What a program wrote for people, as one line that a terminal can show.
fn said(text: &str) -> String {
    const MOST: usize = 1000;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let whole = lines.join("; ");
    let cut = whole.char_indices().nth(MOST).map_or(whole.as_str(), |(end, _)| &whole[..end]);
    visible(cut).into_owned()
}
