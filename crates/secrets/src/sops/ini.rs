//! The INI store: sections with texts; keys before the first section belong to `DEFAULT`.
//!
//! sops joins the comment lines above a key to one comment and rewrites the file; here they stay where they are.

use super::flatten::{flatten, unflatten};
use super::meta::Node;
use super::path::Step;
use super::tree::{Child, Container, Item, Leaf, Parsed, Problem, Span, Tree, splice};
use super::value::{Kind, Value};

/// Reads a file; the metadata is taken out.
pub(crate) fn parse(text: &str) -> Result<Parsed, Problem> {
    // sops passes over the mark of Windows' editors.
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { text, at: start, comment: None, sections: vec![section("DEFAULT", start..start)] };
    while reader.at < text.len() {
        reader.line()?;
    }
    if let (Some(leaf), Some(last)) = (reader.above(), reader.sections.last_mut()) {
        last.1.items.push(Item::Comment(leaf));
    }
    let mut parsed = Parsed::default();
    let mut root = Container { list: false, flow: false, indent: 0, span: 0..text.len(), tag: None, items: Vec::new() };
    let starts: Vec<usize> = reader.sections.iter().skip(1).map(|(_, section)| section.span.start).chain([text.len()]).collect();
    for ((name, section), next) in reader.sections.into_iter().zip(starts) {
        section.unique().map_err(|problem| Problem { why: format!("{} in its section", problem.why), ..problem })?;
        if name == "sops" {
            take_metadata(&section, next, &mut parsed)?;
        } else if !(name == "DEFAULT" && section.items.is_empty()) {
            root.items.push(Item::Child(Child { key: name, span: section.span.clone(), node: Tree::Container(section) }));
        }
    }
    parsed.documents.push(root);
    Ok(parsed)
}

fn section(name: &str, span: Span) -> (String, Container) {
    (name.to_owned(), Container { list: false, flow: false, indent: 0, span, tag: None, items: Vec::new() })
}

fn take_metadata(section: &Container, next: usize, parsed: &mut Parsed) -> Result<(), Problem> {
    let mut entries = Vec::new();
    for child in section.children() {
        let Tree::Leaf(leaf) = &child.node else { continue };
        match child.key.as_str() {
            "mac" => parsed.mac.push(leaf.clone()),
            "lastmodified" => parsed.modified.push(leaf.clone()),
            _ => {}
        }
        // Versions of sops differ in how they write a newline.
        let text = leaf.value.as_str().unwrap_or_default().replace("\\\\n", "\n").replace("\\n", "\n");
        entries.push((child.key.clone(), text));
    }
    parsed.meta = Some(unflatten(&entries).map_err(|why| Problem::new(section.span.start, why))?);
    parsed.meta_regions.push(section.span.start..next);
    Ok(())
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The comment lines above what comes next: one comment, made when that comes.
    comment: Option<Span>,
    sections: Vec<(String, Container)>,
}

impl Reader<'_> {
    fn above(&mut self) -> Option<Leaf> {
        let lines = self.comment.take()?;
        Some(Leaf::new(Value::comment(strip(&self.text[lines.clone()])), lines))
    }

    fn line(&mut self) -> Result<(), Problem> {
        let start = self.at;
        let end = self.text[start..].find('\n').map_or(self.text.len(), |newline| start + newline);
        self.at = (end + 1).min(self.text.len());
        let line = self.text[start..end].trim_end();
        let indent = line.len() - line.trim_start().len();
        let (from, to) = (start + indent, start + line.len());
        let content = line.trim_start();
        if content.starts_with(['#', ';']) {
            self.comment = Some(self.comment.as_ref().map_or(from, |lines| lines.start)..to);
        } else if let Some(rest) = content.strip_prefix('[') {
            let close = rest.rfind(']').ok_or_else(|| Problem::new(from, "this section has no closing bracket"))?;
            self.sections.push(section(&rest[..close], from..to));
            let behind = from + 1 + close + 1;
            if self.inline(behind, to).is_some() {
                // Readers take the name up to the last bracket, and an encrypted comment has one.
                let why = "a comment behind a section's name would be read as a part of it once encrypted; write it on the line above";
                return Err(Problem::new(behind, why));
            }
            let mut above = self.above();
            // The metadata has no comments: what stands above it is the end of the file that it was put to.
            let before = self.sections.len() - 2;
            if let Some(comment) = above.take_if(|_| rest[..close] == *"sops") {
                self.sections[before].1.items.push(Item::Comment(comment));
            }
            let items = above.into_iter().map(Item::Comment);
            if let Some((_, section)) = self.sections.last_mut() {
                section.items.extend(items);
            }
        } else if !content.is_empty() {
            self.entry(from, to)?;
        }
        Ok(())
    }

    /// A comment behind something, between two offsets.
    fn inline(&self, from: usize, to: usize) -> Option<Leaf> {
        let start = from + self.text[from..to].find(['#', ';'])?;
        Some(Leaf::new(Value::comment(strip(&self.text[start..to])), start..to))
    }

    fn entry(&mut self, from: usize, to: usize) -> Result<(), Problem> {
        let content = &self.text[from..to];
        let split = content.find(['=', ':']).filter(|split| *split > 0);
        let split = split.ok_or_else(|| Problem::new(from, "this line is no section, no comment and no `key = value`"))?;
        let key = content[..split].trim_end().to_owned();
        if key.starts_with(['"', '`']) || key == "-" {
            return Err(Problem::new(from, "quoted and numbered keys are not supported; write the key out"));
        }
        let (leaf, inline) = self.value(from + split + 1, to)?;
        let above = self.above();
        let Some((_, section)) = self.sections.last_mut() else { return Ok(()) };
        let end = leaf.span.end.max(inline.as_ref().map_or(0, |leaf| leaf.span.end));
        section.items.push(Item::Child(Child { key, span: from..end, node: Tree::Leaf(leaf) }));
        section.span.end = end;
        // sops puts the comments of a key behind it.
        section.items.extend(above.into_iter().chain(inline).map(Item::Comment));
        Ok(())
    }

    /// The value between two offsets of a line, and the comment behind it.
    fn value(&mut self, from: usize, to: usize) -> Result<(Leaf, Option<Leaf>), Problem> {
        let raw = &self.text[from..to];
        let start = from + raw.len() - raw.trim_start().len();
        let content = &self.text[start..to];
        if content.is_empty() {
            return Ok((Leaf::new(Value::text(""), from..from), None));
        }
        let quote = ["\"\"\"", "`"].into_iter().find(|quote| content.starts_with(quote) && content.len() > 1);
        if let Some(quote) = quote {
            let inner = start + quote.len();
            let close = self.text[inner..to].rfind(quote).or_else(|| self.text[inner..].find(quote)).map(|close| inner + close);
            let close = close.ok_or_else(|| Problem::new(start, "this value has no closing quote"))?;
            let end = close + quote.len();
            let line_end = self.text[end..].find('\n').map_or(self.text.len(), |newline| end + newline);
            self.at = self.at.max((line_end + 1).min(self.text.len()));
            return Ok((Leaf::new(Value::text(&self.text[inner..close]), start..end), self.inline(end, line_end)));
        }
        if content.ends_with('\\') {
            return Err(Problem::new(start, "a value that goes on in the next line is not supported; write it on one line"));
        }
        let end = start + content.find(['#', ';']).map_or(content.len(), |comment| content[..comment].trim_end().len());
        let written = &self.text[start..end];
        let surrounded =
            |quote: char| written.len() >= 2 && written.starts_with(quote) && written[1..].find(quote) == Some(written.len() - 2);
        let value = if surrounded('"') || surrounded('\'') { &written[1..written.len() - 1] } else { written };
        Ok((Leaf::new(Value::text(value), start..end), self.inline(end, to)))
    }
}

