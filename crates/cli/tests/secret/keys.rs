//! Recipients, keys that are wrong or locked, and the doctor.

use super::*;

#[test]
fn recipients_follow_the_rules_and_a_surprise_stops() {
    let repo = Repo::new();
    repo.registry();
    let make = |name: &str| {
        let path = repo.dir.path().join(name);
        kubestead_secrets::make_identity(&path).unwrap();
        (path.display().to_string(), kubestead_secrets::public_keys(&path).unwrap().remove(0))
    };
    let (other_file, other) = make("other.txt");
    let mine = kubestead_secrets::public_keys(&repo.path("../keys.txt")).unwrap().remove(0);
    let get = |file: &str| repo.with("KUBESTEAD_AGE_KEY_FILE", file, &["get", "secrets/registry.yaml", "stringData/password"]).code;
    assert_eq!(get(&other_file), 1);
    let alone = repo.read(".sops.yaml");
    repo.write(".sops.yaml", &alone.replace(&mine, &format!("{mine},{other}")));
    assert_eq!(repo.run(&["updatekeys", "secrets", "--check"], "").code, 3);
    assert_eq!(get(&other_file), 1, "--check changes nothing");
    let ran = repo.run(&["updatekeys", "secrets"], "");
    assert!(ran.code == 0 && ran.out.contains(&format!("+ age {other}")) && !ran.out.contains("new key"), "{}", ran.out);
    assert_eq!(get(&other_file), 0);
    assert_eq!(repo.run(&["updatekeys", "secrets", "--check"], "").code, 0);
    // Somebody whom the rules do not name: taken away on purpose, or slipped in.
    repo.write(".sops.yaml", &alone);
    for arguments in [&["updatekeys", "secrets"][..], &["updatekeys", "--check"], &["rotate", "secrets"]] {
        let ran = repo.run(arguments, "");
        assert!(ran.code == 4 && ran.err.contains(&format!("--remove {other}")), "{arguments:?} {} {}", ran.code, ran.err);
    }
    assert!(repo.run(&["check"], "").out.contains("does not name"));
    let before = repo.read("secrets/registry.yaml");
    let ran = repo.run(&["updatekeys", "secrets", "--remove", &other], "");
    assert!(
        ran.code == 0 && ran.out.contains("has a new key") && ran.out.contains(r#"["stringData"]["password"]"#),
        "{} {}",
        ran.out,
        ran.err
    );
    assert_eq!(get(&other_file), 1);
    let value = |text: &str| text.lines().find(|line| line.contains("password: ENC")).map(str::to_owned);
    assert_ne!(value(&before), value(&repo.read("secrets/registry.yaml")), "new ciphertexts");
    let list = repo.run(&["list", "--output", "json"], "").out;
    assert!(list.contains("\"state\": \"opens\"") && list.contains("\"stale\": false"), "{list}");
    assert!(repo.with("KUBESTEAD_AGE_KEY_FILE", &other_file, &["list"]).out.contains("no key"));
}

#[test]
fn a_doctor_tells_what_is_wrong_and_what_to_do() {
    let repo = Repo::new();
    repo.registry();
    let doctor = || repo.run(&["doctor"], "");
    let expect = |ran: &Ran, code: i32, words: &[&str]| {
        for words in words {
            assert!(ran.code == code && ran.out.contains(words), "{words}: {} {} {}", ran.code, ran.out, ran.err);
        }
        assert_eq!(ran.out.lines().filter(|line| line.starts_with("WRONG")).count(), words.len() - 1, "{}", ran.out);
    };
    let mine = kubestead_secrets::public_keys(&repo.path("../keys.txt")).unwrap().remove(0);
    let lost = |rule: usize| format!("WRONG  .sops.yaml: creation rule {rule}: if the key of age {mine} is lost");
    expect(&doctor(), 1, &[&lost(1), &lost(2), "1 documents, 2 wrong, 0 to know"]);
    let other = repo.dir.path().join("other.txt");
    kubestead_secrets::make_identity(&other).unwrap();
    let second = kubestead_secrets::public_keys(&other).unwrap().remove(0);
    let rules = repo.read(".sops.yaml").replace(&mine, &format!("{mine},{second}"));
    repo.write(".sops.yaml", &rules);
    let stale = "WRONG  secrets/registry.yaml: its recipients are not those of creation rule 1; run `kubestead secret updatekeys secrets/registry.yaml`";
    expect(&doctor(), 1, &[stale, "1 wrong"]);
    assert_eq!(repo.run(&["updatekeys"], "").code, 0);
    expect(&doctor(), 0, &["1 documents, 0 wrong, 0 to know"]);
    // Settings are not cloned, and a plain file.
    std::fs::remove_file(repo.path(".git/hooks/pre-commit")).unwrap();
    repo.git(&["config", "--unset", "merge.kubestead-secret.driver"]);
    repo.write("secrets/plain.yaml", "kind: Secret\n");
    let words = [
        "the hook that refuses plain secrets is not set up",
        "the driver of `git merge` is not",
        "secrets/plain.yaml: it is plain text",
        "3 wrong",
    ];
    expect(&doctor(), 1, &words);
    std::fs::remove_file(repo.path("secrets/plain.yaml")).unwrap();
    assert_eq!(repo.run(&["init"], "").code, 0);
    // Nobody's key, and an old one; the time is not looked into without it.
    let text = repo.read("secrets/registry.yaml");
    let at = text.find("lastmodified: \"").unwrap() + 15;
    repo.write("secrets/registry.yaml", &format!("{}2020{}", &text[..at], &text[at + 4..]));
    let stranger = repo.dir.path().join("stranger.txt");
    kubestead_secrets::make_identity(&stranger).unwrap();
    let ran = repo.with("KUBESTEAD_AGE_KEY_FILE", &stranger.display().to_string(), &["doctor"]);
    let closed = "WRONG  secrets/registry.yaml: no key here opens it; ask one of these";
    expect(&ran, 1, &[closed, "1 documents, 1 wrong, 1 to know"]);
    assert!(ran.out.contains(&second) && ran.out.contains("known  secrets/registry.yaml: its key is of 2020-"), "{}", ran.out);
    let json = repo.with("KUBESTEAD_AGE_KEY_FILE", &stranger.display().to_string(), &["doctor", "-o", "json"]);
    assert!(json.code == 1 && json.out.contains("\"verdict\": \"wrong\"") && json.out.contains("\"verdict\": \"known\""), "{}", json.out);
    let bare = Repo::bare();
    expect(
        &bare.with("KUBESTEAD_AGE_KEY_FILE", "", &["doctor"]),
        1,
        &["WRONG  .sops.yaml: it is not there, nor above; run `kubestead secret init`", "0 documents"],
    );
}

#[test]
fn a_doctor_examines_openpgp_keys() {
    let repo = Repo::new();
    let home = repo.dir.path().join("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| finish(repo.command("gpg").args(["--batch", "--quiet"]).args(arguments), "");
    let make = |name: &str, expires: &str| gpg(&["--passphrase", "", "--quick-gen-key", name, "future-default", "default", expires]);
    if make("good@example.org", "never").code != 0 || make("short@example.org", "seconds=1").code != 0 {
        eprintln!("SKIPPED: gpg could not make a key");
        return;
    }
    let primary = |name: &str| {
        let own = gpg(&["--list-keys", "--with-colons", name]).out;
        own.lines().find(|line| line.starts_with("fpr:")).and_then(|line| line.split(':').nth(9)).unwrap().to_owned()
    };
    let (good, short, nobody) = (primary("good"), primary("short"), "0123456789ABCDEF0123456789ABCDEF01234567");
    repo.write(".sops.yaml", &format!("creation_rules:\n- pgp: '{good},{short},{nobody}'\n"));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let ran = repo.run(&["doctor"], "");
    let _ = finish(repo.command("gpgconf").args(["--kill", "all"]), "");
    assert!(ran.out.contains(&format!("WRONG  .sops.yaml: pgp {short}: the key has expired; extend it")), "{}", ran.out);
    assert!(ran.out.contains(&format!("WRONG  .sops.yaml: pgp {nobody}: gpg does not have the public key")), "{}", ran.out);
    assert!(ran.code == 1 && !ran.out.contains(&good), "{}", ran.out);
}

#[test]
fn a_key_that_nobody_can_unlock_here_is_an_error_and_not_a_wait() {
    let repo = Repo::new();
    let home = repo.dir.path().join("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| finish(repo.command("gpg").args(["--batch", "--quiet"]).args(arguments), "");
    let made = gpg(&[
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "secret",
        "--quick-gen-key",
        "locked@example.org",
        "future-default",
        "default",
        "never",
    ]);
    let list = gpg(&["--list-keys", "--with-colons"]).out;
    let Some(fingerprint) = list.lines().find(|line| line.starts_with("fpr:")).and_then(|line| line.split(':').nth(9)) else {
        eprintln!("SKIPPED: gpg could not make a key: {}", made.err);
        return;
    };
    repo.write(".sops.yaml", &format!("creation_rules:\n  - pgp: {fingerprint}\n"));
    assert_eq!(repo.run(&["new", "locked.yaml", "--key", "a"], "b").code, 0);
    let _ = finish(repo.command("gpgconf").args(["--kill", "gpg-agent"]), "");
    let begin = std::time::Instant::now();
    let ran = repo.run(&["get", "locked.yaml"], "");
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    for words in ["locked.yaml", "group 1", fingerprint, "unlock"] {
        assert!(ran.code == 1 && ran.err.contains(words), "{words}: {}", ran.err);
    }
    // A key that has expired: nothing new is encrypted to it.
    let made = gpg(&[
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "",
        "--faked-system-time",
        "20200101T000000",
        "--quick-gen-key",
        "old@example.org",
        "future-default",
        "default",
        "1d",
    ]);
    let list = gpg(&["--list-keys", "--with-colons", "old@example.org"]).out;
    let expired = list.lines().find(|line| line.starts_with("fpr:")).and_then(|line| line.split(':').nth(9)).unwrap_or_default().to_owned();
    assert!(!expired.is_empty(), "{}", made.err);
    repo.write(".sops.yaml", &format!("creation_rules:\n  - pgp: {expired}\n"));
    let ran = repo.run(&["new", "expired.yaml", "--key", "a"], "b");
    for words in ["expired.yaml", "group 1", &expired, "has expired; extend it"] {
        assert!(ran.code == 1 && ran.err.contains(words), "{words}: {}", ran.err);
    }
    assert!(!repo.path("expired.yaml").exists());
    let _ = finish(repo.command("gpgconf").args(["--kill", "all"]), "");
}
