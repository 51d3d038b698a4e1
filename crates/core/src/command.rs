//! A command as a value: what runs, its standard input, whether it may change anything, and its limits.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::secret::Secret;

/// Whether a command may change the machine. Observing gets a host that refuses `Write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Looks only.
    Read,
    /// May change something.
    Write,
}

/// What a command reads on standard input. Secrets travel here and nowhere else.
#[derive(Clone, Debug)]
pub enum Stdin {
    /// Nothing.
    Empty,
    /// Plain bytes.
    Plain(Vec<u8>),
    /// Secret bytes.
    Secret(Secret),
    /// The contents of files of the operator's computer, one after the other, streamed: they may be larger than what memory should hold.
    Files(Vec<Source>),
}

/// A file of the operator's computer. A host is sent the last of it only when all of it was what it should be: so whoever counts the
/// bytes that come need not compare them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Hex.
    pub sha256: String,
}

impl Stdin {
    /// The bytes that are in memory; none of files.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Empty | Self::Files(_) => &[],
            Self::Plain(bytes) => bytes,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A program and its arguments; never a secret among them.
    Program(Vec<String>),
    /// A bash script.
    Script(String),
}

/// What a command may cost. The backend enforces both, and names the one that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seconds from its start to its end.
    pub seconds: u64,
    /// Bytes of standard output. Of standard error [`STDERR`] bytes are read at most.
    pub output: usize,
}

/// Bytes of standard error that are read of any command.
pub const STDERR: usize = 1 << 18;

/// A look at a machine takes seconds; one that takes a minute hangs.
const READ: Limits = Limits { seconds: 60, output: 8 << 20 };
/// A write may wait for the lock of an earlier run (15 minutes) and then begin a cluster on a slow machine.
const WRITE: Limits = Limits { seconds: 1800, output: 8 << 20 };
/// The slowest line over which files are sent, in bytes a second: their size adds to the limit of time.
const SLOWEST: u64 = 100_000;

/// What runs as root on the host. How it gets there is in [`crate::frame`].
#[derive(Clone, Debug)]
pub struct Command {
    /// What runs.
    pub work: Work,
    /// What it reads.
    pub stdin: Stdin,
    /// What it may do.
    pub effect: Effect,
    /// What it may cost.
    pub limits: Limits,
}

impl Command {
    /// A program that only looks.
    pub fn read<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        let work = Work::Program(argv.into_iter().map(Into::into).collect());
        Self { work, stdin: Stdin::Empty, effect: Effect::Read, limits: READ }
    }

    /// A program that may change something.
    pub fn write<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { effect: Effect::Write, limits: WRITE, ..Self::read(argv) }
    }

    /// A bash script that only looks.
    pub fn read_script(text: impl Into<String>) -> Self {
        Self { work: Work::Script(text.into()), stdin: Stdin::Empty, effect: Effect::Read, limits: READ }
    }

    /// A bash script that may change something.
    pub fn write_script(text: impl Into<String>) -> Self {
        Self { effect: Effect::Write, limits: WRITE, ..Self::read_script(text) }
    }

    /// The same command with a variable of its script.
    #[must_use]
    pub fn var(self, name: &str, value: impl AsRef<str>) -> Self {
        let mut variables = Variables::default();
        variables.var(name, value.as_ref());
        self.ahead(&variables)
    }

    /// The same command with an array of its script.
    #[must_use]
    pub fn list<S: AsRef<str>>(self, name: &str, values: impl IntoIterator<Item = S>) -> Self {
        let mut variables = Variables::default();
        variables.list(name, values);
        self.ahead(&variables)
    }

    fn ahead(mut self, variables: &Variables) -> Self {
        if let Work::Script(text) = &mut self.work {
            text.insert_str(0, variables.as_str());
        }
        self
    }

    /// The same command with something on standard input. Files get more time, by their size.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        if let Stdin::Files(sources) = &stdin {
            let bytes = sources.iter().fold(0_u64, |sum, source| sum.saturating_add(source.size));
            self.limits.seconds = self.limits.seconds.saturating_add(bytes / SLOWEST);
        }
        self.stdin = stdin;
        self
    }

    /// The same command with another limit of time.
    #[must_use]
    pub fn limit_seconds(mut self, seconds: u64) -> Self {
        self.limits.seconds = seconds;
        self
    }

    /// The same command with another limit of its output.
    #[must_use]
    pub fn limit_output(mut self, bytes: usize) -> Self {
        self.limits.output = bytes;
        self
    }

    /// The text that bash runs on the host. Standard input is not part of it.
    pub fn script(&self) -> Cow<'_, str> {
        match &self.work {
            Work::Program(argv) => format!("exec {}", words(argv)).into(),
            Work::Script(text) => text.into(),
        }
    }

    /// The command for a message: a program with its arguments, each quoted, or the text of a script.
    pub fn render(&self) -> Cow<'_, str> {
        match &self.work {
            Work::Program(argv) => words(argv).into(),
            Work::Script(text) => text.into(),
        }
    }
}

