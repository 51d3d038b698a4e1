//! The files of services: which are read, and what all of them ask for together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};
use kubestead_core::kube::ObjectRef;
use serde_json::Value;

use super::decode::{self, Found};
use super::kinds::same_name;
use super::spec::{ServiceSpec, ServicesWanted};
use crate::file::{Manifests, within};

const LINK: &str = "it is a symbolic link, and links are not followed here";
const NO_LINK: &str = "put the file itself there, so that what is applied is what lies in this repository";
/// Deeper folders than anybody makes by hand; more files, bytes and objects than a service has.
const MOST_DEPTH: usize = 16;
const MOST_FILES: usize = 2000;
const MOST_BYTES: u64 = 16 << 20;
const MOST_OBJECTS: usize = 10_000;
/// How many mistakes are told of one service.
const MOST_FINDINGS: usize = 100;

/// Reads the files of services. `shown` is a path as messages name it, `taken` the objects that kubestead makes itself.
pub fn read(services: &[Manifests], shown: &dyn Fn(&Path) -> String, taken: &[ObjectRef]) -> ServicesWanted {
    let mut owners: Owners = taken.iter().map(|object| (same_name(object), "kubestead makes it itself".to_owned())).collect();
    let mut wanted = ServicesWanted::default();
    for service in services {
        let mut findings = Vec::new();
        let manifests = one(service, shown, &mut owners, &mut findings);
        findings.sort_by(|a, b| a.place.cmp(&b.place));
        let whole = sound(&findings);
        let more = findings.len().saturating_sub(MOST_FINDINGS);
        findings.truncate(MOST_FINDINGS);
        if let (Some(last), true) = (findings.last_mut(), more > 0) {
            last.hint = Some(format!("and {more} more after it: fix those above first"));
        }
        wanted.findings.extend(findings);
        wanted.services.push(ServiceSpec::new(service.name.clone(), service.needs.clone(), manifests, whole));
    }
    wanted
}

/// Where each object is asked for, by group, kind, namespace and name.
type Owners = BTreeMap<(String, String, String, String), String>;

/// The manifests of one service. `owners` says of each object where it is asked for.
fn one(service: &Manifests, shown: &dyn Fn(&Path) -> String, owners: &mut Owners, findings: &mut Vec<Diagnostic>) -> Vec<Value> {
    let mut walk = Walk { shown, files: Vec::new(), findings };
    walk.begin(&service.path);
    let mut files = walk.files;
    files.sort();
    if files.is_empty() && findings.is_empty() {
        let hint = "write one with the name *.yaml, *.yml or *.json, or take the service out of the cluster file";
        findings.push(finding(&shown(&service.path), "there is no manifest", Some(hint)));
    }
    let (mut manifests, mut left) = (Vec::new(), MOST_BYTES);
    let mut unused: BTreeSet<&String> = service.variables.keys().collect();
    for path in files {
        let name = shown(&path);
        let text = match within(&path, left) {
            Ok(text) => text,
            Err(error) => {
                findings.push(finding(&name, format!("it cannot be read: {error}"), None));
                continue;
            }
        };
        left = left.saturating_sub(text.len() as u64).max(1);
        unused.retain(|variable| !text.contains(&format!("{}{{{variable}}}", '$')));
        for Found { manifest, place } in decode::manifests(&name, &text, &service.variables, findings) {
            let object = ObjectRef::of(&manifest);
            let key = same_name(&object);
            if let Some(owner) = owners.get(&key) {
                let message = format!("{object} is asked for twice: {owner}");
                findings.push(Diagnostic { place, severity: Severity::Error, message, hint: Some("keep one of them".to_owned()) });
                continue;
            }
            owners.insert(key, format!("{}:{} does so too", place.file, place.line));
            manifests.push(manifest);
        }
    }
    // What was not read may name it.
    if sound(findings) {
        for variable in unused {
            let message = format!("the variable {variable} is declared, and no manifest names it");
            let hint = Some("take it out of `variables` of the service");
            findings.push(Diagnostic { severity: Severity::Warning, ..finding(&shown(&service.path), message, hint) });
        }
    }
    if manifests.len() > MOST_OBJECTS {
        let message = format!("{} objects, and {MOST_OBJECTS} are the most of one service", manifests.len());
        findings.push(finding(&shown(&service.path), message, Some("make several services of it")));
    }
    manifests
}

