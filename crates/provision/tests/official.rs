//! The official repositories: the real probe and the real apt and gpgv of this machine, in a folder, against repositories on this machine that are
//! signed by keys made here.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use kubestead_core::name::Name;
use kubestead_core::plan::Part;
use kubestead_core::put::Owned;
use kubestead_core::{probe, put};
use kubestead_provision::apt_key::Fingerprint;
use kubestead_provision::node::{self, Action, NodeFacts, NodeSpec, Packages, Proxies, RuntimeSpec, Trust};

/// Paths to what is answered there.
type Pages = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A web server, which as a proxy refuses everything.
struct Server {
    at: String,
    pages: Pages,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let pages = Pages::default();
        let served = Arc::clone(&pages);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                std::thread::spawn(move || answer(stream, &served));
            }
        });
        Self { at, pages }
    }

    fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.pages.lock().unwrap().insert(path.to_owned(), bytes.into());
    }
}

fn answer(stream: TcpStream, pages: &Pages) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while stream.read_line(&mut line)? > 2 {
            line.clear();
        }
        let words: Vec<&str> = first.split(' ').collect();
        let path = words.get(1).copied().unwrap_or_default();
        let page = pages.lock().unwrap().get(path).cloned();
        let status = match (&page, words[0]) {
            (_, "CONNECT") => "403 Forbidden",
            (Some(_), _) => "200 OK",
            (None, _) => "404 Not Found",
        };
        let body = page.unwrap_or_default();
        write!(stream.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len())?;
        stream.get_mut().write_all(&body)?;
    }
}

/// A machine in a folder, with a repository beside it.
struct World {
    root: tempfile::TempDir,
    server: Server,
}

const MINOR: &str = "/core:/stable:/v1.37/deb";

