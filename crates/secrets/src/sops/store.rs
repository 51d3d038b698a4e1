//! The formats of documents, behind one door.

use std::path::Path;

use super::meta::Node;
use super::path::Step;
use super::select::Selector;
use super::tree::{Child, Container, Leaf, Parsed, Problem, Span};
use super::value::Value;
use super::{dotenv, ini, json, yaml};

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `.yaml`, `.yml`.
    Yaml,
    /// `.json`.
    Json,
    /// `.env`: flat, texts only.
    Dotenv,
    /// `.ini`: sections with texts.
    Ini,
    /// Everything else: one text below the key `data`, in a JSON file.
    Binary,
}

impl Format {
    /// The format that sops takes a file for, by the end of its name.
    pub fn of(path: &Path) -> Self {
        match path.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('.')).map(|(_, end)| end) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            Some("env") => Self::Dotenv,
            Some("ini") => Self::Ini,
            _ => Self::Binary,
        }
    }

    pub(crate) fn parse(self, text: &str) -> Result<Parsed, Problem> {
        self.parse_with(text, false)
    }

    /// As [`Format::parse`]; `lean` leaves long ciphertexts where they are instead of copying them.
    pub(crate) fn parse_with(self, text: &str, lean: bool) -> Result<Parsed, Problem> {
        match self {
            Self::Yaml => yaml::parse_with(text, lean),
            Self::Json | Self::Binary => json::parse_with(text, lean),
            Self::Dotenv => dotenv::parse(text),
            Self::Ini => ini::parse(text),
        }
    }

    /// As [`Format::parse`], of a text that is to be written: sops must be able to read it.
    pub(crate) fn parse_strict(self, text: &str) -> Result<Parsed, Problem> {
        match self {
            Self::Yaml => yaml::parse_strict(text),
            Self::Json | Self::Binary | Self::Dotenv | Self::Ini => self.parse_with(text, true),
        }
    }

    /// What stands in the place of a leaf when it has this value. Encrypted values are texts.
    pub(crate) fn scalar(self, text: &str, leaf: &Leaf, value: &Value) -> Result<String, String> {
        match self {
            Self::Yaml => yaml::scalar(text, leaf, value),
            Self::Json | Self::Binary => json::scalar(value),
            Self::Dotenv => dotenv::scalar(value),
            Self::Ini => ini::scalar(leaf, value),
        }
    }

    /// What stands in the place of a comment with this text. JSON has none: there it is an element that sops made of one.
    pub(crate) fn comment(self, comment: &str) -> String {
        match self {
            Self::Yaml => yaml::comment(comment),
            Self::Json | Self::Binary => json::quoted(comment),
            Self::Dotenv => format!("#{comment}"),
            Self::Ini => ini::comment(comment),
        }
    }

    /// Adds a value to a container, below steps of which the first is not there.
    pub(crate) fn insert(self, text: &str, container: &Container, steps: &[Step], value: &Value) -> Result<(Span, String), String> {
        match self {
            Self::Yaml => yaml::insert(text, container, steps, value),
            Self::Json => json::insert(text, container, steps, value),
            Self::Dotenv => dotenv::insert(text, container, steps, value),
            Self::Ini => ini::insert(text, container, steps, value),
            Self::Binary => Err("a binary file has one value only: [\"data\"]".to_owned()),
        }
    }

    /// Takes a child out of its container.
    pub(crate) fn remove(self, text: &str, container: &Container, child: &Child) -> (Span, String) {
        match self {
            Self::Yaml => yaml::remove(text, container, child),
            Self::Json | Self::Binary => json::remove(container, child),
            Self::Dotenv => dotenv::remove(text, child),
            Self::Ini => ini::remove(text, child),
        }
    }

    /// Writes the whole metadata, in the place of the old when there is some.
    pub(crate) fn attach(self, text: &str, parsed: &Parsed, meta: &Node) -> Result<String, Problem> {
        match self {
            Self::Yaml => yaml::attach(text, parsed, meta),
            Self::Json | Self::Binary => json::attach(text, parsed, meta),
            Self::Dotenv => dotenv::attach(text, parsed, meta),
            Self::Ini => ini::attach(text, parsed, meta),
        }
    }

    /// The selector that is in force: a binary file is always encrypted whole.
    pub(crate) fn selector(self, selector: &Selector) -> Selector {
        match self {
            Self::Yaml | Self::Json | Self::Dotenv | Self::Ini => selector.clone(),
            Self::Binary => Selector::default(),
        }
    }

    /// The text that a plain file is read from.
    pub(crate) fn wrap_plain(self, plain: &[u8]) -> Result<String, String> {
        let text = std::str::from_utf8(plain).map_err(|_| "this is no UTF-8 text; encode it first, such as with base64")?;
        match self {
            Self::Yaml | Self::Json | Self::Dotenv | Self::Ini => Ok(text.to_owned()),
            Self::Binary => Ok(format!("{{\n\t\"data\": {}\n}}\n", json::quoted(text))),
        }
    }

    /// The plain file of a decrypted text.
    pub(crate) fn unwrap_plain(self, text: String) -> Result<Vec<u8>, String> {
        match self {
            Self::Yaml | Self::Json | Self::Dotenv | Self::Ini => Ok(text.into_bytes()),
            Self::Binary => {
                let parsed = json::parse(&text).map_err(|problem| problem.why)?;
                let data = parsed.documents.first().and_then(|root| root.scalar_at("data"));
                data.map(|leaf| leaf.value.bytes().expose().to_vec()).ok_or_else(|| "a binary file has a text below `data`".to_owned())
            }
        }
    }
}
