//! The proof after a write: what a text says now is what it shall say, as a whole tree. It holds the paths, which are lists, mappings and
//! empty ones, the order, kinds and values, tags, comments, and for what was not touched the bytes that stand in the text. Nothing is
//! saved that has not passed it.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::contents::Opened;
use super::format::Format;
use super::path::{KeyPath, Step};
use super::tree::{Container, Item, Leaf, Parsed, Span, Spot, Tree};
use super::value::{Kind, Value};

/// What a file says, without its metadata.
pub(crate) struct Said {
    documents: Vec<Node>,
    /// The comments in the order of the text.
    comments: Vec<Remark>,
}

/// A comment.
pub(crate) struct Remark {
    /// Where it stands in the text.
    at: usize,
    pub(crate) value: Value,
    /// sops is to be able to decrypt it. Not so where sops itself wrote one that it cannot.
    pub(crate) in_place: bool,
}

enum Node {
    Leaf(Told),
    List(Option<Arc<str>>, Vec<Node>),
    Map(Option<Arc<str>>, Vec<(String, Node)>),
}

/// A single value.
struct Told {
    value: Value,
    /// Only one that cannot be told from the kind of the value.
    tag: Option<Arc<str>>,
    /// That tag stays before another text.
    tag_stays: bool,
    alias: bool,
    /// How it is written. None where a rewrite may choose that.
    written: Option<String>,
}

/// How much of the text is to stay as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Every value and ciphertext.
    All,
    /// The values that are not encrypted: all others are encrypted anew.
    Clear,
}

impl Said {
    /// What an opened text says. `opened` are all its values and comments in the order of the walk.
    pub(crate) fn new(text: &str, parsed: &Parsed, opened: &[Opened], bytes: Bytes) -> Result<Self, String> {
        Self::read(text, parsed, &mut opened.iter().map(|open| Met::new(&open.spot, &open.value, open.in_place)), bytes)
    }

    /// What a plain text says: its values, which of them the rules want encrypted, and comments, in the order of the walk.
    pub(crate) fn plain(text: &str, parsed: &Parsed, spots: &[Spot]) -> Result<Self, String> {
        Self::read(text, parsed, &mut spots.iter().map(|spot| Met::new(spot, &spot.leaf.value, true)), Bytes::Clear)
    }

    fn read(text: &str, parsed: &Parsed, met: &mut dyn Iterator<Item = Met<'_>>, bytes: Bytes) -> Result<Self, String> {
        let mut reader = Reader { text, met, bytes, comments: Vec::new() };
        let documents = parsed.documents.iter().map(|document| reader.container(document)).collect::<Result<_, _>>()?;
        if reader.met.next().is_some() {
            return Err(UNALIGNED.to_owned());
        }
        let mut comments = reader.comments;
        comments.sort_by_key(|remark| remark.at);
        Ok(Self { documents, comments })
    }

    /// The comments in the order of the text.
    pub(crate) fn comments(&self) -> &[Remark] {
        &self.comments
    }

    /// Sets a value where one stands, or makes one, with the mappings and lists on the way.
    pub(crate) fn set(&mut self, path: &KeyPath, value: &Value, format: Format) -> Result<(), String> {
        let told = Told { value: value.clone(), tag: None, tag_stays: false, alias: false, written: None };
        let root = self.documents.get_mut(path.document()).ok_or("the file has fewer documents")?;
        set(root, path.steps(), told)?;
        // Keys of INI's section without a header stand before all headers, whenever they were made.
        if let (Format::Ini, Node::Map(_, sections)) = (format, root)
            && let Some(place) = sections.iter().position(|(name, _)| name == "DEFAULT")
        {
            sections[..=place].rotate_right(1);
        }
        Ok(())
    }

    /// Takes out what stands at a path, and the comments within a piece of the text.
    pub(crate) fn unset(&mut self, path: &KeyPath, piece: &Span) -> Result<(), String> {
        let root = self.documents.get_mut(path.document()).ok_or("the file has fewer documents")?;
        unset(root, path.steps())?;
        self.comments.retain(|remark| !piece.contains(&remark.at));
        Ok(())
    }

