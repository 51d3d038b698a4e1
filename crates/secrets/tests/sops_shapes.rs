//! YAML in all its shapes: tags, binary values, nested lists, headers with comments, anchors on keys. What is not meant stays, and the real
//! sops reads the result.
//!
//! The program is named by `SOPS`, or `sops` in `PATH`. Without it only what is done here is looked at.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // a test fails by it, and says that it skips

use std::path::PathBuf;
use std::process::Command;

use age::secrecy::ExposeSecret;
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Change, Document, Identities, KeyPath, Kind, Policy, Sops, Value};

struct Bench {
    dir: tempfile::TempDir,
    program: Option<PathBuf>,
    text: String,
    policy: Policy,
    recipient: String,
    identities: Identities,
}

impl Bench {
    fn new() -> Self {
        let program = PathBuf::from(std::env::var_os("SOPS").unwrap_or_else(|| "sops".into()));
        let is_there = Command::new(&program).args(["--version", "--disable-version-check"]).output().is_ok();
        if !is_there {
            eprintln!("SKIPPED in part: {} is not there; name the sops program with SOPS", program.display());
        }
        let key = age::x25519::Identity::generate();
        let text = key.to_string().expose_secret().to_owned();
        let identities = Identities::new().with_age(&Secret::new(text.clone().into_bytes()), "the test's key").unwrap();
        let recipient = key.to_public().to_string();
        let policy = Policy::age([recipient.clone()]);
        Self { dir: tempfile::tempdir().unwrap(), program: is_there.then_some(program), text, policy, recipient, identities }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("a.yaml")
    }

    fn seal(&self, plain: &str) -> Document {
        self.try_seal(plain).unwrap_or_else(|e| panic!("{e}\n{plain}"))
    }

    fn try_seal(&self, plain: &str) -> Result<Document, String> {
        let _ = std::fs::remove_file(self.path());
        let plain = Secret::new(plain.as_bytes().to_vec());
        let mut document = Sops::encrypt_new(&self.path(), &plain, &self.policy, &self.identities).map_err(|e| e.to_string())?;
        document.save().map_err(|e| e.to_string())?;
        self.open()
    }

    fn open(&self) -> Result<Document, String> {
        Sops::open(&self.path(), &self.identities).map_err(|e| e.to_string())
    }

    fn run(&self, arguments: &[&str]) -> Option<String> {
        let program = self.program.as_ref()?;
        let output = Command::new(program).args(arguments).arg(self.path()).env("SOPS_AGE_KEY", &self.text).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let file = std::fs::read_to_string(self.path()).unwrap();
        assert!(output.status.success(), "sops {arguments:?}: {}\n{file}", text(&output.stderr));
        Some(text(&output.stdout))
    }

    /// The file as sops decrypts it, where sops is there.
    fn sops(&self, expected: &str) {
        if let Some(found) = self.run(&["decrypt"]) {
            assert_eq!(found, expected, "{}", std::fs::read_to_string(self.path()).unwrap());
        }
    }
}

fn plain(document: &Document) -> String {
    String::from_utf8(document.plain().unwrap().expose().to_vec()).unwrap()
}

fn at(path: &str) -> KeyPath {
    path.parse().unwrap()
}

#[test]
fn binary_values_and_tags_go_through_every_write() {
    let bench = Bench::new();
    let text = "bin: !!binary /wD+7Q==\nmine: !custom x\nset_unencrypted: !!set {a, b}\nraw_unencrypted: !!binary |\n    /wD+\n    7Q==\n\
                own: !thing {a: 1}\nother: x\n";
    let bytes = [0xff, 0x00, 0xfe, 0xed];
    let holds = |document: &Document, other: &str| {
        let value = document.get(["bin"]).unwrap();
        assert_eq!((value.kind(), value.bytes().expose()), (Kind::Text, &bytes[..]));
        assert_eq!(document.get(["raw_unencrypted"]).unwrap().bytes().expose(), bytes);
        assert_eq!(plain(document), text.replace("other: x", &format!("other: {other}")));
    };
    let mut document = bench.seal(text);
    holds(&document, "x");
    document.set(["other"], &Value::text("yy")).unwrap();
    document.save().unwrap();
    holds(&bench.open().unwrap(), "yy");
    document.rotate(&bench.identities).unwrap();
    document.save().unwrap();
    holds(&bench.open().unwrap(), "yy");
    let edited = plain(&document).replace("other: yy", "other: z");
    assert_eq!(document.edit(&Secret::new(edited.into_bytes())).unwrap(), Change::Changed);
    document.save().unwrap();
    holds(&bench.open().unwrap(), "z");
    let second = age::x25519::Identity::generate().to_public().to_string();
    let both = Policy::age([bench.recipient.clone(), second]);
    assert!(!document.update_recipients(&both, &bench.identities).unwrap().rotated);
    document.save().unwrap();
    assert!(document.update_recipients(&bench.policy, &bench.identities).unwrap().rotated);
    document.save().unwrap();
    holds(&bench.open().unwrap(), "z");
    bench.sops(
        "bin: !!binary /wD+7Q==\nmine: x\nset_unencrypted:\n    a: null\n    b: null\nraw_unencrypted: !!binary /wD+7Q==\nown:\n    a: 1\nother: z\n",
    );
    // What sops wrote is what we wrote.
    if bench.run(&["rotate", "--in-place"]).is_some() {
        assert_eq!(bench.open().unwrap().get(["bin"]).unwrap().bytes().expose(), bytes);
    }
}

