//! Official releases into a bundle. A lock file of the user's says what is downloaded and which sha256 each download has; what a server says
//! of itself counts for nothing.
//!
//! ```text
//! lock     releases.json -> what to download, and what of it goes where     no I/O
//! fetch    downloads, compares, unpacks, and writes bundle.json at the end
//! ```

mod fetch;
mod lock;

pub use fetch::{Fetched, Progress, fetch, verify};
pub use lock::{Download, Lock, Piece};

use std::path::PathBuf;

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{what} {}", path.display())]
    File {
        /// Such as `cannot write`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The lock file has mistakes: all of them.
    #[error("{}:\n  {}", path.display(), mistakes.join("\n  "))]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What is wrong with it.
        mistakes: Vec<String>,
    },
    /// The folder holds something else.
    #[error("{} {what}: remove it, or choose another folder with --to", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// A program failed.
    #[error("{what}: {detail}")]
    Program {
        /// What it should have done.
        what: String,
        /// What it said.
        detail: String,
    },
    /// A download or a file is not what it should be.
    #[error("{name} has the sha256\n  {have}, and\n  {want} was expected ({from}): it is not used")]
    Sum {
        /// The file or the address.
        name: String,
        /// Where the expected one stands.
        from: &'static str,
        /// The expected one.
        want: String,
        /// The one that it has.
        have: String,
    },
    /// What was made is no bundle.
    #[error(transparent)]
    Bundle(#[from] crate::bundle::Error),
}

impl Error {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
