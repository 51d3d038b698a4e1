//! Pieces of YAML text: scalars, new entries, the metadata.
#![allow(clippy::format_push_string)] // a few short texts

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::parse::{line_end, line_start};
use crate::sops::meta::Node;
use crate::sops::path::Step;
use crate::sops::resolve;
use crate::sops::tree::{Child, Container, Item, Leaf, Parsed, Problem, Span, Tree, splice};
use crate::sops::value::{Kind, Value};

/// The step of sops' own layout.
const STEP: usize = 4;

/// What is written in the place of a leaf for this value.
pub(crate) fn scalar(text: &str, leaf: &Leaf, value: &Value) -> Result<String, String> {
    // A comment behind it would become part of a block.
    let is_last = leaf.rest.is_none() && text[leaf.span.end..].lines().next().is_none_or(|rest| rest.trim().is_empty());
    let written = match value.as_str().filter(|content| fits_block(content)) {
        Some(content) if value.kind() == Kind::Text && !leaf.flow && is_last => block(content, leaf.indent + STEP),
        Some(_) | None => inline(value, leaf.flow)?,
    };
    let glued = leaf.span.is_empty() && leaf.span.start > 0 && !text[..leaf.span.start].ends_with([' ', '\n']);
    Ok(if glued && !written.is_empty() { format!(" {written}") } else { written })
}

/// A comment's text as it is written.
pub(crate) fn comment(text: &str) -> String {
    format!("#{text}")
}

/// A value on one line.
fn inline(value: &Value, flow: bool) -> Result<String, String> {
    let Some(content) = value.as_str() else {
        return match value.kind() {
            Kind::Text | Kind::Bytes => Ok(format!("!!binary {}", STANDARD.encode(value.bytes().expose()))),
            kind => Err(format!("bytes that are no text cannot be written as {}", kind.word())),
        };
    };
    Ok(match value.kind() {
        Kind::Text | Kind::Bytes | Kind::Comment => word(content, flow),
        Kind::Int | Kind::Time => content.to_owned(),
        Kind::Float => match content {
            "NaN" => ".nan".to_owned(),
            "+Inf" => ".inf".to_owned(),
            "-Inf" => "-.inf".to_owned(),
            digits if digits.contains('.') => digits.to_owned(),
            digits => format!("{digits}.0"),
        },
        Kind::Bool => content.to_lowercase(),
        Kind::Null => "null".to_owned(),
    })
}

/// A text on one line: plain where that reads back as the same text, else in double quotes.
fn word(content: &str, flow: bool) -> String {
    let resolves = || resolve::plain(content).is_ok_and(|value| value.kind() == Kind::Text);
    let first = content.chars().next().is_some_and(|c| !c.is_whitespace() && !"-?:,[]{}#&*!|>'\"%@`=<~".contains(c));
    let inner = !content.contains(": ") && !content.contains(" #") && !content.ends_with([' ', ':']);
    let printable =
        content.chars().all(|c| !c.is_control() && !matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}' | '\u{85}'));
    let brackets = !flow || !content.contains(['[', ']', '{', '}', ',', ':', '?']);
    // `y` and `yes` are texts to sops and truth values to older readers.
    let word = !matches!(content.to_ascii_lowercase().as_str(), "y" | "yes" | "n" | "no" | "on" | "off");
    if first && inner && printable && brackets && word && resolves() { content.to_owned() } else { quoted(content) }
}

/// In double quotes.
pub(crate) fn quoted(content: &str) -> String {
    let mut written = String::with_capacity(content.len() + 2);
    written.push('"');
    for c in content.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            '\r' => written.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                written.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

fn fits_block(content: &str) -> bool {
    let clean = content.chars().all(|c| {
        c == '\n' || c == '\t' || !c.is_control() && !matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}' | '\u{85}')
    });
    let ends = content.len() - content.trim_end_matches('\n').len();
    clean
        && content.contains('\n')
        && ends <= 1
        && !content.starts_with([' ', '\n', '\t'])
        && !content.trim_end_matches('\n').ends_with([' ', '\t'])
}

