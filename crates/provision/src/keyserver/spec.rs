//! What a key server shall be.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use kubestead_core::name::Name;
use kubestead_core::plan::Target;
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};

use super::account::Account;

/// Where sshd looks for the nodes' keys: owned by root, not in the user's home.
pub(super) const KEYS: &str = "/etc/ssh/kubestead_keys";
pub(super) const SERVE: &str = "/usr/local/lib/kubestead/serve";
pub(super) const SSHD: &str = "/etc/ssh/sshd_config.d/50-kubestead.conf";

/// What sshd takes for the account, as sshd_config(5) writes it. Each is a line of the drop-in, and must be what `sshd -T` says of the
/// account: whatever the rest of the configuration asks of everybody, a node logs in by its key and gets the forced command, and nobody logs
/// in by a certificate or by a key that a program of the host's (EC2 Instance Connect, SSSD) knows.
const RULES: [(&str, &str); 12] = [
    ("AuthorizedKeysFile", KEYS),
    ("AuthenticationMethods", "publickey"),
    ("PubkeyAuthentication", "yes"),
    ("AuthorizedKeysCommand", "none"),
    ("AuthorizedPrincipalsFile", "none"),
    ("TrustedUserCAKeys", "none"),
    ("ForceCommand", "none"),
    ("ChrootDirectory", "none"),
    ("DisableForwarding", "yes"),
    ("PermitTTY", "no"),
    ("PermitUserRC", "no"),
    ("MaxSessions", "1"),
];

/// The folder of a key server's shares: absolute, of letters, digits, `.`, `_`, `-` and `/`. It is a word of a forced command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Folder(String);

/// Why a text is no [`Folder`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an absolute path of letters, digits, '.', '_' and '-'")]
pub struct BadFolder(pub String);

impl Folder {
    /// Checks and takes a path.
    pub fn new(text: impl Into<String>) -> Result<Self, BadFolder> {
        let text = text.into();
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..") && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        };
        if text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain)) { Ok(Self(text)) } else { Err(BadFolder(text)) }
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self("/var/lib/kubestead-keys".to_owned())
    }
}

impl TryFrom<String> for Folder {
    type Error = BadFolder;
    fn try_from(text: String) -> Result<Self, BadFolder> {
        Self::new(text)
    }
}

impl From<Folder> for String {
    fn from(folder: Folder) -> Self {
        folder.0
    }
}

impl std::fmt::Display for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What every action on a key server needs to know of it: small, because a plan has one of it in each step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// The cluster whose nodes it serves; it may serve others too.
    pub cluster: Name,
    /// The account that nodes log in as.
    pub user: Account,
    /// The folder with the shares: `NODE/VOLUME` below it. It is the account's home, by which the account is known as kubestead's.
    pub directory: Folder,
}

/// A key server with the nodes that it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyServerSpec {
    /// Its cluster, account and folder.
    pub site: Site,
    /// Its name among the hosts.
    pub server: Name,
    /// Its IP address.
    pub address: IpAddr,
    /// sshd's port.
    pub port: u16,
    /// The nodes, the same for all servers of a cluster.
    pub nodes: Arc<[EnrolledNode]>,
}

/// A node that may fetch its own shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolledNode {
    /// Its name.
    pub name: Name,
    /// The address that it comes from.
    pub address: IpAddr,
    /// Its volumes.
    pub volumes: Vec<Name>,
}

/// All that shall be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The servers, each with the nodes that need keys.
    pub servers: &'a [KeyServerSpec],
    /// All nodes of the cluster file: a node that is no longer among them is shut out.
    pub members: &'a BTreeSet<Name>,
    /// The volumes that have a header of ours, as node and volume: a new share would not open them.
    pub made: &'a BTreeSet<(Name, Name)>,
    /// The volumes that are about to be made: these alone may get a new share. A volume against which something stands is in neither.
    pub making: &'a BTreeSet<(Name, Name)>,
}

impl Site {
    /// The paths of the files that are ours alone on the server.
    pub fn own_paths(&self) -> [String; 2] {
        self.files().map(|file| file.path)
    }

