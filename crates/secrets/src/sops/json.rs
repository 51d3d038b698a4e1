//! The JSON store, and the binary store that is a JSON file with one value.

use super::meta::Node;
use super::path::Step;
use super::tree::{Child, Container, Item, Leaf, Parsed, Problem, Span, Tree, splice};
use super::value::{Kind, Value};

const DEEPEST: usize = 200;

/// Reads a file; the metadata is taken out. `lean` leaves long ciphertexts where they are.
pub(crate) fn parse_with(text: &str, lean: bool) -> Result<Parsed, Problem> {
    document(Reader { text, at: 0, lean, is_lenient: false, is_binary: false })
}

/// As [`parse_with`], for a file of the binary store: see [`quoted_bytes`].
pub(crate) fn parse_binary(text: &str, lean: bool) -> Result<Parsed, Problem> {
    document(Reader { text, at: 0, lean, is_lenient: false, is_binary: true })
}

fn document(mut reader: Reader<'_>) -> Result<Parsed, Problem> {
    let text = reader.text;
    reader.blanks();
    if reader.byte() != Some(b'{') {
        return Err(Problem::new(reader.at, "sops needs a JSON object at the top"));
    }
    let Tree::Container(mut root) = reader.value(0)? else {
        return Err(Problem::new(0, "sops needs a JSON object at the top"));
    };
    reader.blanks();
    if reader.at < text.len() {
        return Err(Problem::new(reader.at, "something follows after the end of the JSON object"));
    }
    let mut parsed = Parsed::default();
    let place = root.items.iter().position(|item| matches!(item, Item::Child(child) if child.key == "sops"));
    if let Some(place) = place {
        let Item::Child(child) = root.items[place].clone() else { return Ok(parsed) };
        let Tree::Container(meta) = &child.node else {
            return Err(Problem::new(child.span.start, "the key `sops` belongs to the metadata of sops and must be an object"));
        };
        parsed.mac.extend(meta.scalar_at("mac"));
        parsed.modified.extend(meta.scalar_at("lastmodified"));
        parsed.meta_regions.push(remove(text, &root, &child).0);
        parsed.meta = Some(meta.to_node());
        root.items.remove(place);
    }
    parsed.documents.push(root);
    Ok(parsed)
}

/// All objects and lists of a text, one after another; nothing of sops is known.
pub(crate) fn values(text: &str) -> Result<Vec<Container>, Problem> {
    let mut reader = Reader { text, at: 0, lean: false, is_lenient: true, is_binary: false };
    let mut found = Vec::new();
    reader.blanks();
    while reader.at < text.len() {
        if let Tree::Container(container) = reader.value(0)? {
            found.push(container);
        }
        reader.blanks();
    }
    Ok(found)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    lean: bool,
    /// A key may be there twice.
    is_lenient: bool,
    /// Texts may hold bytes that are no text.
    is_binary: bool,
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Problem> {
        if self.byte() == Some(wanted) {
            self.at += 1;
            return Ok(());
        }
        Err(Problem::new(self.at, format!("this is no JSON: {:?} is expected here", char::from(wanted))))
    }

    fn value(&mut self, depth: usize) -> Result<Tree, Problem> {
        let start = self.at;
        if depth > DEEPEST {
            return Err(Problem::new(start, "this JSON is nested too deep"));
        }
        match self.byte() {
            Some(b'{') => self.container(b'}', depth).map(Tree::Container),
            Some(b'[') => self.container(b']', depth).map(Tree::Container),
            Some(b'"') => {
                let span = self.quoted()?;
                let content = &self.text[span.clone()];
                let lean = Leaf::lean(content, span, start..self.at).filter(|_| self.lean && !content.contains('\\'));
                lean.map_or_else(|| self.text_in(start).map(|value| Leaf::new(value, start..self.at)), Ok).map(Tree::Leaf)
            }
            _ => {
                let rest = &self.text[start..];
                let word = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(rest.len())];
                self.at += word.len();
                let value = literal(word).ok_or_else(|| Problem::new(start, "this is no JSON: a value is expected here"))?;
                Ok(Tree::Leaf(Leaf::new(value, start..self.at)))
            }
        }
    }

    fn container(&mut self, end: u8, depth: usize) -> Result<Container, Problem> {
        let start = self.at;
        self.at += 1;
        let mut container = Container { list: end == b']', flow: true, indent: depth, span: start..start, tag: None, items: Vec::new() };
        self.blanks();
        while self.byte() != Some(end) {
            if !container.items.is_empty() {
                self.expect(b',')?;
                self.blanks();
            }
            let from = self.at;
            let mut key = String::new();
            if !container.list {
                if self.byte() != Some(b'"') {
                    return Err(Problem::new(from, "this is no JSON: a key in quotes is expected here"));
                }
                key = self.string()?;
                self.blanks();
                self.expect(b':')?;
                self.blanks();
            }
            let node = self.value(depth + 1)?;
            container.items.push(Item::Child(Child { key, span: from..self.at, node }));
            self.blanks();
        }
        self.at += 1;
        container.span = start..self.at;
        if !self.is_lenient {
            container.unique()?;
        }
        Ok(container)
    }

    fn string(&mut self) -> Result<String, Problem> {
        let start = self.at;
        self.quoted()?;
        self.string_in(start)
    }

    /// The text of the quotes that begin there and end where the reader is.
    fn string_in(&self, start: usize) -> Result<String, Problem> {
        let bytes = unescape(&self.text[start + 1..self.at - 1], false).and_then(|bytes| String::from_utf8(bytes).ok());
        bytes.ok_or_else(|| strange(start))
    }

    /// As a value.
    fn text_in(&self, start: usize) -> Result<Value, Problem> {
        if !self.is_binary {
            return self.string_in(start).map(Value::text);
        }
        let bytes = unescape(&self.text[start + 1..self.at - 1], true).ok_or_else(|| strange(start))?;
        Value::from_decrypted(Kind::Text, bytes).map_err(|why| Problem::new(start, why))
    }

    /// Passes a text in quotes; what stands between them.
    fn quoted(&mut self) -> Result<Span, Problem> {
        let start = self.at;
        let rest = &self.text.as_bytes()[start + 1..];
        let mut escaped = false;
        let end = rest.iter().position(|byte| {
            let quote = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            quote
        });
        let end = end.map(|end| start + 1 + end).ok_or_else(|| Problem::new(start, "this text has no closing quote"))?;
        self.at = end + 1;
        Ok(start + 1..end)
    }
}

