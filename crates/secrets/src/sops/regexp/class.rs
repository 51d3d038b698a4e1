//! Sets of characters as Go has them: Unicode 15.0, with the simple case folding.

use std::fmt::Write;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// What all versions of Go's `regexp` know by these names, and mean the same by. Left out are `C`, `Cn` and `LC`, which newer ones changed
/// or added, and `Cs`, which no text holds.
const CATEGORIES: [&str; 35] = [
    "Cc", "Cf", "Co", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi",
    "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs", "Any",
];

/// Left out are names with `_` and `SignWriting`, which Go 1.25 and newer do not find.
const SCRIPTS: &str = "Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese \
    Buhid Carian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Dogra Duployan Elbasan \
    Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han Hangul Hanunoo Hatran Hebrew Hiragana Inherited \
    Javanese Kaithi Kannada Katakana Kawi Kharoshthi Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Lisu Lycian Lydian Mahajani Makasar \
    Malayalam Mandaic Manichaean Marchen Medefaidrin Miao Modi Mongolian Mro Multani Myanmar Nabataean Nandinagari Newa Nko Nushu \
    Ogham Oriya Osage Osmanya Palmyrene Phoenician Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham Sinhala Sogdian Soyombo \
    Sundanese Syriac Tagalog Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi \
    Wancho Yezidi Yi";

/// The characters of Unicode 15.0, which is what Go knows; the crate knows more.
static KNOWN: LazyLock<ClassUnicode> = LazyLock::new(|| table("Age=15.0").unwrap_or_else(ClassUnicode::empty));

/// Pairs that fold to each other since Unicode 15.1, and to nothing in 15.0.
const LATER_FOLDED: [(char, char); 5] =
    [('\u{390}', '\u{390}'), ('\u{3b0}', '\u{3b0}'), ('\u{1fd3}', '\u{1fd3}'), ('\u{1fe3}', '\u{1fe3}'), ('\u{fb05}', '\u{fb06}')];

/// A set of characters.
#[derive(Clone, Debug)]
pub(super) struct Set(ClassUnicode);

impl Set {
    pub(super) fn new() -> Self {
        Self(ClassUnicode::empty())
    }

    /// From one character to another, as numbers. Surrogates, which no text holds, are left out.
    pub(super) fn add(&mut self, low: u32, high: u32) {
        for (low, high) in [(low, high.min(0xd7ff)), (low.max(0xe000), high)] {
            if let (true, Some(low), Some(high)) = (low <= high, char::from_u32(low), char::from_u32(high)) {
                self.0.push(ClassUnicodeRange::new(low, high));
            }
        }
    }

    pub(super) fn of(ranges: &[(char, char)]) -> Self {
        Self(ClassUnicode::new(ranges.iter().map(|(low, high)| ClassUnicodeRange::new(*low, *high))))
    }

    pub(super) fn union(&mut self, other: &Self) {
        self.0.union(&other.0);
    }

    pub(super) fn negate(&mut self) {
        self.0.negate();
    }

    /// With all that equals one of them when case is left aside.
    pub(super) fn fold(&mut self) {
        let mut others = self.0.clone();
        others.intersect(&KNOWN);
        others.difference(&Self::of(&LATER_FOLDED).0);
        others.case_fold_simple();
        others.intersect(&KNOWN);
        others.difference(&Self::of(&LATER_FOLDED).0);
        self.0.union(&others);
    }

    /// As the crate `regex` reads it.
    pub(super) fn written(&self) -> String {
        if self.0.ranges().is_empty() {
            return r"\P{any}".to_owned();
        }
        let mut text = "[".to_owned();
        for range in self.0.iter() {
            let _ = write!(text, "\\x{{{:x}}}-\\x{{{:x}}}", u32::from(range.start()), u32::from(range.end()));
        }
        text + "]"
    }

    /// A category or a script.
    pub(super) fn named(name: &str) -> Option<Self> {
        let wanted = match name {
            "Any" => "Any".to_owned(),
            _ if CATEGORIES.contains(&name) => format!("General_Category={name}"),
            _ if SCRIPTS.split_whitespace().any(|script| script == name) => format!("Script={name}"),
            _ => return None,
        };
        let mut found = table(&wanted)?;
        if name != "Any" {
            found.intersect(&KNOWN);
        }
        Some(Self(found))
    }

    /// `\d`, `\s` and `\w`.
    pub(super) fn perl(letter: char) -> Option<Self> {
        match letter {
            'd' => Some(Self::of(&[('0', '9')])),
            's' => Some(Self::of(&[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')])),
            'w' => Some(Self::of(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')])),
            _ => None,
        }
    }

    /// What may stand in `[:…:]`.
    pub(super) fn posix(name: &str) -> Option<Self> {
        Some(Self::of(match name {
            "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
            "alpha" => &[('A', 'Z'), ('a', 'z')],
            "ascii" => &[('\0', '\u{7f}')],
            "blank" => &[('\t', '\t'), (' ', ' ')],
            "cntrl" => &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')],
            "digit" => &[('0', '9')],
            "graph" => &[('!', '~')],
            "lower" => &[('a', 'z')],
            "print" => &[(' ', '~')],
            "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
            "space" => &[('\t', '\r'), (' ', ' ')],
            "upper" => &[('A', 'Z')],
            "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
            "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
            _ => return None,
        }))
    }
}

/// A table of the crate.
fn table(property: &str) -> Option<ClassUnicode> {
    match regex_syntax::parse(&format!(r"\p{{{property}}}")).ok()?.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        // A class of one character.
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            Some(ClassUnicode::new(text.chars().map(|c| ClassUnicodeRange::new(c, c))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_table() {
        for name in CATEGORIES.into_iter().chain(SCRIPTS.split_whitespace()) {
            assert!(Set::named(name).is_some_and(|set| !set.0.ranges().is_empty()), "{name}");
        }
        assert!(!KNOWN.ranges().is_empty() && Set::named("Garay").is_none());
    }
}
