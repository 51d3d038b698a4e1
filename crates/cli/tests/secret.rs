//! `kubestead secret` as it is typed, in repositories of its own. What it needs is the program, git and, for some tests, gpg.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

#[path = "secret/edit.rs"]
mod edit;
#[path = "secret/git.rs"]
mod git;
#[path = "secret/import.rs"]
mod import;
#[path = "secret/keys.rs"]
mod keys;
#[path = "secret/together.rs"]
mod together;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Repo {
    dir: tempfile::TempDir,
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Repo {
    /// A git repository with a key, `.sops.yaml` and the hook.
    fn new() -> Self {
        let repo = Self::bare();
        repo.git(&["init", "-q"]);
        repo.git(&["config", "user.email", "test@example.org"]);
        repo.git(&["config", "user.name", "test"]);
        assert_eq!(repo.run(&["init"], "").code, 0);
        repo
    }

    fn bare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("repo")).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("repo").join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn script(&self, name: &str, body: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    fn command(&self, program: &str) -> Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_kubestead")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(program);
        command
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.dir.path())
            .env("GNUPGHOME", self.dir.path().join("gnupg"))
            .env("KUBESTEAD_AGE_KEY_FILE", self.dir.path().join("keys.txt"));
        command
    }

    fn git(&self, arguments: &[&str]) -> Ran {
        finish(self.command("git").args(arguments), "")
    }

    fn run(&self, arguments: &[&str], input: &str) -> Ran {
        finish(self.command("kubestead").arg("secret").args(arguments), input)
    }

    fn with(&self, name: &str, value: &str, arguments: &[&str]) -> Ran {
        finish(self.command("kubestead").env(name, value).arg("secret").args(arguments), "")
    }

    fn get(&self, file: &str, path: &str) -> String {
        let ran = self.run(&["get", file, path], "");
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    }

    fn registry(&self) {
        let ran = self.run(&["new", "secrets/registry.yaml", "--namespace", "apps", "--key", "password"], "hunter2 $HOME\n");
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
}

