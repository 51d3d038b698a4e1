//! The one door to the terminal. Data goes to standard output, everything else to standard error.
//!
//! Whatever is printed here may hold words of others: of machines, of the API, of files in the repository. So text comes as [`Shown`],
//! and its only makers spell out what a terminal would obey ([`visible`]). Bytes that are asked for as such go through [`bytes`].

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use kubestead_core::diagnostic::Diagnostic;
use kubestead_core::visible::{is_hidden, visible};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use zeroize::Zeroizing;

use crate::excerpt::Source;
use crate::exit::Failure;
use crate::paint::Tone;

/// The longest line that is shown, in characters.
const LINE: usize = 8192;
/// How a line of a message that goes on begins: no line of another's making stands where ours begin.
const ON: &str = "  | ";

/// Lines that may be shown, each ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown(String);

impl Shown {
    /// One more line; ends of line in it are spelled out too.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.0.push_str(&one(text.as_ref()));
        self.0.push('\n');
    }

    /// A message: its first line, then its others, marked as such.
    pub(crate) fn message(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref().trim_end_matches('\n');
        for (n, line) in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate() {
            let _ = writeln!(self.0, "{}{}", if n == 0 { "" } else { ON }, one(if n == 0 { line } else { line.trim_start() }));
        }
    }

    /// One more line of words, painted where colour is wanted: the signs of colour are ours, and nothing in a word is one.
    pub(crate) fn spans(&mut self, colour: bool, words: &[(Tone, &str)]) {
        for (tone, word) in words {
            let (begin, end) = if colour { tone.signs() } else { ("", "") };
            let _ = write!(self.0, "{begin}{}{end}", one(word));
        }
        self.0.push('\n');
    }

    /// Lines of a text that is shown as such, each after `begin`.
    pub(crate) fn text(&mut self, begin: &str, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.0, "{begin}{}", one(line));
        }
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&Self> for Shown {
    fn from(shown: &Self) -> Self {
        shown.clone()
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        let mut shown = Self::default();
        shown.message(text);
        shown
    }
}

impl From<&String> for Shown {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<&Failure> for Shown {
    fn from(failure: &Failure) -> Self {
        let mut shown = Self::from(&format!("error: {}", failure.message));
        shown.hint(failure.hint.as_deref());
        shown
    }
}

impl Shown {
    /// A finding, with the line that it is about where `source` has it.
    pub(crate) fn finding(diagnostic: &Diagnostic, source: Option<&Source<'_>>) -> Self {
        let mut shown = Self::from(&Diagnostic { hint: None, ..diagnostic.clone() }.to_string());
        for line in source.and_then(|source| source.excerpt(&diagnostic.place)).into_iter().flatten() {
            shown.line(line);
        }
        shown.hint(diagnostic.hint.as_deref());
        shown
    }

    fn hint(&mut self, hint: Option<&str>) {
        if let Some(hint) = hint {
            self.line(format!("  hint: {hint}"));
        }
    }
}

/// One line, cut when it is very long.
fn one(text: &str) -> String {
    match text.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}… (cut: {} characters in all)", visible(&text[..end]), text.chars().count()),
        None => visible(text).into_owned(),
    }
}

/// Whether data could not be written, for another reason than that nobody reads it any more.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether all data was written, or nobody wanted it: a command whose data is lost did not do what it was asked.
pub(crate) fn all_written() -> bool {
    !LOST.load(Ordering::Relaxed)
}

/// Bytes of data. What the command found, and so how it ends, is the same whether its reader went away or not.
fn put(bytes: &[u8]) {
    if let Err(error) = std::io::stdout().write_all(bytes)
        && error.kind() != std::io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        note(&format!("error: cannot write to standard output: {error}"));
    }
}

/// Data.
pub(crate) fn data<T: ?Sized>(text: &T)
where
    for<'a> Shown: From<&'a T>,
{
    put(Shown::from(text).0.as_bytes());
}

/// A message for people.
pub(crate) fn note<T: ?Sized>(text: &T)
where
    for<'a> Shown: From<&'a T>,
{
    let _ = std::io::stderr().write_all(Shown::from(text).0.as_bytes());
}

/// Whether a line of standard error can be written over.
pub(crate) fn can_redraw() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns of the terminal, as it is now.
pub(crate) fn width() -> usize {
    let size = [tcgetwinsize(rustix::stdio::stderr()), tcgetwinsize(rustix::stdio::stdout())];
    size.into_iter().flatten().map(|size| usize::from(size.ws_col)).find(|columns| *columns > 0).unwrap_or(80)
}

/// Columns of standard error; `None` if it is no terminal.
pub(crate) fn note_width() -> Option<usize> {
    std::io::stderr().is_terminal().then(width)
}

/// Columns of standard output; `None` if it is no terminal.
pub(crate) fn data_width() -> Option<usize> {
    std::io::stdout().is_terminal().then(width)
}

/// A terminal of which all is drawn anew each time. What was on it before, and how it takes keys, comes back at the end, however that comes.
pub(crate) struct Screen {
    out: std::io::Stdout,
    before: Termios,
}

