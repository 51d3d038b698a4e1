//! One round trip that reads many things: every section is framed with a nonce, its exit status and its length, so that a cut or
//! mixed-up answer is noticed instead of believed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::command::{Command, Variables, quote};
use crate::fact::Gap;

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, unique in the probe: `[a-z0-9:/._-]`, no blanks.
    pub name: String,
    /// A shell fragment that only reads; its standard output and exit status are the answer.
    pub script: String,
    variables: Variables,
    /// How many bytes it may answer beyond what any probe may.
    more: usize,
}

impl Section {
    /// A section whose fragment is a file's text. Sections of the same text send it once.
    pub fn script(name: impl Into<String>, text: &str) -> Self {
        Self { name: name.into(), script: text.to_owned(), variables: Variables::default(), more: 0 }
    }

    /// A section of one program, or a function of the frame (`show FILE`), with its arguments.
    pub fn program<S: AsRef<str>>(name: impl Into<String>, argv: impl IntoIterator<Item = S>) -> Self {
        let words: Vec<String> = argv.into_iter().map(|arg| quote(arg.as_ref())).collect();
        Self::script(name, &words.join(" "))
    }

    /// What a file holds; empty if it cannot be read.
    pub fn file(name: impl Into<String>, path: &str) -> Self {
        Self::script(name, include_str!("scripts/file.sh")).var("path", path)
    }

    /// The same section with functions, the text of a file, ahead of its fragment.
    #[must_use]
    pub fn after(mut self, functions: &str) -> Self {
        self.script.insert_str(0, functions);
        self
    }

    /// The same section, which may answer so many bytes more than any probe may.
    #[must_use]
    pub fn expects(mut self, bytes: usize) -> Self {
        self.more = bytes;
        self
    }

    /// The same section with a variable of its fragment.
    #[must_use]
    pub fn var(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.variables.var(name, value.as_ref());
        self
    }

    /// The same section with an array of its fragment.
    #[must_use]
    pub fn list<S: AsRef<str>>(mut self, name: &str, values: impl IntoIterator<Item = S>) -> Self {
        self.variables.list(name, values);
        self
    }
}

/// What one section answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Exit status of the fragment.
    pub status: i32,
    /// Its standard output.
    pub text: String,
}

/// The answers of a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<String, Result<Answer, Gap>>);

impl Answers {
    /// Answers from elsewhere, for tests.
    pub fn from_pairs<N: Into<String>, T: Into<String>>(pairs: impl IntoIterator<Item = (N, i32, T)>) -> Self {
        Self(pairs.into_iter().map(|(n, status, t)| (n.into(), Ok(Answer { status, text: t.into() }))).collect())
    }

    /// A section's answer, whatever its status; a gap when it is missing or was cut.
    pub fn get(&self, name: &str) -> Result<&Answer, Gap> {
        let answer = self.0.get(name).ok_or_else(|| Gap::new(format!("the probe has no answer for {name}")))?;
        answer.as_ref().map_err(Clone::clone)
    }

    /// A section's text when its status was 0; else a gap.
    pub fn text(&self, name: &str) -> Result<&str, Gap> {
        let answer = self.get(name)?;
        if answer.status == 0 { Ok(&answer.text) } else { Err(Gap::new(format!("{name} ended with status {}", answer.status))) }
    }
}

/// How many bytes a section may answer: far more than any does that expects no more. It is cut on the machine, which holds an answer in memory
/// until its length is known, and the others are whole.
const MOST: usize = 1 << 20;
/// The functions `section` and `finish`.
const FRAME: &str = include_str!("scripts/probe.sh");

/// The command that reads all sections. `nonce` must be fresh: letters and digits.
pub fn command(sections: &[Section], nonce: &str) -> Command {
    let mut script = format!("nonce={nonce}\n{FRAME}");
    let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
    for section in sections {
        let next = texts.len();
        let (variables, text) = (quote(section.variables.as_str()), section.script.as_str());
        let number = *texts.entry(text).or_insert_with(|| {
            let _ = writeln!(script, "t{next}={}", quote(text));
            next
        });
        let most = MOST.saturating_add(section.more);
        let _ = writeln!(script, "section {} {most} {variables}\"$t{number}\"", quote(&section.name));
    }
    script.push_str("finish\n");
    let command = Command::read_script(script);
    let output = sections.iter().fold(command.limits.output, |sum, section| sum.saturating_add(section.more));
    command.limit_output(output)
}

/// The nonce of a script that [`command`] made.
pub(crate) fn nonce_of(script: &str) -> Option<&str> {
    script.lines().next()?.strip_prefix("nonce=")
}