    /// Whether a text that was written says the same. The error names the first place where it does not.
    pub(crate) fn holds_in(&self, found: &Self) -> Result<(), String> {
        if self.documents.len() != found.documents.len() {
            return Err(format!("{} documents became {}", self.documents.len(), found.documents.len()));
        }
        for (number, (a, b)) in self.documents.iter().zip(&found.documents).enumerate() {
            let mut trail = Vec::new();
            if let Err(why) = compare(a, b, &mut trail) {
                let path = trail.into_iter().fold(KeyPath::default().in_document(number), |path, step| match step {
                    Step::Key(key) => path.key(key),
                    Step::Index(index) => path.index(index),
                });
                return Err(if path.steps().is_empty() { why } else { format!("{path}: {why}") });
            }
        }
        let same = self.comments.iter().zip(&found.comments).all(|(a, b)| a.value.same(&b.value));
        if self.comments.len() != found.comments.len() || !same {
            return Err("a comment differs, or is in another place".to_owned());
        }
        Ok(())
    }
}

const UNALIGNED: &str = "the values of the tree are not those of the walk";

/// What the walk meets.
struct Met<'a> {
    value: &'a Value,
    selected: bool,
    is_comment: bool,
    in_place: bool,
    leaf: &'a Leaf,
}

impl<'a> Met<'a> {
    fn new(spot: &'a Spot, value: &'a Value, in_place: bool) -> Self {
        Self { value, selected: spot.selected, is_comment: spot.is_comment, in_place, leaf: &spot.leaf }
    }
}

struct Reader<'r, 'a> {
    text: &'r str,
    met: &'r mut dyn Iterator<Item = Met<'a>>,
    bytes: Bytes,
    comments: Vec<Remark>,
}

impl Reader<'_, '_> {
    fn container(&mut self, container: &Container) -> Result<Node, String> {
        let (mut keys, mut nodes) = (Vec::new(), Vec::new());
        for item in &container.items {
            match item {
                Item::Comment(_) => self.comment()?,
                Item::Child(child) if child.is_comment_element(container.list) => self.comment()?,
                Item::Child(child) => {
                    let node = match &child.node {
                        Tree::Container(inner) => self.container(inner)?,
                        Tree::Leaf(leaf) => Node::Leaf(self.leaf(leaf)?),
                    };
                    keys.push(child.key.clone());
                    nodes.push(node);
                }
            }
        }
        let tag = container.tag.clone();
        Ok(if container.list { Node::List(tag, nodes) } else { Node::Map(tag, keys.into_iter().zip(nodes).collect()) })
    }

    fn comment(&mut self) -> Result<(), String> {
        match self.met.next() {
            Some(Met { value, is_comment: true, in_place, leaf, .. }) => {
                self.comments.push(Remark { at: leaf.span.start, value: value.clone(), in_place: in_place || self.bytes == Bytes::Clear });
                Ok(())
            }
            Some(_) | None => Err(UNALIGNED.to_owned()),
        }
    }

    fn leaf(&mut self, leaf: &Leaf) -> Result<Told, String> {
        let Some(Met { value, selected, is_comment: false, leaf: met, .. }) = self.met.next() else {
            return Err(UNALIGNED.to_owned());
        };
        if met.span != leaf.span {
            return Err(UNALIGNED.to_owned());
        }
        let sealed = selected && !value.is_bare();
        // Of an encrypted value the ciphertext tells the kind; so only a tag that makes no difference to it is left there.
        let tag = leaf.tag.as_ref().filter(|tag| !sealed || tag.is_text && value.as_str().is_some()).map(|tag| tag.name.clone());
        let piece = |span: &Span| self.text.get(span.clone()).unwrap_or_default().to_owned();
        let stays = !leaf.alias && (self.bytes == Bytes::All || !sealed);
        let written = stays.then(|| leaf.rest.as_ref().map(&piece).into_iter().fold(piece(&leaf.span), |all, rest| all + &rest));
        let tag_stays = leaf.tag.as_ref().is_some_and(|tag| tag.is_text);
        Ok(Told { value: value.clone(), tag, tag_stays, alias: leaf.alias, written })
    }
}

fn set(node: &mut Node, steps: &[Step], told: Told) -> Result<(), String> {
    match (node, steps) {
        (Node::Leaf(old), []) => {
            // A text keeps the tag that stands before it.
            let keeps = told.value.kind() == Kind::Text && told.value.as_str().is_some();
            let tag = old.tag.take().filter(|_| keeps && old.tag_stays);
            *old = Told { tag, ..told };
            Ok(())
        }
        (Node::Map(_, entries), [Step::Key(key), rest @ ..]) => {
            if let Some((_, below)) = entries.iter_mut().find(|(known, _)| known == key) {
                return set(below, rest, told);
            }
            entries.push((key.clone(), made(rest, told)));
            Ok(())
        }
        (Node::List(_, nodes), [Step::Index(index), rest @ ..]) => {
            let length = nodes.len();
            match nodes.get_mut(*index) {
                Some(below) => set(below, rest, told),
                None if *index == length => {
                    nodes.push(made(rest, told));
                    Ok(())
                }
                None => Err("there is no element with this index".to_owned()),
            }
        }
        _ => Err("there is no such place".to_owned()),
    }
}

