//! The line of a file that a finding is about, with a caret under its place.

use std::sync::LazyLock;

use kubestead_core::diagnostic::Place;
use kubestead_core::visible::visible;
use regex::Regex;
use unicode_width::UnicodeWidthStr as _;

/// How much of a line is shown at most, in cells of a terminal.
const WIDTH: usize = 96;
/// How much is shown even where a terminal has less room.
const LEAST: usize = 24;
/// How far apart tab stops are.
const TAB: usize = 8;
/// Stands where a line is cut.
const CUT: &str = "…";

/// A text by lines, as YAML counts them: each ends with LF, CR LF or CR.
pub(crate) struct Source<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    /// How much of a line is shown, in cells.
    width: usize,
}

impl<'a> Source<'a> {
    /// The text of a file that findings call by that name, for a terminal of so many columns if it is one.
    pub(crate) fn new(file: &'a str, text: &'a str, columns: Option<usize>) -> Self {
        let mut lines = Vec::new();
        let mut rest = text;
        while let Some(end) = rest.find(['\n', '\r']) {
            lines.push(&rest[..end]);
            rest = rest[end..].strip_prefix("\r\n").unwrap_or_else(|| &rest[end + 1..]);
        }
        lines.push(rest);
        // The numbers of lines stand before it.
        let width = columns.map_or(WIDTH, |columns| columns.saturating_sub(2 * TAB).clamp(LEAST, WIDTH));
        Self { file, lines, width }
    }

    /// The line of a place and the caret below it, each behind the line's number or as much room. `None` for another file, or a line that is empty or not there.
    pub(crate) fn excerpt(&self, place: &Place) -> Option<[String; 2]> {
        if place.file != self.file {
            return None;
        }
        let line = self.lines.get(usize::try_from(place.line).ok()?.checked_sub(1)?).filter(|line| !line.trim().is_empty())?;
        let column = usize::try_from(place.column).unwrap_or(usize::MAX).saturating_sub(1);
        let at = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
        let line = &masked(line);
        let (shown, indent) = around(line, at, self.width);
        let number = place.line.to_string();
        Some([format!("  {number} | {shown}"), format!("  {} | {}^", " ".repeat(number.len()), " ".repeat(indent))])
    }
}

/// A line without what its finding may be about: a login in an address, or a private key of age. Each of its bytes is a sign, so that places stay.
fn masked(line: &str) -> String {
    static SECRET: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"://(?<login>[^/@\s"']+)@|(?<key>(?i)AGE-SECRET-KEY-[0-9A-Z-]+)"#).expect("the expression is a constant")
    });
    let mut shown = line.to_owned();
    for found in SECRET.captures_iter(line) {
        for part in ["login", "key"].iter().filter_map(|name| found.name(name)) {
            shown.replace_range(part.range(), &"*".repeat(part.len()));
        }
    }
    shown
}

/// What is shown of a line of which the byte `at` matters, and how many cells are before that.
fn around(line: &str, at: usize, width: usize) -> (String, usize) {
    let (before, after) = line.split_at(at);
    let (left, right) = (room(&mut before.chars().rev(), width), room(&mut after.chars(), width));
    let (left, right) = match (left > width / 2, right > width / 2) {
        _ if left + right <= width => (left, right),
        (true, true) => (width / 2, width / 2),
        (true, false) => (width - right, right),
        (false, _) => (left, width - left),
    };
    let start = before.len() - fitting(&mut before.chars().rev(), left);
    let end = at + fitting(&mut after.chars(), right);
    let mut shown = if start > 0 { CUT.to_owned() } else { String::new() };
    let mut indent = 0;
    let mut used = shown.width();
    for (index, c) in line[start..end].char_indices() {
        if start + index == at {
            indent = used;
        }
        let text = if c == '\t' { " ".repeat(TAB - used % TAB) } else { cells(c) };
        used += text.width();
        shown.push_str(&text);
    }
    if at == end {
        indent = used;
    }
    if end < line.len() {
        shown.push_str(CUT);
    }
    (shown, indent)
}

/// How many cells there are to show, as far as it may ever be wanted; a tab counts as the most that it takes.
fn room(chars: &mut dyn Iterator<Item = char>, width: usize) -> usize {
    let mut sum = 0;
    for c in chars {
        if sum > width {
            break;
        }
        sum += cells(c).width();
    }
    sum
}

/// How many bytes of the next signs fit into so many cells.
fn fitting(chars: &mut dyn Iterator<Item = char>, width: usize) -> usize {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += cells(*c).width();
            used <= width
        })
        .map(char::len_utf8)
        .sum()
}

