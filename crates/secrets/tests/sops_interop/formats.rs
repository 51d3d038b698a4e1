//! The other formats: JSON, dotenv, INI, binary files.

use super::*;

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
