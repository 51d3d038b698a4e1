//! Values that are encrypted: what stands for them in manifests until the last moment, and how they are filled in then. What stands for a value is made
//! of its ciphertext, so that a changed value is a changed manifest, and nobody needs a key to see that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use kubestead_core::diagnostic::{Diagnostic, Place, Severity};
use kubestead_core::kube::ObjectRef;
use kubestead_core::put::digest;
use kubestead_core::secret::Secret;
use kubestead_secrets::Escrow;
use kubestead_secrets::sops::{Entry, Format, KeyPath, Kind, Outline, Step};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::file::{Manifests, SealedVariable};
use crate::secret::{self, Keys, MOST_BYTES};

/// How what stands for a value begins.
const MARK: &str = "kubestead-sealed-";

/// An encrypted value, and where it is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedValue {
    /// The file, absolute.
    pub file: PathBuf,
    /// The keys that lead to it.
    pub key: Vec<String>,
    /// sha256 of its ciphertext.
    pub digest: String,
}

/// Encrypted values by what stands for each in manifests.
pub type Sealed = BTreeMap<String, SealedValue>;

/// The values that were opened, by what stands for each.
pub(super) type Opened = BTreeMap<String, Secret>;

/// What stands for the variables of a service, by name, and what that is. What is wrong with a file is told; no key is needed.
pub(super) fn read(
    variables: &BTreeMap<String, SealedVariable>,
    shown: &dyn Fn(&Path) -> String,
    out: &mut Vec<Diagnostic>,
) -> (BTreeMap<String, String>, Sealed) {
    let (mut names, mut sealed, mut files) = (BTreeMap::new(), Sealed::new(), BTreeMap::new());
    for (name, SealedVariable { file, key }) in variables {
        let outline = files.entry(file).or_insert_with(|| outline(file, &shown(file), out));
        let found = outline.as_ref().and_then(|outline| ciphertext(outline, &shown(file), key, out));
        let digest = found.map(digest).unwrap_or_default();
        // What could not be read is told, and not told again wherever it is named.
        let mark = format!("{MARK}{name}-{}", digest.chars().take(16).collect::<String>());
        names.insert(name.clone(), mark.clone());
        sealed.insert(mark, SealedValue { file: file.clone(), key: key.clone(), digest });
    }
    (names, sealed)
}

fn wrong(out: &mut Vec<Diagnostic>, place: Place, message: String, hint: &str) {
    out.push(Diagnostic { place, severity: Severity::Error, message, hint: Some(hint.to_owned()) });
}

fn outline(file: &Path, shown: &str, out: &mut Vec<Diagnostic>) -> Option<Outline> {
    let begin = Place { file: shown.to_owned(), line: 1, column: 1 };
    let link = std::fs::symlink_metadata(file).is_ok_and(|data| data.is_symlink());
    let hint = "see `secrets` of the service in the cluster file";
    if link {
        wrong(out, begin, "it is a symbolic link, and links are not followed here".to_owned(), "put the file itself there");
        return None;
    }
    let outline = match crate::file::bounded(file) {
        Ok(text) => Outline::read(file, text.as_bytes()).map_err(|error| error.to_string()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    };
    match outline {
        Ok(outline) if !outline.is_encrypted() => {
            wrong(out, begin, "it is not encrypted".to_owned(), "encrypt it with sops before it gets into git");
            None
        }
        Ok(outline) => Some(outline),
        Err(message) => {
            wrong(out, begin, message, hint);
            None
        }
    }
}

/// A value as it stands in the file, where that is one that can be taken.
fn ciphertext(outline: &Outline, shown: &str, key: &[String], out: &mut Vec<Diagnostic>) -> Option<String> {
    let found = outline.entries().iter().find(|entry| is_at(entry, key));
    let place = |entry: Option<&Entry>| Place {
        file: shown.to_owned(),
        line: entry.map_or(1, |entry| entry.line as u64),
        column: entry.map_or(1, |entry| entry.column as u64),
    };
    let name = key.join(".");
    let why = match found {
        None => Some(("is no value of this file", "see `key` of the variable in the cluster file")),
        Some(entry) => match entry.sealed().map(|sealed| sealed.kind) {
            Some(Kind::Text | Kind::Bytes) => None,
            Some(_) => Some(("is no text", "write it in quotes before it is encrypted")),
            None if entry.looks_sealed() => Some(("is cut short, or of another cipher", "get the whole file from git again")),
            None => Some(("is not encrypted", "let the rules of sops cover it, and change the value if it is in git already")),
        },
    };
    if let Some((why, hint)) = why {
        wrong(out, place(found), format!("{name} {why}"), hint);
        return None;
    }
    found.and_then(|entry| entry.written.as_str()).map(str::to_owned)
}

fn is_at(entry: &Entry, key: &[String]) -> bool {
    let steps = entry.path.steps();
    entry.path.document() == 0 && steps.len() == key.len() && steps.iter().zip(key).all(|(step, key)| *step == Step::Key(key.clone()))
}

/// Whether something in a text stands for an encrypted value.
pub(super) fn holds(text: &str, sealed: &Sealed) -> bool {
    text.contains(MARK) && sealed.keys().any(|mark| text.contains(mark.as_str()))
}

/// [`MARK`] in base64, and in base64 of that.
static BURIED: LazyLock<Vec<String>> = LazyLock::new(|| {
    let once = encoded(MARK);
    once.iter().flat_map(|text| encoded(text)).chain(once.clone()).collect()
});

/// What a text becomes in base64, whatever stands around it: one for each place in a group of three bytes, without what others have a part in.
fn encoded(text: &str) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let all = STANDARD_NO_PAD.encode([&b"  "[..before], text.as_bytes()].concat());
        all[(before * 8).div_ceil(6)..(before + text.len()) * 8 / 6].to_owned()
    })
}

