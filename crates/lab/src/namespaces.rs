//! The namespaces that a lab lives in: a network of its own and, for whoever is not root, a user namespace around it.

use std::process::Command;

use serde::{Deserialize, Serialize};

/// What is tried before a lab is made: exactly what it will do.
const TRIAL: &str = include_str!("scripts/try-network.sh");

/// Which namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Namespaces {
    /// A network namespace: root can make one.
    Network,
    /// A network namespace in a user namespace: anybody can make one, where it is allowed.
    UserAndNetwork,
}

impl Namespaces {
    /// The option of unshare(1) that makes them.
    pub(crate) fn unshare(self) -> &'static str {
        match self {
            Self::Network => "-n",
            Self::UserAndNetwork => "-Urn",
        }
    }

    /// The options of nsenter(1) that enter them.
    pub(crate) fn nsenter(self) -> &'static str {
        match self {
            Self::Network => "-n",
            Self::UserAndNetwork => "-U --preserve-credentials -n",
        }
    }

    /// What its program said when they could not be made.
    fn trial(self) -> Result<Self, String> {
        let output = Command::new("unshare").args([self.unshare(), "--", "sh", "-c", TRIAL]).output().map_err(|e| e.to_string())?;
        if output.status.success() { Ok(self) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
    }

    /// The ones that can be made here, found by making them: an ordinary user's are in a user namespace, and so are those of a root
    /// that may not make others, as in a container.
    pub(crate) fn choose() -> Result<Self, String> {
        let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
        let said = if root {
            match Self::Network.trial() {
                Ok(network) => return Ok(network),
                Err(said) => Some(said),
            }
        } else {
            None
        };
        Self::UserAndNetwork.trial().map_err(|user| advice(said.as_deref(), &user, |path| std::fs::read_to_string(path).ok()))
    }
}

/// What forbids user namespaces to ordinary users, and what allows them.
const SWITCHES: &[(&str, &str, &str)] = &[
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    // Ubuntu 24.04 and newer: the namespace is made, and everything in it is refused.
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
];

/// What to allow. `root` is what root was told, `user` what was said of the user namespace.
fn advice(root: Option<&str>, user: &str, read: impl Fn(&str) -> Option<String>) -> String {
    if let Some(root) = root {
        return format!(
            "root may make no network namespace here ({root}), and no user namespace either ({user}): give this container CAP_SYS_ADMIN and CAP_NET_ADMIN"
        );
    }
    let switches: Vec<&str> =
        SWITCHES.iter().filter(|(path, off, _)| read(path).is_some_and(|text| text.trim() == *off)).map(|(_, _, allow)| *allow).collect();
    if switches.is_empty() {
        return format!("no network could be made in a user namespace ({user}): run this as root");
    }
    format!("user namespaces are forbidden to ordinary users: allow them as root with {}, or run this as root", switches.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_the_switch() {
        let ubuntu = |path: &str| path.ends_with("apparmor_restrict_unprivileged_userns").then(|| "1\n".to_owned());
        assert!(advice(None, "Operation not permitted", ubuntu).contains("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or"));
        let both = |path: &str| (!path.is_empty()).then(|| "0\n".to_owned());
        let text = advice(None, "", both);
        assert!(text.contains("unprivileged_userns_clone=1 and sysctl -w user.max_user_namespaces"), "{text}");
        assert!(!text.contains("apparmor"));
        assert!(advice(None, "no bridge", |_| None).contains("(no bridge): run this as root"));
        assert!(advice(Some("no"), "neither", |_| None).contains("CAP_NET_ADMIN"));
    }
}
