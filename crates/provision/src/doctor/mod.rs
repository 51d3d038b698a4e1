//! Named checks over the machines and the cluster: what is not well, what that means, and what to do.

mod cluster;
mod collect;
mod examine;
mod finding;
#[cfg(test)]
mod fixture;
mod host;
mod kind;
mod network;
mod redact;
mod seen;

pub use collect::{Text, collect};
pub use examine::{Count, Examined, examine};
pub use finding::{Finding, Verdict};
pub use kind::Kind;
pub use redact::Redactor;
