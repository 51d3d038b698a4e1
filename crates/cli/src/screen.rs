//! The screen of `status`: whether all is well, and if not, what to type. Pure: it is made of rows that were judged already.

use unicode_width::UnicodeWidthStr;

use crate::paint::Tone;
use crate::print::Shown;

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) is_good: bool,
    /// Its columns; the last one may be long.
    pub(crate) cells: Vec<String>,
}

impl Row {
    pub(crate) fn new(is_good: bool, cells: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { is_good, cells: cells.into_iter().map(Into::into).collect() }
    }
}

/// What is held, or hinders: what, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) hint: String,
    pub(crate) is_unreachable: bool,
}

/// How a cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) groups: Vec<(&'static str, Vec<Row>)>,
    pub(crate) troubles: Vec<Trouble>,
    /// How many steps `up` would do.
    pub(crate) steps: usize,
}

/// The first line: how all is, and what to type.
struct Verdict {
    tone: Tone,
    text: String,
    next: Option<&'static str>,
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

impl Report {
    fn verdict(&self) -> Verdict {
        let unreachable = self.troubles.iter().filter(|trouble| trouble.is_unreachable).count();
        let held = self.troubles.len() - unreachable;
        let bad = self.groups.iter().flat_map(|(_, rows)| rows).filter(|row| !row.is_good).count();
        let mut words = Vec::new();
        if unreachable > 0 {
            words.push(count(unreachable, "machine cannot be reached", "machines cannot be reached"));
        }
        if held > 0 {
            words.push(count(held, "thing is held", "things are held"));
        }
        if bad > 0 {
            words.push(count(bad, "line below is bad", "lines below are bad"));
        }
        if self.steps > 0 {
            words.push(count(self.steps, "step to do", "steps to do"));
        }
        let (tone, next) = match (self.troubles.is_empty(), bad, self.steps) {
            (true, 0, 0) => return Verdict { tone: Tone::Good, text: "all is well".into(), next: None },
            (true, 0, 1..) => (Tone::Warn, Some("kubestead plan shows what is to do; then type: kubestead up")),
            (true, 1.., 1..) => (Tone::Bad, Some("kubestead plan shows what is to do; then type: kubestead up")),
            (true, 1.., 0) => (Tone::Bad, Some("the lines marked ! say why")),
            (false, _, 0) => (Tone::Bad, Some("do what stands below `to do`; then type: kubestead status")),
            (false, _, 1..) => (Tone::Bad, Some("do what stands below `to do`; then type: kubestead up")),
        };
        let how = if tone == Tone::Warn { "not as the file says" } else { "not well" };
        Verdict { tone, text: format!("{how}: {}", words.join(", ")), next }
    }

    /// Whether all is well, that in words, and what to type next.
    pub(crate) fn words(&self) -> (bool, String, Option<&'static str>) {
        let Verdict { tone, text, next } = self.verdict();
        (tone == Tone::Good, text, next)
    }

