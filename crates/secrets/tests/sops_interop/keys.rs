//! Whose keys open a document: groups, rules, services, OpenPGP, ssh.

use super::*;

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
