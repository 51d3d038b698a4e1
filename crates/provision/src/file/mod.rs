//! `cluster.yaml`: from text to a [`Cluster`] that cannot be wrong, with all mistakes at once, each with its place.

mod cluster;
mod decode;
mod encryption;
mod rules;
mod tree;

pub(crate) use cluster::POOL_ROOT;
pub use cluster::{Cluster, KeyServer, Kubernetes, Namespace, Network, Node, Packages, Role, Ssh, Volume, load};
