//! Secrets in a repository of git: what does not get into it, differences, merges.

use super::*;

#[test]
fn plain_secrets_do_not_get_into_git() {
    let repo = Repo::new();
    repo.registry();
    repo.git(&["add", "-A"]);
    assert_eq!(repo.git(&["commit", "-qm", "one"]).code, 0);
    repo.write("secrets/plain.yaml", "kind: Secret\nstringData: {a: canary-one}\n");
    repo.git(&["add", "-A"]);
    let ran = repo.git(&["commit", "-qm", "two"]);
    assert!(ran.code != 0 && format!("{}{}", ran.out, ran.err).contains("secrets/plain.yaml: it is plain text"), "{} {}", ran.out, ran.err);
    assert!(!format!("{}{}", ran.out, ran.err).contains("canary"));
    // The staged content counts, not what lies in the folder.
    repo.write("secrets/plain.yaml", &repo.read("secrets/registry.yaml"));
    assert_ne!(repo.git(&["commit", "-qm", "two"]).code, 0);
    repo.git(&["rm", "-qf", "--cached", "secrets/plain.yaml"]);
    std::fs::remove_file(repo.path("secrets/plain.yaml")).unwrap();
    let damaged = repo.read("secrets/registry.yaml").replace("name: registry", "name: other");
    repo.write("secrets/registry.yaml", &damaged);
    let ran = repo.run(&["check"], "");
    assert!(ran.code == 2 && ran.out.contains("secrets/registry.yaml: the MAC does not fit"), "{} {}", ran.out, ran.err);
    // Also where git gives the hook an index of its own.
    for arguments in
        [&["commit", "-qam", "x"][..], &["commit", "-qm", "x", "secrets/registry.yaml"], &["-C", "secrets", "commit", "-qam", "x"]]
    {
        assert_ne!(repo.git(arguments).code, 0, "{arguments:?}");
    }
    repo.git(&["checkout", "-q", "HEAD", "secrets/registry.yaml"]);
    assert_eq!(repo.run(&["check", "."], "").code, 0);
    for (name, text) in [
        ("other/a.json", "{\"items\": [{\"kind\": \"Secret\", \"data\": {\"a\": \"YQ==\"}}], \"kind\": \"List\"}"),
        ("other/a.yaml.orig", "a: 1\n---\n{stringData: {a: canary}, kind: Secret}\n"),
    ] {
        repo.write(name, text);
        repo.git(&["add", name]);
        let ran = repo.git(&["commit", "-qm", "x"]);
        assert!(ran.code != 0 && format!("{}{}", ran.out, ran.err).contains("a Kubernetes Secret in plain text"), "{name}: {}", ran.out);
        repo.git(&["rm", "-qf", "--cached", name]);
        std::fs::remove_file(repo.path(name)).unwrap();
    }
    repo.write("notes.txt", &repo.read("../keys.txt"));
    let ran = repo.run(&["check"], "");
    assert!(ran.code == 2 && ran.out.contains("notes.txt:2: an age identity") && !ran.out.contains("AGE-SECRET"), "{}", ran.out);
}

#[test]
fn differences_are_named_and_values_are_shown_on_request_only() {
    let repo = Repo::new();
    repo.registry();
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-qm", "one"]);
    assert_eq!(repo.run(&["diff", "secrets/registry.yaml"], "").code, 0);
    repo.run(&["set", "secrets/registry.yaml", "stringData/password"], "canary-two");
    let ran = repo.run(&["diff", "secrets/registry.yaml"], "");
    assert_eq!((ran.code, ran.out.as_str()), (3, "~ [\"stringData\"][\"password\"]\n"), "{}", ran.err);
    let ran = repo.run(&["diff", "secrets/registry.yaml", "--show-values"], "");
    assert_eq!(ran.out, "~ [\"stringData\"][\"password\"]: \"hunter2 $HOME\\n\" -> \"canary-two\"\n");
    let shown = repo.git(&["diff"]).out;
    assert!(shown.contains("+    password: <encrypted ") && !shown.contains("canary") && !shown.contains("ENC["), "{shown}");
    repo.git(&["commit", "-qam", "two"]);
    // A new key is no new value.
    assert_eq!(repo.run(&["rotate", "secrets"], "").code, 0);
    assert_eq!(repo.run(&["diff", "secrets/registry.yaml"], "").code, 0);
    assert_eq!(repo.git(&["diff"]).out, "");
    let ran = repo.run(&["diff", "--from", "HEAD~1", "--to", "HEAD", "secrets/registry.yaml"], "");
    assert_eq!((ran.code, ran.out.lines().count()), (3, 1));
    let ran = repo.run(&["diff", "--from", "nowhere", "secrets/registry.yaml"], "");
    assert!(ran.code == 2 && ran.err.contains("no revision \"nowhere\""), "{}", ran.err);
}

#[test]
fn two_branches_that_change_different_values_are_merged_without_a_conflict() {
    let repo = Repo::new();
    repo.registry();
    let set = |path: &str, value: &str| assert_eq!(repo.run(&["set", "secrets/registry.yaml", path], value).code, 0);
    set("stringData/user", "admin");
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-qm", "base"]);
    repo.git(&["branch", "-m", "main"]);
    repo.git(&["checkout", "-qb", "other"]);
    set("stringData/user", "root");
    set("stringData/token", "t");
    repo.git(&["commit", "-qam", "other"]);
    repo.git(&["checkout", "-q", "main"]);
    set("stringData/password", "new");
    repo.git(&["commit", "-qam", "main"]);
    let ran = repo.git(&["merge", "-q", "--no-edit", "other"]);
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    for (path, value) in [("user", "root"), ("token", "t"), ("password", "new")] {
        assert_eq!(repo.get("secrets/registry.yaml", &format!("stringData/{path}")), value);
    }
    assert_eq!(repo.run(&["check"], "").code, 0);
    // The same value on both sides is a conflict, and the file stays whole.
    repo.git(&["checkout", "-q", "main"]);
    set("stringData/user", "one");
    repo.git(&["commit", "-qam", "one"]);
    repo.git(&["checkout", "-qb", "fourth", "HEAD~1"]);
    set("stringData/user", "two");
    repo.git(&["commit", "-qam", "two"]);
    let ran = repo.git(&["merge", "-q", "--no-edit", "main"]);
    let told = format!("{}{}", ran.out, ran.err);
    assert!(ran.code == 1 && told.contains(r#"["stringData"]["user"] was changed on both sides"#), "{told}");
    assert_eq!(repo.get("secrets/registry.yaml", "stringData/user"), "two");
}
