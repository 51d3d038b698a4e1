//! What is published of a signature, and what the log says of it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::certificate::Leaf;
use super::log::{self, Entry};
use super::root::TrustRoot;
use super::{Fault, Signed, Signer, Verdict, is_signed, pem, wrong};
use crate::releases::image::sha256;
use crate::releases::official::domains;
use crate::releases::registry::{Reference, Registries};
use crate::releases::web::{self, Ask, Onward};
use crate::releases::{Error, same};

/// A signature, a certificate and what a log says are not longer, in bytes.
const TEXT: usize = 1 << 20;
/// How long such a text may take, in seconds.
const WITHIN: u32 = 60;
/// So many signatures of an image are looked at.
const MOST: usize = 50;

/// The verdict of the faults of all signatures that there are.
fn verdict(faults: Vec<Fault>) -> Verdict {
    let wrong: Vec<&str> = faults.iter().filter_map(|f| if let Fault::Wrong(cause) = f { Some(&cause[..]) } else { None }).collect();
    if !wrong.is_empty() {
        return Verdict::Wrong(wrong.join("; "));
    }
    match faults.into_iter().next() {
        Some(Fault::Unknown(cause) | Fault::Wrong(cause)) => Verdict::Unknown(cause),
        None => Verdict::Absent,
    }
}

/// Whether a file with a digest is signed: `ADDRESS.sig` and `ADDRESS.cert`, as `cosign sign-blob` writes them.
pub(in crate::releases) async fn of_file(
    address: &str,
    sha256: &str,
    mirror: Option<&str>,
    redirects: &[String],
    signer: &Signer,
    root: &TrustRoot,
) -> Result<Verdict, Error> {
    let (signature, certificate) = (format!("{address}.sig"), format!("{address}.cert"));
    let Some(signature) = published(&signature, mirror, redirects).await? else { return Ok(Verdict::Absent) };
    let Some(certificate) = published(&certificate, mirror, redirects).await? else {
        return Ok(Verdict::Unknown(format!("{certificate} is not published")));
    };
    match file(sha256, &signature, &certificate, mirror, signer, root).await {
        Ok(()) => Ok(Verdict::Signed),
        Err(fault) => Ok(verdict(vec![fault])),
    }
}

async fn file(
    sha256: &str,
    signature: &[u8],
    certificate: &[u8],
    mirror: Option<&str>,
    signer: &Signer,
    root: &TrustRoot,
) -> Result<(), Fault> {
    let signature = base64(signature).ok_or_else(|| wrong("it is no base64"))?;
    // Both are written: PEM, and base64 of it.
    let certificate = if certificate.starts_with(b"-----BEGIN") { Some(certificate.to_vec()) } else { base64(certificate) };
    let certificate = certificate.and_then(|text| String::from_utf8(text).ok()).ok_or_else(|| wrong("its certificate is no text"))?;
    let leaf = Leaf::read(pem(certificate.as_bytes()).map_err(wrong)?).map_err(wrong)?;
    let digest = digest(sha256).ok_or_else(|| wrong("the file's sum is none"))?;
    is_signed(&digest, &signature, &leaf).map_err(wrong)?;
    let mut fault = Fault::Unknown("no log of the trust root has it".to_owned());
    for entry in logged(sha256, &signature, &certificate, mirror, root).await? {
        match (Signed { digest, signature: &signature, leaf: &leaf, entry: &entry }).is_by(signer, root) {
            Ok(()) => return Ok(()),
            Err(found) => fault = found,
        }
    }
    Err(fault)
}

/// What the logs have of a signature. A log that cannot be asked says nothing of it, and so the signature is neither good nor wrong.
async fn logged(sha256: &str, signature: &[u8], certificate: &str, mirror: Option<&str>, root: &TrustRoot) -> Result<Vec<Entry>, Fault> {
    let question = log::question(sha256, signature, certificate).map_err(|error| wrong(error.to_string()))?;
    let mut entries = Vec::new();
    for log in root.logs.iter().filter(|log| !log.address.is_empty()) {
        let url = web::at(mirror, &format!("{}/api/v1/log/entries/retrieve", log.address));
        let ask = Ask { within: Some(WITHIN), onward: Onward::Within(&[]), post: Some(&question), ..Ask::new(&url) };
        let text = match web::get(ask).await {
            Ok(reply) => reply.bytes(TEXT).await,
            Err(error) => Err(error),
        };
        let text = text.map_err(|error| Fault::Unknown(error.to_string()))?;
        entries.extend(log::answer(&text).map_err(|error| Fault::Unknown(format!("{url} does not answer with entries ({error})")))?);
    }
    Ok(entries)
}