impl World {
    /// Its apt is the real one; what is installed is nothing, until `installed` says something else.
    fn new() -> Self {
        let root = tempfile::Builder::new().prefix("o").rand_bytes(4).tempdir_in("/tmp").unwrap();
        let world = Self { root, server: Server::new() };
        world.write("etc/os-release", "ID=debian\nVERSION_CODENAME=trixie\n");
        world.write("installed", "");
        world.write("candidate", "(none)\n");
        // The probe asks for a status alone in one place, and for a line in another.
        world.write(
            "bin/dpkg-query",
            "#!/bin/bash\nr=${0%/*}/..; format=$3; shift 3\nfor name; do\n  awk -v n=\"$name\" '$1 == n' $r/installed\ndone |\n\
             case $format in '${Package}'*) cat ;; *) cut -d ' ' -f 2 ;; esac\n",
        );
        world.write(
            "bin/apt-cache",
            "#!/bin/bash\nprintf '%s:\\n  Installed: (none)\\n  Candidate: %s\\n' \"$2\" \"$(cat ${0%/*}/../candidate)\"\n",
        );
        world.write("bin/apt-config", "#!/bin/bash\n");
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn gpg(&self, args: &[&str]) -> Vec<u8> {
        let home = self.path("gpg");
        if !home.exists() {
            std::fs::create_dir(&home).unwrap();
            std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let out = Command::new("gpg")
            .arg("--homedir")
            .arg(home)
            .args(["--batch", "--quiet", "--yes", "--passphrase", ""])
            .args(args)
            .output()
            .unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }

    /// Makes a key, which may have been made and have ended long ago.
    fn key(&self, name: &str, lasts: &str, at: Option<&str>) -> Fingerprint {
        let time = at.map(|at| format!("--faked-system-time={at}"));
        let mut args: Vec<&str> = time.iter().map(String::as_str).collect();
        args.extend(["--quick-generate-key", name, "ed25519", "sign", lasts]);
        self.gpg(&args);
        self.print(name)
    }

    fn print(&self, name: &str) -> Fingerprint {
        let text = String::from_utf8(self.gpg(&["--with-colons", "--list-keys", name])).unwrap();
        text.lines().find_map(|line| line.strip_prefix("fpr:")?.split(':').nth(8)).unwrap().parse().unwrap()
    }

    fn export(&self, names: &[&str]) -> Vec<u8> {
        self.gpg(&[&["--armor", "--export"], names].concat())
    }

    /// A repository of these versions below a path, signed by a key; the suite of Docker's has one more level.
    fn repository(&self, below: &str, index: &str, names: &[&str], versions: &[&str], key: &str) {
        let all = names.iter().flat_map(|name| versions.iter().map(move |version| (name, version)));
        let packages: String = all
            .map(|(name, version)| {
                format!(
                    "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: x.deb\nSize: 1\nSHA256: {}\n\n",
                    "0".repeat(64)
                )
            })
            .collect();
        self.write("Packages", &packages);
        let zipped = Command::new("gzip").arg("-9kfn").arg(self.path("Packages")).status().unwrap();
        assert!(zipped.success());
        let zipped = std::fs::read(self.path("Packages.gz")).unwrap();
        let sum = |bytes: &[u8]| put::digest(bytes);
        let release = format!(
            "Origin: test\nArchitectures: amd64\nComponents: stable\nDate: {}\nSHA256:\n {} {} {index}Packages\n {} {} {index}Packages.gz\n",
            String::from_utf8(Command::new("date").arg("-Ru").output().unwrap().stdout).unwrap().trim(),
            sum(packages.as_bytes()),
            packages.len(),
            sum(&zipped),
            zipped.len(),
        );
        self.write("Release", &release);
        self.server.put(
            &format!("{below}/InRelease"),
            self.gpg(&["--local-user", key, "--output", "-", "--clearsign", self.path("Release").to_str().unwrap()]),
        );
        self.server.put(&format!("{below}/{index}Packages"), packages);
        self.server.put(&format!("{below}/{index}Packages.gz"), zipped);
    }

    /// Kubernetes' repository, with the key that it is signed by.
    fn kubernetes(&self, key: &str) {
        self.repository(MINOR, "", &["kubeadm", "kubelet", "kubectl"], &["1.37.0-1.1", "1.37.1-1.1"], key);
        self.server.put(&format!("{MINOR}/Release.key"), self.export(&[key]));
    }

    fn docker(&self, versions: &[&str], key: &str) {
        self.repository("/docker/debian/dists/trixie", "stable/binary-amd64/", &["containerd.io"], versions, key);
        self.server.put("/docker/debian/gpg", self.export(&[key]));
    }

    fn spec(&self, fingerprint: Fingerprint) -> NodeSpec {
        let name = Name::new("kube1").unwrap();
        NodeSpec {
            hostname: (&name).into(),
            name,
            bundle: PathBuf::new(),
            files: [].into(),
            packages: Some(Packages {
                version: "1.37.1".into(),
                repository: format!("http://{}/core:/stable:", self.server.at),
                trust: Trust::Fingerprint(fingerprint),
            }),
            runtime: Some(RuntimeSpec { repository: format!("http://{}/docker", self.server.at), fingerprint, version: None }),
            proxies: None,
            registries: std::sync::Arc::default(),
            pause_image: None,
        }
    }

    /// What the real sections tell of packages; all else of the machine is blank.
    fn look(&self, spec: &NodeSpec) -> NodeFacts {
        let sections: Vec<probe::Section> = node::sections(spec)
            .into_iter()
            .filter(|s| {
                s.name.starts_with("node/repository:") || s.name.contains("rivals") || s.name == "node/packages" || s.name == "node/hiding"
            })
            .chain([put::section(node::own_paths(spec), node::places(spec))])
            .collect();
        let script = probe::command(&sections, "n1").script().into_owned();
        let place = self.root.path().display().to_string();
        let script = [
            "/etc/apt",
            "/etc/os-release",
            "/etc/kubestead",
            "/etc/containerd",
            "/etc/systemd",
            "/etc/sysctl.d",
            "/etc/modules-load.d",
            "/usr/local",
        ]
        .iter()
        .fold(script, |script, path| script.replace(path, &format!("{place}{path}")));
        let script = format!("PATH={place}/bin:/usr/bin:/bin\nunset http_proxy https_proxy no_proxy\n{script}");
        let out = Command::new("bash").args(["-c", &script]).output().unwrap();
        let told = String::from_utf8(out.stdout).unwrap().replace(&place, "");
        // The texts of files carry their lengths: only the frames do, and their numbers are not used twice.
        let answers = frames(&told);
        let none = [
            ("node/hostname", "kube1\n"),
            ("node/architecture", "x86_64\n"),
            ("node/cgroup", "cgroup2fs\n"),
            ("node/swap", ""),
            ("node/kernel", "1\n1\n1\n"),
            ("node/installed", "@@\n@@\n"),
            ("node/versions", SERVICES),
            ("node/member", ""),
            ("node/images", ""),
        ];
        let all = answers.into_iter().chain(none.map(|(name, text)| (name.to_owned(), 0, text.to_owned())));
        node::read(spec, &probe::Answers::from_pairs(all)).unwrap()
    }

    fn plan(&self, spec: &NodeSpec) -> (Part<Action>, NodeFacts) {
        let facts = self.look(spec);
        let part = node::plan(spec, &facts);
        for step in &part.steps {
            assert_eq!(node::check::step(&facts, step, &step.action), None);
        }
        (part, facts)
    }

    /// The one thing that keeps the node from being set up: reason and hint.
    fn held(&self, spec: &NodeSpec) -> String {
        let (part, _) = self.plan(spec);
        assert!(part.steps.is_empty(), "{:?}", part.steps);
        let all: Vec<String> = part.held.iter().map(|held| format!("{}: {}: {}", held.object, held.reason, held.hint)).collect();
        all.join("\n")
    }

    /// Puts what a plan writes for apt where it belongs.
    fn place(&self, part: &Part<Action>) -> Vec<Owned> {
        let files: Vec<Owned> =
            part.steps.iter().filter(|s| matches!(s.action, Action::Source { .. })).flat_map(|s| s.action.writes().to_vec()).collect();
        for file in &files {
            self.write(&file.path, &file.text);
        }
        files
    }

    /// What the real apt says of the sources that were written.
    fn apt(&self, package: &str) -> Result<String, String> {
        let root = self.root.path();
        for folder in ["state/lists/partial", "cache/archives/partial", "etc/apt/apt.conf.d", "etc/apt/preferences.d", "apt-sources"] {
            std::fs::create_dir_all(self.path(folder)).unwrap();
        }
        self.write("state/status", "");
        // The keyring's path is the one of a node.
        for entry in std::fs::read_dir(self.path("etc/apt/sources.list.d")).unwrap() {
            let entry = entry.unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap().replace("/etc/apt", &format!("{}/etc/apt", root.display()));
            self.write(&format!("apt-sources/{}", entry.file_name().to_str().unwrap()), &text);
        }
        let run = |tool: &str, args: &[&str]| {
            let set = [
                format!("Dir::Etc={}/etc/apt", root.display()),
                "Dir::Etc::sourcelist=-".into(),
                format!("Dir::Etc::sourceparts={}/apt-sources", root.display()),
                format!("Dir::State={}/state", root.display()),
                format!("Dir::State::status={}/state/status", root.display()),
                format!("Dir::Cache={}/cache", root.display()),
                "APT::Sandbox::User=".into(),
                "APT::Architecture=amd64".into(),
                "APT::Update::Error-Mode=any".into(),
                "Acquire::http::Proxy=DIRECT".into(),
            ];
            Command::new(tool).args(set.iter().flat_map(|o| ["-o", o])).args(args).env("LC_ALL", "C").output().unwrap()
        };
        let out = run("apt-get", &["update"]);
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into_owned());
        }
        Ok(String::from_utf8(run("apt-cache", &["madison", package]).stdout).unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.path("gpg")).args(["--kill", "all"]).status();
    }
}

