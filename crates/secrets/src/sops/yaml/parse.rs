//! YAML text to tree.

use granit_parser::{Event, Parser, Placement, ScalarStyle, StructureStyle, Tag, options};
use std::collections::HashMap;
use std::sync::Arc;

use super::theirs;
use crate::sops::resolve;
use crate::sops::tree::{self, Child, Container, Item, Leaf, Parsed, Problem, Span, Tree};
use crate::sops::value::{Kind, Value};

/// Aliases may not blow a small file up by more nodes than this.
const MOST_COPIES: usize = 200_000;

/// What the tags of YAML itself begin with.
const CORE: &str = "tag:yaml.org,2002:";

/// What nobody writes by hand, and what the stack still holds.
const DEEPEST: usize = 128;

/// Reads a file. The metadata is taken out of the documents.
pub(crate) fn parse(text: &str) -> Result<Parsed, Problem> {
    parse_with(text, false)
}

/// As [`parse`]; `lean` leaves long ciphertexts where they are.
pub(crate) fn parse_with(text: &str, lean: bool) -> Result<Parsed, Problem> {
    let (mut documents, open_block) = documents(text, lean)?;
    // Where a comment belongs is for sops to say. A text that it cannot read has no such place; it may be one that is only looked at.
    if let Some(theirs) = documents.iter().any(has_comments).then(|| theirs::read(text).ok()).flatten() {
        let _: Result<(), Problem> = theirs::place(&mut documents, &theirs);
    }
    finish(text, documents, open_block)
}

/// As [`parse`], of a text that is to be written: an error when sops cannot read it, or reads something else in it.
pub(crate) fn parse_strict(text: &str) -> Result<Parsed, Problem> {
    let (mut documents, open_block) = documents(text, true)?;
    theirs::place(&mut documents, &theirs::read(text)?)?;
    finish(text, documents, open_block)
}

fn has_comments(container: &Container) -> bool {
    container.items.iter().any(|item| match item {
        Item::Comment(_) => true,
        Item::Child(child) => matches!(&child.node, Tree::Container(inner) if has_comments(inner)),
    })
}

fn finish(text: &str, documents: Vec<Container>, open_block: bool) -> Result<Parsed, Problem> {
    let mut parsed = Parsed { open_block, ..Parsed::default() };
    for document in documents {
        take_metadata(text, document, &mut parsed)?;
    }
    if parsed.documents.is_empty() {
        parsed.documents.push(empty(text.len(), Vec::new()));
    }
    Ok(parsed)
}

/// The documents, and whether a block ends the text without an end of line.
fn documents(text: &str, lean: bool) -> Result<(Vec<Container>, bool), Problem> {
    // Event by event: all of them together would take more memory than the text.
    let events = Parser::new_from_str_with_options(text, options! { emit_anchor_events: true }).map(|next| {
        let (event, span) = next.map_err(|e| Problem::new(e.marker().byte_offset().unwrap_or(0), format!("this is no YAML: {e}")))?;
        let range = span.byte_range().unwrap_or(0..0);
        Ok(Seen { event, span: range, column: span.start.col(), tag: span.tag_span().and_then(|tag| tag.byte_range()) })
    });
    let mut reader = Reader {
        text,
        events: Box::new(events),
        ahead: None,
        failed: None,
        cursor: 0,
        anchors: HashMap::new(),
        returned: Vec::new(),
        begin: 0,
        open_block: false,
        copies: 0,
        lean,
        depth: 0,
    };
    let mut documents = Vec::new();
    loop {
        let document = reader.document();
        // What the parser says comes first: the end that it caused is no news.
        if let Some(problem) = reader.failed.take() {
            return Err(problem);
        }
        match document? {
            Some(document) => documents.push(document),
            None => return Ok((documents, reader.open_block)),
        }
    }
}

fn empty(at: usize, items: Vec<Item>) -> Container {
    Container { list: false, flow: false, indent: 0, span: at..at, tag: None, items }
}