fn strip(comment: &str) -> &str {
    let mark = if comment.starts_with(';') { [';', ' '] } else { ['#', ' '] };
    comment.trim_start_matches(mark).trim_end()
}

/// What is written for a value.
pub(crate) fn scalar(leaf: &Leaf, value: &Value) -> Result<String, String> {
    let content = value.as_str().ok_or("an INI file cannot hold bytes that are no text")?;
    let plain = !content.contains(['\n', '\r', '`', '#', ';', '\\']) && content.trim() == content && !content.starts_with(['"', '\'']);
    let written = match value.kind() {
        Kind::Bool => content.to_lowercase(),
        Kind::Null => return Err("an INI file has no null".to_owned()),
        _ if plain => content.to_owned(),
        _ if !content.contains(['`', '\n', '\r']) => format!("`{content}`"),
        _ if !content.contains("\"\"\"") && !content.ends_with('"') => format!("\"\"\"{content}\"\"\""),
        _ => return Err("an INI file has no way to write this text; use YAML".to_owned()),
    };
    Ok(if leaf.span.is_empty() && !written.is_empty() { format!(" {written}") } else { written })
}

/// What is written for a comment.
pub(crate) fn comment(text: &str) -> String {
    format!("; {text}")
}

fn after_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// Adds a line to a section, or a section with a line.
pub(crate) fn insert(text: &str, container: &Container, steps: &[Step], value: &Value) -> Result<(Span, String), String> {
    let empty = Leaf::new(Value::text(""), 0..1);
    let written = scalar(&empty, value)?;
    let good =
        |key: &str| !key.is_empty() && key.trim() == key && !key.contains(['=', ':', '\n', '#', ';', '[', ']', '"', '`']) && key != "-";
    match steps {
        [Step::Key(key)] if good(key) => {
            let at = after_line(text, container.span.end);
            let break_line = if at == 0 || text[..at].ends_with('\n') { "" } else { "\n" };
            Ok((at..at, format!("{break_line}{key} = {written}\n")))
        }
        [Step::Key(section), Step::Key(key)] if section == "DEFAULT" && good(key) => {
            let at = text.len() - text.trim_start_matches('\u{feff}').len();
            Ok((at..at, format!("{key} = {written}\n")))
        }
        [Step::Key(section), Step::Key(key)] if good(section) && good(key) && section != "sops" => {
            let at = container.children().last().map_or(0, |last| after_line(text, last.span.end));
            let break_line = if at == 0 || text[..at].ends_with('\n') { "" } else { "\n" };
            Ok((at..at, format!("{break_line}\n[{section}]\n{key} = {written}\n")))
        }
        _ => Err("an INI file has sections with single values, and names without signs like = : [ ] # ;".to_owned()),
    }
}

/// Takes a line or a section out.
pub(crate) fn remove(text: &str, child: &Child) -> (Span, String) {
    let start = text[..child.span.start].rfind('\n').map_or(0, |newline| newline + 1);
    (start..after_line(text, child.span.end), String::new())
}

/// Writes the metadata as the last section.
pub(crate) fn attach(text: &str, parsed: &Parsed, meta: &Node) -> Result<String, Problem> {
    let bare = splice(text, parsed.meta_regions.iter().map(|region| (region.clone(), String::new())).collect())?;
    let break_line = if bare.is_empty() || bare.ends_with("\n\n") {
        ""
    } else if bare.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    };
    let lines = flatten(meta).into_iter().map(|(name, text)| format!("{name} = {}\n", text.replace('\n', "\\n")));
    Ok(format!("{bare}{break_line}[sops]\n{}", lines.collect::<String>()))
}
