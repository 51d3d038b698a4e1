//! `kubestead secret` as it is typed, in repositories of its own. What it needs is the program, git and, for some tests, gpg.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by it, and says that it skips

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
fn commands_at_the_same_time_lose_nothing_of_each_other() {
    let repo = Repo::new();
    repo.registry();
    let file = "secrets/registry.yaml";
    let mut running: Vec<_> = (0..10)
        .map(|number| {
            let mut command = repo.command("kubestead");
            command.args(["secret", "set", file, &format!("stringData/key-{number}")]);
            command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    // What reads the folder meets files that the others are writing.
    let readers: Vec<_> = [["rotate", "secrets"], ["check", "secrets"], ["list", "secrets"]]
        .into_iter()
        .cycle()
        .take(12)
        .map(|args| repo.command("kubestead").arg("secret").args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for (number, child) in running.iter_mut().enumerate() {
        write!(child.stdin.take().unwrap(), "value-{number}").unwrap();
    }
    running.extend(readers);
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for number in 0..10 {
        assert_eq!(repo.get(file, &format!("stringData/key-{number}")), format!("value-{number}"));
    }
    let left = std::fs::read_dir(repo.path("secrets")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| name == "registry.yaml" || name == "escrow"), "no lock file and no other is left");
}

#[test]
fn what_is_being_written_is_no_document_yet() {
    let repo = Repo::new();
    assert_eq!(repo.run(&["new", "secrets/store.p12"], "bytes").code, 0);
    let part = "secrets/.kubestead-0123456789abcdef";
    repo.write(part, &repo.read("secrets/store.p12"));
    let before = repo.read(part);
    let ran = repo.run(&["rotate", "secrets"], "");
    assert!(ran.code == 0 && ran.out.lines().count() == 1, "{} {}", ran.out, ran.err);
    assert_eq!(repo.read(part), before);
    assert!(!repo.run(&["list", "secrets"], "").out.contains(".kubestead-"));
}

#[test]
fn who_holds_the_lock_is_waited_for_and_hinders_nobody_once_killed() {
    let repo = Repo::new();
    repo.registry();
    // A process of its own that holds the file's lock and is killed.
    let mut holder = repo.command("flock").args(["--no-fork", "secrets/registry.yaml", "sleep", "1000"]).spawn().unwrap();
    let mut child = None;
    while child.is_none() {
        // Until the holder has it, `unset` is done at once.
        let mut command = repo.command("kubestead");
        command.args(["secret", "unset", "secrets/registry.yaml", "stringData/none"]).stderr(Stdio::piped());
        let mut started = command.spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(started.stderr.as_mut().unwrap()), &mut line).unwrap();
        if line.contains("waiting: another command is changing secrets/registry.yaml") {
            child = Some(started);
        } else {
            assert!(started.wait().unwrap().success(), "{line}");
        }
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(child.unwrap().wait().unwrap().success());
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

#[test]
fn plain_secrets_of_a_file_become_files_of_their_own() {
    let repo = Repo::new();
    let annotation =
        "  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {\"stringData\":{\"k\":\"canary-four\"}}\n";
    let plain = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: one\n  namespace: apps\n{annotation}stringData:\n  k: canary-four # why\n  h: pre$HOME\n---\nkind: ConfigMap\nmetadata: {{name: c}}\n---\nkind: Secret\nmetadata: {{name: two}}\ndata:\n  n: JHtEQl9VU0VSfQ==\n"
    );
    repo.write("old.yaml", &plain);
    let ran = repo.run(&["import", "old.yaml"], "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    for words in ["left out, ConfigMap", "holds $HOME", "holds ${DB_USER}", "last-applied-configuration"] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    assert_eq!(repo.get("secrets/apps/one.yaml", "stringData/k"), "canary-four");
    assert_eq!(repo.get("secrets/apps/one.yaml", "stringData/h"), "pre$HOME", "never substituted");
    assert_eq!(repo.get("secrets/two.yaml", "data/n"), "JHtEQl9VU0VSfQ==");
    assert!(
        !repo.read("secrets/apps/one.yaml").contains("canary")
            && repo.run(&["get", "secrets/apps/one.yaml"], "").out.contains("canary-four # why")
    );
    assert_eq!(repo.read("old.yaml"), plain);
    let again = repo.run(&["import", "old.yaml"], "");
    assert!(again.code == 2 && again.err.contains("is there already"), "{}", again.err);
    // A whole-document sops Secret: kind and metadata become readable.
    repo.write("whole.yaml", "kind: Secret\nmetadata: {name: whole}\nstringData: {k: v}\n");
    let rules = repo.read(".sops.yaml");
    repo.write(
        ".sops.yaml",
        &format!("creation_rules:\n  - age: {}\n", kubestead_secrets::public_keys(&repo.path("../keys.txt")).unwrap()[0]),
    );
    repo.run(&["new", "kit.yaml", "--key", "k", "--name", "kit"], "v$X");
    assert!(!repo.read("kit.yaml").contains("kind: Secret"));
    repo.write(".sops.yaml", &rules);
    let ran = repo.run(&["import", "kit.yaml"], "");
    assert!(ran.code == 0 && ran.err.contains("holds $X"), "{}", ran.err);
    assert!(repo.read("secrets/kit.yaml").contains("kind: Secret") && repo.get("secrets/kit.yaml", "stringData/k") == "v$X");
    for (name, text, words) in
        [("none.yaml", "a: b\n", "nothing to import"), ("done.yaml", repo.read("secrets/two.yaml").as_str(), "document of sops already")]
    {
        repo.write(name, text);
        let ran = repo.run(&["import", name], "");
        assert!(ran.code == 2 && ran.err.contains(words), "{name}: {}", ran.err);
    }
}

/// `tests/vault` was made by ansible-core 2.19 with this password.
const PASSWORD: &str = "throwaway password\n";

#[test]
fn vaults_of_ansible_become_documents_with_the_same_values() {
    let repo = Repo::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vault");
    let copy = |name: &str| std::fs::copy(golden.join(name), repo.path(name)).unwrap();
    for name in ["vault.yml", "vault-id.yml", "inline.yml", "tls.key", "anchors.yml"] {
        copy(name);
    }
    repo.write("../password", PASSWORD);
    let password = repo.path("../password").display().to_string();
    let ran = repo.run(&["import", "vault.yml"], "");
    assert!(ran.code == 2 && ran.err.contains("--vault-password-file"), "{}", ran.err);
    repo.write("../wrong", "another\n");
    let ran = repo.run(&["import", "vault-id.yml", "--vault-password-file", "../wrong"], "");
    assert!(ran.code == 1 && ran.err.contains("vault-id.yml: the password is wrong for this vault (vault id prod)"), "{}", ran.err);
    // The seed's vault: the API server's key, and a private key on one line.
    let ran = repo.with("ANSIBLE_VAULT_PASSWORD_FILE", &password, &["import", "vault.yml"]);
    assert!(ran.code == 0 && ran.err.contains("real ones now") && ran.err.contains("holds $HOME, $word"), "{}", ran.err);
    assert_eq!(repo.get("secrets/vault.yaml", "vault_k8s/encryption_key"), "c2VjcmV0IGJ1dCBub3QgcmVhbGx5ISE=");
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----\n";
    assert_eq!(repo.get("secrets/vault.yaml", "vault_ssh_keys_private/masterkey"), key);
    assert_eq!(repo.get("secrets/vault.yaml", "vault_db_password"), "pa$$word$HOME");
    let text = repo.read("secrets/vault.yaml");
    assert!(
        !text.contains("c2VjcmV0") && !text.contains("bm90") && !text.contains("HOME"),
        "all values are encrypted, whatever the rule selects"
    );
    // Its line is one of the text inside, and no line of the file.
    let ran = repo.with("ANSIBLE_VAULT_PASSWORD_FILE", &password, &["import", "anchors.yml"]);
    assert!(ran.code == 2 && ran.err.contains("anchors.yml: line 3 of what it holds, once decrypted"), "{}", ran.err);
    assert!(!ran.err.contains("canary") && !repo.path("secrets/anchors.yaml").exists(), "{}", ran.err);
    // A program as password file, which is told the id; inline values; a file that is no YAML.
    let client = repo.script(
        "pass-client",
        "test \"$1 $2\" = '--vault-id prod' || test \"$1 $2\" = '--vault-id default' && echo ' throwaway password '",
    );
    let ran = repo.run(&["import", "vault-id.yml", "inline.yml", "tls.key", "--vault-password-file", &client], "");
    assert!(ran.code == 0 && ran.err.contains("holds $X"), "{}", ran.err);
    assert_eq!(repo.get("secrets/vault-id.yaml", "vault_db_password"), "pa$$word$HOME");
    assert_eq!(repo.get("secrets/inline.yaml", "db_password"), "canary-five $X");
    assert_eq!(repo.get("secrets/inline.yaml", "[\"users\"][0][\"secret\"]"), "two\nlines\n");
    assert_eq!(repo.get("secrets/inline.yaml", "domain"), "example.org");
    assert_eq!(repo.run(&["get", "secrets/tls.key"], "").out, "plain key file\n");
    assert_eq!(repo.run(&["check"], "").code, 0);
    assert_eq!(repo.read("vault.yml"), std::fs::read_to_string(golden.join("vault.yml")).unwrap(), "the original stays");
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