fn take_metadata(text: &str, mut document: Container, parsed: &mut Parsed) -> Result<(), Problem> {
    let place = document.items.iter().position(|item| matches!(item, Item::Child(child) if child.key == "sops"));
    if let Some(Item::Child(child)) = place.map(|place| document.items.remove(place)) {
        let Tree::Container(meta) = child.node else {
            return Err(Problem::new(child.span.start, "the key `sops` belongs to the metadata of sops and must be a mapping"));
        };
        parsed.mac.extend(meta.scalar_at("mac"));
        parsed.modified.extend(meta.scalar_at("lastmodified"));
        let region = if document.flow {
            // With the comma before it.
            let before = document.children().map(|child| child.span.end).filter(|end| *end < child.span.start).max();
            before.unwrap_or(child.span.start)..child.span.end
        } else {
            line_start(text, child.span.start)..line_end(text, child.span.end)
        };
        // sops puts a comment that it finds no other place for behind the key `sops`, and passes over it when it reads.
        document.items.retain(|item| !matches!(item, Item::Comment(leaf) if region.contains(&leaf.span.start)));
        parsed.meta_regions.push(region);
        let node = meta.to_node();
        if parsed.meta.as_ref().is_some_and(|first| *first != node) {
            let why = "the sops metadata of this document is not that of the first, so one of the two was changed";
            return Err(Problem::new(child.span.start, why));
        }
        parsed.meta = Some(node);
    }
    parsed.documents.push(document);
    Ok(())
}

/// The begin of the line of an offset.
pub(crate) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The begin of the line after an offset, which may be that of a line already.
pub(crate) fn line_end(text: &str, at: usize) -> usize {
    if at > 0 && text.as_bytes()[at - 1] == b'\n' {
        return at;
    }
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

struct Seen<'a> {
    event: Event<'a>,
    span: Span,
    column: usize,
    tag: Option<Span>,
}

struct Reader<'a> {
    text: &'a str,
    events: Box<dyn Iterator<Item = Result<Seen<'a>, Problem>> + 'a>,
    /// The next event, once it was looked at.
    ahead: Option<Seen<'a>>,
    /// Why there are no more events.
    failed: Option<Problem>,
    /// The end of the last token that is no comment.
    cursor: usize,
    anchors: HashMap<usize, Anchored>,
    /// Comments that turned out to stand behind the container that was being read.
    returned: Vec<Remark>,
    /// Where the last scalar begins with its tag and anchor.
    begin: usize,
    /// Whether a block ends the file, without an end of line.
    open_block: bool,
    /// Nodes that aliases made.
    copies: usize,
    lean: bool,
    depth: usize,
}

/// What an anchor stands at.
#[derive(Clone)]
enum Anchored {
    Value(Tree),
    Key(Value),
}