/// The other screen and no cursor (xterm's private modes 1049 and 25), and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

impl Screen {
    /// Takes the terminal: keys come one by one and are not echoed. Ctrl-C stays a signal; Ctrl-Z is none, as it would leave the screen as it is.
    pub(crate) fn begin() -> std::io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut keys = before.clone();
        keys.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        keys.special_codes[SpecialCodeIndex::VSUSP] = 0;
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &keys)?;
        let screen = Self { out: std::io::stdout(), before };
        (&screen.out).write_all(ENTER.as_bytes())?;
        Ok(screen)
    }

    /// Draws lines, as many as there is room for, and a last one below.
    pub(crate) fn draw(&self, shown: &Shown, last: &str) -> std::io::Result<()> {
        let rows = tcgetwinsize(rustix::stdio::stdout()).map_or(24, |size| usize::from(size.ws_row).max(3));
        (&self.out).write_all(drawn(shown, last, rows).as_bytes())?;
        (&self.out).flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.out.write_all(LEAVE.as_bytes());
        let _ = self.out.flush();
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &self.before);
    }
}

/// From the top: each line over what was there, and nothing below the last.
fn drawn(shown: &Shown, last: &str, rows: usize) -> String {
    let lines: Vec<&str> = shown.0.lines().collect();
    let room = rows.saturating_sub(2);
    let cut = lines.len() > room;
    let kept = &lines[..if cut { room.saturating_sub(1) } else { lines.len() }];
    let mut text = String::from("\x1b[H");
    for line in kept {
        let _ = write!(text, "{line}\x1b[K\r\n");
    }
    if cut {
        let _ = write!(text, "… {} more lines: a larger window has them\x1b[K\r\n", lines.len() - kept.len());
    }
    let _ = write!(text, "\x1b[J\r\n{}", one(last));
    text
}

/// A question, on whose line the answer is typed.
pub(crate) fn ask(question: &str) {
    let _ = std::io::stderr().write_all(asked(question).as_bytes());
}

fn asked(question: &str) -> String {
    format!("{} ", one(question))
}

/// A value as JSON.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<(), serde_json::Error> {
    put(format!("{}\n", ascii(&serde_json::to_string_pretty(value)?)).as_bytes());
    Ok(())
}

/// JSON whose texts hold nothing hidden: serde leaves DEL, C1 and bidirectional controls as they are, and JSON has an escape for each.
pub(crate) fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Ends of line and nothing else stand between JSON's own signs.
        if c != '\n' && is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Standard output for bytes that are asked for as such: a pipe or a file gets them as they are, a terminal gets lines that may be shown.
pub(crate) fn bytes() -> Bytes<std::io::StdoutLock<'static>> {
    let out = std::io::stdout();
    Bytes { terminal: out.is_terminal(), out: std::io::BufWriter::with_capacity(64 * 1024, out.lock()), line: Zeroizing::default() }
}

/// See [`bytes`].
pub(crate) struct Bytes<W: Write> {
    terminal: bool,
    out: std::io::BufWriter<W>,
    line: Zeroizing<Vec<u8>>,
}

impl<W: Write> Bytes<W> {
    /// What was written since the last end of line; ends of line that only a terminal needs.
    pub(crate) fn end(&mut self) -> std::io::Result<()> {
        if self.terminal && !self.line.is_empty() {
            self.show()?;
        }
        self.out.flush()
    }

