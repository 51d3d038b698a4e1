//! YAML in all its shapes: tags, binary values, nested lists, headers with comments, anchors on keys. What is not meant stays, and the real
//! sops reads the result.
//!
//! The program is named by `SOPS`, or `sops` in `PATH`. Without it only what is done here is looked at.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // a test fails by it, and says that it skips

use std::path::PathBuf;
use std::process::Command;

use age::secrecy::ExposeSecret;
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Document, Done, Identities, KeyPath, Kind, Policy, Selector, Sops, Value};

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
    assert_eq!(document.edit(&Secret::new(edited.into_bytes())).unwrap(), Done::Changed);
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

/// sops writes a comment of a list as an element of it, so that an empty list with a comment has elements and no value.
#[test]
fn a_list_of_comments_alone_stays_a_list() {
    let bench = Bench::new();
    for (text, place) in [
        ("b: [] # y\nc: 1\n", "b: []\n"),
        ("b: [] # y\n# z\nc: 1\n", "b: []\n"),
        ("a:\n  b: [] # y\n  d:\n    - [] # 1\n    - []\nc: 1\n", "    b: []\n"),
    ] {
        std::fs::write(bench.path(), text).unwrap();
        if bench.run(&["encrypt", "--age", &bench.recipient, "--in-place"]).is_none() {
            return;
        }
        let before = bench.run(&["decrypt"]).unwrap();
        assert!(before.contains(place), "{before}");
        let mut document = bench.open().unwrap();
        let shown = plain(&document);
        assert!(shown.contains("[] # y"), "{shown}");
        document.rotate(&bench.identities).unwrap();
        document.edit(&Secret::new(plain(&document).replace("c: 1", "c: 2").into_bytes())).unwrap();
        document.save().unwrap();
        let after = bench.run(&["decrypt"]).unwrap();
        assert!(after.contains(place) && after.contains("c: 2"), "{text}{shown}{after}");
    }
    // Older versions put the dashes in the column of the key.
    let file = std::fs::read_to_string(bench.path()).unwrap().replace("        - ENC", "    - ENC");
    std::fs::write(bench.path(), file).unwrap();
    let document = bench.open().unwrap();
    assert_eq!(bench.seal(&plain(&document)).paths().count(), document.paths().count(), "{}", plain(&document));
}

