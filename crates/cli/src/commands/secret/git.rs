//! The program git.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::{Exit, Failure, fail};

/// Runs git in a folder; what it prints.
pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
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
    Err(fail(Exit::Failed, format!("git {} failed in {}: {said}", arguments.first().unwrap_or(&""), dir.display())))
}

/// The first line of what git prints.
pub(crate) fn line(dir: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let text = run(dir, arguments)?;
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
}

/// The top of the work tree that a folder is in; none outside of one, or without git.
pub(crate) fn top(dir: &Path) -> Option<PathBuf> {
    line(dir, &["rev-parse", "--show-toplevel"]).ok().filter(|text| !text.is_empty()).map(PathBuf::from)
}

/// Paths, as `-z` prints them.
pub(crate) fn paths(output: &[u8]) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let words = output.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| PathBuf::from(std::ffi::OsStr::from_bytes(word))).collect()
}

/// What is staged of a file, by its path from the top. Run at the top, because a hook may be given an index by a path from there.
pub(crate) fn staged(top: &Path, file: &Path) -> Result<Vec<u8>, Failure> {
    run(top, &["cat-file", "blob", &format!(":0:{}", name(file)?)])
}

/// A file's content in a revision; none when it is not there.
pub(crate) fn content(file: &Path, revision: &str) -> Result<Option<Vec<u8>>, Failure> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    run(dir, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])
        .map_err(|_| fail(Exit::Usage, format!("git knows no revision {revision:?} where {} lies", file.display())))?;
    let object = format!("{revision}:./{}", name(Path::new(file.file_name().unwrap_or_default()))?);
    if run(dir, &["cat-file", "-e", &object]).is_err() {
        return Ok(None);
    }
    run(dir, &["cat-file", "blob", &object]).map(Some)
}

fn name(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        fail(Exit::Usage, format!("the name {} is no UTF-8, so git cannot be asked for it; rename the file", path.display()))
    })
}