/// A literal block without the newline at its end.
fn block(content: &str, indent: usize) -> String {
    let header = if content.ends_with('\n') { "|" } else { "|-" };
    let pad = " ".repeat(indent);
    let lines = content.trim_end_matches('\n').split('\n');
    let body: String = lines.map(|line| if line.is_empty() { "\n".to_owned() } else { format!("\n{pad}{line}") }).collect();
    format!("{header}{body}")
}

/// Adds an entry to a container: the value below the steps, of which the first is new there.
pub(crate) fn insert(text: &str, container: &Container, steps: &[Step], value: &Value) -> Result<(Span, String), String> {
    if container.flow {
        let close = container.span.end - 1;
        let entry = flow_chain(steps, value)?;
        // Right behind the last entry, before the comments that follow it.
        let Some(last) = container.children().map(|child| child.span.end).max() else {
            let open = container.span.start + 1;
            let blank = text[open..close].trim().is_empty();
            return Ok(if blank { (open..close, entry) } else { (open..open, format!("{entry} ")) });
        };
        return Ok((last..last, format!(", {entry}")));
    }
    let last = container.items.iter().rev().find_map(|item| match item {
        Item::Child(child) => Some(child.span.end),
        Item::Comment(_) => None,
    });
    let at = line_end(text, last.unwrap_or(container.span.end));
    let break_line = if at == 0 || text[..at].ends_with('\n') { "" } else { "\n" };
    Ok((at..at, format!("{break_line}{}{}\n", " ".repeat(container.indent), chain(steps, value, container.indent)?)))
}

fn chain(steps: &[Step], value: &Value, indent: usize) -> Result<String, String> {
    Ok(match steps {
        [] => inline(value, false)?,
        [Step::Index(_), rest @ ..] => format!("- {}", chain(rest, value, indent + 2)?),
        [Step::Key(key)] => format!("{}: {}", word(key, false), inline(value, false)?),
        [Step::Key(key), rest @ ..] => {
            format!("{}:\n{}{}", word(key, false), " ".repeat(indent + STEP), chain(rest, value, indent + STEP)?)
        }
    })
}

fn flow_chain(steps: &[Step], value: &Value) -> Result<String, String> {
    let braced = |steps: &[Step]| match steps {
        [] => inline(value, true),
        [Step::Index(_), ..] => Ok(format!("[{}]", flow_chain(steps, value)?)),
        [Step::Key(_), ..] => Ok(format!("{{{}}}", flow_chain(steps, value)?)),
    };
    match steps {
        [] => inline(value, true),
        [Step::Index(_), rest @ ..] => braced(rest),
        [Step::Key(key), rest @ ..] => Ok(format!("{}: {}", word(key, true), braced(rest)?)),
    }
}

/// Takes a child out of its container.
pub(crate) fn remove(text: &str, container: &Container, child: &Child) -> (Span, String) {
    let children: Vec<&Child> = container.items.iter().filter_map(|item| if let Item::Child(c) = item { Some(c) } else { None }).collect();
    let place = children.iter().position(|c| c.span == child.span).unwrap_or_default();
    let next = children.get(place + 1).map(|c| c.span.start);
    if container.flow {
        let before = place.checked_sub(1).map(|before| children[before].span.end);
        return match (next, before) {
            (Some(next), _) => (child.span.start..next, String::new()),
            (None, Some(before)) => (before..child.span.end, String::new()),
            (None, None) => (child.span.clone(), String::new()),
        };
    }
    let start = line_start(text, child.span.start);
    let alone = text[start..child.span.start].trim().is_empty();
    match next {
        // Nothing else keeps the key above it from being null.
        None if children.len() == 1 && (container.indent > 0 || container.list) => {
            (child.span.clone(), if container.list { "[]" } else { "{}" }.to_owned())
        }
        Some(next) if !alone => (child.span.start..next, String::new()),
        Some(_) | None => (start..line_end(text, child.span.end), String::new()),
    }
}

