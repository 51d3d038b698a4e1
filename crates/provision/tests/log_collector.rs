//! The real OpenTelemetry collector, with the settings that `services.logs` writes, on a tree of logs as kubelets and containerd write it, and a server of
//! TLS. `LOG_COLLECTOR` names the program (`scripts/log-collector.sh`); skipped without it.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by it

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kubestead_provision::file::load;
use kubestead_provision::service::{Beside, Local, read_files};

const HEAD: &str = "apiVersion: kubestead/v1\nkind: Cluster\nname: home\nnodes: [{name: kube1, address: 10.0.0.1, roles: [control-plane]}]\n\
    kubernetes: {version: 1.37.1, bundle: /b}\n";
const LINES: usize = 200;

/// A program, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct World {
    dir: tempfile::TempDir,
    collector: PathBuf,
    port: u16,
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// What the service writes, with the container's paths in this folder.
    fn settings(&self, service: &str) {
        let cluster = load("cluster.yaml", &format!("{HEAD}services: {{logs: {{{service}}}}}\n"), Path::new("/")).unwrap();
        let shown = |path: &Path| path.display().to_string();
        let beside =
            Beside { shown: &shown, taken: Vec::new(), version: Some("1.37.1"), cluster: Some(&cluster), programs: &Local::default() };
        let wanted = read_files(&cluster.manifests, &beside);
        for (map, key) in [("collector", "ca.crt"), ("collector", "read.yaml"), ("sink", "send.yaml")] {
            let is = |m: &&serde_json::Value| m["kind"] == "ConfigMap" && m["metadata"]["name"] == map;
            let map = wanted.services[0].manifests.iter().find(is).unwrap();
            let mut text = map["data"][key].as_str().unwrap().to_owned();
            for from in ["/etc/collector/", "/var/log/", "/data/"] {
                text = text.replace(from, &format!("{}{from}", self.dir.path().display()));
            }
            let path = self.path(&format!("etc/collector/{key}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir_all(self.path("data")).unwrap();
    }

    fn collect(&self) -> Running {
        let log = File::options().create(true).append(true).open(self.path("collector.log")).unwrap();
        let config = |name: &str| format!("--config={}", self.shown(&format!("etc/collector/{name}")));
        let program = Command::new(&self.collector)
            .args([config("read.yaml"), config("send.yaml")])
            .envs([("NODE", "kube1"), ("ADDRESS", "127.0.0.1")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Running(program.unwrap())
    }

    /// A server of TLS, which keeps what comes.
    fn serve(&self) -> Running {
        let out = File::options().create(true).append(true).open(self.path("received")).unwrap();
        let program = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{}", self.port)])
            .args(["-cert", &self.shown("crt"), "-key", &self.shown("key")])
            // It ends with its standard input.
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn();
        Running(program.unwrap())
    }

    /// A container writes lines, as containerd keeps them.
    fn write(&self, pod: &str, lines: impl IntoIterator<Item = String>) {
        let path = self.path(&format!("var/log/pods/apps_{pod}_11111111-2222-3333-4444-555555555555/main/0.log"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        for line in lines {
            let mut text = String::new();
            let pieces: Vec<&[u8]> = line.as_bytes().chunks(16 << 10).collect();
            for (number, piece) in pieces.iter().enumerate() {
                let tag = if number + 1 == pieces.len() { 'F' } else { 'P' };
                writeln!(text, "2026-11-29T02:00:00.123456789Z stdout {tag} {}", String::from_utf8_lossy(piece)).unwrap();
            }
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        }
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path("received")).unwrap_or_default()).into_owned()
    }

    /// Waits until the collector tells something, and forgets what it told.
    fn told(&self, word: &str) {
        let (begun, path) = (Instant::now(), self.path("collector.log"));
        while !std::fs::read_to_string(&path).unwrap_or_default().contains(word) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not tell {word:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
        File::create(&path).unwrap();
    }

    fn certificate(&self) {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", &self.shown("key"), "-out", &self.shown("crt"), "-days", "2"])
            .output()
            .unwrap();
        assert!(made.status.success());
    }

    /// Waits until so many canaries of a pod are there, and tells how often each is.
    fn canaries(&self, pod: &str, all: usize) -> BTreeMap<String, usize> {
        let begun = Instant::now();
        loop {
            let mut found = BTreeMap::new();
            for line in self.received().lines().filter(|line| line.contains(&format!(" {pod} "))) {
                if let Some(at) = line.find("canary-") {
                    *found.entry(line[at..].to_owned()).or_default() += 1;
                }
            }
            if found.len() >= all {
                return found;
            }
            let log = std::fs::read_to_string(self.path("collector.log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(20).collect();
            assert!(begun.elapsed() < Duration::from_secs(120), "{} of {all}: {}", found.len(), last.join("\n"));
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Files are told apart by how they begin.
fn canaries(pod: &str, from: usize, to: usize) -> Vec<String> {
    (from..to).map(|number| format!("canary-{pod}-{number}")).collect()
}

#[test]
fn logs_reach_a_server_over_tls_once_also_when_it_was_away_and_the_collector_was_killed() {
    let Some(collector) = std::env::var_os("LOG_COLLECTOR") else {
        println!("skipped: LOG_COLLECTOR names no collector; scripts/log-collector.sh builds it");
        return;
    };
    let world = World { dir: tempfile::tempdir().unwrap(), collector: collector.into(), port: free() };
    world.certificate();
    world.settings(&format!("syslog: {{address: 'localhost:{}', ca: {}}}", world.port, world.shown("crt")));

    // What was there before it came, and a line that the runtime cut in pieces.
    let long = format!("canary-long-{}", "x".repeat(20_000));
    world.write("web-0", canaries("web-0", 0, LINES).into_iter().chain([long.clone()]));
    let server = world.serve();
    let running = world.collect();
    let found = world.canaries("web-0", LINES + 1);
    assert!(found.contains_key(&long), "a line of 20 KB is whole");
    let received = world.received();
    let line = received.lines().find(|line| line.ends_with("canary-web-0-7")).unwrap();
    for word in [
        "kube1 web-0 ",
        "node=\"kube1\"",
        "namespace=\"apps\"",
        "pod=\"web-0\"",
        "container=\"main\"",
        "stream=\"stdout\"",
        "kubernetes@32473",
    ] {
        assert!(line.contains(word), "{word}: {line}");
    }

    // The server is away, lines are written, the collector is killed and comes again, and then the server.
    drop(server);
    world.write("web-1", canaries("web-1", 0, LINES));
    world.told("connection refused");
    drop(running);
    world.write("web-1", canaries("web-1", LINES, 2 * LINES));
    let again = world.collect();
    world.told("connection refused");
    let server = world.serve();
    let found = world.canaries("web-1", 2 * LINES);
    let more: Vec<&String> = found.iter().filter(|(_, times)| **times != 1).map(|(line, _)| line).collect();
    assert_eq!(more, Vec::<&String>::new(), "each comes once");
    assert_eq!(world.canaries("web-0", LINES + 1).len(), LINES + 1);

    // A server whose certificate is another authority's gets nothing.
    drop((again, server));
    world.certificate();
    world.write("web-2", canaries("web-2", 0, 3));
    let (_server, _running) = (world.serve(), world.collect());
    world.told("failed to verify certificate");
    assert!(!world.received().contains(" web-2 "));
}
