//! YAML as a tree in which every key and value knows its place.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle};
use kubestead_core::diagnostic::{Diagnostic, Place, Severity};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text, and whether it was written without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// Keys with their places, in the order written.
    Map(Vec<(String, Place, Node)>),
}

impl Kind {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null") => "nothing",
            Self::Scalar { .. } => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// The value of a field. None if it is absent.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|(key, ..)| key == name).map(|(.., value)| value)
    }
}

const MAX_DEPTH: usize = 32;
/// Schemas of the cluster's own kinds nest deeper than what is written by hand.
const MAX_DEPTH_OF_MANIFESTS: usize = 128;

/// Parses one document. Aliases and tags are refused: a cluster file is small, a place must mean one thing, and a field knows its kind.
pub(super) fn parse(file: &str, text: &str) -> Result<Node, Vec<Diagnostic>> {
    let mut walker = Walker { file, text, parser: Parser::new_from_str(text), found: Vec::new(), most_depth: MAX_DEPTH };
    let root = walker.document();
    match root {
        Ok(node) if walker.found.is_empty() => Ok(node),
        Ok(_) => Err(walker.found),
        Err(last) => {
            walker.found.push(last);
            Err(walker.found)
        }
    }
}

/// Parses all documents of a file of manifests; a document of nothing is one. What is wrong comes beside what could be read.
pub(crate) fn documents(file: &str, text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
    let mut walker = Walker { file, text, parser: Parser::new_from_str(text), found: Vec::new(), most_depth: MAX_DEPTH_OF_MANIFESTS };
    let mut all = Vec::new();
    loop {
        let read = match walker.next() {
            Ok((Event::StreamEnd, _)) => break,
            Ok((Event::DocumentEnd, _)) => continue,
            Ok((event, place)) => walker.node(event, place, 0),
            Err(last) => Err(last),
        };
        match read {
            Ok(node) => all.push(node),
            // Where the parser stopped, no later document is known to begin.
            Err(last) => {
                walker.found.push(last);
                break;
            }
        }
    }
    (all, walker.found)
}

fn error_at(place: Place, message: impl Into<String>, hint: Option<&str>) -> Diagnostic {
    Diagnostic { place, severity: Severity::Error, message: message.into(), hint: hint.map(str::to_owned) }
}

/// What an event says of its value's kind, as it is best read.
fn tag(event: &Event<'_>) -> Option<String> {
    let (Event::Scalar(_, _, _, tag) | Event::MappingStart(_, _, tag) | Event::SequenceStart(_, _, tag)) = event else { return None };
    let tag = tag.as_deref()?;
    let short = if tag.handle() == "tag:yaml.org,2002:" { "!!" } else { tag.handle() };
    Some(format!("{short}{}", tag.suffix()).chars().take(100).collect())
}

type Source<'a> = Parser<'a, granit_parser::StrInput<'a>>;

struct Walker<'a> {
    file: &'a str,
    text: &'a str,
    parser: Source<'a>,
    found: Vec<Diagnostic>,
    most_depth: usize,
}

/// What to do where a line, up to the one in which YAML ends to be YAML, begins with what looks like a blank and is none: pages and chats have such.
fn odd_blank(text: &str, last: usize) -> Option<String> {
    let is_odd = |c: char| !c.is_ascii() && (c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'));
    let odd = |line: &str| line.chars().take_while(|c| c.is_whitespace() || is_odd(*c) || *c == '-').find(|c| is_odd(*c));
    let (number, c) = text.lines().take(last).enumerate().find_map(|(index, line)| Some((index + 1, odd(line)?)))?;
    Some(format!("line {number} begins with the sign U+{:04X}, which looks like a blank and is none: type its blanks anew", u32::from(c)))
}

impl<'a> Walker<'a> {
    fn at(&self, line: usize, column: usize) -> Place {
        Place { file: self.file.to_owned(), line: line.max(1) as u64, column: column as u64 + 1 }
    }

    fn next(&mut self) -> Result<(Event<'a>, Place), Diagnostic> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Comment(..) | Event::StreamStart | Event::DocumentStart(..), _))) => {}
                Some(Ok((event, span))) => {
                    let place = self.at(span.start.line(), span.start.col());
                    return Ok((event, place));
                }
                Some(Err(error)) => {
                    let place = self.at(error.marker().line(), error.marker().col());
                    let hint = odd_blank(self.text, error.marker().line());
                    return Err(error_at(place, format!("this is not YAML: {}", error.info()), hint.as_deref()));
                }
                None => return Err(error_at(self.at(1, 0), "the file ends too early", None)),
            }
        }
    }

    fn document(&mut self) -> Result<Node, Diagnostic> {
        let (event, place) = self.next()?;
        if matches!(event, Event::StreamEnd | Event::DocumentEnd) {
            return Err(error_at(place, "the file is empty", Some("`kubestead init` writes one to begin with")));
        }
        let node = self.node(event, place, 0)?;
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(node),
                (_, place) => return Err(error_at(place, "a second document: a cluster file holds one", None)),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Diagnostic> {
        if depth > self.most_depth {
            return Err(error_at(place, format!("nested more than {} deep", self.most_depth), None));
        }
        if let Some(tag) = tag(&event) {
            self.found.push(error_at(place.clone(), format!("the tag {tag}: tags are not read here"), Some("leave it out")));
        }
        let kind = match event {
            Event::Scalar(text, style, ..) => Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain },
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            Event::Alias(_) => return Err(error_at(place, "an alias: aliases are not read here", Some("write the value out"))),
            _ => return Err(error_at(place, "a value was expected", None)),
        };
        Ok(Node { place, kind })
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, place) => items.push(self.node(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Diagnostic> {
        let mut entries: Vec<(String, Place, Node)> = Vec::new();
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let (event, place) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Kind::Map(entries)),
                other => other,
            };
            if let Some(tag) = tag(&event) {
                self.found.push(error_at(place.clone(), format!("the tag {tag}: tags are not read here"), Some("leave it out")));
            }
            let Event::Scalar(key, ..) = event else {
                return Err(error_at(place, "a key must be a single word", None));
            };
            let (value, at) = self.next()?;
            let value = self.node(value, at, depth + 1)?;
            let key = key.into_owned();
            if let Some(first) = lines.get(&key) {
                let message = format!("{:?} is written twice (first in line {first})", key.chars().take(100).collect::<String>());
                self.found.push(error_at(place, message, Some("keep one of them")));
            } else {
                lines.insert(key.clone(), place.line);
                entries.push((key, place, value));
            }
        }
    }
}
