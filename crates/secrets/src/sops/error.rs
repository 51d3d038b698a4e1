//! What can go wrong with a sops document, and what to do about it. No message holds a value.

use std::path::PathBuf;

use super::path::KeyPath;

/// Why a recipient's copy of the key could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tried {
    /// The key group, from 1.
    pub group: usize,
    /// Such as `age`, `pgp` or `kms`.
    pub kind: String,
    /// The recipient.
    pub recipient: String,
    /// Why not.
    pub why: String,
}

impl std::fmt::Display for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n  group {}, {} {}: {}", self.group, self.kind, self.recipient, self.why)
    }
}

fn lines(tried: &[Tried]) -> String {
    tried.iter().map(ToString::to_string).collect()
}

fn searched(places: &[String]) -> String {
    if places.is_empty() { "no identity was given".to_owned() } else { format!("identities came from: {}", places.join(", ")) }
}

/// An error about a sops document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// Such as `read`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not what its format asks for.
    #[error("{}:{line}: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// There is no sops metadata.
    #[error("{} is not encrypted with sops; encrypt it first", .0.display())]
    NotEncrypted(PathBuf),
    /// It is encrypted already.
    #[error("{} is encrypted with sops already; open it instead", .0.display())]
    AlreadyEncrypted(PathBuf),
    /// The metadata cannot be worked with.
    #[error("the sops metadata of {} cannot be used: {why}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Too few key groups could be opened.
    #[error(
        "{}: the key could not be had: {needed} of {groups} key groups are needed and {opened} opened; {}. Ask one of these to \
         open it, or to add you with `updatekeys`:{}",
        path.display(), searched(places), lines(tried)
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// How many groups are needed.
        needed: usize,
        /// How many opened.
        opened: usize,
        /// How many there are.
        groups: usize,
        /// Where identities came from.
        places: Vec<String>,
        /// Each recipient that failed.
        tried: Vec<Tried>,
    },
    /// The key cannot be encrypted to a recipient.
    #[error("{}: the key cannot be encrypted to {kind} {recipient} (group {group}): {why}", path.display())]
    Recipient {
        /// The file.
        path: PathBuf,
        /// From 1.
        group: usize,
        /// Such as `age`.
        kind: String,
        /// The recipient.
        recipient: String,
        /// Why, and what to do.
        why: String,
    },
    /// A value could not be decrypted or encrypted.
    #[error("{}:{line}: {at}: {why}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Where in the document.
        at: KeyPath,
        /// Why.
        why: String,
    },
    /// The document is not what was sealed.
    #[error("{}: {why}. Nothing of it is used; get the last good version from git", path.display())]
    Mac {
        /// The file.
        path: PathBuf,
        /// Which part failed.
        why: String,
    },
    /// The path leads to no place where this can be done.
    #[error("{}: {at}: {why}", path.display())]
    Path {
        /// The file.
        path: PathBuf,
        /// Where in the document.
        at: KeyPath,
        /// Why.
        why: String,
    },
    /// An identity cannot be used.
    #[error("the identity {place} cannot be used: {why}")]
    Identity {
        /// The file or variable.
        place: String,
        /// Why.
        why: String,
    },
    /// A rule of `.sops.yaml` cannot be used, or none matches.
    #[error("{}: {why}", config.display())]
    Rule {
        /// The configuration file.
        config: PathBuf,
        /// Why.
        why: String,
    },
    /// The file is another than when it was opened, or than what was encrypted.
    #[error("{} was changed by another program meanwhile and is not overwritten; open it again", .0.display())]
    Changed(PathBuf),
    /// What would be written does not read back as it should. Nothing was written.
    #[error("{} would not read back as it should after this change, so it was not written: {why}", path.display())]
    ReadBack {
        /// The file.
        path: PathBuf,
        /// What differs.
        why: String,
    },
}