/// How a sign is shown; a tab by the most room that it takes.
fn cells(c: char) -> String {
    if c == '\t' { " ".repeat(TAB) } else { visible(c.encode_utf8(&mut [0; 4])).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u64, column: u64) -> Place {
        Place { file: "c.yaml".into(), line, column }
    }

    fn excerpt(text: &str, line: u64, column: u64) -> String {
        Source::new("c.yaml", text, None).excerpt(&at(line, column)).map(|lines| lines.join("\n")).unwrap_or_default()
    }

    #[test]
    fn the_caret_stands_below_its_place_whatever_is_before_it() {
        for (text, line, column, shown) in [
            ("name: Home", 1, 7, "  1 | name: Home\n    |       ^"),
            ("a: 1\n\tb: 2", 2, 2, "  2 |         b: 2\n    |         ^"),
            ("ab\tc: 2", 1, 4, "  1 | ab      c: 2\n    |         ^"),
            ("\u{1b}[2Ja: 2", 1, 5, "  1 | \\u{1b}[2Ja: 2\n    |          ^"),
            ("日本: x", 1, 5, "  1 | 日本: x\n    |       ^"),
            ("e\u{301}: x", 1, 5, "  1 | e\u{301}: x\n    |    ^"),
            ("a: \u{202e}x", 1, 5, "  1 | a: \\u{202e}x\n    |            ^"),
            // Behind the end, where something is missing.
            ("a: [", 1, 99, "  1 | a: [\n    |     ^"),
            ("a\r\nb\rc", 2, 1, "  2 | b\n    | ^"),
            ("a\r\nb\rc", 3, 1, "  3 | c\n    | ^"),
            ("a\n\n", 2, 1, ""),
            ("a", 2, 1, ""),
            ("a", 0, 0, ""),
        ] {
            assert_eq!(excerpt(text, line, column), shown, "{text:?}");
        }
        let text = "x\n".repeat(99) + "  here";
        assert_eq!(excerpt(&text, 100, 3), "  100 |   here\n      |   ^");
        assert_eq!(Source::new("other.yaml", "a", None).excerpt(&at(1, 1)), None, "a file whose text this is not, such as one of secrets");
    }

    #[test]
    fn what_a_finding_refuses_as_a_secret_is_not_shown_and_narrow_terminals_keep_the_caret() {
        let text = "  https: http://user:S3crét@proxy:3128";
        assert_eq!(excerpt(text, 1, 10), "  1 |   https: http://************@proxy:3128\n    |          ^");
        assert_eq!(excerpt("age: AGE-SECRET-KEY-1CANARY", 1, 6), format!("  1 | age: {}\n    |      ^", "*".repeat(22)));
        for columns in [1, 40, 80] {
            let text = format!("{}: x", "key ".repeat(60));
            let lines = Source::new("c.yaml", &text, Some(columns)).excerpt(&at(1, 200)).unwrap();
            assert!(lines.iter().all(|line| line.width() <= columns.max(LEAST + 2 * TAB)), "{columns}: {lines:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        for (column, begins, ends) in
            [(1, "  1 | aaa", "aaa…"), (5001, "  1 | …aaa", "bbb…"), (10_004, "  1 | …bbb", "bbb"), (10_005, "  1 | …bbb", "bbb")]
        {
            let shown = excerpt(&text, 1, column);
            let (line, caret) = shown.split_once('\n').unwrap();
            assert!(line.starts_with(begins) && line.ends_with(ends), "{shown}");
            assert!(line.width() <= WIDTH + 2 + 6 && caret.width() <= line.width() + 1, "{shown}");
            if column == 5001 {
                let under: String = line.chars().skip(caret.chars().count() - 1).take(4).collect();
                assert_eq!(under, "HERE", "{shown}");
            }
        }
    }

    #[test]
    fn no_line_makes_more_than_a_line_or_reaches_the_terminal_raw() {
        let odd = ["\t", "日", "\u{1b}", "e\u{301}", "a", "\u{200b}", "🙂", "\u{9b}"];
        for seed in 0..400_usize {
            let line: String = (0..seed).map(|n| odd[(n * 7 + seed * 3 + n * n) % odd.len()]).collect();
            for column in [1, seed as u64 / 2, seed as u64, seed as u64 * 2] {
                let shown = excerpt(&line, 1, column);
                assert!(shown.is_empty() && line.trim().is_empty() || shown.lines().count() == 2, "{line:?}");
                assert!(!shown.chars().any(|c| c != '\n' && kubestead_core::visible::is_hidden(c)), "{shown:?}");
                assert!(shown.lines().all(|line| line.width() <= WIDTH + 2 * TAB), "{shown}");
            }
        }
    }
}
