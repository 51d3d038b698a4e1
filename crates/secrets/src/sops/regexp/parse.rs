//! Reads a pattern by the rules of Go's package `regexp/syntax` and writes it for the crate `regex`.

use super::class::Set;

/// How deep groups may be in each other.
pub(super) const DEEPEST: u32 = 200;

/// How often something may be repeated in all, as Go has it.
const OFTENEST: u64 = 1000;

/// The pattern as the crate `regex` reads it, or why it is refused.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = Reader { rest: pattern, flags: Flags::default(), frames: vec![Frame::default()] };
    reader.read()?;
    match reader.frames.as_slice() {
        [only] => Ok(only.written()),
        _ => Err("a group has no closing )".to_owned()),
    }
}

/// What `(?ims)` sets. `U` says which match is taken, and not whether there is one.
#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_all: bool,
}

/// Something that a repetition can follow.
struct Item {
    text: String,
    /// How often its innermost part is repeated.
    weight: u64,
}

/// An open group.
#[derive(Default)]
struct Frame {
    /// The alternatives before the last, written.
    before: Vec<Item>,
    items: Vec<Item>,
    /// What is in force again behind it.
    outer: Flags,
}

impl Frame {
    fn last(&self) -> Item {
        let text = self.items.iter().map(|item| item.text.as_str()).collect();
        Item { text, weight: self.items.iter().map(|item| item.weight).max().unwrap_or(1) }
    }

    fn written(&self) -> String {
        let mut all: Vec<&str> = self.before.iter().map(|item| item.text.as_str()).collect();
        let last = self.last();
        all.push(&last.text);
        format!("(?:{})", all.join("|"))
    }

    fn weight(&self) -> u64 {
        self.before.iter().map(|item| item.weight).fold(self.last().weight, u64::max)
    }
}

