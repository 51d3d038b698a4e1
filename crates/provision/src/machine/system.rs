//! os-release(5).

/// The most of a value that is kept, in characters.
const LONGEST: usize = 64;

/// ID and VERSION_ID of an os-release file; empty if it does not tell them. The file is data and no script: nothing in it is run, and a value that no
/// system has stays as it is written, to be shown.
pub(super) fn read(text: &str) -> (String, String) {
    let find = |key: &str| {
        let values = text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        let found = values.map(|written| value(written.trim_end()).unwrap_or_else(|| written.to_owned())).next_back().unwrap_or_default();
        found.chars().take(LONGEST).collect()
    };
    (find("ID"), find("VERSION_ID"))
}

/// A value as a shell would read it: bare, or in single or double quotes. `None` if it is none.
fn value(text: &str) -> Option<String> {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let body = text.strip_prefix(quote)?.strip_suffix(quote)?;
            if quote == '"' { unescape(body) } else { Some(body.to_owned()) }
        }
        _ => unescape(text),
    }
}

/// A text without its backslashes.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        plain.push(if c == '\\' { rest.next()? } else { c });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_escapes_and_what_is_missing() {
        for (text, id, version) in [
            ("PRETTY_NAME=\"x\"\nVERSION_ID=\"12\"\nID=debian\n", "debian", "12"),
            ("ID='ubuntu'\nVERSION_ID='24.04'\nID_LIKE=debian\n", "ubuntu", "24.04"),
            ("# ID=arch\n ID=\"deb\\ian\"\r\nVERSION_ID=13 \n", "debian", "13"),
            ("ID=debian\n", "debian", ""),
            ("ID=arch\nID=debian\nVERSION_ID=\"\"\n", "debian", ""),
            ("ID=$(reboot)\nVERSION_ID=\"12\" \"13\"\n", "$(reboot)", "12\" \"13"),
            ("ID=\"debian\nVERSION_ID=\u{1b}[2J12\n", "\"debian", "\u{1b}[2J12"),
            ("ID=\\", "\\", ""),
            ("", "", ""),
        ] {
            assert_eq!(read(text), (id.to_owned(), version.to_owned()), "{text:?}");
        }
    }
}