#[test]
fn every_kind_of_scalar_is_what_sops_makes_of_it() {
    let bench = Bench::new();
    let cases = [
        ("!!float 5", Kind::Float, "5"),
        ("!!int \"5\"", Kind::Int, "5"),
        ("!!str 5", Kind::Text, "5"),
        ("! 5", Kind::Int, "5"),
        ("!custom 5", Kind::Text, "5"),
        ("!!timestamp 2001-01-01", Kind::Time, "2001-01-01T00:00:00Z"),
        ("!!bool \"true\"", Kind::Bool, "True"),
        ("!!null ~", Kind::Null, ""),
        ("!!binary aGk=", Kind::Text, "hi"),
        ("!<tag:yaml.org,2002:int> 7", Kind::Int, "7"),
        ("99999999999999999999999", Kind::Float, "100000000000000000000000"),
        ("-.inf", Kind::Float, "-Inf"),
        (".nan", Kind::Float, "NaN"),
        ("!!str", Kind::Text, ""),
        ("&a !!int 3", Kind::Int, "3"),
        ("!!int &b 3", Kind::Int, "3"),
    ];
    let text: String = cases.iter().enumerate().map(|(number, (written, ..))| format!("k{number}: {written}\n")).collect();
    let mut document = bench.seal(&text);
    for round in 0..3 {
        for (number, (written, kind, bytes)) in cases.iter().enumerate() {
            let value = document.get([format!("k{number}")]).unwrap();
            assert_eq!((value.kind(), value.as_str().unwrap()), (*kind, *bytes), "{written}, round {round}");
        }
        document.set(["more"], &Value::int(round)).unwrap();
        document.rotate(&bench.identities).unwrap();
        document.save().unwrap();
        document = bench.open().unwrap();
    }
    if let Some(shown) = bench.run(&["decrypt", "--extract", "[\"k4\"]"]) {
        assert_eq!(shown.trim(), "5");
        assert_eq!(bench.run(&["decrypt", "--extract", "[\"k0\"]"]).unwrap().trim(), "5");
    }
    // Setting a value over a tag that would make another one of it.
    document.set(["k4"], &Value::int(6)).unwrap();
    document.set(["k13"], &Value::text("now")).unwrap();
    document.save().unwrap();
    let found = bench.open().unwrap();
    assert_eq!((found.get(["k4"]).unwrap().as_int(), found.get(["k13"]).unwrap().as_str()), (Some(6), Some("now")));
}

#[test]
fn what_is_taken_out_leaves_the_structure() {
    let cases = [
        ("k:\n  - [a, b]\n", "[\"k\"][0][0]", "k:\n  - [b]\n"),
        ("k: [[null, x, z]]\n", "[\"k\"][0][0]", "k: [[x, z]]\n"),
        ("k:\n  - [a]\n", "[\"k\"][0][0]", "k:\n  - []\n"),
        ("k:\n  - - a\n    - b\n", "[\"k\"][0][0]", "k:\n  - - b\n"),
        ("k:\n  - - a\n    - b\n  - c\n", "[\"k\"][0][1]", "k:\n  - - a\n  - c\n"),
        ("k:\n  - - a\n  - c\n", "[\"k\"][0][0]", "k:\n  - []\n  - c\n"),
        ("k:\n  - c\n  - - a\n    - - b\n      - d\n", "[\"k\"][1][1][0]", "k:\n  - c\n  - - a\n    - - d\n"),
        ("k:\n- [a, [b, c]]\n- d\n", "[\"k\"][0][1][0]", "k:\n- [a, [c]]\n- d\n"),
        ("k:\n  - [a, b]\n  - c\n", "[\"k\"][0]", "k:\n  - c\n"),
        ("k:\n  - {a: 1, b: 2}\n  - c\n", "[\"k\"][0][\"a\"]", "k:\n  - {b: 2}\n  - c\n"),
        ("k:\n  - x: [{a: 1}, 2]\n    y: 3\n", "[\"k\"][0][\"x\"][0]", "k:\n  - x: [2]\n    y: 3\n"),
        ("k:\n  - x: 1\n    y: 3\n", "[\"k\"][0][\"x\"]", "k:\n  - y: 3\n"),
        ("k: !my-list\n  - a\n  - b\n", "[\"k\"][0]", "k: !my-list\n  - b\n"),
        ("k:\n  - &a-b\n    - a\n    - b\n", "[\"k\"][0][0]", "k:\n  - &a-b\n    - b\n"),
        ("k:\n  - !t-u {a: 1, b: 2}\n", "[\"k\"][0][\"a\"]", "k:\n  - !t-u {b: 2}\n"),
    ];
    let bench = Bench::new();
    for (text, path, expected) in cases {
        let mut document = bench.seal(text);
        assert_eq!(document.unset(at(path)).unwrap_or_else(|e| panic!("{e}\n{text}")), Change::Changed);
        assert_eq!(plain(&document), expected, "{path} of {text}");
        document.save().unwrap();
        assert_eq!(plain(&bench.open().unwrap()), expected);
        bench.run(&["decrypt"]);
    }
}