    /// All of it. A closed pipe is no error, as with other programs.
    pub(crate) fn all(mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self.write_all(bytes).and_then(|()| self.end()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    fn show(&mut self) -> std::io::Result<()> {
        let text = Zeroizing::new(String::from_utf8_lossy(&self.line).into_owned());
        let shown = Zeroizing::new(visible(&text).into_owned());
        self.line.clear();
        writeln!(self.out, "{}", *shown)
    }
}

impl<W: Write> Write for Bytes<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !self.terminal {
            return self.out.write(bytes);
        }
        let Some(end) = bytes.iter().position(|c| *c == b'\n') else {
            self.line.extend_from_slice(bytes);
            return Ok(bytes.len());
        };
        self.line.extend_from_slice(&bytes[..end]);
        self.show()?;
        Ok(end + 1)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_another_begins_no_line_of_its_own() {
        let forged =
            "no space\n  ! kube1/data/wipe      wipe it\r\n1 to do, 0 held; needs your consent: --yes kube1/data/wipe\x1b[1A\x1b[2K";
        let shown = Shown::from(forged).to_string();
        assert_eq!(
            shown,
            "no space\n  | ! kube1/data/wipe      wipe it\n  | 1 to do, 0 held; needs your consent: --yes kube1/data/wipe\\u{1b}[1A\\u{1b}[2K\n"
        );
        let mut line = Shown::default();
        line.line(forged);
        assert_eq!(line.to_string().matches('\n').count(), 1);
    }

    /// What other tools were reported for: an event's message, a progress bar's file name, a server's standard error, a remote's words.
    #[test]
    fn what_other_tools_were_reported_for_does_nothing_here() {
        for (report, text) in [
            ("CVE-2021-25743, kubectl: a message that clears the screen", "Back-off\x1b[2J\x1b[H\x1b[38;5;2mall is well\x1b[0m"),
            ("kubernetes/kubernetes#112553: a carriage return puts other words over a line", "Failed to pull image\rPulled image        "),
            ("CVE-2019-6109, scp: a name hides itself in the progress", "evil\x1b[1A\x1b[2Kshare-1.txt"),
            ("CVE-2019-6110, scp: standard error hides what was copied", "\x1b[1A\x1b[31m\x08\x08\x08 100% \u{9b}0K"),
            ("CVE-2024-52005, git: a remote types into the terminal by its answer to a question", "remote: \x1b[6n\x1bP$q q\x1b\\\x05"),
            ("CVE-2021-42574, Trojan Source: shown in another order", "role\u{202e} \u{2066}// only for admins\u{2069} \u{2066}admin"),
            ("titles and clipboards by OSC", "\x1b]52;c;cm0gLXJmIH4=\x07\u{9d}0;x\u{9c}"),
        ] {
            for shown in [Shown::from(text).to_string(), ascii(&serde_json::to_string(text).unwrap())] {
                assert!(!shown.trim_end().chars().any(is_hidden), "{report}: {shown:?}");
            }
            assert_eq!(Shown::from(text).to_string().lines().count(), 1, "{report}");
        }
    }

    #[test]
    fn a_question_is_one_line_and_shows_what_would_be_hidden() {
        let text = asked("open \u{1b}[2Jvault\n\u{202e}gpj.x? [Y/n]");
        assert!(!text.chars().any(is_hidden) && text.ends_with("? [Y/n] ") && text.contains("vault"), "{text}");
    }

    #[test]
    fn a_screen_has_no_more_lines_than_the_terminal() {
        let mut shown = Shown::default();
        (0..30).for_each(|n| shown.line(format!("line {n}")));
        for rows in [3, 10, 24, 40] {
            let text = drawn(&shown, "q ends", rows);
            assert!(text.matches('\n').count() < rows, "{rows}: {text:?}");
            assert_eq!(text.contains("more lines"), rows < 32, "{rows}");
            assert!(text.starts_with("\x1b[H") && text.ends_with("q ends"));
        }
    }

    #[test]
    fn a_hint_is_ours_and_not_the_hosts() {
        let failure =
            Failure { exit: crate::exit::Exit::Failed, message: "kube1: x\n  hint: rm -rf /".into(), hint: Some("look\nat it".into()) };
        assert_eq!(Shown::from(&failure).to_string(), "error: kube1: x\n  | hint: rm -rf /\n  hint: look\\nat it\n");
    }

    /// Nothing else writes to the terminal: who needs it comes here, and its text is shown.
    #[test]
    fn there_is_one_door() {
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        let mut read = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                read += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                // Questions about the terminal, and the completions, which are made of our own words.
                let harmless =
                    |line: &str| ["is_terminal()", "ttyname(", "clap_complete::generate("].iter().any(|word| line.contains(word));
                let mut lines = text.lines().filter(|line| (line.contains("stdout()") || line.contains("stderr()")) && !harmless(line));
                assert!(path.ends_with("print.rs") || lines.next().is_none(), "{} writes by itself", path.display());
            }
        }
        assert!(read > 30);
    }

    #[test]
    fn a_very_long_line_is_cut_and_told() {
        let shown = Shown::from(&"ä".repeat(100_000)).to_string();
        assert!(shown.ends_with("… (cut: 100000 characters in all)\n") && shown.chars().count() < LINE + 100);
    }

    #[test]
    fn json_holds_no_control_and_stays_the_same_value() {
        let value = serde_json::json!({"na\u{202e}me\u{9b}": ["a\x1b[2K\x7f\u{85}", "zwölf 🙂\u{2028}\u{e0041}"]});
        let text = ascii(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && is_hidden(c)), "{text:?}");
        assert!(text.contains("na\\u202eme\\u009b") && text.contains("zwölf 🙂") && text.contains("\\udb40\\udc41"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_pipe_gets_bytes_and_a_terminal_gets_lines() {
        let value = b"pass\x1b]0;title\x07\nz\xc3\xb6\xff\r\nend";
        for (terminal, expected) in [(false, &value[..]), (true, "pass\\u{1b}]0;title\\u{7}\nzö\u{fffd}\\r\nend\n".as_bytes())] {
            // Cut anywhere, also within a character.
            for cut in 0..value.len() {
                let mut to = Bytes { terminal, out: std::io::BufWriter::new(Vec::new()), line: Zeroizing::default() };
                to.write_all(&value[..cut]).unwrap();
                to.write_all(&value[cut..]).unwrap();
                to.end().unwrap();
                assert_eq!(to.out.get_ref(), expected, "{}", String::from_utf8_lossy(to.out.get_ref()));
            }
        }
    }
}