fn strange(at: usize) -> Problem {
    Problem::new(at, "this text holds a control character or an escape that JSON does not know")
}

/// The bytes of a text, which are UTF-8 unless it is of the binary store.
fn unescape(text: &str, is_binary: bool) -> Option<Vec<u8>> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            if c < ' ' {
                return None;
            }
            push(&mut result, c);
            continue;
        }
        let c = match rest.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let first = hex(&mut rest)?;
                if (0xd800..0xdc00).contains(&first) && rest.as_str().starts_with("\\u") {
                    let mut ahead = rest.clone();
                    ahead.nth(1);
                    match hex(&mut ahead).filter(|second| (0xdc00..0xe000).contains(second)) {
                        Some(second) => {
                            rest = ahead;
                            char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?
                        }
                        None => char::REPLACEMENT_CHARACTER,
                    }
                } else if let (true, Ok(byte @ 0x80..)) = (is_binary, u8::try_from(first.wrapping_sub(0xdc00))) {
                    result.push(byte);
                    continue;
                } else {
                    char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
            }
            same @ ('"' | '\\' | '/') => same,
            _ => return None,
        };
        push(&mut result, c);
    }
    Some(result)
}

fn push(result: &mut Vec<u8>, c: char) {
    result.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hex(rest: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |sum, _| Some(sum * 16 + rest.next()?.to_digit(16)?))
}

fn literal(word: &str) -> Option<Value> {
    match word {
        "true" => return Some(Value::bool(true)),
        "false" => return Some(Value::bool(false)),
        "null" => return Some(Value::null()),
        _ => {}
    }
    let digits = word.strip_prefix('-').unwrap_or(word);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || leading_zero || word.ends_with('.') {
        return None;
    }
    if let Ok(number) = word.parse::<i64>() {
        return Some(Value::int(number));
    }
    word.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::float)
}

/// What is written for a value.
pub(crate) fn scalar(value: &Value) -> Result<String, String> {
    let content = value.as_str().ok_or("JSON cannot hold bytes that are no text")?;
    match value.kind() {
        Kind::Text | Kind::Bytes | Kind::Comment | Kind::Time => Ok(quoted(content)),
        Kind::Int => Ok(content.to_owned()),
        Kind::Float if content.contains(['N', 'I']) => Err("JSON has no number for infinity".to_owned()),
        Kind::Float if content.contains('.') => Ok(content.to_owned()),
        Kind::Float => Ok(format!("{content}.0")),
        Kind::Bool => Ok(content.to_lowercase()),
        Kind::Null => Ok("null".to_owned()),
    }
}

pub(crate) fn quoted(content: &str) -> String {
    let mut written = String::with_capacity(content.len() + 2);
    written.push('"');
    escape(&mut written, content);
    written.push('"');
    written
}

/// Bytes of the binary store, which sops encrypts as they are. In plain text they stand in this program's memory only, and there each byte
/// that is no part of a UTF-8 text is written as half of a surrogate pair, `\udc80` to `\udcff`, which no text holds.
pub(crate) fn quoted_bytes(content: &[u8]) -> String {
    let mut written = String::with_capacity(content.len() + 2);
    written.push('"');
    for chunk in content.utf8_chunks() {
        escape(&mut written, chunk.valid());
        for byte in chunk.invalid() {
            written.push_str("\\udc");
            written.extend([byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(u32::from(digit), 16)));
        }
    }
    written.push('"');
    written
}