const SERVICES: &str = "service\tkubelet\tActiveState=inactive\nservice\tkubelet\tUnitFileState=\nservice\tcontainerd\tActiveState=inactive\nservice\tcontainerd\tUnitFileState=\n";

/// Name, status and text of each frame of an answer whose paths were made shorter.
fn frames(told: &str) -> Vec<(String, i32, String)> {
    let mut found: Vec<(String, i32, String)> = Vec::new();
    for line in told.lines() {
        if let Some(head) = line.strip_prefix("@@n1 ") {
            let words: Vec<&str> = head.split(' ').collect();
            found.push((words[0].to_owned(), words[1].parse().unwrap(), String::new()));
        } else if let Some((_, _, text)) = found.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    // A blank line ends each frame.
    for (_, _, text) in &mut found {
        text.truncate(text.len() - 1);
    }
    found.into_iter().filter(|(name, ..)| name != "end").collect()
}

fn why(part: &Part<Action>, id: &str) -> String {
    part.steps
        .iter()
        .find(|s| s.id.0 == id)
        .unwrap_or_else(|| panic!("{id} is not among {:?}; held {:?}", part.steps, part.held))
        .why
        .clone()
}

#[test]
fn a_blank_machine_gets_both_sources_and_apt_takes_what_they_say() {
    let world = World::new();
    let print = world.key("one", "2y", None);
    world.kubernetes("one");
    world
        .docker(&["1.7.29-1~debian.13~trixie", "2.2.1-1~debian.13~trixie", "2.10.0-1~debian.13~trixie", "3.0.0-1~debian.13~trixie"], "one");
    let spec = world.spec(print);
    let (part, _) = world.plan(&spec);
    assert!(part.held.is_empty(), "{:?}", part.held);
    let run = why(&part, "kube1/containerd/run");
    assert!(run.starts_with("install and hold containerd.io 2.10.0-1~debian.13~trixie of http://"), "{run}");
    assert!(why(&part, "kube1/packages/source").contains("Docker's"));
    let files = world.place(&part);
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/etc/apt/keyrings/kubestead-kubernetes.asc",
            "/etc/apt/sources.list.d/kubestead-kubernetes.sources",
            "/etc/apt/keyrings/kubestead-docker.asc",
            "/etc/apt/sources.list.d/kubestead-docker.sources",
        ]
    );
    assert!(files[3].text.contains(&format!("URIs: http://{}/docker/debian\nSuites: trixie\nComponents: stable\n", world.server.at)));
    assert!(world.apt("kubelet").unwrap().contains("1.37.1-1.1"));
    assert!(world.apt("containerd.io").unwrap().contains("2.10.0-1~debian.13~trixie"));
    // Installed and held: nobody is asked any more, and the files stay as they are.
    let held = |name: &str, version: &str| format!("{name} installed hold {version}\n");
    let installed: String = ["kubeadm", "kubelet", "kubectl"].map(|name| held(name, "1.37.1-1.1")).concat();
    world.write("installed", &(installed + &held("containerd.io", "2.10.0-1~debian.13~trixie")));
    world.server.pages.lock().unwrap().clear();
    let (part, facts) = world.plan(&spec);
    assert!(part.held.is_empty(), "{:?}", part.held);
    assert!(!facts.apt.as_ref().unwrap().kubernetes.as_ref().unwrap().asked && !facts.apt.unwrap().docker.unwrap().asked);
    assert!(part.steps.iter().all(|s| !s.id.0.starts_with("kube1/packages/")), "{:?}", part.steps);
    assert_eq!(why(&part, "kube1/containerd/run"), "configure containerd and start it");
    // No longer held.
    let text = std::fs::read_to_string(world.path("installed"))
        .unwrap()
        .replace("containerd.io installed hold", "containerd.io installed install");
    world.write("installed", &text);
    let (part, _) = world.plan(&spec);
    assert!(why(&part, "kube1/containerd/run").starts_with("hold containerd.io 2.10.0-1~debian.13~trixie, which is there"));
}

