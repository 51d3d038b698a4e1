//! Generated documents. The same seed gives the same document.
#![allow(dead_code, clippy::format_push_string, clippy::unwrap_used, unreachable_pub, missing_docs)] // not every test uses all of it; it is for tests only

pub mod shapes;

use kubestead_secrets::sops::Format;

/// Numbers that look random and are the same on every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: usize) -> Self {
        let mut dice = Self((seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        dice.roll(2);
        dice
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// What samples with `encrypted_regex` have.
pub const REGEX: &str = "^(data|stringData|list)";

/// A plain document and how it shall be encrypted.
pub struct Sample {
    pub seed: usize,
    pub format: Format,
    pub plain: String,
    pub encrypted_regex: Option<&'static str>,
    pub mac_only_encrypted: bool,
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, format, plain, encrypted_regex, mac_only_encrypted } = self;
        write!(f, "sample {seed}, {format:?}, encrypted_regex {encrypted_regex:?}, mac_only_encrypted {mac_only_encrypted}:\n{plain}")
    }
}

/// YAML scalars as they are written: numbers, dates, truth values of YAML 1.1, quotes, Unicode, what looks like something else.
const SCALARS: &[&str] = &[
    "text",
    "two words",
    "'single # quoted'",
    "'it''s'",
    "\"double \\n \\u00e9 \\t \\\"\"",
    "\"\"",
    "''",
    "0",
    "-12",
    "+7",
    "0x1f",
    "0o17",
    "007",
    "0644",
    "0b101",
    "1_000",
    "9223372036854775807",
    "-9223372036854775808",
    "123456789012",
    "100000000000000000000",
    "1.25",
    "-0.5",
    "1e3",
    "6.02e23",
    "1.5E-7",
    "3.0",
    ".5",
    "0.1",
    "true",
    "True",
    "FALSE",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "n",
    "~",
    "null",
    "Null",
    "2024-02-29",
    "2024-1-2",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43.1",
    "12:30",
    "12:30:45",
    "1.2.3",
    "ENC",
    "'ENC[AES256_GCM'",
    "a:b",
    "http://x/y?z=1&q=%20",
    "'- dash'",
    "\"{brace}\"",
    "'*star'",
    "'&and'",
    "\"@at\"",
    "\"`tick`\"",
    "'%percent'",
    "ünïcödé",
    "日本語",
    "🦀 crab",
    "'  padded '",
    "'#hash'",
    "a#b",
    "pa$$word$HOME",
    "\\backslash",
    "'\\n'",
    "c:\\path",
    "=equals",
    "\"=quoted\"",
    "<<",
    "!important",
    "'!tagged'",
    "|",
    ">",
];
const KEYS: &[&str] = &[
    "key",
    "data",
    "stringData",
    "x_unencrypted",
    "a.b",
    "tls.crt",
    "q k",
    "list",
    "user-name",
    "UPPER",
    "ключ",
    "k/v",
    "n1",
    "with'quote",
];
const WORDS: &[&str] = &[
    "alpha",
    "beta gamma",
    "ünï",
    "x=y",
    "#no comment",
    "a;b",
    "\"quoted\"",
    "'single'",
    "$HOME",
    "100%",
    "tab\tinside",
    "日本",
    "0644",
    "true",
    "[b]",
];

impl Sample {
    pub fn new(seed: usize) -> Self {
        let mut dice = Dice::new(seed);
        let format = match seed % 13 {
            0..=6 => Format::Yaml,
            7..=9 => Format::Json,
            10 => Format::Dotenv,
            11 => Format::Ini,
            _ => Format::Binary,
        };
        let plain = match format {
            Format::Yaml => yaml(&mut dice),
            Format::Json => json(&mut dice),
            Format::Dotenv => dotenv(&mut dice),
            Format::Ini => ini(&mut dice),
            _ => binary(&mut dice),
        };
        let nested = matches!(format, Format::Yaml | Format::Json);
        let encrypted_regex = (nested && seed % 4 == 1).then_some(REGEX);
        Self { seed, format, plain, encrypted_regex, mac_only_encrypted: nested && seed % 5 == 2 }
    }

    pub fn end(&self) -> &'static str {
        match self.format {
            Format::Yaml => "yaml",
            Format::Json => "json",
            Format::Dotenv => "env",
            Format::Ini => "ini",
            _ => "bin",
        }
    }
}

fn yaml(dice: &mut Dice) -> String {
    let mut out = String::new();
    for number in 0..=dice.roll(8) / 7 {
        if number > 0 {
            out.push_str("---\n");
        }
        if dice.roll(4) == 0 {
            out.push_str("# at the top\n");
        }
        mapping(dice, 0, 0, &mut out);
    }
    out
}

fn scalar(dice: &mut Dice) -> String {
    let mut word = dice.pick(SCALARS).to_owned();
    // These begin something else when they stand alone.
    if ["|", ">", "!important", "<<", "!tagged"].contains(&word.as_str()) {
        word = format!("\"{word}\"");
    }
    if dice.roll(12) == 0 { format!("long {}", "line of words ".repeat(8 + dice.roll(40)).trim_end()) } else { word }
}

