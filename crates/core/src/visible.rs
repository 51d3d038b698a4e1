//! Text of others for a terminal: what could move the cursor, change what was printed before, or show another order than it has is
//! spelled out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character that a terminal would obey, or that nobody would see, as an escape: `\n`, `\t`, `\r` or `\u{1b}`.
/// A text without any comes back as it is.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|c| (b' '..=b'~').contains(&c)) || !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_hidden(c) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is not itself seen: a control (C0, DEL, C1), one that reorders or joins what is around it, one that Unicode says
/// to show as nothing (`Default_Ignorable_Code_Point`), an end of line or paragraph, or none at all.
pub const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Bidirectional: marks, embeddings and overrides, isolates.
        | '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Ends of lines and paragraphs that are no ASCII.
        | '\u{2028}'..='\u{2029}'
        // Soft hyphen, joiners, fillers, invisible operators, selectors of variants, the byte order mark, tags.
        | '\u{ad}' | '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        // Spaces that look like one and are another, and those as wide as nothing.
        | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}')
        || c as u32 & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        for (text, shown) in [
            ("kube1: ext4 (a-b_c)", "kube1: ext4 (a-b_c)"),
            ("zwölf Äpfel, 日本語, 🙂", "zwölf Äpfel, 日本語, 🙂"),
            ("a\x1b[2Kb", "a\\u{1b}[2Kb"),
            ("a\rb\nc\td", "a\\rb\\nc\\td"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\x7f\x08\x07\0", "\\u{7f}\\u{8}\\u{7}\\u{0}"),
            ("\u{202e}txt.exe\u{202c}", "\\u{202e}txt.exe\\u{202c}"),
            ("\u{2066}a\u{2069}\u{61c}", "\\u{2066}a\\u{2069}\\u{61c}"),
            ("vol\u{200b}kube\u{feff}", "vol\\u{200b}kube\\u{feff}"),
            ("a\u{2028}b\u{85}c", "a\\u{2028}b\\u{85}c"),
            ("\u{e0041}\u{fe0f}\u{3164}\u{fffe}\u{10ffff}", "\\u{e0041}\\u{fe0f}\\u{3164}\\u{fffe}\\u{10ffff}"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert!(matches!(visible("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_hidden_is_left_of_any_character() {
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let shown = visible(c.encode_utf8(&mut [0; 4])).into_owned();
            assert!(!shown.chars().any(|c| is_hidden(c) || c.is_control()), "{:x}", u32::from(c));
            assert!(!shown.is_empty());
        }
    }
}
