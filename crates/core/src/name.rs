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

impl Name {
    /// Checks and takes a name.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let edge = |c: Option<&u8>| c.is_some_and(|c| *c != b'-');
        let bytes = text.as_bytes();
        if bytes.len() <= 63 && bytes.iter().all(|c| inner(*c)) && edge(bytes.first()) && edge(bytes.last()) {
            Ok(Self(text))
        } else {
            Err(BadName(text))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
