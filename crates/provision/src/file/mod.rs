//! `cluster.yaml`: from text to a [`Cluster`] that cannot be wrong, with all mistakes at once, each with its place.

mod cluster;
mod decode;
mod encryption;
mod labels;
mod net;
mod path;
mod read;
mod rules;
mod ssh_config;
mod tree;
mod volumes;

pub(crate) use cluster::POOL_ROOT;
pub use cluster::{Cluster, KeyServer, Kubernetes, Namespace, Network, Node, NodeSsh, Packages, Role, Ssh, Volume, load};
pub use net::{Subnet, host_port};
pub use read::bounded;
pub use ssh_config::{Untrusted, vet};