fn mapping(dice: &mut Dice, indent: usize, depth: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    for number in 0..=dice.roll(5) {
        if dice.roll(4) == 0 {
            out.push_str(&format!("{pad}# remark {number}\n"));
        }
        let key = format!("{}{number}", dice.pick(KEYS));
        let key = if key.contains(['\'', ' ', '/']) { format!("\"{key}\"") } else { key };
        out.push_str(&format!("{pad}{key}:"));
        match dice.roll(if depth > 2 { 5 } else { 10 }) {
            0 => out.push_str(&format!(" {} # behind\n", scalar(dice))),
            1 => out.push_str(&format!(" |\n{pad}  line one\n{pad}   line: two # no remark\n\n{pad}  $end\n")),
            2 => out.push_str(&format!(" >-\n{pad}  folded\n{pad}  text\n")),
            3 => {
                let simple = ["a", "1", "true", "'q, r'", "-2.5", "null", "\"\"", "0x10"];
                out.push_str(&format!(" [{}, {{k: {}}}, [], {{}}]\n", dice.pick(&simple), dice.pick(&simple)));
            }
            4 | 5 => out.push_str(&format!(" {}\n", scalar(dice))),
            6 | 7 => {
                out.push('\n');
                list(dice, indent + 2, depth, out);
            }
            _ => {
                out.push('\n');
                mapping(dice, indent + 2, depth + 1, out);
            }
        }
        if dice.roll(6) == 0 {
            out.push('\n');
        }
    }
}

fn list(dice: &mut Dice, indent: usize, depth: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    for _ in 0..=dice.roll(3) {
        if dice.roll(6) == 0 {
            out.push_str(&format!("{pad}# in a list\n"));
        }
        match dice.roll(6) {
            0 if depth < 3 => out.push_str(&format!("{pad}- name: {}\n{pad}  value: {}\n", scalar(dice), scalar(dice))),
            1 if depth < 3 => out.push_str(&format!("{pad}- - {}\n{pad}  - {}\n", scalar(dice), scalar(dice))),
            _ => out.push_str(&format!("{pad}- {}\n", scalar(dice))),
        }
    }
}

fn json(dice: &mut Dice) -> String {
    let mut out = String::new();
    object(dice, 1, &mut out);
    out.push('\n');
    out
}

fn object(dice: &mut Dice, depth: usize, out: &mut String) {
    out.push('{');
    for number in 0..=dice.roll(5) {
        let comma = if number > 0 { "," } else { "" };
        out.push_str(&format!("{comma}\n{}\"{}{number}\": ", "\t".repeat(depth), dice.pick(KEYS)));
        element(dice, depth, out);
    }
    out.push_str(&format!("\n{}}}", "\t".repeat(depth - 1)));
}

fn element(dice: &mut Dice, depth: usize, out: &mut String) {
    let simple = [
        "1",
        "-5",
        "0",
        "1.5",
        "1e3",
        "-0.25",
        "9223372036854775807",
        "12345678901234567890",
        "true",
        "false",
        "null",
        "\"\"",
        "\"text\"",
        "\"\\u00e9\\n\\\"q\\\"\"",
        "\"\\ud83c\\udfb6\"",
        "\"tab\\there\"",
        "\"2024-01-01\"",
        "\"</script> & <b>\"",
        "\"日本\"",
        "\"yes\"",
    ];
    match dice.roll(if depth > 3 { 4 } else { 7 }) {
        0..=3 => out.push_str(dice.pick(&simple)),
        4 => {
            out.push('[');
            for number in 0..dice.roll(4) {
                out.push_str(if number > 0 { ", " } else { "" });
                element(dice, depth + 1, out);
            }
            out.push(']');
        }
        5 => out.push_str(&format!("\"{}\"", "long ".repeat(100 + dice.roll(100)))),
        _ => object(dice, depth + 1, out),
    }
}

fn dotenv(dice: &mut Dice) -> String {
    let mut out = String::new();
    for number in 0..=dice.roll(8) {
        if dice.roll(4) == 0 {
            out.push_str("# a remark\n");
        }
        let value = if dice.roll(6) == 0 { String::new() } else { dice.pick(WORDS).to_owned() };
        out.push_str(&format!("{}_{number}={value}\n", dice.pick(&["A", "DB_PASSWORD", "x", "PLAIN_unencrypted", "a.b"])));
    }
    out
}

fn ini(dice: &mut Dice) -> String {
    let mut out = String::new();
    for section in 0..=dice.roll(3) {
        out.push_str(&format!("[section {section}]\n"));
        for number in 0..=dice.roll(4) {
            if dice.roll(5) == 0 {
                out.push_str("; a remark\n");
            }
            let value = dice.pick(&["plain", "two words", "x=y", "ünï", "$HOME", "100%", "日本", "0644", "true", "a,b"]);
            out.push_str(&format!("{}{number} = {value}\n", dice.pick(&["key", "user", "a.b", "Upper"])));
        }
        out.push('\n');
    }
    out
}

fn binary(dice: &mut Dice) -> String {
    let mut out = String::new();
    for _ in 0..=dice.roll(20) {
        out.push_str(dice.pick(WORDS));
        out.push_str(dice.pick(&["\n", "\n\n", "\t", " ", "\r\n", "\\n", "-----BEGIN KEY-----\n"]));
    }
    out
}
