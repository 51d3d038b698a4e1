//! A corpus of generated documents in all formats, both ways against the real sops: what it writes is read here and the other way round,
//! and an edit leaves every other ciphertext byte alone.
//!
//! The program is named by `SOPS`, or `sops` in `PATH`. Without it the first test says that it skips. `SOPS_CORPUS` is the number of documents.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::format_push_string)] // a test fails by it, and says that it skips

mod corpus;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use age::secrecy::ExposeSecret;
use corpus::{Dice, Sample};
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Document, Format, Identities, KeyPath, Policy, Selector, Sops, Value};

/// Documents; the acceptance is 500.
const SAMPLES: usize = 520;

struct Keys {
    recipient: String,
    text: String,
    identities: Identities,
}

impl Keys {
    fn new() -> Self {
        let key = age::x25519::Identity::generate();
        let text = key.to_string().expose_secret().to_owned();
        let identities = Identities::new().with_age(&Secret::new(text.clone().into_bytes()), "the test's key").unwrap();
        Self { recipient: key.to_public().to_string(), text, identities }
    }

    fn policy(&self, sample: &Sample) -> Policy {
        let mut policy = Policy::age([self.recipient.clone()]);
        if let Some(pattern) = sample.encrypted_regex {
            policy = policy.with_selector(Selector::encrypted_regex(pattern).unwrap());
        }
        if sample.mac_only_encrypted { policy.with_mac_only_encrypted() } else { policy }
    }

    fn seal(&self, path: &Path, sample: &Sample) -> Document {
        let plain = Secret::new(sample.plain.clone().into_bytes());
        Sops::encrypt_new(path, &plain, &self.policy(sample), &self.identities).unwrap_or_else(|e| panic!("{e}\n{sample}"))
    }
}

struct Real<'a> {
    program: PathBuf,
    dir: &'a Path,
    keys: &'a Keys,
}

impl Real<'_> {
    fn run(&self, arguments: &[&str], sample: &Sample) -> String {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.dir)
            .env("SOPS_AGE_KEY", &self.keys.text)
            .env_remove("SOPS_AGE_KEY_FILE")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "sops {arguments:?}: {}\n{sample}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The rules, by the names of the files: `-re`, `-mo`.
    fn rules(&self) {
        let rule = |regex: &str, entries: &str| format!("- path_regex: '{regex}'\n{entries}  age: {}\n", self.keys.recipient);
        let selector = format!("  encrypted_regex: {}\n", corpus::REGEX);
        let only = "  mac_only_encrypted: true\n";
        let rules = [rule("-re-mo", &(selector.clone() + only)), rule("-re", &selector), rule("-mo", only), rule("", "")];
        std::fs::write(self.dir.join(".sops.yaml"), format!("creation_rules:\n{}", rules.concat())).unwrap();
    }

    fn encrypt(&self, name: &str, sample: &Sample) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::write(&path, &sample.plain).unwrap();
        self.run(&["encrypt", "--in-place", name], sample);
        path
    }

    /// Decrypted by sops, in a form that does not depend on the layout.
    fn decrypt(&self, name: &str, sample: &Sample) -> String {
        match sample.format {
            Format::Binary => self.run(&["decrypt", name], sample),
            // In JSON sops prints the first document only.
            Format::Yaml if sample.plain.contains("\n---\n") => {
                let plain = self.run(&["decrypt", name], sample);
                let policy = Policy::age([self.keys.recipient.clone()]);
                let document = Sops::encrypt_new(Path::new("a.yaml"), &Secret::new(plain.into_bytes()), &policy, &self.keys.identities);
                format!("{:#?}", values(&document.unwrap()))
            }
            _ => self.run(&["decrypt", "--output-type", "json", name], sample),
        }
    }
}

/// The canonical bytes, not the kinds: sops writes a readable 3.0 back as 3. What an encrypted value is, sops itself tells below.
fn values(document: &Document) -> Vec<(String, String)> {
    document.values().map(|(path, value)| (path.to_string(), value.as_str().unwrap_or("bytes").to_owned())).collect()
}