    /// The screen. Lines are wrapped to `width` where there is one.
    pub(crate) fn shown(&self, colour: bool, width: Option<usize>) -> Shown {
        let mut shown = Shown::default();
        let verdict = self.verdict();
        wrapped(&mut shown, (Tone::Strong, &format!("{}: ", self.name)), colour, (verdict.tone, &verdict.text), width);
        if let Some(next) = verdict.next {
            wrapped(&mut shown, (Tone::Plain, "  "), colour, (Tone::Plain, next), width);
        }
        if !self.troubles.is_empty() {
            heading(&mut shown, colour, "to do");
            for Trouble { what, why, hint, .. } in &self.troubles {
                // One line where nothing limits it: what follows a cause is what to do.
                let hint = if hint.is_empty() { String::new() } else { format!(" ({hint})") };
                let text = format!("{what}: {why}{hint}");
                wrapped(&mut shown, (Tone::Bad, "  ! "), colour, (Tone::Plain, &text), width);
            }
        }
        for (name, rows) in self.groups.iter().filter(|(_, rows)| !rows.is_empty()) {
            heading(&mut shown, colour, name);
            table(&mut shown, rows, colour, width);
        }
        shown
    }
}

fn heading(shown: &mut Shown, colour: bool, name: &str) {
    shown.line("");
    shown.spans(colour, &[(Tone::Strong, name)]);
}

/// Rows whose columns stand below each other.
pub(crate) fn table(shown: &mut Shown, rows: &[Row], colour: bool, width: Option<usize>) {
    let columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let wide = |column: usize| rows.iter().filter_map(|row| row.cells.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(wide).collect();
    for row in rows {
        let mut begin = String::new();
        let last = row.cells.len().saturating_sub(1);
        for (cell, width) in row.cells[..last].iter().zip(&widths) {
            begin += cell;
            begin += &" ".repeat(width.saturating_sub(cell.width()) + 2);
        }
        let mark = if row.is_good { (Tone::Good, "  . ") } else { (Tone::Bad, "  ! ") };
        let text = format!("{begin}{}", row.cells.last().map_or("", String::as_str));
        wrapped(shown, mark, colour, (Tone::Plain, text.trim_end()), width);
    }
}

/// A line with a mark ahead; what does not fit goes on below, further in.
fn wrapped(shown: &mut Shown, (tone, mark): (Tone, &str), colour: bool, (of, text): (Tone, &str), width: Option<usize>) {
    const IN: &str = "      ";
    let room = width.unwrap_or(usize::MAX).saturating_sub(mark.width().max(IN.len()) + 1).max(20);
    let mut lines: Vec<String> = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let wide = word.trim_end().width();
        if used > 0 && used + wide > room {
            lines.push(String::new());
            used = 0;
        }
        used += word.width();
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
    }
    for (n, line) in lines.iter().enumerate() {
        match n {
            0 => shown.spans(colour, &[(tone, mark), (of, line.trim_end())]),
            _ => shown.spans(colour, &[(Tone::Plain, IN), (of, line.trim_end())]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::golden;

    fn well() -> Report {
        let row = |cells: &[&str]| Row::new(true, cells.iter().copied());
        Report {
            name: "home".into(),
            groups: vec![
                ("machines", vec![row(&["cp1", "Ready"]), row(&["kube1", "Ready"]), row(&["masterlock", "answers"])]),
                (
                    "volumes",
                    vec![
                        row(&["cp1", "voletcd", "/var/lib/etcd", "open and mounted"]),
                        row(&["kube1", "volkube", "/var/lib/kubestead/volumes", "open and mounted"]),
                    ],
                ),
                (
                    "cluster",
                    vec![
                        row(&["cp1", "certificates", "until 2027-11-28, for 365 days (/etc/kubernetes/admin.conf)"]),
                        row(&["cp1", "encryption", "secrets written with secretbox key1 (0123456789abcdef)"]),
                        row(&["cluster", "secrets", "3 in sync, 0 changed, 0 missing, 0 orphaned"]),
                    ],
                ),
            ],
            troubles: vec![],
            steps: 0,
        }
    }

    fn wrong() -> Report {
        let mut report = well();
        report.groups[0].1[1] = Row::new(false, ["kube1", "not Ready: container runtime network not ready"]);
        report.groups[1].1[1] =
            Row::new(false, ["kube1", "volkube", "/var/lib/kubestead/volumes", "locked: kubestead volume unlock kube1"]);
        report.troubles.push(Trouble {
            what: "kube1/volkube".into(),
            why: "it is closed, and no key server opens it".into(),
            hint: "kubestead volume unlock kube1".into(),
            is_unreachable: false,
        });
        report.steps = 3;
        report
    }

    fn unreachable() -> Report {
        let mut report = well();
        report.groups[0].1[1] = Row::new(false, ["kube1", "was not seen"]);
        report.groups[1].1[1] = Row::new(false, ["kube1", "volkube", "/var/lib/kubestead/volumes", "not seen"]);
        report.troubles.push(Trouble {
            what: "kube1".into(),
            why: "no connection: connect to host 192.0.2.21 port 22: No route to host".into(),
            hint: "try: ssh root@192.0.2.21".into(),
            is_unreachable: true,
        });
        report
    }

    fn changes() -> Report {
        Report { steps: 2, ..well() }
    }

    #[test]
    fn the_first_line_says_whether_all_is_well_and_the_next_what_to_type() {
        let mut text = String::new();
        for (what, report) in [("well", well()), ("changes", changes()), ("something wrong", wrong()), ("unreachable", unreachable())] {
            for width in [None, Some(80), Some(40)] {
                let shown = report.shown(false, width).to_string();
                let wide = shown.lines().map(UnicodeWidthStr::width).max().unwrap();
                // A table is cut at words, which a narrow terminal wraps by itself.
                assert!(width.is_none_or(|width| width < 80 || wide < width), "{shown}");
                let _ = write!(text, "== {what}, {}\n{shown}\n", width.map_or("a pipe".to_owned(), |width| format!("{width} columns")));
            }
        }
        golden::holds("status", &text);
    }

    #[test]
    fn without_colour_it_says_the_same() {
        let with = wrong().shown(true, Some(80)).to_string();
        let mut plain = with.clone();
        for tone in [Tone::Good, Tone::Warn, Tone::Bad, Tone::Strong] {
            plain = plain.replace(tone.signs().0, "").replace(tone.signs().1, "");
        }
        assert!(with.contains("\x1b[") && !plain.contains('\x1b'));
        assert_eq!(plain, wrong().shown(false, Some(80)).to_string());
    }

    #[test]
    fn no_word_of_a_machine_paints() {
        let mut report = wrong();
        report.troubles[0].why = "\x1b[32mall is well\x1b[0m".into();
        report.groups[0].1[1] = Row::new(false, ["kube1", "\x1b[2J\u{202e}"]);
        let text = report.shown(false, None).to_string();
        assert!(!text.chars().any(|c| c != '\n' && kubestead_core::visible::is_hidden(c)), "{text:?}");
    }
}
