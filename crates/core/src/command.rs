//! A command as a value: arguments, standard input, and whether it may change anything.

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

/// A program with its arguments, run as root on the host.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments; never a secret among them.
    pub argv: Vec<String>,
    /// What it reads.
    pub stdin: Stdin,
    /// What it may do.
    pub effect: Effect,
}

impl Command {
    /// A command that only looks.
    pub fn read<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), stdin: Stdin::Empty, effect: Effect::Read }
    }

    /// A command that may change something.
    pub fn write<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { effect: Effect::Write, ..Self::read(argv) }
    }

    /// A bash script that only looks.
    pub fn read_script(text: impl Into<String>) -> Self {
        Self::read(["bash".to_owned(), "-c".to_owned(), text.into()])
    }

    /// A bash script that may change something.
    pub fn write_script(text: impl Into<String>) -> Self {
        Self { effect: Effect::Write, ..Self::read_script(text) }
    }

    /// The same command with something on standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// The command line for a POSIX shell, each argument quoted. Standard input is not part of it.
    pub fn render(&self) -> String {
        self.argv.iter().map(|arg| quote(arg)).collect::<Vec<_>>().join(" ")
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

    /// The last lines of standard error (standard output when that is empty), for an error message.
    pub fn tail(&self) -> String {
        let bytes = if self.stderr.iter().all(u8::is_ascii_whitespace) { &self.stdout } else { &self.stderr };
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(6)..].join("\n")
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
    fn a_secret_is_in_no_rendering() {
        let command = Command::write(["cat"]).stdin(Stdin::Secret(Secret::new(b"hunter2".to_vec())));
        assert!(!command.render().contains("hunter2"));
        assert!(!format!("{command:?}").contains("hunter2"));
    }
}
