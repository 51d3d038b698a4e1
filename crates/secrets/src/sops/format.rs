//! The formats of documents, behind one door.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::meta::Node;
use super::path::Step;
use super::select::Selector;
use super::tree::{Child, Container, Leaf, Parsed, Problem, Span, walk_each};
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
        let name = path.file_name().unwrap_or_default().as_bytes();
        match name.rsplitn(2, |byte| *byte == b'.').next().filter(|end| end.len() < name.len()) {
            Some(b"yaml" | b"yml") => Self::Yaml,
            Some(b"json") => Self::Json,
            Some(b"env") => Self::Dotenv,
            Some(b"ini") => Self::Ini,
            _ => Self::Binary,
        }
    }

    /// The format of an encrypted file. A name that says none, such as `.env.production` or `x.yaml.enc`, is no binary file when the metadata
    /// in it stands as another format has it; sops is told so with `--input-type`.
    pub fn found(path: &Path, bytes: &[u8]) -> Self {
        let named = Self::of(path);
        if named != Self::Binary {
            return named;
        }
        if bytes.trim_ascii_start().starts_with(b"{") {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            let is_other = |parsed: Parsed| {
                let mut keys = parsed.documents.iter().flat_map(Container::children).map(|child| child.key.as_str());
                parsed.meta.is_some() && !(keys.next() == Some("data") && keys.next().is_none())
            };
            return if json::parse_binary(text, true).is_ok_and(is_other) { Self::Json } else { Self::Binary };
        }
        let has = |mark: &[u8]| bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(mark));
        match (has(b"sops_mac=ENC["), has(b"[sops]"), has(b"sops:")) {
            (true, false, false) => Self::Dotenv,
            (false, true, false) => Self::Ini,
            (false, false, true) => Self::Yaml,
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
            Self::Json => json::parse_with(text, lean),
            Self::Binary => json::parse_binary(text, lean),
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
            Self::Json => json::scalar(value),
            Self::Binary => Ok(json::quoted_bytes(value.bytes().expose())),
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
            Self::Json | Self::Binary => json::remove(text, container, child),
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

    /// True when there is no value in it: nothing at all, or comments, sections and empty mappings only.
    pub(crate) fn is_empty(self, parsed: &Parsed) -> bool {
        let mut is_empty = true;
        walk_each(parsed, &Selector::default(), &mut |spot| {
            let is_nothing = self == Self::Binary && spot.leaf.value.bytes().expose().is_empty() && spot.leaf.sealed.is_none();
            is_empty &= spot.is_comment || is_nothing;
        });
        is_empty
    }

    /// The text that a plain file is read from.
    pub(crate) fn wrap_plain(self, plain: &[u8]) -> Result<String, String> {
        if self == Self::Binary {
            return Ok(format!("{{\n\t\"data\": {}\n}}\n", json::quoted_bytes(plain)));
        }
        let text = std::str::from_utf8(plain);
        text.map(str::to_owned)
            .map_err(|_| "this is no UTF-8 text, and a value in this format must be; encode it, such as with base64".to_owned())
    }

    /// The plain file of a decrypted text.
    pub(crate) fn unwrap_plain(self, text: String) -> Result<Vec<u8>, String> {
        match self {
            Self::Yaml | Self::Json | Self::Dotenv | Self::Ini => Ok(text.into_bytes()),
            Self::Binary => {
                let parsed = json::parse_binary(&text, false).map_err(|problem| problem.why)?;
                let data = parsed.documents.first().and_then(|root| root.scalar_at("data"));
                data.map(|leaf| leaf.value.bytes().expose().to_vec()).ok_or_else(|| "a binary file has a string below `data`".to_owned())
            }
        }
    }
}
