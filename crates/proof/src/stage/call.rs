//! Commands: the only way from a scenario to the world.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::claim::Claim;
use super::{Done, ON_MACHINE, Stage, TOLD};
use crate::story::plain;
use crate::worker::say;

/// How many lines of what a command said are told when it is not as claimed.
const LINES: usize = 40;
/// How many bytes of what a command said are read: a host may say things without end.
const READ: u64 = 16 << 20;
/// ssh's own status: the connection was lost, or the command was ended by a signal.
const LOST: i32 = 255;
/// How often something is looked at again.
const AGAIN: Duration = Duration::from_millis(500);

/// A command that is about to run.
#[derive(Debug)]
pub struct Call<'a> {
    stage: &'a Stage,
    command: Command,
    line: String,
    input: Vec<u8>,
    is_ssh: bool,
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Ran {
    line: String,
    /// Its status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote, to standard output and then to standard error.
    pub said: String,
}

/// A command that runs beside the scenario.
#[derive(Debug)]
pub struct Running<'a> {
    stage: &'a Stage,
    child: Child,
    line: String,
    out: [PathBuf; 2],
}

/// A word as the shell of a machine reads it.
fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The begin of a file.
fn read(path: &Path) -> Result<Vec<u8>, std::io::Error> {
    let mut bytes = Vec::new();
    File::open(path)?.take(READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Stage {
    /// A program of this computer.
    pub fn program(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Call<'_> {
        let program = program.as_ref();
        let name = program.to_string_lossy();
        let line = std::iter::once(name.rsplit('/').next().unwrap_or_default()).chain(arguments.iter().copied()).map(quoted);
        let line = line.collect::<Vec<_>>().join(" ");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.work);
        Call { stage: self, command, line, input: Vec::new(), is_ssh: false }
    }

    /// The command that is proved.
    pub fn kubestead(&self, arguments: &[&str]) -> Call<'_> {
        self.program(&self.kubestead, arguments)
    }

    /// A program on a machine. One that hangs is ended after ten minutes, with 124.
    pub fn on(&self, machine: &str, words: &[&str]) -> Call<'_> {
        let remote = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let config = self.ssh_config().to_string_lossy().into_owned();
        let login = ["-k", "5", "600", "ssh", "-F", &config, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", machine, &remote];
        Call { is_ssh: true, line: format!("{machine}: {remote}"), ..self.program("timeout", &login) }
    }

    /// A function of `scripts/machine.sh` on a machine.
    pub fn at(&self, machine: &str, words: &[&str]) -> Call<'_> {
        let all: Vec<&str> = ["bash", ON_MACHINE].into_iter().chain(words.iter().copied()).collect();
        self.on(machine, &all)
    }

    /// `kubestead plan`, and again while the API server does not answer: on a busy computer it is restarted now and then.
    pub fn plan(&self, options: &[&str]) -> Ran {
        let (begin, all) = (Instant::now(), ["plan"].iter().chain(options).copied().collect::<Vec<_>>());
        loop {
            let ran = self.kubestead(&all).run();
            if !ran.said.contains("cluster/api/reach") || begin.elapsed() > Duration::from_secs(180) {
                return ran;
            }
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    /// Looks again and again until something is so, for so many seconds; then the last look tells why not.
    pub fn eventually(&self, seconds: u64, look: impl Fn() -> Claim) -> Claim {
        let begin = Instant::now();
        loop {
            match look() {
                Err(why) if begin.elapsed() >= Duration::from_secs(seconds) => return Err(format!("not after {seconds} s: {why}")),
                Err(_) => std::thread::sleep(AGAIN),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// The files of a command: what it reads, what it writes, and its errors.
    fn call_files(&self) -> Result<[PathBuf; 3], std::io::Error> {
        let number = self.calls.get();
        self.calls.set(number + 1);
        let folder = self.work.join("calls");
        std::fs::create_dir_all(&folder)?;
        Ok(["in", "out", "err"].map(|kind| folder.join(format!("{number}.{kind}"))))
    }

    fn ended(&self, ran: Ran) -> Ran {
        let mut commands = self.commands.borrow_mut();
        if commands.len() == TOLD {
            commands.pop_front();
        }
        commands.push_back(ran.clone());
        ran
    }
}

impl Call<'_> {
    /// Gives it something on standard input.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of its environment.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs it to its end. A login that was lost is made once more.
    pub fn run(mut self) -> Ran {
        let ran = self.once();
        if self.is_ssh && ran.status == Some(LOST) { self.once() } else { ran }
    }

    fn once(&mut self) -> Ran {
        self.stage.hold();
        let ran = self.through_files().unwrap_or_else(|error| Ran::none(self.line.clone(), &error));
        self.stage.hold();
        self.stage.ended(ran)
    }

    /// Files and no pipes: what a command leaves running may hold them open.
    fn through_files(&mut self) -> Result<Ran, std::io::Error> {
        let [input, out, error] = self.stage.call_files()?;
        std::fs::write(&input, &self.input)?;
        self.command.stdin(File::open(&input)?).stdout(File::create(&out)?).stderr(File::create(&error)?);
        let status = self.command.status()?.code();
        std::fs::remove_file(input)?;
        Ran::of(self.line.clone(), status, &[out, error])
    }
}

impl<'a> Call<'a> {
    /// Starts it, and goes on.
    pub fn start(mut self) -> Result<Running<'a>, String> {
        self.stage.hold();
        self.begun().map_err(|error| format!("{}: {error}", self.line)).map(|(child, out)| Running {
            stage: self.stage,
            child,
            line: self.line,
            out,
        })
    }

    fn begun(&mut self) -> Result<(Child, [PathBuf; 2]), std::io::Error> {
        let [input, out, error] = self.stage.call_files()?;
        std::fs::write(&input, &self.input)?;
        self.command.stdin(File::open(&input)?).stdout(File::create(&out)?).stderr(File::create(&error)?);
        std::fs::remove_file(input)?;
        Ok((self.command.spawn()?, [out, error]))
    }
}

impl Running<'_> {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended by itself.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Ran {
        let status = self.child.wait().map(|status| status.code());
        let ran = status.and_then(|status| Ran::of(self.line.clone(), status, &self.out));
        self.stage.hold();
        self.stage.ended(ran.unwrap_or_else(|error| Ran::none(self.line, &error)))
    }

    /// Ends it by SIGKILL, and is back when it has ended.
    pub fn kill(mut self) -> Done {
        self.child.kill().and_then(|()| self.child.wait()).map(|_| ()).map_err(|error| format!("{} cannot be killed: {error}", self.line))
    }
}

