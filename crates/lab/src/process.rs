//! Programs of the host, with errors that say what they said.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::error::Error;

/// Runs a program to its end and answers its standard output.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Result<String, Error> {
    let failed = |detail: String| Error::Program { program: format!("{program} {}", arguments.join(" ")), detail };
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// Locks a file, and waits until nobody else has it. It asks again and again, so that a program that is told to end need not wait.
pub(crate) async fn lock(path: &Path) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::file("cannot write", path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(TryLockError::Error(error)) => return Err(Error::file("cannot lock", path)(error)),
        }
    }
}

/// When a process began, in ticks since boot (proc_pid_stat(5), field 22): with its number it names a process for good. Nothing for one
/// that has ended, even when its parent has not asked for its end yet.
pub(crate) fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_has_not_begun() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(began(child.id()).is_some_and(|at| at >= began(std::process::id()).unwrap()));
        child.kill().unwrap();
        let end = std::time::Instant::now();
        // Not asked for its end: it stays as a zombie.
        while began(child.id()).is_some() {
            assert!(end.elapsed().as_secs() < 20);
        }
        child.wait().unwrap();
    }
}
