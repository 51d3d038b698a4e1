//! What can be told of a document without its key: who can open it, and whether something in it is not encrypted that should be.

use std::path::Path;

use super::cipher::Sealed;
use super::document::{Sops, syntax, text_of};
use super::error::Error;
use super::meta::Meta;
use super::path::KeyPath;
use super::policy::{Policy, Recipient, lone_recipient};
use super::rekey::fits;
use super::store::Format;
use super::tree::walk;

/// A document, seen from outside.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Look {
    /// The recipients, a list for each key group.
    pub recipients: Vec<Vec<Recipient>>,
    /// How many key groups are needed to open it.
    pub needed: usize,
    /// Times in RFC 3339: of the last change, and of when the key was encrypted to OpenPGP recipients. The key was made at the earliest of
    /// them, or before.
    pub dates: Vec<String>,
    /// How many values it has that are not empty.
    pub values: usize,
    /// How many of them are encrypted.
    pub sealed: usize,
    /// Values that its rules want encrypted and that are not: line and place.
    pub plain: Vec<(usize, KeyPath)>,
    /// Values that look encrypted where its rules want none, so that nobody will ever decrypt them.
    pub stray: Vec<(usize, KeyPath)>,
}

impl Look {
    /// Whether recipients and their threshold are those of a policy; else `updatekeys` has something to do.
    pub fn fits(&self, policy: &Policy) -> bool {
        fits(&self.recipients, self.needed, policy)
    }

    /// The recipient without whom nobody could open it: if that key is lost, so are the values.
    pub fn lone_recipient(&self) -> Option<&Recipient> {
        lone_recipient(&self.recipients, self.needed)
    }
}

impl Sops {
    /// Looks at a document without opening it; needs no key.
    pub fn look(path: &Path, format: Format, bytes: &[u8]) -> Result<Look, Error> {
        let text = text_of(path, bytes)?;
        let parsed = format.parse(&text).map_err(|p| syntax(path, &text, p))?;
        let meta = Meta(parsed.meta.clone().ok_or_else(|| Error::NotEncrypted(path.to_owned()))?);
        let refuse = |why| Error::Metadata { path: path.to_owned(), why };
        meta.check().map_err(refuse)?;
        let selector = format.selector(&meta.selector().map_err(refuse)?);
        let recipients = meta.groups().iter().map(|group| group.iter().map(Recipient::from_entry).collect()).collect();
        let dates = meta.dates();
        let mut look = Look { recipients, needed: meta.threshold(), dates, values: 0, sealed: 0, plain: Vec::new(), stray: Vec::new() };
        for spot in walk(&parsed, &selector).into_iter().filter(|spot| !spot.is_comment && !spot.leaf.value.is_bare()) {
            look.values += 1;
            let sealed = spot.leaf.value.as_str().is_some_and(|content| Sealed::parse(content).is_ok());
            match (spot.selected, sealed) {
                (true, true) => look.sealed += 1,
                (true, false) => look.plain.push((spot.line(&text), spot.path)),
                (false, true) => look.stray.push((spot.line(&text), spot.path)),
                (false, false) => {}
            }
        }
        if meta.mac().is_none() {
            return Err(Error::Mac { path: path.to_owned(), why: "the MAC is missing, so nothing protects it against changes".to_owned() });
        }
        Ok(look)
    }
}
