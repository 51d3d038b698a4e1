//! From what can be seen of a file to the Secrets that it asks for, or what is wrong with them. Values are never part of a message.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::{Diagnostic, Place, Severity};
use kubestead_core::kube::FIELD_MANAGER;
use kubestead_core::name::Name;
use kubestead_secrets::sops::{Entry, Kind, Outline, Step};

use super::spec::{DIGEST, MOST_BYTES, OPAQUE, SecretSpec};
use crate::objects::MANAGED_BY;

/// The types that Kubernetes knows, and the keys that each must have: one of the listed sets.
const TYPES: [(&str, &[&[&str]]); 6] = [
    (OPAQUE, &[&[]]),
    ("kubernetes.io/basic-auth", &[&["username"], &["password"]]),
    ("kubernetes.io/dockercfg", &[&[".dockercfg"]]),
    ("kubernetes.io/dockerconfigjson", &[&[".dockerconfigjson"]]),
    ("kubernetes.io/ssh-auth", &[&["ssh-privatekey"]]),
    ("kubernetes.io/tls", &[&["tls.crt", "tls.key"]]),
];
/// Types that controllers of Kubernetes own.
const REFUSED: [(&str, &str); 2] = [
    ("kubernetes.io/service-account-token", "the cluster makes these itself; ask for a token with `kubectl create token`"),
    ("bootstrap.kubernetes.io/token", "a token that lets a machine into the cluster is made when one joins, and deleted after it"),
];
const FIELDS: [&str; 7] = ["apiVersion", "kind", "metadata", "type", "immutable", "data", "stringData"];
const META: [&str; 5] = ["name", "namespace", "labels", "annotations", "creationTimestamp"];

/// A Secret with its place.
pub(super) struct Found {
    pub(super) spec: SecretSpec,
    pub(super) place: Place,
    /// Which document of the file it is, from 0.
    pub(super) document: usize,
}

/// The Secrets of a file. `file` is its name in the folder, `shown` the name in messages.
pub(super) fn secrets(file: &str, shown: &str, outline: &Outline, out: &mut Vec<Diagnostic>) -> Vec<Found> {
    let mut documents: BTreeMap<usize, Vec<&Entry>> = BTreeMap::new();
    for entry in outline.entries() {
        documents.entry(entry.path.document()).or_default().push(entry);
    }
    let mut secrets = Vec::new();
    for (number, entries) in documents {
        let document =
            Document { shown, encrypted: outline.is_encrypted(), covered: outline.covers_clear(), number, entries, found: Vec::new() };
        let (found, findings) = document.read(file);
        secrets.extend(found);
        out.extend(findings);
    }
    secrets
}

fn keys_of(entry: &Entry) -> Vec<&str> {
    entry
        .path
        .steps()
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.as_str(),
            Step::Index(_) => "[]",
        })
        .collect()
}

struct Document<'a> {
    shown: &'a str,
    encrypted: bool,
    covered: bool,
    number: usize,
    entries: Vec<&'a Entry>,
    found: Vec<Diagnostic>,
}

impl<'a> Document<'a> {
    fn read(mut self, file: &str) -> (Option<Found>, Vec<Diagnostic>) {
        let first = |keys: &[&str]| self.entries.iter().find(|e| keys_of(e).starts_with(keys)).copied();
        let kind = self.entries.iter().find(|e| keys_of(e) == ["kind"]).copied();
        let values = first(&["data"]).or_else(|| first(&["stringData"]));
        let Some(kind) = kind else { return (None, Vec::new()) };
        if kind.looks_sealed() && values.is_some() {
            let hint = "encrypt it with `encrypted_regex: ^(data|stringData)$`, so that its names can be read without a key";
            self.error(kind, "its kind is encrypted, so nobody sees whether it is a Secret, and of what name", Some(hint));
            return (None, self.found);
        }
        if kind.written.as_str() != Some("Secret") {
            return (None, Vec::new());
        }
        if !self.encrypted {
            match self.entries.iter().copied().find(|e| e.looks_sealed()) {
                Some(sealed) => {
                    let hint = "get the whole file from git again; encrypted values without their `sops` block cannot be opened";
                    self.error(sealed, "an encrypted value, and the file has no `sops` block", Some(hint));
                }
                None => self.error(
                    values.unwrap_or(kind),
                    "a Secret that is not encrypted",
                    Some("encrypt it with sops before it gets into git; if it is there already, change its values"),
                ),
            }
            return (None, self.found);
        }
        if !self.covered {
            let hint = "encrypt it without `mac_only_encrypted`";
            self.error(
                kind,
                "its MAC does not cover its name and namespace, so that anybody could move its values to another one",
                Some(hint),
            );
        }
        let spec = self.spec(file, kind);
        let place = self.place(kind);
        let document = self.number;
        (spec.map(|spec| Found { spec, place, document }).filter(|_| self.found.is_empty()), self.found)
    }