/// Whether nothing is wrong.
fn sound(findings: &[Diagnostic]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Error)
}

fn finding(file: &str, message: impl Into<String>, hint: Option<&str>) -> Diagnostic {
    let place = Place { file: file.to_owned(), line: 1, column: 1 };
    Diagnostic { place, severity: Severity::Error, message: message.into(), hint: hint.map(str::to_owned) }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kubestead_core::name::Name;

    use super::*;

    fn service(name: &str, path: &Path) -> Manifests {
        Manifests { name: Name::new(name).unwrap(), path: path.to_owned(), variables: BTreeMap::new(), needs: BTreeSet::new() }
    }

    fn map(name: &str) -> String {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\n")
    }

    fn told(wanted: &ServicesWanted) -> Vec<String> {
        wanted.findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_of_all_folders_are_read_and_an_object_is_asked_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b.yaml"));
        std::fs::create_dir_all(a.join("deep")).unwrap();
        std::fs::write(a.join("deep/x.yml"), map("x")).unwrap();
        std::fs::write(a.join(".hidden.yaml"), "kind: [").unwrap();
        std::fs::write(a.join("README.md"), "kind: [").unwrap();
        std::fs::write(a.join("y.json"), "{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"shop\"}}").unwrap();
        std::fs::write(&b, map("z")).unwrap();
        let shown = |path: &Path| path.strip_prefix(dir.path()).unwrap().display().to_string();
        let wanted = read(&[service("a", &a), service("b", &b)], &shown, &[]);
        assert_eq!(told(&wanted), Vec::<String>::new());
        let names: Vec<String> = wanted.objects().map(|object| object.to_string()).collect();
        assert_eq!(names, ["Namespace shop", "ConfigMap shop/x", "ConfigMap shop/z"], "a namespace comes before what is in it");
        let first = &wanted.services[0].manifests[0];
        assert_eq!(first["metadata"]["labels"]["kubestead.io/service"], "a");
        assert!(first["metadata"]["annotations"]["kubestead.io/digest"].as_str().unwrap().starts_with("sha256:"));
        // The second one is the mistake: the first service is whole.
        std::fs::write(&b, map("x")).unwrap();
        let taken = ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: String::new(), name: "apps".into() };
        std::fs::write(a.join("z.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}\n").unwrap();
        let wanted = read(&[service("a", &a), service("b", &b)], &shown, &[taken]);
        let all = told(&wanted);
        assert!(all[0].starts_with("a/z.yaml:1:1:") && all[0].contains("kubestead makes it itself"), "{all:?}");
        assert!(all[1].starts_with("b.yaml:1:1:") && all[1].contains("a/deep/x.yml:1"), "{all:?}");
    }

    #[test]
    fn what_cannot_be_read_keeps_its_service_from_being_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("m");
        std::fs::create_dir(&folder).unwrap();
        let shown = |path: &Path| path.display().to_string();
        let whole = |path: &Path| {
            let wanted = read(&[service("a", path)], &shown, &[]);
            (wanted.services[0].whole, told(&wanted).join("\n"))
        };
        assert!(matches!(whole(&folder), (false, words) if words.contains("there is no manifest")));
        std::fs::write(folder.join("a.yaml"), map("a")).unwrap();
        assert!(whole(&folder).0);
        std::os::unix::fs::symlink("/etc/passwd", folder.join("b.yaml")).unwrap();
        assert!(matches!(whole(&folder), (false, words) if words.contains("b.yaml:1:1") && words.contains("symbolic link")));
        std::fs::remove_file(folder.join("b.yaml")).unwrap();
        std::os::unix::fs::symlink(&folder, dir.path().join("link")).unwrap();
        for path in [dir.path().join("link"), dir.path().join("link/"), dir.path().join("none")] {
            assert!(!whole(&path).0, "{}", path.display());
        }
        std::fs::write(folder.join("big.yaml"), vec![b'#'; 17 << 20]).unwrap();
        assert!(matches!(whole(&folder), (false, words) if words.contains("larger than")));
    }
}
