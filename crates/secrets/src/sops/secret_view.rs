//! A document as an editor shows it: what a Kubernetes Secret has below `data` as base64 of a text stands decoded below `stringData`.
//!
//! Entries are moved as whole lines, with the comments above them, and on the way back each finds the place that it had. So a value that
//! nobody touches is written as it was, and keeps its ciphertext.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::secret::Secret;
use zeroize::Zeroizing;

use super::document::{Document, syntax};
use super::error::Error;
use super::format::Format;
use super::path::Step;
use super::tree::{Child, Container, Found, Item, Leaf, Span, Tree, line_of, splice};
use super::value::{Kind, Value};
use super::yaml::{self, line_end, line_start};

/// What an editor is given, and the way back.
pub struct View {
    path: PathBuf,
    text: Secret,
    /// For each YAML document what was moved, if something was.
    documents: Vec<Option<Moved>>,
}

/// Of one document, before anything was moved.
struct Moved {
    /// The keys of `data` in their order.
    order: Vec<String>,
    /// There was a `stringData`: what is in it stays, unless its key is among those of `data`.
    beside: bool,
}

impl View {
    /// The plain text as it is.
    pub fn raw(document: &Document) -> Result<Self, Error> {
        Ok(Self { path: document.path().to_owned(), text: document.plain()?, documents: Vec::new() })
    }

    /// Texts of Kubernetes Secrets in YAML decoded; all else, and a layout that cannot be kept, as it is. A key that stands below `data`
    /// and `stringData` is an error.
    pub fn decoded(document: &Document) -> Result<Self, Error> {
        let raw = Self::raw(document)?;
        if document.format != Format::Yaml {
            return Ok(raw);
        }
        let plain = text_of(&raw.text);
        let parsed = Format::Yaml.parse(&plain).map_err(|problem| syntax(&raw.path, &plain, problem))?;
        let (mut edits, mut documents) = (Vec::new(), Vec::new());
        for root in &parsed.documents {
            documents.push(decode(&raw.path, &plain, root, &mut edits)?);
        }
        let shown = splice(&plain, edits).map_err(|problem| syntax(&raw.path, &plain, problem))?;
        let view = Self { path: raw.path.clone(), text: Secret::new(shown.into_bytes()), documents };
        let comes_back = view.plain(&view.text).is_ok_and(|plain| plain.expose() == raw.text.expose());
        Ok(if comes_back { view } else { raw })
    }

    /// What the editor is given.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// The plain text that an edited text stands for. The error names a line of the edited text.
    pub fn plain(&self, edited: &Secret) -> Result<Secret, Error> {
        if self.documents.iter().all(Option::is_none) || std::str::from_utf8(edited.expose()).is_err() {
            return Ok(edited.clone());
        }
        let mut text = text_of(edited);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let parsed = Format::Yaml.parse(&text).map_err(|problem| syntax(&self.path, &text, problem))?;
        if parsed.documents.len() != self.documents.len() {
            let why = "documents were added or taken out, so it is not clear which is which; do that with --raw".to_owned();
            return Err(Error::Syntax { path: self.path.clone(), line: 1, why });
        }
        let mut edits = Vec::new();
        for (root, moved) in parsed.documents.iter().zip(&self.documents) {
            if let Some(moved) = moved {
                encode(&self.path, &text, root, moved, &mut edits)?;
            }
        }
        let plain = splice(&text, edits).map_err(|problem| syntax(&self.path, &text, problem))?;
        Ok(Secret::new(plain.into_bytes()))
    }
}

fn text_of(secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(secret.expose()).into_owned())
}

/// A mapping at the top of a document, by its lines.
struct Section<'a> {
    header: Span,
    entries: Vec<Entry<'a>>,
}

/// A child with the lines from the end of the one before, so comments and blank lines go with it.
struct Entry<'a> {
    child: &'a Child,
    lines: Span,
}

