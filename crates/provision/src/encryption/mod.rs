//! Encryption at rest: with which key the API servers write Secrets into etcd, and how that key is replaced while they run.
//!
//! A rotation is a row of steps whose order is what makes it safe: a server may write with a key only when every server has loaded it for
//! reading, and a key may go only when etcd holds no value under it. Which step comes next follows from the files of all servers alone, so
//! a rotation that was cut off goes on where it was, with one API server or with several.

mod action;
mod apply;
mod check;
mod error;
mod file;
pub mod ids;
mod model;
mod observe;
mod plan;
mod report;
mod script;
mod spec;

pub use action::{Action, Expected};
pub use apply::{apply, rewrite};
pub(crate) use check::faults;
pub use error::Error;
pub use file::{Keys, expand, render};
pub use model::{Server as ModelServer, World, model};
pub use observe::{EncryptionFacts, KeyFile, read, sections};
pub use plan::{Server, plan, silent};
pub use report::lines;
pub(crate) use script::{LISTENS, MOUNTED};
pub(crate) use spec::MANIFEST;
pub use spec::{Cipher, EncryptionSpec, Entry, FILE, Layout, RESOURCES, Resource, escrow_name, key_of};
