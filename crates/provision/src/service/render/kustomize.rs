//! Folders that kustomize renders. What it would fetch from elsewhere is refused before it is run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};

use super::{Failed, Programs, Ran, Run, Tool, WITHIN};
use crate::file::{Yaml, YamlKind, bounded, documents};
use crate::service::found::{KUSTOMIZATIONS, Text, finding, sound};

/// Fields that name files or folders.
const PATHS: [&str; 10] = [
    "resources",
    "bases",
    "components",
    "crds",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "patchesStrategicMerge",
    "replacements",
];
/// Fields that name a file further down.
const FILES: [&str; 5] = ["path", "files", "envs", "env", "repo"];
/// More folders than one builds upon another.
const MOST: usize = 500;

/// The text that kustomize makes of a folder.
pub(crate) fn render(path: &Path, shown: &dyn Fn(&Path) -> String, programs: &dyn Programs, findings: &mut Vec<Diagnostic>) -> Vec<Text> {
    let before = findings.len();
    Sources { shown, seen: BTreeSet::new(), findings }.folder(path, None);
    if !sound(&findings[before..]) {
        return Vec::new();
    }
    let run = Run { tool: Tool::Kustomize, arguments: vec![path.into()], input: Vec::new(), network: false, within: WITHIN };
    match programs.run(&run) {
        Ok(Ran { output, complained }) => {
            let name = format!("{} as kustomize renders it", shown(path));
            if !complained.is_empty() {
                let warning = finding(&shown(path), format!("kustomize warns: {complained}"), None);
                findings.push(Diagnostic { severity: Severity::Warning, ..warning });
            }
            if output.trim().is_empty() {
                findings.push(finding(&shown(path), "it renders no object", Some("name its `resources`")));
            }
            vec![Text { name, text: output }]
        }
        Err(failed) => {
            let hint = matches!(failed, Failed::Said { .. }).then_some("`kustomize build` of this folder says the same");
            findings.push(finding(&shown(path), failed.to_string(), hint));
            Vec::new()
        }
    }
}

/// The kustomizations that one is made of.
struct Sources<'a> {
    shown: &'a dyn Fn(&Path) -> String,
    seen: BTreeSet<PathBuf>,
    findings: &'a mut Vec<Diagnostic>,
}

impl Sources<'_> {
    fn wrong(&mut self, place: Place, message: impl Into<String>, hint: &str) {
        self.findings.push(Diagnostic { place, severity: Severity::Error, message: message.into(), hint: Some(hint.to_owned()) });
    }

    /// A folder; `from` is where it is named.
    fn folder(&mut self, folder: &Path, from: Option<&Place>) {
        let begin = || Place { file: (self.shown)(folder), line: 1, column: 1 };
        let Ok(itself) = folder.canonicalize() else {
            let place = from.cloned().unwrap_or_else(begin);
            return self.wrong(
                place,
                format!("{} is not there", (self.shown)(folder)),
                "see `kustomize` of the service in the cluster file",
            );
        };
        if !self.seen.insert(itself) || self.seen.len() > MOST {
            return;
        }
        let files: Vec<PathBuf> = KUSTOMIZATIONS.iter().map(|name| folder.join(name)).filter(|file| file.exists()).collect();
        let [file] = files.as_slice() else {
            let place = from.cloned().unwrap_or_else(begin);
            let message = format!("{} has {} kustomizations", (self.shown)(folder), files.len());
            return self.wrong(place, message, "write one kustomization.yaml, or name a folder of manifests with `path`");
        };
        let name = (self.shown)(file);
        let text = match bounded(file) {
            Ok(text) => text,
            Err(error) => return self.findings.push(finding(&name, format!("it cannot be read: {error}"), None)),
        };
        let (read, wrong) = documents(&name, &text);
        self.findings.extend(wrong);
        for document in read {
            let YamlKind::Map(entries) = document.kind else { continue };
            for (key, place, value) in entries {
                if key == "helmCharts" || key == "helmChartInflationGenerator" {
                    self.wrong(place, format!("{key}: a chart in a kustomization"), "make it a service of its own, with `chart`");
                } else if PATHS.contains(&key.as_str()) {
                    self.list(folder, value);
                } else {
                    self.files(value, false);
                }
            }
        }
    }

    /// A field that is a list of files and folders; texts of several lines are manifests themselves.
    fn list(&mut self, folder: &Path, value: Yaml) {
        let YamlKind::List(items) = value.kind else { return };
        for item in items {
            match item.kind {
                YamlKind::Scalar { text, .. } if !text.contains('\n') => self.named(folder, &text, &item.place),
                kind => self.files(Yaml { place: item.place, kind }, false),
            }
        }
    }

    fn named(&mut self, folder: &Path, text: &str, place: &Place) {
        let path = folder.join(text);
        let link = std::fs::symlink_metadata(&path).is_ok_and(|data| data.is_symlink());
        if link {
            self.wrong(place.clone(), format!("{text} is a symbolic link, and links are not followed here"), "put the file itself there");
        } else if path.is_dir() {
            self.folder(&path, Some(place));
        } else if !path.exists() {
            let message = format!("{text:?} is no file or folder beside it, and nothing is fetched from elsewhere");
            let hint = "`kustomize localize` puts a copy of what is elsewhere into your repository";
            self.wrong(place.clone(), message, hint);
        }
    }

    /// Addresses where a file is meant. `named`: whether what is looked at is one.
    fn files(&mut self, value: Yaml, named: bool) {
        match value.kind {
            YamlKind::Scalar { text, .. } if named && text.contains("://") => {
                let hint = "put a copy of it into your repository";
                self.wrong(value.place, format!("{text:?} is elsewhere, and nothing is fetched from there"), hint);
            }
            YamlKind::Scalar { .. } => {}
            YamlKind::List(items) => items.into_iter().for_each(|item| self.files(item, named)),
            YamlKind::Map(entries) => entries.into_iter().for_each(|(key, _, value)| self.files(value, FILES.contains(&key.as_str()))),
        }
    }
}
