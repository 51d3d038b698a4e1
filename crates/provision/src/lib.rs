//! Puts the domains together: the cluster file, the backends, and the engine that observes, plans and applies.

pub mod access;
mod admin;
pub mod api;
pub mod approval;
pub mod apt_key;
pub mod bundle;
pub mod changes;
pub mod compose;
pub mod credentials;
pub mod encryption;
pub mod engine;
pub mod facts;
pub mod file;
pub mod fleet;
pub mod key_servers;

pub mod keyserver;
pub mod kubeadm;
pub mod kubeconfig;
pub mod kubelet;
pub mod machine;
pub mod node;
pub mod objects;
pub mod releases;
pub mod secret;
pub mod service;
pub mod session;
pub mod ssh;
mod stream;
pub mod survey;
pub mod transport;
pub mod trust;
pub mod twin;
