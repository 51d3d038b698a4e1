//! The key server ("masterlock"): plain OpenSSH with a forced command for each node, no daemon of ours.
//!
//! A volume's key has two shares: one is made on the key server, one on the node, and neither passes through the operator. A stolen
//! copy of the server opens nothing, and a stolen disk opens nothing once its node is no longer let in.

mod apply;
mod observe;
mod plan;
mod spec;

pub use apply::{Error, apply};
pub use observe::{NodeFacts, ServerFacts, node_sections, read_node, read_server, server_sections};
pub use plan::{Action, plan, ready};
pub use spec::{EnrolledNode, KeyServerSpec};
