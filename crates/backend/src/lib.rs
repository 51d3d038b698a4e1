//! What reaches machines: hosts over the installed OpenSSH ([`ssh`]), the Kubernetes API through one of them ([`api`]), and the keys by which
//! hosts are known ([`trust`]).
//!
//! It implements the traits of [`kubestead_core::transport`] and [`kubestead_core::kube`], and knows no cluster file and no plan: a [`Login`] says
//! where a machine is and how to log in. `kubestead-provision` works over the same traits, so that a program takes this crate, or brings its own.
//!
//! [`Login`]: kubestead_core::transport::Login

pub mod api;
pub mod ssh;
mod stream;
pub mod trust;