/// A text of a place, if it is there. A store that does not tell what it has answers 403 for what it has not.
async fn published(url: &str, mirror: Option<&str>, redirects: &[String]) -> Result<Option<Vec<u8>>, Error> {
    let (address, domains) = (web::at(mirror, url), web::domains(domains(url), redirects));
    let reply = web::get(Ask { within: Some(WITHIN), onward: Onward::Within(&domains), ..Ask::new(&address) }).await?;
    if matches!(reply.status, 403 | 404 | 410) { Ok(None) } else { reply.bytes(TEXT).await.map(Some) }
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim_ascii()).ok()
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    bytes?.try_into().ok()
}

/// The signatures of an image, as cosign keeps them: an image of its own, each signature a layer with annotations.
#[derive(Deserialize)]
struct Signatures {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const ENTRY: &str = "dev.sigstore.cosign/bundle";

/// What is signed of an image (containers/image, "Simple Signing").
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

const TYPE: &str = "cosign container image signature";

/// Whether an image with a digest is signed, by what lies at the tag `sha256-DIGEST.sig` beside it.
pub(in crate::releases) async fn of_image(
    image: &Reference,
    sha256: &str,
    registries: &mut Registries<'_>,
    signer: &Signer,
    root: &TrustRoot,
) -> Result<Verdict, Error> {
    let beside = |tag: String| Reference { tag, ..image.clone() };
    let Some((text, _)) = registries.tagged(&beside(format!("sha256-{sha256}.sig"))).await? else {
        // What newer versions of cosign write (OCI distribution-spec v1.1, "Referrers Tag Schema").
        let newer = registries.tagged(&beside(format!("sha256-{sha256}"))).await?.is_some();
        let unknown = "it is a bundle of sigstore, which is not understood yet".to_owned();
        return Ok(if newer { Verdict::Unknown(unknown) } else { Verdict::Absent });
    };
    let Ok(Signatures { layers }) = serde_json::from_slice(&text) else {
        return Ok(Verdict::Wrong("what lies in its place is no signature".to_owned()));
    };
    let mut faults = Vec::new();
    for layer in layers.iter().filter(|layer| layer.media_type == PAYLOAD).take(MOST) {
        match one(image, sha256, layer, registries, signer, root).await? {
            Ok(()) => return Ok(Verdict::Signed),
            Err(fault) => faults.push(fault),
        }
    }
    Ok(verdict(faults))
}

async fn one(
    image: &Reference,
    digest: &str,
    layer: &Layer,
    registries: &mut Registries<'_>,
    signer: &Signer,
    root: &TrustRoot,
) -> Result<Result<(), Fault>, Error> {
    let Some(payload) = sha256(&layer.digest) else { return Ok(Err(wrong("what is signed has no digest of sha256"))) };
    let reply = registries.blob(image, payload, 0).await?;
    let name = reply.address.clone();
    let text = reply.bytes(TEXT).await?;
    same(&name, &text, payload)?;
    Ok(is_good(digest, &text, &layer.annotations, signer, root))
}

fn is_good(digest: &str, text: &[u8], notes: &BTreeMap<String, String>, signer: &Signer, root: &TrustRoot) -> Result<(), Fault> {
    let note = |name: &str| notes.get(name).ok_or_else(|| Fault::Unknown(format!("it has no {name}")));
    let (signature, certificate, entry) = (note(SIGNATURE)?, note(CERTIFICATE)?, note(ENTRY)?);
    let signature = base64(signature.as_bytes()).ok_or_else(|| wrong("it is no base64"))?;
    let leaf = Leaf::read(pem(certificate.as_bytes()).map_err(wrong)?).map_err(wrong)?;
    let entry: Entry = serde_json::from_str(entry).map_err(|error| wrong(format!("what the log says of it is not whole ({error})")))?;
    Signed { digest: Sha256::digest(text).into(), signature: &signature, leaf: &leaf, entry: &entry }.is_by(signer, root)?;
    let Ok(Payload { critical: Critical { image, r#type } }) = serde_json::from_slice(text) else {
        return Err(wrong("what is signed is not about an image"));
    };
    let about = image.docker_manifest_digest;
    if r#type != TYPE || about != format!("sha256:{digest}") {
        return Err(wrong(format!("it is about {about}, and not about this image")));
    }
    Ok(())
}
