//! Names and keys that reach sshd's configuration and the file of keys: checked once, at the door.

use serde::{Deserialize, Serialize};

/// The account that nodes log in as on a key server: 1 to 32 of `a-z`, `0-9`, `_` and `-`, beginning with a letter or `_`, and no account
/// that systems have. sshd's rules for it leave it the forced command alone, so an account that a person uses would be locked out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Account(String);

/// Why a text is no [`Account`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadAccount {
    /// It is no account's name.
    #[error("{0:?} is not an account's name: 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter or '_'")]
    Form(String),
    /// Systems have it for something else.
    #[error("{0} is an account of the system, and would be left nothing but the nodes' keys: name another, such as masterlock")]
    System(String),
}

/// Accounts and groups of Debian, Ubuntu and Fedora as installed, and those that images of providers make for people.
const SYSTEM: &str = "_apt _chrony _rpc _ssh root toor daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup sshd ssh \
    messagebus polkitd syslog tss uuidd tcpdump landscape pollinate dnsmasq avahi chrony rpc shutdown halt operator ftp dbus \
    adm admin administrator tty disk kmem dialout cdrom floppy tape sudo wheel audio dip src shadow utmp video staff users \
    voice fax sasl plugdev sgx lpadmin scanner bluetooth ntp \
    docker kvm render input lxd netdev crontab debian ubuntu fedora centos rocky ec2-user";

impl Account {
    /// Checks and takes a name.
    pub fn new(text: impl Into<String>) -> Result<Self, BadAccount> {
        let text = text.into();
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        let bytes = text.as_bytes();
        let first = bytes.first().is_some_and(|c| c.is_ascii_lowercase() || *c == b'_');
        if !first || bytes.len() > 32 || !bytes.iter().all(|c| inner(*c)) {
            return Err(BadAccount::Form(text));
        }
        if SYSTEM.split(' ').any(|name| name == text) || text.starts_with("systemd-") {
            return Err(BadAccount::System(text));
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Account {
    fn default() -> Self {
        Self("masterlock".to_owned())
    }
}

impl TryFrom<String> for Account {
    type Error = BadAccount;
    fn try_from(text: String) -> Result<Self, BadAccount> {
        Self::new(text)
    }
}

impl From<Account> for String {
    fn from(account: Account) -> Self {
        account.0
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key of ed25519 without its comment: nothing in it can end a line or begin an option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(String);

/// A text that is no [`PublicKey`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no public key of ed25519")]
pub struct BadKey(pub String);

impl PublicKey {
    /// The key of a line such as ssh-keygen(1) prints: what follows it is left out.
    pub fn of(line: &str) -> Result<Self, BadKey> {
        let bad = || BadKey(line.to_owned());
        let rest = line.strip_prefix("ssh-ed25519 ").ok_or_else(bad)?;
        let key = rest.split([' ', '\n']).next().unwrap_or_default();
        let plain = key.len() == 68 && key.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'='));
        if plain { Ok(Self(format!("ssh-ed25519 {key}"))) } else { Err(bad()) }
    }

    /// The text, `ssh-ed25519 AAAA…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PublicKey {
    type Error = BadKey;
    fn try_from(text: String) -> Result<Self, BadKey> {
        Self::of(&text).and_then(|key| if key.0 == text { Ok(key) } else { Err(BadKey(text)) })
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.0
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::KEY;
    use super::*;

    #[test]
    fn an_account_is_a_plain_name_that_no_system_has() {
        let long = "a".repeat(32);
        for good in ["masterlock", "_keys", "k", "key-server_2", long.as_str()] {
            assert_eq!(Account::new(good).unwrap().as_str(), good);
        }
        let longer = "a".repeat(33);
        let bad = ["", "Keys", "1keys", "-keys", "a b", "a,b", "a*", "!a", "a\nMatch all\n", "a\n", "é", "a:b", "a/b", longer.as_str()];
        for bad in bad {
            assert_eq!(Account::new(bad), Err(BadAccount::Form(bad.to_owned())));
            assert!(serde_json::from_value::<Account>(bad.into()).is_err(), "a saved plan is no other door");
        }
        for system in ["root", "www-data", "sshd", "sudo", "ubuntu", "systemd-network", "_apt", "_chrony", "plugdev", "nobody"] {
            assert_eq!(Account::new(system), Err(BadAccount::System(system.to_owned())));
        }
    }

    #[test]
    fn a_key_is_taken_without_its_comment_and_nothing_else_is() {
        assert_eq!(PublicKey::of(&format!("{KEY} masterlock@kube1\n")).unwrap().as_str(), KEY);
        let short = &KEY[..KEY.len() - 1];
        let option = format!("command=\"sh\" {KEY}");
        let inside = KEY.replacen("AAAA", "AA\"A", 1);
        for bad in ["", "ssh-ed25519 ", "ssh-rsa AAAA", short, option.as_str(), inside.as_str()] {
            assert_eq!(PublicKey::of(bad), Err(BadKey(bad.to_owned())));
        }
        assert!(serde_json::from_value::<PublicKey>(format!("{KEY}\nmore").into()).is_err());
    }
}
