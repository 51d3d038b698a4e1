//! What can go wrong, with the object, the cause and the next step.

use std::path::PathBuf;

/// An error of the lab.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Programs or rights that the lab needs are missing.
    #[error("the lab cannot run here:\n{}", .0.join("\n"))]
    Missing(Vec<String>),
    /// A file could not be read or written.
    #[error("{what} {path}")]
    File {
        /// Such as `cannot write`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A program could not be started, or failed.
    #[error("{program} failed: {detail}")]
    Program {
        /// Which.
        program: String,
        /// What it said.
        detail: String,
    },
    /// A recipe failed.
    #[error("building {name} failed; its log is {log}:\n{tail}", log = log.display())]
    Build {
        /// Which.
        name: &'static str,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        tail: String,
    },
    /// A machine did not come up.
    #[error("{machine} {what}; the end of its console ({console}):\n{tail}", console = console.display())]
    Boot {
        /// Which.
        machine: String,
        /// Such as `ended while it booted`.
        what: String,
        /// Its console's log.
        console: PathBuf,
        /// The end of it.
        tail: String,
    },
    /// No such machine.
    #[error("the lab has no machine {0:?}: it has {1}")]
    NoMachine(String, String),
    /// The lab is not running.
    #[error("the lab {0} is not running: start it with `kubestead lab up`")]
    NotRunning(String),
    /// The lab runs on another backend than the one that was asked for.
    #[error("the lab {lab} runs on {runs}: stop it first with `kubestead lab down`; its disks stay and boot on {asked} too")]
    OtherBackend {
        /// Which.
        lab: String,
        /// What it runs on.
        runs: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
    /// A file of the lab is not what it should be.
    #[error("{path} is not understood: {detail}", path = path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The supervisor refused.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
