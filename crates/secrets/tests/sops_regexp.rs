//! Regular expressions against Go's own: for generated patterns and texts both say the same, and what is refused here is refused by Go
//! too, or for a reason that is named.
//!
//! The program is named by `GO_REGEXP` (`scripts/go-regexp.sh` builds it). Without it the tests say that they skip.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::format_push_string)] // a test fails by it, and says that it skips

mod corpus;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use corpus::Dice;
use kubestead_secrets::sops::Pattern;

/// What Go says of each pattern: `None` for an error, else whether it matches each of the texts.
fn go(lines: &[(String, Vec<String>)]) -> Option<Vec<Option<Vec<bool>>>> {
    let Some(program) = std::env::var_os("GO_REGEXP") else {
        eprintln!("SKIPPED: name Go's regular expressions with GO_REGEXP, see scripts/go-regexp.sh");
        return None;
    };
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input: String = lines.iter().map(|(pattern, texts)| line(pattern, texts)).collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    let read = |answer: &str| (answer != "error").then(|| answer.bytes().map(|digit| digit == b'1').collect());
    let answers: Vec<_> = answers.lines().map(read).collect();
    assert_eq!(answers.len(), lines.len());
    Some(answers)
}

fn line(pattern: &str, texts: &[String]) -> String {
    let quoted = |text: &str| {
        let mut written = "\"".to_owned();
        for c in text.chars() {
            match c {
                '"' | '\\' => written.extend(['\\', c]),
                c if c < ' ' => write!(written, "\\u{:04x}", u32::from(c)).unwrap(),
                c => written.push(c),
            }
        }
        written + "\""
    };
    let all: Vec<String> = std::iter::once(pattern).chain(texts.iter().map(String::as_str)).map(quoted).collect();
    format!("[{}]\n", all.join(","))
}

/// Letters that fold to others far away, digits of other scripts, blanks of every kind, what Unicode 16 added, and what is in words.
const LETTERS: &[&str] = &[
    "a",
    "b",
    "k",
    "K",
    "s",
    "S",
    "z",
    "0",
    "7",
    "_",
    "-",
    ".",
    " ",
    "\n",
    "\t",
    "\u{b}",
    "\u{c}",
    "\r",
    "\u{a0}",
    "\u{85}",
    "\u{2028}",
    "ä",
    "Ä",
    "ſ",
    "\u{212a}",
    "σ",
    "ς",
    "Σ",
    "ß",
    "ẞ",
    "İ",
    "ı",
    "i",
    "Å",
    "å",
    "\u{212b}",
    "٣",
    "९",
    "é",
    "e\u{301}",
    "\u{345}",
    "ι",
    "ǅ",
    "ǆ",
    "\u{a7cb}",
    "\u{264}",
    "\u{1c89}",
    "\u{10d50}",
    "\u{fffd}",
    "\u{10ffff}",
    "字",
    "😀",
    "\\",
    "]",
    "[",
    "{",
    "}",
    "(",
    ")",
    "^",
    "$",
    "|",
    "E",
    "Q",
    ":",
    ",",
    "data",
    "stringData",
    "x1",
];

