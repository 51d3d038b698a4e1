//! Colour: an addition to words, never instead of them.

use std::io::IsTerminal as _;

/// What a word is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it shall be.
    Good,
    /// Not as it shall be, and nobody needs to hurry.
    Warn,
    /// Not well.
    Bad,
    /// A heading.
    Strong,
    /// Nothing of these.
    Plain,
}

impl Tone {
    /// Select Graphic Rendition (ECMA-48): before the word, and after it.
    pub(crate) fn signs(self) -> (&'static str, &'static str) {
        match self {
            Self::Good => ("\x1b[32m", "\x1b[0m"),
            Self::Warn => ("\x1b[33m", "\x1b[0m"),
            Self::Bad => ("\x1b[1;31m", "\x1b[0m"),
            Self::Strong => ("\x1b[1m", "\x1b[0m"),
            Self::Plain => ("", ""),
        }
    }
}

/// Whether standard output gets colour: on a terminal that is not dumb, unless `NO_COLOR` (no-color.org) is set; or wherever `CLICOLOR_FORCE` asks for it.
pub(crate) fn wanted() -> bool {
    decide(|name| std::env::var(name).ok(), std::io::stdout().is_terminal())
}

fn decide(variable: impl Fn(&str) -> Option<String>, is_terminal: bool) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if set("NO_COLOR") {
        return false;
    }
    let forced = variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    forced || (is_terminal && variable("TERM").is_none_or(|term| term != "dumb") && variable("CLICOLOR").is_none_or(|value| value != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        for (set, is_terminal, expected) in [
            (vec![], true, true),
            (vec![], false, false),
            (vec![("TERM", "dumb")], true, false),
            (vec![("NO_COLOR", "1")], true, false),
            (vec![("NO_COLOR", "")], true, true),
            (vec![("CLICOLOR_FORCE", "1")], false, true),
            (vec![("CLICOLOR_FORCE", "0")], false, false),
            (vec![("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true, false),
            (vec![("CLICOLOR", "0")], true, false),
        ] {
            let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(decide(variable, is_terminal), expected, "{set:?}");
        }
    }
}
