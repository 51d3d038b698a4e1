//! Official releases into a bundle. A lock file says what is downloaded and which digest each download has; what a server says of itself counts for
//! nothing. The lock file is yours, or written from the official places.
//!
//! ```text
//! lock      releases.json -> what to download, and what of it goes where     no I/O
//! official  what a version needs, where it and its sums are published        no I/O
//! signature whether they are signed by whom they should be
//! pin       asks the official places, and writes releases.json
//! fetch     downloads, compares, unpacks, and writes bundle.json at the end
//! pack      a bundle as one file, and back
//! web       one request, by curl; download: one file by its digest; registry, image, archive: images by theirs
//! ```

mod archive;
mod download;
mod fetch;
mod image;
mod lock;
mod official;
mod pack;
mod pin;
mod registry;
mod signature;
mod web;

pub use fetch::{Fetched, Progress, fetch, verify};
pub use lock::{Download, Image, Lock, Piece};
pub use official::{CNI, CONTAINERD, RUNC, Wish};
pub use pack::{Packed, pack, pack_texts, unpack};
pub use pin::{Pinned, pin};
pub use signature::{Signatures, TrustRoot};

pub use crate::bundle::Arch;

use std::collections::BTreeSet;

use crate::bundle::Bundle;

/// Which of these images, called as in manifests, a bundle lacks. One without a tag cannot be told: a bundle calls images by their tags.
pub fn lacking<'a>(images: impl IntoIterator<Item = &'a String>, bundle: &Bundle) -> Vec<String> {
    let called = |image: &String| registry::Reference::of_manifest(image).ok().map(|(reference, _)| reference.text());
    let there: BTreeSet<String> = bundle.files.iter().filter_map(|file| file.image.as_ref()).filter_map(called).collect();
    images.into_iter().filter(|image| called(image).is_some_and(|name| !there.contains(&name))).cloned().collect()
}

use sha2::{Digest, Sha256};

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
    #[error("{} {what}: remove it, or choose another place with --to", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// A server, or what it says, is of no use.
    #[error("cannot download {address}: {cause}; {next}")]
    Web {
        /// What was asked.
        address: String,
        /// What is wrong.
        cause: String,
        /// What may help.
        next: &'static str,
    },
    /// A signature is not what it should be.
    #[error("{what}: {cause}; {next}")]
    Signature {
        /// Of what.
        what: String,
        /// What is wrong.
        cause: String,
        /// What may help.
        next: &'static str,
    },
    /// What is wished cannot be.
    #[error("{0}")]
    Wish(String),
    /// A lock file is there, and has other content.
    #[error("{} is there, and is not what would be written:\n  {}\nLook at why, then say --replace, or write to another file with --out", path.display(), changes.join("\n  "))]
    Differs {
        /// The lock file.
        path: PathBuf,
        /// What differs.
        changes: Vec<String>,
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

/// Holds that bytes have a digest.
fn same(name: &str, bytes: &[u8], want: &str) -> Result<(), Error> {
    let have = download::hex(&Sha256::digest(bytes));
    if have == want { Ok(()) } else { Err(Error::Sum { name: name.to_owned(), from: "its digest", want: want.to_owned(), have }) }
}