/// A value that is encrypted, if there is one.
fn choose(document: &Document, dice: &mut Dice) -> Option<KeyPath> {
    let all: Vec<&KeyPath> = document.paths().filter(|path| document.is_encrypted((*path).clone())).collect();
    if all.is_empty() { None } else { Some(all[dice.roll(all.len())].clone()) }
}

/// Everything in a text that is encrypted, in order, but the MAC.
fn ciphertexts(text: &str) -> Vec<&str> {
    let is_mac = |line: &str| ["mac", "\"mac", "sops_mac"].iter().any(|begin| line.trim_start().starts_with(begin));
    let lines = text.lines().filter(|line| !is_mac(line));
    lines.flat_map(|line| line.split("ENC[").skip(1)).map(|piece| piece.split(']').next().unwrap_or_default()).collect()
}

#[test]
fn the_corpus_goes_both_ways_through_the_real_sops() {
    let program = PathBuf::from(std::env::var_os("SOPS").unwrap_or_else(|| "sops".into()));
    if Command::new(&program).args(["--version", "--disable-version-check"]).output().is_err() {
        eprintln!("SKIPPED: {} is not there; name the sops program with SOPS (scripts/sops.sh builds it)", program.display());
        return;
    }
    let count = std::env::var("SOPS_CORPUS").ok().and_then(|text| text.parse().ok()).unwrap_or(SAMPLES);
    let (dir, keys) = (tempfile::tempdir().unwrap(), Keys::new());
    let real = Real { program, dir: dir.path(), keys: &keys };
    real.rules();
    let (next, edited) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    edited.fetch_add(usize::from(both_ways(&real, seed)), Ordering::Relaxed);
                }
            });
        }
    });
    let edited = edited.into_inner();
    assert!(edited * 10 > count * 8, "{edited} of {count} had a value to edit");
    eprintln!("{count} documents both ways, {edited} of them edited");
}

fn both_ways(real: &Real<'_>, seed: usize) -> bool {
    let sample = Sample::new(seed);
    let marks =
        format!("{}{}", if sample.encrypted_regex.is_some() { "-re" } else { "" }, if sample.mac_only_encrypted { "-mo" } else { "" });
    let (ours, theirs) = (format!("ours{seed}{marks}.{}", sample.end()), format!("theirs{seed}{marks}.{}", sample.end()));
    let path = real.encrypt(&theirs, &sample);
    let mut from_sops =
        Sops::open(&path, &real.keys.identities).unwrap_or_else(|e| panic!("{e}\n{sample}\n{}", std::fs::read_to_string(&path).unwrap()));
    let mut document = real.keys.seal(&real.dir.join(&ours), &sample);
    assert_eq!(values(&document), values(&from_sops), "{sample}");
    // The layout that sops makes means the same to us.
    let plain = from_sops.plain().unwrap();
    assert!(!String::from_utf8_lossy(plain.expose()).contains("ENC[AES256_GCM,data:"), "{sample}");
    let again =
        Sops::encrypt_new(&real.dir.join(format!("again.{}", sample.end())), &plain, &real.keys.policy(&sample), &real.keys.identities);
    assert_eq!(values(&again.unwrap_or_else(|e| panic!("{e}\n{sample}"))), values(&from_sops), "{sample}");
    // One value is edited in both; every other ciphertext stays, to the byte.
    let chosen = choose(&from_sops, &mut Dice::new(seed));
    if let Some(chosen) = &chosen {
        let before = from_sops.text().to_owned();
        for document in [&mut document, &mut from_sops] {
            document.set(chosen.clone(), &Value::text("a new: value #1")).unwrap_or_else(|e| panic!("{e}\n{sample}"));
        }
        from_sops.save().unwrap();
        let after = std::fs::read_to_string(&path).unwrap();
        let (before, after) = (ciphertexts(&before), ciphertexts(&after));
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert_eq!((before.len(), changed), (after.len(), 1), "{chosen}\n{sample}");
    }
    document.save().unwrap();
    let (a, b) = (real.decrypt(&ours, &sample), real.decrypt(&theirs, &sample));
    assert_eq!(a, b, "{sample}\n{}", std::fs::read_to_string(real.dir.join(&ours)).unwrap());
    assert_eq!(a.matches("a new: value #1").count(), usize::from(chosen.is_some()), "{sample}\n{a}");
    chosen.is_some()
}
