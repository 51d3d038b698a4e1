//! The cluster file as it is typed: what came with it is not run, and a file that is none ends in a message.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const FILE: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: a\nssh: {config: CONFIG}\n\
                    nodes: [{name: n1, address: 127.0.0.1, ssh: {port: 1}, roles: [control-plane]}]\n";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// A repository, beside a folder that is not in it.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["repo/.git", "repo/site", "home/.ssh", "lab"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A configuration that leaves a trace when ssh uses it.
    fn proxy(&self, name: &str) {
        self.write(name, &format!("Host *\n  IdentitiesOnly yes\n  ProxyCommand touch {}\n", self.path("ran").display()));
    }

    fn command(&self, config: &str, args: &[&str]) -> Command {
        self.write("repo/site/cluster.yaml", &FILE.replace("CONFIG", config));
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubestead"));
        command.args(args).current_dir(self.path("repo/site")).env_clear().env("PATH", std::env::var("PATH").unwrap());
        command.env("HOME", self.path("home")).env("KUBESTEAD_LAB_DIR", self.path("lab"));
        command
    }

    fn run(&self, config: &str, args: &[&str]) -> (Option<i32>, String) {
        told(&mut self.command(config, args))
    }

    /// Whether ssh runs what the configuration says. It is not waited for what comes of it: lost logins are tried again for a while.
    fn uses(&self, config: &str, args: &[&str]) -> bool {
        let mut child = self.command(config, args).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while !self.path("ran").exists() && child.try_wait().unwrap().is_none() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        child.wait().unwrap();
        self.ran()
    }

    fn ran(&self) -> bool {
        let ran = self.path("ran");
        let seen = ran.exists();
        let _ = std::fs::remove_file(ran);
        seen
    }
}

fn told(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn what_an_ssh_configuration_of_the_repository_would_run_is_not_run() {
    let place = Place::new();
    place.proxy("repo/site/ssh");
    place.proxy("repo/ssh");
    std::os::unix::fs::symlink(place.path("repo/ssh"), place.path("repo/site/link")).unwrap();
    for (config, verb) in [("ssh", "plan"), ("../ssh", "up"), ("link", "status"), ("./ssh", "reset")] {
        let (code, said) = place.run(config, &[verb]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(":3: ProxyCommand is not used from a repository unless it is trusted"), "{said}");
        assert!(said.contains("--trust-ssh-config") && !place.ran(), "{said}");
    }
    // To check a file runs nothing, so that it is only told.
    let (code, said) = place.run("ssh", &["check"]);
    assert!(code == Some(0) && said.contains("warning: ") && said.contains("ssh:3: ProxyCommand"), "{said}");
    assert!(place.uses("ssh", &["plan", "--trust-ssh-config"]));
    let (code, said) = place.run("none", &["plan"]);
    assert!(code == Some(2) && said.contains("cannot read ssh.config"), "{said}");
}

#[test]
fn a_configuration_that_came_along_is_one_wherever_links_lead() {
    let place = Place::new();
    let refused = |file: &str, config: &str| {
        let mut command = place.command("none", &["plan", "-f"]);
        place.write(file, &FILE.replace("CONFIG", config));
        let (code, said) = told(command.arg(place.path(file)));
        assert!(code == Some(2) && said.contains("is not used from a repository") && !place.ran(), "{file}: {said}");
    };
    place.proxy("repo/ssh");
    // The folder is reached by a link from outside; a repository within the one that holds the configuration; no repository at all.
    std::os::unix::fs::symlink(place.path("repo/site"), place.path("view")).unwrap();
    refused("view/cluster.yaml", "../ssh");
    std::fs::create_dir_all(place.path("repo/module/.git")).unwrap();
    refused("repo/module/cluster.yaml", "../ssh");
    std::fs::create_dir_all(place.path("unpacked/site")).unwrap();
    place.proxy("unpacked/ssh");
    refused("unpacked/site/cluster.yaml", "../ssh");
    // What ssh would write is a key of another's in authorized_keys, under the name that is said for it.
    let keys = place.path("home/.ssh/authorized_keys").display().to_string();
    place.write("repo/ssh", &format!("Host jump\n  HostKeyAlias pty\n  UserKnownHostsFile {keys}\n  StrictHostKeyChecking no\n"));
    refused("repo/site/cluster.yaml", "../ssh");
}

#[test]
fn what_is_the_operators_own_holds_as_it_is() {
    let place = Place::new();
    for own in ["home/.ssh/lab", "lab/ssh_config", "elsewhere"] {
        place.proxy(own);
        assert!(place.uses(&place.path(own).display().to_string(), &["plan"]), "{own}");
    }
    assert!(place.uses("~/.ssh/lab", &["plan"]));
    // A harmless one of the repository is used: nothing listens at its port.
    place.write("repo/site/ssh", "Host *\n  Port 1\n  User ops\n");
    let (code, said) = place.run("ssh", &["plan"]);
    assert!(code == Some(5) && said.contains("site/ssh"), "{said}");
}

#[test]
fn a_plan_of_saved_facts_connects_to_nothing_and_says_from_when_it_is() {
    let place = Place::new();
    place.write("repo/site/ssh", "Host *\n  Port 1\n  User ops\n");
    let (code, said) = place.run("ssh", &["plan", "--save-facts", "facts.json"]);
    assert!(code == Some(5), "{said}");
    let saved = std::fs::metadata(place.path("repo/site/facts.json")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&saved.permissions()) & 0o777, 0o600);
    let (code, again) = place.run("ssh", &["plan", "--save-facts", "facts.json"]);
    assert!(code == Some(2) && again.contains("facts.json: it is there already"), "{again}");
    // Whatever the configuration would run now: nothing asks for it.
    place.proxy("repo/site/ssh");
    let (code, told) = place.run("ssh", &["plan", "--facts", "facts.json"]);
    assert!(code == Some(5) && told.starts_with("This is from facts of 20") && told.contains("Nothing was looked at since"), "{told}");
    assert!(told.contains("held n1: ") && told.ends_with("0 to do, 1 held\n"), "{told}");
    let (code, json) = place.run("ssh", &["plan", "--facts", "facts.json", "--output", "json"]);
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(code == Some(5) && found["factsOf"].as_str().unwrap().starts_with("20") && found["held"][0]["object"] == "n1", "{json}");
    assert!(!place.ran());
    for (args, word) in [
        (["plan", "--facts", "none.json"], "none.json: No such file"),
        (["plan", "--facts", "cluster.yaml"], "save them again (`kubestead plan --save-facts`)"),
        (["plan", "--facts", "."], "directory"),
        (["up", "--facts", "facts.json"], "unexpected argument '--facts'"),
    ] {
        let (code, said) = place.run("ssh", &args);
        assert!(code == Some(2) && said.contains(word), "{said}");
    }
    let (code, said) = place.run("./ssh", &["plan", "--facts", "facts.json"]);
    assert!(code == Some(2) && said.contains("another text of the cluster file"), "{said}");
}