    fn place(&self, entry: &Entry) -> Place {
        Place { file: self.shown.to_owned(), line: entry.line as u64, column: entry.column as u64 }
    }

    fn error(&mut self, entry: &Entry, message: impl Into<String>, hint: Option<&str>) {
        let place = self.place(entry);
        self.found.push(Diagnostic { place, severity: Severity::Error, message: message.into(), hint: hint.map(str::to_owned) });
    }

    /// A text that stands in the clear.
    fn text(&mut self, keys: &[&str]) -> Option<(&'a Entry, String)> {
        let entry = self.entries.iter().copied().find(|e| keys_of(e) == keys)?;
        let what = keys.join(".");
        if entry.looks_sealed() {
            let hint = "encrypt the file with `encrypted_regex: ^(data|stringData)$`";
            self.error(entry, format!("{what} is encrypted, and it is needed in the clear"), Some(hint));
            return None;
        }
        match (entry.written.kind(), entry.written.as_str()) {
            (Kind::Text, Some(text)) if !text.is_empty() => Some((entry, text.to_owned())),
            _ => {
                self.error(entry, format!("{what} must be a string"), Some("write it in quotes"));
                None
            }
        }
    }

    fn required(&mut self, keys: &[&str], kind: &Entry, hint: &str) -> Option<(&'a Entry, String)> {
        if !self.entries.iter().any(|e| keys_of(e) == keys) {
            self.error(kind, format!("the Secret has no {}", keys.join(".")), Some(hint));
            return None;
        }
        self.text(keys)
    }

    fn spec(&mut self, file: &str, kind: &Entry) -> Option<SecretSpec> {
        self.fields();
        if let Some((entry, version)) = self.required(&["apiVersion"], kind, "write `apiVersion: v1`")
            && version != "v1"
        {
            self.error(entry, format!("the apiVersion of a Secret is v1, and this is {version:?}"), None);
        }
        let name = self.required(&["metadata", "name"], kind, "give it one");
        if let Some((entry, name)) = &name
            && !(name.len() <= 253 && name.split('.').all(|label| Name::new(label).is_ok()))
        {
            self.error(entry, format!("{name:?} is no name of a Secret: words of a-z, 0-9 and '-' with dots between them"), None);
        }
        let namespace = self.required(&["metadata", "namespace"], kind, "name the one that it shall be in, such as `default`");
        if let Some((entry, namespace)) = &namespace
            && let Err(error) = Name::new(namespace.as_str())
        {
            self.error(entry, error.to_string(), None);
        }
        let (labels, annotations) = (self.map("labels"), self.map("annotations"));
        let immutable = self.immutable();
        let sealed = self.values();
        let keys: BTreeSet<String> = sealed.keys().cloned().collect();
        let secret_type = self.secret_type(&keys);
        let (name, namespace) = (name?.1, namespace?.1);
        let digest = String::new();
        let spec = SecretSpec { file: file.to_owned(), namespace, name, kind: secret_type?, immutable, labels, annotations, keys, digest };
        Some(SecretSpec { digest: spec.digest_of(&sealed), ..spec })
    }

    /// Reports what a Secret does not have.
    fn fields(&mut self) {
        let mut told: BTreeSet<String> = BTreeSet::new();
        for entry in self.entries.clone() {
            let keys = keys_of(entry);
            let (what, known): (String, bool) = match keys.as_slice() {
                ["metadata"] => ("metadata".to_owned(), false),
                ["metadata", field, ..] => (format!("metadata.{field}"), META.contains(field)),
                [field, ..] => ((*field).to_owned(), FIELDS.contains(field)),
                [] => continue,
            };
            let stamp = what == "metadata.creationTimestamp" && entry.written.kind() != Kind::Null;
            if (!known || stamp) && told.insert(what.clone()) {
                let hint = format!("known here: {}; in metadata {}", FIELDS.join(", "), META[..4].join(", "));
                self.error(entry, format!("a Secret in a file has no {what}"), Some(&hint));
            }
        }
    }

