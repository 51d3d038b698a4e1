//! One file a verb.

pub(crate) mod access;
pub(crate) mod address;
pub(crate) mod bundle;
pub(crate) mod check;
pub(crate) mod collect;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod kubeconfig;
pub(crate) mod lab;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod recovery;
pub(crate) mod reset;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod trust;
pub(crate) mod unlock;
pub(crate) mod up;
pub(crate) mod volume;
mod watch;
