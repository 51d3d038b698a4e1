//! Damaged input for a while: whatever is read, nothing crashes, and what opens holds the very values that were sealed.
//!
//! `FUZZ_SECONDS` says how long (2 when it is not set), `FUZZ_SEED` where to begin. A failure names its seed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // a test fails by it, and says how much was tried

mod corpus;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use age::secrecy::ExposeSecret;
use corpus::{Dice, Sample};
use kubestead_core::secret::Secret;
use kubestead_secrets::import::{kubernetes, open_inline, vault};
use kubestead_secrets::sops::{Document, Identities, KeyPath, Policy, Rules, Sops, check};

const PIECES: &[&str] = &[
    "\r",
    "\n",
    " ",
    "#",
    ":",
    "- ",
    "\"",
    "'",
    "|",
    ">",
    "&a ",
    "*a",
    "!t ",
    "!!int ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\\",
    "\u{feff}",
    "ä",
    "=",
    ";",
    "`",
    "---\n",
    "...\n",
    "\t",
    "? ",
    "<<: ",
    "ENC[AES256_GCM,data:",
    "type:int]",
    "type:comment]",
    "iv:",
    "sops:",
    "sops_",
    "[sops]\n",
    "\"sops\": {",
    "__list_9__map_",
    "\u{0}",
    "\u{2028}",
    "99999999999999999999",
    "shamir_threshold: 200\n",
    "mac: \"\"",
    "version: 1\n",
    "- - - - ",
    "[[[[[[[[",
    "{\"a\":",
    "%YAML 1.2\n",
];

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.roll(4) {
        if chars.is_empty() {
            break;
        }
        let (at, other) = (dice.roll(chars.len()), dice.roll(chars.len()));
        let (low, high) = (at.min(other), at.max(other));
        match dice.roll(8) {
            0 => drop(chars.remove(at)),
            1 => chars.truncate(at.max(1)),
            2 => chars.swap(at, other),
            3 => chars[at] = char::from_u32(u32::try_from(dice.roll(0x250)).unwrap()).unwrap_or('x'),
            // A piece twice, or gone.
            4 => {
                let copy: Vec<char> = chars[low..high.min(low + 200)].to_vec();
                chars.splice(other..other, copy);
            }
            5 => drop(chars.drain(low..high.min(low + 60))),
            _ => drop(chars.splice(at..at, dice.pick(PIECES).chars())),
        }
    }
    chars.into_iter().collect()
}

/// What the MAC protects: the bytes of all values, in order.
fn protected(document: &Document) -> Vec<u8> {
    document.values().flat_map(|(_, value)| value.bytes().expose().to_vec()).collect()
}

struct Fuzz {
    identities: Identities,
    policy: Policy,
    rules: Rules,
    password: Secret,
}

impl Fuzz {
    fn new() -> Self {
        let key = age::x25519::Identity::generate();
        let text = Secret::new(key.to_string().expose_secret().as_bytes().to_vec());
        let recipient = key.to_public().to_string();
        let rules = format!("creation_rules:\n- path_regex: ^a\n  age: {recipient}\n");
        Self {
            identities: Identities::new().with_age(&text, "the test's key").unwrap(),
            policy: Policy::age([recipient]),
            rules: Rules::parse(Path::new("/r/.sops.yaml"), &rules).unwrap(),
            password: Secret::new(b"hunter2".to_vec()),
        }
    }

    fn sealed(&self, sample: &Sample, path: &Path) -> Document {
        Sops::encrypt_new(path, &Secret::new(sample.plain.clone().into_bytes()), &self.policy, &self.identities).unwrap()
    }

    fn damaged_document(&self, document: &Document, path: &Path, sample: &Sample, dice: &mut Dice) {
        let text = mutate(document.text(), dice);
        match Sops::open_text(path, sample.format, text.as_bytes(), &self.identities) {
            Ok(mut opened) if !sample.mac_only_encrypted => {
                assert_eq!(protected(&opened), protected(document), "it opened and is another:\n{text}\nwas\n{}", document.text());
                let _ = opened.plain();
                let _ = opened.rotate(&self.identities);
            }
            Ok(_) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        let _ = check(path, text.as_bytes(), Some(&self.rules), None);
    }

    fn damaged_plain(&self, path: &Path, sample: &Sample, dice: &mut Dice) {
        let text = mutate(&sample.plain, dice);
        let plain = Secret::new(text.clone().into_bytes());
        let Ok(document) = Sops::encrypt_new(path, &plain, &self.policy, &self.identities) else { return };
        let again = Sops::open_text(path, sample.format, document.text().as_bytes(), &self.identities);
        let again = again.unwrap_or_else(|e| panic!("what was written does not read back: {e}\n{text:?}\n{}", document.text()));
        assert_eq!(protected(&again), protected(&document));
    }

    fn other_readers(&self, sample: &Sample, dice: &mut Dice) {
        let text = mutate(&sample.plain, dice);
        let _ = kubernetes::manifests(&text);
        let _ = kubernetes::plain_secret(text.as_bytes(), true);
        let _ = open_inline(&text, &|_| Some(self.password.clone()));
        let _ = Rules::parse(
            Path::new("r"),
            &mutate(
                "creation_rules:\n- path_regex: a\n  key_groups:\n  - age: [x, y]\n    merge: [{pgp: [z]}]\n  shamir_threshold: 2\n",
                dice,
            ),
        );
        let _ = mutate("[\"a\"][0]['b']", dice).parse::<KeyPath>();
        // Without a derivation: those cost too much to be many.
        let _ = vault::open(&mutate("$ANSIBLE_VAULT;1.2;AES256;id\n3031", dice), &self.password);
    }
}

#[test]
fn nothing_crashes_and_nothing_false_opens() {
    let number = |name: &str, otherwise: usize| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (seconds, first) = (number("FUZZ_SECONDS", 2), number("FUZZ_SEED", 1));
    let fuzz = Fuzz::new();
    let begin = Instant::now();
    let (mut seed, mut tried) = (first, 0);
    while begin.elapsed() < Duration::from_secs(seconds as u64) {
        let sample = Sample::new(seed);
        let path = PathBuf::from(format!("/r/a.{}", sample.end()));
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut dice = Dice::new(seed ^ 0xf0f0);
            let document = fuzz.sealed(&sample, &path);
            for _ in 0..20 {
                fuzz.damaged_document(&document, &path, &sample, &mut dice);
                fuzz.damaged_plain(&path, &sample, &mut dice);
                fuzz.other_readers(&sample, &mut dice);
            }
        }));
        assert!(told.is_ok(), "FUZZ_SEED={seed} repeats it");
        (seed, tried) = (seed + 1, tried + 60);
    }
    eprintln!("{tried} damaged inputs from seed {first} on in {seconds} s, no crash");
}
