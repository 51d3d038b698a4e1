//! `kubestead secret check`: what the git hook calls.

use std::io::ErrorKind;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kubestead_secrets::sops::{self, Finding, Identities, Verdict};

use super::files::{RuleBook, below};
use super::{current_dir, failure, git, identities, shown};
use crate::exit::{Exit, Failure, fail};
use crate::print;

/// What is larger is no secret that somebody typed.
const LARGEST: u64 = 64 << 20;

/// Reads a file's content; none for what has no content of its own.
type Read<'a> = dyn Fn(&Path) -> Result<Option<Vec<u8>>, Failure> + Sync + 'a;

/// What was found in all files.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) findings: Vec<(PathBuf, Finding)>,
    /// Documents that were opened.
    pub(super) verified: Vec<PathBuf>,
    /// Documents that look whole and that no identity here opens.
    pub(super) unverified: Vec<PathBuf>,
}

pub(crate) fn staged() -> Result<Exit, Failure> {
    let here = current_dir()?;
    let top = git::top(&here).ok_or_else(|| fail(Exit::Usage, "this is no git repository, so nothing is staged here"))?;
    let staged = git::run(&top, &["diff", "--cached", "--name-only", "-z", "--diff-filter=ACMRT", "--ignore-submodules"])?;
    let files: Vec<PathBuf> = git::paths(&staged).into_iter().map(|path| top.join(path)).collect();
    // What git cannot show is not passed over: then nobody would have looked at it.
    judge(&files, &|path| git::staged(&top, path.strip_prefix(&top).unwrap_or(path)).map(Some)).map(|tally| report(&tally))
}

pub(crate) fn paths(paths: &[PathBuf]) -> Result<Exit, Failure> {
    look_through(paths).map(|tally| report(&tally))
}

/// Checks files, and folders: in a git work tree what git knows and would add, else all that is in them.
pub(super) fn look_through(paths: &[PathBuf]) -> Result<Tally, Failure> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(tracked(path).map_or_else(|| below(std::slice::from_ref(path)), Ok)?);
    }
    judge(&files, &|path| {
        let unreadable = |e: std::io::Error| fail(Exit::Failed, format!("cannot read {}: {e}", path.display()));
        let read = || {
            let data = std::fs::symlink_metadata(path)?;
            if data.is_file() && data.len() <= LARGEST { std::fs::read(path).map(Some) } else { Ok(None) }
        };
        match read() {
            // Found in a folder, and removed by another program since.
            Err(error) if error.kind() == ErrorKind::NotFound && !paths.iter().any(|named| named == path) => Ok(None),
            other => other.map_err(unreadable),
        }
    })
}

/// In a git work tree: what git knows and what it would add; what is ignored does not count.
fn tracked(dir: &Path) -> Option<Vec<PathBuf>> {
    if !dir.is_dir() || !dir.ancestors().chain([Path::new(".")]).any(|above| above.join(".git").exists()) && git::top(dir).is_none() {
        return None;
    }
    let listed = git::run(dir, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).ok()?;
    let files = git::paths(&listed).into_iter().map(|path| dir.join(path)).filter(|path| path.exists());
    Some(files.collect())
}

fn judge(files: &[PathBuf], read: &Read<'_>) -> Result<Tally, Failure> {
    let (identities, book) = (identities()?, RuleBook::default());
    let tally = Mutex::new(Tally::default());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(files.len().div_ceil(32)).max(1);
    let work = || -> Result<(), Failure> {
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(bytes) = read(path)? {
                one(path, &bytes, &book, &identities, &tally)?;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let theirs = others.into_iter().map(|other| other.join().unwrap_or_else(|_| Err(fail(Exit::Failed, "a thread ended early"))));
        theirs.fold(mine, Result::and)
    })?;
    let mut tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    tally.findings.sort_by(|a, b| (&a.0, a.1.line).cmp(&(&b.0, b.1.line)));
    tally.verified.sort();
    tally.unverified.sort();
    Ok(tally)
}

fn one(path: &Path, bytes: &[u8], book: &RuleBook, identities: &Identities, tally: &Mutex<Tally>) -> Result<(), Failure> {
    let rules = book.of(path).map_err(failure)?;
    let (verdict, findings) = sops::check(path, bytes, rules.as_ref(), Some(identities));
    let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match verdict {
        Verdict::Other | Verdict::Refused => {}
        Verdict::Verified => tally.verified.push(path.to_owned()),
        Verdict::Unverified => tally.unverified.push(path.to_owned()),
    }
    tally.findings.extend(findings.into_iter().map(|finding| (path.to_owned(), finding)));
    Ok(())
}

fn report(tally: &Tally) -> Exit {
    for (path, finding) in &tally.findings {
        let (place, why) = told(path, finding);
        print::data(&format!("{place}: {why}"));
    }
    let unverified = match tally.unverified.as_slice() {
        [] => String::new(),
        [one] => format!(", {} looks whole and no key here opens it", short(one)),
        many => format!(", {} look whole and no key here opens them", many.len()),
    };
    print::note(&format!("{} documents verified{unverified}, {} findings", tally.verified.len(), tally.findings.len()));
    if tally.findings.is_empty() { Exit::Done } else { Exit::Usage }
}

/// The place of a finding, and what is wrong there.
pub(super) fn told<'a>(path: &Path, finding: &'a Finding) -> (String, &'a str) {
    let name = short(path);
    // Messages of documents name their file themselves.
    let why = finding.why.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&finding.why);
    (if finding.line > 0 { format!("{name}:{}", finding.line) } else { name }, why)
}

/// A path as it is best read, from the current folder.
pub(super) fn short(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    shown(path.strip_prefix(&here).unwrap_or(path))
}
