//! What an editor changes of a document.

use super::*;

#[test]
fn an_edit_keeps_what_it_does_not_change_and_its_text_lies_in_memory() {
    let repo = Repo::new();
    repo.registry();
    let before = repo.read("secrets/registry.yaml");
    let same = repo.with("EDITOR", "true", &["edit", "secrets/registry.yaml"]);
    assert_eq!((same.code, repo.read("secrets/registry.yaml")), (0, before.clone()), "{}", same.err);
    let look = repo.script(
        "look.sh",
        "stat -f -c %T \"$1\" > seen; stat -c %a \"$1\" >> seen; dirname \"$1\" >> seen; sed -i 's/hunter2/canary-three/' \"$1\"",
    );
    let ran = repo.with("EDITOR", &look, &["edit", "secrets/registry.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let seen = repo.read("seen");
    let seen: Vec<&str> = seen.lines().collect();
    assert!(["ramfs", "tmpfs"].contains(&seen[0]) && seen[1] == "600", "{seen:?}");
    assert!(!Path::new(seen[2]).exists(), "the folder is gone");
    assert_eq!(repo.get("secrets/registry.yaml", "stringData/password"), "canary-three $HOME\n");
    let edited = repo.read("secrets/registry.yaml");
    for (editor, words) in [
        ("false".to_owned(), "nothing was changed"),
        (repo.script("bad.sh", "echo 'a: [' > \"$1\""), "stays as it was"),
        ("code".to_owned(), "returns at once"),
    ] {
        let ran = repo.with("EDITOR", &editor, &["edit", "secrets/registry.yaml"]);
        assert!(ran.code != 0 && ran.err.contains(words), "{editor}: {}", ran.err);
        assert_eq!(repo.read("secrets/registry.yaml"), edited);
    }
}

#[test]
fn an_edit_that_leaves_nothing_is_refused_in_every_format() {
    let repo = Repo::new();
    repo.registry();
    for (file, plain) in
        [("a.env", "A=1\n"), ("a.ini", "[a]\nx = 1\n"), ("a.json", "{\"a\": 1}\n"), ("a.bin", "text"), ("b.yaml", "a: 1\n---\nb: 2\n")]
    {
        if file.ends_with("yaml") {
            repo.write("plain/b.yaml", plain);
            let editor = repo.script("fill.sh", "cp ../repo/plain/b.yaml \"$1\"");
            assert_eq!(repo.run(&["new", "secrets/b.yaml", "--key", "x"], "1").code, 0);
            let ran = repo.with("EDITOR", &editor, &["edit", "secrets/b.yaml"]);
            assert_eq!(ran.code, 0, "{}", ran.err);
        } else {
            let ran = repo.run(&["new", &format!("secrets/{file}")], plain);
            assert_eq!(ran.code, 0, "{file}: {}", ran.err);
        }
    }
    for (file, texts) in [
        ("registry.yaml", ["", "# all out\n", "---\n", "{}\n", "null\n"]),
        ("b.yaml", ["", "# all out\n", "---\n---\n", "a: {}\n", "\n \n"]),
        ("a.env", ["", "# all out\n", "\n\n", "#\n#\n", "\n#x"]),
        ("a.ini", ["", "; all out\n", "[a]\n", "\n", "# x\n[a]\n"]),
        ("a.json", ["", "{}", "{\"a\": {}}", "{\"a\": []}", "\n"]),
        ("a.bin", [""; 5]),
    ] {
        let name = format!("secrets/{file}");
        let before = repo.read(&name);
        for text in texts {
            repo.write("edited", text);
            let editor = repo.script("empty.sh", "cat edited > \"$1\"");
            let ran = repo.with("EDITOR", &editor, &["edit", &name]);
            assert!(ran.code == 2 && ran.err.contains("stays as it was"), "{file} {text:?}: {} {}", ran.code, ran.err);
            assert_eq!(repo.read(&name), before, "{file} {text:?}");
        }
    }
    for file in ["c.env", "c.p12", "c.ini"] {
        let ran = repo.run(&["new", &format!("secrets/{file}")], "");
        assert!(ran.code == 2 && !repo.path(&format!("secrets/{file}")).exists(), "{file}: {}", ran.err);
    }
}

#[test]
fn an_edit_of_a_file_that_became_another_one_is_kept_encrypted() {
    let repo = Repo::new();
    repo.registry();
    let file = "secrets/registry.yaml";
    let editor = repo.script(
        "slow.sh",
        "echo other | kubestead secret set --chomp secrets/registry.yaml stringData/user || exit 1\nsed -i 's/hunter2/canary-four/' \"$1\"",
    );
    let ran = repo.with("EDITOR", &editor, &["edit", file]);
    assert!(ran.code == 1 && ran.err.contains("Your edit lies encrypted in secrets/registry.edited-1.yaml"), "{}", ran.err);
    assert_eq!(repo.get(file, "stringData/user"), "other");
    assert_eq!(repo.get(file, "stringData/password"), "hunter2 $HOME\n");
    assert!(!repo.read("secrets/registry.edited-1.yaml").contains("canary"));
    assert_eq!(repo.get("secrets/registry.edited-1.yaml", "stringData/password"), "canary-four $HOME\n");
    let ran = repo.run(&["diff", file, "secrets/registry.edited-1.yaml"], "");
    assert!(ran.code == 3 && ran.out.contains("password") && ran.out.contains("user"), "{}", ran.out);
    // A file that is gone meanwhile is not made again.
    let ran = repo.with("EDITOR", &repo.script("rm.sh", "rm secrets/registry.yaml\nsed -i s/hunter2/x/ \"$1\""), &["edit", file]);
    assert!(ran.code == 1 && !repo.path(file).exists() && repo.path("secrets/registry.edited-2.yaml").exists(), "{}", ran.err);
}

#[test]
fn an_editor_shows_the_texts_of_data_and_only_what_changed_is_encrypted_anew() {
    let repo = Repo::new();
    assert_eq!(repo.run(&["new", "secrets/a.yaml", "--key", "user", "--base64"], "admin").code, 0);
    assert_eq!(repo.run(&["set", "secrets/a.yaml", "data/password", "--base64"], "hunter2").code, 0);
    let before = repo.read("secrets/a.yaml");
    let editor = repo.script("view.sh", "cp \"$1\" shown; sed -i 's/password: hunter2/password: canary/' \"$1\"");
    let raw = finish(repo.command("kubestead").env("EDITOR", &editor).args(["secret", "edit", "--raw", "secrets/a.yaml"]), "");
    assert!(raw.code == 0 && repo.read("shown").contains("data:\n    user: YWRtaW4=\n"), "{}", repo.read("shown"));
    assert_eq!(repo.read("secrets/a.yaml"), before);
    assert_eq!(repo.with("EDITOR", &editor, &["edit", "secrets/a.yaml"]).code, 0);
    assert!(repo.read("shown").contains("stringData:\n    user: admin\n    password: hunter2\n"), "{}", repo.read("shown"));
    assert_eq!(repo.get("secrets/a.yaml", "data/password"), "Y2FuYXJ5");
    let lines = changed_lines(&before, &repo.read("secrets/a.yaml"));
    assert!(lines.contains(&"password".to_owned()) && !lines.contains(&"user".to_owned()), "{lines:?}");
    let both = repo.script("both.sh", "sed -i 's/stringData:/data:\\n    user: AP8=\\nstringData:/' \"$1\"");
    let ran = repo.with("EDITOR", &both, &["edit", "secrets/a.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("stands below data and below stringData"), "{}", ran.err);
}
