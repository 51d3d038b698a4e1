//! The tree that all formats are read into. It knows where in the text each value stands; the text stays the master copy, and only
//! pieces of it are ever replaced. So everything that is not meant stays as it is: order, comments, blank lines, quotes, anchors.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::cipher::Sealed;
use super::meta::Node;
use super::path::{KeyPath, Step};
use super::select::Selector;
use super::value::{Kind, Value};

/// A place in a text.
pub(crate) type Span = Range<usize>;

/// Something in the text that cannot be, and where (a byte offset).
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) at: usize,
    pub(crate) why: String,
}

impl Problem {
    pub(crate) fn new(at: usize, why: impl Into<String>) -> Self {
        Self { at, why: why.into() }
    }
}

/// A scalar or a comment.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) value: Value,
    /// What is replaced when the value changes. Empty where nothing is written (`key:`).
    pub(crate) span: Span,
    /// The rest of it, behind a comment in the header line of a YAML block. It goes when the value changes.
    pub(crate) rest: Option<Span>,
    /// A YAML tag before it.
    pub(crate) tag: Option<Tag>,
    /// It is reached through a YAML alias: the text at `span` stands elsewhere.
    pub(crate) alias: bool,
    /// It stands in a bracketed container.
    pub(crate) flow: bool,
    /// The column of its key or dash.
    pub(crate) indent: usize,
    /// Of a comment: where sops sees it.
    pub(crate) sight: Sight,
    /// Where its ciphertext stands, when `value` is left empty to save the copy: see [`Leaf::lean`].
    pub(crate) sealed: Option<Span>,
}

/// Where sops sees a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Where it stands.
    Once,
    /// There, and where an alias repeats it.
    Repeated,
    /// Nowhere.
    Never,
}

/// What a comment stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    Mapping,
    /// A list in brackets.
    Brackets,
    /// A list with dashes in this column.
    Dashes(usize),
}

/// A YAML tag.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    /// With the blanks after it.
    pub(crate) span: Span,
    /// In full, such as `tag:yaml.org,2002:int`.
    pub(crate) name: Arc<str>,
    /// It makes a text of whatever follows. So it may stand before a ciphertext, and stays; any other goes, because the ciphertext says
    /// of which kind the value is.
    pub(crate) is_text: bool,
}

/// One for all: a file may have very many leaves.
static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::text(""));

/// Shorter ciphertexts are copied; the MAC is one of them.
const LEAN_FROM: usize = 512;

impl Leaf {
    pub(crate) fn new(value: Value, span: Span) -> Self {
        Self { value, span, rest: None, tag: None, alias: false, flow: false, indent: 0, sight: Sight::Once, sealed: None }
    }

    /// A leaf whose long ciphertext is not copied; `None` if it is none. Only for readers that ask for it, as `value` is empty then.
    pub(crate) fn lean(content: &str, at: Span, span: Span) -> Option<Self> {
        let fits = content.len() >= LEAN_FROM && Sealed::parse(content).is_ok() && !Sealed::is_comment(content);
        fits.then(|| Self { sealed: Some(at), ..Self::new(EMPTY.clone(), span) })
    }

    /// The end of all that is written for it.
    pub(crate) fn end(&self) -> usize {
        self.rest.as_ref().map_or(self.span.end, |rest| rest.end)
    }

    fn is_comment_element(&self) -> bool {
        self.value.kind() == Kind::Text && self.value.as_str().is_some_and(Sealed::is_comment)
    }
}

/// A mapping or a list.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) list: bool,
    /// In brackets, as opposed to indented YAML.
    pub(crate) flow: bool,
    /// The column of its keys or dashes.
    pub(crate) indent: usize,
    pub(crate) span: Span,
    /// The full name of its YAML tag.
    pub(crate) tag: Option<Arc<str>>,
    pub(crate) items: Vec<Item>,
}

/// What stands in a container.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Comment(Leaf),
    Child(Child),
}

/// A value in a container.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    /// Empty in a list.
    pub(crate) key: String,
    /// From the first byte of the key, the dash, or of the value in a bracketed list, to the last byte of the value.
    pub(crate) span: Span,
    pub(crate) node: Tree,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Leaf(Leaf),
    Container(Container),
}

impl Container {
    pub(crate) fn children(&self) -> impl Iterator<Item = &Child> {
        self.items.iter().filter_map(|item| match item {
            Item::Child(child) if !child.is_comment_element(self.list) => Some(child),
            Item::Child(_) | Item::Comment(_) => None,
        })
    }

