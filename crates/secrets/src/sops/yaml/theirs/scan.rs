//! Text to tokens, and the comments between them.

mod comments;
mod scalars;

use std::collections::HashMap;

use crate::sops::tree::Problem;

/// A place in the text; signed, because the end of a block may be put before its begin.
pub(super) type Mark = isize;

/// A token, or the name of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    StreamStart,
    StreamEnd,
    Version,
    TagDirective,
    DocumentStart,
    DocumentEnd,
    ListStart,
    MapStart,
    BlockEnd,
    FlowListStart,
    FlowListEnd,
    FlowMapStart,
    FlowMapEnd,
    Entry,
    FlowEntry,
    Key,
    Value,
    Alias,
    Anchor,
    Tag,
    Scalar,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: Mark,
    pub(super) end: Mark,
}

/// A piece of a comment of several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A line, by the place of its `#`.
    Line(usize),
    /// A line break; two of them are a blank line.
    Break,
}

/// Comments that are waiting for the token that they belong to.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    scan: Mark,
    pub(super) token: Mark,
    start: Mark,
    start_line: usize,
    start_column: usize,
    end: Mark,
    pub(super) head: Vec<Part>,
    pub(super) line: Vec<Part>,
    pub(super) foot: Vec<Part>,
}

#[derive(Clone, Copy)]
struct SimpleKey {
    possible: bool,
    required: bool,
    number: usize,
    at: usize,
    line: usize,
    column: isize,
}

pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    column: isize,
    /// Line breaks since the last character that is no blank.
    newlines: usize,
    started: bool,
    pub(super) ended: bool,
    flow: usize,
    indent: isize,
    indents: Vec<isize>,
    simple_key_allowed: bool,
    simple_keys: Vec<SimpleKey>,
    by_token: HashMap<usize, usize>,
    pub(super) tokens: Vec<Token>,
    /// The token that comes next.
    pub(super) head: usize,
    pub(super) comments: Vec<Waiting>,
    /// How many of them were taken over.
    pub(super) unfolded: usize,
}

fn mark(at: usize) -> Mark {
    Mark::try_from(at).unwrap_or(Mark::MAX)
}

