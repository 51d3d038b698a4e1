//! Kubernetes Secrets whose values lie in sops files beside the cluster file: what a file asks for is known without a key, what the
//! cluster has is known without its values, and only the step that applies one sees them.

mod action;
mod apply;
mod check;
mod decode;
mod error;
mod folder;
mod identity;
pub mod ids;
mod model;
mod observe;
mod plan;
mod spec;
mod state;
mod words;

pub use action::{Action, Expected};
pub use apply::{apply, values_here};
pub(crate) use check::faults;
pub use error::Error;
pub use folder::read as read_folder;
pub use identity::Keys;
pub use model::model;
pub use observe::{Live, SecretFacts, paths, read};
pub use plan::{plan, states};
pub(crate) use spec::{MOST_BYTES, owner};
pub use spec::{SecretSpec, SecretsWanted};
pub use state::State;
pub(crate) use words::{forms, redacted};