const ATOMS: &[&str] = &[
    "a",
    "k",
    "s",
    "ä",
    "ſ",
    "σ",
    "ß",
    "_",
    "-",
    "]",
    "}",
    "{",
    ",",
    ":",
    "7",
    ".",
    ".",
    "^",
    "$",
    r"\A",
    r"\z",
    r"\b",
    r"\B",
    r"\w",
    r"\W",
    r"\d",
    r"\D",
    r"\s",
    r"\S",
    r"\.",
    r"\\",
    r"\_",
    r"\-",
    r"\x{e4}",
    r"\xe4",
    r"\x41",
    r"\101",
    r"\0",
    r"\07",
    r"\n",
    r"\t",
    r"\v",
    r"\f",
    r"\a",
    r"\r",
    r"\p{Lu}",
    r"\P{Lu}",
    r"\p{^Lu}",
    r"\pL",
    r"\PN",
    r"\p{Greek}",
    r"\P{^Greek}",
    r"\p{Any}",
    r"\P{Any}",
    r"\p{Zs}",
    r"\p{Mn}",
    r"\Qa.b\E",
    r"\Q\E",
    r"\Qk]",
    "[a-k]",
    "[^a-k]",
    "[^k]",
    "[]a]",
    "[^]a]",
    "[a-]",
    "[-a]",
    "[a^]",
    r"[\w-]",
    r"[\d_]",
    r"[^\s]",
    r"[\D\S]",
    r"[\]\\]",
    "[[:alpha:]]",
    "[[:^alpha:]]",
    "[^[:word:]ä]",
    "[[:space:]]",
    "[[:punct:]a]",
    "[ä-ß]",
    "[\u{e0}-\u{ff}]",
    r"[\x00-\x{10ffff}]",
    r"[\x{d000}-\x{e000}]",
    r"[^\x00-\x{10ffff}]",
    r"[\p{Lu}k]",
    r"[^\p{Ll}]",
    r"[\P{L}]",
    "[σ]",
    "[ſ-ƀ]",
    "[[:]",
    "[:a:]",
    "data",
    "^(data|stringData)$",
    "stringData",
    "(?i)",
    "(?-i)",
    "(?m)",
    "(?s)",
    "(?U)",
    "(?im-s)",
    "(?i-)",
    "(?)",
];

const WRONG: &[&str] = &[
    r"\Z",
    r"\h",
    r"\G",
    r"\K",
    r"\1",
    r"\8",
    r"\C",
    r"\E",
    r"\ä",
    r"\x{}",
    r"\x{110000}",
    r"\xg0",
    r"\p{Foo}",
    r"\p{L",
    r"\p",
    "[b-a]",
    "[",
    "[[:foo:]]",
    "(?=a)",
    "(?!a)",
    "(?<=a)",
    "(?P<a",
    "(?P<ä>a)",
    "(?x)",
    "(?",
    "(",
    ")",
    "*",
    "+?",
    "{1}",
    "a{1001}",
    "a{2,1}",
    "\\",
    r"[\b]",
    r"[\z]",
    r"[\Q]",
    r"\p{greek}",
    r"\p{Old_Italic}",
    r"\p{Letter}",
    r"\p{C}",
    r"\p{Cn}",
    "(?i",
];

const REPEATS: &[&str] =
    &["*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{1,}", "{0,2}", "{2,3}?", "{,2}", "{01}", "{a}", "{3", "**", "{2}{2}"];

fn pattern(dice: &mut Dice, depth: usize) -> String {
    let mut text = String::new();
    for _ in 0..=dice.roll(4) {
        match dice.roll(if depth < 3 { 12 } else { 8 }) {
            0..=7 => text.push_str(dice.pick(ATOMS)),
            8 => text.push_str(&format!("({})", pattern(dice, depth + 1))),
            9 => text.push_str(&format!(
                "({}{})",
                dice.pick(&["?:", "?i:", "?P<n>", "?<m>", "?s-i:", "?m:", "?-s:"]),
                pattern(dice, depth + 1)
            )),
            10 => text.push_str(&format!("{}|{}", pattern(dice, depth + 1), pattern(dice, depth + 1))),
            _ => text.push('|'),
        }
        if dice.roll(3) == 0 {
            text.push_str(dice.pick(REPEATS));
        }
        if dice.roll(60) == 0 {
            text.push_str(dice.pick(WRONG));
        }
    }
    text
}

/// Refused here, though some version of Go takes it.
fn is_named(why: &str) -> bool {
    ["all versions of sops", "deep", "larger"].iter().any(|words| why.contains(words))
}

fn compare(lines: &[(String, Vec<String>)]) -> usize {
    let Some(answers) = go(lines) else { return 0 };
    let mut same = 0;
    for ((pattern, texts), answer) in lines.iter().zip(answers) {
        match (Pattern::new(pattern), answer) {
            (Err(error), Some(_)) => assert!(is_named(&error.to_string()), "Go takes {pattern:?}: {error}"),
            (Err(_), None) => {}
            (Ok(_), None) => panic!("Go refuses {pattern:?}"),
            (Ok(ours), Some(theirs)) => {
                for (text, expected) in texts.iter().zip(theirs) {
                    assert_eq!(ours.is_match(text), expected, "{pattern:?} {text:?}");
                    same += 1;
                }
            }
        }
    }
    same
}

