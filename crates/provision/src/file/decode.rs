//! Values out of the tree. Every mistake becomes a diagnostic and decoding goes on, so that all are told at once.

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;
use kubestead_core::size::Bytes;

use super::findings::{At, Findings};
use super::tree::{Kind, Node};

/// The fields of a map, taken one by one; what is left over is unknown.
pub(super) struct Fields {
    place: Place,
    what: String,
    entries: Vec<(String, Place, Node)>,
    known: Vec<&'static str>,
}

impl Fields {
    pub(super) fn of(node: Node, what: &str, out: &mut Findings) -> Self {
        let Node { place, kind } = node;
        let entries = match kind {
            Kind::Map(entries) => entries,
            other => {
                out.error(&place, format!("{what} must be a map, and this is {}", other.word()), None);
                Vec::new()
            }
        };
        Self { place, what: what.to_owned(), entries, known: Vec::new() }
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        let index = self.entries.iter().position(|(k, ..)| k == key)?;
        Some(self.entries.remove(index).2)
    }

    pub(super) fn required(&mut self, key: &'static str, out: &mut Findings) -> Option<Node> {
        let node = self.take(key);
        if node.is_none() {
            out.error(&self.place, format!("{} needs {key:?}", self.what), None);
        }
        node
    }

    /// A field of the past: refused with what to write instead.
    pub(super) fn gone(&mut self, key: &str, hint: &str, out: &mut Findings) {
        if let Some(index) = self.entries.iter().position(|(k, ..)| k == key) {
            let (key, place, _) = self.entries.remove(index);
            out.error(&place, format!("{} has no field {key:?} any more", self.what), hint.to_owned());
        }
    }

    /// Reports what nobody asked for.
    pub(super) fn end(self, out: &mut Findings) {
        for (index, (key, place, _)) in self.entries.into_iter().enumerate() {
            // Who mistyped did so a few times; another kind of file has other keys, and as many as it likes.
            let typo = key.len() <= 40 && index < 20;
            let near = self.known.iter().filter(|_| typo).min_by_key(|k| distance(k, &key)).filter(|k| distance(k, &key) <= 2);
            let hint = near.map_or_else(|| format!("known here: {}", self.known.join(", ")), |k| format!("did you mean {k:?}?"));
            out.error(&place, format!("{} has no field {key:?}", self.what), hint);
        }
    }
}

/// Edit distance, for hints.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (corner + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

/// What stands in a file for something that only its writer knows.
const OPEN: &str = "CHANGE-ME";

/// A single value as text.
pub(super) fn text(node: Node, what: &str, out: &mut Findings) -> Option<At<String>> {
    match node.kind {
        Kind::Scalar { text, .. } if text.contains(OPEN) => {
            let hint = "write yours in its place; `kubestead init ADDRESS...` finds out what it can by itself";
            out.error(&node.place, format!("{what} is to be filled in: {OPEN} stands for it"), hint.to_owned());
            None
        }
        Kind::Scalar { text, .. } if text.contains(char::is_control) => {
            // Values go into files and commands of the machines, where a line's end or a NUL would begin something else.
            out.error(
                &node.place,
                format!("{what}: {text:?} holds a control character"),
                "write it in one line of visible characters".to_owned(),
            );
            None
        }
        Kind::Scalar { text, plain } if !(plain && matches!(text.as_str(), "" | "~" | "null")) => {
            Some(At { value: text, place: node.place })
        }
        other => {
            out.error(&node.place, format!("{what} must be a string, and this is {}", other.word()), None);
            None
        }
    }
}

/// A value that is parsed from text.
pub(super) fn parsed<T, E: std::fmt::Display>(
    node: Node,
    what: &str,
    out: &mut Findings,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<At<T>> {
    let text = text(node, what, out)?;
    match parse(&text.value) {
        Ok(value) => Some(At { value, place: text.place }),
        Err(error) => {
            out.error(&text.place, format!("{what}: {error}"), None);
            None
        }
    }
}

/// What is wrong with a text, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String, pub(super) Option<String>);

/// A value that is made of text, with advice where it cannot be.
pub(super) fn judged<T>(node: Node, what: &str, out: &mut Findings, judge: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<At<T>> {
    let text = text(node, what, out)?;
    match judge(&text.value) {
        Ok(value) => Some(At { value, place: text.place }),
        Err(Wrong(message, hint)) => {
            out.error(&text.place, format!("{what}: {message}"), hint);
            None
        }
    }
}

pub(super) fn name(node: Node, what: &str, out: &mut Findings) -> Option<At<Name>> {
    parsed(node, what, out, |text| Name::new(text))
}

pub(super) fn size(node: Node, what: &str, out: &mut Findings) -> Option<At<Bytes>> {
    let at = parsed(node, what, out, str::parse::<Bytes>)?;
    if at.value.0 == 0 {
        out.error(&at.place, format!("{what} must be larger than 0"), None);
        return None;
    }
    Some(at)
}

/// A whole number, with `k` and `M` as powers of 1000 (inode counts are written so).
pub(super) fn count(node: Node, what: &str, out: &mut Findings) -> Option<At<u64>> {
    parsed(node, what, out, |text| match text.parse::<Bytes>() {
        Ok(bytes) if !text.contains(['i', 'B']) => Ok(bytes.0),
        _ => Err(format!("{text:?} is not a whole number")),
    })
}

pub(super) fn boolean(node: Node, what: &str, out: &mut Findings) -> Option<bool> {
    parsed(node, what, out, |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false")),
    })
    .map(|at| at.value)
}

pub(super) fn list(node: Node, what: &str, out: &mut Findings) -> Vec<Node> {
    match node.kind {
        Kind::List(items) => items,
        other => {
            out.error(&node.place, format!("{what} must be a list, and this is {}", other.word()), None);
            Vec::new()
        }
    }
}

pub(super) fn entries(node: Node, what: &str, out: &mut Findings) -> Vec<(String, Place, Node)> {
    match node.kind {
        Kind::Map(entries) => entries,
        other => {
            out.error(&node.place, format!("{what} must be a map, and this is {}", other.word()), None);
            Vec::new()
        }
    }
}

/// The name of a map's entry.
pub(super) fn key_name(key: &str, place: &Place, what: &str, out: &mut Findings) -> Option<Name> {
    Name::new(key).map_err(|error| out.error(place, format!("{what}: {error}"), None)).ok()
}

/// A number of digits alone, as every other tool reads it: no sign, no zero before others.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}
