//! Which values of a document are encrypted.

use super::meta::Node;
use super::regexp::{BadPattern, Pattern};

/// The rule that says which values are encrypted. A document has exactly one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Selector {
    /// All except below keys that end so. The rule of a file that names none: `_unencrypted`.
    UnencryptedSuffix(String),
    /// Only below keys that end so.
    EncryptedSuffix(String),
    /// All except below keys that match.
    UnencryptedRegex(Pattern),
    /// Only below keys that match.
    EncryptedRegex(Pattern),
    /// All except what a matching comment stands before.
    UnencryptedCommentRegex(Pattern),
    /// Only what a matching comment stands before.
    EncryptedCommentRegex(Pattern),
}

impl Default for Selector {
    fn default() -> Self {
        Self::UnencryptedSuffix("_unencrypted".to_owned())
    }
}

impl Selector {
    /// The fields of a rule and of the metadata that say what is encrypted.
    pub(super) const NAMES: [&'static str; 6] = [
        "unencrypted_suffix",
        "encrypted_suffix",
        "unencrypted_regex",
        "encrypted_regex",
        "unencrypted_comment_regex",
        "encrypted_comment_regex",
    ];

    /// Only below keys that match, such as `^(data|stringData)$` for a Kubernetes Secret.
    pub fn encrypted_regex(pattern: &str) -> Result<Self, BadPattern> {
        Pattern::new(pattern).map(Self::EncryptedRegex)
    }

    /// All except below keys that match.
    pub fn unencrypted_regex(pattern: &str) -> Result<Self, BadPattern> {
        Pattern::new(pattern).map(Self::UnencryptedRegex)
    }

    /// Its name in the metadata, and its text.
    pub(crate) fn entry(&self) -> (&'static str, &str) {
        match self {
            Self::UnencryptedSuffix(text) => (Self::NAMES[0], text),
            Self::EncryptedSuffix(text) => (Self::NAMES[1], text),
            Self::UnencryptedRegex(regex) => (Self::NAMES[2], regex.as_str()),
            Self::EncryptedRegex(regex) => (Self::NAMES[3], regex.as_str()),
            Self::UnencryptedCommentRegex(regex) => (Self::NAMES[4], regex.as_str()),
            Self::EncryptedCommentRegex(regex) => (Self::NAMES[5], regex.as_str()),
        }
    }

    /// The selector among the entries of metadata or of a creation rule; none when there is none.
    pub(crate) fn find(entries: &Node) -> Result<Option<Self>, String> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        for name in Self::NAMES {
            match entries.get(name).and_then(Node::text) {
                Some(text) if !text.is_empty() => found.push((name, text)),
                Some(_) | None => {}
            }
        }
        let (name, text) = match found.as_slice() {
            [] => return Ok(None),
            [one] => *one,
            [one, two, ..] => return Err(format!("it has both {} and {}: at most one selector is allowed", one.0, two.0)),
        };
        let regex = || Pattern::new(text).map_err(|e| format!("{name} {text:?} cannot be used: {e}"));
        Ok(Some(match name {
            "unencrypted_suffix" => Self::UnencryptedSuffix(text.to_owned()),
            "encrypted_suffix" => Self::EncryptedSuffix(text.to_owned()),
            "unencrypted_regex" => Self::UnencryptedRegex(regex()?),
            "encrypted_regex" => Self::EncryptedRegex(regex()?),
            "unencrypted_comment_regex" => Self::UnencryptedCommentRegex(regex()?),
            _ => Self::EncryptedCommentRegex(regex()?),
        }))
    }

    /// True when the value at these keys, or the comment within them, is encrypted. `comments` is a stack of the comments in force, one
    /// level a container; a comment that is asked about is the last of the last level.
    pub(crate) fn selects(&self, keys: &[String], comments: &[Vec<String>], is_comment: bool) -> bool {
        match self {
            Self::UnencryptedSuffix(suffix) => !keys.iter().any(|key| key.ends_with(suffix)),
            Self::EncryptedSuffix(suffix) => keys.iter().any(|key| key.ends_with(suffix)),
            Self::UnencryptedRegex(regex) => !keys.iter().any(|key| regex.is_match(key)),
            Self::EncryptedRegex(regex) => keys.iter().any(|key| regex.is_match(key)),
            Self::UnencryptedCommentRegex(regex) => !comments.iter().flatten().any(|comment| regex.is_match(comment)),
            Self::EncryptedCommentRegex(regex) => {
                // The line that matches stays readable, or nobody could tell afterwards.
                let all: usize = comments.iter().map(Vec::len).sum();
                let others = if is_comment { all.saturating_sub(1) } else { all };
                comments.iter().flatten().take(others).any(|comment| regex.is_match(comment))
            }
        }
    }
}