#[test]
fn apt_does_not_take_a_repository_that_another_key_signed() {
    let world = World::new();
    let print = world.key("one", "never", None);
    world.key("two", "never", None);
    world.kubernetes("two");
    world.docker(&["2.2.1-1"], "one");
    world.server.put(&format!("{MINOR}/Release.key"), world.export(&["one"]));
    let (part, _) = world.plan(&world.spec(print));
    world.place(&part);
    assert!(world.apt("kubelet").unwrap_err().contains("NO_PUBKEY"));
}

#[test]
fn a_key_that_is_another_is_one_of_two_or_has_ended_is_held() {
    let world = World::new();
    let print = world.key("one", "never", None);
    let other = world.key("two", "never", None);
    let ended = world.key("three", "1y", Some("20200101T000000"));
    world.docker(&["2.2.1-1"], "one");
    world.kubernetes("one");
    let spec = world.spec(print);
    let key = format!("{MINOR}/Release.key");
    world.server.put(&key, world.export(&["two"]));
    let text = world.held(&spec);
    assert!(text.contains(&format!("the key there is {other}, and {print} is expected; it is not taken")) && text.contains(&key), "{text}");
    for pair in [world.export(&["one", "two"]), [world.export(&["one"]), world.export(&["two"])].concat()] {
        world.server.put(&key, pair);
        let text = world.held(&spec);
        assert!(text.contains("2 keys") || text.contains("not one armoured"), "{text}");
    }
    world.server.put(&key, world.export(&["three"]));
    let mut late = world.spec(ended);
    late.runtime.as_mut().unwrap().fingerprint = print;
    let text = world.held(&late);
    assert!(
        text.contains(&format!("the key {ended} expired on 2020-12-31")) && text.contains("renews it under the same fingerprint"),
        "{text}"
    );
    world.server.put(&key, "<html>sign in</html>");
    assert!(world.held(&spec).contains("not one armoured OpenPGP public key"));
    // Docker's is held as well.
    world.server.put(&key, world.export(&["one"]));
    world.server.put("/docker/debian/gpg", world.export(&["two"]));
    assert!(world.held(&spec).contains("/docker/debian/gpg: the key there is"));
}

