//! Tokens to nodes, each with the comments that belong to it.

use super::scan::{Kind, Part, Scanner, Token};
use crate::sops::tree::Problem;

/// What stands at a node.
#[derive(Debug)]
pub(crate) enum Content {
    /// A scalar, or nothing.
    Single,
    /// An alias, by the name of what it leads to.
    Alias(String),
    /// Keys and values by turns.
    Map(Vec<Node>),
    List(Vec<Node>),
}

/// The comments of a node.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    pub(super) head: Vec<Part>,
    pub(super) line: Vec<Part>,
    pub(super) foot: Vec<Part>,
}

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(super) content: Content,
    pub(super) anchor: Option<String>,
    pub(super) remarks: Remarks,
}

impl Node {
    fn empty() -> Self {
        Self { content: Content::Single, anchor: None, remarks: Remarks::default() }
    }
}

/// A document: its root and what belongs to neither of its nodes.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) root: Node,
    pub(super) head: Vec<Part>,
    pub(super) foot: Vec<Part>,
}

/// The documents of a text. The problem says why sops could not read it.
pub(crate) fn read(text: &str) -> Result<Vec<Tree>, Problem> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    if let Some((at, _)) = text.char_indices().find(|(_, c)| !allowed(*c)) {
        return Err(Problem::new(at, "sops cannot read the control character that stands here"));
    }
    let mut parser = Parser { scanner: Scanner::new(text), pending: Remarks::default(), stem: Vec::new(), handles: Vec::new() };
    parser.peek()?;
    parser.skip();
    let mut documents = Vec::new();
    while let Some(document) = parser.document(documents.is_empty())? {
        documents.push(document);
    }
    Ok(documents)
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    pending: Remarks,
    /// The head of a list element that is itself a list or mapping.
    stem: Vec<Part>,
    /// Of the `%TAG` directives.
    handles: Vec<String>,
}

fn join(all: &mut Vec<Part>, more: Vec<Part>) {
    if !more.is_empty() {
        if !all.is_empty() {
            all.push(Part::Break);
        }
        all.extend(more);
    }
}

