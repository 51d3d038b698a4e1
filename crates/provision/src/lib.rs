//! Puts the domains together: the cluster file, all machines of it, and the engine that observes, plans and applies.
//!
//! Machines and the API are reached by the traits of `kubestead-core` alone ([`kubestead_core::transport`]): whoever makes a
//! [`session::Session`] brings what connects. The command brings `kubestead-backend`.

pub mod access;
mod admin;
pub mod approval;
pub mod apt_key;
pub mod bundle;
pub mod changes;
pub mod compose;
pub mod doctor;
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
pub mod rights;
pub mod secret;
pub mod service;
pub mod session;
pub mod survey;
mod x509;
