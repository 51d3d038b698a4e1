//! The dotenv store: one `KEY=value` a line, no quotes, `\n` for a newline, comments in the first column only.

use super::flatten::{flatten, unflatten};
use super::meta::Node;
use super::path::Step;
use super::tree::{Child, Container, Item, Leaf, Parsed, Problem, Span, Tree, splice};
use super::value::{Kind, Value};

const PREFIX: &str = "sops_";

/// Reads a file; the metadata is taken out.
pub(crate) fn parse(text: &str) -> Result<Parsed, Problem> {
    let mut root = Container { list: false, flow: false, indent: 0, span: 0..text.len(), tag: None, items: Vec::new() };
    let mut parsed = Parsed::default();
    let mut entries = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let content = line.strip_suffix('\n').unwrap_or(line);
        if content.is_empty() {
            continue;
        }
        let end = start + content.len();
        if let Some(comment) = content.strip_prefix('#') {
            root.items.push(Item::Comment(Leaf::new(Value::comment(comment), start..end)));
            continue;
        }
        let (key, value) = content
            .split_once('=')
            .ok_or_else(|| Problem::new(start, "this line is neither KEY=value nor a comment in the first column"))?;
        let leaf = Leaf::new(Value::text(value.replace("\\n", "\n")), start + key.len() + 1..end);
        if let Some(name) = key.strip_prefix(PREFIX) {
            match name {
                "mac" => parsed.mac.push(leaf.clone()),
                "lastmodified" => parsed.modified.push(leaf.clone()),
                _ => {}
            }
            entries.push((name.to_owned(), leaf.value.as_str().unwrap_or_default().to_owned()));
            parsed.meta_regions.push(start..at);
        } else {
            root.items.push(Item::Child(Child { key: key.to_owned(), span: start..end, node: Tree::Leaf(leaf) }));
        }
    }
    root.unique()?;
    if !entries.is_empty() {
        let first = parsed.meta_regions.first().map_or(0, |region| region.start);
        parsed.meta = Some(unflatten(&entries).map_err(|why| Problem::new(first, why))?);
    }
    parsed.documents.push(root);
    Ok(parsed)
}

/// What is written for a value.
pub(crate) fn scalar(value: &Value) -> Result<String, String> {
    let content = value.as_str().ok_or("a dotenv file cannot hold bytes that are no text")?;
    if content.contains("\\n") {
        return Err("a dotenv file has no way to write a backslash before an n; use YAML".to_owned());
    }
    match value.kind() {
        Kind::Bool => Ok(content.to_lowercase()),
        Kind::Null => Err("a dotenv file has no null".to_owned()),
        _ => Ok(content.replace('\n', "\\n")),
    }
}

/// Adds a line before the metadata.
pub(crate) fn insert(text: &str, container: &Container, steps: &[Step], value: &Value) -> Result<(Span, String), String> {
    let [Step::Key(key)] = steps else { return Err("a dotenv file has no mappings and lists".to_owned()) };
    if key.is_empty() || key.contains(['=', '\n']) || key.starts_with(['#']) || key.starts_with(PREFIX) {
        return Err("this is no name that a dotenv file can hold".to_owned());
    }
    let last = container.children().last().map_or(0, |child| child.span.end);
    let at = text[last..].find('\n').map_or(text.len(), |newline| last + newline + 1);
    let at = if container.children().next().is_none() { 0 } else { at };
    let break_line = if at == 0 || text[..at].ends_with('\n') { "" } else { "\n" };
    Ok((at..at, format!("{break_line}{key}={}\n", scalar(value)?)))
}

/// Takes a line out.
pub(crate) fn remove(text: &str, child: &Child) -> (Span, String) {
    let end = text[child.span.end..].find('\n').map_or(text.len(), |newline| child.span.end + newline + 1);
    (child.span.start..end, String::new())
}

/// Writes the metadata at the end.
pub(crate) fn attach(text: &str, parsed: &Parsed, meta: &Node) -> Result<String, Problem> {
    let mut bare = splice(text, parsed.meta_regions.iter().map(|region| (region.clone(), String::new())).collect())?;
    if !bare.is_empty() && !bare.ends_with('\n') {
        bare.push('\n');
    }
    let lines = flatten(meta).into_iter().map(|(name, text)| format!("{PREFIX}{name}={}\n", text.replace('\n', "\\n")));
    Ok(bare + &lines.collect::<String>())
}
