//! Against the real sops: it decrypts what is written here, and what it writes is decrypted here.
//!
//! The program is named by `SOPS`, or `sops` in `PATH`. Without it the tests say that they skip.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::format_push_string)] // a test fails by it, and says that it skips

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

const JSON: &[&str] = &[
    "{\n\t\"a\": 1,\n\t\"b\": [1.5, true, null, \"x\", {\"c\": \"\"}],\n\t\"d\": {}\n}\n",
    "{\"one\": \"\\u00e9\\ud83c\\udfb6\\n\\\"\", \"big\": 9223372036854775807, \"huge\": 12345678901234567890, \"f\": 1e3, \"n_plain\": -0.5}",
    "{}",
];
const DOTENV: &[&str] = &["A=1\n", "# comment\nA=x y #z\nB=\"q\"\n\nC=a\\nb\nD_unencrypted=p=q\nE=\n"];
const BINARY: &[&str] = &["hello", "line\n\ttab \"q\" \\ ä\n"];

const INI: &[&str] = &[
    "[one]\nk = v\n",
    "top = 1\n\n; about one\n[one]\n# about k\n# and more\nk = v\nq = \"quoted\"\ne =\nu: colon\n\n[two_unencrypted]\nk = a=b\np = `semi;colon`\n",
];

#[test]
fn the_other_formats_go_both_ways() {
    let Some(bench) = Bench::new() else { return };
    for (end, corpus) in [("json", JSON), ("env", DOTENV), ("bin", BINARY), ("ini", INI)] {
        for (index, plain) in corpus.iter().enumerate() {
            let (ours, theirs) = (format!("ours{index}.{end}"), format!("theirs{index}.{end}"));
            bench.ours(&ours, plain, &bench.policy());
            let path = bench.theirs(&theirs, plain, &[]);
            assert_eq!(bench.sops(&["decrypt", &ours]), bench.sops(&["decrypt", &theirs]), "{plain}");
            let document = bench.open(&path);
            assert!(!plain_of(&document).contains("ENC["), "{plain}");
            let back = format!("back{index}.{end}");
            bench.ours(&back, &plain_of(&document), &bench.policy());
            assert_eq!(bench.sops(&["decrypt", &back]), bench.sops(&["decrypt", &theirs]), "{plain}");
            if end != "json" && end != "ini" {
                assert_eq!(plain_of(&bench.open(&bench.path(&ours))), *plain);
            }
        }
    }
}

#[test]
fn a_value_of_a_section_is_edited_alone() {
    let Some(bench) = Bench::new() else { return };
    let path = bench.theirs("e.ini", INI[1], &[]);
    let before = std::fs::read_to_string(&path).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let mut document = bench.open(&path);
    document.set(["one", "k"], &Value::text("new; value")).unwrap();
    document.save().unwrap();
    let after = std::fs::read_to_string(&path).unwrap();
    assert_eq!(changed_lines(&before, &after).len(), 3);
    let mut document = bench.open(&path);
    document.set(["one", "fresh"], &Value::text("f")).unwrap();
    document.set(["three", "deep"], &Value::text("d")).unwrap();
    document.set(["DEFAULT", "first"], &Value::text("x")).unwrap();
    document.unset(["one", "q"]).unwrap();
    document.save().unwrap();
    let plain = bench.sops(&["decrypt", "e.ini"]);
    for words in ["new; value", "fresh", "[three]", "first", "about one"] {
        assert!(plain.contains(words), "{words}\n{plain}");
    }
    assert!(!plain.contains("quoted"));
}

