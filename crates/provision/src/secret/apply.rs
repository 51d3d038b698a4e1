//! One action: open the file, look at the object once more, act, and look at what the API answers. Values are in memory only.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::kube::{FIELD_MANAGER, Guarded, KubeError};
use kubestead_core::outcome::Done;
use kubestead_core::secret::Secret;
use kubestead_secrets::Escrow;
use kubestead_secrets::sops::{self, Format, Kind, Outline};
use serde_json::{Map, Value, json};

use super::action::{Action, Expected};
use super::decode;
use super::error::Error;
use super::identity::{Keys, Opened};
use super::observe::{Live, live};
use super::spec::{DIGEST, MOST_BYTES, SecretSpec, SecretsWanted, object, owner};
use super::state::{State, judge};
use super::words::redacted;
use crate::objects::{LAST_APPLIED, MANAGED_BY};

/// The values of a Secret, by key.
type Values = BTreeMap<String, Secret>;

/// Carries an action out. `folder` is the folder of secrets. No error holds a value.
pub async fn apply(action: &Action, folder: &Path, escrow: &Escrow, keys: &Keys, kube: &dyn Guarded) -> Result<Done, Error> {
    match action {
        Action::Apply { secret, on } => {
            let values = open(secret, folder, keys.get(escrow)?).await?;
            put(secret, on, &values, kube).await.map_err(|error| error.with_words(|words| redacted(words, values.values(), None)))
        }
        Action::Delete { namespace, name, uid } => delete(namespace, name, uid, kube).await,
    }
}

/// The values of all Secrets whose files can be opened here, and how many could not be. For taking them out of texts: nothing else is to see them.
pub async fn values_here(wanted: &SecretsWanted, folder: &Path, escrow: &Escrow, keys: &Keys) -> (Vec<Secret>, usize) {
    let (mut found, mut closed) = (Vec::new(), 0);
    for secret in &wanted.secrets {
        let opened = match keys.get(escrow) {
            Ok(keys) => open(secret, folder, keys).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(values) => found.extend(values.into_values()),
            Err(_) => closed += 1,
        }
    }
    (found, closed)
}

/// Opens the file, if it still asks for what was planned.
async fn open(secret: &SecretSpec, folder: &Path, keys: Arc<Opened>) -> Result<Values, Error> {
    let (spec, path) = (secret.clone(), folder.join(&secret.file));
    // A key in gpg or on a card may keep the thread waiting.
    let opened = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(&path).map_err(|source| sops::Error::File { what: "read", path: path.clone(), source })?;
        let outline = Outline::read(&path, &bytes)?;
        let found = decode::secrets(&spec.file, &spec.file, &outline, &mut Vec::new()).into_iter().find(|f| f.spec == spec);
        let document = found.ok_or_else(|| Error::FileChanged { file: spec.file.clone() })?.document;
        let opened = keys.open(&path, Format::found(&path, &bytes), &bytes)?;
        values(&spec, document, &opened)
    });
    opened.await.map_err(|e| Error::Task { file: secret.file.clone(), why: e.to_string() })?
}

fn values(spec: &SecretSpec, document: usize, opened: &sops::Document) -> Result<Values, Error> {
    let mut values = Values::new();
    for key in &spec.keys {
        let wrong = |why| Error::Value { file: spec.file.clone(), secret: spec.owner(), key: key.clone(), why };
        let at = |field: &str| opened.get(sops::KeyPath::from([field, key]).in_document(document));
        let (value, plain) = match (at("stringData"), at("data")) {
            (Some(value), _) => (value, true),
            (None, Some(value)) => (value, false),
            (None, None) => return Err(wrong("is not there")),
        };
        if !matches!(value.kind(), Kind::Text | Kind::Bytes) {
            return Err(wrong("is no text"));
        }
        let bytes = if plain {
            value.bytes().clone()
        } else {
            // As Go reads base64 in JSON: ends of lines do not count.
            let text: Vec<u8> = value.bytes().expose().iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
            let decoded = STANDARD.decode(Secret::new(text).expose());
            Secret::new(decoded.map_err(|_| wrong("stands in `data` and is no base64; write it as it is below `stringData`"))?)
        };
        if [value.bytes(), &bytes].iter().any(|bytes| bytes.expose().starts_with(b"ENC[")) {
            return Err(wrong("is still encrypted when it is decrypted: it was encrypted twice"));
        }
        values.insert(key.clone(), bytes);
    }
    let bytes = values.values().map(|value| value.expose().len()).sum();
    if bytes > MOST_BYTES {
        return Err(Error::TooBig { file: spec.file.clone(), secret: spec.owner(), bytes });
    }
    Ok(values)
}

