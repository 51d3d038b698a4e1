//! An authority, a log of certificates and a log of signatures with keys of their own, which do as Sigstore's do, or not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use x509_cert::der::asn1::{Any, BitString, GeneralizedTime, Ia5String, ObjectIdentifier, OctetString, Utf8StringRef};
use x509_cert::der::{DateTime, Encode as _};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectAltName};
use x509_cert::name::{Name, RdnSequence};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate, Version};

/// 2026-11-01, in seconds since 1970.
pub(crate) const THEN: u64 = 1_793_491_200;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32].into()).unwrap()
}

fn public(key: &SigningKey) -> SubjectPublicKeyInfoOwned {
    let parameters = Any::from(oid("1.2.840.10045.3.1.7"));
    let algorithm = AlgorithmIdentifierOwned { oid: oid("1.2.840.10045.2.1"), parameters: Some(parameters) };
    let point = key.verifying_key().to_encoded_point(false);
    SubjectPublicKeyInfoOwned { algorithm, subject_public_key: BitString::from_bytes(point.as_bytes()).unwrap() }
}

pub(crate) fn sign(key: &SigningKey, text: &[u8]) -> Vec<u8> {
    let signature: DerSignature = key.sign(text);
    signature.as_bytes().to_vec()
}

pub(crate) fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
}

fn time(seconds: u64) -> Time {
    Time::GeneralTime(GeneralizedTime::from_date_time(DateTime::from_unix_duration(std::time::Duration::from_secs(seconds)).unwrap()))
}

fn extension(id: &str, critical: bool, value: Vec<u8>) -> Extension {
    Extension { extn_id: oid(id), critical, extn_value: OctetString::new(value).unwrap() }
}

fn certificate(
    subject: Name,
    of: &SigningKey,
    issuer: Name,
    by: &SigningKey,
    (from, until): (u64, u64),
    extensions: Vec<Extension>,
) -> Certificate {
    let algorithm = AlgorithmIdentifierOwned { oid: oid("1.2.840.10045.4.3.2"), parameters: None };
    let tbs = TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&[7]).unwrap(),
        signature: algorithm.clone(),
        issuer,
        validity: Validity { not_before: time(from), not_after: time(until) },
        subject,
        subject_public_key_info: public(of),
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    };
    let signature = BitString::from_bytes(&sign(by, &tbs.to_der().unwrap())).unwrap();
    Certificate { tbs_certificate: tbs, signature_algorithm: algorithm, signature }
}

/// How a certificate is given.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) identity: &'static str,
    pub(crate) issuer: &'static str,
    /// Whose certificate it is.
    pub(crate) to: SigningKey,
    /// The key that the authority signs with.
    pub(crate) by: SigningKey,
    /// The log that has it.
    pub(crate) noted: Option<SigningKey>,
    /// For signing code.
    pub(crate) code: bool,
}

pub(crate) const STAGING: &str = "krel-staging@k8s-releng-prod.iam.gserviceaccount.com";
pub(crate) const TRUST: &str = "krel-trust@k8s-releng-prod.iam.gserviceaccount.com";

pub(crate) fn given(identity: &'static str) -> Given {
    Given { identity, issuer: "https://accounts.google.com", to: key(9), by: key(2), noted: Some(key(3)), code: true }
}

fn name(text: &str) -> Name {
    text.parse::<RdnSequence>().unwrap()
}

fn ca() -> Vec<Extension> {
    let constraints = BasicConstraints { ca: true, path_len_constraint: None };
    vec![extension("2.5.29.19", true, constraints.to_der().unwrap())]
}

impl Given {
    /// The certificate, DER.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        let names = SubjectAltName(vec![GeneralName::Rfc822Name(Ia5String::new(self.identity).unwrap())]);
        let usage = ExtendedKeyUsage(vec![oid(if self.code { "1.3.6.1.5.5.7.3.3" } else { "1.3.6.1.5.5.7.3.1" })]);
        let issuer = Utf8StringRef::new(self.issuer).unwrap();
        let mut extensions = vec![
            extension("2.5.29.17", true, names.to_der().unwrap()),
            extension("2.5.29.37", false, usage.to_der().unwrap()),
            extension("1.3.6.1.4.1.57264.1.1", false, self.issuer.as_bytes().to_vec()),
            extension("1.3.6.1.4.1.57264.1.8", false, issuer.to_der().unwrap()),
        ];
        let make = |extensions| certificate(Name::default(), &self.to, name("CN=between"), &self.by, (THEN, THEN + 600), extensions);
        if let Some(log) = &self.noted {
            let tbs = make(extensions.clone()).tbs_certificate.to_der().unwrap();
            let stamp = (THEN * 1000).to_be_bytes();
            let between = Sha256::digest(public(&self.by).to_der().unwrap());
            let length = u32::try_from(tbs.len()).unwrap().to_be_bytes();
            let signed = sign(log, &[&[0, 0][..], &stamp, &[0, 1], &between, &length[1..], &tbs, &[0, 0]].concat());
            let counted = |bytes: Vec<u8>| [u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec(), bytes].concat();
            let id = Sha256::digest(public(log).to_der().unwrap());
            let promise = [&[0][..], &id, &stamp, &[0, 0, 4, 3], &counted(signed)].concat();
            let list = OctetString::new(counted(counted(promise))).unwrap().to_der().unwrap();
            extensions.push(extension("1.3.6.1.4.1.11129.2.4.2", false, list));
        }
        make(extensions).to_der().unwrap()
    }
}

/// What is believed: a root of key 1, an authority of key 2 below it, a log of certificates of key 3, one of signatures of key 4.
pub(crate) fn trust_root() -> String {
    let years = (THEN - 100_000_000, THEN + 100_000_000);
    let top = certificate(name("CN=top"), &key(1), name("CN=top"), &key(1), years, ca());
    let between = certificate(name("CN=between"), &key(2), name("CN=top"), &key(1), years, ca());
    let raw = |der: Vec<u8>| json!({"rawBytes": STANDARD.encode(der)});
    let log = |number, url: &str| json!({"baseUrl": url, "publicKey": raw(public(&key(number)).to_der().unwrap())});
    let chain = [between, top].map(|certificate| raw(certificate.to_der().unwrap()));
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "certificateAuthorities": [{"certChain": {"certificates": chain}, "validFor": {"start": "2026-01-01T00:00:00Z"}}],
        "tlogs": [log(4, "https://rekor.sigstore.dev")],
        "ctlogs": [log(3, "https://ctfe.sigstore.dev")],
    })
    .to_string()
}

/// What a log of signatures says of one: what it took, and when.
pub(crate) fn entry(log: &SigningKey, sha256: &str, signature: &[u8], certificate: &[u8], seconds: u64) -> Value {
    let body = json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": sha256}},
            "signature": {"content": STANDARD.encode(signature), "publicKey": {"content": STANDARD.encode(pem(certificate))}},
        },
    });
    let body = STANDARD.encode(body.to_string());
    let id: String = Sha256::digest(public(log).to_der().unwrap()).iter().map(|b| format!("{b:02x}")).collect();
    let text = format!("{{\"body\":\"{body}\",\"integratedTime\":{seconds},\"logID\":\"{id}\",\"logIndex\":5}}");
    let payload: Value = serde_json::from_str(&text).unwrap();
    json!({"SignedEntryTimestamp": STANDARD.encode(sign(log, text.as_bytes())), "Payload": payload})
}
