//! The word of a log that a signature was made at a time (rekor's `SignedEntryTimestamp`), and what its entry is about (the kind `hashedrekord`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::root::TrustRoot;
use super::{Fault, pem, wrong};

/// What a log says of an entry. As JSON, with its fields in this order and no spaces, it is what the log signs (RFC 8785).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    body: String,
    /// Seconds since 1970.
    integrated_time: i64,
    #[serde(rename = "logID")]
    log_id: String,
    log_index: u64,
}

/// An entry, with the log's signature.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    /// Base64.
    pub(super) signed_entry_timestamp: String,
    pub(super) payload: Payload,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Deserialize, Serialize)]
struct Spec {
    data: Data,
    signature: Signature,
}

#[derive(Deserialize, Serialize)]
struct Data {
    hash: Hash,
}

#[derive(Deserialize, Serialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    content: String,
    public_key: PublicKey,
}

#[derive(Deserialize, Serialize)]
struct PublicKey {
    content: String,
}

const VERSION: &str = "0.0.1";
const KIND: &str = "hashedrekord";
const SHA256: &str = "sha256";

impl Entry {
    /// When the log took it, in seconds since 1970, if it is of a log that is believed.
    pub(super) fn time(&self, root: &TrustRoot) -> Result<i64, Fault> {
        let Self { signed_entry_timestamp, payload } = self;
        let log = root.logs.iter().find(|log| hex(&log.id) == payload.log_id);
        let log = log.ok_or_else(|| Fault::Unknown(format!("the log {} is none of the trust root", payload.log_id)))?;
        let signature = STANDARD.decode(signed_entry_timestamp).map_err(|_| wrong("the log's signature is no base64"))?;
        let text = serde_json::to_vec(payload).map_err(|error| wrong(error.to_string()))?;
        log.signed(payload.integrated_time, &text, &signature).map_err(wrong)?;
        Ok(payload.integrated_time)
    }

    /// Holds that it is about a signature of a digest, by a certificate.
    pub(super) fn is_about(&self, sha256: &str, signature: &[u8], certificate: &[u8]) -> Result<(), String> {
        let body = STANDARD.decode(&self.payload.body).map_err(|_| "the log's entry is no base64")?;
        let Ok(Body { kind, spec: Spec { data: Data { hash }, signature: noted }, .. }) = serde_json::from_slice(&body) else {
            return Err("the log's entry is not about a file's signature".to_owned());
        };
        let same = kind == KIND
            && hash.algorithm == SHA256
            && hash.value == sha256
            && STANDARD.decode(&noted.content).is_ok_and(|noted| noted == signature)
            && STANDARD.decode(&noted.public_key.content).is_ok_and(|text| pem(&text).is_ok_and(|der| der == certificate));
        if same { Ok(()) } else { Err("the log's entry is about another signature".to_owned()) }
    }
}

/// What a log is asked for an entry by (rekor's `POST /api/v1/log/entries/retrieve`).
pub(super) fn question(sha256: &str, signature: &[u8], certificate: &str) -> Result<String, serde_json::Error> {
    let hash = Hash { algorithm: SHA256.to_owned(), value: sha256.to_owned() };
    let public_key = PublicKey { content: STANDARD.encode(certificate) };
    let spec = Spec { data: Data { hash }, signature: Signature { content: STANDARD.encode(signature), public_key } };
    let body = Body { api_version: VERSION.to_owned(), kind: KIND.to_owned(), spec };
    serde_json::to_string(&serde_json::json!({ "entries": [body] }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(flatten)]
    payload: Payload,
    verification: Verification,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    signed_entry_timestamp: String,
}

/// The entries of such an answer.
pub(super) fn answer(text: &[u8]) -> Result<Vec<Entry>, serde_json::Error> {
    let all: Vec<std::collections::BTreeMap<String, Told>> = serde_json::from_slice(text)?;
    let entry = |Told { payload, verification: Verification { signed_entry_timestamp } }| Entry { signed_entry_timestamp, payload };
    Ok(all.into_iter().flat_map(std::collections::BTreeMap::into_values).map(entry).collect())
}

fn hex(bytes: &[u8]) -> String {
    super::super::download::hex(bytes)
}
