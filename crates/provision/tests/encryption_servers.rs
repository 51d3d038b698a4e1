//! A rotation on three real API servers with three members of etcd (`tests/servers.sh` makes them): scripts killed in every stage, and
//! Secrets written through one server and read through the others all the time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a test fails by them, and tells how it went

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use kubestead_core::command::{Command, Output};
use kubestead_core::host::{Host, HostError};
use kubestead_core::key::KeyRef;
use kubestead_core::name::Name;
use kubestead_core::outcome::{Done, Outcome, causes};
use kubestead_core::plan::{Plan, Step};
use kubestead_core::probe;
use kubestead_core::secret::Secret;
use kubestead_core::twin::{FixedKeys, Silent};
use kubestead_provision::api::KubeApi;
use kubestead_provision::encryption::{
    Action, Cipher, EncryptionFacts, EncryptionSpec, Entry, Server, apply, escrow_name, plan, read, rewrite, sections,
};
use kubestead_provision::engine::{self, Runner, Terms};
use kubestead_secrets::encryption_key;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

/// One server's namespaces; a fuse kills the next script after its time.
struct Inside {
    name: String,
    pid: String,
    fuse: Mutex<Option<f32>>,
}

#[async_trait]
impl Host for Inside {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        let fuse = self.fuse.lock().unwrap().take().unwrap_or(600.0).to_string();
        let mut child = tokio::process::Command::new("timeout")
            .args(["-s", "KILL", &fuse, "nsenter", "-t", &self.pid, "-m", "-n"])
            .args(&command.argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let _ = pipe.write_all(command.stdin.bytes()).await;
        drop(pipe);
        let out = child.wait_with_output().await.unwrap();
        Ok(Output { status: out.status.code().unwrap_or(137), stdout: out.stdout, stderr: out.stderr })
    }
}

struct Hands {
    hosts: BTreeMap<String, Inside>,
    keys: FixedKeys,
    api: KubeApi,
    /// Which step is killed once, and after how many seconds.
    kills: Mutex<BTreeMap<&'static str, f32>>,
}

impl Runner<Action> for Hands {
    fn run<'a>(&'a self, step: &'a Step<Action>) -> BoxFuture<'a, Result<Done, String>> {
        Box::pin(async move {
            if let Action::Rewrite { resources } = &step.action {
                return rewrite(resources, &self.api).await.map_err(|e| causes(&e));
            }
            let host = &self.hosts[&step.target.to_string()];
            *host.fuse.lock().unwrap() = self.kills.lock().unwrap().remove(step.id.0.as_str());
            apply(&step.action, host, &self.keys).await.map_err(|e| causes(&e))
        })
    }
}

impl Hands {
    async fn seen(&self, spec: &EncryptionSpec) -> Vec<(Name, EncryptionFacts)> {
        let mut all = Vec::new();
        for (name, host) in &self.hosts {
            let command = probe::command(&sections(spec, name == "cp1"), "nonce1");
            let answers = probe::parse(&host.run(&command).await.unwrap().stdout, "nonce1").unwrap();
            all.push((Name::new(name.as_str()).unwrap(), read(&answers).unwrap()));
        }
        all
    }

    /// Until the plan is empty; answers how many runs it took, those that were cut off and the last.
    async fn settle(&self, spec: &EncryptionSpec) -> usize {
        let escrow: BTreeSet<String> = self.keys.0.keys().map(|k| k.0.clone()).collect();
        for cuts in 0..20 {
            let seen = self.seen(spec).await;
            let servers: Vec<Server<'_>> = seen.iter().map(|(name, facts)| Server { name, facts }).collect();
            let part = plan(spec, &servers, &escrow);
            assert!(part.held.is_empty(), "{:?}", part.held);
            if part.steps.is_empty() {
                return cuts;
            }
            let plan = Plan::new(String::new(), String::new(), part).unwrap();
            let report = engine::apply(&plan, self, &Terms::default(), &Silent, &CancellationToken::new()).await;
            for (step, outcome) in report.iter().filter(|(_, o)| matches!(o, Outcome::Failed(_))) {
                println!("{step}: {outcome:?}");
            }
        }
        panic!("it does not settle");
    }
}

impl Hands {
    /// A rotation while Secrets are written and read; answers how many runs it took, those that were cut off and the last.
    fn among_traffic(&self, work: &Path, spec: &EncryptionSpec) -> usize {
        let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
        let (cuts, wrong) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| traffic(work, &stop, &count));
            let end = Ends(&stop);
            let cuts = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.settle(spec)));
            drop(end);
            (cuts, writer.join().unwrap())
        });
        println!(
            "{}: {cuts} runs until nothing was left, {} writes, each read through three servers",
            spec.entry,
            count.load(Ordering::Relaxed)
        );
        assert!(count.load(Ordering::Relaxed) > 20 && wrong.is_empty(), "{wrong:#?}");
        cuts
    }

    /// Writes Secrets through a server until one lies in etcd as it is.
    async fn in_the_clear(&self, work: &Path, server: &str) {
        let config = work.join(server).join("admin");
        for n in 0..120 {
            let (name, word) = (format!("plain-{server}-{n}"), format!("--from-literal=word=canary-{n}"));
            let args = ["--kubeconfig", config.to_str().unwrap(), "-n", "default", "create", "secret", "generic", &name, &word];
            assert!(program("kubectl", &args, "").0);
            let get = format!(
                "etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt \
                 --key /etc/kubernetes/pki/etcd/server.key get /registry/secrets/default/{name} | grep -qa canary-{n}"
            );
            if self.hosts[server].run(&Command::read_script(get)).await.unwrap().success() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("{server} does not write in the clear");
    }
}

