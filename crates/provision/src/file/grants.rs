//! What pods may beyond Pod Security's level `baseline`: values of the cluster file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kubestead_core::name::Name;
use serde::{Deserialize, Serialize};

/// What pods of the users' namespace may beyond Pod Security's level `baseline`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSecurity {
    /// What each of them may.
    pub everyone: Grants,
    /// What those of a service account may besides.
    pub accounts: BTreeMap<Name, Account>,
    /// Where PersistentVolumes may lie besides the pools' folder.
    pub volumes: BTreeSet<HostPath>,
}

/// What pods of a service account may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// Whatever the machine's root may.
    Anything,
    /// This.
    Some(Grants),
}

impl Account {
    /// The single grants; `None` if it may anything.
    pub fn grants(&self) -> Option<&Grants> {
        match self {
            Self::Anything => None,
            Self::Some(grants) => Some(grants),
        }
    }
}

/// Single grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Paths of the machine, and how they are mounted.
    pub paths: BTreeMap<HostPath, Mode>,
    /// Ports of the machine.
    pub ports: BTreeSet<Ports>,
    /// Capabilities that containers add, without `CAP_`.
    pub capabilities: BTreeSet<&'static str>,
    /// Whether they may use the machine's network.
    pub network: bool,
}

impl Grants {
    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The paths that are mounted so.
    pub fn paths(&self, mode: Mode) -> impl Iterator<Item = &HostPath> {
        self.paths.iter().filter(move |(_, own)| **own == mode).map(|(path, _)| path)
    }
}

impl PodSecurity {
    /// Whether pods may no more than the level `baseline` allows.
    pub fn is_baseline(&self) -> bool {
        self.everyone.is_empty() && self.accounts.values().all(|account| matches!(account, Account::Some(grants) if grants.is_empty()))
    }

    /// The grants of an account, beside those of everyone; `None` if it may anything.
    pub fn of(&self, account: &str) -> Option<Option<&Grants>> {
        match self.accounts.iter().find(|(name, _)| name.as_str() == account) {
            Some((_, Account::Anything)) => None,
            Some((_, Account::Some(grants))) => Some(Some(grants)),
            None => Some(None),
        }
    }

    /// All single grants, whoever has them.
    pub fn grants(&self) -> impl Iterator<Item = &Grants> {
        std::iter::once(&self.everyone).chain(self.accounts.values().filter_map(Account::grants))
    }
}

/// How a path of the machine is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// To read.
    ReadOnly,
    /// To read and to write.
    ReadWrite,
}

/// A path of a machine: absolute, each part a name, not the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostPath(String);

impl HostPath {
    /// A path. `None` if it is not absolute, is the root, or has a part that is empty, `.` or `..`, or holds another character than letters, digits and
    /// `._+@:-`.
    pub fn new(text: &str) -> Option<Self> {
        let part = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.len() <= 255
                && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"._+@:-".contains(&c))
        };
        let good = text.len() <= 4095 && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(part));
        good.then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it lies within a folder, and is not that itself.
    pub fn is_below(&self, folder: &str) -> bool {
        self.0.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ports from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The capabilities of Linux (capabilities(7)), as Kubernetes writes them.
pub const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for good in ["/srv/share", "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0", "/home", "/a/..b/c.d"] {
            assert!(HostPath::new(good).is_some(), "{good}");
        }
        for bad in ["", "/", "srv", "/srv/", "//srv", "/srv/../etc", "/srv/.", "/srv/a b", "/srv/\n", "/srv/*", "/srv\u{e9}"] {
            assert!(HostPath::new(bad).is_none(), "{bad}");
        }
        let path = HostPath::new("/srv/admin-x").unwrap();
        assert!(path.is_below("/srv") && !path.is_below("/srv/admin") && !path.is_below("/srv/admin-x"));
    }
}
