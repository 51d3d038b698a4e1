//! Guard, act, verify: one round trip to a host that changes something or says why it does not.
//!
//! The guard runs at the last moment and may call `refuse REASON` (what the plan was made on is no longer so) or `already`
//! (nothing to do). The verification may call `unverified REASON`. Any other failing command ends the script (`set -e`).

use crate::command::{Command, Output, Stdin, Variables};
use crate::frame::CUT;
use crate::host::{Host, HostError};
use crate::outcome::Done;

/// A bash script in three parts.
#[derive(Clone, Debug)]
pub struct Procedure {
    /// Looks; may `refuse` or say `already`.
    pub guard: String,
    /// Changes.
    pub act: String,
    /// Looks again; may say `unverified`.
    pub verify: String,
    /// What the script reads on standard input.
    pub stdin: Stdin,
    variables: Variables,
    seconds: Option<u64>,
}

/// Why a procedure did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcedureError {
    /// The guard found the machine other than planned; nothing was changed.
    #[error("refused, nothing was changed: {0}")]
    Refused(String),
    /// It acted, and the result is not what it should be.
    #[error("done but not verified: {0}")]
    Unverified(String),
    /// A command failed.
    #[error("exit status {status}: {tail}")]
    Exit {
        /// Its status.
        status: i32,
        /// The end of what it said.
        tail: String,
    },
    /// The host did not carry it out.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// A procedure that did not do its work, with what it was.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failed {
    /// What was tried, on which object.
    pub what: String,
    /// Why it failed.
    pub source: ProcedureError,
}

impl Failed {
    /// What an error becomes that came while this was tried, for `map_err`.
    pub fn at<E: From<Self>>(what: impl Into<String>) -> impl FnOnce(ProcedureError) -> E {
        let what = what.into();
        move |source| Self { what, source }.into()
    }
}

const REFUSED: i32 = 90;
const ALREADY: i32 = 91;
const UNVERIFIED: i32 = 92;
/// What every script begins with: `refuse`, `already`, `unverified`, and the lock.
const PRELUDE: &str = include_str!("scripts/prelude.sh");

impl Procedure {
    /// The procedure of a file, whose lines `# guard`, `# act` and `# verify` begin the three parts. What stands before the first of them
    /// is for readers and for shellcheck.
    pub fn script(text: &str) -> Self {
        let mut parts = [String::new(), String::new(), String::new()];
        let mut part = None;
        for line in text.lines() {
            match line {
                "# guard" => part = Some(0),
                "# act" => part = Some(1),
                "# verify" => part = Some(2),
                line => {
                    if let Some(part) = part {
                        parts[part] += line;
                        parts[part].push('\n');
                    }
                }
            }
        }
        let [guard, act, verify] = parts;
        Self { guard, act, verify, stdin: Stdin::Empty, variables: Variables::default(), seconds: None }
    }

    /// The same procedure with functions, the text of a file, ahead of its guard.
    #[must_use]
    pub fn after(mut self, functions: &str) -> Self {
        self.guard.insert_str(0, functions);
        self
    }

    /// The same procedure with a variable of its script.
    #[must_use]
    pub fn var(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.variables.var(name, value.as_ref());
        self
    }

    /// The same procedure with an array of its script.
    #[must_use]
    pub fn list<S: AsRef<str>>(mut self, name: &str, values: impl IntoIterator<Item = S>) -> Self {
        self.variables.list(name, values);
        self
    }

    /// The same procedure with something on standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// The same procedure beside others on its machine: it waits for an earlier one of its own kind alone.
    #[must_use]
    pub fn beside(self) -> Self {
        self.var("beside", ".beside")
    }

    /// The same procedure with a limit of time in seconds, the wait for the lock of an earlier run included.
    #[must_use]
    pub fn limit(mut self, seconds: u64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// The one command that it is.
    pub fn command(&self) -> Command {
        let (variables, guard, act, verify) = (self.variables.as_str(), self.guard.trim(), self.act.trim(), self.verify.trim());
        let script = format!("{variables}{PRELUDE}at guard\n{guard}\nat act\n{act}\nat verify\n{verify}\n");
        let command = Command::write_script(script);
        self.seconds.map_or(command.clone(), |seconds| command.limit_seconds(seconds)).stdin(self.stdin.clone())
    }

    /// Runs it on a host.
    pub async fn run(&self, host: &dyn Host) -> Result<Done, ProcedureError> {
        self.run_with_output(host).await.map(|(done, _)| done)
    }

    /// Runs it on a host and hands out what it printed, for the rare action whose answer the next one needs.
    pub async fn run_with_output(&self, host: &dyn Host) -> Result<(Done, Output), ProcedureError> {
        let output = host.run(&self.command()).await?;
        match output.status {
            0 => Ok((Done::Changed, output)),
            ALREADY => Ok((Done::Already, output)),
            REFUSED | CUT => Err(ProcedureError::Refused(output.tail())),
            UNVERIFIED => Err(ProcedureError::Unverified(output.tail())),
            status => Err(ProcedureError::Exit { status, tail: output.tail() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_three_parts_and_its_values_stand_ahead() {
        let text = "# shellcheck shell=bash\n# guard\n[ -n \"$a\" ] || refuse no\n# act\necho \"$a\" \"${b[@]}\"\n# verify\ntrue\n";
        let procedure = Procedure::script(text).var("a", "it's").list("b", ["x y"]);
        assert_eq!((procedure.act.as_str(), procedure.verify.as_str()), ("echo \"$a\" \"${b[@]}\"\n", "true\n"));
        let dir = std::env::temp_dir().join(format!("kubestead-procedure-{}", std::process::id()));
        let script = procedure.command().script().replace("/run/kubestead.act", dir.to_str().unwrap());
        let out = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
        std::fs::remove_file(dir).unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap(), "it's x y\n");
        assert!(String::from_utf8(out.stderr).unwrap().ends_with("\u{1e}verify\n"));
    }
}
