//! The images that manifests name, and which of them are not fixed to what they are now.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};

use serde_json::Value;

use crate::file::{Yaml, YamlKind};
use crate::objects::some;

/// Where a pod has its containers.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Tells each image that containers below these fields name, and where.
pub(super) fn images(entries: &[(String, Place, Yaml)], tell: &mut dyn FnMut(&str, &Place)) {
    for (key, _, value) in entries {
        match &value.kind {
            YamlKind::List(items) if CONTAINERS.contains(&key.as_str()) => {
                let fields = items.iter().filter_map(|item| if let YamlKind::Map(fields) = &item.kind { Some(fields) } else { None });
                for (key, _, value) in fields.flatten() {
                    if let (true, YamlKind::Scalar { text, .. }) = (key == "image", &value.kind) {
                        tell(text, &value.place);
                    }
                }
            }
            YamlKind::List(items) => items.iter().for_each(|item| {
                if let YamlKind::Map(fields) = &item.kind {
                    images(fields, tell);
                }
            }),
            YamlKind::Map(fields) => images(fields, tell),
            YamlKind::Scalar { .. } => {}
        }
    }
}

/// The images that objects run, and those of `named` that some text of theirs has in it, as an argument that says what a program shall run.
pub(super) fn run(manifests: &[Value], named: &[String]) -> BTreeSet<String> {
    fn add(value: &Value, named: &[String], found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if let (true, Value::Array(items)) = (CONTAINERS.contains(&key.as_str()), value) {
                        found.extend(items.iter().filter_map(|item| item["image"].as_str()).map(str::to_owned));
                    }
                    add(value, named, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| add(item, named, found)),
            Value::String(text) => found.extend(named.iter().filter(|image| text.contains(image.as_str())).cloned()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    for manifest in manifests {
        add(manifest, named, &mut found);
    }
    found.remove("");
    found
}

/// What of an image is not fixed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loose {
    /// It is whatever was pushed last.
    Latest,
    /// Whoever pushes to its registry may move its tag.
    Tag,
}

fn loose(image: &str) -> Option<Loose> {
    if image.contains("@sha256:") || image.is_empty() {
        return None;
    }
    // A colon before the last slash is that of a port.
    match image.rsplit('/').next().unwrap_or_default().split_once(':') {
        None | Some((_, "latest" | "")) => Some(Loose::Latest),
        Some(_) => Some(Loose::Tag),
    }
}

/// Warnings of images that are not what they are by their digests: one of each kind.
pub(super) fn warnings(images: &BTreeMap<String, Place>) -> Vec<Diagnostic> {
    let warning = |kind: Loose, message: &str, hint: &str| {
        let found: Vec<_> = images.iter().filter(|(image, _)| loose(image) == Some(kind)).collect();
        let place = found.iter().map(|(_, place)| *place).min()?.clone();
        let names: Vec<String> = found.into_iter().map(|(image, _)| image.clone()).collect();
        Some(Diagnostic {
            place,
            severity: Severity::Warning,
            message: format!("{message}: {}", some(&names)),
            hint: Some(hint.to_owned()),
        })
    };
    let hint = "write NAME:TAG@sha256:DIGEST, so that every node runs what was tried";
    [
        warning(Loose::Latest, "images of `latest`, or without a tag, which each node pulls as they are at that moment", hint),
        warning(Loose::Tag, "images by a tag alone, which whoever pushes to their registry may move", hint),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_in_containers_or_in_the_words_of_a_program_that_runs_it() {
        let pods = serde_json::json!({"spec": {"template": {"spec": {
            "initContainers": [{"image": "r.io/a:1"}], "containers": [{"image": "r.io/b:1", "args": ["--run=r.io/c:1"]}, {"name": "none"}],
            "volumes": [{"image": {"reference": "r.io/no:1"}}]}}}, "data": {"image": "r.io/no:2"}});
        let found = run(&[pods], &["r.io/c:1".to_owned(), "r.io/d:1".to_owned()]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["r.io/a:1", "r.io/b:1", "r.io/c:1"]);
    }

    #[test]
    fn what_is_not_fixed_by_a_digest_is_told_once_a_kind() {
        let place = |line| Place { file: "a.yaml".into(), line, column: 1 };
        let digest = format!("r.io/d:1@sha256:{}", "0".repeat(64));
        let images = [("r.io:5000/a", 9), ("b:latest", 7), ("r.io:5000/c:1", 3), (digest.as_str(), 1), ("", 1)];
        let told = warnings(&images.map(|(image, line)| (image.to_owned(), place(line))).into());
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert!(told.len() == 2 && told[0].starts_with("a.yaml:7:1: warning") && told[0].contains("b:latest, r.io:5000/a"), "{told:?}");
        assert!(told[1].starts_with("a.yaml:3:1: warning") && told[1].contains(": r.io:5000/c:1"), "{told:?}");
    }
}