fn words(argv: &[String]) -> String {
    argv.iter().map(|arg| quote(arg)).collect::<Vec<_>>().join(" ")
}

/// Assignments that stand ahead of a script, so that no value is ever spliced into its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(String);

impl Variables {
    /// Adds `name='value'`.
    pub fn var(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{name}={}", quote(value));
    }

    /// Adds the array `name=('value' ...)`.
    pub fn list<S: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = S>) {
        let values: Vec<String> = values.into_iter().map(|value| quote(value.as_ref())).collect();
        let _ = writeln!(self.0, "{name}=({})", values.join(" "));
    }

    /// The lines, each with its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One argument for a POSIX shell (POSIX.1-2017, Shell Command Language, 2.2.2).
pub fn quote(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        return arg.to_owned();
    }
    format!("'{}'", arg.replace('\'', r"'\''"))
}

/// Begins a line of standard error that says what a script is at (the record separator of ASCII).
pub const MARK: char = '\u{1e}';
/// How much of a command's words an error message shows: lines, and characters of each.
const LINES: usize = 7;
const LINE: usize = 500;

/// What a command answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 + N when a signal ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether the status was 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What it said on standard error (on standard output if that is empty), for an error message: the first line, which often is the
    /// cause, and the last ones.
    pub fn tail(&self) -> String {
        let said = |bytes: &[u8]| -> Vec<String> {
            let text = String::from_utf8_lossy(bytes);
            let lines = text.lines().filter(|line| !line.starts_with(MARK)).map(str::trim_end);
            lines.filter(|line| !line.is_empty()).map(|line| line.chars().take(LINE).collect()).collect()
        };
        let mut lines = said(&self.stderr);
        if lines.is_empty() {
            lines = said(&self.stdout);
        }
        if lines.len() > LINES {
            let rest = lines.len() - LINES;
            lines.splice(1..=rest, ["...".to_owned()]);
        }
        lines.join("\n")
    }

    /// What the command was at when it said so last: a script writes [`MARK`] and a name on standard error.
    pub fn at(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.stderr);
        text.lines().rev().find_map(|line| line.strip_prefix(MARK).map(|name| name.chars().take(LINE).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_a_real_shell() {
        for arg in ["", "a b", "it's", "$HOME `id` \"x\"", "a\nb", "*", "plain-1.2:/x=y", "-n"] {
            let line = format!("printf %s {}", quote(arg));
            let out = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), arg);
        }
    }

    #[test]
    fn variables_come_out_as_they_went_in() {
        let values = ["", "it's", "$(id) `id`", "a\nb", "-n"];
        let mut variables = Variables::default();
        variables.var("one", values[1]);
        variables.list("all", values);
        let print = "printf '%s\\0' \"$one\" \"${all[@]}\"";
        let script = format!("{}{print}", variables.as_str());
        let command = Command::read_script(print).list("all", values).var("one", values[1]);
        assert_eq!(command.script(), script);
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert_eq!(said.split_terminator('\0').collect::<Vec<_>>(), [&values[1..2], &values[..]].concat());
    }

    #[test]
    fn an_error_shows_its_first_line_and_its_last_ones() {
        let lines: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
        let said = format!("{MARK}guard\n{}\n{MARK}act\n", lines.join("\n"));
        let output = Output { status: 1, stdout: b"out".to_vec(), stderr: said.into_bytes() };
        assert_eq!(output.tail(), "line 0\n...\nline 14\nline 15\nline 16\nline 17\nline 18\nline 19");
        assert_eq!(output.at().unwrap(), "act");
        let silent = Output { stderr: format!("{MARK}guard\n").into_bytes(), ..output };
        assert_eq!(silent.tail(), "out");
        let long = Output { status: 1, stdout: vec![b'x'; 1 << 20], stderr: vec![] };
        assert_eq!(long.tail().len(), LINE);
    }

    #[test]
    fn a_secret_is_in_no_rendering() {
        let command = Command::write(["cat"]).stdin(Stdin::Secret(Secret::new(b"hunter2".to_vec())));
        assert!(!command.render().contains("hunter2"));
        assert!(!format!("{command:?}").contains("hunter2"));
    }
}