struct Reader<'a> {
    rest: &'a str,
    flags: Flags,
    frames: Vec<Frame>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), String> {
        let mut was_repeat = false;
        while let Some(c) = self.rest.chars().next() {
            let is_repeat = match c {
                '*' | '+' | '?' => {
                    self.rest = &self.rest[1..];
                    let least = u64::from(c == '+');
                    self.repeat(&c.to_string(), (least, None), was_repeat)?;
                    true
                }
                '{' => self.counted(was_repeat)?,
                _ => {
                    self.one(c)?;
                    false
                }
            };
            was_repeat = is_repeat;
        }
        Ok(())
    }

    fn one(&mut self, c: char) -> Result<(), String> {
        match c {
            '(' => return self.open(),
            '|' => {
                if let Some(frame) = self.frames.last_mut() {
                    let last = frame.last();
                    frame.before.push(last);
                    frame.items.clear();
                }
            }
            ')' => {
                let frame = self.frames.pop().filter(|_| !self.frames.is_empty()).ok_or("a ) closes no group")?;
                self.flags = frame.outer;
                self.push(Item { text: frame.written(), weight: frame.weight() });
            }
            '^' => self.plain(if self.flags.multi_line { "(?m:^)" } else { r"\A" }),
            '$' => self.plain(if self.flags.multi_line { "(?m:$)" } else { r"\z" }),
            '.' => self.plain(if self.flags.dot_all { "(?s:.)" } else { r"[^\n]" }),
            '[' => {
                let set = self.class()?;
                self.plain(&set.written());
                return Ok(());
            }
            '\\' => return self.escape(),
            _ => self.literal(u32::from(c)),
        }
        self.rest = &self.rest[c.len_utf8()..];
        Ok(())
    }

    fn push(&mut self, item: Item) {
        if let Some(frame) = self.frames.last_mut() {
            frame.items.push(item);
        }
    }

    fn plain(&mut self, text: &str) {
        self.push(Item { text: text.to_owned(), weight: 1 });
    }

    fn literal(&mut self, c: u32) {
        let mut set = Set::new();
        set.add(c, c);
        if self.flags.fold {
            set.fold();
        }
        self.plain(&set.written());
    }

    /// `{2}`, `{2,}`, `{2,3}`; anything else is a brace. True for a repetition.
    fn counted(&mut self, was_repeat: bool) -> Result<bool, String> {
        let start = self.rest;
        let Some((least, most, rest)) = bounds(start) else {
            self.literal(u32::from('{'));
            self.rest = &start[1..];
            return Ok(false);
        };
        let told = &start[..start.len() - rest.len()];
        if least > OFTENEST || most.is_some_and(|most| most > OFTENEST || most < least) {
            return Err(format!("{told} is no repetition: up to 1000 times, and the smaller number first"));
        }
        self.rest = rest;
        self.repeat(told, (least, most), was_repeat)?;
        Ok(true)
    }

    /// Repeats what stands before.
    fn repeat(&mut self, told: &str, (least, most): (u64, Option<u64>), was_repeat: bool) -> Result<(), String> {
        self.rest = self.rest.strip_prefix('?').unwrap_or(self.rest);
        if was_repeat {
            return Err(format!("{told} follows another repetition; put what is to be repeated in a group"));
        }
        let item = self.frames.last_mut().and_then(|frame| frame.items.pop());
        let item = item.ok_or_else(|| format!("there is nothing that {told} could repeat"))?;
        let mut weight = item.weight;
        if told.starts_with('{') {
            let times = most.unwrap_or(least);
            weight = if most == Some(0) { 1 } else { item.weight * times.max(1) };
            if (least >= 2 || times >= 2) && weight > OFTENEST {
                return Err(format!("{told} repeats what is repeated already, more than 1000 times in all"));
            }
        }
        self.push(Item { text: format!("(?:{}){told}", item.text), weight });
        Ok(())
    }

    fn open(&mut self) -> Result<(), String> {
        if self.frames.len() > DEEPEST as usize {
            return Err(format!("it has groups in each other more than {DEEPEST} deep"));
        }
        let outer = self.flags;
        let frame = Frame { outer, ..Frame::default() };
        let Some(special) = self.rest.strip_prefix("(?") else {
            self.rest = &self.rest[1..];
            self.frames.push(frame);
            return Ok(());
        };
        if let Some(named) = special.strip_prefix("P<").or_else(|| special.strip_prefix('<')) {
            let (name, rest) = named.split_once('>').unwrap_or((named, ""));
            if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') || !named.contains('>') {
                return Err(
                    "(?< begins a capture, whose name is of letters, digits and _ with > behind; there is no look-behind".to_owned()
                );
            }
            self.rest = rest;
            self.frames.push(frame);
            return Ok(());
        }
        let (mut on, mut seen) = (true, false);
        for (at, c) in special.char_indices() {
            match c {
                'i' => self.flags.fold = on,
                'm' => self.flags.multi_line = on,
                's' => self.flags.dot_all = on,
                'U' => {}
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' | ')' if on || seen => {
                    self.rest = &special[at + 1..];
                    if c == ':' {
                        self.frames.push(frame);
                    }
                    return Ok(());
                }
                _ => break,
            }
            seen = true;
        }
        let told: String = self.rest.chars().take(4).collect();
        Err(format!("{told} is no group of Go's regular expressions, which have no look-around and the flags i, m, s and U only"))
    }

    fn escape(&mut self) -> Result<(), String> {
        let rest = &self.rest[1..];
        let letter = rest.chars().next();
        match letter {
            Some('A') => self.plain(r"\A"),
            Some('z') => self.plain(r"\z"),
            Some('b') => self.plain(r"(?-u:\b)"),
            Some('B') => self.plain(r"(?-u:\B)"),
            Some('Q') => {
                let (text, rest) = rest[1..].split_once(r"\E").unwrap_or((&rest[1..], ""));
                text.chars().for_each(|c| self.literal(u32::from(c)));
                self.rest = rest;
                return Ok(());
            }
            _ => {
                if let Some(set) = self.class_escape()? {
                    self.plain(&set.written());
                    return Ok(());
                }
                let c = self.character()?;
                self.literal(c);
                return Ok(());
            }
        }
        self.rest = &rest[1..];
        Ok(())
    }

    /// `\d` and its like, and `\p`; none for anything else.
    fn class_escape(&mut self) -> Result<Option<Set>, String> {
        let Some(rest) = self.rest.strip_prefix('\\') else { return Ok(None) };
        let Some(letter) = rest.chars().next() else { return Ok(None) };
        if let Some(set) = Set::perl(letter.to_ascii_lowercase()) {
            self.rest = &rest[1..];
            return Ok(Some(self.group(set, letter.is_ascii_uppercase())));
        }
        if letter != 'p' && letter != 'P' {
            return Ok(None);
        }
        let rest = &rest[1..];
        let first = rest.chars().next();
        let end = match first {
            Some('{') => rest.find('}').map(|end| end + 1),
            Some(c) => Some(c.len_utf8()),
            None => None,
        };
        let end = end.ok_or(r"a \p has no name with a closing brace")?;
        let (told, name) = (&rest[..end], rest[..end].trim_start_matches('{').trim_end_matches('}'));
        let (name, is_inner) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        let set = Set::named(name).ok_or_else(|| {
            format!(r"\{letter}{told} is no class that all versions of sops know alike: categories such as \p{{Lu}} and scripts such as \p{{Greek}} are")
        })?;
        self.rest = &rest[end..];
        let is_any = name == "Any";
        Ok(Some(if is_any { plain_group(set, (letter == 'P') != is_inner) } else { self.group(set, (letter == 'P') != is_inner) }))
    }

    /// Folded first and negated then, as Go does.
    fn group(&self, mut set: Set, negated: bool) -> Set {
        if self.flags.fold {
            set.fold();
        }
        plain_group(set, negated)
    }

    /// One character that is written with a backslash.
    fn character(&mut self) -> Result<u32, String> {
        let mut chars = self.rest[1..].chars();
        let first = chars.next().ok_or("it ends with a backslash")?;
        let mut rest = chars.as_str();
        let refuse = || Err(format!("\\{first} is no escape of Go's regular expressions"));
        let found = match first {
            'a' => 0x7,
            'f' => 0xc,
            'n' => 0xa,
            'r' => 0xd,
            't' => 0x9,
            'v' => 0xb,
            '0'..='7' => {
                let digits = rest.bytes().take(2).take_while(|c| (b'0'..=b'7').contains(c)).count();
                if first != '0' && digits == 0 {
                    return Err(format!("\\{first} would be a back-reference, which Go's regular expressions do not have"));
                }
                let text = &self.rest[1..2 + digits];
                rest = &rest[digits..];
                u32::from_str_radix(text, 8).map_err(|e| e.to_string())?
            }
            'x' => {
                let hex = match rest.strip_prefix('{') {
                    Some(inner) => inner.split_once('}'),
                    None => rest.split_at_checked(2),
                };
                let Some((digits, after)) = hex.filter(|(digits, _)| digits.bytes().all(|c| c.is_ascii_hexdigit())) else {
                    return refuse();
                };
                rest = after;
                match u32::from_str_radix(digits.trim_start_matches('0'), 16) {
                    Ok(number) if number <= 0x0010_ffff => number,
                    Err(_) if !digits.is_empty() && digits.bytes().all(|c| c == b'0') => 0,
                    _ => return refuse(),
                }
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
            _ => return refuse(),
        };
        self.rest = rest;
        Ok(found)
    }

    /// A class in brackets.
    fn class(&mut self) -> Result<Set, String> {
        let mut set = Set::new();
        let unclosed = || "a class has no closing ]".to_owned();
        self.rest = &self.rest[1..];
        let negated = self.rest.starts_with('^');
        if negated {
            self.rest = &self.rest[1..];
        }
        let mut is_first = true;
        while is_first || !self.rest.starts_with(']') {
            is_first = false;
            if let Some(group) = self.posix()? {
                set.union(&group);
                continue;
            }
            if let Some(group) = self.class_escape()? {
                set.union(&group);
                continue;
            }
            let start = self.rest;
            let low = self.class_character().ok_or_else(unclosed)??;
            let mut high = low;
            let mut ahead = self.rest.chars();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
                self.rest = &self.rest[1..];
                high = self.class_character().ok_or_else(unclosed)??;
                if high < low {
                    let told = &start[..start.len() - self.rest.len()];
                    return Err(format!("the range {told} in a class ends before it begins"));
                }
            }
            let mut range = Set::new();
            range.add(low, high);
            set.union(&self.group(range, false));
        }
        self.rest = &self.rest[1..];
        if negated {
            set.negate();
        }
        Ok(set)
    }

    /// None at the end of the pattern.
    fn class_character(&mut self) -> Option<Result<u32, String>> {
        let c = self.rest.chars().next()?;
        if c == '\\' {
            return Some(self.character());
        }
        self.rest = &self.rest[c.len_utf8()..];
        Some(Ok(u32::from(c)))
    }

    /// `[:alpha:]`; none for anything else.
    fn posix(&mut self) -> Result<Option<Set>, String> {
        let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) else { return Ok(None) };
        let (known, negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        let set = Set::posix(known).ok_or_else(|| format!("[:{name}:] is no class that Go's regular expressions know"))?;
        self.rest = rest;
        Ok(Some(self.group(set, negated)))
    }
}

fn plain_group(mut set: Set, negated: bool) -> Set {
    if negated {
        set.negate();
    }
    set
}

/// The numbers of a repetition and what follows it; none when it is none.
fn bounds(text: &str) -> Option<(u64, Option<u64>, &str)> {
    let (least, rest) = number(text.strip_prefix('{')?)?;
    let (most, rest) = match rest.strip_prefix(',') {
        None => (Some(least), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => number(rest).map(|(most, rest)| (Some(most), rest))?,
    };
    Some((least, most, rest.strip_prefix('}')?))
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = &text[..end];
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    // A number that is far too large is refused by its caller.
    Some((digits.parse().unwrap_or(u64::MAX), &text[end..]))
}
