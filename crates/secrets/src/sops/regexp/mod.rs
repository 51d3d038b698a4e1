//! Regular expressions as sops reads them: those of Go's package `regexp`, which is RE2 with classes of ASCII.
//!
//! A pattern is read by Go's rules and written for the crate `regex` with every class written out, so that no difference between the two
//! remains. What cannot be carried over exactly is refused by name.

mod class;
mod parse;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

/// Patterns that were compiled: the documents of a repository have the same few, and compiling one is a good part of reading a small document.
/// No more than `MOST` are kept, whatever documents say.
static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
const MOST: usize = 64;

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPattern(String);

/// A regular expression of Go.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Reads one.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        let kept = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().get(text).cloned();
        let regex = known.map_or_else(|| Self::compiled(text), Ok)?;
        let mut kept = kept();
        if kept.len() < MOST && !kept.contains_key(text) {
            kept.insert(text.to_owned(), regex.clone());
        }
        Ok(Self { text: text.to_owned(), regex })
    }

    fn compiled(text: &str) -> Result<Regex, BadPattern> {
        let written = parse::translate(text).map_err(BadPattern)?;
        // As deep as the reader above lets groups be, and a margin for those that it adds.
        let regex = RegexBuilder::new(&written).nest_limit(8 * parse::DEEPEST).build();
        regex.map_err(|_| BadPattern("it is larger, once its repetitions are written out, than is supported here".to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when it matches anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_ascii_and_escapes_those_of_go() {
        for (pattern, text, expected) in [
            (r"^\w+$", "schlüssel", false),
            (r"^\w+$", "key_1", true),
            (r"^\d$", "٣", false),
            (r"\s", "\u{b}", false),
            (r"[[:space:]]", "\u{b}", true),
            (r"\bb", "äb", true),
            (r"\Bb", "äb", false),
            (r"^\Qa.b\E+$", "a.bb", true),
            (r"^\Qa.b\E$", "aXb", false),
            (r"a\z", "a\n", false),
            (r"(?i)^\w$", "ſ", true),
            (r"(?i)^[^k]$", "\u{212a}", false),
            (r"^(?P<n>a)(?<m>b)$", "ab", true),
            (r"(?m)^b$", "a\nb\nc", true),
            (r"^a.b$", "a\nb", false),
            (r"(?s)^a.b$", "a\nb", true),
            (r"^x{,2}$", "x{,2}", true),
            (r"^[]a]$", "]", true),
            (r"^\x{e4}\101$", "äA", true),
            (r"^\p{Greek}\PN$", "αx", true),
            (r"(?i:a)b", "AB", false),
            ("", "", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().is_match(text), expected, "{pattern} {text:?}");
        }
    }

    #[test]
    fn many_patterns_are_each_themselves_and_few_are_kept() {
        for _ in 0..2 {
            for n in 0..MOST + 10 {
                let pattern = Pattern::new(&format!("^key{n}$")).unwrap();
                assert!(pattern.is_match(&format!("key{n}")) && !pattern.is_match(&format!("key{}", n + 1)));
            }
        }
        assert!(COMPILED.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn what_go_does_not_know_and_what_differs_between_its_versions_is_named() {
        for (pattern, words) in [
            ("a(?=b)", "(?="),
            ("(?!b)", "(?!"),
            ("(?<=b)", "capture"),
            (r"\Z", r"\Z"),
            (r"\h", r"\h"),
            (r"\1", r"\1"),
            (r"\C", r"\C"),
            ("a**", "repetition"),
            ("*a", "repeat"),
            ("a{1001}", "1000"),
            ("(a{100}){11}", "1000"),
            ("a{2,1}", "1000"),
            ("[b-a]", "b-a"),
            ("[a", "]"),
            ("(a", ")"),
            ("a)", ")"),
            (r"\p{Cn}", r"\p{Cn}"),
            (r"\p{greek}", r"\p{greek}"),
            (r"\p{Letter}", r"\p{Letter}"),
            ("[[:word]]", ""),
            ("[[:foo:]]", "[:foo:]"),
            ("(?x)a", "(?x"),
            ("a\\", "backslash"),
        ] {
            match Pattern::new(pattern) {
                Err(error) => assert!(error.to_string().contains(words), "{pattern}: {error}"),
                Ok(_) => assert!(words.is_empty(), "{pattern}"),
            }
        }
    }
}