    /// An error at a key that is there twice.
    pub(crate) fn unique(&self) -> Result<(), Problem> {
        if self.list {
            return Ok(());
        }
        // Sorted, because comparing each with each takes minutes in a large file.
        let mut keys: Vec<(&str, usize)> = self.children().map(|child| (child.key.as_str(), child.span.start)).collect();
        keys.sort_unstable();
        let twice = keys.windows(2).filter(|pair| pair[0].0 == pair[1].0).min_by_key(|pair| pair[1].1);
        twice.map_or(Ok(()), |pair| Err(Problem::new(pair[1].1, format!("the key {:?} is there twice", pair[1].0))))
    }

    /// The child that a step leads to.
    pub(crate) fn child(&self, step: &Step) -> Option<&Child> {
        match step {
            Step::Key(key) => self.children().find(|child| !self.list && child.key == *key),
            Step::Index(index) => self.children().nth(*index).filter(|_| self.list),
        }
    }

    /// What stands at a path; the container itself for no steps.
    pub(crate) fn at<'a>(&'a self, steps: &[Step]) -> Option<Found<'a>> {
        let Some((first, rest)) = steps.split_first() else { return Some(Found::Container(self)) };
        let child = self.child(first)?;
        match &child.node {
            Tree::Container(inner) => inner.at(rest),
            Tree::Leaf(leaf) => rest.is_empty().then_some(Found::Leaf(leaf)),
        }
    }

    /// As metadata.
    pub(crate) fn to_node(&self) -> Node {
        let node = |child: &Child| match &child.node {
            Tree::Container(inner) => inner.to_node(),
            Tree::Leaf(leaf) => Node::from_value(&leaf.value),
        };
        if self.list {
            Node::List(self.children().map(node).collect())
        } else {
            Node::Map(self.children().map(|child| (child.key.clone(), node(child))).collect())
        }
    }

    /// The scalar below a key.
    pub(crate) fn scalar_at(&self, key: &str) -> Option<Leaf> {
        match self.at(&[Step::Key(key.to_owned())]) {
            Some(Found::Leaf(leaf)) => Some(leaf.clone()),
            Some(Found::Container(_)) | None => None,
        }
    }
}

impl Child {
    pub(crate) fn is_comment_element(&self, in_list: bool) -> bool {
        in_list && matches!(&self.node, Tree::Leaf(leaf) if leaf.is_comment_element())
    }
}

/// What a path leads to.
pub(crate) enum Found<'a> {
    Leaf(&'a Leaf),
    Container(&'a Container),
}

/// A file, read.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// YAML may hold several; every other format one. Without the metadata.
    pub(crate) documents: Vec<Container>,
    /// The metadata; of the first document when there are several.
    pub(crate) meta: Option<Node>,
    /// All that belongs to the metadata.
    pub(crate) meta_regions: Vec<Span>,
    /// The scalars of `mac` and `lastmodified`, once a document.
    pub(crate) mac: Vec<Leaf>,
    pub(crate) modified: Vec<Leaf>,
    /// Whether the last value is a block of YAML which the file ends without an end of line.
    pub(crate) open_block: bool,
}

/// A scalar or comment, met on the walk through a file.
#[derive(Debug)]
pub(crate) struct Spot {
    /// With indexes; for a comment that of its container.
    pub(crate) path: KeyPath,
    pub(crate) is_comment: bool,
    /// Of a comment that sops wrote as an element of a list.
    pub(crate) element: Option<Element>,
    /// The rules of the file want it encrypted.
    pub(crate) selected: bool,
    /// As it is written.
    pub(crate) leaf: Leaf,
    pub(crate) around: Around,
    /// For a comment: the keys beside it, which it may have been encrypted with.
    pub(crate) beside: Option<Arc<[String]>>,
}

/// A comment that is an element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// Beside values, or behind another comment.
    Beside,
    /// The first of a list that sops wrote of comments alone: without them it is an empty list, and no null.
    HoldsList,
}

impl Spot {
    /// A comment that sops wrote as an element of a list.
    pub(crate) fn is_element(&self) -> bool {
        self.element.is_some()
    }

    /// Only the keys of the path: what the cipher sees.
    fn keys(&self) -> Vec<&str> {
        self.path.steps().iter().filter_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None }).collect()
    }

    /// The additional data of the cipher.
    pub(crate) fn aad(&self) -> String {
        format!("{}:", self.keys().join(":"))
    }

    /// Other additional data that a comment may have been encrypted with: programs differ in what they think a comment belongs to.
    pub(crate) fn other_aads(&self) -> Vec<String> {
        let keys = self.keys();
        let above = (0..keys.len()).rev().map(|n| format!("{}:", keys[..n].join(":")));
        let beside = self.beside.iter().flat_map(|beside| beside.iter());
        let below = beside.map(|key| if keys.is_empty() { format!("{key}:") } else { format!("{}{key}:", self.aad()) });
        above.chain(below).collect()
    }

    /// As a whole number, a line counted from 1.
    pub(crate) fn line(&self, text: &str) -> usize {
        line_of(text, self.leaf.span.start)
    }
}

