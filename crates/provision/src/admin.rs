//! The administrator's credentials, which kubeadm keeps on a control plane, as scripts there use them.

/// A shell function, `as_admin`: the API server of the machine that it runs on, with these credentials.
pub(crate) const ADMIN: &str = include_str!("scripts/as-admin.sh");