#[test]
fn a_comment_behind_a_block_header_is_read_and_kept() {
    let bench = Bench::new();
    let mut document =
        bench.seal("tls.crt: | # prod\n  line one\n  line two\nlist:\n  - >- # folded\n    some\n    text\nlast: |+ # keeps\n  x\n\n");
    assert_eq!(document.get(["tls.crt"]).unwrap().as_str(), Some("line one\nline two\n"));
    assert_eq!(document.get(at("[\"list\"][0]")).unwrap().as_str(), Some("some text"));
    assert_eq!(document.get(["last"]).unwrap().as_str(), Some("x\n\n"));
    let comments: Vec<_> = document.comments().map(|(_, value)| value.as_str().unwrap().to_owned()).collect();
    assert_eq!(comments, [" prod", " folded", " keeps"]);
    document.set(["tls.crt"], &Value::text("three\nfour\n")).unwrap();
    document.rotate(&bench.identities).unwrap();
    document.save().unwrap();
    assert_eq!(bench.open().unwrap().get(["tls.crt"]).unwrap().as_str(), Some("three\nfour\n"));
    if let Some(found) = bench.run(&["decrypt"]) {
        assert!(!found.contains("ENC[") && ["# prod", "# folded", "# keeps"].iter().all(|comment| found.contains(comment)), "{found}");
    }
    // Where the block is written in plain text, it is replaced whole.
    let mut document = bench.seal("a_unencrypted: | # why\n  one\n  two\nb: 1\n");
    document.set(["a_unencrypted"], &Value::text("three")).unwrap();
    assert_eq!(plain(&document), "a_unencrypted: three # why\nb: 1\n");
}

#[test]
fn an_anchor_on_a_key_names_the_key() {
    let bench = Bench::new();
    let mut document = bench.seal("&k key: v\nother: *k\n");
    assert_eq!(document.get(["other"]).unwrap().as_str(), Some("key"));
    document.set(["key"], &Value::text("w")).unwrap();
    document.save().unwrap();
    bench.sops("key: w\nother: key\n");
    document.set(["other"], &Value::text("new")).unwrap();
    document.save().unwrap();
    bench.sops("key: w\nother: new\n");
}

#[test]
fn an_empty_mapping_with_a_comment_takes_a_value() {
    let bench = Bench::new();
    for (text, path, expected) in [
        ("m: {} # c\n", "[\"m\"][\"k\"]", "m: {k: v} # c\n"),
        ("m: {} # c\nn: 1\n", "[\"m\"][\"k\"][\"l\"]", "m: {k: {l: v}} # c\nn: 1\n"),
        ("m: # c\n  {}\nn: 1\n", "[\"m\"][\"k\"]", "m: # c\n  {k: v}\nn: 1\n"),
        ("m: [] # c\nn: 1\n", "[\"m\"][0]", "m: [v] # c\nn: 1\n"),
        ("m: { } # c\n", "[\"m\"][\"k\"]", "m: {k: v} # c\n"),
        ("m: {\n  } # c\n", "[\"m\"][\"k\"]", "m: {k: v} # c\n"),
        ("l:\n  - {} # c\n", "[\"l\"][0][\"k\"]", "l:\n  - {k: v} # c\n"),
        ("m: # c\n  a: 1\n", "[\"m\"][\"k\"]", "m: # c\n  a: 1\n  k: v\n"),
        ("m: &x {} # c\n", "[\"m\"][\"k\"]", "m: &x {k: v} # c\n"),
        ("m: {a: 1, # c\n  b: 2 # d\n  }\n", "[\"m\"][\"k\"]", "m: {a: 1, # c\n  b: 2, k: v # d\n  }\n"),
    ] {
        let mut document = bench.seal(text);
        document.set(at(path), &Value::text("v")).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(plain(&document), expected);
        document.save().unwrap();
        bench.run(&["decrypt"]);
    }
}