#[test]
fn one_value_of_the_other_formats_is_edited_alone() {
    let Some(bench) = Bench::new() else { return };
    for (name, plain, key) in [("e.json", JSON[0], "a"), ("e.env", DOTENV[1], "A"), ("e.bin", BINARY[0], "data")] {
        let path = bench.theirs(name, plain, &[]);
        let before = std::fs::read_to_string(&path).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let mut document = bench.open(&path);
        document.set([key], &Value::text("new\nvalue")).unwrap();
        document.save().unwrap();
        let after = std::fs::read_to_string(&path).unwrap();
        let changed = changed_lines(&before, &after);
        assert_eq!(changed.len(), 3, "{changed:?}");
        assert!(bench.sops(&["decrypt", name]).contains("new"));
        if name != "e.bin" {
            let mut document = bench.open(&path);
            document.set(["FRESH"], &Value::text("f")).unwrap();
            document.save().unwrap();
            assert_eq!(bench.open(&path).get(["FRESH"]).and_then(Value::as_str), Some("f"));
            assert!(bench.sops(&["decrypt", name]).contains("FRESH"));
            let mut document = bench.open(&path);
            document.unset([key]).unwrap();
            document.unset(["FRESH"]).unwrap();
            document.save().unwrap();
            assert!(!bench.sops(&["decrypt", name]).contains("FRESH"));
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mac = text.rfind("mac").unwrap();
        std::fs::write(&path, text[..mac].to_owned() + &text[mac..].replacen("iv:", "iv:A", 1)).unwrap();
        assert!(Sops::open(&path, &bench.identities).is_err() && bench.try_sops(&["decrypt", name]).is_err());
    }
}

fn second_key() -> (String, Identities) {
    let key = age::x25519::Identity::generate();
    let text = Secret::new(key.to_string().expose_secret().as_bytes().to_vec());
    (key.to_public().to_string(), Identities::new().with_age(&text, "the second key").unwrap())
}

#[test]
fn key_groups_need_their_threshold_and_go_both_ways() {
    let Some(bench) = Bench::new() else { return };
    let (other, others) = second_key();
    let age = |text: &str| vec![Recipient::Age(text.to_owned())];
    let two = vec![age(&bench.recipient), age(&other)];
    for name in ["g.yaml", "g.json", "g.ini", "g.env"] {
        let plain = match name {
            "g.json" => "{\"a\": \"b\"}",
            "g.ini" => "[a]\nb = c\n",
            "g.env" => "A=b\n",
            _ => "a: b\n",
        };
        let both = vec![vec![Recipient::Age(bench.recipient.clone()), Recipient::Age(other.clone())], age(&bench.recipient)];
        bench.ours(name, plain, &Policy::key_groups(both, 2));
        assert!(bench.sops(&["decrypt", name]).contains('b'), "{name}");
        bench.open(&bench.path(name));
        let error = Sops::open(&bench.path(name), &others).unwrap_err().to_string();
        assert!(error.contains("2 of 2 key groups are needed and 1 opened") && error.contains("group 2, age"), "{error}");
    }
    let mut document =
        Sops::encrypt_new(&bench.path("n.yaml"), &Secret::new(b"a: b\n".to_vec()), &Policy::key_groups(two, 2), &bench.identities).unwrap();
    document.save().unwrap();
    assert!(Sops::open(&bench.path("n.yaml"), &bench.identities).is_err() && bench.try_sops(&["decrypt", "n.yaml"]).is_err());
    // Theirs.
    let groups = format!(
        "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{0}]\n      - age: [{0}, {other}]\n      - age: [{other}]\n",
        bench.recipient
    );
    std::fs::write(bench.path("t.yaml"), "a: theirs\n").unwrap();
    std::fs::write(bench.path(".sops.yaml"), groups).unwrap();
    bench.sops(&["encrypt", "-i", "t.yaml"]);
    let mut document = bench.open(&bench.path("t.yaml"));
    assert_eq!(document.get(["a"]).and_then(Value::as_str), Some("theirs"));
    document.set(["a"], &Value::text("ours")).unwrap();
    document.save().unwrap();
    assert_eq!(bench.sops(&["decrypt", "--extract", "[\"a\"]", "t.yaml"]), "ours");
    Sops::open(&bench.path("t.yaml"), &others).unwrap();
}

#[test]
fn rules_update_recipients_and_removal_makes_a_new_key() {
    let Some(bench) = Bench::new() else { return };
    let (other, others) = second_key();
    let path = bench.theirs("u.yaml", "# note\na: one\nb: [two]\n", &[]);
    let before = std::fs::read_to_string(&path).unwrap();
    let policy = |recipients: &str| {
        let text = format!("creation_rules:\n  - path_regex: u.yaml$\n    age: {recipients}\n");
        std::fs::write(bench.path(".sops.yaml"), text).unwrap();
        Rules::find(&path).unwrap().unwrap().policy(&path).unwrap()
    };
    let mut document = bench.open(&path);
    assert!(!document.update_recipients(&policy(&bench.recipient), &bench.identities).unwrap().changed);
    assert_eq!(document.save().unwrap(), Done::Already);
    let update = document.update_recipients(&policy(&format!("{},{other}", bench.recipient)), &bench.identities).unwrap();
    assert_eq!((update.added.len(), update.removed.len(), update.rotated), (1, 0, false));
    document.save().unwrap();
    let after = std::fs::read_to_string(&path).unwrap();
    let values = |text: &str| text.split("sops:\n").next().unwrap().to_owned();
    assert_eq!(values(&before), values(&after), "no ciphertext changed");
    Sops::open(&path, &others).unwrap();
    bench.sops(&["decrypt", "u.yaml"]);
    let mut document = bench.open(&path);
    let update = document.update_recipients(&policy(&bench.recipient), &bench.identities).unwrap();
    assert!(update.rotated && update.removed.len() == 1);
    document.save().unwrap();
    let rotated = std::fs::read_to_string(&path).unwrap();
    assert!(values(&rotated).lines().zip(values(&after).lines()).filter(|(a, b)| a == b && a.contains("ENC[")).count() == 0);
    let error = Sops::open(&path, &others).unwrap_err().to_string();
    assert!(error.contains("u.yaml") && error.contains(&bench.recipient) && error.contains("the second key"), "{error}");
    assert!(bench.sops(&["decrypt", "u.yaml"]).contains("# note"));
    document.rotate(&bench.identities).unwrap();
    document.save().unwrap();
    assert_ne!(values(&std::fs::read_to_string(&path).unwrap()), values(&rotated));
    assert!(bench.sops(&["decrypt", "u.yaml"]).contains("one"));
}

#[test]
fn entries_of_key_services_stay_and_are_named_when_needed() {
    let Some(bench) = Bench::new() else { return };
    let (_, others) = second_key();
    let path = bench.theirs("k.yaml", "a: one\n", &[]);
    let entry = "sops:\n    kms:\n        - arn: arn:aws:kms:eu:1:key/x\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: AAAA\n          aws_profile: \"\"\n";
    let text = std::fs::read_to_string(&path).unwrap().replace("sops:\n", entry);
    std::fs::write(&path, text).unwrap();
    let error = Sops::open(&path, &others).unwrap_err().to_string();
    assert!(error.contains("kms arn:aws:kms:eu:1:key/x: kms is not supported here"), "{error}");
    let mut document = bench.open(&path);
    document.set(["a"], &Value::text("two")).unwrap();
    document.save().unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains(entry));
    let error = bench.open(&path).rotate(&bench.identities).unwrap_err().to_string();
    assert!(error.contains("cannot be encrypted to kms arn:aws:kms"), "{error}");
    let (new, _) = second_key();
    let mut policy = Policy::age([bench.recipient.clone(), new]);
    policy.groups[0].push(Recipient::Foreign { kind: "kms".into(), name: "arn:aws:kms:eu:1:key/x".into() });
    let mut document = bench.open(&path);
    document.update_recipients(&policy, &bench.identities).unwrap();
    document.save().unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("enc: AAAA"));
    bench.sops(&["decrypt", "k.yaml"]);
}