    /// The files that are ours on the server: the forced command, and sshd's rules for the account.
    pub(super) fn files(&self) -> [Owned; 2] {
        let owned = |path: &str, text: String, mode| Owned { path: path.to_owned(), text, mode };
        let rules: String = RULES.iter().map(|(key, value)| format!("  {key} {value}\n")).collect();
        let sshd = format!("Match User {}\n{rules}Match all\n", self.user);
        [owned(SERVE, include_str!("scripts/serve.sh").to_owned(), 0o755), owned(SSHD, sshd, 0o644)]
    }
}

impl KeyServerSpec {
    /// Where its steps run.
    pub(super) fn target(&self) -> Target {
        Target::Host(self.server.to_string())
    }

    /// An address that a node comes from, for questions about sshd's rules.
    pub(super) fn origin(&self) -> IpAddr {
        self.nodes.first().map_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), |node| node.address)
    }
}

/// What `sshd -T` must say of the account, a line each.
pub(super) fn effective() -> Vec<String> {
    RULES.iter().map(|(key, value)| format!("{} {value}", key.to_ascii_lowercase())).collect()
}

/// The node's own ssh configuration for key servers: nothing of a user's holds.
pub(super) const CLIENT: &str = "Host *\n  StrictHostKeyChecking yes\n  UserKnownHostsFile /etc/kubestead/known_hosts\n  GlobalKnownHostsFile /dev/null\n  \
    IdentityFile /etc/kubestead/id_ed25519\n  IdentitiesOnly yes\n  BatchMode yes\n  LogLevel ERROR\n";
pub(super) const CLIENT_PATH: &str = "/etc/kubestead/ssh_config";
pub(super) const KNOWN_HOSTS: &str = "/etc/kubestead/known_hosts";
pub(super) const IDENTITY: &str = "/etc/kubestead/id_ed25519";
pub(super) const PUBLIC: &str = "/etc/kubestead/id_ed25519.pub";

/// The files that are ours on a node: its ssh configuration for key servers, and their host keys.
pub(super) fn client_files(known_hosts: &str) -> [Owned; 2] {
    let owned = |path: &str, text: &str| Owned { path: path.to_owned(), text: text.to_owned(), mode: 0o644 };
    [owned(CLIENT_PATH, CLIENT), owned(KNOWN_HOSTS, known_hosts)]
}

/// Their paths.
pub fn own_paths() -> [&'static str; 2] {
    [CLIENT_PATH, KNOWN_HOSTS]
}

/// The node's own key pair, which the node makes itself: both files are looked at as [`own_paths`] are.
pub fn made_paths() -> [&'static str; 2] {
    [IDENTITY, PUBLIC]
}

/// An address as known_hosts(5) writes it.
pub(super) fn known_host(address: IpAddr, port: u16, key: &str) -> String {
    if port == 22 { format!("{address} {key}\n") } else { format!("[{address}]:{port} {key}\n") }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::spec;
    use super::*;

    #[test]
    fn a_folder_is_one_plain_word() {
        assert!(Folder::new("/var/lib/kubestead-keys").is_ok_and(|folder| folder == Folder::default()));
        for bad in ["", "/", "k", "/k/", "/k/../etc", "/k k", "/k\nMatch all", "/k\"", "/k\\", "/k$x", "/é"] {
            assert_eq!(Folder::new(bad), Err(BadFolder(bad.to_owned())));
        }
    }

    #[test]
    fn the_drop_in_matches_the_one_account_and_ends_its_match() {
        let [_, rules] = spec().site.files();
        let lines: Vec<&str> = rules.text.lines().collect();
        assert_eq!((lines[0], lines[lines.len() - 1]), ("Match User masterlock", "Match all"));
        assert_eq!(lines.iter().filter(|line| !line.starts_with("  ")).count(), 2);
        for (wanted, line) in effective().iter().zip(&lines[1..]) {
            assert!(line.trim().eq_ignore_ascii_case(wanted), "{line} {wanted}");
        }
    }
}
