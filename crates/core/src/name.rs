//! Names that are checked once, at the door.

use serde::{Deserialize, Serialize};

/// A label as in RFC 1123: 1 to 63 of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit. Nodes, volumes, groups and
/// pools are named so, because the names become Kubernetes labels, device-mapper names, unit names and file names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a name: 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit (RFC 1123)")]
pub struct BadName(pub String);

/// Whether a text is a label as in RFC 1123.
pub fn is_label(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let edge = |c: Option<&u8>| c.is_some_and(|c| *c != b'-');
    let bytes = text.as_bytes();
    bytes.len() <= 63 && bytes.iter().all(|c| inner(*c)) && edge(bytes.first()) && edge(bytes.last())
}

/// Whether a text is a subdomain as in RFC 1123: labels with dots between them, at most 253 characters.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether a host name is every machine's own, as /etc/hosts and RFC 6761 have it.
pub fn is_local(text: &str) -> bool {
    const NAMES: [&str; 7] =
        ["localhost", "localhost.localdomain", "localhost4", "localhost6", "localhost6.localdomain6", "ip6-localhost", "ip6-loopback"];
    NAMES.contains(&text) || text.ends_with(".localhost")
}

/// Whether programs may take a host name for an IPv4 address: its last label is a number, in hexadecimal too (inet_aton(3)).
pub fn ends_in_number(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()));
    hexadecimal || !last.is_empty() && last.bytes().all(|c| c.is_ascii_digit())
}

impl Name {
    /// Checks and takes a name.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        if is_label(&text) { Ok(Self(text)) } else { Err(BadName(text)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A machine's host name, which is its name in Kubernetes: labels as in RFC 1123 with dots between them, such as `kube1` or
/// `kube1.example.com`. At most 63 characters: the kubelet also writes it into the label `kubernetes.io/hostname`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

/// Why a text is not a [`HostName`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a host name: at most 63 of a-z, 0-9, '-' and '.', each part beginning and ending with a letter or digit (RFC 1123)")]
pub struct BadHostName(pub String);

impl HostName {
    /// Checks and takes a host name.
    pub fn new(text: impl Into<String>) -> Result<Self, BadHostName> {
        let text = text.into();
        if text.len() <= 63 && is_subdomain(&text) { Ok(Self(text)) } else { Err(BadHostName(text)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Name> for HostName {
    /// Every label is a host name.
    fn from(name: &Name) -> Self {
        Self(name.0.clone())
    }
}

impl TryFrom<String> for HostName {
    type Error = BadHostName;
    fn try_from(text: String) -> Result<Self, BadHostName> {
        Self::new(text)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_may_have_dots_and_fit_a_label_of_kubernetes() {
        let longest = format!("{}.{}", "a".repeat(31), "b".repeat(31));
        for good in ["kube1", "kube1.example.com", longest.as_str()] {
            assert!(HostName::new(good).is_ok(), "{good}");
        }
        let long = format!("{}.{}", "a".repeat(32), "b".repeat(31));
        for bad in ["", ".", "a.", ".a", "a..b", "A.b", "a_b.c", "-a.b", long.as_str()] {
            assert!(HostName::new(bad).is_err(), "{bad}");
        }
        assert!(is_subdomain(&["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".")));
        assert!(!is_subdomain(&["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(62)].join(".")));
    }

    #[test]
    fn what_is_an_address_or_the_machine_itself_is_told() {
        for text in ["1.2.3.4", "0x7f000001", "a.0x1F".to_ascii_lowercase().as_str(), "kube1.1", "0x", "7"] {
            assert!(ends_in_number(text), "{text}");
        }
        for text in ["3com.example", "a1", "0xg", "1.a", "0xa.b"] {
            assert!(!ends_in_number(text), "{text}");
        }
        assert!(["localhost", "a.localhost", "localhost.localdomain", "ip6-localhost"].into_iter().all(is_local));
        assert!(!["localhosts", "localhost.example.com", "mylocalhost"].into_iter().any(is_local));
    }

    #[test]
    fn labels_are_taken_and_others_refused() {
        for good in ["a", "kube1", "vg-a", "0"] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "é", long.as_str()] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }
}