#[test]
fn a_key_that_was_renewed_is_fetched_when_the_time_of_the_old_one_is_over() {
    let world = World::new();
    let print = world.key("one", "1y", Some("20200101T000000"));
    let old = world.export(&["one"]);
    world.gpg(&["--quick-set-expire", &print.to_string(), "5y"]);
    world.docker(&["2.2.1-1"], "one");
    world.kubernetes("one");
    let spec = world.spec(print);
    let (part, _) = world.plan(&spec);
    world.place(&part);
    let good = std::fs::read_to_string(world.path("/etc/apt/keyrings/kubestead-kubernetes.asc")).unwrap();
    let installed: String =
        ["kubeadm", "kubelet", "kubectl", "containerd"].map(|name| format!("{name} installed hold 1.37.1-1.1\n")).concat();
    world.write("installed", &installed.replace("containerd installed hold 1.37.1-1.1", "containerd installed hold 2.1.4~ds1-8"));
    // As an earlier run left it, before the renewal.
    let old = kubestead_provision::apt_key::parse(&String::from_utf8(old).unwrap()).unwrap();
    world.write("/etc/apt/keyrings/kubestead-kubernetes.asc", &old.text);
    let source = std::fs::read_to_string(world.path("/etc/apt/sources.list.d/kubestead-kubernetes.sources")).unwrap();
    let line = format!("# The key ends at {} ", old.expires.unwrap());
    let source: String =
        source.lines().map(|l| if l.starts_with("# The key ends") { format!("{line}(2020-12-31).\n") } else { format!("{l}\n") }).collect();
    world.write("/etc/apt/sources.list.d/kubestead-kubernetes.sources", &source);
    let (part, facts) = world.plan(&spec);
    assert!(facts.apt.unwrap().kubernetes.unwrap().asked);
    assert!(part.held.is_empty(), "{:?}", part.held);
    assert!(part.steps.iter().any(|s| s.id.0 == "kube1/packages/source"), "{:?}", part.steps);
    assert!(part.steps.iter().flat_map(|s| s.action.writes()).any(|file| file.text == good));
    // Where it is not renewed yet nothing is to be installed, and nothing is held.
    world.server.put(&format!("{MINOR}/Release.key"), old.text.clone());
    let (part, _) = world.plan(&spec);
    assert!(part.held.is_empty() && part.steps.iter().all(|s| !s.id.0.starts_with("kube1/packages/")), "{part:?}");
}

#[test]
fn what_the_repository_lacks_is_named_with_what_it_has() {
    let world = World::new();
    let print = world.key("one", "never", None);
    world.kubernetes("one");
    world.docker(&["1.7.29-1", "2.2.1-1"], "one");
    let mut spec = world.spec(print);
    spec.packages.as_mut().unwrap().version = "1.37.9".into();
    let text = world.held(&spec);
    assert!(text.contains("kubeadm 1.37.9 is not in http://") && text.contains("which has: 1.37.0-1.1 1.37.1-1.1"), "{text}");
    let mut spec = world.spec(print);
    spec.runtime.as_mut().unwrap().version = Some("2.2.0".into());
    let text = world.held(&spec);
    assert!(text.contains("containerd 2.2.0 is asked for") && text.contains("has of containerd.io: 1.7.29-1 2.2.1-1"), "{text}");
    spec.runtime.as_mut().unwrap().version = Some("2.2.1".into());
    assert!(why(&world.plan(&spec).0, "kube1/containerd/run").contains("containerd.io 2.2.1-1 of"));
    // A minor that is not there.
    spec.packages.as_mut().unwrap().version = "1.36.0".into();
    let text = world.held(&spec);
    assert!(
        text.contains("/v1.36/deb/Release.key: ") && text.contains("404") && text.contains("does the repository have this minor"),
        "{text}"
    );
}