    fn map(&mut self, field: &str) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        for entry in self.entries.clone() {
            match keys_of(entry).as_slice() {
                ["metadata", found, key] if *found == field => {
                    if *key == MANAGED_BY || *key == DIGEST {
                        self.error(entry, format!("{key} is set by {FIELD_MANAGER} itself"), Some("leave it out"));
                    } else if entry.written.kind() != Kind::Text {
                        self.error(entry, format!("metadata.{field}.{key} must be a string"), Some("write it in quotes"));
                    } else if entry.looks_sealed() {
                        self.error(entry, format!("metadata.{field}.{key} is encrypted, and it is needed in the clear"), None);
                    } else {
                        map.insert((*key).to_owned(), entry.written.as_str().unwrap_or_default().to_owned());
                    }
                }
                ["metadata", found] if *found == field && entry.written.kind() == Kind::Null => {}
                ["metadata", found, ..] if *found == field => {
                    self.error(entry, format!("metadata.{field} must be a map of texts"), None);
                }
                _ => {}
            }
        }
        map
    }

    fn immutable(&mut self) -> bool {
        let Some(entry) = self.entries.iter().copied().find(|e| keys_of(e).first() == Some(&"immutable")) else { return false };
        let truth = entry.written.as_bool().filter(|_| entry.path.steps().len() == 1);
        if truth.is_none() {
            self.error(entry, "immutable must be true or false, in the clear", None);
        }
        truth.unwrap_or_default()
    }

    fn secret_type(&mut self, keys: &BTreeSet<String>) -> Option<String> {
        let Some(entry) = self.entries.iter().copied().find(|e| keys_of(e).first() == Some(&"type")) else {
            return Some(OPAQUE.to_owned());
        };
        let (_, text) = self.text(&["type"]).or_else(|| {
            if entry.path.steps().len() > 1 {
                self.error(entry, "type must be a string", None);
            }
            None
        })?;
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == text) {
            self.error(entry, format!("Secrets of type {text} are not taken from files"), Some(why));
            return None;
        }
        match TYPES.iter().find(|(known, _)| *known == text) {
            Some((_, sets)) if sets.iter().any(|set| set.iter().all(|key| keys.contains(*key))) => {}
            Some((_, sets)) => {
                let wanted: Vec<String> = sets.iter().map(|set| set.join(" and ")).collect();
                self.error(entry, format!("a Secret of type {text} needs the keys {}", wanted.join(", or ")), None);
            }
            None if text.starts_with("kubernetes.io/") || text.contains(char::is_whitespace) => {
                let known: Vec<&str> = TYPES.iter().map(|(known, _)| *known).collect();
                self.error(entry, format!("{text:?} is no type of a Secret"), Some(&format!("known: {}", known.join(", "))));
            }
            None => {}
        }
        Some(text)
    }

    /// The values as they are written, by key, with the field that they stand in.
    fn values(&mut self) -> BTreeMap<String, (&'a str, &'a str)> {
        let mut sealed: BTreeMap<String, (&'a str, &'a str)> = BTreeMap::new();
        let mut bytes = 0;
        for entry in self.entries.clone() {
            let (field, key) = match keys_of(entry).as_slice() {
                [field @ ("data" | "stringData"), key] => (*field, *key),
                ["data" | "stringData"] if entry.written.kind() == Kind::Null => continue,
                [field @ ("data" | "stringData"), ..] => {
                    self.error(entry, format!("{field} must be a map of texts"), None);
                    continue;
                }
                _ => continue,
            };
            if !is_key(key) {
                self.error(entry, format!("{key:?} is no key of a Secret: letters, digits, '-', '_' and '.', 253 at most"), None);
            }
            let text = entry.written.as_str().unwrap_or_default();
            match entry.sealed() {
                Some(value) if value.kind == Kind::Text || value.kind == Kind::Bytes => {
                    // At least: base64 is longer by a third, two bytes of filling, and the ends of its lines.
                    bytes += if field == "data" { (value.length / 65 * 64 / 4 * 3).saturating_sub(2) } else { value.length };
                }
                Some(_) => self.error(entry, format!("{field}.{key} is no text"), Some("write it in quotes before it is encrypted")),
                None if entry.looks_sealed() => self.error(entry, format!("{field}.{key} is cut short, or of another cipher"), None),
                None if entry.written.kind() == Kind::Text && text.is_empty() => {}
                None => {
                    let hint = "encrypt the file with `encrypted_regex: ^(data|stringData)$`, and change the value if it is in git already";
                    self.error(entry, format!("{field}.{key} is not encrypted"), Some(hint));
                }
            }
            if sealed.insert(key.to_owned(), (field, text)).is_some() {
                self.error(entry, format!("{key} is in data and in stringData"), Some("keep one of them"));
            }
        }
        if bytes > MOST_BYTES
            && let Some(entry) = self.entries.iter().copied().find(|e| matches!(keys_of(e).first(), Some(&("data" | "stringData"))))
        {
            let hint = "a Secret is no place for files: use a volume, or several Secrets";
            self.error(entry, format!("its values have {bytes} bytes, and Kubernetes takes {MOST_BYTES}"), Some(hint));
        }
        sealed
    }
}

/// The rule of `IsConfigMapKey` of Kubernetes.
fn is_key(key: &str) -> bool {
    let known = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    !key.is_empty() && key.len() <= 253 && key.bytes().all(known) && key != "." && !key.starts_with("..")
}
