//! What can go wrong with secrets. No message holds a value.

use std::path::PathBuf;

/// An error of the escrow.
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
    /// It is there already, and is not replaced.
    #[error("{} is there already and is not replaced", .0.display())]
    Exists(PathBuf),
    /// No recipients to encrypt to.
    #[error("{} names no age recipient: write one `age1…` a line, or make a key with `kubestead init`", .0.display())]
    NoRecipients(PathBuf),
    /// A line is no recipient.
    #[error("{}:{line}: {found:?} is not an age recipient that is known here: {why}", path.display())]
    BadRecipient {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The line; recipients are public.
        found: String,
        /// Why.
        why: String,
    },
    /// The identity file holds no usable identity.
    #[error("{} holds no age identity (a line that begins with AGE-SECRET-KEY-1)", .0.display())]
    NoIdentity(PathBuf),
    /// None of the identities at hand is among the recipients.
    #[error("no identity at hand is among the recipients of {}: name its file with KUBESTEAD_AGE_KEY_FILE", .0.display())]
    NotRecipient(PathBuf),
    /// A name that could leave the folder.
    #[error("{0:?} is not a name of the escrow: dotted words of a-z, 0-9 and '-'")]
    BadName(String),
    /// It could not be decrypted.
    #[error("{} could not be decrypted: {why}", path.display())]
    Decrypt {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It could not be encrypted.
    #[error("{} could not be encrypted: {why}", path.display())]
    Encrypt {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What was read back is not what was written.
    #[error("{} does not open to what was written: nothing may rely on it", .0.display())]
    ReadBack(PathBuf),
    /// The system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Random(String),
}
