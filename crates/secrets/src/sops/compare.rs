//! What differs between two versions of a document, and a view of it in which values cannot be read.

use std::collections::BTreeMap;

use super::contents;
use super::document::{Document, syntax, value_error};
use super::error::Error;
use super::path::KeyPath;
use super::tree::splice;
use super::value::Value;

/// How a value differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// It is there only in the newer document.
    Added,
    /// It is there only in the older document.
    Removed,
    /// It is another.
    Changed,
}

/// A value that differs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Difference {
    /// Where it stands.
    pub path: KeyPath,
    /// How it differs.
    pub how: Differs,
    /// What it was.
    pub old: Option<Value>,
    /// What it is.
    pub new: Option<Value>,
}

/// The values that differ, in the order of the newer document; what was taken out comes last. Comments and layout do not count.
pub fn differences(older: Option<&Document>, newer: Option<&Document>) -> Vec<Difference> {
    let mut old: BTreeMap<&KeyPath, &Value> = older.into_iter().flat_map(Document::values).collect();
    let mut found = Vec::new();
    for (path, value) in newer.into_iter().flat_map(Document::values) {
        let before = old.remove(path);
        if before.is_some_and(|before| before.same(value)) {
            continue;
        }
        let how = if before.is_some() { Differs::Changed } else { Differs::Added };
        found.push(Difference { path: path.clone(), how, old: before.cloned(), new: Some(value.clone()) });
    }
    let gone = older.into_iter().flat_map(Document::values).filter(|(path, _)| old.contains_key(path));
    found.extend(gone.map(|(path, value)| Difference { path: path.clone(), how: Differs::Removed, old: Some(value.clone()), new: None }));
    found
}

impl Document {
    /// All values with their paths, in the order of the file.
    pub fn values(&self) -> impl Iterator<Item = (&KeyPath, &Value)> {
        self.opened.iter().filter(|opened| !opened.spot.is_comment).map(|opened| (&opened.spot.path, &opened.value))
    }

    /// The comments, decrypted, each with the path of what it stands in.
    pub fn comments(&self) -> impl Iterator<Item = (&KeyPath, &Value)> {
        self.opened.iter().filter(|opened| opened.spot.is_comment).map(|opened| (&opened.spot.path, &opened.value))
    }

    /// The paths of the values that are encrypted, in the order of the file.
    pub fn sealed_paths(&self) -> impl Iterator<Item = &KeyPath> {
        self.opened.iter().filter(|opened| !opened.spot.is_comment && opened.was_sealed).map(|opened| &opened.spot.path)
    }

    /// The document without metadata, with a word in the place of each value that is encrypted. Encrypted comments are decrypted.
    pub fn masked(&self, mask: &dyn Fn(&KeyPath, &Value) -> String) -> Result<String, Error> {
        let mut edits: Vec<_> = self.parsed.meta_regions.iter().map(|region| (region.clone(), String::new())).collect();
        for opened in self.opened.iter().filter(|opened| opened.was_sealed && !opened.spot.leaf.alias) {
            if opened.spot.is_comment {
                let written = contents::replace(self.format, &self.text, &opened.spot, &opened.value, &opened.value);
                let line = opened.spot.line(&self.text);
                let failure = |why| contents::Failure { line, at: opened.spot.path.clone(), why };
                edits.extend(written.map_err(|why| value_error(&self.path, failure(why)))?);
            } else {
                edits.push((opened.spot.leaf.span.clone(), mask(&opened.spot.path, &opened.value)));
            }
        }
        splice(&self.text, edits).map_err(|p| syntax(&self.path, &self.text, p))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kubestead_core::secret::Secret;

    use super::*;
    use crate::sops::{Identities, Policy, Sops};

    fn document(plain: &str) -> Document {
        let recipient = age::x25519::Identity::generate();
        let policy = Policy::age([recipient.to_public().to_string()]);
        Sops::encrypt_new(Path::new("a.yaml"), &Secret::new(plain.as_bytes().to_vec()), &policy, &Identities::new()).unwrap()
    }

    #[test]
    fn values_that_differ_are_named() {
        let (old, new) = (document("a: 1\nb: 2\nl: [x]\n"), document("# note\na: 1\nl: [x, y]\nb: '2'\n"));
        let found: Vec<_> = differences(Some(&old), Some(&new)).into_iter().map(|d| (d.path.to_string(), d.how)).collect();
        assert_eq!(found, [("[\"l\"][1]".to_owned(), Differs::Added), ("[\"b\"]".to_owned(), Differs::Changed)]);
        let found = differences(Some(&new), None);
        assert!(found.len() == 4 && found.iter().all(|d| d.how == Differs::Removed && d.new.is_none()));
        assert!(differences(Some(&old), Some(&document("b: 2\nl:\n- x\na: 1\n"))).is_empty());
    }

    #[test]
    fn a_masked_document_shows_no_value_and_keeps_its_layout() {
        let shown = document("# why\na: hunter2 # here\nb_unencrypted: seen\n").masked(&|path, _| format!("<{path}>")).unwrap();
        assert_eq!(shown, "# why\na: <[\"a\"]> # here\nb_unencrypted: seen\n");
    }
}