impl<'a> Section<'a> {
    /// None when it is not there, or when it is not written as a line for each entry.
    fn find(text: &str, root: &'a Container, key: &str) -> Option<Self> {
        let child = child(root, key)?;
        let Tree::Container(inner) = &child.node else { return None };
        if root.flow || inner.flow || inner.list || line_start(text, child.span.start) != child.span.start {
            return None;
        }
        let header = child.span.start..line_end(text, child.span.start + key.len());
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut from = header.end;
        for item in &inner.items {
            match (item, entries.last_mut()) {
                (Item::Child(child), _) => {
                    let lines = from..line_end(text, child.span.end);
                    from = lines.end;
                    entries.push(Entry { child, lines });
                }
                // Should no entry come after it, it belongs to the one above.
                (Item::Comment(leaf), Some(last)) if std::ptr::eq(item, inner.items.last()?) => {
                    last.lines.end = last.lines.end.max(line_end(text, leaf.span.end));
                }
                (Item::Comment(_), _) => {}
            }
        }
        Some(Self { header, entries })
    }

    fn lines(&self) -> Span {
        self.header.start..self.entries.last().map_or(self.header.end, |last| last.lines.end)
    }

    fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.child.key == key)
    }
}

impl Entry<'_> {
    /// Its lines with another value.
    fn with(&self, text: &str, leaf: &Leaf, value: &Value) -> Result<String, String> {
        let written = Zeroizing::new(yaml::scalar(text, leaf, value)?);
        Ok([&text[self.lines.start..leaf.span.start], &written, &text[leaf.span.end..self.lines.end]].concat())
    }
}

fn child<'a>(root: &'a Container, key: &str) -> Option<&'a Child> {
    root.child(&Step::Key(key.to_owned()))
}

/// The leaf of an entry and the text that it is base64 of.
fn decoded<'a>(entry: &Entry<'a>) -> Option<(&'a Leaf, Value)> {
    let Tree::Leaf(leaf) = &entry.child.node else { return None };
    if leaf.value.kind() != Kind::Text || leaf.tag.is_some() || leaf.rest.is_some() || leaf.alias {
        return None;
    }
    let bytes = Secret::new(STANDARD.decode(leaf.value.bytes().expose()).ok()?);
    let value = Value::secret(&bytes)?;
    let readable = value.as_str()?.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r'));
    readable.then_some((leaf, value))
}

/// Moves texts from `data` to `stringData`.
fn decode(path: &Path, text: &str, root: &Container, edits: &mut Vec<(Span, String)>) -> Result<Option<Moved>, Error> {
    let is_secret = matches!(root.at(&[Step::Key("kind".to_owned())]), Some(Found::Leaf(leaf)) if leaf.value.as_str() == Some("Secret"));
    let Some(data) = Section::find(text, root, "data").filter(|_| is_secret) else { return Ok(None) };
    let beside = Section::find(text, root, "stringData");
    if beside.is_none() && child(root, "stringData").is_some() {
        return Ok(None);
    }
    let (mut texts, mut others) = (String::new(), String::new());
    for entry in &data.entries {
        match decoded(entry) {
            Some((leaf, value)) => {
                refuse_both(path, text, entry, beside.as_ref())?;
                texts.push_str(&entry.with(text, leaf, &value).map_err(|why| unwritable(path, text, entry, why))?);
            }
            None => others.push_str(&text[entry.lines.clone()]),
        }
    }
    if texts.is_empty() {
        return Ok(None);
    }
    let mut instead = match (others.is_empty(), &beside) {
        (false, _) => format!("{}{others}", &text[data.header.clone()]),
        // It keeps the place.
        (true, Some(_)) => "data: {}\n".to_owned(),
        (true, None) => String::new(),
    };
    match &beside {
        Some(beside) => edits.push((beside.lines().end..beside.lines().end, texts)),
        None => instead.extend(["stringData:\n", &texts]),
    }
    edits.push((data.lines(), instead));
    let order = data.entries.iter().map(|entry| entry.child.key.clone()).collect();
    Ok(Some(Moved { order, beside: beside.is_some() }))
}

