//! What a step changes, as a unified diff.

use kubestead_provision::changes::{Before, Change};
use similar::TextDiff;

use crate::paint::Tone;
use crate::print::Shown;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;
const IN: &str = "      ";

/// A change with the lines that go and come. Nothing of a text that is not known is made up: it is told in words.
pub(crate) fn show(change: &Change, colour: bool, shown: &mut Shown) {
    let Change { what, before, after, note } = change;
    let (from, to) = (if *before == Before::Nothing { "(nothing)" } else { what }, after.as_ref().map_or("(nothing)", |_| what));
    let after = after.as_deref().unwrap_or_default();
    let before = match before {
        Before::Nothing => "",
        Before::Text(text) if text == after => {
            shown.line(format!("{IN}{what}: its text stays as it is{}", note.map(|note| format!("; {note}")).unwrap_or_default()));
            return;
        }
        Before::Text(text) => text.as_str(),
        Before::Unknown(why) => {
            shown.line(format!("{IN}{what}: {why}"));
            ""
        }
    };
    if let Some(note) = note {
        shown.line(format!("{IN}{what}: {note}"));
    }
    shown.line(format!("{IN}--- {from}"));
    shown.line(format!("{IN}+++ {to}"));
    let diff = TextDiff::from_lines(before, after);
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        for line in hunk.to_string().lines() {
            let tone = match line.chars().next() {
                Some('-') => Tone::Bad,
                Some('+') => Tone::Good,
                Some('@') => Tone::Strong,
                Some(_) | None => Tone::Plain,
            };
            shown.spans(colour, &[(Tone::Plain, IN), (tone, line)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    fn change(what: &str, before: Before, after: Option<&str>) -> Change {
        Change { what: what.into(), before, after: after.map(str::to_owned), note: None }
    }

    #[test]
    fn what_goes_and_what_comes_stand_between_what_stays() {
        let old = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\nh: 8\n";
        let new = old.replace("e: 5", "e: 50").replace("h: 8\n", "h: 8\ni: 9\n");
        let secret = Change {
            note: Some("values are compared by digest: a changed one shows no line"),
            ..change(
                "Secret apps/db",
                Before::Text("data:\n  user: (its value is not shown)\n".into()),
                Some("data:\n  user: (its value is not shown)\n"),
            )
        };
        let mut shown = Shown::default();
        for change in [
            change("ConfigMap kube-system/x", Before::Text(old.into()), Some(&new)),
            change("/etc/new", Before::Nothing, Some("one\ntwo\n")),
            change(
                "/etc/known-by-digest",
                Before::Unknown("of the file that is there only the digest was read, so that it is shown as a whole"),
                Some("one\n"),
            ),
            change("ConfigMap kube-system/gone", Before::Text("a: 1\n".into()), None),
            secret,
        ] {
            show(&change, false, &mut shown);
        }
        golden::holds("diff", &shown.to_string());
    }

    #[test]
    fn lines_of_others_stay_lines_within_and_reach_no_terminal_raw() {
        let mut shown = Shown::default();
        show(
            &change("a\u{1b}[2Jb\nc", Before::Text("x\u{1b}]0;t\u{7}\r\n1 to do, 0 held\n".into()), Some("y\u{202e}\n")),
            false,
            &mut shown,
        );
        let text = shown.to_string();
        assert!(text.lines().all(|line| line.starts_with(IN)), "{text}");
        assert!(!text.chars().any(|c| c != '\n' && kubestead_core::visible::is_hidden(c)), "{text:?}");
    }
}