fn made(steps: &[Step], told: Told) -> Node {
    match steps {
        [] => Node::Leaf(told),
        [Step::Key(key), rest @ ..] => Node::Map(None, vec![(key.clone(), made(rest, told))]),
        [Step::Index(_), rest @ ..] => Node::List(None, vec![made(rest, told)]),
    }
}

fn unset(node: &mut Node, steps: &[Step]) -> Result<(), String> {
    let gone = || "there is no such place".to_owned();
    let (step, rest) = steps.split_first().ok_or_else(gone)?;
    match (node, step) {
        (Node::Map(_, entries), Step::Key(key)) => {
            let place = entries.iter().position(|(known, _)| known == key).ok_or_else(gone)?;
            if rest.is_empty() {
                entries.remove(place);
                return Ok(());
            }
            unset(&mut entries[place].1, rest)
        }
        (Node::List(_, nodes), Step::Index(index)) if *index < nodes.len() => {
            if rest.is_empty() {
                nodes.remove(*index);
                return Ok(());
            }
            unset(&mut nodes[*index], rest)
        }
        _ => Err(gone()),
    }
}

/// The trail is that to the difference.
fn compare(a: &Node, b: &Node, trail: &mut Vec<Step>) -> Result<(), String> {
    match (a, b) {
        (Node::Leaf(a), Node::Leaf(b)) => leaves(a, b),
        (Node::List(a_tag, a), Node::List(b_tag, b)) => {
            tags(a_tag.as_ref(), b_tag.as_ref())?;
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                trail.push(Step::Index(index));
                compare(a, b, trail)?;
                trail.pop();
            }
            if a.len() == b.len() { Ok(()) } else { Err(format!("a list of {} became one of {}", a.len(), b.len())) }
        }
        (Node::Map(a_tag, a), Node::Map(b_tag, b)) => {
            tags(a_tag.as_ref(), b_tag.as_ref())?;
            for ((a_key, a), (b_key, b)) in a.iter().zip(b) {
                if a_key != b_key {
                    return Err(format!("the key {b_key:?} stands where {a_key:?} is to be"));
                }
                trail.push(Step::Key(a_key.clone()));
                compare(a, b, trail)?;
                trail.pop();
            }
            if a.len() == b.len() { Ok(()) } else { Err(format!("a mapping of {} became one of {}", a.len(), b.len())) }
        }
        _ => Err(format!("{} became {}", word(a), word(b))),
    }
}

fn word(node: &Node) -> &'static str {
    match node {
        Node::Leaf(_) => "a single value",
        Node::List(..) => "a list",
        Node::Map(..) => "a mapping",
    }
}

fn tags(a: Option<&Arc<str>>, b: Option<&Arc<str>>) -> Result<(), String> {
    if a == b { Ok(()) } else { Err("its tag differs".to_owned()) }
}