/// Moves them back.
fn encode(path: &Path, text: &str, root: &Container, moved: &Moved, edits: &mut Vec<(Span, String)>) -> Result<(), Error> {
    let (data, strings) = (section(path, text, root, "data")?, section(path, text, root, "stringData")?);
    let place = |key: &str| moved.order.iter().position(|known| known == key);
    let mut entries: Vec<(Option<usize>, String)> = Vec::new();
    for entry in data.iter().flat_map(|data| &data.entries) {
        refuse_both(path, text, entry, strings.as_ref())?;
        entries.push((place(&entry.child.key), text[entry.lines.clone()].to_owned()));
    }
    let mut left = String::new();
    for entry in strings.iter().flat_map(|strings| &strings.entries) {
        let place = place(&entry.child.key);
        if moved.beside && place.is_none() {
            left.push_str(&text[entry.lines.clone()]);
            continue;
        }
        let Tree::Leaf(leaf) = &entry.child.node else { return Err(no_text(path, text, entry)) };
        if leaf.value.kind() != Kind::Text || leaf.tag.is_some() || leaf.rest.is_some() || leaf.alias {
            return Err(no_text(path, text, entry));
        }
        let value = Value::text(STANDARD.encode(leaf.value.bytes().expose()));
        entries.push((place, entry.with(text, leaf, &value).map_err(|why| unwritable(path, text, entry, why))?));
    }
    // What is new comes last.
    entries.sort_by_key(|(place, _)| place.unwrap_or(usize::MAX));
    let header = data.as_ref().map_or("data:\n", |data| &text[data.header.clone()]);
    let written: String = entries.iter().map(|(_, lines)| lines.as_str()).collect();
    let mut written = if written.is_empty() { String::new() } else { format!("{header}{written}") };
    // Of an empty one too: `data: {}`, or a `stringData:` with nothing left below it.
    let lines = |key: &str, section: &Option<Section<'_>>| match section {
        Some(section) => Some(section.lines()),
        None => child(root, key).map(|child| child.span.start..line_end(text, child.span.end)),
    };
    if let Some(lines) = lines("data", &data).filter(|_| !written.is_empty()) {
        edits.push((lines, std::mem::take(&mut written)));
    }
    if let Some(lines) = lines("stringData", &strings).filter(|_| strings.is_some() || !moved.beside) {
        let header = strings.as_ref().filter(|_| !left.is_empty()).map_or("", |strings| &text[strings.header.clone()]);
        edits.push((lines, format!("{written}{header}{left}")));
    }
    Ok(())
}

/// A section of an edited text; none when it is not there, or empty.
fn section<'a>(path: &Path, text: &str, root: &'a Container, key: &str) -> Result<Option<Section<'a>>, Error> {
    let Some(child) = child(root, key) else { return Ok(None) };
    let is_empty = match &child.node {
        Tree::Leaf(leaf) => leaf.value.kind() == Kind::Null,
        Tree::Container(inner) => inner.items.is_empty(),
    };
    match Section::find(text, root, key) {
        None if !is_empty => {
            let why = format!("{key} is to be a mapping with a line for each key; write it so, or edit with --raw");
            Err(Error::Syntax { path: path.to_owned(), line: line_of(text, child.span.start), why })
        }
        found => Ok(found.filter(|_| !is_empty)),
    }
}

fn refuse_both(path: &Path, text: &str, entry: &Entry<'_>, other: Option<&Section<'_>>) -> Result<(), Error> {
    let key = &entry.child.key;
    if !other.is_some_and(|other| other.has(key)) {
        return Ok(());
    }
    let why = format!("the key {key:?} stands below data and below stringData; take one out, with --raw if you do not see both");
    Err(Error::Syntax { path: path.to_owned(), line: line_of(text, entry.child.span.start), why })
}

fn unwritable(path: &Path, text: &str, entry: &Entry<'_>, why: String) -> Error {
    Error::Syntax { path: path.to_owned(), line: line_of(text, entry.child.span.start), why }
}

fn no_text(path: &Path, text: &str, entry: &Entry<'_>) -> Error {
    let why = format!("{:?} below stringData is no text, and Kubernetes takes only such; put it in quotes", entry.child.key);
    Error::Syntax { path: path.to_owned(), line: line_of(text, entry.child.span.start), why }
}