fn finish(command: &mut Command, input: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

fn changed_lines(before: &str, after: &str) -> Vec<String> {
    let pairs = before.lines().zip(after.lines()).filter(|(a, b)| a != b);
    pairs.map(|(_, b)| b.trim_start().split(':').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_repository_is_prepared_once_and_what_is_there_stays() {
    let repo = Repo::new();
    let all = ["../keys.txt", ".sops.yaml", ".gitattributes", ".git/hooks/pre-commit"];
    let before: Vec<String> = all.iter().map(|name| repo.read(name)).collect();
    assert_eq!(std::fs::metadata(repo.path("../keys.txt")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(repo.run(&["init"], "").code, 0);
    let after: Vec<String> = all.iter().map(|name| repo.read(name)).collect();
    assert_eq!(before, after);
    assert_eq!(repo.git(&["config", "diff.kubestead-secret.textconv"]).out.trim(), "kubestead secret diff --textconv");
    // Who is not in rules that are there is told, not dropped; and what can be no recipient is none from the beginning.
    let other_one = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let ran = repo.run(&["init", "--recipient", other_one], "");
    assert!(ran.code == 2 && ran.err.contains("does not name age1ql3z7") && ran.err.contains("updatekeys"), "{}", ran.err);
    let new = Repo::bare();
    for (recipient, words) in [("age1typo", "no age recipient"), ("AGE-SECRET-KEY-1CANARY", "a private key")] {
        let ran = new.run(&["init", "--no-git", "--recipient", recipient], "");
        assert!(ran.code == 2 && ran.err.contains(words) && !ran.err.contains("CANARY"), "{}", ran.err);
    }
    assert!(!new.path(".sops.yaml").exists());
    // A hook of somebody else's is left alone, and what to write into it is told.
    let other = Repo::bare();
    other.git(&["init", "-q"]);
    other.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    let ran = other.run(&["init"], "");
    assert!(ran.code == 0 && ran.err.contains("kubestead secret check --staged || exit 1"), "{}", ran.err);
    assert_eq!(other.read(".git/hooks/pre-commit"), "#!/bin/sh\nexit 0\n");
}

#[test]
fn a_value_is_made_read_set_and_taken_out() {
    let repo = Repo::new();
    repo.registry();
    let text = repo.read("secrets/registry.yaml");
    assert!(text.starts_with("apiVersion: v1\nkind: Secret\nmetadata:\n    name: registry\n    namespace: apps\n"), "{text}");
    assert!(!text.contains("hunter2"));
    assert_eq!(repo.get("secrets/registry.yaml", "stringData/password"), "hunter2 $HOME\n", "byte for byte");
    assert_eq!(repo.run(&["set", "secrets/registry.yaml", "stringData/user", "--chomp"], "admin\n").code, 0);
    assert_eq!(repo.get("secrets/registry.yaml", r#"["stringData"]["user"]"#), "admin");
    let before = repo.read("secrets/registry.yaml");
    assert_eq!(repo.run(&["set", "secrets/registry.yaml", "stringData/user"], "admin").code, 0);
    assert_eq!(repo.read("secrets/registry.yaml"), before, "the same value changes nothing");
    assert_eq!(repo.run(&["set", "secrets/registry.yaml", "stringData/user"], "root").code, 0);
    let lines = changed_lines(&before, &repo.read("secrets/registry.yaml"));
    assert!(lines.iter().all(|line| ["user", "mac", "lastmodified"].contains(&line.as_str())), "{lines:?}");
    // What would stand there in plain text, or what the API server would refuse.
    for (path, input, words) in [
        ("metadata/note", "canary", "encrypts nothing at"),
        ("data/key", "not base64!", "give --base64"),
        ("stringData", "x", "name a value in it"),
        ("a//b", "x", "is not a path"),
    ] {
        let ran = repo.run(&["set", "secrets/registry.yaml", path], input);
        assert!(ran.code == 2 && ran.err.contains(words), "{path}: {} {}", ran.code, ran.err);
    }
    assert_eq!(repo.run(&["set", "secrets/registry.yaml", "data/key", "--base64"], "x").code, 0);
    assert_eq!(repo.get("secrets/registry.yaml", "data/key"), "eA==");
    assert_eq!(repo.run(&["unset", "secrets/registry.yaml", "data"], "").code, 0);
    let ran = repo.run(&["get", "secrets/registry.yaml", "data/key"], "");
    assert!(ran.code == 2 && ran.err.contains(r#"["stringData"]["password"]"#) && !ran.err.contains("hunter2"), "{}", ran.err);
    assert_eq!(repo.run(&["new", "secrets/registry.yaml", "--key", "a"], "b").code, 2, "what is there is not replaced");
}

#[test]
fn a_key_store_of_any_bytes_is_kept_and_a_folder_goes_on_after_a_failure() {
    let repo = Repo::new();
    let bytes: Vec<u8> = (0..=255).collect();
    std::fs::write(repo.path("store.p12"), &bytes).unwrap();
    let with_bytes = |arguments: &[&str]| {
        let mut command = repo.command("kubestead");
        command.arg("secret").args(arguments).stdin(std::fs::File::open(repo.path("store.p12")).unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let mine = kubestead_secrets::public_keys(&repo.path("../keys.txt")).unwrap().remove(0);
    let alone = format!("creation_rules:\n- path_regex: ^secrets/\n  encrypted_regex: ^(data|stringData)$\n  age: {mine}\n");
    repo.write(".sops.yaml", &alone);
    with_bytes(&["new", "secrets/b.p12"]);
    with_bytes(&["import", "store.p12"]);
    assert_eq!(repo.run(&["new", "secrets/z.jks"], "text").code, 0);
    with_bytes(&["set", "secrets/z.jks", "data"]);
    for file in ["secrets/b.p12", "secrets/store.p12", "secrets/z.jks"] {
        assert_eq!(with_bytes(&["get", file]), bytes, "{file}");
    }
    let editor = repo.script("append.sh", "printf '\\377' >> \"$1\"");
    assert_eq!(repo.with("EDITOR", &editor, &["edit", "secrets/b.p12"]).code, 0);
    assert_eq!(with_bytes(&["get", "secrets/b.p12"]), [&bytes[..], b"\xff"].concat());
    // In the middle of the folder one that is damaged, and one that this key does not open.
    repo.registry();
    repo.write("secrets/c.yaml", &repo.read("secrets/registry.yaml").replace("name: registry", "name: other"));
    repo.write("secrets/d.yaml", &repo.read("secrets/registry.yaml").replace("    mac: ENC", "    mack: ENC"));
    let names = ["b.p12", "c.yaml", "d.yaml", "registry.yaml", "store.p12", "z.jks"];
    let all = || names.map(|name| repo.read(&format!("secrets/{name}")));
    let other = repo.dir.path().join("other.txt");
    kubestead_secrets::make_identity(&other).unwrap();
    let other = kubestead_secrets::public_keys(&other).unwrap().remove(0);
    for arguments in [&["rotate", "secrets"][..], &["updatekeys", "secrets"]] {
        if arguments[0] == "updatekeys" {
            repo.write(".sops.yaml", &alone.replace(&mine, &format!("{mine},{other}")));
        }
        let before = all();
        let ran = repo.run(arguments, "");
        let after = all();
        assert!(ran.code == 1 && ran.err.contains("2 of 6 files failed"), "{arguments:?}: {} {}", ran.out, ran.err);
        assert!(
            ran.err.contains("secrets/c.yaml: the MAC does not fit") && ran.err.contains("secrets/d.yaml: the MAC is missing"),
            "{}",
            ran.err
        );
        for ((name, before), after) in names.iter().zip(before).zip(after) {
            assert_eq!(before == after, ["c.yaml", "d.yaml"].contains(name), "{arguments:?} {name}");
        }
    }
    // Somebody can be taken away from them too.
    repo.write(".sops.yaml", &alone);
    let ran = repo.run(&["updatekeys", "secrets/b.p12", "--remove", &other], "");
    assert!(ran.code == 0 && ran.out.contains("has a new key"), "{} {}", ran.out, ran.err);
    assert_eq!(with_bytes(&["get", "secrets/b.p12"]), [&bytes[..], b"\xff"].concat());
}

#[test]
fn files_are_read_by_what_they_hold_and_names_may_be_of_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let repo = Repo::new();
    let mine = kubestead_secrets::public_keys(&repo.path("../keys.txt")).unwrap().remove(0);
    repo.write(".sops.yaml", &format!("creation_rules:\n- path_regex: ^secrets/\n  age: {mine}\n"));
    for (name, other, plain, path) in [
        ("a.env", ".env.production", "A=1\nB=2\n", "A"),
        ("a.ini", "a.ini.enc", "[s]\na = 1\n", "s/a"),
        ("a.json", "a.json.enc", "{\"data\": \"1\", \"b\": \"2\"}\n", "data"),
        ("a.bin", "plain", "1", "data"),
    ] {
        let (name, other) = (format!("secrets/{name}"), format!("secrets/{other}"));
        assert_eq!(repo.run(&["new", &name], plain).code, 0);
        std::fs::rename(repo.path(&name), repo.path(&other)).unwrap();
        assert_eq!(repo.get(&other, path), "1", "{other}");
        assert_eq!(repo.run(&["set", &other, path], "3").code, 0, "{other}");
        assert_eq!(repo.get(&other, path), "3", "{other}");
        let ran = repo.run(&["check", &other], "");
        assert!(ran.code == 0 && ran.err.contains("1 documents verified"), "{other}: {} {}", ran.out, ran.err);
    }
    repo.registry();
    std::fs::rename(repo.path("secrets/registry.yaml"), repo.path("secrets/registry.yaml.enc")).unwrap();
    assert_eq!(repo.get("secrets/registry.yaml.enc", "stringData/password"), "hunter2 $HOME\n");
    let refused = repo.run(&["set", "secrets/.env.production", "A"], "C:\\new");
    assert!(refused.code == 2 && refused.err.contains("use YAML"), "{}", refused.err);
    assert_eq!(repo.get("secrets/.env.production", "A"), "3");
    // A name in Latin-1.
    repo.git(&["add", "-A"]);
    assert_eq!(repo.git(&["commit", "-qm", "one"]).code, 0);
    let name = std::ffi::OsStr::from_bytes(b"secrets/caf\xe9.yaml");
    let run = |arguments: &[&std::ffi::OsStr]| finish(repo.command("kubestead").arg("secret").args(arguments), "x");
    let word = |text: &'static str| std::ffi::OsStr::new(text);
    let made = run(&[word("new"), name, word("--name"), word("cafe"), word("--key"), word("a")]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert_eq!(run(&[word("get"), name, word("stringData/a")]).out, "x");
    repo.git(&["add", "-A"]);
    let ran = repo.git(&["commit", "-qm", "two"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(run(&[word("rotate"), name]).code, 0);
    let ran = run(&[word("diff"), name]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    std::fs::write(repo.path("").join(name), "kind: Secret\nstringData: {a: canary}\n").unwrap();
    repo.git(&["add", "-A"]);
    assert_ne!(repo.git(&["commit", "-qm", "three"]).code, 0);
}

#[test]
fn bad_files_and_keys_say_what_is_wrong_and_what_to_do() {
    let repo = Repo::new();
    repo.registry();
    let good = repo.read("secrets/registry.yaml");
    let mine = kubestead_secrets::public_keys(&repo.path("../keys.txt")).unwrap().remove(0);
    let other = repo.dir.path().join("wrong.txt");
    kubestead_secrets::make_identity(&other).unwrap();
    let wrong = repo.with("KUBESTEAD_AGE_KEY_FILE", &other.display().to_string(), &["get", "secrets/registry.yaml"]);
    for words in ["secrets/registry.yaml", "group 1", &mine, "wrong.txt", "updatekeys"] {
        assert!(wrong.code == 1 && wrong.err.contains(words), "{words}: {}", wrong.err);
    }
    let none = repo.with("KUBESTEAD_AGE_KEY_FILE", "", &["get", "secrets/registry.yaml"]);
    assert!(none.code == 1 && none.err.contains("no identity was given") && none.err.contains(&mine), "{}", none.err);
    let cases = [
        ("cut", good[..good.len() / 2].to_owned(), "cut.yaml"),
        ("mac", good.replace("name: registry", "name: x"), "the MAC does not fit"),
        ("conflict", format!("<<<<<<< HEAD\n{good}=======\n{good}>>>>>>> other\n"), "merge conflict"),
        ("plain", "a: b\n".to_owned(), "is not encrypted with sops"),
        ("empty", String::new(), "is not encrypted with sops"),
        ("kind", good.replace("    age:\n", "    carrier_pigeon:\n"), "carrier_pigeon"),
        ("groups", good.replace("    lastmodified", "    shamir_threshold: 3\n    lastmodified"), "3 of 1 key groups"),
    ];
    for (name, text, words) in cases {
        let file = format!("{name}.yaml");
        repo.write(&file, &text);
        let ran = repo.run(&["get", &file], "");
        assert!((ran.code == 1 || ran.code == 2) && ran.err.contains(words) && ran.err.contains(&file), "{name}: {} {}", ran.code, ran.err);
        assert!(!ran.err.contains("hunter2") && ran.out.is_empty(), "{name}");
        let set = repo.run(&["set", &file, "stringData/password"], "x");
        assert!(set.code != 0 && repo.read(&file) == text, "{name}: nothing is written");
    }
    for arguments in [&["get", "secrets"][..], &["set", "secrets", "a"], &["edit", "secrets"], &["get", "nowhere.yaml"]] {
        let ran = repo.run(arguments, "x");
        assert!(ran.code != 0 && ran.err.contains(arguments[1]), "{arguments:?}: {}", ran.err);
    }
    let folder = repo.run(&["get", "secrets"], "");
    assert!(folder.err.contains("is a folder"), "{}", folder.err);
}
