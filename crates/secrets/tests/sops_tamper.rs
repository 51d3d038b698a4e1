//! Every byte of every document of a generated corpus is changed, one at a time: the document is refused, or it holds what was sealed.
//!
//! What was sealed: each encrypted value below its keys, and the bytes of all values in their order (with `mac_only_encrypted` only those
//! of encrypted ones). Not sealed, by the format: layout, comments, the names of recipients, keys of values that are not encrypted, and
//! where one such value ends and the next begins.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // a test fails by it, and says how much was tried

mod corpus;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use age::secrecy::ExposeSecret;
use corpus::Sample;
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Document, Identities, Policy, Selector, Sops, Step};

/// Each of the 13 kinds of samples (all formats) twice, with each kind of selector and MAC.
const SAMPLES: usize = 26;

struct Sealed {
    sample: Sample,
    path: PathBuf,
    text: String,
    holds: Held,
    /// Data, iv and tag of values and of the MAC: no change of these goes through. Comments are left out, as nothing depends on them.
    ciphertexts: Vec<Range<usize>>,
}

/// What a document holds of what was sealed.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    /// Keys and bytes of each encrypted value.
    encrypted: Vec<(Vec<String>, Vec<u8>)>,
    /// The bytes of all values that the MAC covers.
    covered: Vec<u8>,
}

fn held(document: &Document, sample: &Sample) -> Held {
    let mut held = Held { encrypted: Vec::new(), covered: Vec::new() };
    for (path, value) in document.values() {
        let is_encrypted = document.is_encrypted(path.clone());
        if is_encrypted {
            let keys = path.steps().iter().filter_map(|step| if let Step::Key(key) = step { Some(key.clone()) } else { None });
            held.encrypted.push((keys.collect(), value.bytes().expose().to_vec()));
        }
        if is_encrypted || !sample.mac_only_encrypted {
            held.covered.extend_from_slice(value.bytes().expose());
        }
    }
    held
}

fn seal(seed: usize, recipient: &str, identities: &Identities) -> Sealed {
    let sample = Sample::new(seed);
    let path = PathBuf::from(format!("t.{}", sample.end()));
    let mut policy = Policy::age([recipient]);
    if let Some(pattern) = sample.encrypted_regex {
        policy = policy.with_selector(Selector::encrypted_regex(pattern).unwrap());
    }
    if sample.mac_only_encrypted {
        policy = policy.with_mac_only_encrypted();
    }
    let document = Sops::encrypt_new(&path, &Secret::new(sample.plain.clone().into_bytes()), &policy, identities).unwrap();
    let text = document.text().to_owned();
    let ciphertexts = text.match_indices("ENC[AES256_GCM,").filter_map(|(at, begin)| {
        let (parts, kind) = text[at..].split_once(']')?.0.rsplit_once(",type:")?;
        (kind != "comment").then_some(at + begin.len()..at + parts.len())
    });
    Sealed { ciphertexts: ciphertexts.collect(), holds: held(&document, &sample), sample, path, text }
}

impl Sealed {
    /// Changes one bit of a byte. True when it still opens, to what was sealed.
    fn survives(&self, at: usize, identities: &Identities) -> bool {
        let mut bytes = self.text.clone().into_bytes();
        // The highest bit would only make it another encoding.
        bytes[at] ^= 1 << ((at + self.sample.seed) % 7);
        let Ok(document) = Sops::open_text(&self.path, self.sample.format, &bytes, identities) else { return false };
        let story = || format!("byte {at} of\n{}\nas\n{}", self.sample, String::from_utf8_lossy(&bytes));
        assert_eq!(held(&document, &self.sample), self.holds, "{}", story());
        assert!(!self.ciphertexts.iter().any(|range| range.contains(&at)), "{}", story());
        true
    }
}

#[test]
fn a_changed_byte_is_refused_or_changes_nothing_that_was_sealed() {
    let key = age::x25519::Identity::generate();
    let text = Secret::new(key.to_string().expose_secret().as_bytes().to_vec());
    let identities = Identities::new().with_age(&text, "the test's key").unwrap();
    let recipient = key.to_public().to_string();
    let sealed: Vec<Sealed> = (0..SAMPLES).map(|seed| seal(seed, &recipient, &identities)).collect();
    let bytes: Vec<(&Sealed, usize)> = sealed.iter().flat_map(|one| (0..one.text.len()).map(move |at| (one, at))).collect();
    let (next, survived) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some((one, at)) = bytes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    survived.fetch_add(usize::from(one.survives(*at, &identities)), Ordering::Relaxed);
                }
            });
        }
    });
    let (all, survived) = (bytes.len(), survived.into_inner());
    // Both outcomes are real: most bytes are refused, and layout and recipients are not sealed.
    assert!(survived > 0 && survived * 2 < all, "{survived} of {all}");
    eprintln!("{all} bytes of {SAMPLES} documents changed: {} refused, {survived} of layout and of what is not sealed", all - survived);
}
