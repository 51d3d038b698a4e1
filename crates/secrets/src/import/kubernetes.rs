//! Manifests of Kubernetes Secrets in plain text.

use std::borrow::Cow;
use std::sync::LazyLock;

use kubestead_core::secret::Secret;
use regex::{Regex, bytes};

use crate::sops::path::{KeyPath, Step};
use crate::sops::tree::{Container, Found, Item, Leaf, Tree, line_of};
use crate::sops::{json, yaml};

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

/// How encrypted values begin.
const SEALED: &[u8] = b"ENC[AES256_GCM,";

/// Text that may be one: with an escape, JSON and YAML can write every word in another way.
static WORTH_A_LOOK: LazyLock<bytes::Regex> =
    LazyLock::new(|| bytes::Regex::new(r"Secret|\\[xuU][0-9a-fA-F]{2}").expect("the expression is a constant"));

/// The line that says it, at the top of a document, which a template may indent.
static KIND: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?m)^([ \t]*)["']?kind["']?[ \t]*:[ \t]*["']?Secret["']?[ \t]*(?:#.*)?\r?$"#).expect("the expression is a constant")
});

/// A value that is written out below `data` or `stringData`, and is no action of a template.
static VALUE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?m)^["']?(?:data|stringData)["']?[ \t]*:[ \t]*(?:#.*)?\r?\n(?:[ \t]+.*\r?\n|[ \t]*\r?\n|#.*\n)*?[ \t]+["']?[-._A-Za-z0-9]+["']?[ \t]*:[ \t]+(?:[^\s#{|>&*!]|\{[^{]|[|>][-+0-9]*[ \t]*\r?\n[ \t]+[^\s{])[^\n{]*(?:\n|$)"#,
    )
    .expect("the expression is a constant")
});

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
        Some("Secret") => holds_value(root),
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

/// True when something plain stands below `data` or `stringData`, or in their place, which the API server refuses and everybody can read.
fn holds_value(secret: &Container) -> bool {
    let is_plain = |leaf: &Leaf| !leaf.value.bytes().expose().is_empty() && !leaf.value.bytes().expose().starts_with(SEALED);
    ["data", "stringData"].iter().any(|key| match secret.at(&steps(&[key])) {
        Some(Found::Container(values)) => values.children().any(|child| match &child.node {
            Tree::Leaf(leaf) => is_plain(leaf),
            Tree::Container(_) => true,
        }),
        Some(Found::Leaf(leaf)) => is_plain(leaf),
        None => false,
    })
}

/// Where a Secret with a value begins: here, or anywhere below (`List` in `List`, `items`, `objects` of a template, what a merge key names).
/// `of_secrets` is within a `SecretList`, whose items need not say what they are.
fn find_secret(tree: &Container, of_secrets: bool) -> Option<usize> {
    let kind = if tree.list { None } else { tree.scalar_at("kind") };
    let kind = kind.as_ref().and_then(|leaf| leaf.value.as_str());
    if !tree.list && (kind == Some("Secret") || of_secrets && kind.is_none()) && holds_value(tree) {
        return Some(tree.span.start);
    }
    let of_secrets = if tree.list { of_secrets } else { kind == Some("SecretList") };
    tree.children().find_map(|child| match &child.node {
        Tree::Container(inner) => find_secret(inner, of_secrets && (tree.list || inner.list)),
        Tree::Leaf(_) => None,
    })
}

