//! The program git.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::{Exit, Failure, fail};

/// Runs git in a folder; what it prints.
pub(crate) fn run<S: AsRef<OsStr>>(dir: &Path, arguments: &[S]) -> Result<Vec<u8>, Failure> {
    let output = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| fail(Exit::Failed, format!("git did not run: {e}; install git")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let verb = arguments.first().map(|word| word.as_ref().to_string_lossy()).unwrap_or_default();
    Err(fail(Exit::Failed, format!("git {verb} failed in {}: {said}", dir.display())))
}

/// The first line of what git prints.
pub(crate) fn line(dir: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let text = run(dir, arguments)?;
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
}

/// The path that git prints, of whatever bytes.
pub(crate) fn path(dir: &Path, arguments: &[&str]) -> Result<PathBuf, Failure> {
    let text = run(dir, arguments)?;
    Ok(PathBuf::from(OsStr::from_bytes(text.strip_suffix(b"\n").unwrap_or(&text))))
}

/// The top of the work tree that a folder is in; none outside of one, or without git.
pub(crate) fn top(dir: &Path) -> Option<PathBuf> {
    path(dir, &["rev-parse", "--show-toplevel"]).ok().filter(|path| !path.as_os_str().is_empty())
}

/// Paths, as `-z` prints them.
pub(crate) fn paths(output: &[u8]) -> Vec<PathBuf> {
    let words = output.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| PathBuf::from(OsStr::from_bytes(word))).collect()
}

/// What is staged of a file, by its path from the top. Run at the top, because a hook may be given an index by a path from there.
pub(crate) fn staged(top: &Path, file: &Path) -> Result<Vec<u8>, Failure> {
    run(top, &[OsStr::new("cat-file"), OsStr::new("blob"), &object(":0:", file.as_os_str())])
}

/// A file's content in a revision; none when it is not there.
pub(crate) fn content(file: &Path, revision: &str) -> Result<Option<Vec<u8>>, Failure> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    run(dir, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])
        .map_err(|_| fail(Exit::Usage, format!("git knows no revision {revision:?} where {} lies", file.display())))?;
    let object = object(&format!("{revision}:./"), file.file_name().unwrap_or_default());
    if run(dir, &[OsStr::new("cat-file"), OsStr::new("-e"), &object]).is_err() {
        return Ok(None);
    }
    run(dir, &[OsStr::new("cat-file"), OsStr::new("blob"), &object]).map(Some)
}

/// A file in a revision or the index. Names may be of any bytes.
fn object(place: &str, name: &OsStr) -> OsString {
    let mut object = OsString::from(place);
    object.push(name);
    object
}
