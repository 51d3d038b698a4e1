//! Post-quantum age keys through the program `age`: the crate `age` has none.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use kubestead_core::secret::Secret;
use rustix::fs::{MemfdFlags, memfd_create};
use zeroize::Zeroizing;

/// What post-quantum recipients begin with.
const RECIPIENT: &str = "age1pq1";

/// What post-quantum identities begin with.
const IDENTITY: &str = "AGE-SECRET-KEY-PQ-";

/// True for a recipient that only the program knows.
pub(crate) fn is_recipient(text: &str) -> bool {
    text.starts_with(RECIPIENT)
}

/// True for a recipient of an age plugin, such as `age1yubikey1…`, which the program runs.
pub(crate) fn is_of_plugin(text: &str) -> bool {
    text.strip_prefix("age1").is_some_and(|rest| rest.contains('1')) && !is_recipient(text)
}

/// True for an identity that only the program knows.
pub(crate) fn is_identity(word: &str) -> bool {
    word.starts_with(IDENTITY)
}

/// The program `age` 1.3 or newer, for post-quantum recipients and identities.
#[derive(Clone, Debug)]
pub struct AgeProgram(PathBuf);

impl Default for AgeProgram {
    fn default() -> Self {
        Self::new("age")
    }
}

impl AgeProgram {
    /// By its name or path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self(program.into())
    }

    /// Encrypts to one recipient, which is public and so may stand in the command line; the message is armored.
    pub(crate) fn encrypt(&self, recipient: &str, data: &[u8]) -> Result<String, String> {
        let output = self.run(&["--encrypt", "--armor", "--recipient", recipient], data)?;
        match String::from_utf8(output.stdout.clone()) {
            Ok(message) if output.status.success() && message.contains("BEGIN AGE ENCRYPTED FILE") => Ok(message),
            _ => Err(self.explain(&output)),
        }
    }

    /// Decrypts a message; none when no identity fits. Identities go through a pipe and so are in no command line and on no disk. The
    /// message, which is no secret, lies in memory under a name that the program may open.
    pub(crate) fn decrypt(&self, message: &str, identities: &[Secret]) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        let held = in_memory(message.as_bytes()).map_err(|e| format!("no file in memory could be had: {e}"))?;
        let file = format!("/dev/fd/{}", held.as_raw_fd());
        let mut lines = Zeroizing::new(Vec::with_capacity(identities.iter().map(|one| one.expose().len() + 1).sum()));
        for identity in identities {
            lines.extend_from_slice(identity.expose());
            lines.push(b'\n');
        }
        let mut output = self.run(&["--decrypt", "--identity", "-", &file], &lines)?;
        let data = Zeroizing::new(std::mem::take(&mut output.stdout));
        if output.status.success() {
            return Ok(Some(data));
        }
        if String::from_utf8_lossy(&output.stderr).contains("no identity matched") { Ok(None) } else { Err(self.explain(&output)) }
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Output, String> {
        let failed = |e: io::Error| format!("{} did not run: {e}; {}", self.0.display(), advice());
        let mut command = Command::new(&self.0);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        // A data key or a few identities: far less than a pipe holds, so this does not block.
        if let Some(mut stdin) = child.stdin.take() {
            // It may have stopped already; then its own words say why.
            let _ = stdin.write_all(input);
        }
        child.wait_with_output().map_err(failed)
    }

    fn explain(&self, output: &Output) -> String {
        let name = self.0.display();
        if let Some(version) = self.version().filter(|version| *version < (1, 3)) {
            return format!("{name} is of version {}.{}, which has no post-quantum keys; {}", version.0, version.1, advice());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        // Never a line with a key in it, whatever a program may say.
        let said =
            text.lines().find(|line| line.starts_with("age: error: ") && !line.contains("AGE-SECRET-KEY") && !line.contains("AGE-PLUGIN"));
        format!("{name} failed ({})", said.map_or_else(|| output.status.to_string(), |line| line["age: error: ".len()..].to_owned()))
    }

    /// Major and minor; none when it does not say.
    fn version(&self) -> Option<(u32, u32)> {
        let output = Command::new(&self.0).arg("--version").stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned();
        let mut parts = text.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    }
}

/// What to do when the program cannot help.
fn advice() -> &'static str {
    "post-quantum keys need the program age 1.3 or newer: install it, or name it with KUBESTEAD_AGE_EXEC, or use the sops program"
}

/// A file that is in memory only. Programs that are started inherit it.
fn in_memory(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("message", MemfdFlags::empty())?);
    file.write_all(content)?;
    Ok(file)
}
