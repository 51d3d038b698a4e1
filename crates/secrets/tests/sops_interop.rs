//! Against the real sops: it decrypts what is written here, and what it writes is decrypted here.
//!
//! The program is named by `SOPS`, or `sops` in `PATH`. Without it the tests say that they skip.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::format_push_string)] // a test fails by it, and says that it skips

#[path = "sops_interop/formats.rs"]
mod formats;
#[path = "sops_interop/keys.rs"]
mod keys;
#[path = "sops_interop/values.rs"]
mod values;

use std::path::{Path, PathBuf};
use std::process::Command;

use age::secrecy::ExposeSecret;
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{
    Document, Done, Gpg, Identities, KeyPath, Outline, Pattern, Policy, Recipient, Rules, Selector, Sops, Value,
};

struct Bench {
    dir: tempfile::TempDir,
    program: PathBuf,
    recipient: String,
    identities: Identities,
}

impl Bench {
    fn new() -> Option<Self> {
        let program = PathBuf::from(std::env::var_os("SOPS").unwrap_or_else(|| "sops".into()));
        if Command::new(&program).args(["--version", "--disable-version-check"]).output().is_err() {
            eprintln!("SKIPPED: {} is not there; name the sops program with SOPS", program.display());
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let key = age::x25519::Identity::generate();
        let text = key.to_string().expose_secret().to_owned();
        std::fs::write(dir.path().join("keys.txt"), &text).unwrap();
        let identities = Identities::new().with_age(&Secret::new(text.into_bytes()), "the test's key").unwrap();
        Some(Self { dir, program, recipient: key.to_public().to_string(), identities })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn try_sops(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.dir.path())
            .env("SOPS_AGE_KEY_FILE", self.path("keys.txt"))
            .env_remove("SOPS_AGE_KEY")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn sops(&self, arguments: &[&str]) -> String {
        self.try_sops(arguments).unwrap_or_else(|e| panic!("sops {arguments:?}: {e}"))
    }

    /// Encrypted by sops, with the entries of a creation rule.
    fn theirs(&self, name: &str, plain: &str, rule: &[&str]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, plain).unwrap();
        let entries: String = rule.iter().map(|entry| format!("    {entry}\n")).collect();
        std::fs::write(self.path(".sops.yaml"), format!("creation_rules:\n  - age: {}\n{entries}", self.recipient)).unwrap();
        self.sops(&["encrypt", "-i", name]);
        path
    }

    fn open(&self, path: &Path) -> Document {
        Sops::open(path, &self.identities).unwrap_or_else(|e| panic!("{e}\n{}", std::fs::read_to_string(path).unwrap()))
    }

    fn ours(&self, name: &str, plain: &str, policy: &Policy) -> PathBuf {
        let path = self.path(name);
        let mut document =
            Sops::encrypt_new(&path, &Secret::new(plain.into()), policy, &self.identities).unwrap_or_else(|e| panic!("{e}\n{plain}"));
        document.save().unwrap();
        path
    }

    fn policy(&self) -> Policy {
        Policy::age([self.recipient.clone()])
    }
}

fn plain_of(document: &Document) -> String {
    String::from_utf8(document.plain().unwrap().expose().to_vec()).unwrap()
}

fn selectors() -> Vec<(Vec<&'static str>, Selector)> {
    let regex = |text: &str| Pattern::new(text).unwrap();
    vec![
        (vec![], Selector::default()),
        (vec!["unencrypted_suffix: '_plain'"], Selector::UnencryptedSuffix("_plain".into())),
        (vec!["encrypted_suffix: '_secret'"], Selector::EncryptedSuffix("_secret".into())),
        (vec!["encrypted_regex: '^(data|list)$'"], Selector::EncryptedRegex(regex("^(data|list)$"))),
        (vec!["unencrypted_regex: '^(data|list)$'"], Selector::UnencryptedRegex(regex("^(data|list)$"))),
        (vec!["encrypted_comment_regex: 'sops:enc'"], Selector::EncryptedCommentRegex(regex("sops:enc"))),
        (vec!["unencrypted_comment_regex: 'sops:dec'"], Selector::UnencryptedCommentRegex(regex("sops:dec"))),
    ]
}

const YAML: &[&str] = &[
    "a: 1\n",
    "a: text\nb: 0644\nc: 3.0\nd: true\ne: ~\nf: \"\"\ng: 2024-01-01\nh: 1e30\ni: 1_000\nj: .5\nk: 12:30:00\nl: yes\nm: -7\nn: 2001-12-14t21:59:43.10-05:00\n",
    "# top\n\ndata:\n  # inside\n  user: admin # inline\n  pass: 'it''s'\n\n  list:\n    # first\n    - a\n    - {x: 1, y: [b, c]}\n    - - nested\n# foot\nkind: Secret\n",
    "data:\n    key: |\n        line 1\n        # no comment\n\n        line 3\n    folded: >-\n        one\n        two\n    strip: |-\n        x\n    keep: |+\n        k\n\nlast_plain: end\n",
    "list:\n- one\n- two # why\n- k: v\n  # sops:enc\n  l: w\n- []\n- {}\n-\n",
    "# sops:enc\na: 1\n# nothing\nb: 2\nc: 3 # sops:enc\n# sops:dec\nd:\n  e: 5\n",
    "a_secret: x\nb_plain: y\nc:\n  d_secret:\n    e: [1, 2]\n",
    "one: 1\n---\ntwo: 2\n---\ndata:\n  three: 3\n",
    "unicode: \"ä\\u00e9\\n\\ttab\"\nquote: \"\\\"q\\\" \\\\ back\"\n\"odd key\": v\n\"a:b\": c\n'#k': x\n",
    "data: !!str 5\nt: !!float 1\nq: !foo 5\nb: !!binary aGVsbG8=\n",
    "{a: 1, data: [x, y], c: {d: \"e, f\"}}\n",
    "data:\n  empty: \"\"\n  zero: 0\n  big: 9223372036854775807\n",
];

#[test]
fn sops_decrypts_yaml_written_here() {
    let Some(bench) = Bench::new() else { return };
    for (index, plain) in YAML.iter().enumerate() {
        for (options, selector) in selectors() {
            for only in [false, true] {
                let mut policy = bench.policy().with_selector(selector.clone());
                let mut options = options.clone();
                if only {
                    policy = policy.with_mac_only_encrypted();
                    options.push("mac_only_encrypted: true");
                }
                let name = format!("ours{index}.yaml");
                let _ = std::fs::remove_file(bench.path(&name));
                bench.ours(&name, plain, &policy);
                let theirs = format!("theirs{index}.yaml");
                bench.theirs(&theirs, plain, &options);
                let all = |name: &str| match bench.try_sops(&["decrypt", "--output-type", "json", name]) {
                    Ok(text) => text,
                    Err(e) => panic!("{e}\n{options:?}\n{plain}\n{}", std::fs::read_to_string(bench.path(name)).unwrap()),
                };
                // sops 3.13.3 loses its own way with encrypted comments in lists.
                if options.iter().any(|entry| entry.starts_with("encrypted_comment_regex")) && plain.contains("list:") {
                    continue;
                }
                assert_eq!(all(&name), all(&theirs), "{options:?}\n{plain}");
                // What is decrypted, encrypted and decrypted once more, stays.
                let first = plain_of(&bench.open(&bench.path(&name)));
                let _ = std::fs::remove_file(bench.path("again.yaml"));
                let again = bench.ours("again.yaml", &first, &policy);
                assert_eq!(plain_of(&bench.open(&again)), first, "{options:?}\n{plain}");
            }
        }
    }
}

#[test]
fn yaml_of_sops_is_decrypted_here_and_what_is_decrypted_is_the_same_for_sops() {
    let Some(bench) = Bench::new() else { return };
    for (index, plain) in YAML.iter().enumerate() {
        for (options, selector) in selectors() {
            if options.iter().any(|entry| entry.starts_with("encrypted_comment_regex")) && plain.contains("list:") {
                continue;
            }
            let name = format!("t{index}.yaml");
            let path = bench.theirs(&name, plain, &options);
            let document = bench.open(&path);
            let copy = format!("c{index}.yaml");
            let _ = std::fs::remove_file(bench.path(&copy));
            bench.ours(&copy, &plain_of(&document), &bench.policy().with_selector(selector));
            let json = |name: &str| bench.sops(&["decrypt", "--output-type", "json", name]);
            assert_eq!(json(&copy), json(&name), "{options:?}\n{plain}\n{}", plain_of(&document));
            assert!(!plain_of(&document).contains("ENC["), "{plain}\n{}", plain_of(&document));
        }
    }
}

/// The lines that differ, as their beginnings.
fn changed_lines(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    assert_eq!(before.len(), after.len());
    let pairs = before.iter().zip(&after).filter(|(a, b)| a != b);
    pairs.map(|(_, b)| b.trim_start().split([':', '=']).next().unwrap_or_default().trim_matches(['"', ' ']).to_owned()).collect()
}

#[test]
fn an_edit_changes_its_value_the_mac_and_the_time_and_nothing_else() {
    let Some(bench) = Bench::new() else { return };
    let path = bench.theirs("edit.yaml", YAML[2], &[]);
    let before = std::fs::read_to_string(&path).unwrap();
    let mut document = bench.open(&path);
    assert_eq!(document.set(["data", "user"], &Value::text("admin")).unwrap(), Done::Already);
    assert_eq!(document.save().unwrap(), Done::Already);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(document.set(["data", "user"], &Value::text("root: #1")).unwrap(), Done::Changed);
    document.save().unwrap();
    let after = std::fs::read_to_string(&path).unwrap();
    assert_eq!(changed_lines(&before, &after), ["user", "lastmodified", "mac"]);
    assert_eq!(bench.sops(&["decrypt", "--extract", "[\"data\"][\"user\"]", "edit.yaml"]), "root: #1");
    let mut document = bench.open(&path);
    let text = plain_of(&document).replace("'it''s'", "new\n").replace("it's", "new");
    assert_eq!(document.edit(&Secret::new(text.into_bytes())).unwrap(), Done::Changed);
    document.save().unwrap();
    let edited = std::fs::read_to_string(&path).unwrap();
    assert_eq!(changed_lines(&after, &edited).iter().filter(|line| *line != "lastmodified").collect::<Vec<_>>(), ["pass", "mac"]);
}

#[test]
fn values_are_added_and_taken_out_and_sops_agrees() {
    let Some(bench) = Bench::new() else { return };
    for plain in [YAML[2], YAML[10]] {
        let path = bench.theirs("grow.yaml", plain, &[]);
        let mut document = bench.open(&path);
        document.set(["new", "deep", "value"], &Value::int(5)).unwrap();
        document.set(kubestead_secrets::sops::KeyPath::from(["fresh"]).index(0).key("k"), &Value::bool(true)).unwrap();
        document.set(["multi"], &Value::text("a\nb\n")).unwrap();
        document.save().unwrap();
        for (at, expected) in [(r#"["new"]["deep"]["value"]"#, "5"), (r#"["fresh"][0]["k"]"#, "true"), (r#"["multi"]"#, "a\nb\n")] {
            assert_eq!(bench.sops(&["decrypt", "--extract", at, "grow.yaml"]).trim_end(), expected.trim_end());
        }
        let mut document = bench.open(&path);
        assert_eq!(document.unset(["new", "deep", "value"]).unwrap(), Done::Changed);
        assert_eq!(document.unset(["data"]).unwrap(), Done::Changed);
        assert_eq!(document.unset(["data"]).unwrap(), Done::Already);
        document.save().unwrap();
        let json = bench.sops(&["decrypt", "--output-type", "json", "grow.yaml"]);
        assert!(!json.contains("\"data\"") && json.contains("\"deep\": {}"), "{json}");
    }
}

#[test]
fn tampering_is_refused_by_both() {
    let Some(bench) = Bench::new() else { return };
    let path = bench.ours("tamper.yaml", "a: one\nb: two\nn_unencrypted: three\n", &bench.policy());
    let good = std::fs::read_to_string(&path).unwrap();
    let swap = |text: &str| -> String {
        let lines: Vec<&str> = text.lines().collect();
        let (a, b) = (lines[0].trim_start_matches("a: "), lines[1].trim_start_matches("b: "));
        text.replacen(a, "@", 1).replacen(b, a, 1).replacen('@', b, 1)
    };
    let without_mac: String = good.lines().filter(|line| !line.trim_start().starts_with("mac:")).map(|line| format!("{line}\n")).collect();
    let cases = [
        ("an unencrypted value", good.replace("three", "tree")),
        ("two values swapped", swap(&good)),
        ("a value gone", good.lines().skip(1).map(|line| format!("{line}\n")).collect()),
        ("a plain value added", format!("z_unencrypted: 1\n{good}")),
        ("the time", good.replacen("lastmodified: \"20", "lastmodified: \"19", 1)),
        ("the selector", good.replace("unencrypted_suffix: _unencrypted", "encrypted_suffix: nothing")),
        ("no MAC", without_mac),
        ("a plain value in the place of an encrypted one", good.replacen(good.lines().next().unwrap(), "a: one", 1)),
    ];
    for (what, text) in cases {
        assert_ne!(text, good, "{what}");
        std::fs::write(&path, &text).unwrap();
        let error = Sops::open(&path, &bench.identities).expect_err(what);
        assert!(!error.to_string().contains("one\n") && error.to_string().contains("tamper.yaml"), "{error}");
        assert!(bench.try_sops(&["decrypt", "tamper.yaml"]).is_err(), "{what}");
    }
    std::fs::write(&path, &good).unwrap();
    bench.open(&path);
}
