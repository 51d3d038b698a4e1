//! The images that manifests name, and which of them are not fixed to what they are now.

use std::collections::BTreeMap;

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};

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
