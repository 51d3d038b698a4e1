//! A corpus of generated documents in all formats, both ways against the real sops: what it writes is read here and the other way round,
//! and an edit leaves every other ciphertext byte alone.
//!
//! The program is named by `SOPS`, or `sops` in `PATH`. Without it the tests say that they skip. `SOPS_CORPUS` is the number of documents.
//! `CORPUS_SECONDS` says how long the second test tries YAML of all shapes (5 when it is not set), `CORPUS_SEED` where it begins (1 when it
//! is not set, so that a gate's result depends on the change alone). A failure names its seed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::format_push_string)] // a test fails by it, and says that it skips

mod corpus;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use age::secrecy::ExposeSecret;
use corpus::{Dice, Sample, shapes};
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Document, Format, Identities, KeyPath, Outline, Policy, Rules, Selector, Sops, Step, Value};

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

/// The rules that documents of all shapes are encrypted by.
const RULES: &[&str] = &[
    "",
    "  encrypted_regex: ^(stringData|key)\n",
    "  unencrypted_regex: ^key\n",
    "  unencrypted_comment_regex: note\n",
    "  encrypted_comment_regex: note\n",
    "  mac_only_encrypted: true\n",
];

/// Why a document of all shapes may be refused though sops takes it. What it would make of them is not what they say.
const MAY_REFUSE: &[&str] = &[
    "the block that ends the file has no end of line",
    "an alias leads to a value that is to be encrypted",
    "an alias repeats this comment",
    "which sops cannot hold",
    "is there twice",
];

/// The kind is left out: sops writes a readable 3.0 back as 3.
fn lossless(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("{:x?}", value.bytes().expose()), str::to_owned)
}

/// The first value that is not the same.
fn difference(ours: &[(String, String)], theirs: &[(String, String)]) -> String {
    let place = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    format!("ours {:?}, of sops {:?}", ours.get(place), theirs.get(place))
}

/// What an operation on our file comes to.
enum Outcome {
    Done,
    /// Refused, with the reason.
    Refused(String),
}

struct Shape<'a> {
    real: &'a Real<'a>,
    seed: usize,
    plain: String,
}

impl Shape<'_> {
    fn fail(&self, why: &str, file: &str) -> ! {
        panic!("CORPUS_SEED={}: {why}\n--- plain\n{}\n--- file {file}\n{}", self.seed, self.plain, self.text(file));
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.real.dir.join(file)).unwrap_or_default()
    }

    fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.real.program)
            .args(arguments)
            .current_dir(self.real.dir)
            .env("SOPS_AGE_KEY", &self.real.keys.text)
            .env_remove("SOPS_AGE_KEY_FILE")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The values of a file as sops decrypts it. Every comment that is in the result is readable, where `all_comments` says so. None where
    /// sops prints what is not YAML, which it does with comments before brackets.
    fn decrypted(&self, file: &str, all_comments: bool) -> Option<Vec<(String, String)>> {
        let plain = self.try_run(&["decrypt", file]).unwrap_or_else(|e| self.fail(&format!("sops cannot decrypt it: {e}"), file));
        if all_comments && plain.contains("ENC[AES256_GCM") {
            self.fail(&format!("sops leaves a comment encrypted:\n{plain}"), file);
        }
        let outline = Outline::read(Path::new("a.yaml"), plain.as_bytes()).ok()?;
        Some(outline.entries().iter().map(|entry| (entry.path.to_string(), lossless(&entry.written))).collect())
    }

    fn open(&self, file: &str) -> Document {
        let path = self.real.dir.join(file);
        Sops::open(&path, &self.real.keys.identities).unwrap_or_else(|e| self.fail(&e.to_string(), file))
    }

    fn same(&self, file: &str, ours: &Document, theirs: Option<&Vec<(String, String)>>) {
        let Some(theirs) = theirs else { return };
        let ours: Vec<_> = ours.values().map(|(path, value)| (path.to_string(), lossless(value))).collect();
        if ours != *theirs {
            self.fail(&difference(&ours, theirs), file);
        }
    }

    /// One change here, and the same by sops in a copy.
    fn change(&self, file: &str, dice: &mut Dice, all_comments: bool) -> Outcome {
        let mut document = self.open(file);
        let copy = format!("copy-{file}");
        std::fs::copy(self.real.dir.join(file), self.real.dir.join(&copy)).unwrap();
        let paths: Vec<KeyPath> = document.paths().filter(|path| path.document() == 0).cloned().collect();
        let chosen = if paths.is_empty() { KeyPath::default().key("new") } else { paths[dice.roll(paths.len())].clone() };
        let parent = chosen.steps()[..chosen.steps().len() - 1].iter().fold(KeyPath::default(), |path, step| match step {
            Step::Key(key) => path.key(key),
            Step::Index(index) => path.index(*index),
        });
        let new = Value::text("a new: value #1");
        let index = |path: &KeyPath| match path.steps().last() {
            Some(Step::Index(_)) => Some(document.paths().filter(|p| p.steps().starts_with(parent.steps()) && p.document() == 0).count()),
            Some(Step::Key(_)) | None => None,
        };
        let operation = dice.roll(6);
        let (result, theirs) = match operation {
            0 => (document.set(chosen.clone(), &new), Some(vec!["set", &copy])),
            1 => {
                // At the end of the list, or below a new key beside the value.
                let target = index(&chosen).map_or_else(|| parent.clone().key("n e w"), |_| parent.clone().index(0));
                (document.set(target, &new), None)
            }
            2 => (document.set(parent.clone().key("new").key("below"), &new), None),
            3 => (document.unset(chosen.clone()), Some(vec!["unset", &copy])),
            4 if !parent.steps().is_empty() => (document.unset(parent.clone()), None),
            _ => (document.rotate(&self.real.keys.identities).map(|()| kubestead_secrets::sops::Done::Changed), None),
        };
        let what = format!("operation {operation} at {chosen}");
        if let Err(error) = result {
            return Outcome::Refused(format!("{what}: {error}"));
        }
        document.save().unwrap_or_else(|e| self.fail(&format!("{what}: {e}"), file));
        let found = self.decrypted(file, all_comments);
        self.same(file, &document, found.as_ref());
        self.same(file, &self.open(file), found.as_ref());
        // sops counts the comments of a list among its elements.
        let only_keys = chosen.steps().iter().all(|step| matches!(step, Step::Key(_)));
        if let Some(mut arguments) = theirs.filter(|_| !paths.is_empty() && only_keys) {
            let path = chosen.to_string();
            arguments.push(&path);
            if operation == 0 {
                arguments.push("\"a new: value #1\"");
            }
            // sops does not set through every path, such as one with a quote in a key, and cannot read all that it wrote itself: it moves
            // comments that a rule goes by.
            if self.try_run(&arguments).is_ok() && self.try_run(&["decrypt", &copy]).is_ok() {
                let wanted = self.decrypted(&copy, false);
                if let (Some(wanted), Some(found)) = (wanted, found)
                    && wanted != found
                {
                    self.fail(&format!("{what}: {}\nby sops:\n{}", difference(&found, &wanted), self.text(&copy)), file);
                }
            }
        }
        Outcome::Done
    }
}