/// The line of the first Secret with a value in it, in whatever format: YAML in any style and of several documents, JSON of several objects,
/// lists in lists, UTF-16 and other text than UTF-8. Nothing for a text that is neither, such as a template, unless `is_manifest`, by its
/// name, and the lines of a Secret stand in it with a value written out.
pub fn plain_secret(bytes: &[u8], is_manifest: bool) -> Option<usize> {
    let is_wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if !is_wide && !WORTH_A_LOOK.is_match(bytes) {
        return None;
    }
    let text = text_of(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.trim_start().starts_with(['{', '['])
        && let Ok(found) = json::values(text)
    {
        return found.iter().find_map(|tree| find_secret(tree, false)).map(|at| line_of(text, at));
    }
    if let Ok(parsed) = yaml::parse(text) {
        return parsed.documents.iter().find_map(|document| find_secret(document, false)).map(|at| line_of(text, at));
    }
    // One document that cannot be read must not hide another.
    let mut from = 0;
    let starts = text.match_indices("\n---").map(|(at, _)| at + 1).chain([text.len()]);
    starts.into_iter().find_map(|to| {
        let piece = &text[from..to];
        let found = in_piece(piece, is_manifest).map(|at| line_of(text, from + at));
        from = to;
        found
    })
}

fn in_piece(piece: &str, is_manifest: bool) -> Option<usize> {
    match yaml::parse(piece) {
        Ok(parsed) => parsed.documents.iter().find_map(|document| find_secret(document, false)),
        Err(_) => is_manifest.then(|| by_lines(piece)).flatten(),
    }
}

/// By its lines, for a text that does not parse.
fn by_lines(text: &str) -> Option<usize> {
    let found = KIND.captures(text)?;
    let (kind, indent) = (found.get(0)?, found.get(1)?.as_str());
    // As it would stand without the indentation. Elsewhere than in a template that is an example in a text.
    if !indent.is_empty() && !text.contains("{{") {
        return None;
    }
    let lines = text.lines().map(|line| line.strip_prefix(indent).unwrap_or(line));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    VALUE.find(&text).map(|_| kind.start() + indent.len())
}

/// Editors and shells of Windows write UTF-16.
pub(crate) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |from: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| from([pair[0], pair[1]])).collect();
        Cow::Owned(String::from_utf16_lossy(&units))
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes),
    }
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
        let found = |text: &str| plain_secret(text.as_bytes(), true);
        assert_eq!(found(TWO), Some(2));
        for (text, line) in [
            ("kind: List\nitems:\n- kind: Secret\n  data: {a: YQ==}\n", 3),
            ("{\"kind\": \"Secret\", \"data\": {\"a\": \"YQ==\"}}\n", 1),
            ("{\"a\": 1}\n{\n\t\"data\": {\"a\": \"YQ==\"},\n\t\"kind\": \"Secret\"\n}\n", 2),
            ("{\"k\\u0069nd\": \"\\u0053ecret\", \"stringData\": {\"a\": \"b\"}}", 1),
            ("[{\"kind\":\"Secret\",\"data\":{\"a\":\"YQ==\"}}]", 1),
            ("{\"kind\":\"List\",\"items\":[{\"kind\":\"List\",\n\"items\":[\n{\"kind\":\"Secret\",\"data\":{\"a\":\"YQ==\"}}]}]}", 3),
            ("{\"kind\":\"SecretList\",\"items\":[{\"data\":{\"a\":\"YQ==\"}}]}", 1),
            ("kind: SecretList\nitems:\n- data:\n    a: YQ==\n", 3),
            ("kind: Template\nobjects:\n- apiVersion: v1\n  kind: Secret\n  stringData:\n    a: b\n", 3),
            ("{apiVersion: v1, kind: Secret, stringData: {a: b}}\n", 1),
            ("stringData: {a: b}\nkind: 'Secret'\n", 1),
            ("\u{feff}kind: Secret\nstringData:\n  a: b\n", 1),
            ("kind:\tSecret\nstringData:\n  a:\tb\n", 1),
            ("{\n\tkind: Secret,\n\tstringData: {\n\t\ta: b\n\t}\n}\n", 1),
            ("x: &s Secret\nkind: *s\ndata: {a: YQ==}\n", 1),
            ("a: 1\n---\n{\"kind\": \"Secret\", \"data\": {\"a\": \"YQ==\"}}\n", 3),
            ("a: {{ .x }}\n---\nkind: Secret\ndata:\n  a: YQ==\n", 3),
            ("kind: Secret\ndata:\n  a: YQ==\n  a: YQ==\n", 1),
            ("kind: Secret\nmetadata: {{ .x }}\nstringData:\n\n  # c\n  t: {{ .y }}\n  pass: hunter2\n", 1),
            ("kind: Secret\nmetadata: {{ .x }}\nstringData:\n  pass: |\n    hunter2\n", 1),
            ("kind: Secret\r\nstringData:\r\n  a: b\r\n", 1),
            ("kind: \"S\\u0065cret\"\nstringData: {a: b}\n", 1),
            ("kind: Secret\nstringData: hunter2\n", 1),
            ("kind: \"\\x53ecret\"\nstringData: {a: b}\n", 1),
            ("a: &x {kind: Secret, stringData: {a: b}}\n<<: *x\n", 1),
            ("kind: Object\nspec:\n  manifest:\n    kind: Secret\n    data: {a: YQ==}\n", 4),
            ("{{- if .x }}\n  kind: Secret\n  stringData:\n    a: hunter2\n{{- end }}\n", 2),
        ] {
            assert_eq!(found(text), Some(line), "{text}");
        }
        let wide: Vec<u8> = "\u{feff}kind: Secret\r\nstringData:\r\n  a: b\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(plain_secret(&wide, false), Some(1));
        assert_eq!(plain_secret(b"# caf\xe9\nkind: Secret\nstringData:\n  a: b\n", false), Some(2));
        // An example in a text is none.
        let readme = b"# How\n```yaml\nkind: Secret\nstringData:\n  a: b\n```\n\"";
        assert_eq!((plain_secret(readme, false), plain_secret(readme, true)), (None, Some(3)));
        for none in [
            "kind: Secret\ndata: {}\n",
            "kind: Secret\nstringData: {k: ''}\n",
            "kind: Secret\nstringData: {k: ~}\n",
            "kind: Secret\ndata: {{ .x }}\n",
            "kind: Secret\ndata:\n  a: {{ .x | b64enc }}\n  b: \"{{ .y }}\"\n  c: |\n    {{ .z }}\n",
            "kind: SealedSecret\nspec: {{ .x }}\ndata:\n  a: b\n",
            "kind: Secret\ndata:\n  a: ENC[AES256_GCM,data:x]\n",
            "kind: ConfigMap\ndata:\n  a: 'kind: Secret'\n",
            "kind: Policy\nspec:\n  generate: {kind: Secret, name: x}\n",
            "{\"kind\": \"ConfigMap\", \"data\": {\"kind\": \"Secret\"}}",
            "a: b\n",
            "kind: [\n",
            "# How to\n\nWrite `kind: Secret` with stringData:\n\n    kind: Secret\n    stringData:\n      a: b\n",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
