//! Where something stands in a text of manifests, more exactly than by the value that it is in.

use kubestead_core::diagnostic::Place;

use crate::file::{Yaml, YamlKind};

/// A text by its lines.
pub(super) struct Source<'a> {
    lines: Vec<&'a str>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { lines: text.lines().collect() }
    }

    /// Where a variable is named in a value that begins at a place. It is the value's own place where the text has it in another form, such as base64.
    pub(super) fn variable(&self, name: &str, value: &str, place: &Place) -> Place {
        let word = format!("{}{{{name}}}", '$');
        let names = |line: &str| {
            let mut hits = line.match_indices(&word);
            hits.find(|(at, _)| !line[..*at].ends_with('$')).map(|(at, _)| at)
        };
        let Some(line) = value.lines().find(|line| names(line).is_some()) else { return place.clone() };
        let begin = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut below = self.lines.iter().enumerate().skip(begin);
        let hit =
            below.find_map(|(at, text)| names(text).map(|column| (at, column, *text))).filter(|(.., text)| text.contains(line.trim()));
        match hit {
            Some((at, column, text)) => {
                let column = text[..column].chars().count() as u64 + 1;
                Place { line: at as u64 + 1, column, ..place.clone() }
            }
            None => place.clone(),
        }
    }
}

/// An object as it is written.
pub(super) struct Written {
    whole: Yaml,
}

impl Written {
    pub(super) fn new(place: Place, entries: Vec<(String, Place, Yaml)>) -> Self {
        Self { whole: Yaml { place, kind: YamlKind::Map(entries) } }
    }

    /// Where a value stands that a pointer leads to (RFC 6901), or the last part of the way to it that is written.
    pub(super) fn at(&self, pointer: &str) -> &Place {
        let mut node = &self.whole;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                YamlKind::Map(entries) => entries.iter().find(|(key, ..)| *key == part).map(|(.., value)| value),
                YamlKind::List(items) => part.parse::<usize>().ok().and_then(|at| items.get(at)),
                YamlKind::Scalar { .. } => None,
            };
            let Some(next) = next else { break };
            node = next;
        }
        &node.place
    }
}

/// A part of a pointer.
pub(super) fn part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::documents;

    fn place(line: u64, column: u64) -> Place {
        Place { file: "m.yaml".into(), line, column }
    }

    #[test]
    fn a_variable_is_found_in_the_lines_of_a_text_and_a_field_by_its_pointer() {
        let text = "data:\n  run.sh: |\n    echo $${ONE}\n    echo ä ${ONE}\n    echo ${TWO}\n  a/b: [x, {c: 1}]\n";
        let source = Source::new(text);
        let value = "echo $${ONE}\necho ä ${ONE}\necho ${TWO}\n";
        assert_eq!(source.variable("ONE", value, &place(2, 11)), place(4, 12));
        assert_eq!(source.variable("TWO", value, &place(2, 11)), place(5, 10));
        assert_eq!(source.variable("TWO", "decoded ${TWO} of base64", &place(2, 11)), place(2, 11));
        let YamlKind::Map(entries) = documents("m.yaml", text).0.remove(0).kind else { panic!() };
        let written = Written::new(place(1, 1), entries);
        for (pointer, line, column) in [("/data/a~1b/1/c", 6, 16), ("/data/a~1b/1/d", 6, 12), ("/data/a~1b/7", 6, 8), ("/spec", 1, 1)] {
            assert_eq!(written.at(pointer), &place(line, column), "{pointer}");
        }
    }
}
