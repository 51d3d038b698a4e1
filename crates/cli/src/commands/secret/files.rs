//! Finding documents in folders.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use kubestead_secrets::is_part;
use kubestead_secrets::sops::{Error, Format, Outline, Rules};

use crate::exit::{Exit, Failure, fail};

/// Files and everything below folders, in alphabetical order. Links are not followed, and git's own folder is left out. Other programs may
/// change the folders meanwhile, so a file may be gone when it is read.
pub(crate) fn below(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut found)?;
        } else if path.exists() {
            found.push(path.clone());
        } else {
            return Err(fail(Exit::Usage, format!("{} is not there", path.display())));
        }
    }
    Ok(found)
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |e: std::io::Error| fail(Exit::Failed, format!("cannot read the folder {}: {e}", dir.display()));
    let entries = match std::fs::read_dir(dir) {
        // Another program has removed it since its parent was read.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(unreadable)?,
    };
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() && entry.file_name() != ".git" {
            walk(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// A document among the files, seen from outside.
pub(crate) struct Seen {
    pub(crate) path: PathBuf,
    pub(crate) outline: Result<Outline, Error>,
}

/// The documents of sops among files. A file that was named, and not only found in a folder, must be one; what another command is writing
/// is none yet.
pub(crate) fn documents(paths: &[PathBuf]) -> Result<Vec<Seen>, Failure> {
    let mut seen = Vec::new();
    for path in below(paths)? {
        let is_named = paths.contains(&path);
        if !is_named && path.file_name().is_some_and(is_part) {
            continue;
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if !is_named && error.kind() == ErrorKind::NotFound => continue,
            Err(source) => {
                seen.push(Seen { outline: Err(Error::File { what: "read", path: path.clone(), source }), path });
                continue;
            }
        };
        if is_named || might_be(&bytes) {
            match Outline::read(&path, &bytes) {
                Ok(outline) if !outline.is_encrypted() && is_named => {
                    seen.push(Seen { outline: Err(Error::NotEncrypted(path.clone())), path })
                }
                Ok(outline) if !outline.is_encrypted() => {}
                // Of any name, and not in the format of that name: a text that tells of sops.
                Err(Error::Syntax { .. }) if !is_named && Format::of(&path) == Format::Binary => {}
                outline => seen.push(Seen { path, outline }),
            }
        }
    }
    Ok(seen)
}

fn might_be(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| window == b"ENC[") && bytes.windows(4).any(|window| window == b"sops")
}

/// The rules of folders, each read once.
#[derive(Default)]
pub(crate) struct RuleBook(Mutex<BTreeMap<PathBuf, Option<Rules>>>);

impl RuleBook {
    /// The rules for a file, if there are any.
    pub(crate) fn of(&self, file: &Path) -> Result<Option<Rules>, Error> {
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(rules) = known.get(&folder) {
            return Ok(rules.clone());
        }
        let rules = Rules::find(file)?;
        known.insert(folder, rules.clone());
        Ok(rules)
    }
}
