//! Mistakes and warnings of a file, and values with the places that they point at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};

/// A value with its place, for the rules that look across fields.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// Several values, and whether one was lost to a mistake: what follows from that alone is no further mistake.
#[derive(Debug)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
    pub(crate) broken: bool,
    /// What those are called in which a mistake was found. None if one may be called anything.
    pub(crate) wrong: Option<BTreeSet<String>>,
}

impl<T> Items<T> {
    /// Whether one that was lost may be called so.
    pub(super) fn may_have(&self, name: &str) -> bool {
        self.wrong.as_ref().is_none_or(|wrong| wrong.contains(name))
    }

    /// Adds what was lost where these come from.
    pub(super) fn lost_before<U>(mut self, before: &Items<U>) -> Self {
        self.broken |= before.broken;
        self.wrong = self.wrong.take().zip(before.wrong.clone()).map(|(mine, theirs)| mine.into_iter().chain(theirs).collect());
        self
    }
}

/// Collects findings.
#[derive(Default)]
pub(crate) struct Findings(Vec<Diagnostic>);

/// The longest message: what is quoted may be as long as the file.
const LONGEST: usize = 400;

/// The beginning of a text that is too long to be read.
fn short(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl Findings {
    pub(super) fn error(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.push(place, Severity::Error, message.into(), hint.into());
    }

    pub(super) fn warning(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.push(place, Severity::Warning, message.into(), hint.into());
    }

    fn push(&mut self, place: &Place, severity: Severity, message: String, hint: Option<String>) {
        self.0.push(Diagnostic { place: place.clone(), severity, message: short(message), hint: hint.map(short) });
    }

    /// Decodes several values, and notes whether that found a mistake.
    pub(super) fn items<T>(&mut self, decode: impl FnOnce(&mut Self) -> Vec<T>) -> Items<T> {
        let before = self.0.len();
        let items = decode(self);
        let broken = self.is_wrong_since(before);
        Items { items, broken, wrong: (!broken).then(BTreeSet::new) }
    }

    /// Decodes what is written under names, and notes those under which that found a mistake. None is the name of what has none.
    pub(super) fn named<W, T>(
        &mut self,
        written: impl IntoIterator<Item = (Option<String>, W)>,
        mut decode: impl FnMut(W, &mut Self) -> Vec<T>,
    ) -> Items<T> {
        let mut found = Items { items: Vec::new(), broken: false, wrong: Some(BTreeSet::new()) };
        for (name, value) in written {
            let before = self.0.len();
            found.items.extend(decode(value, self));
            if self.is_wrong_since(before) {
                found.broken = true;
                found.wrong = found.wrong.take().zip(name).map(|(mut wrong, name)| {
                    wrong.insert(name);
                    wrong
                });
            }
        }
        found
    }

    fn is_wrong_since(&self, before: usize) -> bool {
        self.0[before..].iter().any(|d| d.severity == Severity::Error)
    }

    /// Refuses a value that is there already.
    pub(super) fn twice<'a, T: Ord + Display + 'a>(&mut self, found: impl Iterator<Item = (&'a T, &'a Place)>, message: &str) {
        let mut seen: BTreeMap<&T, u64> = BTreeMap::new();
        for (value, place) in found {
            if let Some(line) = seen.get(value) {
                self.error(place, format!("{message} {value} (first in line {line})"), "give each its own".to_owned());
            } else {
                seen.insert(value, place.line);
            }
        }
    }

    /// All of them, in the order of the file; of one place the errors first, as they were found.
    pub(super) fn sorted(mut self) -> Vec<Diagnostic> {
        self.0.sort_by(|a, b| (&a.place, a.severity).cmp(&(&b.place, b.severity)));
        self.0
    }
}