fn program(program: &str, args: &[&str], input: &str) -> (bool, String) {
    use std::io::Write as _;
    let mut command = std::process::Command::new(program);
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

/// Ends the traffic, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes through each server in turn and reads through all of them, until told to stop; answers what went wrong.
fn traffic(work: &Path, stop: &AtomicBool, count: &AtomicU64) -> Vec<String> {
    let kubectl = |server: u64, args: &[&str], input: &str| {
        let config = work.join(format!("cp{server}/admin"));
        program("kubectl", &[&["--kubeconfig", config.to_str().unwrap(), "-n", "default"], args].concat(), input)
    };
    let mut wrong = Vec::new();
    for n in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (writer, name, word) = (n % 3 + 1, format!("moving-{}", n % 40), format!("--from-literal=word=word-{n}"));
        let (good, manifest) = kubectl(writer, &["create", "secret", "generic", &name, &word, "--dry-run=client", "-o", "json"], "");
        let (applied, said) = kubectl(writer, &["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest);
        if !(good && applied) {
            wrong.push(format!("write through cp{writer}: {said}"));
        }
        for reader in 1..=3 {
            let (_, found) = kubectl(reader, &["get", "secret", &name, "-o", "go-template={{.data.word | base64decode}}"], "");
            if found != format!("word-{n}") {
                wrong.push(format!("cp{reader} after cp{writer} wrote word-{n}: {found}"));
            }
        }
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(100));
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_rotate_while_secrets_move() {
    let Some(work) = std::env::var_os("SERVERS").map(PathBuf::from) else {
        println!("skipped: tests/servers.sh makes the servers and runs this");
        return;
    };
    let pid = |n: &str| std::fs::read_to_string(work.join(n).join("pid")).unwrap().trim().to_owned();
    let hosts = ["cp1", "cp2", "cp3"].map(|n| (n.to_owned(), Inside { name: n.to_owned(), pid: pid(n), fuse: Mutex::new(None) }));
    let first = Secret::new(std::fs::read(work.join("key1")).unwrap());
    let mut keys: BTreeMap<KeyRef, Secret> = ["key2", "gcm1"].map(|n| (KeyRef(escrow_name(n)), encryption_key().unwrap())).into();
    keys.insert(KeyRef(escrow_name("key1")), first);
    let kubeconfig = std::fs::read_to_string(work.join("super-admin.conf")).unwrap();
    let api = KubeApi::at(&kubeconfig, "https://10.9.0.1:6443").await.unwrap();
    let kills = [
        ("cp1/encryption/snapshot", 0.1),
        ("cp2/encryption/add", 0.3),
        ("cp3/encryption/add", 2.0),
        ("cp1/encryption/promote", 0.3),
        ("cp2/encryption/promote", 2.0),
        ("cp3/encryption/check", 0.3),
        ("cp1/encryption/keep", 0.1),
        ("cp1/encryption/compact", 0.1),
        ("cp2/encryption/defragment", 0.1),
        ("cp3/encryption/drop", 0.3),
        ("cp1/encryption/drop", 2.0),
    ];
    let hands = Hands { hosts: hosts.into(), keys: FixedKeys(keys), api, kills: Mutex::new(kills.into()) };
    let secrets = |entry| EncryptionSpec { entry, ..EncryptionSpec::default() };
    let second = secrets(Entry::Key { cipher: Cipher::Secretbox, name: "key2".into() });
    let cuts = hands.among_traffic(&work, &second);
    assert!(cuts >= 6 && hands.kills.lock().unwrap().is_empty(), "{cuts} {:?}", hands.kills.lock().unwrap());

    // Values that are not encrypted: as somebody leaves a cluster who begins to encrypt it, or wants to stop.
    for host in hands.hosts.values() {
        let script =
            "cd /etc/kubernetes/enc; sed 's/^  providers:/  providers:\\n  - identity: {}/' enc.yaml > new; chmod 600 new; mv new enc.yaml";
        assert!(host.run(&Command::write_script(script)).await.unwrap().success());
    }
    for server in ["cp1", "cp2", "cp3"] {
        hands.in_the_clear(&work, server).await;
    }
    let kinds = BTreeSet::from(["configmaps".to_owned(), "secrets".to_owned()]);
    let third = EncryptionSpec { entry: Entry::Key { cipher: Cipher::Aesgcm, name: "gcm1".into() }, resources: kinds };
    hands.kills.lock().unwrap().extend([("cp2/encryption/promote", 1.0), ("cp2/encryption/drop", 1.0)]);
    assert!(hands.among_traffic(&work, &third) >= 2);

    // What etcd holds, asked of every member, and what is left of the old keys.
    for (name, host) in &hands.hosts {
        let get = "etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt \
                   --key /etc/kubernetes/pki/etcd/server.key get /registry/secrets/ --prefix --print-value-only > /run/values; grep -ao 'k8s:enc:[a-z]*:v1:[a-z0-9]*:' /run/values | sort -u; \
                   grep -aoh 'k8s:enc:[a-z]*:v1:[a-z0-9]*:' /var/lib/etcd/member/snap/db | sort -u; grep -ac canary /var/lib/etcd/member/snap/db; grep -o 'name: [a-z0-9]*' /etc/kubernetes/enc/enc.yaml; ls -A /etc/kubernetes/enc";
        let found = host.run(&Command::read_script(get)).await.unwrap().text();
        assert_eq!(found, "k8s:enc:aesgcm:v1:gcm1:\nk8s:enc:aesgcm:v1:gcm1:\n0\nname: gcm1\nenc.yaml\n", "{name}");
    }
}