impl Ran {
    /// What has ended so, and wrote these files, which are removed.
    fn of(line: String, status: Option<i32>, [out, error]: &[PathBuf; 2]) -> Result<Self, std::io::Error> {
        let (stdout, stderr) = (read(out)?, read(error)?);
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        std::fs::remove_file(out)?;
        std::fs::remove_file(error)?;
        Ok(Self { line, status, stdout, said })
    }

    fn none(line: String, error: &std::io::Error) -> Self {
        Self { line, status: None, stdout: Vec::new(), said: format!("it could not be run: {error}") }
    }

    /// What it said, for whoever must know why.
    fn why(&self, wanted: &str) -> String {
        let lines: Vec<&str> = self.said.lines().collect();
        let status = self.status.map_or_else(|| "ended by a signal".to_owned(), |status| format!("status {status}"));
        format!("$ {}\n{status}, and wanted was {wanted}\n{}", self.line, lines[lines.len().saturating_sub(LINES)..].join("\n"))
    }

    pub(super) fn tell(&self) {
        let status = self.status.map_or_else(|| "ended by a signal".to_owned(), |status| format!("status {status}"));
        say(&format!("      $ {} ({status})", plain(&self.line)));
        let lines: Vec<&str> = self.said.lines().collect();
        lines[lines.len().saturating_sub(LINES / 2)..].iter().for_each(|line| say(&format!("      | {}", plain(line))));
    }

    /// It succeeded.
    pub fn ok(&self) -> Claim {
        self.status(0)
    }

    /// It failed by itself.
    pub fn fails(&self) -> Claim {
        if self.status.is_some_and(|status| status != 0) { Ok(()) } else { Err(self.why("a failure")) }
    }

    /// It ended with a status.
    pub fn status(&self, status: i32) -> Claim {
        if self.status == Some(status) { Ok(()) } else { Err(self.why(&format!("status {status}"))) }
    }

    /// It said a text, whatever its status.
    pub fn says(&self, text: &str) -> Claim {
        if self.said.contains(text) { Ok(()) } else { Err(self.why(&format!("\"{text}\""))) }
    }

    /// It did not say a text.
    pub fn lacks(&self, text: &str) -> Claim {
        if self.said.contains(text) { Err(self.why(&format!("nothing of \"{text}\""))) } else { Ok(()) }
    }

    /// Its standard output is a text.
    pub fn is(&self, text: &str) -> Claim {
        if self.text() == text { Ok(()) } else { Err(self.why(&format!("exactly \"{text}\""))) }
    }

    /// Its standard output, without the white space around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// Its standard output, if it succeeded.
    pub fn answer(&self) -> Result<String, String> {
        self.ok().map(|()| self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reaches_a_machines_shell_as_it_is() {
        let words = ["plain", "", "a b", "it's", "$(id)", "*"];
        let line = words.map(quoted).join(" ");
        let out = Command::new("bash").args(["-c", &format!("printf '<%s>' {line}")]).output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap(), "<plain><><a b><it's><$(id)><*>");
    }

    #[test]
    fn a_command_that_is_not_as_claimed_tells_itself_and_what_it_said() {
        let ran = Ran { line: "kubestead plan".into(), status: Some(4), stdout: b"held\n".to_vec(), said: "held\nwhy\n".into() };
        assert!(ran.status(4).and(ran.says("why")).and(ran.fails()).and(ran.is("held")).and(ran.lacks("done")).is_ok());
        for claim in [ran.ok(), ran.says("done"), ran.lacks("why"), ran.is("why")] {
            let why = claim.unwrap_err();
            assert!(why.starts_with("$ kubestead plan\nstatus 4, and wanted was ") && why.contains("held\nwhy"), "{why}");
        }
    }
}
