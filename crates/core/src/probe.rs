//! One round trip that reads many things: every section is framed with a nonce, its exit status and its length, so that a cut or
//! mixed-up answer is noticed instead of believed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::command::Command;
use crate::fact::Gap;

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, unique in the probe: `[a-z0-9:/._-]`, no blanks.
    pub name: String,
    /// A shell fragment that only reads; its standard output and exit status are the answer.
    pub script: String,
}

impl Section {
    /// A section.
    pub fn new(name: impl Into<String>, script: impl Into<String>) -> Self {
        Self { name: name.into(), script: script.into() }
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
pub struct Answers(BTreeMap<String, Answer>);

impl Answers {
    /// Answers from elsewhere, for tests.
    pub fn from_pairs<N: Into<String>, T: Into<String>>(pairs: impl IntoIterator<Item = (N, i32, T)>) -> Self {
        Self(pairs.into_iter().map(|(n, status, t)| (n.into(), Answer { status, text: t.into() })).collect())
    }

    /// A section's answer, whatever its status; a gap when it is missing.
    pub fn get(&self, name: &str) -> Result<&Answer, Gap> {
        self.0.get(name).ok_or_else(|| Gap::new(format!("the probe has no answer for {name}")))
    }

    /// A section's text when its status was 0; else a gap.
    pub fn text(&self, name: &str) -> Result<&str, Gap> {
        let answer = self.get(name)?;
        if answer.status == 0 { Ok(&answer.text) } else { Err(Gap::new(format!("{name} ended with status {}", answer.status))) }
    }

    /// All sections whose name begins with the prefix, with the rest of the name.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Answer)> {
        self.0.iter().filter_map(move |(name, answer)| Some((name.strip_prefix(prefix)?, answer)))
    }
}

/// The command that reads all sections. `nonce` must be fresh: letters and digits.
pub fn command(sections: &[Section], nonce: &str) -> Command {
    let mut script = format!(
        "export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         sec() {{ o=$(trap 'r=$?; printf x; exit $r' EXIT; eval \"$2\" 2>/dev/null); r=$?; o=${{o%x}}; \
         printf '@@{nonce} %s %d %d\\n%s\\n' \"$1\" \"$r\" \"${{#o}}\" \"$o\"; }}\n"
    );
    for section in sections {
        let _ = writeln!(script, "sec {} {}", crate::command::quote(&section.name), crate::command::quote(&section.script));
    }
    let _ = writeln!(script, "printf '@@{nonce} end 0 0\\n\\n'");
    Command::read_script(script)
}

/// Takes the answer of [`command`] apart. A cut, reordered or foreign answer is a gap as a whole.
pub fn parse(stdout: &[u8], nonce: &str) -> Result<Answers, Gap> {
    let mark = format!("@@{nonce} ");
    let mut answers = BTreeMap::new();
    let mut rest = stdout;
    loop {
        let end = rest.iter().position(|c| *c == b'\n').ok_or_else(|| Gap::new("the probe's answer was cut off"))?;
        let head = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|line| line.strip_prefix(&mark))
            .ok_or_else(|| Gap::new("the probe's answer is not framed as asked"))?;
        let (name, status, length) = header(head).ok_or_else(|| Gap::new(format!("the probe's answer has a bad header: {head:?}")))?;
        let body = rest.get(end + 1..end + 1 + length).ok_or_else(|| Gap::new(format!("the answer for {name} was cut off")))?;
        if rest.get(end + 1 + length) != Some(&b'\n') {
            return Err(Gap::new(format!("the answer for {name} has another length than it says")));
        }
        rest = &rest[end + 2 + length..];
        if name == "end" {
            return Ok(Answers(answers));
        }
        let text = String::from_utf8_lossy(body).into_owned();
        if answers.insert(name.to_owned(), Answer { status, text }).is_some() {
            return Err(Gap::new(format!("the probe answered twice for {name}")));
        }
    }
}

fn header(head: &str) -> Option<(&str, i32, usize)> {
    let mut words = head.split(' ');
    let found = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sections: &[Section]) -> Vec<u8> {
        let command = command(sections, "n1");
        std::process::Command::new(&command.argv[0]).args(&command.argv[1..]).output().unwrap().stdout
    }

    #[test]
    fn answers_come_back_byte_for_byte() {
        let out = run(&[
            Section::new("a", "printf 'x\\n\\n@@n1 b 0 3\\n'"),
            Section::new("b", "echo it\\'s; false"),
            Section::new("c:/dev/x", "printf 'zwölf'"),
            Section::new("d", "echo early; exit 0; echo late"),
        ]);
        let answers = parse(&out, "n1").unwrap();
        assert_eq!(answers.text("a").unwrap(), "x\n\n@@n1 b 0 3\n");
        assert_eq!(answers.get("b").unwrap(), &Answer { status: 1, text: "it's\n".into() });
        assert_eq!(answers.text("c:/dev/x").unwrap(), "zwölf");
        assert_eq!(answers.text("d").unwrap(), "early\n", "a section that exits early keeps its last line end");
        assert!(answers.text("b").is_err() && answers.get("e").is_err());
    }

    #[test]
    fn every_cut_is_a_gap() {
        let out = run(&[Section::new("a", "echo one"), Section::new("b", "echo two")]);
        for cut in 0..out.len() {
            assert!(parse(&out[..cut], "n1").is_err(), "cut at {cut}");
        }
        assert!(parse(&out, "n2").is_err());
    }
}
