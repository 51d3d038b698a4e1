//! The proofs of kubestead as scenarios, and the harness that makes them: which share a fixture, in what order, within which limits, and what they show.
//!
//! ```text
//! scenarios -> batches (which share a fixture) -> runner (lanes, limits) -> worker, a process each -> events -> report, table
//!          \-> promises (what shows what)
//! ```
//!
//! Nothing ships this crate, and it depends on no other one of the house: it does what a user does, by the command, and looks at machines by ssh.

pub mod batch;
pub mod event;
mod job;
pub mod promised;
pub mod promises;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod scenarios;
pub mod stage;
mod story;
pub mod tree;
pub mod worker;