#[test]
fn a_file_that_is_none_ends_in_a_message() {
    let place = Place::new();
    place.write("large", &"a".repeat(10 << 20));
    let check = |file: &Path| told(Command::new(env!("CARGO_BIN_EXE_kubestead")).arg("check").arg("-f").arg(file));
    for (file, word) in [
        (place.path("large"), "it is larger than 2 MiB"),
        (PathBuf::from("/dev/zero"), "it is larger than 2 MiB"),
        (place.path("none"), "`kubestead init` writes one"),
        (place.path("repo"), "directory"),
    ] {
        let (code, said) = check(&file);
        assert!(code == Some(2) && said.contains(word), "{said}");
    }
}

#[test]
fn what_is_rounded_is_told() {
    let place = Place::new();
    let volumes = "disks: {vg01: {devices: {n1: [/dev/disk/by-id/a]}}}\nvolumes: {data: {on: [all], group: vg01, size: 100MB, path: /srv/a}}\n\
                   keys: {servers: [{host: lock, address: 127.0.0.2}]}\n";
    place.write("file.yaml", &(FILE.replace("ssh: {config: CONFIG}\n", "") + volumes));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubestead"));
    let (code, said) = told(command.arg("check").arg("-f").arg(place.path("file.yaml")));
    assert!(
        code == Some(0) && said.contains("warning: a volume's size: 100000000 bytes are no whole extents of 4Mi: it gets 96Mi"),
        "{said}"
    );
    let (code, said) = told(command.args(["-o", "json"]));
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &found[0]["severity"], &found[0]["place"]["line"]), (Some(0), &"warning".into(), &6.into()));
}

#[test]
fn only_nodes_of_the_file_that_have_volumes_are_unlocked() {
    let place = Place::new();
    place.write("repo/site/one.yaml", include_str!("../../../examples/one-machine/cluster.yaml"));
    for node in ["nosuch", "Solo", "solo/etcd", ""] {
        let (code, said) = place.run("x", &["volume", "unlock", "-f", "one.yaml", node]);
        assert!(
            code == Some(2) && said.contains("is no node of the file that has volumes") && said.contains("nodes with volumes are solo"),
            "{node}: {said}"
        );
    }
}
