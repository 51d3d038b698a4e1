//! Where a value stands in a document.

use std::fmt;
use std::str::FromStr;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Into a mapping, a section or an object.
    Key(String),
    /// Into a list, from 0. Comments are not counted.
    Index(usize),
}

/// The way to a value: keys and indexes, in the first YAML document unless [`KeyPath::in_document`] says another. Keys may hold any
/// character, so there is no dotted form; [`FromStr`] reads what `sops --extract` reads: `["stringData"]["password"]`, `["list"][0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath {
    document: usize,
    steps: Vec<Step>,
}

/// Why a text is not a [`KeyPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a path: write it as [\"key\"][\"key\"][0]")]
pub struct BadPath(String);

impl KeyPath {
    /// One step further, into a mapping.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        // Not the room for four that a vector takes at once: a file may have very many paths.
        self.steps.reserve_exact(1);
        self.steps.push(Step::Key(key.into()));
        self
    }

    /// One step further, into a list.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.steps.push(Step::Index(index));
        self
    }

    /// In another document of the file, from 0.
    #[must_use]
    pub fn in_document(mut self, document: usize) -> Self {
        self.document = document;
        self
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The document, from 0.
    pub fn document(&self) -> usize {
        self.document
    }

    /// The path one step up.
    pub(crate) fn parent(&self) -> Self {
        let mut up = self.clone();
        up.steps.pop();
        up
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for KeyPath {
    fn from(keys: [S; N]) -> Self {
        Self { document: 0, steps: keys.into_iter().map(|key| Step::Key(key.into())).collect() }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.document > 0 {
            write!(f, "document {}: ", self.document + 1)?;
        }
        for step in &self.steps {
            match step {
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl FromStr for KeyPath {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        let bad = || BadPath(text.to_owned());
        let mut path = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            rest = rest.strip_prefix('[').ok_or_else(bad)?;
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
            if let Some(quote) = quote {
                let (key, tail) = rest[1..].split_once(quote).ok_or_else(bad)?;
                path = path.key(key);
                rest = tail.strip_prefix(']').ok_or_else(bad)?;
            } else {
                let (index, tail) = rest.split_once(']').ok_or_else(bad)?;
                path = path.index(index.parse().map_err(|_| bad())?);
                rest = tail;
            }
        }
        if path.steps.is_empty() { Err(bad()) } else { Ok(path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_read() {
        let path = KeyPath::from(["a.b", "c"]).index(2).key("d e");
        assert_eq!(path.to_string(), r#"["a.b"]["c"][2]["d e"]"#);
        assert_eq!(path.to_string().parse::<KeyPath>().unwrap(), path);
        for bad in ["", "a", "[a]", "[\"a\"", "[\"a]", "[1]x", "[-1]"] {
            assert!(bad.parse::<KeyPath>().is_err(), "{bad}");
        }
    }
}