/// What a host answers whose sections all end well; for twins.
pub(crate) fn answer_of(sections: &[(String, String)], nonce: &str) -> Vec<u8> {
    let mut text = String::new();
    for (name, answer) in sections {
        let _ = write!(text, "@@{nonce} {name} 0 {}\n{answer}\n", answer.len());
    }
    let _ = write!(text, "@@{nonce} end 0 0\n\n");
    text.into_bytes()
}

/// How much a login may print before the answer: banners of a shell's start files.
const NOISE: usize = 1 << 16;

/// Takes the answer of [`command`] apart. A cut, reordered or foreign answer is a gap as a whole; what a login's start files printed before it
/// is skipped.
pub fn parse(stdout: &[u8], nonce: &str) -> Result<Answers, Gap> {
    let mark = format!("@@{nonce} ");
    let mut answers = BTreeMap::new();
    let mut rest = answer(stdout, mark.as_bytes())?;
    loop {
        let end = rest.iter().position(|c| *c == b'\n').ok_or_else(|| Gap::new("the probe's answer was cut off"))?;
        let head = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|line| line.strip_prefix(&mark))
            .ok_or_else(|| Gap::new("the probe's answer is not framed as asked"))?;
        let (name, status, length) = header(head).ok_or_else(|| Gap::new(format!("the probe's answer has a bad header: {head:?}")))?;
        rest = &rest[end + 1..];
        let body = rest.get(..length).ok_or_else(|| Gap::new(format!("the answer for {name} was cut off")))?;
        if rest.get(length) != Some(&b'\n') {
            return Err(Gap::new(format!("the answer for {name} has another length than it says")));
        }
        rest = &rest[length + 1..];
        if name == "end" {
            return Ok(Answers(answers));
        }
        let answer = match status {
            Status::Exit(status) => Ok(Answer { status, text: String::from_utf8_lossy(body).into_owned() }),
            Status::Cut => Err(Gap::new(format!("{name} answered with more than it may, and was cut off"))),
            Status::Killed => Err(Gap::new(format!("{name} was ended before it was done"))),
        };
        if answers.insert(name.to_owned(), answer).is_some() {
            return Err(Gap::new(format!("the probe answered twice for {name}")));
        }
    }
}

/// The answer without what a login's start files printed before it.
fn answer<'a>(stdout: &'a [u8], mark: &[u8]) -> Result<&'a [u8], Gap> {
    let head = &stdout[..stdout.len().min(NOISE)];
    let begins = |at: &usize| head[*at..].starts_with(mark);
    let lines = head.iter().enumerate().filter(|(_, c)| **c == b'\n').map(|(at, _)| at + 1);
    if let Some(at) = std::iter::once(0).chain(lines).find(begins) {
        return Ok(&stdout[at..]);
    }
    if stdout.is_empty() {
        return Err(Gap::new("the probe had no answer"));
    }
    let first = String::from_utf8_lossy(head).lines().next().unwrap_or_default().chars().take(200).collect::<String>();
    Err(Gap::new(format!("the probe's answer is not framed as asked: it begins with {first:?}")))
}

/// How a section ended.
enum Status {
    Exit(i32),
    /// It answered with more than it may.
    Cut,
    /// Something ended it.
    Killed,
}