#[test]
fn the_containerd_that_is_there_or_that_the_distribution_has_goes_first() {
    let world = World::new();
    let print = world.key("one", "never", None);
    world.kubernetes("one");
    let spec = world.spec(print);
    let run = |candidate: &str, installed: &str| {
        world.write("candidate", candidate);
        world.write("installed", installed);
        let (part, facts) = world.plan(&spec);
        assert!(!facts.apt.unwrap().docker.unwrap().asked, "nobody is asked: Docker's repository is not there");
        let steps: Vec<String> = part.steps.iter().filter(|s| s.id.0 == "kube1/containerd/run").map(|s| s.why.clone()).collect();
        steps.into_iter().chain(part.held.iter().map(|held| format!("{}: {}", held.reason, held.hint))).collect::<String>()
    };
    assert_eq!(
        run("2.2.1-0ubuntu1~24.04.1\n", ""),
        "install and hold containerd 2.2.1-0ubuntu1~24.04.1 of the distribution; configure containerd and start it"
    );
    assert_eq!(
        run("1.7.24~ds1-6\n", "containerd.io installed install 2.1.4-1\n"),
        "hold containerd.io 2.1.4-1, which is there; configure containerd and start it"
    );
    assert_eq!(run("1.7.24~ds1-6\n", "containerd installed hold 2.1.4~ds1-8\n"), "configure containerd and start it");
    let old = run("1.7.24~ds1-6\n", "containerd installed install 1.7.24~ds1-6\n");
    assert!(old.contains("its containerd is 1.7.24") && old.contains("apt-get remove containerd"), "{old}");
}

#[test]
fn what_docker_brings_itself_is_not_taken_from_the_machine() {
    let world = World::new();
    let print = world.key("one", "never", None);
    world.kubernetes("one");
    world.docker(&["2.2.1-1"], "one");
    let spec = world.spec(print);
    world.write("installed", "runc installed install 1.1.5-1\n");
    let text = world.held(&spec);
    assert!(text.contains("does not go with the package runc") && text.contains("apt-get remove runc"), "{text}");
    world.write("installed", "");
    world.write(
        "etc/apt/sources.list.d/docker.list",
        &format!("deb [signed-by=/k] http://{}/docker/debian trixie stable\n", world.server.at),
    );
    let text = world.held(&spec);
    assert!(text.contains("/etc/apt/sources.list.d/docker.list names Docker's repository too"), "{text}");
}

#[test]
fn who_does_not_answer_and_who_refuses_is_named_with_what_to_do() {
    let world = World::new();
    let print = world.key("one", "never", None);
    let spec = world.spec(print);
    let of = |change: &dyn Fn(&mut NodeSpec)| {
        let mut spec = spec.clone();
        change(&mut spec);
        world.held(&spec)
    };
    let repository = |spec: &mut NodeSpec, uri: &str| spec.packages.as_mut().unwrap().repository = uri.to_owned();
    // Nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = of(&|spec| repository(spec, &format!("http://{free}")));
    assert!(text.contains("kube1/packages: http://") && text.contains("the machine does not reach it: behind a proxy"), "{text}");
    // No TLS there, as a clock that is off or an unknown authority looks.
    let text = of(&|spec| repository(spec, &format!("https://{}/core:/stable:", world.server.at)));
    assert!(text.contains("timedatectl") && text.contains("ca-certificates"), "{text}");
    // A proxy that refuses, and one that is not there.
    let proxied = |proxy: String| {
        of(&|spec| {
            repository(spec, "https://pkgs.example.invalid/core:/stable:");
            spec.proxies = Some(Proxies { http: None, https: Some(proxy.clone()), direct: vec!["127.0.0.1".into()] });
        })
    };
    let text = proxied(format!("http://{}", world.server.at));
    assert!(text.contains("403") && text.contains("does a proxy on the way let this host pass"), "{text}");
    let text = proxied(format!("http://{free}"));
    assert!(text.contains("the machine does not reach it"), "{text}");
    let text = proxied("http://proxy.example.invalid:3128".into());
    assert!(text.contains("kubernetes.proxy names a proxy whose address the machine does not find"), "{text}");
}