/// Guard, act, verify.
async fn put(secret: &SecretSpec, on: &Expected, values: &Values, kube: &dyn Guarded) -> Result<Done, Error> {
    let reference = secret.object();
    let now = kube.metadata(&reference).await?;
    let mut version = now.as_ref().and_then(|object| object["metadata"]["resourceVersion"].as_str().map(str::to_owned));
    let ours = now.as_ref().and_then(live);
    if let Some(found) = &ours
        && judge(secret, found, None) == State::InSync
        && !matches!(on, Expected::Fixed { .. })
    {
        return Ok(Done::Already);
    }
    let force = fits(secret, on, now.is_some(), ours.as_ref())?;
    if let Expected::Fixed { uid } = on {
        kube.delete_exactly(&reference, uid, &version.take().unwrap_or_default()).await?;
    }
    let answer = kube.apply_guarded(&manifest(secret, values, version.as_deref()), force).await?;
    let answer = if answer["metadata"]["annotations"][LAST_APPLIED].is_null() {
        answer
    } else {
        kube.annotate(&reference, LAST_APPLIED, None).await?
    };
    match live(&answer).map(|found| judge(secret, &found, None)) {
        Some(State::InSync) => Ok(Done::Changed),
        Some(state) => Err(Error::NotAsAsked { secret: secret.owner(), found: describe(&state) }),
        None => Err(Error::NotAsAsked { secret: secret.owner(), found: "it does not carry our label".to_owned() }),
    }
}

/// Whether the object is still what the plan was made on; the answer is whether values of others are overwritten.
fn fits(secret: &SecretSpec, on: &Expected, exists: bool, ours: Option<&Live>) -> Result<bool, Error> {
    let state = ours.map(|found| (judge(secret, found, None), found.uid.as_str()));
    match (on, state) {
        (Expected::Nothing, None) if !exists => Ok(false),
        (Expected::Ours { uid }, Some((State::Stale(_), found))) if found == uid => Ok(false),
        (Expected::Changed { uid, keys }, Some((State::Changed(changed), found)))
            if found == uid && changed.keys().all(|k| keys.contains(k)) =>
        {
            Ok(true)
        }
        (Expected::Foreign, None) if exists => Ok(true),
        (Expected::Fixed { uid }, Some((_, found))) if found == uid => Ok(false),
        (_, state) => {
            let found = match state {
                Some((state, _)) => describe(&state),
                None if exists => "one that kubestead did not make is there".to_owned(),
                None => "it is gone".to_owned(),
            };
            Err(Error::Moved { secret: secret.owner(), found })
        }
    }
}

fn describe(state: &State) -> String {
    match state {
        State::InSync => "it is as its file says".to_owned(),
        State::Missing => "it is not there".to_owned(),
        State::Stale(why) | State::Fixed(why) | State::Waits(why) => why.clone(),
        State::Changed(keys) => keys.iter().map(|(key, who)| format!("{key} was {who}")).collect::<Vec<_>>().join(", "),
        State::Foreign(kind) => format!("one of type {kind} that kubestead did not make is there"),
        State::Orphan => "it is in no file".to_owned(),
    }
}

/// Always `data`: a key below `stringData` that a manager applied stays in the object when the manager leaves it out.
fn manifest(secret: &SecretSpec, values: &Values, version: Option<&str>) -> Value {
    let SecretSpec { file: _, namespace, name, kind, immutable, labels, annotations, keys: _, digest } = secret;
    let data: Map<String, Value> = values.iter().map(|(key, value)| (key.clone(), STANDARD.encode(value.expose()).into())).collect();
    let mut manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind, "data": data,
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations},
    });
    manifest["metadata"]["labels"][MANAGED_BY] = FIELD_MANAGER.into();
    manifest["metadata"]["annotations"][DIGEST] = digest.clone().into();
    if *immutable {
        manifest["immutable"] = true.into();
    }
    if let Some(version) = version {
        manifest["metadata"]["resourceVersion"] = version.into();
    }
    manifest
}

async fn delete(namespace: &str, name: &str, uid: &str, kube: &dyn Guarded) -> Result<Done, Error> {
    let reference = object(namespace, name);
    let Some(now) = kube.metadata(&reference).await? else { return Ok(Done::Already) };
    let moved = |found: &str| Error::Moved { secret: owner(namespace, name), found: found.to_owned() };
    let found = live(&now).ok_or_else(|| moved("one that kubestead did not make is there"))?;
    if found.uid != uid || found.digest.is_none() {
        return Err(moved("another one of that name is there"));
    }
    let version = now["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    kube.delete_exactly(&reference, uid, version).await?;
    if kube.metadata(&reference).await?.is_none() {
        return Ok(Done::Changed);
    }
    let reason = "it is being deleted, and something holds it back: see its finalizers".to_owned();
    Err(KubeError::Refused { object: reference.to_string(), reason, code: 202 }.into())
}