/// sops puts a comment that it finds no other place for behind its own key (getsops/sops#1068).
#[test]
fn a_comment_behind_the_key_of_sops_hinders_nothing() {
    let bench = Bench::new();
    for text in ["a: &a\n  x: 1 # c\nb:\n  <<: *a # d\n", "this:\n  is:\n    an: example\n  # comment\n", "a: 1\nb: {} # d\n"] {
        std::fs::write(bench.path(), text).unwrap();
        if bench.run(&["encrypt", "--age", &bench.recipient, "--in-place"]).is_none() {
            return;
        }
        let before = bench.run(&["decrypt"]).unwrap();
        let mut document = bench.open().unwrap_or_else(|e| panic!("{e}\n{text}"));
        document.set(["new"], &Value::text("v")).unwrap_or_else(|e| panic!("{e}\n{text}"));
        document.save().unwrap();
        let mut piece = Vec::new();
        document.write_plain(&mut |bytes| std::io::Write::write_all(&mut piece, bytes)).unwrap();
        assert_eq!(String::from_utf8(piece).unwrap(), plain(&document));
        let after = bench.run(&["decrypt"]).unwrap();
        let values = |text: &str| text.lines().filter(|line| !line.trim().starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(values(&after), [values(&before), vec!["new: v".to_owned()]].concat(), "{text}");
    }
}

#[test]
fn a_block_at_the_end_of_the_file_ends_as_that_does() {
    let bench = Bench::new();
    for (text, value) in [
        ("a: |\n  x", "x"),
        ("a: |\n  x\n", "x\n"),
        ("a: >\n  x\n  y", "x y"),
        ("a: |+\n  x", "x"),
        ("a: |+\n  x\n\n", "x\n\n"),
        ("b: |\n  x\na: |-\n  y", "y"),
    ] {
        let document = bench.seal(text);
        assert_eq!(document.get(["a"]).unwrap().as_str(), Some(value), "{text:?}");
        if let Some(found) = bench.run(&["decrypt", "--extract", "[\"a\"]"]) {
            assert_eq!(found, value, "{text:?}");
        }
    }
    // Where it stays plain, the metadata would end its line.
    let kept = bench.try_seal("b: 1\na_unencrypted: |\n  x");
    assert!(kept.is_err() || kept.is_ok_and(|document| document.get(["a_unencrypted"]).unwrap().as_str() == Some("x")));
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
        ("b: [!t a, &x-y c]\n", "[\"b\"][1]", "b: [!t a]\n"),
        ("b: [!t a, &x-y c]\n", "[\"b\"][0]", "b: [&x-y c]\n"),
        ("b: [!t [a], # c\n  !u {d: 1}]\n", "[\"b\"][0]", "b: [!u {d: 1}]\n"),
        ("? a\n: 1\nb: 2\n", "[\"a\"]", "b: 2\n"),
        ("b: 2\n? &x !!str a\n# c\n: 1\n", "[\"a\"]", "b: 2\n"),
        ("b: 2\n&x a: 1\n", "[\"a\"]", "b: 2\n"),
        ("b: {? a : 1, &x c: 2}\n", "[\"b\"][\"c\"]", "b: {? a : 1}\n"),
        ("b: {&x a: 1, c: 2}\n", "[\"b\"][\"a\"]", "b: {c: 2}\n"),
        ("k: !my-list\n  - a\n  - b\n", "[\"k\"][0]", "k: !my-list\n  - b\n"),
        ("k:\n  - &a-b\n    - a\n    - b\n", "[\"k\"][0][0]", "k:\n  - &a-b\n    - b\n"),
        ("k:\n  - !t-u {a: 1, b: 2}\n", "[\"k\"][0][\"a\"]", "k:\n  - !t-u {b: 2}\n"),
    ];
    let bench = Bench::new();
    for (text, path, expected) in cases {
        let mut document = bench.seal(text);
        assert_eq!(document.unset(at(path)).unwrap_or_else(|e| panic!("{e}\n{text}")), Done::Changed);
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

/// Documents with comments where programs differ in what they belong to.
const COMMENTED: &[&str] = &[
    "a: {}\n# after an empty mapping\nb: []\n# after an empty list\nc: 1\n",
    "a: &x\n  # in an anchored mapping\n  b: 1\n# behind it\nc: 2\n",
    "l:\n  # first\n  - a # behind\n  # between\n  - b\n  # last\nm: 1\n",
    "l:\n- a\n# in the column of the dashes\n- b\n# at the end\nm: 1\n",
    "l:\n  - # behind a dash\n    a: 1\n  - - x\n    # nested\n    - z\n# dedented\n",
    "a:\n  b:\n    c: 1\n    # deep\n  # less deep\n# top\nd: 2\n",
    "a: # behind a key\n  b: 1\nc: # behind another\n  - 1\n",
    "a: [ # in brackets\n  1, # one\n  # two\n  2\n  # end\n] # after\nb: {\n  # in braces\n  c: 1 # c\n}\n",
    "# top\n\n# head\na: 1\n\n# foot of a\n\nb: 2\n# end",
    "---\n# first\na: 1\n--- # second\n# head\nb: 1\n# foot\n...\n---\nc:\n# null\nd: 1\n",
    "a: !t # behind a tag\n  b: 1\nc: &y # behind an anchor\n  - 1\n",
    "? a\n# between\n: 1\n? b # behind\n: # behind a colon\n  c: 1\n",
    "a: | # header\n  x\n# after a block\nb: >-\n  z\n\n# after another\n",
    "l:\n  - a: 1\n\n    # after a blank line\n    b: 2\n\n  # before the next\n  - c: 3\n",
];

fn readable(bench: &Bench, plain: &str, what: &str) {
    if let Some(found) = bench.run(&["decrypt"]) {
        let file = std::fs::read_to_string(bench.path()).unwrap();
        assert!(!found.contains("ENC["), "{what}:\n{plain}\n{found}\n{file}");
    }
}

#[test]
fn sops_decrypts_every_comment_after_every_change() {
    let bench = Bench::new();
    for text in COMMENTED {
        let document = bench.seal(text);
        // A block is written on one line, so that the comment behind its header does not become part of it.
        let expected = text.replace("| # header\n  x", "\"x\\n\" # header").replace(">-\n  z", "z");
        assert_eq!(plain(&document).trim_end(), expected.trim_end());
        assert!(!document.text().contains(" after"), "no comment is left in plain text: {}", document.text());
        readable(&bench, text, "as it is");
        let paths: Vec<KeyPath> = document.paths().cloned().collect();
        for path in &paths {
            let mut document = bench.seal(text);
            document.unset(path.clone()).unwrap_or_else(|e| panic!("{e}\n{text}"));
            document.save().unwrap();
            readable(&bench, text, &format!("without {path}"));
            let mut document = bench.seal(text);
            document.set(path.clone(), &Value::text("several\nlines\n")).unwrap();
            document.set(["new"], &Value::int(1)).unwrap();
            document.rotate(&bench.identities).unwrap();
            document.save().unwrap();
            readable(&bench, text, &format!("with another {path}"));
        }
    }
}

#[test]
fn a_comment_that_comes_to_belong_elsewhere_is_encrypted_for_that_place() {
    let bench = Bench::new();
    // Without `c` the comment stands in no list any more.
    let mut document = bench.seal("a:\n  b:\n    - 1\n    # note\n    - 2\nc: 3\n");
    document.unset(at("[\"a\"][\"b\"][1]")).unwrap();
    document.unset(at("[\"a\"][\"b\"][0]")).unwrap();
    document.save().unwrap();
    bench.sops("a:\n    b: []\n    # note\nc: 3\n");
    assert_eq!(plain(&bench.open().unwrap()), "a:\n  b:\n    []\n    # note\nc: 3\n");
}

#[test]
fn an_empty_comment_in_a_list_makes_no_element_of_it() {
    let bench = Bench::new();
    let document = bench.seal("l:\n  #\n  # head\n  #\n  - a\n#\nm: 1\n");
    assert_eq!(document.paths().count(), 2);
    bench.sops("l:\n    # \n    # head\n    # \n    - a\n#\nm: 1\n");
}

#[test]
fn what_sops_could_not_read_is_refused_with_its_line() {
    let bench = Bench::new();
    let cases = [
        ("%YAML 1.2\n---\na: 1\n", "line 1: sops reads only YAML 1.1; take this directive out"),
        ("%FOO bar\n---\na: 1\n", "line 1: sops does not know this directive; take it out"),
        ("a:\n  b: 1\n\t\nc: 2\n", "line 3: a tab stands where sops takes only spaces"),
        ("a: 1\nb: # note\n\t\nc: 2\n", "line 3: a tab stands where sops takes only spaces"),
        ("a: 1\n<<: x\n", "line 2: sops takes << for a merge, and no mapping stands behind it; put the key in quotes"),
        ("a: &x.y 1\n", "line 1: sops takes only letters, digits, - and _ in the names of anchors"),
    ];
    for (text, why) in cases {
        let error = bench.try_seal(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
        assert!(!bench.path().exists());
        // It is so: sops takes none of them.
        if let Some(program) = &bench.program {
            std::fs::write(bench.path(), text).unwrap();
            let arguments = ["encrypt", "--age", &bench.recipient];
            let output = Command::new(program).args(arguments).arg(bench.path()).output().unwrap();
            assert!(!output.status.success(), "{text}");
        }
    }
    let error = bench.try_seal("a: &x\n  # note\n  b_unencrypted: 1\nc: *x\n").unwrap_err();
    assert!(error.contains("a.yaml:2: an alias repeats this comment at another place"), "{error}");
    let error = bench.try_seal("!!binary /w==: 1\n").unwrap_err();
    assert!(error.contains("the key \"/w==\" is no text, and sops knows only such; quote it"), "{error}");
    // Taken as they are.
    for text in
        ["%YAML 1.1\n---\na: 1\n", "%TAG !e! tag:example.com,2000:\n---\na: !e!x y\n", "a: 'x\ty'\nb: |\n  \t\n  c\n", "\"<<\": x\n"]
    {
        let document = bench.seal(text);
        assert_eq!(document.paths().count(), text.matches(": ").count());
        readable(&bench, text, "as it is");
    }
}

/// Documents of public reports, by where they stand, with the rule of the report where it names one. Some are shortened.
const REPORTS: &[(&str, Option<&str>, &str)] = &[
    ("getsops/sops#1068", Some("an"), "this:\n  is:\n    an: example\n  # comment\n"),
    (
        "getsops/sops#695",
        None,
        "## Configuration for a chart\n##\nexporter:\n  podLabels:\n    ## Add the label\n    ##\n\n    jobLabel: node\n  extraArgs:\n    - /(dev|proc)($|/)\n",
    ),
    (
        "getsops/sops#865",
        None,
        "a:\n    b:\n        c:\n            - name: test_1\n              test: a\n            # once\n            - name: test_2\n              test: b\n",
    ),
    (
        "getsops/sops#384",
        None,
        "# level 1, pos 1\nkey1: value\n# level 1, pos 2\nkey3:\n    # level 2, pos 1\n    key1: value\n    # level 2, pos 2\n    key2: value\n",
    ),
    ("getsops/sops#635", None, "key_unencrypted: !env SOMEVAR\n"),
    (
        "getsops/sops#1002",
        None,
        "ldap_cfg:\n    path1:\n        group_filter: !unsafe (&(objectClass=group)(member:1.2.840:={{.UserDN}}))\n",
    ),
    (
        "getsops/sops#889",
        Some("^license_key"),
        "common: &default\n    license_key_file: null\n    # Agent Enabled\n    agent_enabled: false\nproduction:\n    <<: *default\n    app_name: x\n",
    ),
    ("getsops/sops#1742", None, "---\nsome-key: some-value\n"),
    (
        "go-yaml/yaml#695",
        None,
        "spec:\r\n    resources:\r\n        # need more\r\n        requests:\r\n            cpu: 100m\r\n        limits:\r\n            cpu: 500m\r\n",
    ),
    (
        "go-yaml/yaml#533",
        None,
        "l:\n  # comment 1\n  - - a\n    - b: \"2\"\n  # comment 2\n  - - k\n    - m\n  # comment 3\n  - a\n  # comment 4\n  - b: v\n",
    ),
    ("go-yaml/yaml#628", None, "b:\n# a comment\n- c: v\n"),
    ("goccy/go-yaml#713", None, "topLevelNode:\n  attribute: true\n    # comment\n"),
];

#[test]
fn documents_of_public_reports_come_back_as_they_were() {
    for (report, regex, text) in REPORTS {
        let mut bench = Bench::new();
        if let Some(regex) = regex {
            bench.policy = bench.policy.with_selector(Selector::encrypted_regex(regex).unwrap());
        }
        let same = |found: String| assert_eq!(found, *text, "{report}");
        let mut document = bench.seal(text);
        same(plain(&document));
        readable(&bench, text, report);
        document.rotate(&bench.identities).unwrap();
        document.set(["zzz"], &Value::text("new")).unwrap_or_else(|e| panic!("{report}: {e}"));
        document.save().unwrap();
        readable(&bench, text, report);
        let mut document = bench.open().unwrap();
        document.unset(["zzz"]).unwrap();
        document.save().unwrap();
        same(plain(&bench.open().unwrap()));
        readable(&bench, text, report);
    }
}