/// A comment, and whether it stands behind something on its line.
struct Remark {
    leaf: Leaf,
    behind: bool,
    column: usize,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<&Seen<'a>> {
        if self.ahead.is_none() && self.failed.is_none() {
            match self.events.next() {
                Some(Ok(seen)) => self.ahead = Some(seen),
                Some(Err(problem)) => self.failed = Some(problem),
                None => {}
            }
        }
        self.ahead.as_ref()
    }

    /// The next event, without moving on in the text.
    fn skip(&mut self) -> Option<Seen<'a>> {
        self.peek();
        self.ahead.take()
    }

    fn take(&mut self) -> Option<Seen<'a>> {
        let seen = self.skip()?;
        // Starts and ends that are not written have an empty span, which may lie beyond comments.
        if !seen.span.is_empty() {
            self.cursor = self.cursor.max(seen.span.end);
        }
        Some(seen)
    }

    /// An anchor that comes next.
    fn anchor(&mut self) -> Option<Span> {
        let is_anchor = self.peek().is_some_and(|seen| matches!(seen.event, Event::Anchor(..)));
        if is_anchor { self.skip().map(|seen| seen.span) } else { None }
    }

    /// Comments that come next.
    fn remarks(&mut self) -> Vec<Remark> {
        let mut remarks = std::mem::take(&mut self.returned);
        while self.peek().is_some_and(|seen| matches!(seen.event, Event::Comment(..))) {
            if let Some(Seen { event: Event::Comment(text, placement), span, column, .. }) = self.skip() {
                let leaf = Leaf::new(Value::comment(&text), span);
                remarks.push(Remark { leaf, behind: placement == Placement::Right, column });
            }
        }
        remarks
    }

    fn document(&mut self) -> Result<Option<Container>, Problem> {
        let mut head = Vec::new();
        loop {
            head.extend(self.remarks());
            match self.take().map(|seen| seen.event) {
                Some(Event::DocumentStart(..)) => break,
                Some(_) => {}
                None => return Ok(None),
            }
        }
        head.extend(self.remarks());
        let start = self.cursor;
        let items: Vec<Item> = head.into_iter().map(|remark| Item::Comment(remark.leaf)).collect();
        let at = self.peek().map_or(start, |seen| seen.span.start);
        let ends = self.peek().map_or(start, |seen| seen.span.end);
        let mut root = match self.peek().map(|seen| &seen.event) {
            Some(Event::MappingStart(..)) => match self.node(items, start)? {
                Tree::Container(root) => root,
                Tree::Leaf(leaf) => return Err(Problem::new(leaf.span.start, "a document must be a mapping")),
            },
            Some(Event::Scalar(..)) => match self.node(Vec::new(), start)? {
                Tree::Leaf(leaf) if leaf.value.kind() == Kind::Null => empty(ends, items),
                Tree::Leaf(_) | Tree::Container(_) => {
                    return Err(Problem::new(at, "the document is a single value; sops needs a mapping at the top"));
                }
            },
            Some(Event::SequenceStart(..)) => {
                return Err(Problem::new(at, "the document is a list; sops needs a mapping at the top"));
            }
            _ => empty(start, items),
        };
        let foot: Vec<Item> = self.remarks().into_iter().map(|remark| Item::Comment(remark.leaf)).collect();
        root.items.extend(foot);
        let end = root.items.iter().map(|item| match item {
            Item::Comment(leaf) => leaf.span.end,
            Item::Child(child) => child.span.end,
        });
        if !root.flow {
            root.span.end = end.max().unwrap_or(root.span.end);
        }
        Ok(Some(root))
    }

    /// A value. `head` are comments that belong into it when it is a container; `from` is where it may begin.
    fn node(&mut self, head: Vec<Item>, from: usize) -> Result<Tree, Problem> {
        let seen = self.take().ok_or_else(|| Problem::new(self.text.len(), "the file ends too early"))?;
        let (tree, anchor) = match &seen.event {
            Event::Scalar(text, style, anchor, tag) => (Tree::Leaf(self.scalar(&seen, text, *style, tag.as_deref(), from)?), *anchor),
            Event::MappingStart(style, anchor, tag) => {
                (Tree::Container(self.container(&seen, false, *style, tag.as_deref(), head)?), *anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                (Tree::Container(self.container(&seen, true, *style, tag.as_deref(), head)?), *anchor)
            }
            Event::Alias(id) => {
                let known = self.anchors.get(id).cloned();
                let mut tree = match known.ok_or_else(|| Problem::new(seen.span.start, "this alias stands inside what it names"))? {
                    Anchored::Value(tree) => tree,
                    // A key is never encrypted, so the value that repeats it is one of its own and stands here.
                    Anchored::Key(value) => return Ok(Tree::Leaf(Leaf::new(value, seen.span.clone()))),
                };
                self.copies += mark_alias(&mut tree);
                if self.copies > MOST_COPIES {
                    return Err(Problem::new(seen.span.start, "the aliases of this file make it too large"));
                }
                return Ok(tree);
            }
            _ => return Err(Problem::new(seen.span.start, "a value is expected here")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, Anchored::Value(tree.clone()));
        }
        Ok(tree)
    }

    fn scalar(&mut self, seen: &Seen<'_>, text: &str, style: ScalarStyle, tag: Option<&Tag>, from: usize) -> Result<Leaf, Problem> {
        let mut properties_end = from.max(seen.tag.as_ref().map_or(0, |tag| tag.end));
        self.begin = seen.tag.as_ref().map_or(seen.span.start, |tag| tag.start.min(seen.span.start));
        if let Some(anchor) = self.anchor() {
            properties_end = properties_end.max(anchor.end);
            self.begin = self.begin.min(anchor.start);
        }
        let quote = usize::from(matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted));
        let content = seen.span.start + quote..seen.span.end.saturating_sub(quote);
        let is_verbatim = tag.is_none() && self.lean && self.text.get(content.clone()) == Some(text);
        if let Some(leaf) = Leaf::lean(text, content, seen.span.clone()).filter(|_| is_verbatim) {
            return Ok(leaf);
        }
        // A block that ends with the file ends as that does: the parser adds an end of line.
        let ends_open = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
            && !self.text.ends_with(['\n', '\r'])
            && self.text[seen.span.end.min(self.text.len())..].is_empty();
        self.open_block |= ends_open;
        let text = if ends_open { text.strip_suffix('\n').unwrap_or(text) } else { text };
        let problem = |why: String| Problem::new(seen.span.start, why);
        // The tag `!` says nothing about a plain scalar.
        let name = tag.map(full_name);
        let value = match name.as_deref().filter(|name| *name != "!") {
            Some(name) => match name.strip_prefix(CORE) {
                Some(suffix) => resolve::tagged(suffix, text).map_err(problem)?,
                None => Value::text(text),
            },
            None if style == ScalarStyle::Plain && seen.span.is_empty() => Value::null(),
            None if style == ScalarStyle::Plain => resolve::plain(text).map_err(problem)?,
            None => Value::text(text),
        };
        let mut leaf = Leaf::new(value, seen.span.clone());
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            let misplaced = || Problem::new(seen.span.start, "the begin of this block cannot be told");
            let lead = self.text.get(properties_end..seen.span.start).ok_or_else(misplaced)?;
            let header = properties_end + lead.find(['|', '>']).ok_or_else(misplaced)?;
            let content = self.text[header..seen.span.end].trim_end();
            // Lines that a `+` keeps belong to the value; the end of the child says so, the span stops before them.
            leaf.span = header..header + content.len();
            let first = content.lines().next().unwrap_or(content);
            if let Some(blanks) = first.find([' ', '\t']).filter(|blanks| first[*blanks..].trim_start().starts_with('#')) {
                leaf.span.end = header + blanks;
                leaf.rest = Some(header + first.len()..header + content.len());
            }
        } else if seen.span.is_empty() {
            leaf.span = properties_end..properties_end;
        }
        leaf.tag = seen.tag.clone().zip(name).map(|(tag, name)| {
            let blanks = self.text[tag.end..].bytes().take_while(|b| *b == b' ').count();
            // go-yaml takes any tag but these for one of a text.
            let core = ["int", "float", "bool", "null", "timestamp", "binary", "merge"];
            let is_text = *name != *"!" && !name.strip_prefix(CORE).is_some_and(|suffix| core.contains(&suffix));
            tree::Tag { span: tag.start..tag.end + blanks, name, is_text }
        });
        Ok(leaf)
    }

    fn container(
        &mut self,
        start: &Seen<'_>,
        list: bool,
        style: StructureStyle,
        tag: Option<&Tag>,
        head: Vec<Item>,
    ) -> Result<Container, Problem> {
        let tag = tag.map(full_name);
        // A dash or colon within them is none of the container's.
        let properties = [start.tag.as_ref().map(|tag| tag.end), self.anchor().map(|anchor| anchor.end)];
        self.cursor = properties.into_iter().flatten().fold(self.cursor, usize::max);
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Problem::new(start.span.start, "this YAML is nested too deep"));
        }
        let flow = style == StructureStyle::Flow;
        let mut container = Container { list, flow, indent: start.column, span: start.span.clone(), tag, items: head };
        let mut trailing = Vec::new();
        loop {
            for remark in self.remarks() {
                if remark.behind && !container.items.is_empty() && trailing.is_empty() {
                    // Behind a value: it holds for that value, so it stands before it.
                    let place = container.items.len() - usize::from(matches!(container.items.last(), Some(Item::Child(_))));
                    container.items.insert(place, Item::Comment(remark.leaf));
                } else {
                    trailing.push(remark);
                }
            }
            match self.peek().map(|seen| &seen.event) {
                Some(Event::MappingEnd | Event::SequenceEnd) => break,
                Some(_) => {}
                None => return Err(Problem::new(self.text.len(), "the file ends too early")),
            }
            container.items.extend(trailing.drain(..).map(|remark| Item::Comment(remark.leaf)));
            self.child(&mut container)?;
        }
        self.end(&mut container, trailing);
        self.depth -= 1;
        container.unique()?;
        Ok(container)
    }

    /// Closes a container; comments that stand further left than it belong to what is around it.
    fn end(&mut self, container: &mut Container, trailing: Vec<Remark>) {
        let mut inside = trailing;
        if !container.flow {
            let outside = inside.iter().position(|remark| remark.column < container.indent);
            self.returned = outside.map(|at| inside.split_off(at)).unwrap_or_default();
        }
        container.items.extend(inside.into_iter().map(|remark| Item::Comment(remark.leaf)));
        self.take();
        let last = container.items.iter().rev().find_map(|item| match item {
            Item::Child(child) => Some(child.span.end),
            Item::Comment(_) => None,
        });
        container.span.end = if container.flow { self.cursor } else { last.unwrap_or(container.span.end) };
    }

    fn child(&mut self, container: &mut Container) -> Result<(), Problem> {
        let before = self.cursor;
        let (key, start, from) = if container.list {
            let at = self.peek().map_or(before, |seen| seen.span.start);
            let dash = if container.flow { None } else { mark(self.text, b'-', before, at) };
            // A list in the column of its key begins, for the parser, at its first value.
            container.indent = dash.map_or(container.indent, |dash| dash - line_start(self.text, dash));
            // A list may begin behind the dash of another one: `- - a`.
            self.cursor = self.cursor.max(dash.map_or(0, |dash| dash + 1));
            (String::new(), dash, dash.map_or(before, |dash| dash + 1))
        } else {
            let seen = self.take().ok_or_else(|| Problem::new(before, "a key is expected here"))?;
            let Event::Scalar(text, style, anchor, tag) = &seen.event else {
                return Err(Problem::new(seen.span.start, "a key must be a string, not a list, a mapping or an alias"));
            };
            let lean = std::mem::take(&mut self.lean);
            let named = self.scalar(&seen, text, *style, tag.as_deref(), before);
            self.lean = lean;
            let named = named?;
            if *anchor > 0 {
                self.anchors.insert(*anchor, Anchored::Key(named.value.clone()));
            }
            let no_text =
                |key: &str| Problem::new(seen.span.start, format!("the key {key:?} is no text, and sops knows only such; quote it"));
            let key = named.value.as_str().ok_or_else(|| no_text(text))?.to_owned();
            if named.value.kind() != Kind::Text {
                return Err(no_text(&key));
            }
            let colon = colon(self.text, seen.span.end).unwrap_or(seen.span.end);
            let begin = mark(self.text, b'?', before, self.begin).unwrap_or(self.begin);
            (key, Some(begin), colon)
        };
        let mut inside = Vec::new();
        let nested = |event: &Event<'_>| matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
        let remarks = self.remarks();
        let is_nested = self.peek().is_some_and(|seen| nested(&seen.event));
        for remark in remarks {
            if is_nested && !remark.behind {
                inside.push(Item::Comment(remark.leaf));
            } else {
                container.items.push(Item::Comment(remark.leaf));
            }
        }
        let keeps = self.peek().map(|seen| seen.span.clone());
        let alias = matches!(self.peek(), Some(Seen { event: Event::Alias(_), .. }));
        let mut node = self.node(inside, from)?;
        let written = keeps.unwrap_or(from..from);
        let end = match &mut node {
            _ if alias => written.end,
            Tree::Leaf(leaf) => leaf.end().max(kept_lines(self.text, leaf, &written)),
            Tree::Container(inner) => inner.span.end.max(from),
        };
        let start = start.unwrap_or_else(|| content(self.text, before, written.start));
        if let Tree::Leaf(leaf) = &mut node {
            (leaf.flow, leaf.indent) = (container.flow, container.indent);
        }
        container.items.push(Item::Child(Child { key, span: start..end, node }));
        Ok(())
    }
}