fn header(head: &str) -> Option<(&str, Status, usize)> {
    let mut words = head.split(' ');
    let name = words.next()?;
    let status = match words.next()? {
        "cut" => Status::Cut,
        "killed" => Status::Killed,
        status => Status::Exit(status.parse().ok()?),
    };
    let length = words.next()?.parse().ok()?;
    words.next().is_none().then_some((name, status, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_twin_is_read_as_that_of_a_host() {
        let sections = [("a/b".to_owned(), "one\n@@n1 c 0 1\n".to_owned()), ("c".to_owned(), String::new())];
        let command = command(&[Section::program("a/b", ["true"])], "n7");
        let nonce = nonce_of(&command.script()).unwrap().to_owned();
        let answers = parse(&answer_of(&sections, &nonce), "n7").unwrap();
        assert_eq!((answers.text("a/b").unwrap(), answers.text("c").unwrap()), (sections[0].1.as_str(), ""));
    }

    fn run(sections: &[Section]) -> Vec<u8> {
        let script = command(sections, "n1").script().into_owned();
        std::process::Command::new("bash").env("LC_ALL", "C").args(["-c", &script]).output().unwrap().stdout
    }

    #[test]
    fn answers_come_back_byte_for_byte() {
        let out = run(&[
            Section::script("a", "printf 'x\\n\\n@@n1 b 0 3\\n'"),
            Section::script("b", "echo it\\'s; false"),
            Section::script("c:/dev/x", "printf 'zwölf'"),
            Section::script("d", "echo early; exit 0; echo late"),
        ]);
        let answers = parse(&out, "n1").unwrap();
        assert_eq!(answers.text("a").unwrap(), "x\n\n@@n1 b 0 3\n");
        assert_eq!(answers.get("b").unwrap(), &Answer { status: 1, text: "it's\n".into() });
        assert_eq!(answers.text("c:/dev/x").unwrap(), "zwölf");
        assert_eq!(answers.text("d").unwrap(), "early\n", "a section that exits early keeps its last line end");
        assert!(answers.text("b").is_err() && answers.get("e").is_err());
    }

    #[test]
    fn sections_of_one_text_send_it_once_and_noise_before_the_answer_is_skipped() {
        let text = "printf '%s ' \"$device\" \"${more[@]}\" # it's one text\n";
        let one = |name: &str, device: &str| Section::script(name, text).var("device", device).list("more", ["a b", "c"]);
        let sections = [one("x", "it's"), one("y", "two")];
        assert_eq!(command(&sections, "n1").script().matches("one text").count(), 1);
        let out = [b"Welcome!\n@@n2 x 0 0\nlast login", b"\n".as_slice(), &run(&sections)].concat();
        let answers = parse(&out, "n1").unwrap();
        assert_eq!((answers.text("x").unwrap(), answers.text("y").unwrap()), ("it's a b c ", "two a b c "));
        let other = parse(b"This account is not available.\n", "n1").unwrap_err().to_string();
        assert!(other.contains("\"This account is not available.\""), "{other}");
        assert!(parse(&[vec![b'\n'; NOISE], run(&sections)].concat(), "n1").is_err(), "noise has a limit");
    }

    #[test]
    fn a_section_without_end_is_a_gap_of_its_own_and_costs_others_nothing() {
        let endless = [
            ("yes", "yes"),
            ("line", "yes | tr -d '\\n'"),
            ("loop", "while :; do echo x; done"),
            ("mute", "trap '' PIPE; yes; true"),
            ("file", "cat /dev/urandom; true"),
        ];
        let mut sections = vec![Section::program("before", ["echo", "one"])];
        sections.extend(endless.map(|(name, script)| Section::script(name, script)));
        sections.push(Section::script("most", "head -c 1048576 /dev/zero | tr '\\0' x; exit 3"));
        sections.push(Section::script("more", "head -c 3000000 /dev/zero | tr '\\0' x").expects(2 << 20));
        sections.push(Section::script("killed", "echo @@n1 0; kill -9 $BASHPID"));
        sections.push(Section::script("after", "trap 'echo bye' EXIT; echo two"));
        sections.push(Section::script("leave", "leave() { echo bye; }; echo two; exit 4"));
        sections.push(Section::script("zeros", "head -c 3000000 /dev/zero; echo x"));
        let begin = std::time::Instant::now();
        let out = run(&sections);
        assert!(out.len() < 6 << 20 && begin.elapsed() < std::time::Duration::from_secs(60), "{}", out.len());
        let answers = parse(&out, "n1").unwrap();
        assert_eq!((answers.text("before").unwrap(), answers.text("zeros").unwrap()), ("one\n", "x\n"));
        for (name, _) in endless {
            let gap = answers.get(name).unwrap_err().to_string();
            assert!(gap.contains(name) && gap.contains("cut off"), "{gap}");
        }
        assert!(answers.get("killed").unwrap_err().to_string().contains("killed was ended"));
        // A trap of its own hides how it ended, and that is no answer; `leave` does not.
        assert!(answers.get("after").is_err());
        assert_eq!(answers.get("leave").unwrap(), &Answer { status: 4, text: "two\nbye\n".into() });
        let most = answers.get("most").unwrap();
        assert_eq!((most.status, most.text.len(), answers.text("more").unwrap().len()), (3, MOST, 3_000_000));
        let expected = command(&sections, "n1").limits.output;
        assert!(expected >= out.len() && expected - 2 * MOST == Command::read([""]).limits.output);
    }

    #[test]
    fn a_length_that_no_answer_has_is_a_gap() {
        for length in [u64::MAX, u64::MAX - 1, 1 << 40] {
            assert!(parse(format!("@@n1 a 0 {length}\nx\n").as_bytes(), "n1").is_err());
        }
    }

    #[test]
    fn every_cut_is_a_gap() {
        let out = run(&[Section::program("a", ["echo", "one"]), Section::program("b", ["echo", "two"])]);
        for cut in 0..out.len() {
            assert!(parse(&out[..cut], "n1").is_err(), "cut at {cut}");
        }
        assert!(parse(&out, "n2").is_err());
    }
}