#[test]
fn yaml_of_all_shapes_goes_both_ways_through_the_real_sops() {
    let program = PathBuf::from(std::env::var_os("SOPS").unwrap_or_else(|| "sops".into()));
    if Command::new(&program).args(["--version", "--disable-version-check"]).output().is_err() {
        eprintln!("SKIPPED: {} is not there; name the sops program with SOPS (scripts/sops.sh builds it)", program.display());
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let time = Duration::from_secs(number("CORPUS_SECONDS").unwrap_or(5) as u64);
    let seed = number("CORPUS_SEED").unwrap_or(1);
    let (dir, keys) = (tempfile::tempdir().unwrap(), Keys::new());
    let real = Real { program, dir: dir.path(), keys: &keys };
    let rules = RULES.iter().enumerate().map(|(number, rule)| format!("- path_regex: -{number}\\.yaml\n{rule}  age: {}\n", keys.recipient));
    std::fs::write(dir.path().join(".sops.yaml"), format!("creation_rules:\n{}", rules.collect::<String>())).unwrap();
    eprintln!("CORPUS_SEED={seed}");
    let (next, refused, unchanged, begin) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn > 0 && begin.elapsed() > time {
                        break;
                    }
                    match shape(&real, seed + turn) {
                        Some(not_changed) => unchanged.fetch_add(not_changed, Ordering::Relaxed),
                        None => refused.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
    });
    let (tried, refused, unchanged) = (next.into_inner(), refused.into_inner(), unchanged.into_inner());
    assert!(refused * 2 < tried, "{refused} of {tried} documents were refused");
    eprintln!("{tried} documents of all shapes, {refused} of them refused, {unchanged} changes refused");
}

/// How many changes were refused; none when the document was.
fn shape(real: &Real<'_>, seed: usize) -> Option<usize> {
    let mut dice = Dice::new(seed);
    let shape = Shape { real, seed, plain: shapes::document(&mut dice) };
    let rule = if seed.is_multiple_of(3) { seed / 3 % RULES.len() } else { 0 };
    let (ours, theirs) = (format!("shape{seed}-{rule}.yaml"), format!("sops{seed}-{rule}.yaml"));
    std::fs::write(real.dir.join(&theirs), &shape.plain).unwrap();
    let by_sops = shape.try_run(&["encrypt", "--in-place", &theirs]);
    // Comments in odd places make files of it that it cannot read itself.
    let readable = by_sops.is_ok() && shape.try_run(&["decrypt", &theirs]).is_ok();
    let path = real.dir.join(&ours);
    let policy = Rules::find(&path).unwrap().unwrap().policy(&path).unwrap();
    let plain = Secret::new(shape.plain.clone().into_bytes());
    let mut refused = 0;
    let mut document = match Sops::encrypt_new(&path, &plain, &policy, &real.keys.identities) {
        Ok(document) => document,
        Err(error) => {
            let why = error.to_string();
            if by_sops.is_ok() && !MAY_REFUSE.iter().any(|may| why.contains(may)) {
                shape.fail(&format!("refused, and sops takes it: {why}"), &theirs);
            }
            return None;
        }
    };
    document.save().unwrap_or_else(|e| shape.fail(&e.to_string(), &ours));
    shape.same(&ours, &document, shape.decrypted(&ours, true).as_ref());
    if readable {
        let found = shape.decrypted(&theirs, false);
        shape.same(&theirs, &shape.open(&theirs), found.as_ref());
    }
    for (file, all_comments) in [(&ours, true), (&ours, true), (&theirs, false)] {
        if file == &theirs && !readable {
            continue;
        }
        if let Outcome::Refused(why) = shape.change(file, &mut dice, all_comments) {
            if std::env::var_os("CORPUS_VERBOSE").is_some() {
                eprintln!("{seed}: {why}");
            }
            refused += 1;
        }
    }
    Some(refused)
}