impl Parser<'_> {
    fn peek(&mut self) -> Result<Token, Problem> {
        self.scanner.fill()?;
        let token = self.scanner.tokens.get(self.scanner.head).copied();
        let token = token.ok_or_else(|| Problem::new(0, "sops finds no end of this text"))?;
        self.unfold(token);
        Ok(token)
    }

    /// Takes over the comments that belong to a token.
    fn unfold(&mut self, token: Token) {
        while let Some(waiting) = self.scanner.comments.get_mut(self.scanner.unfolded) {
            if token.start < waiting.token || !waiting.head.is_empty() && token.kind == Kind::BlockEnd {
                break;
            }
            let waiting = std::mem::take(waiting);
            self.scanner.unfolded += 1;
            join(&mut self.pending.head, waiting.head);
            join(&mut self.pending.foot, waiting.foot);
            join(&mut self.pending.line, waiting.line);
        }
    }

    fn skip(&mut self) {
        self.scanner.head += 1;
    }

    /// The comments that belong to what is met now.
    fn remarks(&mut self) -> Remarks {
        self.stem.clear();
        std::mem::take(&mut self.pending)
    }

    fn unexpected<T>(token: Token) -> Result<T, Problem> {
        Err(Problem::new(usize::try_from(token.start).unwrap_or(0), "sops expects something else here"))
    }

    fn document(&mut self, is_first: bool) -> Result<Option<Tree>, Problem> {
        let mut token = self.peek()?;
        while !is_first && token.kind == Kind::DocumentEnd {
            self.skip();
            token = self.peek()?;
        }
        if token.kind == Kind::StreamEnd {
            return Ok(None);
        }
        let mut head = Vec::new();
        let begins = [Kind::Version, Kind::TagDirective, Kind::DocumentStart];
        let root = if is_first && !begins.contains(&token.kind) {
            // What stands above the last blank line is the document's.
            let parts = &mut self.pending.head;
            let blank =
                (1..parts.len()).rev().find(|at| parts[*at] == Part::Break && (*at == parts.len() - 1 || parts[*at - 1] == Part::Break));
            if let Some(at) = blank {
                let rest = parts.split_off(at + 1);
                parts.truncate(if rest.is_empty() && parts.get(at.wrapping_sub(1)) != Some(&Part::Break) { at } else { at - 1 });
                head = std::mem::replace(parts, rest);
            }
            self.node(true, false)?
        } else {
            self.directives()?;
            token = self.peek()?;
            if token.kind != Kind::DocumentStart {
                return Self::unexpected(token);
            }
            self.skip();
            token = self.peek()?;
            let ends = [Kind::Version, Kind::TagDirective, Kind::DocumentStart, Kind::DocumentEnd, Kind::StreamEnd];
            if ends.contains(&token.kind) { Node::empty() } else { self.node(true, false)? }
        };
        let end = self.peek()?;
        if end.kind == Kind::DocumentEnd {
            self.skip();
        }
        self.handles.clear();
        let Remarks { head: late, foot, .. } = self.remarks();
        let foot = if foot.is_empty() { late } else { foot };
        Ok(Some(Tree { root, head, foot }))
    }

    fn directives(&mut self) -> Result<(), Problem> {
        let mut has_version = false;
        loop {
            let token = self.peek()?;
            let twice = || Problem::new(usize::try_from(token.start).unwrap_or(0), "this directive is there twice");
            match token.kind {
                Kind::Version if has_version => return Err(twice()),
                Kind::Version => has_version = true,
                Kind::TagDirective => {
                    let handle = self.scanner.text(token).split_whitespace().nth(1).unwrap_or_default().to_owned();
                    if self.handles.contains(&handle) {
                        return Err(twice());
                    }
                    self.handles.push(handle);
                }
                _ => return Ok(()),
            }
            self.skip();
        }
    }

    fn node(&mut self, block: bool, indentless: bool) -> Result<Node, Problem> {
        let mut token = self.peek()?;
        if token.kind == Kind::Alias {
            let content = Content::Alias(self.scanner.text(token)[1..].to_owned());
            let remarks = self.remarks();
            self.skip();
            return Ok(Node { content, anchor: None, remarks });
        }
        let (mut anchor, mut has_tag) = (None, false);
        loop {
            match token.kind {
                Kind::Anchor if anchor.is_none() => anchor = Some(self.scanner.text(token)[1..].to_owned()),
                Kind::Tag if !has_tag => {
                    self.check_handle(token)?;
                    has_tag = true;
                }
                _ => break,
            }
            self.skip();
            token = self.peek()?;
        }
        let (content, remarks) = match token.kind {
            Kind::Entry if indentless => (self.indentless()?, Remarks::default()),
            Kind::Scalar => {
                let remarks = self.remarks();
                self.skip();
                (Content::Single, remarks)
            }
            Kind::FlowListStart => {
                let head = self.remarks().head;
                let (content, end) = self.flow_list()?;
                (content, Remarks { head, ..end })
            }
            Kind::FlowMapStart => {
                let head = self.remarks().head;
                let (content, end) = self.flow_map()?;
                (content, Remarks { head, ..end })
            }
            Kind::ListStart if block => {
                let head = std::mem::take(&mut self.stem);
                (self.list()?, Remarks { head, ..Remarks::default() })
            }
            Kind::MapStart if block => {
                let head = std::mem::take(&mut self.stem);
                let (content, end) = self.map()?;
                (content, Remarks { head, ..end })
            }
            _ if anchor.is_some() || has_tag => (Content::Single, Remarks::default()),
            _ => return Self::unexpected(token),
        };
        Ok(Node { content, anchor, remarks })
    }

    fn check_handle(&self, token: Token) -> Result<(), Problem> {
        let text = self.scanner.text(token);
        let handle = text[1..].find('!').map(|end| &text[..end + 2]).filter(|_| !text.starts_with("!<"));
        match handle {
            Some(handle) if handle != "!!" && !self.handles.iter().any(|known| known == handle) => {
                Err(Problem::new(usize::try_from(token.start).unwrap_or(0), "the begin of this tag is not declared by %TAG"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Keeps apart what was said before the dash.
    fn split_stem(&mut self, length: usize) -> Result<(), Problem> {
        if length == 0 || !matches!(self.peek()?.kind, Kind::ListStart | Kind::MapStart) {
            return Ok(());
        }
        let rest = self.pending.head.split_off(length);
        self.stem = std::mem::replace(&mut self.pending.head, rest.into_iter().skip(1).collect());
        Ok(())
    }

    fn entry(&mut self, ends: &[Kind]) -> Result<Node, Problem> {
        let length = self.pending.head.len();
        self.skip();
        self.split_stem(length)?;
        let token = self.peek()?;
        if ends.contains(&token.kind) { Ok(Node::empty()) } else { self.node(true, false) }
    }

    fn list(&mut self) -> Result<Content, Problem> {
        self.peek()?;
        self.skip();
        let mut nodes = Vec::new();
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::Entry => nodes.push(self.entry(&[Kind::Entry, Kind::BlockEnd])?),
                Kind::BlockEnd => {
                    self.skip();
                    return Ok(Content::List(nodes));
                }
                _ => return Self::unexpected(token),
            }
        }
    }

    fn indentless(&mut self) -> Result<Content, Problem> {
        let mut nodes = Vec::new();
        while self.peek()?.kind == Kind::Entry {
            nodes.push(self.entry(&[Kind::Entry, Kind::Key, Kind::Value, Kind::BlockEnd])?);
        }
        Ok(Content::List(nodes))
    }

    fn map(&mut self) -> Result<(Content, Remarks), Problem> {
        self.peek()?;
        self.skip();
        let mut nodes: Vec<Node> = Vec::new();
        let ends = [Kind::Key, Kind::Value, Kind::BlockEnd];
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::Key => {}
                Kind::BlockEnd => {
                    let Remarks { line, mut foot, .. } = self.remarks();
                    self.skip();
                    if let Some(key) = nodes.len().checked_sub(2).filter(|_| !foot.is_empty()) {
                        nodes[key].remarks.foot = std::mem::take(&mut foot);
                    }
                    return Ok((Content::Map(nodes), Remarks { head: Vec::new(), line, foot }));
                }
                _ => return Self::unexpected(token),
            }
            self.skip();
            let merge = self.is_merge()?;
            let mut key = if ends.contains(&self.peek()?.kind) { Node::empty() } else { self.node(true, true)? };
            if let Some(before) = nodes.len().checked_sub(2).filter(|_| !key.remarks.foot.is_empty()) {
                nodes[before].remarks.foot = std::mem::take(&mut key.remarks.foot);
            }
            let mut value = Node::empty();
            if self.peek()?.kind == Kind::Value {
                self.skip();
                if !ends.contains(&self.peek()?.kind) {
                    value = self.node(true, true)?;
                }
            }
            if key.remarks.foot.is_empty() {
                key.remarks.foot = std::mem::take(&mut value.remarks.foot);
            }
            mergeable(merge, &value)?;
            nodes.extend([key, value]);
        }
    }

    /// A plain `<<` is a merge.
    fn is_merge(&mut self) -> Result<Option<Token>, Problem> {
        let token = self.peek()?;
        Ok(Some(token).filter(|token| token.kind == Kind::Scalar && self.scanner.text(*token) == "<<"))
    }

    fn flow_list(&mut self) -> Result<(Content, Remarks), Problem> {
        self.peek()?;
        self.skip();
        let mut nodes = Vec::new();
        let mut first = true;
        loop {
            let mut token = self.peek()?;
            if token.kind != Kind::FlowListEnd && !std::mem::take(&mut first) {
                if token.kind != Kind::FlowEntry {
                    return Self::unexpected(token);
                }
                self.skip();
                token = self.peek()?;
            }
            match token.kind {
                Kind::FlowListEnd => {
                    let Remarks { line, foot, .. } = self.remarks();
                    self.skip();
                    return Ok((Content::List(nodes), Remarks { head: Vec::new(), line, foot }));
                }
                Kind::Key => {
                    self.skip();
                    nodes.push(self.lone_pair()?);
                }
                _ => nodes.push(self.node(false, false)?),
            }
        }
    }

    /// A pair without braces in a bracketed list.
    fn lone_pair(&mut self) -> Result<Node, Problem> {
        let mut key = Node::empty();
        if matches!(self.peek()?.kind, Kind::Value | Kind::FlowEntry | Kind::FlowListEnd) {
            self.skip();
        } else {
            key = self.node(false, false)?;
        }
        let mut value = Node::empty();
        if self.peek()?.kind == Kind::Value {
            self.skip();
            if !matches!(self.peek()?.kind, Kind::FlowEntry | Kind::FlowListEnd) {
                value = self.node(false, false)?;
            }
        }
        if key.remarks.foot.is_empty() {
            key.remarks.foot = std::mem::take(&mut value.remarks.foot);
        }
        self.peek()?;
        Ok(Node { content: Content::Map(vec![key, value]), anchor: None, remarks: Remarks::default() })
    }

    fn flow_map(&mut self) -> Result<(Content, Remarks), Problem> {
        self.peek()?;
        self.skip();
        let mut nodes = Vec::new();
        let mut first = true;
        loop {
            let mut token = self.peek()?;
            if token.kind != Kind::FlowMapEnd && !std::mem::take(&mut first) {
                if token.kind != Kind::FlowEntry {
                    return Self::unexpected(token);
                }
                self.skip();
                token = self.peek()?;
            }
            let ends = [Kind::Value, Kind::FlowEntry, Kind::FlowMapEnd];
            let (mut key, mut value) = (Node::empty(), Node::empty());
            match token.kind {
                Kind::FlowMapEnd => {
                    let Remarks { line, foot, .. } = self.remarks();
                    self.skip();
                    return Ok((Content::Map(nodes), Remarks { head: Vec::new(), line, foot }));
                }
                Kind::Key => {
                    self.skip();
                    if !ends.contains(&self.peek()?.kind) {
                        key = self.node(false, false)?;
                    }
                    if self.peek()?.kind == Kind::Value {
                        self.skip();
                        if !matches!(self.peek()?.kind, Kind::FlowEntry | Kind::FlowMapEnd) {
                            value = self.node(false, false)?;
                        }
                    }
                }
                _ => {
                    key = self.node(false, false)?;
                    self.peek()?;
                }
            }
            if key.remarks.foot.is_empty() {
                key.remarks.foot = std::mem::take(&mut value.remarks.foot);
            }
            nodes.extend([key, value]);
        }
    }
}

fn mergeable(merge: Option<Token>, value: &Node) -> Result<(), Problem> {
    match (merge, &value.content) {
        (Some(token), Content::Single) => {
            let why = "sops takes << for a merge, and no mapping stands behind it; put the key in quotes";
            Err(Problem::new(usize::try_from(token.start).unwrap_or(0), why))
        }
        _ => Ok(()),
    }
}
