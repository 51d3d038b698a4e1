//! The folder of secrets: which files may hold a Secret, and what all of them ask for together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};
use kubestead_secrets::sops::{Error, Outline};

use super::decode::{self, Found};
use super::spec::SecretsWanted;

/// Recovery keys and the like: age files of the escrow, never objects of the cluster.
const ESCROW: &str = "escrow";
const LINK: &str = "it is a symbolic link, and links are not followed here";
/// Deeper folders than anybody makes by hand.
const MOST_DEPTH: usize = 16;

/// Reads the folder. Only names and ciphertext are looked at: no key is needed. `shown` is the folder as messages name it. A folder
/// that is not there asks for nothing.
pub fn read(folder: &Path, shown: &str) -> SecretsWanted {
    let mut walk = Walk { folder, shown, files: Vec::new(), findings: Vec::new() };
    // Without a slash at its end, with which a link would be what it leads to.
    let itself: PathBuf = folder.components().collect();
    if std::fs::symlink_metadata(itself).is_ok_and(|data| data.is_symlink()) {
        let hint = "name the folder that it leads to with secrets.dir, so that the file says whose secrets are applied";
        walk.findings.push(finding(shown, 1, LINK, Some(hint)));
    } else if folder.exists() {
        walk.directory(folder, 0);
    }
    let Walk { mut files, mut findings, .. } = walk;
    files.sort();
    let mut found: Vec<Found> = Vec::new();
    for file in files {
        let name = format!("{shown}/{file}");
        let path = folder.join(&file);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                findings.push(finding(&name, 1, format!("it cannot be read: {error}"), None));
                continue;
            }
        };
        match Outline::read(&path, &bytes) {
            Ok(outline) => found.extend(decode::secrets(&file, &name, &outline, &mut findings)),
            Err(error) if looks_like_a_secret(&bytes) => findings.push(unreadable(&name, &error)),
            Err(_) => {}
        }
    }
    let mut owners: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let mut secrets = Vec::new();
    for Found { spec, place, document: _ } in found {
        if let Some((file, line)) = owners.get(&spec.owner()) {
            let message = format!("Secret {} is asked for twice: {file}:{line} does so too", spec.owner());
            findings.push(Diagnostic { place, severity: Severity::Error, message, hint: Some("keep it in one file".to_owned()) });
            continue;
        }
        owners.insert(spec.owner(), (place.file, place.line));
        secrets.push(spec);
    }
    secrets.sort_by_key(|secret| (secret.namespace.clone(), secret.name.clone()));
    findings.sort_by(|a, b| a.place.cmp(&b.place));
    SecretsWanted { secrets, findings }
}

fn finding(file: &str, line: usize, message: impl Into<String>, hint: Option<&str>) -> Diagnostic {
    let place = Place { file: file.to_owned(), line: line as u64, column: 1 };
    Diagnostic { place, severity: Severity::Error, message: message.into(), hint: hint.map(str::to_owned) }
}

fn unreadable(file: &str, error: &Error) -> Diagnostic {
    let (line, why) = match error {
        Error::Syntax { line, why, .. } => (*line, why.clone()),
        Error::Metadata { why, .. } => (1, format!("its sops metadata cannot be used: {why}")),
        other => (1, other.to_string()),
    };
    finding(
        file,
        line,
        format!("this looks like a Secret and cannot be read: {why}"),
        Some("fix it, or get the last good version from git"),
    )
}

/// For a file that is no YAML or JSON any more, such as after a merge.
fn looks_like_a_secret(bytes: &[u8]) -> bool {
    let text: String = String::from_utf8_lossy(bytes).chars().filter(|c| !matches!(c, '"' | '\'' | ' ' | '\t')).collect();
    let word = "kind:Secret";
    text.match_indices(word).any(|(at, _)| !text[at + word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()))
}

struct Walk<'a> {
    folder: &'a Path,
    shown: &'a str,
    files: Vec<String>,
    findings: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, depth: usize) {
        let (folder, top) = (self.folder, self.shown);
        let name = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
        let shown = |path: &Path| format!("{top}/{}", name(path)).trim_end_matches('/').to_owned();
        let entries = match std::fs::read_dir(directory).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return self.findings.push(finding(&shown(directory), 1, format!("it cannot be read: {error}"), None)),
        };
        let mut inner: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let path = entry.path();
            // `.sops.yaml`, and what editors leave.
            if entry.file_name().to_string_lossy().starts_with('.') || (depth == 0 && entry.file_name() == ESCROW) {
                continue;
            }
            let is_document = path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => inner.push(path),
                Ok(kind) if kind.is_file() && is_document => self.files.push(name(&path)),
                Ok(kind) if kind.is_symlink() && (is_document || path.is_dir()) => {
                    let hint = "put the file itself there, so that what is applied is what lies in this repository";
                    self.findings.push(finding(&shown(&path), 1, LINK, Some(hint)));
                }
                Ok(_) => {}
                Err(error) => self.findings.push(finding(&shown(&path), 1, format!("it cannot be looked at: {error}"), None)),
            }
        }
        for path in inner {
            if depth >= MOST_DEPTH {
                self.findings.push(finding(&shown(&path), 1, format!("folders are nested more than {MOST_DEPTH} deep"), None));
            } else {
                self.directory(&path, depth + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A branch may make the folder a link to the secrets of another cluster, and its users would read them in this one.
    #[test]
    fn the_folder_itself_is_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let (other, link) = (dir.path().join("other"), dir.path().join("secrets"));
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("a.yaml"), "kind: Secret\n").unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        for folder in [link.clone(), link.join(""), link.join(".")] {
            let wish = read(&folder, "secrets");
            let told: Vec<String> = wish.findings.iter().map(ToString::to_string).collect();
            assert!(told.len() == 1 && told[0].contains("symbolic link") && told[0].contains("secrets.dir"), "{told:?}");
        }
        assert!(read(&other, "secrets").findings.iter().all(|found| !found.message.contains("link")));
        assert!(read(&dir.path().join("none"), "secrets").findings.is_empty());
    }
}
