//! Mistakes and warnings of a file, and values with the places that they point at.

use std::collections::BTreeMap;
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
        Items { items, broken: self.0[before..].iter().any(|d| d.severity == Severity::Error) }
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
