//! Manifests of Kubernetes Secrets in plain YAML.

use std::sync::LazyLock;

use kubestead_core::secret::Secret;
use regex::Regex;

use crate::sops::path::{KeyPath, Step};
use crate::sops::tree::{Container, Found, Item, Tree, line_of};
use crate::sops::yaml;

/// Entries that the API server writes. The annotation holds the whole Secret in plain text.
const SERVERS_OWN: [&[&str]; 7] = [
    &["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
    &["metadata", "creationTimestamp"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
    &["metadata", "uid"],
    &["metadata", "selfLink"],
    &["status"],
];

static KIND: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?m)^[\s{-]*["']?kind["']?\s*:\s*["']?(Secret|List)\b"#).expect("the expression is a constant"));

/// One document of a YAML file.
#[derive(Debug)]
#[non_exhaustive]
pub struct Manifest {
    /// `Secret`, or another kind; empty when it has none.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`; empty when it has none.
    pub namespace: String,
    /// It is a Secret with a value in `data` or `stringData`.
    pub has_values: bool,
    /// Entries that the API server wrote, which do not belong in git.
    pub servers_own: Vec<KeyPath>,
    /// Its text, without the lines that part documents.
    pub text: Secret,
    /// Its first line, from 1.
    pub line: usize,
}

/// The documents of a file that have something in them. The error is a line, from 1, and what is wrong there.
pub fn manifests(text: &str) -> Result<Vec<Manifest>, (usize, String)> {
    let parsed = yaml::parse(text).map_err(|problem| (line_of(text, problem.at), problem.why))?;
    let mut found = Vec::new();
    let mut from = 0;
    for document in &parsed.documents {
        let end = text[document.span.end..].find('\n').map_or(text.len(), |newline| document.span.end + newline + 1);
        // A root that ends with its line has its end there already.
        let end = if document.span.end > from && text.as_bytes()[document.span.end - 1] == b'\n' { document.span.end } else { end };
        let piece = text.get(from..end).unwrap_or_default();
        let line = line_of(text, document.span.start);
        from = end;
        if document.children().next().is_some() {
            found.push(manifest(document, piece, line));
        }
    }
    Ok(found)
}

fn manifest(document: &Container, piece: &str, line: usize) -> Manifest {
    let text = |keys: &[&str]| match document.at(&steps(keys)) {
        Some(Found::Leaf(leaf)) => leaf.value.as_str().unwrap_or_default().to_owned(),
        Some(Found::Container(_)) | None => String::new(),
    };
    let path = |keys: &&[&str]| keys.iter().fold(KeyPath::default(), |path, key| path.key(*key));
    let lines = piece.split_inclusive('\n').filter(|line| !is_mark(line));
    Manifest {
        kind: text(&["kind"]),
        name: text(&["metadata", "name"]),
        namespace: text(&["metadata", "namespace"]),
        has_values: has_values(document),
        servers_own: SERVERS_OWN.iter().filter(|keys| document.at(&steps(keys)).is_some()).map(path).collect(),
        text: Secret::new(lines.collect::<String>().into_bytes()),
        line,
    }
}

fn is_mark(line: &str) -> bool {
    let line = line.trim_end();
    line == "---" || line == "..." || line.starts_with("--- #")
}

fn steps(keys: &[&str]) -> Vec<Step> {
    keys.iter().map(|key| Step::Key((*key).to_owned())).collect()
}

/// True for a Secret, or a List of some, that holds a value.
fn has_values(root: &Container) -> bool {
    let kind = root.scalar_at("kind");
    match kind.as_ref().and_then(|leaf| leaf.value.as_str()) {
        Some("Secret") => ["data", "stringData"].iter().any(|key| match root.at(&steps(&[key])) {
            Some(Found::Container(values)) => values.children().any(|child| match &child.node {
                Tree::Leaf(leaf) => leaf.value.as_str().is_some_and(|content| !content.is_empty()),
                Tree::Container(_) => true,
            }),
            Some(Found::Leaf(_)) | None => false,
        }),
        Some("List" | "SecretList") => match root.at(&steps(&["items"])) {
            Some(Found::Container(items)) => items.items.iter().any(|item| match item {
                Item::Child(child) => matches!(&child.node, Tree::Container(inner) if has_values(inner)),
                Item::Comment(_) => false,
            }),
            Some(Found::Leaf(_)) | None => false,
        },
        Some(_) | None => false,
    }
}

/// The line of the first Secret with a value in it; nothing for a text that is no YAML, such as a template.
pub fn plain_secret(text: &str) -> Option<usize> {
    if !KIND.is_match(text) {
        return None;
    }
    let parsed = yaml::parse(text).ok()?;
    parsed.documents.iter().find(|document| has_values(document)).map(|document| line_of(text, document.span.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# first\napiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: n}\nstringData:\n  k: v$HOME\n\n---\n# second\nkind: ConfigMap\nmetadata:\n  name: c\n---\n---\nkind: Secret\nmetadata:\n  name: b\n  uid: 1-2\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {}\ndata: {}\n";

    #[test]
    fn documents_are_told_apart_with_what_is_theirs() {
        let found = manifests(TWO).unwrap();
        let names: Vec<_> = found.iter().map(|m| (m.kind.as_str(), m.name.as_str(), m.namespace.as_str(), m.has_values)).collect();
        assert_eq!(names, [("Secret", "a", "n", true), ("ConfigMap", "c", "", false), ("Secret", "b", "", false)]);
        let text = |index: usize| std::str::from_utf8(found[index].text.expose()).unwrap().to_owned();
        assert!(text(0).starts_with("# first\napi") && text(0).contains("k: v$HOME") && !text(0).contains("---"));
        assert!(text(1).contains("# second") && text(1).ends_with("name: c\n"));
        assert!(text(2).starts_with("kind: Secret"));
        assert_eq!(found[2].servers_own.len(), 2);
    }

    #[test]
    fn plain_secrets_are_found_in_lists_and_templates_are_no_error() {
        assert_eq!(plain_secret(TWO), Some(2));
        assert_eq!(plain_secret("kind: List\nitems:\n- kind: Secret\n  data: {a: YQ==}\n"), Some(1));
        assert_eq!(plain_secret("{\"kind\": \"Secret\", \"data\": {\"a\": \"YQ==\"}}\n"), Some(1));
        for none in
            ["kind: Secret\ndata: {}\n", "kind: Secret\nstringData: {k: ''}\n", "kind: Secret\ndata: {{ .x }}\n", "a: b\n", "kind: [\n"]
        {
            assert_eq!(plain_secret(none), None, "{none}");
        }
    }
}
