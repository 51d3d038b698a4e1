//! The key server ("masterlock"): plain OpenSSH with a forced command for each node, no daemon of ours.
//!
//! A volume's key has two shares: one is made on the key server, one on the node, and neither passes through the operator. A stolen
//! copy of the server opens nothing, and a stolen disk opens nothing once its node is no longer let in.

mod account;
mod action;
mod apply;
mod check;
pub mod doctor;
mod error;
pub mod export;
#[cfg(test)]
mod fixture;
pub mod ids;
mod line;
mod login;
mod model;
mod observe;
mod plan;
mod server_doctor;
mod setup;
mod spec;
#[cfg(test)]
mod twin;

pub use account::{Account, BadAccount, BadKey, PublicKey};
pub use action::{Action, Replaced};
pub use apply::apply;
pub use check::check;
pub use error::Error;
pub use line::{Entry, Line, parse as parse_line};
pub use login::{AccountFacts, Password, Rules};
pub use model::model;
pub use observe::{ClientFacts, ServerFacts, node_sections, read_node, read_server, server_sections};
pub use plan::{obstacles, plan, ready, revocation, setup};
pub use spec::{BadFolder, EnrolledNode, Folder, KeyServerSpec, Site, Wanted, made_paths, own_paths};
