//! A certificate of a few minutes: whether an authority that is believed gave it, to whom, and whether it wrote that down (RFC 5280, RFC 6962).

use std::time::Duration;

use p256::ecdsa::VerifyingKey;
use pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sha2::{Digest as _, Sha256};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring};
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, OctetStringRef, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};

use super::root::TrustRoot;
use super::{Fault, Signer, wrong};

/// Who vouched for the identity, as text and as a UTF8String (fulcio, "OID information").
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
const ISSUER_2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
/// Promises of logs (RFC 6962, 3.3).
const PROMISES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");
/// id-kp-codeSigning (RFC 5280, 4.2.1.12).
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
/// The same as DER has it.
const CODE_SIGNING_DER: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// How an authority may sign.
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 4] =
    [ring::ECDSA_P384_SHA384, ring::ECDSA_P256_SHA256, ring::ECDSA_P384_SHA256, ring::ECDSA_P256_SHA384];

/// A certificate, whole.
pub(super) struct Leaf {
    der: Vec<u8>,
    certificate: Certificate,
}

impl Leaf {
    /// Reads one of DER.
    pub(super) fn read(der: Vec<u8>) -> Result<Self, String> {
        let certificate = Certificate::from_der(&der).map_err(|_| "its certificate is not whole")?;
        Ok(Self { der, certificate })
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its key.
    pub(super) fn key(&self) -> Result<VerifyingKey, String> {
        let point = self.certificate.tbs_certificate.subject_public_key_info.subject_public_key.as_bytes();
        let key = point.and_then(|point| VerifyingKey::from_sec1_bytes(point).ok());
        key.ok_or_else(|| "the key of its certificate is not ECDSA on P-256".to_owned())
    }

    /// Holds that it was given to a signer, by an authority that counted at that time.
    pub(super) fn is_of(&self, signer: &Signer, seconds: i64, root: &TrustRoot) -> Result<(), Fault> {
        let (identity, issuer) = (self.identity().map_err(wrong)?, self.issuer().map_err(wrong)?);
        if identity != signer.identity || issuer != signer.issuer {
            let Signer { identity: want, issuer: by } = signer;
            return Err(wrong(format!("it is signed by {identity:?} (says {issuer:?}), and not by {want} (says {by})")));
        }
        if !self.signs_code() {
            return Err(wrong("its certificate is not for signing code"));
        }
        let authority = self.authority(seconds, root)?;
        self.promised(&authority, root).map_err(wrong)
    }

    fn signs_code(&self) -> bool {
        let usage = self.certificate.tbs_certificate.get::<ExtendedKeyUsage>();
        usage.is_ok_and(|usage| usage.is_some_and(|(_, usage)| usage.0.contains(&CODE_SIGNING)))
    }

    /// The one name that it is given to.
    fn identity(&self) -> Result<String, String> {
        let names = self.certificate.tbs_certificate.get::<SubjectAltName>().map_err(|_| "the names of its certificate are not whole")?;
        match names.as_ref().map(|(_, names)| &names.0[..]) {
            Some([GeneralName::Rfc822Name(name) | GeneralName::UniformResourceIdentifier(name)]) => Ok(name.to_string()),
            Some(_) | None => Err("its certificate is not for one identity".to_owned()),
        }
    }

    fn extension(&self, id: ObjectIdentifier) -> Option<&[u8]> {
        let all = self.certificate.tbs_certificate.extensions.as_deref().unwrap_or_default();
        all.iter().find(|extension| extension.extn_id == id).map(|extension| extension.extn_value.as_bytes())
    }

    /// Who vouched for the identity.
    fn issuer(&self) -> Result<String, String> {
        let newer = self.extension(ISSUER_2).map(|der| Utf8StringRef::from_der(der).map(|text| text.to_string()).ok());
        let older = || self.extension(ISSUER).map(|text| String::from_utf8(text.to_vec()).ok());
        let issuer = newer.or_else(older).flatten();
        issuer.ok_or_else(|| "its certificate does not say who vouched for the identity".to_owned())
    }

    /// The certificate of the authority that gave it.
    fn authority(&self, seconds: i64, root: &TrustRoot) -> Result<Certificate, Fault> {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
        let leaf = CertificateDer::from(&self.der[..]);
        let leaf = EndEntityCert::try_from(&leaf).map_err(|error| wrong(format!("its certificate is of no use ({error})")))?;
        // Authorities may leave it open; the certificate itself does not.
        let usage = KeyUsage::required_if_present(CODE_SIGNING_DER);
        let mut said = "none counts for that time".to_owned();
        for authority in root.authorities.iter().filter(|authority| authority.counts(seconds)) {
            let chain: Vec<CertificateDer<'_>> = authority.chain.iter().map(|der| CertificateDer::from(&der[..])).collect();
            let Some((top, between)) = chain.split_last() else { continue };
            let anchor =
                anchor_from_trusted_cert(top).map_err(|error| wrong(format!("the trust root has a certificate of no use ({error})")))?;
            match leaf.verify_for_usage(&ALGORITHMS, &[anchor], between, time, usage, None, None) {
                Ok(_) => {
                    let giver = chain.first().and_then(|der| Certificate::from_der(der).ok());
                    return giver.ok_or_else(|| wrong("the trust root has a certificate that is not whole"));
                }
                Err(error) => said = error.to_string(),
            }
        }
        Err(wrong(format!("no authority that is believed gave its certificate ({said})")))
    }

    /// Holds that a log promised to write down that this was given.
    fn promised(&self, authority: &Certificate, root: &TrustRoot) -> Result<(), String> {
        if root.certificate_logs.is_empty() {
            return Ok(());
        }
        let list = self.extension(PROMISES).ok_or("no log of certificates has its certificate")?;
        let promises = OctetStringRef::from_der(list).ok().and_then(|list| Promise::all(list.as_bytes()));
        let promises = promises.ok_or("what logs say of its certificate is not whole")?;
        let entry = self.entry(authority).map_err(|_| "its certificate is not whole")?;
        let mut said = "no log that is believed has its certificate".to_owned();
        for promise in promises {
            let Some(log) = root.certificate_logs.iter().find(|log| log.id[..] == *promise.log) else { continue };
            match log.signed(promise.seconds(), &promise.text(&entry), promise.signature) {
                Ok(()) => return Ok(()),
                Err(error) => said = error,
            }
        }
        Err(said)
    }

    /// What a log signs of it: the authority's key, and the certificate without what logs say (RFC 6962, 3.2, `PreCert`).
    fn entry(&self, authority: &Certificate) -> Result<Vec<u8>, x509_cert::der::Error> {
        let mut without = self.certificate.tbs_certificate.clone();
        if let Some(all) = &mut without.extensions {
            all.retain(|extension| extension.extn_id != PROMISES);
        }
        let key = authority.tbs_certificate.subject_public_key_info.to_der()?;
        let mut entry = Sha256::digest(&key).to_vec();
        let without = without.to_der()?;
        entry.extend(without.len().to_be_bytes()[size_of::<usize>() - 3..].iter());
        entry.extend(without);
        Ok(entry)
    }
}

/// A log's promise to write down a certificate (RFC 6962, 3.2).
struct Promise<'a> {
    log: &'a [u8],
    /// Milliseconds since 1970.
    time: [u8; 8],
    /// With the length before it.
    extensions: &'a [u8],
    signature: &'a [u8],
}