type Scanned = Result<(), Problem>;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let key = SimpleKey { possible: false, required: false, number: 0, at: 0, line: 0, column: 0 };
        Self {
            text: text.as_bytes(),
            at: 0,
            line: 0,
            column: 0,
            newlines: 0,
            started: false,
            ended: false,
            flow: 0,
            indent: -1,
            indents: Vec::new(),
            simple_key_allowed: true,
            simple_keys: vec![key],
            by_token: HashMap::new(),
            tokens: Vec::new(),
            head: 0,
            comments: Vec::new(),
            unfolded: 0,
        }
    }

    pub(super) fn text(&self, token: Token) -> &'a str {
        let span = usize::try_from(token.start).unwrap_or(0)..usize::try_from(token.end).unwrap_or(0);
        std::str::from_utf8(self.text.get(span).unwrap_or_default()).unwrap_or_default()
    }

    fn problem(&self, why: &str) -> Problem {
        Problem::new(self.at, why)
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// The length of a line break, 0 where there is none.
    fn breaks(&self, ahead: usize) -> usize {
        match self.text.get(self.at + ahead..).unwrap_or_default() {
            [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
            _ => 0,
        }
    }

    fn is_break_or_end(&self, ahead: usize) -> bool {
        self.breaks(ahead) > 0 || self.byte(ahead) == 0
    }

    fn is_space(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    fn skip(&mut self) {
        if !self.is_blank(0) {
            self.newlines = 0;
        }
        self.at += 1;
        self.column += 1;
    }

    fn skip_line(&mut self) {
        let length = self.breaks(0);
        if length > 0 {
            self.at += length;
            self.column = 0;
            self.line += 1;
            self.newlines += 1;
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.tokens.push(Token { kind, start: mark(start), end: mark(end) });
    }

    /// Makes sure that the next token is final, and that there are two more behind it: comments behind a token decide what it gets.
    pub(super) fn fill(&mut self) -> Scanned {
        loop {
            if self.head + 2 < self.tokens.len() {
                let key = self.by_token.get(&self.head).copied();
                match key {
                    Some(place) => {
                        if !self.is_valid(place)? {
                            return Ok(());
                        }
                    }
                    None => return Ok(()),
                }
            }
            if self.ended {
                return Ok(());
            }
            self.fetch()?;
        }
    }

    fn is_valid(&mut self, place: usize) -> Result<bool, Problem> {
        let Some(key) = self.simple_keys.get(place).copied().filter(|key| key.possible) else { return Ok(false) };
        let length = || String::from_utf8_lossy(&self.text[key.at..self.at]).chars().count();
        if key.line < self.line || (self.at > key.at + 1024 && length() > 1024) {
            if key.required {
                return Err(Problem::new(key.at, "a key is longer than 1024 characters or goes over several lines"));
            }
            self.simple_keys[place].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_key(&mut self) -> Scanned {
        if self.simple_key_allowed {
            let required = self.flow == 0 && self.indent == self.column;
            let key = SimpleKey { possible: true, required, number: self.tokens.len(), at: self.at, line: self.line, column: self.column };
            self.remove_key()?;
            let place = self.simple_keys.len() - 1;
            self.simple_keys[place] = key;
            self.by_token.insert(key.number, place);
        }
        Ok(())
    }

    fn remove_key(&mut self) -> Scanned {
        let place = self.simple_keys.len() - 1;
        let key = &mut self.simple_keys[place];
        if key.possible {
            if key.required {
                return Err(Problem::new(key.at, "a colon is expected behind this key, on its line"));
            }
            key.possible = false;
            let number = key.number;
            self.by_token.remove(&number);
        }
        Ok(())
    }

    fn roll(&mut self, column: isize, number: Option<usize>, kind: Kind, at: usize) {
        if self.flow == 0 && self.indent < column {
            self.indents.push(self.indent);
            self.indent = column;
            let token = Token { kind, start: mark(at), end: mark(at) };
            self.tokens.insert(number.unwrap_or(self.tokens.len()), token);
        }
    }

    fn unroll(&mut self, column: isize, scan: usize) {
        if self.flow > 0 {
            return;
        }
        let mut block = mark(scan) - 1;
        while self.indent > column {
            // The block ends before comments in its column that follow it.
            let mut stop = block;
            for comment in self.comments.iter().rev() {
                if comment.end < stop {
                    break;
                }
                if mark(comment.start_column) == self.indent + 1 {
                    block = comment.start;
                }
                stop = comment.scan;
            }
            self.tokens.push(Token { kind: Kind::BlockEnd, start: block, end: block });
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch(&mut self) -> Scanned {
        if !self.started {
            self.started = true;
            self.push(Kind::StreamStart, 0, 0);
            return Ok(());
        }
        let scan = self.at;
        self.pass_blanks()?;
        self.unroll(self.column, scan);
        let at = self.at;
        if at >= self.text.len() {
            self.column = 0;
            self.unroll(-1, at);
            self.remove_key()?;
            self.simple_key_allowed = false;
            self.push(Kind::StreamEnd, at, at);
            self.ended = true;
            return Ok(());
        }
        if self.column == 0 && self.byte(0) == b'%' {
            self.unroll(-1, at);
            self.remove_key()?;
            self.simple_key_allowed = false;
            return self.directive();
        }
        if let Some(kind) = self.document_mark() {
            self.unroll(-1, at);
            self.remove_key()?;
            self.simple_key_allowed = false;
            (0..3).for_each(|_| self.skip());
            self.push(kind, at, at + 3);
            return Ok(());
        }
        let mut belongs = mark(at);
        let byte = self.byte(0);
        if self.flow == 0 && byte == b':' || self.flow > 0 && byte == b',' {
            belongs = self.tokens.last().map_or(belongs, |token| token.start);
        }
        self.token(byte)?;
        if self.tokens.last().is_none_or(|token| token.kind != Kind::Entry) {
            self.line_comment(belongs);
        }
        Ok(())
    }

    fn document_mark(&self) -> Option<Kind> {
        let is_mark = self.column == 0 && self.is_space(3);
        match self.text.get(self.at..self.at + 3) {
            Some(b"---") if is_mark => Some(Kind::DocumentStart),
            Some(b"...") if is_mark => Some(Kind::DocumentEnd),
            _ => None,
        }
    }

    fn token(&mut self, byte: u8) -> Scanned {
        let at = self.at;
        match byte {
            b'[' | b'{' => {
                self.save_key()?;
                let (number, line, column) = (self.tokens.len(), self.line, self.column);
                self.simple_keys.push(SimpleKey { possible: false, required: false, number, at, line, column });
                self.flow += 1;
                self.simple_key_allowed = true;
                self.skip();
                self.push(if byte == b'[' { Kind::FlowListStart } else { Kind::FlowMapStart }, at, at + 1);
            }
            b']' | b'}' => {
                self.remove_key()?;
                if self.flow > 0 {
                    self.flow -= 1;
                    if let Some(key) = self.simple_keys.pop() {
                        self.by_token.remove(&key.number);
                    }
                }
                self.simple_key_allowed = false;
                self.skip();
                self.push(if byte == b']' { Kind::FlowListEnd } else { Kind::FlowMapEnd }, at, at + 1);
            }
            b',' => {
                self.remove_key()?;
                self.simple_key_allowed = true;
                self.skip();
                self.push(Kind::FlowEntry, at, at + 1);
            }
            b'-' if self.is_space(1) => {
                if self.flow == 0 {
                    self.allowed("a list may not begin here")?;
                    self.roll(self.column, None, Kind::ListStart, at);
                }
                self.remove_key()?;
                self.simple_key_allowed = true;
                self.skip();
                self.push(Kind::Entry, at, at + 1);
            }
            b'?' if self.flow > 0 || self.is_space(1) => {
                if self.flow == 0 {
                    self.allowed("a key may not begin here")?;
                    self.roll(self.column, None, Kind::MapStart, at);
                }
                self.remove_key()?;
                self.simple_key_allowed = self.flow == 0;
                self.skip();
                self.push(Kind::Key, at, at + 1);
            }
            b':' if self.flow > 0 || self.is_space(1) => self.value()?,
            b'*' | b'&' => self.anchor(if byte == b'*' { Kind::Alias } else { Kind::Anchor })?,
            b'!' => self.tag()?,
            b'|' | b'>' if self.flow == 0 => {
                self.remove_key()?;
                self.simple_key_allowed = true;
                self.block()?;
            }
            b'\'' | b'"' => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.quoted(byte)?;
            }
            _ if self.begins_plain(byte) => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.plain()?;
            }
            b'\t' => return Err(self.problem("a tab stands where sops takes only spaces")),
            _ => return Err(self.problem("sops cannot read the character that stands here")),
        }
        Ok(())
    }

    fn allowed(&self, why: &str) -> Scanned {
        if self.simple_key_allowed { Ok(()) } else { Err(self.problem(why)) }
    }

    fn begins_plain(&self, byte: u8) -> bool {
        let indicator = self.is_space(0) || b"-?:,[]{}#&*!|>'\"%@`".contains(&byte);
        !indicator || byte == b'-' && !self.is_blank(1) || self.flow == 0 && matches!(byte, b'?' | b':') && !self.is_space(1)
    }

    fn value(&mut self) -> Scanned {
        let (at, place) = (self.at, self.simple_keys.len() - 1);
        if self.is_valid(place)? {
            let key = self.simple_keys[place];
            self.tokens.insert(key.number, Token { kind: Kind::Key, start: mark(key.at), end: mark(key.at) });
            self.roll(key.column, Some(key.number), Kind::MapStart, key.at);
            self.simple_keys[place].possible = false;
            self.by_token.remove(&key.number);
            self.simple_key_allowed = false;
        } else {
            if self.flow == 0 {
                self.allowed("a mapping may not begin here")?;
                self.roll(self.column, None, Kind::MapStart, at);
            }
            self.simple_key_allowed = self.flow == 0;
        }
        self.skip();
        self.push(Kind::Value, at, at + 1);
        Ok(())
    }

    fn anchor(&mut self, kind: Kind) -> Scanned {
        self.save_key()?;
        self.simple_key_allowed = false;
        let at = self.at;
        self.skip();
        while is_word(self.byte(0)) {
            self.skip();
        }
        if self.at == at + 1 || !(self.is_space(0) || b"?:,]}%@`".contains(&self.byte(0))) {
            return Err(Problem::new(at, "sops takes only letters, digits, - and _ in the names of anchors"));
        }
        let end = self.at;
        self.push(kind, at, end);
        Ok(())
    }

    fn tag(&mut self) -> Scanned {
        self.save_key()?;
        self.simple_key_allowed = false;
        let at = self.at;
        let verbatim = self.byte(1) == b'<';
        self.skip();
        while is_word(self.byte(0))
            || self.byte(0) == b'%'
            || verbatim && self.byte(0) == b'<'
            || b";/?:@&=+$,.!~*'()[]".contains(&self.byte(0))
        {
            self.skip();
        }
        if verbatim && self.byte(0) == b'>' {
            self.skip();
        }
        if !self.is_space(0) {
            return Err(Problem::new(at, "sops cannot read this tag"));
        }
        let end = self.at;
        self.push(Kind::Tag, at, end);
        Ok(())
    }

    fn directive(&mut self) -> Scanned {
        let at = self.at;
        let line = self.text[at..].split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let kind = match words.next() {
            Some(b"%YAML") if words.next() == Some(b"1.1") => Kind::Version,
            Some(b"%YAML") => return Err(Problem::new(at, "sops reads only YAML 1.1; take this directive out")),
            Some(b"%TAG") => Kind::TagDirective,
            _ => return Err(Problem::new(at, "sops does not know this directive; take it out")),
        };
        let content = line.iter().position(|byte| *byte == b'#').unwrap_or(line.len());
        while self.at < at + line.len() {
            self.skip();
        }
        self.push(kind, at, at + content);
        self.skip_line();
        Ok(())
    }

    fn pass_blanks(&mut self) -> Scanned {
        let (scan, scan_line) = (self.at, self.line);
        loop {
            if self.column == 0 && self.text[self.at..].starts_with("\u{feff}".as_bytes()) {
                self.at += 3;
            }
            while self.byte(0) == b' ' || self.byte(0) == b'\t' && (self.flow > 0 || !self.simple_key_allowed) {
                self.skip();
            }
            self.lift_line_comment();
            if self.byte(0) == b'#' {
                self.scan_comments(scan, scan_line);
            }
            if self.breaks(0) == 0 {
                return Ok(());
            }
            self.skip_line();
            if self.flow == 0 {
                self.simple_key_allowed = true;
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
