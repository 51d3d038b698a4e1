//! The formats of documents, behind one door.
#![allow(clippy::unnecessary_wraps)] // other formats refuse what this one takes

use std::path::Path;

use super::meta::Node;
use super::path::Step;
use super::select::Selector;
use super::tree::{Child, Container, Leaf, Parsed, Problem, Span};
use super::value::Value;
use super::yaml;

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `.yaml`, `.yml`.
    Yaml,
}

impl Format {
    /// The format that sops takes a file for, by the end of its name.
    pub fn of(path: &Path) -> Self {
        let _ = path;
        Self::Yaml
    }

    pub(crate) fn parse(self, text: &str) -> Result<Parsed, Problem> {
        match self {
            Self::Yaml => yaml::parse(text),
        }
    }

    /// What stands in the place of a leaf when it has this value. Encrypted values are texts.
    pub(crate) fn scalar(self, text: &str, leaf: &Leaf, value: &Value) -> Result<String, String> {
        match self {
            Self::Yaml => Ok(yaml::scalar(text, leaf, value)),
        }
    }

    /// What stands in the place of a comment with this text.
    pub(crate) fn comment(self, text: &str, leaf: &Leaf, comment: &str) -> String {
        let _ = (text, leaf);
        match self {
            Self::Yaml => yaml::comment(comment),
        }
    }

    /// Adds a value to a container, below steps of which the first is not there.
    pub(crate) fn insert(
        self,
        text: &str,
        container: &Container,
        steps: &[Step],
        at_root: bool,
        value: &Value,
    ) -> Result<(Span, String), String> {
        let _ = at_root;
        match self {
            Self::Yaml => Ok(yaml::insert(text, container, steps, value)),
        }
    }

    /// Takes a child out of its container.
    pub(crate) fn remove(self, text: &str, container: &Container, child: &Child) -> (Span, String) {
        match self {
            Self::Yaml => yaml::remove(text, container, child),
        }
    }

    /// Writes the whole metadata, in the place of the old when there is some.
    pub(crate) fn attach(self, text: &str, parsed: &Parsed, meta: &Node) -> Result<String, Problem> {
        match self {
            Self::Yaml => yaml::attach(text, parsed, meta),
        }
    }

    /// The selector that is in force: a binary file is always encrypted whole.
    pub(crate) fn selector(self, selector: &Selector) -> Selector {
        match self {
            Self::Yaml => selector.clone(),
        }
    }

    /// The text that a plain file is read from.
    pub(crate) fn wrap_plain(self, plain: &[u8]) -> Result<String, String> {
        match self {
            Self::Yaml => std::str::from_utf8(plain).map(str::to_owned).map_err(|_| "this is no UTF-8 text".to_owned()),
        }
    }

    /// The plain file of a decrypted text.
    pub(crate) fn unwrap_plain(self, text: String) -> Result<Vec<u8>, String> {
        match self {
            Self::Yaml => Ok(text.into_bytes()),
        }
    }
}
