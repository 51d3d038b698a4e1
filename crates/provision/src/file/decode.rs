//! Values out of the tree. Every mistake becomes a diagnostic and decoding goes on, so that all are told at once.

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;
use kubestead_core::size::Bytes;

use super::findings::{At, Findings};
use super::tree::{Kind, Node};

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