/// Writes the metadata: in its place when there is some, else at the end of every document.
pub(crate) fn attach(text: &str, parsed: &Parsed, meta: &Node) -> Result<String, Problem> {
    let mut body = "sops:\n".to_owned();
    render(&mut body, meta, STEP);
    let edits = if parsed.meta_regions.is_empty() {
        parsed.documents.iter().map(|document| at_end(text, document, meta, &body)).collect()
    } else {
        let written = |index: usize| match parsed.documents.get(index).filter(|document| document.flow) {
            Some(document) => flow_entry(text, document, meta),
            None => body.clone(),
        };
        parsed.meta_regions.iter().enumerate().map(|(index, region)| (region.clone(), written(index))).collect()
    };
    splice(text, edits)
}

fn at_end(text: &str, document: &Container, meta: &Node, body: &str) -> (Span, String) {
    if document.flow {
        let at = document.span.end - 1;
        return (at..at, flow_entry(text, document, meta));
    }
    let at = line_end(text, document.span.end.max(last_end(document)));
    // sops takes a line of blanks with a tab behind what it stands behind now, and not behind the metadata.
    let blank = text[at..].split_inclusive('\n').take_while(|line| line.trim().is_empty()).map(str::len).sum::<usize>();
    let at = if text[at..at + blank].contains('\t') { at + blank } else { at };
    let break_line = if at == 0 || text[..at].ends_with('\n') { "" } else { "\n" };
    (at..at, format!("{break_line}{body}"))
}

/// The end of the last value or comment, however deep.
fn last_end(container: &Container) -> usize {
    let ends = container.items.iter().map(|item| match item {
        Item::Comment(leaf) => leaf.end(),
        Item::Child(Child { span, node: Tree::Container(inner), .. }) => span.end.max(last_end(inner)),
        Item::Child(child) => child.span.end,
    });
    ends.max().unwrap_or(0)
}

fn flow_entry(text: &str, document: &Container, meta: &Node) -> String {
    let last = document.children().map(|child| child.span.end).max();
    let has_comma =
        last.is_some_and(|end| text[end..].trim_start().starts_with(',') && text[end..].trim_start()[1..].trim_start().starts_with('}'));
    let comma = if last.is_some() && !has_comma { ", " } else { "" };
    format!("{comma}sops: {}", flow_node(meta))
}

fn render(out: &mut String, node: &Node, indent: usize) {
    let pad = " ".repeat(indent);
    match node {
        Node::Map(entries) => {
            for (key, below) in entries {
                out.push_str(&pad);
                entry(out, key, below, indent);
            }
        }
        Node::List(elements) => {
            for element in elements {
                out.push_str(&format!("{pad}- "));
                match element {
                    Node::Map(entries) if !entries.is_empty() => {
                        for (index, (key, below)) in entries.iter().enumerate() {
                            if index > 0 {
                                out.push_str(&format!("{pad}  "));
                            }
                            entry(out, key, below, indent + 2);
                        }
                    }
                    other => out.push_str(&format!("{}\n", flow_node(other))),
                }
            }
        }
        Node::Null | Node::Text(_) | Node::Word(_) => {}
    }
}

fn entry(out: &mut String, key: &str, below: &Node, indent: usize) {
    let key = word(key, false);
    match below {
        Node::Map(entries) if !entries.is_empty() => {
            out.push_str(&format!("{key}:\n"));
            render(out, below, indent + STEP);
        }
        Node::List(elements) if !elements.is_empty() => {
            out.push_str(&format!("{key}:\n"));
            render(out, below, indent + STEP);
        }
        // In a list element the text is indented from the dash, as go-yaml does it.
        Node::Text(text) if fits_block(text) => out.push_str(&format!("{key}: {}\n", block(text, indent / STEP * STEP + STEP))),
        Node::Text(text) => out.push_str(&format!("{key}: {}\n", word(text, false))),
        other => out.push_str(&format!("{key}: {}\n", flow_node(other))),
    }
}

fn flow_node(node: &Node) -> String {
    match node {
        Node::Null => "null".to_owned(),
        Node::Word(text) => text.clone(),
        Node::Text(text) => quoted(text),
        Node::List(elements) => format!("[{}]", elements.iter().map(flow_node).collect::<Vec<_>>().join(", ")),
        Node::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, below)| format!("{}: {}", quoted(key), flow_node(below))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}
