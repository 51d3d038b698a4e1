//! YAML as people write it: comments in every place, empty and nested collections, anchors, tags, blocks, several documents.

use super::Dice;

/// A document of many shapes. Not all of them can be encrypted: aliases to values, directives.
pub fn document(dice: &mut Dice) -> String {
    let mut out = String::new();
    if dice.roll(25) == 0 {
        out.push_str(dice.pick(&["%YAML 1.1\n---\n", "%YAML 1.2\n---\n", "%TAG !x! tag:example.com,2000:\n---\n"]));
    } else if dice.roll(8) == 0 {
        out.push_str("---\n");
    }
    for number in 0..=dice.roll(6) / 5 {
        if number > 0 {
            out.push_str(dice.pick(&["---\n", "...\n---\n", "--- # next\n"]));
        }
        let mut writer = Writer { dice, out: &mut out, anchors: Vec::new(), keys: 0 };
        writer.gap(0);
        if writer.dice.roll(12) == 0 {
            writer.flow_root();
        } else {
            writer.map(0, 0, "");
        }
        writer.gap(0);
    }
    match dice.roll(20) {
        0 => out = out.replace('\n', "\r\n"),
        1 => out.truncate(out.trim_end().len()),
        _ => {}
    }
    out
}

struct Writer<'a> {
    dice: &'a mut Dice,
    out: &'a mut String,
    /// Those that an alias may name: nothing below them is encrypted.
    anchors: Vec<String>,
    keys: usize,
}

