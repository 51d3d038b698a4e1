//! Whether a format can hold a value in plain text too. An encrypted value is a text without any special sign, so a file that holds it reads
//! back well, and is of no use once decrypted.

use zeroize::Zeroizing;

use super::contents;
use super::document::Document;
use super::error::Error;
use super::format::Format;
use super::path::KeyPath;
use super::select::Selector;
use super::tree::walk;
use super::value::{Kind, Value};

impl Document {
    /// Refuses a value at a path that the format would read as another one, or that would change others.
    pub(super) fn check_plain(&self, path: &KeyPath) -> Result<(), Error> {
        if !matches!(self.format, Format::Dotenv | Format::Ini) {
            return Ok(());
        }
        let refuse = |why: String| Error::Path { path: self.path.clone(), at: path.clone(), why };
        let plain = match contents::decrypt(self.format, &self.text, &self.parsed, &self.opened) {
            Ok(plain) => Zeroizing::new(plain),
            Err(failure) if failure.at == *path => return Err(refuse(failure.why)),
            // Another value is the problem, and was so before.
            Err(_) => return Ok(()),
        };
        let parsed = self.format.parse(&plain).map_err(|_| refuse(UNREADABLE.to_owned()))?;
        let mut read = walk(&parsed, &Selector::default()).into_iter().filter(|spot| !spot.is_comment);
        let mut meant = self.opened.iter().filter(|open| !open.spot.is_comment);
        let is_same = meant
            .all(|open| read.next().is_some_and(|spot| spot.path == open.spot.path && *written(&spot.leaf.value) == *written(&open.value)));
        if is_same && read.next().is_none() { Ok(()) } else { Err(refuse(UNREADABLE.to_owned())) }
    }
}

const UNREADABLE: &str = "this format has no way to write this value so that it reads back the same; use YAML or JSON";

/// As a text, which is all that these formats have.
fn written(value: &Value) -> Zeroizing<String> {
    let text = value.as_str().unwrap_or_default();
    Zeroizing::new(if value.kind() == Kind::Bool { text.to_lowercase() } else { text.to_owned() })
}