/// The line of an offset, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].split(|byte| *byte == b'\n').count()
}

/// All scalars and comments in the order of the file, which is the order of the MAC.
pub(crate) fn walk(parsed: &Parsed, selector: &Selector) -> Vec<Spot> {
    let mut spots = Vec::new();
    walk_each(parsed, selector, &mut |spot| spots.push(spot));
    spots
}

/// As [`walk`], one by one: all of them together are a good part of what a large file takes.
pub(crate) fn walk_each(parsed: &Parsed, selector: &Selector, each: &mut dyn FnMut(Spot)) {
    let mut walker = Walker { selector, each, keys: Vec::new(), comments: Vec::new() };
    for (number, document) in parsed.documents.iter().enumerate() {
        walker.container(document, &KeyPath::default().in_document(number));
    }
}

struct Walker<'a> {
    selector: &'a Selector,
    each: &'a mut dyn FnMut(Spot),
    keys: Vec<String>,
    comments: Vec<Vec<String>>,
}

impl Walker<'_> {
    fn container(&mut self, container: &Container, path: &KeyPath) {
        self.comments.push(Vec::new());
        let mut index = 0;
        // Shared by all comments of the container, and made when there is one.
        let beside: OnceCell<Arc<[String]>> = OnceCell::new();
        let keys = || container.children().filter(|_| !container.list).map(|child| child.key.clone()).collect();
        for item in &container.items {
            match item {
                Item::Comment(leaf) => self.comment(leaf, path, container, beside.get_or_init(keys), false),
                Item::Child(child) => {
                    if let (true, Tree::Leaf(leaf)) = (child.is_comment_element(container.list), &child.node) {
                        let mut leaf = leaf.clone();
                        leaf.span = child.span.clone();
                        self.comment(&leaf, path, container, beside.get_or_init(keys), true);
                        continue;
                    }
                    let below = if container.list { path.clone().index(index) } else { path.clone().key(&child.key) };
                    index += 1;
                    if !container.list {
                        self.keys.push(child.key.clone());
                    }
                    match &child.node {
                        Tree::Leaf(leaf) => self.leaf(leaf, below),
                        Tree::Container(inner) => self.container(inner, &below),
                    }
                    if !container.list {
                        self.keys.pop();
                    }
                    if let Some(level) = self.comments.last_mut() {
                        level.clear();
                    }
                }
            }
        }
        self.comments.pop();
    }

    fn comment(&mut self, leaf: &Leaf, path: &KeyPath, container: &Container, beside: &Arc<[String]>, is_element: bool) {
        if let (Some(level), Some(text)) = (self.comments.last_mut(), leaf.value.as_str()) {
            level.push(text.to_owned());
        }
        let selected = self.selector.selects(&self.keys, &self.comments, true);
        if let Some(level) = self.comments.last_mut().filter(|_| leaf.sight == Sight::Never) {
            level.pop();
        }
        let (path, leaf, beside) = (path.clone(), leaf.clone(), Some(beside.clone()));
        let around = match (container.list, container.flow) {
            (false, _) => Around::Mapping,
            (true, true) => Around::Brackets,
            (true, false) => Around::Dashes(container.indent),
        };
        let alone = || {
            let is_first = |item: &Item| matches!(item, Item::Child(child) if child.span.start == leaf.span.start);
            !container.flow && container.items.first().is_some_and(is_first) && container.children().next().is_none()
        };
        let element = is_element.then(|| if alone() { Element::HoldsList } else { Element::Beside });
        (self.each)(Spot { path, is_comment: true, element, selected, leaf, around, beside });
    }

    fn leaf(&mut self, leaf: &Leaf, path: KeyPath) {
        let selected = self.selector.selects(&self.keys, &self.comments, false);
        let leaf = leaf.clone();
        (self.each)(Spot { path, is_comment: false, element: None, selected, leaf, around: Around::Mapping, beside: None });
    }
}

/// Replaces pieces of a text. They must not overlap; the problem names the place where they do.
pub(crate) fn splice(text: &str, mut edits: Vec<(Span, String)>) -> Result<String, Problem> {
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut result = String::with_capacity(text.len() + edits.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut done = 0;
    for (span, new) in edits {
        let kept = text
            .get(done..span.start)
            .ok_or_else(|| Problem::new(span.start, "two values overlap here, such as a comment inside a scalar"))?;
        result.push_str(kept);
        result.push_str(&new);
        done = span.end;
    }
    result.push_str(text.get(done..).unwrap_or_default());
    Ok(result)
}
