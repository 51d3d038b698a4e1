//! Whether what a project publishes is signed by it, as cosign does it without a long-lived key: a certificate for an identity, good for ten minutes, and a
//! log that says when the signature was made. It is looked at when the lock file is written; afterwards digests are enough.
//!
//! ```text
//! root         whose word counts: authorities and logs            no I/O
//! certificate  who got it, from whom, and who wrote that down     no I/O
//! log          when the signature was made                        no I/O
//! ask          what is published, and what the log says of it
//! ```

mod ask;
mod certificate;
mod log;
mod root;
#[cfg(test)]
mod tests;

pub(super) use ask::{of_file, of_image};
pub use root::TrustRoot;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::Signature;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;

use certificate::Leaf;
use log::Entry;

/// What is made of signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// They are not looked at.
    Skip,
    /// A wrong one is refused; where none is, that is told.
    Check(TrustRoot),
    /// What is published by somebody who is known to sign is refused without.
    Require(TrustRoot),
}

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signer {
    pub(super) identity: &'static str,
    /// Who vouches for the identity.
    pub(super) issuer: &'static str,
}

const GOOGLE: &str = "https://accounts.google.com";

impl Signer {
    /// Who signs what is published at an address, if it is known (kubernetes.io, "Verify Signed Kubernetes Artifacts").
    pub(super) fn of(address: &str) -> Option<Self> {
        let identity = match address.trim_start_matches("https://").split('/').next() {
            Some("dl.k8s.io") => "krel-staging@k8s-releng-prod.iam.gserviceaccount.com",
            Some("registry.k8s.io") => "krel-trust@k8s-releng-prod.iam.gserviceaccount.com",
            _ => return None,
        };
        Some(Self { identity, issuer: GOOGLE })
    }
}

/// What came of looking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is signed by whom it should be.
    Signed,
    /// No signature is published.
    Absent,
    /// There is one, of which nothing can be said, and why.
    Unknown(String),
    /// It is not the signature that it should be, and why.
    Wrong(String),
}

/// Why a signature is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Unknown(String),
    Wrong(String),
}

fn wrong(cause: impl Into<String>) -> Fault {
    Fault::Wrong(cause.into())
}

/// One signature, and what it is believed by.
struct Signed<'a> {
    /// Of what is signed.
    digest: [u8; 32],
    /// DER.
    signature: &'a [u8],
    leaf: &'a Leaf,
    entry: &'a Entry,
}

impl Signed<'_> {
    /// Holds that it is good.
    fn is_by(&self, signer: &Signer, root: &TrustRoot) -> Result<(), Fault> {
        let time = self.entry.time(root)?;
        self.leaf.is_of(signer, time, root)?;
        is_signed(&self.digest, self.signature, self.leaf).map_err(wrong)?;
        self.entry.is_about(&super::download::hex(&self.digest), self.signature, self.leaf.der()).map_err(wrong)
    }
}

/// Holds that a certificate's key signed a digest.
fn is_signed(digest: &[u8; 32], signature: &[u8], leaf: &Leaf) -> Result<(), String> {
    let signature = Signature::from_der(signature).map_err(|_| "it is no signature of ECDSA")?;
    leaf.key()?.verify_prehash(digest, &signature).map_err(|_| "the key of its certificate did not sign this".to_owned())
}

/// The first certificate of PEM, as DER.
fn pem(text: &[u8]) -> Result<Vec<u8>, String> {
    let no = || "its certificate is no PEM".to_owned();
    let text = std::str::from_utf8(text).map_err(|_| no())?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----").ok_or_else(no)?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----").ok_or_else(no)?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).map_err(|_| no())
}

impl Signatures {
    /// The trust root, if they are looked at.
    pub(super) fn root(&self) -> Option<&TrustRoot> {
        match self {
            Self::Skip => None,
            Self::Check(root) | Self::Require(root) => Some(root),
        }
    }

    /// The signer, if a verdict is good; `None` with a word about it if that is borne.
    pub(super) fn judge(
        &self,
        address: &str,
        signer: &Signer,
        verdict: Verdict,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Option<String>, super::Error> {
        const SKIP: &str = "nothing is written; is it the same later, `--signatures skip` takes what TLS alone vouches for";
        let by = signer.identity;
        let (cause, borne) = match verdict {
            Verdict::Signed => return Ok(Some(by.to_owned())),
            Verdict::Absent => (format!("no signature of {by} is published"), true),
            Verdict::Unknown(cause) => (format!("its signature is not verified: {cause}"), true),
            Verdict::Wrong(cause) => (format!("its signature is wrong: {cause}"), false),
        };
        if borne && !matches!(self, Self::Require(_)) {
            say(&format!("{address}: {cause}"));
            return Ok(None);
        }
        Err(super::Error::Signature { what: address.to_owned(), cause, next: SKIP })
    }
}