fn escape(written: &mut String, content: &str) {
    for c in content.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            '\r' => written.push_str("\\r"),
            c if c < ' ' => {
                let code = u32::from(c);
                written.push_str("\\u00");
                written.extend([code >> 4, code & 15].into_iter().filter_map(|digit| char::from_digit(digit, 16)));
            }
            c => written.push(c),
        }
    }
}

fn chain(steps: &[Step], value: &Value) -> Result<String, String> {
    let below = |rest: &[Step]| match rest.first() {
        None => scalar(value),
        Some(Step::Key(_)) => Ok(format!("{{{}}}", chain(rest, value)?)),
        Some(Step::Index(_)) => Ok(format!("[{}]", chain(rest, value)?)),
    };
    match steps {
        [] => scalar(value),
        [Step::Key(key), rest @ ..] => Ok(format!("{}: {}", quoted(key), below(rest)?)),
        [Step::Index(_), rest @ ..] => below(rest),
    }
}

/// Adds an entry at the end of a container, at the top before the metadata.
pub(crate) fn insert(text: &str, container: &Container, steps: &[Step], value: &Value) -> Result<(Span, String), String> {
    let entry = chain(steps, value)?;
    let Some(last) = container.children().last() else {
        let at = container.span.start + 1;
        let comma = if text[at..].trim_start().starts_with(['}', ']']) { "" } else { "," };
        return Ok((at..at, format!("{entry}{comma}")));
    };
    // In a line of its own where the last entry stands so.
    let lead = &text[..last.span.start];
    let blanks = &lead[lead.trim_end().len()..];
    let between = if blanks.contains('\n') { blanks } else { " " };
    Ok((last.span.end..last.span.end, format!(",{between}{entry}")))
}

/// Takes a child out with one comma.
pub(crate) fn remove(text: &str, container: &Container, child: &Child) -> (Span, String) {
    let children: Vec<&Span> =
        container.items.iter().filter_map(|item| if let Item::Child(c) = item { Some(&c.span) } else { None }).collect();
    let place = children.iter().position(|span| **span == child.span).unwrap_or_default();
    let before = place.checked_sub(1).map(|before| children[before].end);
    match (before, children.get(place + 1)) {
        (Some(before), _) => (before..child.span.end, String::new()),
        (None, Some(next)) => (child.span.start..next.start, String::new()),
        // The metadata is none of the children, and may still stand behind it.
        (None, None) => {
            let rest = &text[child.span.end..];
            let comma = rest.trim_start().starts_with(',').then(|| child.span.end + rest.len() - rest.trim_start().len() + 1);
            (child.span.start..comma.unwrap_or(child.span.end), String::new())
        }
    }
}

/// Writes the metadata as the last entry, in the layout of sops.
pub(crate) fn attach(text: &str, parsed: &Parsed, meta: &Node) -> Result<String, Problem> {
    let bare = splice(text, parsed.meta_regions.iter().map(|region| (region.clone(), String::new())).collect())?;
    let end = bare.trim_end().len().saturating_sub(1);
    let body = bare[..end].trim_end();
    let comma = if body.ends_with('{') { "" } else { "," };
    Ok(format!("{body}{comma}\n\t\"sops\": {}\n}}\n", node(meta, 1)))
}

fn node(meta: &Node, depth: usize) -> String {
    let (pad, end) = ("\t".repeat(depth + 1), "\t".repeat(depth));
    match meta {
        Node::Null => "null".to_owned(),
        Node::Word(text) => text.clone(),
        Node::Text(text) => quoted(text),
        Node::List(elements) if elements.is_empty() => "[]".to_owned(),
        Node::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Node::List(elements) => {
            let lines: Vec<String> = elements.iter().map(|element| format!("{pad}{}", node(element, depth + 1))).collect();
            format!("[\n{}\n{end}]", lines.join(",\n"))
        }
        Node::Map(entries) => {
            let lines: Vec<String> =
                entries.iter().map(|(key, below)| format!("{pad}{}: {}", quoted(key), node(below, depth + 1))).collect();
            format!("{{\n{}\n{end}}}", lines.join(",\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_the_binary_store_come_back() {
        for bytes in
            [&b"\xff\x00\xed\xb2\x80\xe2\x82"[..], "\\udc80 \u{fffd} \"\u{1f600}\"\n".as_bytes(), b"", &(0..=255).collect::<Vec<u8>>()]
        {
            let text = format!("{{\"data\": {}}}", quoted_bytes(bytes));
            let parsed = parse_binary(&text, false).unwrap();
            assert_eq!(parsed.documents[0].scalar_at("data").unwrap().value.bytes().expose(), bytes, "{text}");
        }
        // Elsewhere half of a pair is what it is in Go.
        let parsed = parse_with(r#"{"a": "\udc80\ud83d\ude00"}"#, false).unwrap();
        assert_eq!(parsed.documents[0].scalar_at("a").unwrap().value.as_str(), Some("\u{fffd}\u{1f600}"));
    }
}
