//! os-release(5).

/// ID and VERSION_ID of an os-release file; empty if it does not tell them. The file is data and no script: nothing in it is run.
pub(super) fn read(text: &str) -> (String, String) {
    let find = |key: &str| {
        let values = text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        values.filter_map(value).next_back().unwrap_or_default()
    };
    (find("ID"), find("VERSION_ID"))
}

/// A value as a shell would read it: bare, or in single or double quotes. `None` if it is none that an ID may be: `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`, 64 at
/// most.
fn value(text: &str) -> Option<String> {
    let text = text.trim_end();
    let plain = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let body = text.strip_prefix(quote)?.strip_suffix(quote)?;
            if quote == '"' { unescape(body)? } else { body.to_owned() }
        }
        _ => unescape(text)?,
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (plain.len() <= 64 && plain.chars().all(fits)).then_some(plain)
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
            ("ID=$(reboot)\nVERSION_ID=\"12\" \"13\"\n", "", ""),
            ("ID=\"debian\nVERSION_ID=\u{1b}[2J12\n", "", ""),
            ("ID=\\", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(read(text), (id.to_owned(), version.to_owned()), "{text:?}");
        }
    }
}