fn leaves(a: &Told, b: &Told) -> Result<(), String> {
    tags(a.tag.as_ref(), b.tag.as_ref())?;
    // sops makes texts of the bytes that old versions of it wrote.
    let kind = |told: &Told| if told.value.kind() == Kind::Bytes { Kind::Text } else { told.value.kind() };
    if kind(a) != kind(b) {
        return Err(format!("a {} became a {}", a.value.kind().word(), b.value.kind().word()));
    }
    if !bool::from(a.value.bytes().expose().ct_eq(b.value.bytes().expose())) {
        return Err("the value differs".to_owned());
    }
    if a.alias != b.alias {
        return Err("an alias became a value, or a value an alias".to_owned());
    }
    match (&a.written, &b.written) {
        (Some(a), Some(b)) if !bool::from(a.as_bytes().ct_eq(b.as_bytes())) => {
            Err("it is written in another way than before, and nobody asked for that".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sops::format::Format;
    use crate::sops::select::Selector;
    use crate::sops::tree::walk;

    fn said(format: Format, text: &str) -> Said {
        let parsed = format.parse(text).unwrap();
        // Nothing is selected, so all of the text is to stay.
        let spots = walk(&parsed, &Selector::EncryptedSuffix("_none".to_owned()));
        Said::plain(text, &parsed, &spots).unwrap()
    }

    #[test]
    fn texts_with_the_same_values_in_a_row_are_told_apart() {
        let cases = [
            ("k: [[b]]\n", "k: [b]\n", "[\"k\"][0]: a list became a single value"),
            ("k: [[], b]\n", "k: [b]\n", "[\"k\"][0]: a list became a single value"),
            ("k: [a, b]\n", "k: [a, b, {}]\n", "[\"k\"]: a list of 2 became one of 3"),
            ("k: {}\n", "k: []\n", "[\"k\"]: a mapping became a list"),
            ("k: {}\n", "k:\n", "[\"k\"]: a mapping became a single value"),
            ("a: {b: 1}\nc: 2\n", "a: {b: 1, c: 2}\n", "[\"a\"]: a mapping of 1 became one of 2"),
            ("a: 1\nb: 1\n", "b: 1\na: 1\n", "the key \"b\" stands where \"a\" is to be"),
            ("a: 1\n", "a: \"1\"\n", "[\"a\"]: a int became a str"),
            ("a: x\n", "a: y\n", "[\"a\"]: the value differs"),
            ("a: x\n", "a: 'x'\n", "[\"a\"]: it is written in another way than before, and nobody asked for that"),
            ("a: !t x\n", "a: x\n", "[\"a\"]: its tag differs"),
            ("a: !t [x]\n", "a: [x]\n", "[\"a\"]: its tag differs"),
            ("a: !!set {x}\n", "a: {x}\n", "[\"a\"]: its tag differs"),
            ("a: &x 1\nb: *x\n", "a: &x 1\nb: 1\n", "[\"b\"]: an alias became a value, or a value an alias"),
            ("# c\na: 1\n", "a: 1\n", "a comment differs, or is in another place"),
            ("a: 1\n# c\n# d\n", "a: 1\n# d\n# c\n", "a comment differs, or is in another place"),
            ("a: 1\n---\nb: 1\n", "a: 1\n", "2 documents became 1"),
            ("a: 1\n---\nb: 1\n", "a: 1\n---\nb: 2\n", "document 2: [\"b\"]: the value differs"),
        ];
        for (a, b, why) in cases {
            assert_eq!(said(Format::Yaml, a).holds_in(&said(Format::Yaml, b)).unwrap_err(), why, "{a}{b}");
            said(Format::Yaml, a).holds_in(&said(Format::Yaml, a)).unwrap();
        }
        let differ = |format, a, b| said(format, a).holds_in(&said(format, b)).unwrap_err();
        assert_eq!(differ(Format::Json, "{\"k\": [[1]]}", "{\"k\": [1]}"), "[\"k\"][0]: a list became a single value");
        assert_eq!(differ(Format::Ini, "[a]\nk = 1\n[b]\n", "[a]\n[b]\nk = 1\n"), "[\"a\"]: a mapping of 1 became one of 0");
        assert_eq!(differ(Format::Dotenv, "A=1\nB=2\n", "A=1\nC=2\n"), "the key \"C\" stands where \"B\" is to be");
    }

    #[test]
    fn a_change_is_the_one_that_was_meant() {
        let path = |text: &str| text.parse::<KeyPath>().unwrap();
        let mut wanted = said(Format::Yaml, "a:\n  - [x]\n# c\n");
        wanted.set(&path("[\"a\"][0][1]"), &Value::int(7), Format::Yaml).unwrap();
        wanted.set(&path("[\"b\"][\"c\"][0]"), &Value::text("z"), Format::Yaml).unwrap();
        wanted.holds_in(&said(Format::Yaml, "a:\n  - [x, 7]\n# c\nb: {c: [z]}\n")).unwrap();
        assert!(wanted.holds_in(&said(Format::Yaml, "a:\n  - [x]\n  - 7\n# c\nb: {c: [z]}\n")).is_err());
        wanted.unset(&path("[\"a\"][0][0]"), &(0..0)).unwrap();
        wanted.unset(&path("[\"b\"][\"c\"]"), &(0..0)).unwrap();
        wanted.holds_in(&said(Format::Yaml, "a:\n  - [7]\n# c\nb: {}\n")).unwrap();
        assert!(
            wanted.set(&path("[\"a\"][\"k\"]"), &Value::null(), Format::Yaml).is_err() && wanted.unset(&path("[\"n\"]"), &(0..0)).is_err()
        );
    }
}
