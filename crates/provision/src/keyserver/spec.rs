//! What a key server shall be.

use kubestead_core::name::Name;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

/// Where sshd looks for the nodes' keys: owned by root, not in the user's home.
pub(super) const KEYS: &str = "/etc/ssh/kubestead_keys";
pub(super) const SERVE: &str = "/usr/local/lib/kubestead/serve";
pub(super) const SSHD: &str = "/etc/ssh/sshd_config.d/50-kubestead.conf";

/// A key server with the nodes that it lets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyServerSpec {
    /// The cluster whose nodes it serves; it may serve others too.
    pub cluster: Name,
    /// Its name among the hosts.
    pub server: Name,
    /// Its IP address.
    pub address: String,
    /// sshd's port.
    pub port: u16,
    /// The user that nodes log in as.
    pub user: String,
    /// The folder with the shares: `NODE/VOLUME` below it.
    pub directory: String,
    /// The nodes.
    pub nodes: Vec<EnrolledNode>,
}

/// A node that may fetch its own shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrolledNode {
    /// Its name.
    pub name: Name,
    /// The address that it comes from.
    pub address: String,
    /// Its volumes.
    pub volumes: Vec<Name>,
}

impl KeyServerSpec {
    /// The files that are ours on the server.
    pub(super) fn files(&self) -> Vec<Owned> {
        let owned = |path: &str, text: String, mode| Owned { path: path.to_owned(), text, mode };
        let sshd = format!(
            "Match User {}\n  AuthorizedKeysFile {KEYS}\n  AuthenticationMethods publickey\n  DisableForwarding yes\n  PermitTTY no\n  PermitUserRC no\n  MaxSessions 1\nMatch all\n",
            self.user
        );
        vec![owned(SERVE, include_str!("serve.sh").to_owned(), 0o755), owned(SSHD, sshd, 0o644)]
    }
}

/// The node's own ssh configuration for key servers: nothing of a user's holds.
pub(super) const CLIENT: &str = "Host *\n  StrictHostKeyChecking yes\n  UserKnownHostsFile /etc/kubestead/known_hosts\n  GlobalKnownHostsFile /dev/null\n  \
    IdentityFile /etc/kubestead/id_ed25519\n  IdentitiesOnly yes\n  BatchMode yes\n  LogLevel ERROR\n";
pub(super) const CLIENT_PATH: &str = "/etc/kubestead/ssh_config";
pub(super) const KNOWN_HOSTS: &str = "/etc/kubestead/known_hosts";
pub(super) const IDENTITY: &str = "/etc/kubestead/id_ed25519";

/// An address as known_hosts(5) writes it.
pub(super) fn known_host(address: &str, port: u16, key: &str) -> String {
    if port == 22 { format!("{address} {key}\n") } else { format!("[{address}]:{port} {key}\n") }
}
