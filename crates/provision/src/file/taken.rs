//! The entries of a map, held against the fields that it may have.

use super::findings::Findings;
use super::shape::{Need, Shape};
use super::tree::{Kind, Node};

/// The known fields of a map, to be taken by their names.
pub(super) struct Taken(Vec<(String, Node)>);

impl Taken {
    /// Reports what is unknown and what is missing.
    pub(super) fn of(node: Node, what: &str, shape: &Shape, out: &mut Findings) -> Self {
        let Node { place, kind } = node;
        let entries = match kind {
            Kind::Map(entries) => entries,
            other => {
                out.error(&place, format!("{what} must be a map, and this is {}", other.word()), None);
                Vec::new()
            }
        };
        let (mut known, mut unknown) = (Vec::new(), 0);
        for (key, place, value) in entries {
            if shape.fields.iter().any(|field| field.name == key) {
                known.push((key, value));
            } else if let Some((_, instead)) = shape.gone.iter().find(|(gone, _)| *gone == key) {
                out.error(&place, format!("{what} has no field {key:?} any more"), (*instead).to_owned());
            } else {
                out.error(&place, format!("{what} has no field {key:?}"), hint(shape, &key, unknown));
                unknown += 1;
            }
        }
        for field in shape.fields.iter().filter(|field| matches!(field.need, Need::Required)) {
            if !known.iter().any(|(key, _)| key == field.name) {
                out.error(&place, format!("{what} needs {:?}", field.name), None);
            }
        }
        Self(known)
    }

    /// A field. `None` if it is not written.
    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let index = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(index).1)
    }
}

/// What an unknown field may have been meant to be. Who mistyped did so a few times; another kind of file has other keys, and as many as it likes.
fn hint(shape: &Shape, key: &str, before: usize) -> String {
    let names = || shape.fields.iter().map(|field| field.name);
    let typo = key.len() <= 40 && before < 20;
    let near = names().filter(|_| typo).min_by_key(|name| distance(name, key)).filter(|name| distance(name, key) <= 2);
    near.map_or_else(|| format!("known here: {}", names().collect::<Vec<_>>().join(", ")), |name| format!("did you mean {name:?}?"))
}

/// Edit distance.
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