#[test]
fn generated_patterns_match_what_they_match_in_go() {
    let mut dice = Dice::new(std::env::var("REGEXP_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1));
    let count = std::env::var("REGEXP_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(4000);
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for _ in 0..count {
        let texts = (0..12).map(|_| (0..dice.roll(5)).map(|_| dice.pick(LETTERS)).collect()).collect();
        lines.push((pattern(&mut dice, 0), texts));
    }
    // Each piece by itself, with and without case, anchored, against each letter.
    for atom in ATOMS.iter().chain(WRONG) {
        for written in [(*atom).to_owned(), format!("^(?i){atom}$"), format!("^{atom}$"), format!("^[^{atom}]$")] {
            lines.push((written, LETTERS.iter().map(|letter| (*letter).to_owned()).collect()));
        }
    }
    let same = compare(&lines);
    assert!(same == 0 || same > 5 * count, "{same} answers were compared");
}

#[test]
fn classes_hold_what_they_hold_in_go() {
    // Every so many characters: all of them take a minute.
    let every = std::env::var("REGEXP_EVERY").ok().and_then(|every| every.parse().ok()).unwrap_or(211);
    let first: Vec<String> = ('\0'..='\u{5ff}').chain(('\u{600}'..='\u{10ffff}').step_by(every)).map(String::from).collect();
    let names = [
        "L",
        "Lu",
        "Ll",
        "Lt",
        "Lm",
        "Lo",
        "M",
        "Mn",
        "Mc",
        "Me",
        "N",
        "Nd",
        "Nl",
        "No",
        "P",
        "Pc",
        "Pd",
        "Pe",
        "Pf",
        "Pi",
        "Po",
        "Ps",
        "S",
        "Sc",
        "Sk",
        "Sm",
        "So",
        "Z",
        "Zl",
        "Zp",
        "Zs",
        "Cc",
        "Cf",
        "Co",
        "Any",
        "Latin",
        "Greek",
        "Cyrillic",
        "Han",
        "Common",
        "Inherited",
        "Arabic",
        "Hiragana",
        "Kawi",
        "Vithkuqi",
    ];
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for name in names {
        lines.extend([format!(r"^\p{{{name}}}"), format!(r"^(?i)\P{{{name}}}")].map(|pattern| (pattern, first.clone())));
    }
    for class in
        [r"\w", r"\W", r"\s", r"\d", ".", "[^k]", "[[:^lower:]]", "[a-zß-ÿ]", "[\u{1e00}-\u{1fff}]", "[\u{a640}-\u{a7ff}]", "\u{264}"]
    {
        lines.extend([format!("^{class}"), format!("^(?i){class}")].map(|pattern| (pattern, first.clone())));
    }
    let same = compare(&lines);
    assert!(same == 0 || same > lines.len() * 1000, "{same} answers were compared");
}

#[test]
fn characters_fold_as_they_fold_in_go() {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for c in '\0'..='\u{1ffff}' {
        // All that any table has together with it.
        let mut folded = regex_syntax::hir::ClassUnicode::new([regex_syntax::hir::ClassUnicodeRange::new(c, c)]);
        folded.case_fold_simple();
        let mut others: Vec<char> = folded.iter().flat_map(|range| range.start()..=range.end()).collect();
        others.extend(c.to_lowercase().chain(c.to_uppercase()));
        if others.iter().any(|other| *other != c) && c.is_alphanumeric() || folded.iter().count() > 1 {
            lines.push((format!("^(?i)\\x{{{:x}}}$", u32::from(c)), others.into_iter().map(String::from).collect()));
        }
    }
    let same = compare(&lines);
    assert!(same == 0 || same > 5000, "{same} answers were compared");
}
