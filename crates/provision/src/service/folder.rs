//! The files of a folder of manifests, or of one file.

use std::path::{Path, PathBuf};

use kubestead_core::diagnostic::Diagnostic;

use super::found::{KUSTOMIZATIONS, Text, finding};
use crate::file::within;

const LINK: &str = "it is a symbolic link, and links are not followed here";
const NO_LINK: &str = "put the file itself there, so that what is applied is what lies in this repository";
/// Deeper folders than anybody makes by hand; more files and bytes than a service has.
const MOST_DEPTH: usize = 16;
const MOST_FILES: usize = 2000;
const MOST_BYTES: u64 = 16 << 20;

/// The texts of the files. `shown` is a path as messages name it.
pub(super) fn read(path: &Path, shown: &dyn Fn(&Path) -> String, findings: &mut Vec<Diagnostic>) -> Vec<Text> {
    let before = findings.len();
    let mut walk = Walk { shown, files: Vec::new(), findings };
    walk.begin(path);
    let mut files = walk.files;
    files.sort();
    if files.is_empty() && findings.len() == before {
        let hint = "write one with the name *.yaml, *.yml or *.json, or take the service out of the cluster file";
        findings.push(finding(&shown(path), "there is no manifest", Some(hint)));
    }
    let (mut texts, mut left) = (Vec::new(), MOST_BYTES);
    for path in files {
        // What kustomize reads by its name is no manifest, whatever is in it.
        if path.file_name().is_some_and(|name| KUSTOMIZATIONS.iter().any(|known| name == *known)) {
            let hint = "name its folder with `kustomize` instead of `path`";
            findings.push(finding(&shown(&path), "a kustomization is no object", Some(hint)));
            continue;
        }
        match within(&path, left) {
            Ok(text) => {
                left = left.saturating_sub(text.len() as u64).max(1);
                texts.push(Text { name: shown(&path), text });
            }
            Err(error) => findings.push(finding(&shown(&path), format!("it cannot be read: {error}"), None)),
        }
    }
    texts
}

struct Walk<'a> {
    shown: &'a dyn Fn(&Path) -> String,
    files: Vec<PathBuf>,
    findings: &'a mut Vec<Diagnostic>,
}

impl Walk<'_> {
    fn wrong(&mut self, path: &Path, message: impl Into<String>, hint: Option<&str>) {
        self.findings.push(finding(&(self.shown)(path), message, hint));
    }

    fn begin(&mut self, path: &Path) {
        // Without a slash at its end, with which a link would be what it leads to.
        let itself: PathBuf = path.components().collect();
        match std::fs::symlink_metadata(&itself) {
            Ok(data) if data.is_symlink() => self.wrong(path, LINK, Some("name what it leads to in the cluster file")),
            Ok(data) if data.is_dir() => self.directory(&itself, 0),
            Ok(data) if data.is_file() => self.files.push(itself),
            Ok(_) => self.wrong(path, "it is neither a folder nor a file", None),
            Err(error) => self.wrong(path, format!("it cannot be read: {error}"), Some("see `path` of the service in the cluster file")),
        }
    }

    fn directory(&mut self, directory: &Path, depth: usize) {
        let entries = match std::fs::read_dir(directory).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return self.wrong(directory, format!("it cannot be read: {error}"), None),
        };
        let mut inner: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let path = entry.path();
            // What editors and version control leave.
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let is_document = path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => inner.push(path),
                Ok(kind) if kind.is_file() && is_document => self.files.push(path),
                Ok(kind) if kind.is_symlink() && (is_document || path.is_dir()) => self.wrong(&path, LINK, Some(NO_LINK)),
                Ok(_) => {}
                Err(error) => self.wrong(&path, format!("it cannot be looked at: {error}"), None),
            }
        }
        if self.files.len() > MOST_FILES {
            return self.wrong(directory, format!("more than {MOST_FILES} files"), Some("make several services of it"));
        }
        for path in inner {
            if depth >= MOST_DEPTH {
                self.wrong(&path, format!("folders are nested more than {MOST_DEPTH} deep"), None);
            } else {
                self.directory(&path, depth + 1);
            }
        }
    }
}