/// What has its length of two bytes before it, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

impl<'a> Promise<'a> {
    fn all(list: &'a [u8]) -> Option<Vec<Self>> {
        let (mut list, []) = counted(list)? else { return None };
        let mut all = Vec::new();
        while !list.is_empty() {
            let (one, rest) = counted(list)?;
            all.push(Self::read(one)?);
            list = rest;
        }
        Some(all)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let ([0], bytes) = bytes.split_first_chunk::<1>()? else { return None };
        let (log, bytes) = bytes.split_at_checked(32)?;
        let (time, bytes) = bytes.split_first_chunk::<8>()?;
        let (inner, rest) = counted(bytes)?;
        let extensions = &bytes[..inner.len() + 2];
        // SHA-256 and ECDSA (RFC 5246, 7.4.1.4.1).
        let ([4, 3], rest) = rest.split_first_chunk::<2>()? else { return None };
        let (signature, []) = counted(rest)? else { return None };
        Some(Self { log, time: *time, extensions, signature })
    }

    fn seconds(&self) -> i64 {
        i64::try_from(u64::from_be_bytes(self.time) / 1000).unwrap_or(i64::MAX)
    }

    /// What the log signed: version 1, a time of a certificate, of an entry of the kind `precert_entry`.
    fn text(&self, entry: &[u8]) -> Vec<u8> {
        [&[0, 0][..], &self.time, &[0, 1], entry, self.extensions].concat()
    }
}