/// Whether something that stands for an encrypted value is in a text in base64, where it is not replaced.
pub(super) fn buried(text: &str) -> bool {
    // Long base64 may be in lines.
    let text: String = text.split_whitespace().collect();
    BURIED.iter().any(|mark| text.contains(mark.as_str()))
}

/// Whether an object may hold encrypted values.
pub(super) fn is_secret(object: &ObjectRef) -> bool {
    object.kind == "Secret" && object.api_version == "v1"
}

/// Those of some values that manifests name.
pub(super) fn of<'a>(sealed: &Sealed, manifests: impl IntoIterator<Item = &'a Value>) -> Sealed {
    let secrets = manifests.into_iter().filter(|manifest| is_secret(&ObjectRef::of(manifest)));
    let texts: Vec<&str> =
        secrets.flat_map(|manifest| manifest["data"].as_object().into_iter().flat_map(Map::values)).filter_map(Value::as_str).collect();
    sealed
        .iter()
        .filter(|(mark, _)| texts.iter().any(|text| text.contains(mark.as_str())))
        .map(|(mark, value)| (mark.clone(), value.clone()))
        .collect()
}

/// The values that services name and that can be opened here, and how many cannot be. For taking them out of texts: nothing else is to see them.
pub async fn values_here(services: &[Manifests], escrow: &Escrow, keys: &Keys) -> (Vec<Secret>, usize) {
    let (mut found, mut closed) = (Vec::new(), 0);
    for service in services {
        // What a manifest does not name now, it may have named before.
        let (_, sealed) = read(&service.secrets, &|path| path.display().to_string(), &mut Vec::new());
        for (mark, value) in sealed {
            match open(&Sealed::from([(mark, value)]), escrow, keys).await {
                Ok(opened) => found.extend(opened.into_values()),
                Err(_) => closed += 1,
            }
        }
    }
    (found, closed)
}

/// Opens values, each file once. What changed since the plan was made is refused.
pub(super) async fn open(sealed: &Sealed, escrow: &Escrow, keys: &Keys) -> Result<Opened, secret::Error> {
    if sealed.is_empty() {
        return Ok(Opened::new());
    }
    let (keys, sealed) = (keys.get(escrow)?, sealed.clone());
    let task = |why: String| secret::Error::Task { file: "files of sops".to_owned(), why };
    // A key in gpg or on a card may keep the thread waiting.
    let opened = tokio::task::spawn_blocking(move || {
        let files: BTreeSet<&PathBuf> = sealed.values().map(|value| &value.file).collect();
        let mut opened = Opened::new();
        for file in files {
            let shown = file.display().to_string();
            let changed = || secret::Error::FileChanged { file: shown.clone() };
            let bytes = crate::file::bounded(file).map_err(|_| changed())?.into_bytes();
            let outline = Outline::read(file, &bytes)?;
            let document = keys.open(file, Format::found(file, &bytes), &bytes)?;
            for (mark, SealedValue { key, digest: planned, .. }) in sealed.iter().filter(|(_, value)| value.file == *file) {
                let now = ciphertext(&outline, &shown, key, &mut Vec::new()).map(digest);
                let path = key.iter().fold(KeyPath::default(), |path, key| path.key(key.as_str()));
                let value = document.get(path).filter(|_| now.as_ref() == Some(planned)).ok_or_else(changed)?;
                if value.bytes().expose().starts_with(b"ENC[") {
                    let (key, why) = (key.join("."), "is still encrypted when it is decrypted: it was encrypted twice");
                    return Err(secret::Error::Value { file: shown, secret: mark.clone(), key, why });
                }
                opened.insert(mark.clone(), value.bytes().clone());
            }
        }
        Ok(opened)
    });
    opened.await.map_err(|error| task(error.to_string()))?
}

/// A manifest as the API takes it: with the values of a Secret in it. Any other one is as it is.
pub(super) fn filled(manifest: &Value, opened: &Opened) -> Result<Value, secret::Error> {
    let object = ObjectRef::of(manifest);
    let mut filled = manifest.clone();
    let data = filled.get_mut("data").and_then(Value::as_object_mut).filter(|_| is_secret(&object));
    let mut bytes = 0;
    for text in data.into_iter().flat_map(Map::values_mut) {
        let whole =
            opened.iter().fold(text.as_str().unwrap_or_default().as_bytes().to_vec(), |text, (mark, value)| replaced(&text, mark, value));
        bytes += whole.len();
        *text = STANDARD.encode(whole).into();
    }
    if bytes > MOST_BYTES {
        return Err(secret::Error::TooBig { file: "its files".to_owned(), secret: secret::owner(&object.namespace, &object.name), bytes });
    }
    Ok(filled)
}

fn replaced(text: &[u8], mark: &str, value: &Secret) -> Vec<u8> {
    let mut found = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark.as_bytes()) {
        found.extend_from_slice(&rest[..at]);
        found.extend_from_slice(value.expose());
        rest = &rest[at + mark.len()..];
    }
    found.extend_from_slice(rest);
    found
}

/// The words of others without any value: the API server and its webhooks may quote what they refuse. A value stands in what was sent on its own or
/// with more around it, so the whole texts are looked for too.
pub(super) fn redacted(words: String, filled: &Value, opened: &Opened) -> String {
    let whole = filled["data"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_str);
    secret::redacted(words, opened.values(), whole.filter(|_| !opened.is_empty()))
}