#[test]
fn openpgp_goes_both_ways_through_gpg() {
    let Some(bench) = Bench::new() else { return };
    let home = tempfile::Builder::new().prefix("gpg").tempdir().unwrap();
    let gpg = |arguments: &[&str]| Command::new("gpg").arg("--homedir").arg(home.path()).args(arguments).output();
    let made = gpg(&["--batch", "--passphrase", "", "--quick-gen-key", "test@example.org", "future-default", "default", "never"]);
    if !made.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: gpg could not make a key: {made:?}");
        return;
    }
    let list = String::from_utf8(gpg(&["--list-keys", "--with-colons"]).unwrap().stdout).unwrap();
    let fingerprint = list.lines().find(|line| line.starts_with("fpr:")).unwrap().split(':').nth(9).unwrap().to_owned();
    let identities = || Identities::new().with_gpg(Gpg::default().with_home(home.path()));
    let sops = |arguments: &[&str]| {
        let output =
            Command::new(&bench.program).args(arguments).current_dir(bench.dir.path()).env("GNUPGHOME", home.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let path = bench.path("p.yaml");
    let mut policy = Policy::default();
    policy.groups = vec![vec![Recipient::Pgp(fingerprint.clone())]];
    let mut document = Sops::encrypt_new(&path, &Secret::new(b"a: ours\n".to_vec()), &policy, &identities()).unwrap();
    document.save().unwrap();
    assert_eq!(sops(&["decrypt", "p.yaml"]), "a: ours\n");
    let path = bench.path("q.yaml");
    std::fs::write(&path, "a: theirs\n").unwrap();
    std::fs::write(bench.path(".sops.yaml"), format!("creation_rules:\n  - pgp: {fingerprint}\n")).unwrap();
    sops(&["encrypt", "-i", "q.yaml"]);
    let mut document = Sops::open(&path, &identities()).unwrap();
    assert_eq!(document.get(["a"]).and_then(Value::as_str), Some("theirs"));
    document.rotate(&identities()).unwrap();
    document.save().unwrap();
    assert_eq!(sops(&["decrypt", "q.yaml"]), "a: theirs\n");
    let error = Sops::open(&path, &Identities::new()).unwrap_err().to_string();
    assert!(error.contains(&fingerprint) && error.contains("gpg was not given"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = Sops::open(&path, &Identities::new().with_gpg(Gpg::default().with_home(empty.path()))).unwrap_err().to_string();
    assert!(error.contains("no secret key"), "{error}");
    policy.groups[0].push(Recipient::Pgp("0123456789ABCDEF0123456789ABCDEF01234567".into()));
    let error = Sops::encrypt_new(&bench.path("r.yaml"), &Secret::new(b"a: b\n".to_vec()), &policy, &identities()).unwrap_err().to_string();
    assert!(error.contains("does not have the public key"), "{error}");
    let _ = Command::new("gpgconf").arg("--homedir").arg(home.path()).args(["--kill", "all"]).output();
}

#[cfg(feature = "ssh")]
#[test]
fn ssh_keys_are_recipients_and_identities() {
    let Some(bench) = Bench::new() else { return };
    for kind in ["ed25519", "rsa"] {
        let key = bench.path(kind);
        let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", kind, "-f"]).arg(&key).status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: ssh-keygen could not make a key");
            return;
        }
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let recipient = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let identities = Identities::new().with_ssh_file(&key).unwrap();
        let name = format!("{kind}.yaml");
        let path = bench.path(&name);
        Sops::encrypt_new(&path, &Secret::new(b"a: b\n".to_vec()), &Policy::age([recipient.trim()]), &identities).unwrap().save().unwrap();
        let decrypt = || {
            Command::new(&bench.program)
                .args(["decrypt", &name])
                .current_dir(bench.dir.path())
                .env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", &key)
                .output()
                .unwrap()
        };
        assert_eq!(String::from_utf8_lossy(&decrypt().stdout), "a: b\n", "{}", String::from_utf8_lossy(&decrypt().stderr));
        assert_eq!(Sops::open(&path, &identities).unwrap().get(["a"]).and_then(Value::as_str), Some("b"));
        let theirs = format!("t{kind}.yaml");
        std::fs::write(bench.path(&theirs), "a: theirs\n").unwrap();
        std::fs::write(bench.path(".sops.yaml"), format!("creation_rules:\n  - age: {}\n", recipient.trim())).unwrap();
        bench.sops(&["encrypt", "-i", &theirs]);
        assert_eq!(Sops::open(&bench.path(&theirs), &identities).unwrap().get(["a"]).and_then(Value::as_str), Some("theirs"));
    }
}

/// `.sops.yaml` files with merge keys, anchors and regular expressions, with `A`, `B` and `C` for recipients.
const RULES: &[&str] = &[
    "x-prod: &prod\n  path_regex: ^prod/\n  encrypted_regex: ^(data|stringData)$\ncreation_rules:\n  - <<: *prod\n    age: A\n  - age: B\n",
    "base: &base\n  age: A\n  encrypted_regex: ^data$\nprod: &prod\n  <<: *base\n  path_regex: prod\ncreation_rules:\n  - <<: *prod\n  - <<: *base\n    age: C\n",
    "a: &a {age: A, unencrypted_suffix: _x}\nb: &b {age: B, path_regex: dev}\ncreation_rules:\n  - <<: [*b, *a]\n  - <<: [*a, *b]\n    path_regex: null\n",
    "creation_rules:\n  - &first\n    path_regex: dev/a\n    age: A\n    encrypted_suffix: ata\n  - age: B\n    <<: *first\n    path_regex: ''\n",
    "keys:\n  - &a A\n  - &b B\ncreation_rules:\n  - path_regex: prod/.*\\.yaml$\n    key_groups:\n      - age: [*a, *b]\n  - key_groups:\n      - &group\n        age:\n          - *b\n      - <<: *group\n        age: [*a]\n    shamir_threshold: 2\n",
    "top: &top\n  creation_rules:\n    - age: A\n      unencrypted_regex: ^\\w+$\n<<: *top\n",
    "creation_rules:\n  - <<: {age: A, encrypted_regex: '^\\Qdata\\E\\z'}\n    path_regex: '(?i)^PROD/'\n  - <<: {<<: {age: B}, encrypted_regex: '\\bkind\\b'}\n",
    "d: &d {mac_only_encrypted: true}\ne: &e {<<: *d, encrypted_regex: d$}\nf: &f {<<: [*e], age: C}\ncreation_rules: [{<<: *f}]\n",
];

#[test]
fn rules_lead_to_what_they_lead_to_in_sops() {
    let Some(bench) = Bench::new() else { return };
    let others: Vec<String> = (0..2).map(|_| age::x25519::Identity::generate().to_public().to_string()).collect();
    let plain = "kind: k\ndata: d\nschlüssel: s\ndata_x: x\nstringData:\n  a: b\n";
    for rules in RULES {
        let text = rules.replace('A', &bench.recipient).replace('B', &others[0]).replace('C', &others[1]);
        std::fs::write(bench.path(".sops.yaml"), &text).unwrap();
        for name in ["prod/a.yaml", "dev/a.yaml"] {
            std::fs::create_dir_all(bench.path(name).parent().unwrap()).unwrap();
            std::fs::write(bench.path(name), plain).unwrap();
            let theirs = bench.sops(&["encrypt", name]);
            let theirs = Outline::read(Path::new(name), theirs.as_bytes()).unwrap();
            let policy = Rules::read(&bench.path(".sops.yaml")).unwrap().policy(&bench.path(name)).unwrap();
            let ours = Sops::encrypt_new(Path::new(name), &Secret::new(plain.into()), &policy, &bench.identities).unwrap();
            let ours = Outline::read(Path::new(name), ours.text().as_bytes()).unwrap();
            assert!(theirs.fits(&policy), "{name}\n{text}\n{:?}", theirs.recipients());
            assert_eq!(theirs.covers_clear(), ours.covers_clear(), "{name}\n{text}");
            let sealed = |outline: &Outline| -> Vec<(String, bool)> {
                outline.entries().iter().map(|entry| (entry.path.to_string(), entry.looks_sealed())).collect()
            };
            assert_eq!(sealed(&theirs), sealed(&ours), "{name}\n{text}");
        }
    }
}

#[test]
fn binary_files_of_any_bytes_go_both_ways() {
    let Some(bench) = Bench::new() else { return };
    let bytes: Vec<u8> = (0..=255).chain(*b"\xff\xed\xb2\x80 \\udc80\r\n\0").collect();
    let read = |name: &str| {
        let mut command = Command::new(&bench.program);
        command.args(["decrypt", name]).current_dir(bench.dir.path()).env("SOPS_AGE_KEY_FILE", bench.path("keys.txt"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    std::fs::write(bench.path(".sops.yaml"), format!("creation_rules:\n  - age: {}\n", bench.recipient)).unwrap();
    std::fs::write(bench.path("theirs.p12"), &bytes).unwrap();
    bench.sops(&["encrypt", "-i", "theirs.p12"]);
    let mut ours = Sops::encrypt_new(&bench.path("ours.p12"), &Secret::new(bytes.clone()), &bench.policy(), &bench.identities).unwrap();
    ours.save().unwrap();
    let other = Policy::age([bench.recipient.clone(), age::x25519::Identity::generate().to_public().to_string()]);
    for name in ["theirs.p12", "ours.p12"] {
        let path = bench.path(name);
        assert_eq!((read(name), bench.open(&path).plain().unwrap().expose()), (bytes.clone(), &bytes[..]));
        // The key made anew, people added and taken away, other content.
        let mut document = bench.open(&path);
        document.rotate(&bench.identities).unwrap();
        document.save().unwrap();
        for policy in [&other, &bench.policy()] {
            let mut document = bench.open(&path);
            assert!(document.update_recipients(policy, &bench.identities).unwrap().changed);
            document.save().unwrap();
            assert_eq!(read(name), bytes);
        }
        let mut document = bench.open(&path);
        assert_eq!(document.edit(&Secret::new(bytes.clone())).unwrap(), Done::Already);
        let edited: Vec<u8> = bytes.iter().rev().copied().collect();
        assert_eq!(document.edit(&Secret::new(edited.clone())).unwrap(), Done::Changed);
        document.save().unwrap();
        assert_eq!(read(name), edited);
    }
}

/// Values that dotenv or INI cannot hold, or only in a special way.
const VALUES: &[&str] = &[
    "C:\\new",
    "C:\\temp",
    "a`b",
    "`",
    "a\nb",
    "a\\nb",
    "\n",
    "\r",
    "a\rb",
    "a\r\nb",
    " a",
    "a ",
    "\ta",
    "a#b",
    "a # b",
    "#a",
    ";a",
    "a;b",
    "a ; b",
    "\"a\"",
    "\"a",
    "a\"",
    "'a'",
    "'a",
    "a'",
    "\"\"\"a\"\"\"",
    "a\"\"\"b\nc",
    "a\\",
    "\\",
    "a\\\nb",
    "`a`",
    "`a\nb",
    "a=b",
    "=a",
    "a:b",
    "[a]",
    "[a",
    "%(x)s",
    "$x",
    "${x}",
    "\u{feff}a",
    "\u{a0}a",
    "ä",
    "!a",
    "true",
    "\"\"",
    "''",
    "``",
    "a\tb",
    "\\t",
    "\\\"",
    "\"a\\\"b\"",
    "a\\`b",
    "\"`",
    "`\"",
    "a\n",
    "\na",
    "a\n[sops]\nb = c",
    "a\nsops_mac=x",
    "a\n\nb",
    "# a\nb",
    "a\u{2028}b",
    "a\0b",
    "\u{b}a",
    "a\u{85}",
    "-",
    "'a\"",
    "\"a' # b",
    "`a` ; b",
    "a\\#b",
    "a\\;b",
];

#[test]
fn a_value_that_is_set_reads_back_from_the_plain_file_in_sops_too_or_is_refused() {
    let Some(bench) = Bench::new() else { return };
    let mut set = 0;
    for (name, plain, path, extract) in [
        ("a.env", "A=1\nK=2\nZ=3\n", vec!["K"], "[\"K\"]"),
        ("a.ini", "[s]\na = 1\nk = 2\n\n[z]\nx = 3\n", vec!["s", "k"], "[\"s\"][\"k\"]"),
    ] {
        for value in VALUES {
            let mut document =
                Sops::encrypt_new(&bench.path("n").with_file_name(name), &Secret::new(plain.into()), &bench.policy(), &bench.identities)
                    .unwrap();
            let before = document.text().to_owned();
            let path: KeyPath = path.iter().fold(KeyPath::default(), |path, key| path.key(*key));
            if let Err(error) = document.set(path.clone(), &Value::text(*value)) {
                assert_eq!(document.text(), before, "{value:?}");
                assert!(error.to_string().contains("use YAML"), "{error}");
                continue;
            }
            set += 1;
            assert!(name != "a.env" || !value.contains("\\n"), "{value:?} cannot be");
            std::fs::write(bench.path(name), document.plain().unwrap().expose()).unwrap();
            std::fs::write(bench.path(".sops.yaml"), format!("creation_rules:\n  - age: {}\n", bench.recipient)).unwrap();
            bench.sops(&["encrypt", "-i", name]);
            assert_eq!(bench.sops(&["decrypt", "--extract", extract, name]), *value, "{name} {}", plain_of(&document));
        }
    }
    assert!(set > VALUES.len(), "only {set} could be set");
}

#[test]
fn what_people_reported_of_sops_is_read_here() {
    let Some(bench) = Bench::new() else { return };
    // getsops/sops#1831, #451: dotenv in a file whose name does not say so, with comments.
    let plain = "# comment\n\nfoo=bar\nID=\"123#567\"\n";
    std::fs::write(bench.path(".sops.yaml"), format!("creation_rules:\n  - age: {}\n", bench.recipient)).unwrap();
    std::fs::write(bench.path(".env.example"), plain).unwrap();
    bench.sops(&["encrypt", "-i", "--input-type", "dotenv", "--output-type", "dotenv", ".env.example"]);
    let mut document = bench.open(&bench.path(".env.example"));
    // getsops/sops#1271: quotes are a part of the value.
    assert_eq!(document.get(["ID"]).and_then(Value::as_str), Some("\"123#567\""));
    assert!(plain_of(&document).starts_with("# comment\n") && plain_of(&document).contains("foo=bar\n"), "{}", plain_of(&document));
    document.set(["foo"], &Value::text("baz")).unwrap();
    document.save().unwrap();
    let theirs = bench.sops(&["decrypt", "--input-type", "dotenv", "--output-type", "dotenv", ".env.example"]);
    assert!(theirs.contains("# comment\n") && theirs.contains("foo=baz\n"), "{theirs}");
    // getsops/sops#781: what PowerShell made of it, in UTF-16, is told and not read as something else.
    let wide: Vec<u8> = std::iter::once(0xfeff).chain(theirs.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    std::fs::write(bench.path("wide.json"), wide).unwrap();
    assert!(Sops::open(&bench.path("wide.json"), &bench.identities).unwrap_err().to_string().contains("UTF-16"));
    // getsops/sops#878: groups by anchors; a threshold of one is refused with the reason.
    let other = age::x25519::Identity::generate().to_public().to_string();
    let groups = format!(
        "groups:\n  a: &a\n    age: [{}]\n  b: &b\n    age: [{other}]\ncreation_rules:\n  - key_groups: [*a, *b, {{age: [{other}]}}]\n    shamir_threshold: ",
        bench.recipient
    );
    for (threshold, works) in [(2, true), (1, false)] {
        let policy =
            Rules::parse(&bench.path(".sops.yaml"), &format!("{groups}{threshold}\n")).unwrap().policy(&bench.path("x.yaml")).unwrap();
        assert_eq!(policy.groups.len(), 3);
        let made = Sops::encrypt_new(&bench.path("x.yaml"), &Secret::new(b"a: b\n".to_vec()), &policy, &bench.identities);
        assert_eq!(made.is_ok(), works, "{threshold}");
    }
    // getsops/sops#1597: a hash in a value of INI is kept where the value is set.
    let mut document =
        Sops::encrypt_new(&bench.path("h.ini"), &Secret::new(b"secret = x\n".to_vec()), &bench.policy(), &bench.identities).unwrap();
    document.set(["DEFAULT", "secret"], &Value::text("here#there")).unwrap();
    document.save().unwrap();
    assert_eq!(bench.sops(&["decrypt", "--extract", "[\"DEFAULT\"][\"secret\"]", "h.ini"]), "here#there");
    assert_eq!(plain_of(&bench.open(&bench.path("h.ini"))).trim_end(), "secret = `here#there`");
}
