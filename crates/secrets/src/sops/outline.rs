//! A file read without a key: who can open it, what it names, what is encrypted in it, and how long that is.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cipher::Sealed;
use super::document::{syntax, text_of};
use super::error::Error;
use super::format::Format;
use super::meta::Meta;
use super::path::KeyPath;
use super::policy::{Policy, Recipient, lone_recipient};
use super::rekey::fits;
use super::select::Selector;
use super::tree::walk;
use super::value::{Kind, Value};

/// A file as it lies there. Nothing of it is authenticated: the MAC needs a key.
#[derive(Debug)]
pub struct Outline {
    encrypted: bool,
    clear_is_covered: bool,
    recipients: Vec<Vec<Recipient>>,
    needed: usize,
    dates: Vec<String>,
    entries: Vec<Entry>,
}

/// A value as it is written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where in the document.
    pub path: KeyPath,
    /// From 1.
    pub line: usize,
    /// From 1, in bytes.
    pub column: usize,
    /// The rules of the file want it encrypted; never so in a file that is not encrypted.
    pub selected: bool,
    /// What is written there: the text `ENC[…]` for an encrypted value. `Debug` does not show it.
    pub written: Value,
}

/// An encrypted value, by what can be seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedValue {
    /// What it is when decrypted, as the file says.
    pub kind: Kind,
    /// How many bytes it has when decrypted.
    pub length: usize,
}

impl Outline {
    /// Reads a file's bytes; encrypted or not. `path` is named in messages.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let (text, format) = (text_of(path, bytes)?, Format::found(path, bytes));
        let parsed = format.parse(&text).map_err(|problem| syntax(path, &text, problem))?;
        let meta = parsed.meta.clone().map(Meta);
        let refuse = |why: String| Error::Metadata { path: path.to_owned(), why };
        let mut selector = Selector::default();
        if let Some(meta) = &meta {
            meta.check().map_err(refuse)?;
            selector = format.selector(&meta.selector().map_err(refuse)?);
            let why = || "the MAC is missing, so nothing protects it against changes".to_owned();
            meta.mac().ok_or_else(|| Error::Mac { path: path.to_owned(), why: why() })?;
        }
        // One walk forward: counting the lines of each value from the top would be quadratic.
        let (mut at, mut line, mut begin) = (0, 1, 0);
        let mut entries = Vec::new();
        for spot in walk(&parsed, &selector).into_iter().filter(|spot| !spot.is_comment) {
            let start = spot.leaf.span.start.min(text.len());
            if start < at {
                (at, line, begin) = (0, 1, 0); // an alias leads back
            }
            for (offset, _) in text.as_bytes()[at..start].iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                (line, begin) = (line + 1, at + offset + 1);
            }
            at = start;
            let selected = meta.is_some() && spot.selected;
            entries.push(Entry { path: spot.path, line, column: start - begin + 1, selected, written: spot.leaf.value });
        }
        let groups = meta.as_ref().map(Meta::groups).unwrap_or_default();
        Ok(Self {
            encrypted: meta.is_some(),
            clear_is_covered: meta.as_ref().is_some_and(|meta| !meta.mac_only_encrypted()),
            recipients: groups.iter().map(|group| group.iter().map(Recipient::from_entry).collect()).collect(),
            needed: meta.as_ref().map(Meta::threshold).unwrap_or_default(),
            dates: meta.as_ref().map(Meta::dates).unwrap_or_default(),
            entries,
        })
    }

    /// Whether it has metadata of sops.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether the MAC covers what stands in the clear too; not so with `mac_only_encrypted`, and in a file that is not encrypted.
    pub fn covers_clear(&self) -> bool {
        self.clear_is_covered
    }

    /// The recipients, a list for each key group.
    pub fn recipients(&self) -> &[Vec<Recipient>] {
        &self.recipients
    }

    /// Whether recipients and their threshold are those of a policy; else `updatekeys` has something to do.
    pub fn fits(&self, policy: &Policy) -> bool {
        fits(&self.recipients, self.needed, policy)
    }

    /// The recipient without whom nobody could open it: if that key is lost, so are the values.
    pub fn lone_recipient(&self) -> Option<&Recipient> {
        lone_recipient(&self.recipients, self.needed)
    }

    /// Times in RFC 3339: of the last change, and of when the key was encrypted to OpenPGP recipients. The key was made at the earliest of
    /// them, or before.
    pub fn dates(&self) -> &[String] {
        &self.dates
    }

    /// How many values are encrypted, as its rules want it.
    pub fn sealed(&self) -> usize {
        self.entries.iter().filter(|entry| entry.selected && entry.is_whole()).count()
    }

    /// All values in the order of the file; comments are left out.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Entry {
    /// What can be seen of an encrypted value; `None` for a plain one, or one that is cut short.
    pub fn sealed(&self) -> Option<SealedValue> {
        let sealed = Sealed::parse(self.written.as_str()?).ok()?;
        let kind = Kind::from_word(sealed.kind)?;
        // The cipher does not change the length.
        let length = STANDARD.decode(sealed.data).ok()?.len();
        Some(SealedValue { kind, length })
    }

    /// Whether it is written as an encrypted value, whole, of the known cipher.
    pub(crate) fn is_whole(&self) -> bool {
        self.written.as_str().is_some_and(|text| Sealed::parse(text).is_ok())
    }

    /// Whether it begins as an encrypted value does, also when it is cut short or of another cipher.
    pub fn looks_sealed(&self) -> bool {
        self.written.as_str().is_some_and(|text| text.starts_with("ENC["))
    }
}

#[cfg(test)]
mod tests {
    use kubestead_core::secret::Secret;

    use super::super::{Identities, Policy, Sops};
    use super::*;

    #[test]
    fn an_encrypted_file_is_read_without_its_key() {
        let key = age::x25519::Identity::generate();
        let policy = Policy::age([key.to_public().to_string()]).with_selector(Selector::encrypted_regex("^(data|stringData)$").unwrap());
        let plain = Secret::new(b"# what\nkind: Secret\nstringData:\n    user: admin\n    port: 12\n    none: \"\"\n".to_vec());
        let path = Path::new("/a.yaml");
        let document = Sops::encrypt_new(path, &plain, &policy, &Identities::new()).unwrap();
        let outline = Outline::read(path, document.text().as_bytes()).unwrap();
        assert!(outline.is_encrypted() && outline.covers_clear());
        let found: Vec<_> = outline.entries().iter().map(|e| (e.path.to_string(), e.line, e.column, e.sealed())).collect();
        let sealed = |kind, length| Some(SealedValue { kind, length });
        assert_eq!(
            found,
            [
                ("[\"kind\"]".to_owned(), 2, 7, None),
                ("[\"stringData\"][\"user\"]".to_owned(), 4, 11, sealed(Kind::Text, 5)),
                ("[\"stringData\"][\"port\"]".to_owned(), 5, 11, sealed(Kind::Int, 2)),
                ("[\"stringData\"][\"none\"]".to_owned(), 6, 11, None),
            ]
        );
        let plain = Outline::read(path, plain.expose()).unwrap();
        assert!(!plain.is_encrypted() && !format!("{plain:?}").contains("admin"));
    }

    #[test]
    fn a_file_without_its_mac_is_refused() {
        let text = "a: 1\nsops:\n    age:\n        - recipient: age1x\n          enc: x\n    lastmodified: \"2026-05-22T20:16:23Z\"\n    version: 3.13.3\n";
        let error = Outline::read(Path::new("/a.yaml"), text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("the MAC is missing"), "{error}");
    }
}