fn full_name(tag: &Tag) -> Arc<str> {
    format!("{}{}", tag.handle(), tag.suffix()).into()
}

/// The end of a block scalar whose blank lines at the end count.
fn kept_lines(text: &str, leaf: &Leaf, written: &Span) -> usize {
    let header = text[leaf.span.start..].lines().next().unwrap_or_default();
    let keeps = header.starts_with(['|', '>']) && header.split(' ').next().is_some_and(|h| h.contains('+'));
    if keeps { line_start(text, written.end) } else { 0 }
}

/// The end of the colon that comes next, past blanks and comments.
fn colon(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match text.as_bytes().get(at)? {
            b':' => return Some(at + 1),
            b'#' => at = line_end(text, at + 1),
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => return None,
        }
    }
}

/// Where an element in brackets begins, with its tag and anchor, between two offsets.
fn content(text: &str, from: usize, to: usize) -> usize {
    let mut at = from;
    while at < to {
        match text.as_bytes()[at] {
            b'#' => at = line_end(text, at + 1),
            byte if byte.is_ascii_whitespace() || byte == b',' => at += 1,
            _ => return at,
        }
    }
    to
}

/// The dash of a list element, or the mark of a key, between two offsets.
fn mark(text: &str, byte: u8, from: usize, to: usize) -> Option<usize> {
    let mut at = from;
    while at < to.min(text.len()) {
        match text.as_bytes()[at] {
            found if found == byte => return Some(at),
            b'#' => at = line_end(text, at + 1),
            _ => at += 1,
        }
    }
    None
}

fn mark_alias(tree: &mut Tree) -> usize {
    match tree {
        Tree::Leaf(leaf) => {
            leaf.alias = true;
            1
        }
        Tree::Container(container) => {
            container.items.retain(|item| matches!(item, Item::Child(_)));
            let below = container.items.iter_mut().map(|item| match item {
                Item::Child(child) => mark_alias(&mut child.node),
                Item::Comment(_) => 0,
            });
            below.sum::<usize>() + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_more_values_than_aliases_may_make() {
        let text: String = (0..=MOST_COPIES).map(|number| format!("k{number}:\n")).collect();
        assert_eq!(parse(&text).unwrap().documents[0].items.len(), MOST_COPIES + 1);
        // Levels of ten aliases each.
        let bomb: String = (1..10).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "))).collect();
        let problem = parse(&format!("a0: &a0 []\n{bomb}")).unwrap_err();
        assert_eq!(problem.why, "the aliases of this file make it too large");
    }
}