const SINGLE: &[&str] = &[
    "text",
    "two words",
    "12",
    "-0.5",
    "true",
    "null",
    "~",
    "\"\"",
    "''",
    "2024-02-29",
    "'it''s'",
    "\"a \\n b\"",
    "0x1f",
    "a:b",
    "!custom x",
    "!!str 5",
    "!!binary /wD+7Q==",
    "!!binary aGk=",
    "!!int \"7\"",
    "!!float 3",
    "!<tag:example.com,2000:t> y",
    "! 4",
    ".inf",
    ".nan",
    "99999999999999999999",
    "ünï",
    "'#no'",
    "a#b",
    "\"- \"",
    "é # é",
];

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn comment(&mut self) -> String {
        let text = self.dice.pick(&["# note", "#note", "# with: colon", "#!", "# - dash", "## two", "# 'quote", "# tab\there"]);
        format!("{text}{}", self.dice.roll(100))
    }

    fn behind(&mut self) {
        if self.dice.roll(5) == 0 {
            let comment = self.comment();
            let blanks = self.dice.pick(&[" ", "  ", "\t"]);
            self.push(&format!("{blanks}{comment}"));
        }
        if self.dice.roll(25) == 0 {
            self.push(" ");
        }
        self.push("\n");
    }

    /// Blank lines and comments.
    fn gap(&mut self, indent: usize) {
        while self.dice.roll(4) == 0 {
            match self.dice.roll(12) {
                0..=3 => self.push("\n"),
                4 => {
                    let blanks = self.dice.pick(&["  ", "\t", " \t", "      "]);
                    self.push(&format!("{blanks}\n"));
                }
                5 => {
                    let (column, comment) = (self.dice.roll(indent + 4), self.comment());
                    self.push(&format!("{}{comment}\n", " ".repeat(column)));
                }
                _ => {
                    let comment = self.comment();
                    self.push(&format!("{}{comment}\n", " ".repeat(indent)));
                }
            }
        }
    }

    fn key(&mut self, suffix: &str) -> String {
        self.keys += 1;
        let name = self.dice.pick(&["a", "key", "stringData", "k y", "x.y", "ü"]);
        let text = format!("{name}{}{suffix}", self.keys);
        match self.dice.roll(16) {
            0 => format!("\"{text}\""),
            1 => format!("'{text}'"),
            2 => format!("&k{} {text}", self.keys),
            3 => format!("? {text}\n"),
            _ => text,
        }
    }

    fn single(&mut self) -> String {
        let text = self.dice.pick(SINGLE).to_owned();
        if text.starts_with(['!', '&']) || self.dice.roll(12) > 0 {
            text
        } else {
            format!("&s{}x{} {text}", self.keys, self.dice.roll(1000))
        }
    }

    fn map(&mut self, indent: usize, depth: usize, suffix: &'static str) {
        let pad = " ".repeat(indent);
        for number in 0..=self.dice.roll(4) {
            if number > 0 || depth == 0 || self.out.ends_with('\n') {
                self.gap(indent);
                self.push(&pad);
            }
            let below = if suffix.is_empty() && self.dice.roll(5) == 0 { "_unencrypted" } else { suffix };
            let key = self.key(below);
            if key.ends_with('\n') {
                self.push(&format!("{key}{pad}:"));
            } else {
                let blank = if self.dice.roll(20) == 0 { " " } else { "" };
                self.push(&format!("{key}{blank}:"));
            }
            self.value(indent, depth, below, false);
        }
    }

    /// What stands behind a colon or a dash.
    fn value(&mut self, indent: usize, depth: usize, suffix: &'static str, in_list: bool) {
        let is_clear = !suffix.is_empty();
        match self.dice.roll(if depth > 2 { 9 } else { 17 }) {
            0 => self.behind(),
            1 => {
                let empty = self.dice.pick(&["{}", "[]", "{ }", "[ ]", "&e {}", "!t []", "!!map {}"]).to_owned();
                let empty = empty.replace("&e", &format!("&e{}x{}", self.keys, self.dice.roll(1000)));
                self.push(&format!(" {empty}"));
                self.behind();
            }
            2 => self.block(indent),
            3 => self.flow(indent),
            4 if is_clear && !self.anchors.is_empty() => {
                let name = self.anchors[self.dice.roll(self.anchors.len())].clone();
                self.push(&format!(" *{name}"));
                self.behind();
            }
            4..=8 => {
                let text = self.single();
                if is_clear && !text.starts_with(['!', '&']) && self.dice.roll(4) == 0 {
                    let name = format!("c{}x{}", self.keys, self.dice.roll(1000));
                    self.push(&format!(" &{name}"));
                    self.anchors.push(name);
                }
                self.push(&format!(" {text}"));
                self.behind();
            }
            9..=12 => {
                self.properties(is_clear);
                let dashes = if self.dice.roll(3) == 0 && !in_list { indent } else { indent + 2 };
                if in_list && self.dice.roll(2) == 0 && self.out.ends_with('-') {
                    self.push(" ");
                    self.list(indent + 2, depth + 1, suffix);
                    return;
                }
                self.behind();
                self.list(dashes, depth + 1, suffix);
            }
            _ => {
                self.properties(is_clear);
                if in_list && self.out.ends_with('-') && self.dice.roll(3) > 0 {
                    self.push(" ");
                    self.map(indent + 2, depth + 1, suffix);
                    return;
                }
                self.behind();
                let step = 1 + self.dice.roll(4);
                self.map(indent + step.max(1 + usize::from(in_list)), depth + 1, suffix);
            }
        }
    }

    fn properties(&mut self, is_clear: bool) {
        match self.dice.roll(14) {
            0 => self.push(" !tag-x"),
            1 => {
                let name = format!("p{}x{}", self.keys, self.dice.roll(1000));
                self.push(&format!(" &{name}"));
                if is_clear {
                    self.anchors.push(name);
                }
            }
            _ => {}
        }
    }

    fn list(&mut self, indent: usize, depth: usize, suffix: &'static str) {
        let pad = " ".repeat(indent);
        for number in 0..=self.dice.roll(3) {
            if number > 0 || self.out.ends_with('\n') {
                self.gap(indent);
                self.push(&pad);
            }
            self.push("-");
            self.value(indent, depth, suffix, true);
        }
    }

    fn block(&mut self, indent: usize) {
        let pad = " ".repeat(indent + 2);
        let header = self.dice.pick(&["|", ">", "|-", ">-", "|+", "| # why", ">- # why", "|+ # why", "!custom |", "!!binary |"]);
        self.push(&format!(" {header}\n"));
        if header.starts_with("!!binary") {
            self.push(&format!("{pad}/wD+\n{pad}7Q==\n"));
            return;
        }
        self.push(&format!("{pad}one\n"));
        match self.dice.roll(4) {
            0 => self.push(&format!("\n{pad}# no comment\n")),
            1 => self.push(&format!("{pad}  two: [\n\n")),
            2 => self.push(&format!("{pad}\ttab\n")),
            _ => {}
        }
    }

    fn flow_element(&mut self) -> String {
        let simple = ["a", "1", "'q, r'", "null", "\"\"", "[]", "{}", "{k: v}", "[x, [y]]", "!t z", "k: v"];
        self.dice.pick(&simple).to_owned()
    }

    fn flow(&mut self, indent: usize) {
        let is_list = self.dice.roll(2) == 0;
        let pad = " ".repeat(indent + 2);
        let lines = self.dice.roll(3) == 0;
        self.push(if is_list { " [" } else { " {" });
        let count = self.dice.roll(4);
        for number in 0..count {
            if lines {
                self.behind();
                while self.dice.roll(6) == 0 {
                    let comment = self.comment();
                    self.push(&format!("{pad}{comment}\n"));
                }
                self.push(&pad);
            }
            let element = self.flow_element();
            let element = if is_list { element } else { format!("f{number}: {}", element.replace("k: v", "w")) };
            self.push(&element);
            if number + 1 < count {
                self.push(if lines { "," } else { ", " });
            }
        }
        if lines {
            self.behind();
            self.push(&pad);
        }
        self.push(if is_list { "]" } else { "}" });
        self.behind();
    }

    fn flow_root(&mut self) {
        let lines = self.dice.roll(2) == 0;
        self.push(if lines { "{a: 1, # c\n  b: {},\n  # d\n  c: [x]\n}\n" } else { "{\"a\": \"x\", \"b\": [1, 2], \"c\": {}}\n" });
    }
}
