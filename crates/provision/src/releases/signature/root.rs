//! Whom a signature without a long-lived key is believed by: authorities that give certificates to identities, the logs that say when a signature was
//! made, and the logs in which the authorities write down what they gave (sigstore's `TrustedRoot`, media type
//! `application/vnd.dev.sigstore.trustedroot+json`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// Sigstore's public authority and logs. The keys are those that PyPI's `sigstore` 4.5.1 and npm's `@sigstore/tuf` 4.0.2 have, which are equal.
const SIGSTORE: &str = include_str!("sigstore.json");
/// Such a file is not longer, in bytes.
const LONGEST: usize = 1 << 20;

/// Whose word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    pub(super) authorities: Vec<Authority>,
    /// Logs of signatures.
    pub(super) logs: Vec<Log>,
    /// Logs of certificates. If there are none, no certificate needs to be in one.
    pub(super) certificate_logs: Vec<Log>,
}

/// A time within which something counts, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: i64,
    until: Option<i64>,
}

/// An authority: its certificate, and those above it, the last of which is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// DER.
    pub(super) chain: Vec<Vec<u8>>,
    span: Span,
}

/// A log, by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Log {
    /// Its address without a slash at the end.
    pub(super) address: String,
    /// The sha256 of its key.
    pub(super) id: [u8; 32],
    key: VerifyingKey,
    span: Span,
}

impl Span {
    fn holds(self, seconds: i64) -> bool {
        self.from <= seconds && self.until.is_none_or(|until| seconds <= until)
    }
}

impl Authority {
    pub(super) fn counts(&self, seconds: i64) -> bool {
        self.span.holds(seconds)
    }
}

impl Log {
    /// Holds that it signed a text.
    pub(super) fn signed(&self, seconds: i64, text: &[u8], signature: &[u8]) -> Result<(), String> {
        let Self { address, key, span, .. } = self;
        if !span.holds(seconds) {
            return Err(format!("the key of {address} does not count for that time"));
        }
        let signature = Signature::from_der(signature).map_err(|_| format!("what {address} should have signed has no signature"))?;
        key.verify_prehash(&Sha256::digest(text), &signature).map_err(|_| format!("{address} did not sign it"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<DocumentLog>,
    #[serde(default)]
    certificate_authorities: Vec<DocumentAuthority>,
    #[serde(default)]
    ctlogs: Vec<DocumentLog>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentLog {
    #[serde(default)]
    base_url: String,
    public_key: DocumentKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentKey {
    raw_bytes: String,
    #[serde(default)]
    valid_for: DocumentSpan,
}

#[derive(Default, Deserialize)]
struct DocumentSpan {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentAuthority {
    cert_chain: DocumentChain,
    #[serde(default)]
    valid_for: DocumentSpan,
}

#[derive(Deserialize)]
struct DocumentChain {
    certificates: Vec<DocumentCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentCertificate {
    raw_bytes: String,
}

impl From<DocumentSpan> for Span {
    fn from(DocumentSpan { start, end }: DocumentSpan) -> Self {
        Self { from: start.map_or(0, Timestamp::as_second), until: end.map(Timestamp::as_second) }
    }
}

impl DocumentLog {
    /// The log; `None` if its key is of a kind other than ECDSA on P-256.
    fn read(self) -> Result<Option<Log>, String> {
        let Self { base_url, public_key: DocumentKey { raw_bytes, valid_for } } = self;
        let der = STANDARD.decode(raw_bytes).map_err(|_| format!("the key of {base_url} is no base64"))?;
        let key = SubjectPublicKeyInfoRef::try_from(&der[..]).ok().and_then(|info| info.subject_public_key.as_bytes());
        let key = key.and_then(|point| VerifyingKey::from_sec1_bytes(point).ok());
        let address = base_url.trim_end_matches('/').to_owned();
        Ok(key.map(|key| Log { address, id: Sha256::digest(&der).into(), key, span: valid_for.into() }))
    }
}

impl DocumentAuthority {
    fn read(self) -> Result<Authority, String> {
        let mut chain = Vec::new();
        for DocumentCertificate { raw_bytes } in self.cert_chain.certificates {
            let der = STANDARD.decode(raw_bytes).map_err(|_| "a certificate is no base64")?;
            Certificate::from_der(&der).and_then(|certificate| certificate.to_der()).map_err(|_| "a certificate is not whole")?;
            chain.push(der);
        }
        if chain.is_empty() {
            return Err("an authority has no certificate".to_owned());
        }
        Ok(Authority { chain, span: self.valid_for.into() })
    }
}

impl TrustRoot {
    /// Sigstore's public one.
    pub fn sigstore() -> Result<Self, String> {
        Self::parse(SIGSTORE)
    }

    /// Reads one. An error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        let document: Document = serde_json::from_str(text).map_err(|error| format!("it is no trust root ({error})"))?;
        if !document.media_type.starts_with("application/vnd.dev.sigstore.trustedroot") {
            return Err(format!("its mediaType is {:?}, which is that of no trust root", document.media_type));
        }
        let logs = |all: Vec<DocumentLog>| all.into_iter().filter_map(|log| log.read().transpose()).collect::<Result<Vec<_>, _>>();
        let certificate_logs_wanted = !document.ctlogs.is_empty();
        let root = Self {
            authorities: document.certificate_authorities.into_iter().map(DocumentAuthority::read).collect::<Result<_, _>>()?,
            logs: logs(document.tlogs)?,
            certificate_logs: logs(document.ctlogs)?,
        };
        let missing = if root.authorities.is_empty() {
            "no authority (certificateAuthorities)"
        } else if root.logs.is_empty() {
            "no log of signatures (tlogs) whose key is ECDSA on P-256"
        } else if certificate_logs_wanted && root.certificate_logs.is_empty() {
            "no log of certificates (ctlogs) whose key is ECDSA on P-256"
        } else {
            return Ok(root);
        };
        Err(format!("it names {missing}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigstores_own_is_whole() {
        let root = TrustRoot::sigstore().unwrap();
        assert_eq!((root.authorities.len(), root.logs.len(), root.certificate_logs.len()), (2, 1, 2));
        assert_eq!(root.logs[0].address, "https://rekor.sigstore.dev");
        let id: String = root.logs[0].id.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(id, "c0d23d6ad406973f9559f3ba2d1ca01f84147d8ffc5b8445c224f98b9591801d", "the log's own word for its key");
        let until = root.authorities[0].span.until.unwrap();
        assert!(root.authorities[0].counts(until) && !root.authorities[0].counts(until + 1));
    }

    #[test]
    fn what_is_not_whole_is_named() {
        for (from, to, cause) in [
            ("\"tlogs\"", "\"others\"", "no log of signatures"),
            ("\"certificateAuthorities\"", "\"others\"", "no authority"),
            ("trustedroot", "bundle", "mediaType"),
            ("MFkwEwYH", "MFkwEw-H", "no base64"),
            ("MIICGjCC", "MIICGjCD", "not whole"),
            ("2022-10-20T", "yesterday", "no trust root"),
            ("{", "[", "no trust root"),
        ] {
            assert!(SIGSTORE.contains(from), "{from}");
            let error = TrustRoot::parse(&SIGSTORE.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(cause), "{cause}: {error}");
        }
        let mut all: serde_json::Value = serde_json::from_str(SIGSTORE).unwrap();
        all["ctlogs"] = serde_json::json!([]);
        assert_eq!(TrustRoot::parse(&all.to_string()).unwrap().certificate_logs, []);
    }
}
