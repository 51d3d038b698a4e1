//! Values that are set, and files that people reported.

use super::*;

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
