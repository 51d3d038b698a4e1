//! Rotations on three real API servers with three members of etcd (a scenario of `crates/proof` makes them), to a real KMS plugin and back too:
//! scripts killed in every stage, and Secrets written through one server and read through the others all the time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // a test fails by them, and tells how it went

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use kubestead_backend::api::KubeApi;
use kubestead_core::command::{Command, Output, Stdin};
use kubestead_core::frame;
use kubestead_core::host::{Host, HostError, Hosts};
use kubestead_core::key::KeyRef;
use kubestead_core::name::Name;
use kubestead_core::outcome::{Done, Outcome, causes};
use kubestead_core::plan::{Checked, Kinds, Part, Plan, Step};
use kubestead_core::probe;
use kubestead_core::secret::Secret;
use kubestead_core::twin::{FixedKeys, MemoryKube, Silent};
use kubestead_provision::encryption::{
    self, Action, Cipher, EncryptionFacts, EncryptionSpec, Entry, Server, apply, escrow_name, plan, read, rewrite, sections,
};
use kubestead_provision::engine::{self, Runner, Terms};
use kubestead_provision::kubeadm::{self, KubeadmSpec};
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
            .args(["sh", "-c", &frame::line(command.limits)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let _ = pipe.write_all(frame::stream(command).expose()).await;
        drop(pipe);
        let out = child.wait_with_output().await.unwrap();
        Ok(Output { status: frame::status(out.status.code().unwrap_or(137)), stdout: out.stdout, stderr: out.stderr })
    }
}

struct Executor {
    hosts: BTreeMap<String, Inside>,
    keys: FixedKeys,
    api: KubeApi,
    /// Which step is killed once, and after how many seconds.
    kills: Mutex<BTreeMap<&'static str, f32>>,
}

impl Runner<Action> for Executor {
    fn run<'a>(&'a self, step: &'a Step<Action>) -> BoxFuture<'a, Result<Done, String>> {
        Box::pin(async move {
            if let Action::Rewrite { resources } = &step.action {
                return rewrite(resources, &self.api).await.map_err(|e| causes(&e));
            }
            let host = &self.hosts[&step.target.to_string()];
            if let Action::Mount { node, before, folders, sockets } = &step.action {
                *host.fuse.lock().unwrap() = self.kills.lock().unwrap().remove(step.id.0.as_str());
                let (node, before, folders, sockets) = (node.clone(), before.clone(), folders.clone(), sockets.clone());
                let action = kubeadm::Action::Mount { spec: cluster(), address: address(&node), node, before, folders, sockets };
                return kubeadm::apply(&action, host, &Hosts::new(), &self.keys, &Arc::new(MemoryKube::default()))
                    .await
                    .map_err(|e| causes(&e));
            }
            *host.fuse.lock().unwrap() = self.kills.lock().unwrap().remove(step.id.0.as_str());
            apply(&step.action, host, &self.keys).await.map_err(|e| causes(&e))
        })
    }
}

impl Executor {
    async fn seen(&self, spec: &EncryptionSpec) -> Vec<(Name, EncryptionFacts)> {
        let mut all = Vec::new();
        for (name, host) in &self.hosts {
            let command = probe::command(&sections(spec, name == "cp1"), "nonce1");
            let answers = probe::parse(&host.run(&command).await.unwrap().stdout, "nonce1").unwrap();
            all.push((Name::new(name.as_str()).unwrap(), read(&answers).unwrap()));
        }
        all
    }

    async fn planned(&self, spec: &EncryptionSpec) -> Part<Action> {
        let escrow: BTreeSet<String> = self.keys.0.keys().map(|k| k.0.clone()).collect();
        let seen = self.seen(spec).await;
        let servers: Vec<Server<'_>> = seen.iter().map(|(name, facts)| Server { name, facts }).collect();
        plan(spec, &servers, &escrow)
    }

    /// Until nothing is left of these stages; answers how many runs it took, those that were cut off and the last.
    async fn settle(&self, spec: &EncryptionSpec, stages: fn(&Action) -> bool) -> usize {
        for cuts in 0..20 {
            let mut part = self.planned(spec).await;
            assert!(part.held.is_empty(), "{:?}", part.held);
            if !part.steps.iter().any(|s| stages(&s.action)) {
                return cuts;
            }
            part.steps.retain(|s| stages(&s.action));
            // Stages that are left out wait for nobody, and neither does who comes after them.
            let part = part.without_idle(&Kinds::of(&[encryption::ids::KINDS, kubestead_core::key::KINDS]));
            let plan = Checked::new(Plan::new(String::new(), String::new(), part).unwrap(), |_| Vec::new()).unwrap();
            let report = engine::apply(&plan, self, &Terms::default(), &Silent, &CancellationToken::new()).await;
            for (step, outcome) in report.iter().filter(|(_, o)| matches!(o, Outcome::Failed(_))) {
                println!("{step}: {outcome:?}");
            }
        }
        panic!("it does not settle");
    }
}

impl Executor {
    /// A rotation while Secrets are written and read; answers how many runs it took, those that were cut off and the last.
    fn among_traffic(&self, work: &Path, spec: &EncryptionSpec) -> usize {
        self.stages_among_traffic(work, spec, |_| true, 1)
    }

    /// The same with some stages only. A server that restarts does not answer meanwhile: who asks it may have to ask again, so many times.
    fn stages_among_traffic(&self, work: &Path, spec: &EncryptionSpec, stages: fn(&Action) -> bool, tries: u32) -> usize {
        let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
        let (cuts, wrong) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| traffic(work, &stop, &count, tries));
            let end = Ends(&stop);
            let cuts = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.settle(spec, stages)));
            drop(end);
            (cuts, writer.join().unwrap())
        });
        println!(
            "{}: {cuts} runs until nothing was left, {} writes, each read through three servers",
            spec.entry,
            count.load(Ordering::Relaxed)
        );
        assert!(count.load(Ordering::Relaxed) > 20 / u64::from(tries) && wrong.is_empty(), "{wrong:#?}");
        cuts
    }

    /// What every server's manifest would be, and the record of it, had kubeadm begun this cluster; and the plugin's key.
    async fn as_kubeadm_begins(&self) {
        for (name, host) in &self.hosts {
            let node = Name::new(name.as_str()).unwrap();
            let text = kubeadm::control_plane(&cluster(), &node, &address(&node), &[]).unwrap();
            let script = "cat > /run/begun.yaml; kubeadm init phase control-plane apiserver --config /run/begun.yaml; \
                          [ \"$1\" != cp1 ] || kubeadm init phase upload-config kubeadm --config /run/begun.yaml; rm /run/begun.yaml";
            let command = Command::write(["bash", "-euc", script, "begin", name.as_str()]).stdin(Stdin::Plain(text.into_bytes()));
            let out = host.run(&command).await.unwrap();
            assert!(out.success(), "{}", out.tail());
        }
    }

    /// A manifest, or the record of it in the cluster, that is not what kubeadm makes: refused, with the next step, and nothing is written.
    async fn what_somebody_changed_is_left_alone(&self, spec: &EncryptionSpec) {
        let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
        let kubectl = "kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system";
        let part = self.planned(spec).await;
        let step = part.steps.iter().find(|s| s.id.0 == "cp1/encryption/mount").unwrap();
        let edits = [
            (
                format!("sed -i 's/cpu: 250m/cpu: 300m/' {manifest}"),
                format!("sed -i 's/cpu: 300m/cpu: 250m/' {manifest}"),
                "is not what kubeadm makes for this cluster: cpu: 300m",
            ),
            (
                format!(
                    "{kubectl} get configmap kubeadm-config -o yaml | sed 's/clusterName: home/clusterName: other/' | {kubectl} replace -f -"
                ),
                format!(
                    "{kubectl} get configmap kubeadm-config -o yaml | sed 's/clusterName: other/clusterName: home/' | {kubectl} replace -f -"
                ),
                "is not that of this cluster: clusterName: other",
            ),
        ];
        for (edit, back, word) in edits {
            assert!(self.on("cp1", &edit).await);
            let refused = self.run(step).await.unwrap_err();
            assert!(refused.contains("nothing was changed") && refused.contains(word) && refused.contains("hostPath"), "{refused}");
            let same = format!(
                "! grep -q /run/kms {manifest} && ! {kubectl} get configmap kubeadm-config -o yaml | grep -q /run/kms && [ ! -e /run/kubestead-mount ]"
            );
            assert!(self.on("cp1", &same).await, "{word}");
            assert!(self.on("cp1", &back).await);
        }
    }

    /// A plugin that stops: its API server reads what it has opened before, and after a restart nothing. It is told, and with the plugin all
    /// is back.
    async fn a_plugin_that_went_is_told_and_nothing_is_lost(&self, work: &Path, spec: &EncryptionSpec) {
        assert!(Self::reads(work, "cp3", "moving-1", 1).await);
        assert!(self.on("cp3", "kill $(cat /run/kms.pid); until [ ! -S /run/kms/plugin.sock ]; do sleep 0.1; done").await);
        assert!(Self::reads(work, "cp3", "moving-1", 1).await, "what it has opened before");
        let restart = "server() { ss -Hltnp 'sport = :6443' | sed -n 's/.*(\"kube-apiserver\",pid=\\([0-9]*\\),.*/\\1/p'; }; old=$(server); kill $old; \
                       until new=$(server); [ -n \"$new\" ] && [ \"$new\" != \"$old\" ] && curl -skf -o /dev/null https://127.0.0.1:6443/livez; do sleep 0.2; done";
        assert!(self.on("cp3", restart).await);
        assert!(!Self::reads(work, "cp3", "moving-1", 3).await, "it can tell");
        assert!(self.on("cp3", "[ \"$(curl -sk https://127.0.0.1:6443/readyz)\" != ok ]").await, "it says so itself");
        assert!(Self::reads(work, "cp1", "moving-1", 1).await, "the others have theirs");
        let held = self.planned(spec).await.held;
        assert!(held.len() == 1 && held[0].object == "cp3/encryption" && held[0].hint.contains("start the plugin"), "{held:?}");
        self.start_plugin(work, "cp3").await;
        assert!(Self::reads(work, "cp3", "moving-1", 120).await, "nothing is lost");
    }

    async fn on(&self, server: &str, script: &str) -> bool {
        self.hosts[server].run(&Command::write_script(script)).await.unwrap().success()
    }

    /// As the operator's service does.
    async fn start_plugin(&self, work: &Path, server: &str) {
        let plugin = std::env::var("KMS_PLUGIN").unwrap();
        let key = work.join("kms.key");
        let script = format!(
            "mkdir -p /run/kms; setsid {plugin} -socket /run/kms/plugin.sock -key {} < /dev/null > /run/kms.log 2>&1 & echo $! > /run/kms.pid; \
             until [ -S /run/kms/plugin.sock ]; do sleep 0.1; done",
            key.display()
        );
        assert!(self.on(server, &script).await);
    }

    /// Whether this server reads a Secret, asked for so many seconds.
    async fn reads(work: &Path, server: &str, secret: &str, seconds: u32) -> bool {
        let config = work.join(server).join("admin");
        for _ in 0..seconds {
            let args = ["--kubeconfig", config.to_str().unwrap(), "-n", "default", "--request-timeout=10s", "get", "secret", secret];
            if program("kubectl", &args, "").0 {
                return true;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        false
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

/// The cluster that these servers would be.
fn cluster() -> KubeadmSpec {
    KubeadmSpec {
        name: Name::new("home").unwrap(),
        version: "1.37.1".into(),
        endpoint: "10.9.0.1:6443".into(),
        first: Name::new("cp1").unwrap(),
        hostnames: std::collections::BTreeMap::new(),
        pods: "10.244.0.0/16".into(),
        services: "10.96.0.0/16".into(),
        dns_domain: "cluster.local".into(),
        pods_here: false,
        encryption: EncryptionSpec::default(),
        added: Box::default(),
        ignore_preflight: vec![],
        lab: true,
    }
}

fn address(node: &Name) -> String {
    format!("10.9.0.{}", node.as_str().trim_start_matches("cp"))
}

/// Writes through each server in turn and reads through all of them, until told to stop; answers what went wrong. A request that failed is
/// made again until it was made so many times.
fn traffic(work: &Path, stop: &AtomicBool, count: &AtomicU64, tries: u32) -> Vec<String> {
    let kubectl = |server: u64, args: &[&str], input: &str| {
        let config = work.join(format!("cp{server}/admin"));
        let args = [&["--kubeconfig", config.to_str().unwrap(), "-n", "default"], args].concat();
        let mut answer = program("kubectl", &args, input);
        for _ in 1..tries {
            if answer.0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
            answer = program("kubectl", &args, input);
        }
        answer
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
        println!("skipped: a scenario of crates/proof makes the servers and runs this");
        return;
    };
    let pid = |n: &str| std::fs::read_to_string(work.join(n).join("pid")).unwrap().trim().to_owned();
    let hosts = ["cp1", "cp2", "cp3"].map(|n| (n.to_owned(), Inside { name: n.to_owned(), pid: pid(n), fuse: Mutex::new(None) }));
    let first = Secret::new(std::fs::read(work.join("key1")).unwrap());
    let mut keys: BTreeMap<KeyRef, Secret> = ["gcm1", "key2"].map(|n| (KeyRef(escrow_name(n)), encryption_key().unwrap())).into();
    keys.insert(KeyRef(escrow_name("key1")), first);
    let kubeconfig = std::fs::read_to_string(work.join("super-admin.conf")).unwrap();
    let api = KubeApi::at(&kubeconfig, "https://10.9.0.1:6443").unwrap();
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
    let hands = Executor { hosts: hosts.into(), keys: FixedKeys(keys), api, kills: Mutex::new(kills.into()) };
    let secrets = |entry| EncryptionSpec { entry, ..EncryptionSpec::default() };
    let second = secrets(Entry::Key { cipher: Cipher::Aesgcm, name: "gcm1".into() });
    let cuts = hands.among_traffic(&work, &second);
    // One cut may end the steps of several servers, and what is short may be over before it: adding, promoting, checking and dropping are not.
    assert!(cuts >= 4 && hands.kills.lock().unwrap().is_empty(), "{cuts} {:?}", hands.kills.lock().unwrap());

    // Values that are not encrypted: as somebody leaves a cluster who begins to encrypt it, or wants to stop.
    for host in hands.hosts.values() {
        let script =
            "cd /etc/kubernetes/enc; sed 's/^  providers:/  providers:\\n  - identity: {}/' enc.yaml > new; chmod 600 new; mv new enc.yaml";
        assert!(host.run(&Command::write_script(script)).await.unwrap().success());
    }
    for server in ["cp1", "cp2", "cp3"] {
        hands.in_the_clear(&work, server).await;
    }
    // They move to a KMS plugin, and ConfigMaps with them.
    let kinds = BTreeSet::from(["configmaps".to_owned(), "secrets".to_owned()]);
    let plugin = Entry::Kms { name: "vault".into(), endpoint: "unix:///run/kms/plugin.sock".into(), timeout: "3s".into() };
    let third = EncryptionSpec { entry: plugin, resources: kinds.clone() };
    hands.as_kubeadm_begins().await;
    std::fs::write(work.join("kms.key"), [7; 32]).unwrap();
    let held = hands.planned(&third).await.held;
    assert!(held.len() == 3 && held[2].reason == "no KMS plugin answers at /run/kms/plugin.sock", "{held:?}");
    for server in hands.hosts.keys() {
        hands.start_plugin(&work, server).await;
    }
    hands.what_somebody_changed_is_left_alone(&third).await;
    hands.kills.lock().unwrap().extend([("cp1/encryption/mount", 0.3), ("cp2/encryption/mount", 1.0), ("cp3/encryption/mount", 4.0)]);
    assert!(hands.stages_among_traffic(&work, &third, |action| matches!(action, Action::Mount { .. }), 120) >= 2);
    assert!(hands.kills.lock().unwrap().is_empty());
    hands.kills.lock().unwrap().extend([("cp2/encryption/promote", 1.0), ("cp2/encryption/drop", 1.0)]);
    assert!(hands.among_traffic(&work, &third) >= 2);
    for (kind, name) in [("secrets", "vault"), ("configmaps", "vault-configmaps")] {
        let get = format!(
            "etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt \
             --key /etc/kubernetes/pki/etcd/server.key get /registry/{kind}/ --prefix --write-out json > /run/values; \
             [ \"$(grep -o '\"value\":\"[^\"]*' /run/values | cut -d '\"' -f 4 | while read -r v; do base64 -d <<< \"$v\" | head -c 60 | grep -aoE '^k8s:enc:[a-z]+:v[12]:[a-z0-9-]+:' || echo none; done | sort -u)\" = k8s:enc:kms:v2:{name}: ]"
        );
        assert!(hands.on("cp2", &get).await, "{kind}");
    }
    hands.a_plugin_that_went_is_told_and_nothing_is_lost(&work, &third).await;

    // And back.
    let fourth = EncryptionSpec { entry: Entry::Key { cipher: Cipher::Secretbox, name: "key2".into() }, resources: kinds };
    hands.kills.lock().unwrap().extend([("cp3/encryption/add", 1.0), ("cp1/encryption/drop", 1.0)]);
    assert!(hands.among_traffic(&work, &fourth) >= 2);

    // What etcd holds, asked of every member, and what is left of the old keys.
    for (name, host) in &hands.hosts {
        let get = "etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt \
                   --key /etc/kubernetes/pki/etcd/server.key get /registry/secrets/ --prefix --print-value-only > /run/values; grep -ao 'k8s:enc:[a-z]*:v[12]:[a-z0-9-]*:' /run/values | sort -u; \
                   grep -aoh 'k8s:enc:[a-z]*:v[12]:[a-z0-9-]*:' /var/lib/etcd/member/snap/db | sort -u; grep -ac canary /var/lib/etcd/member/snap/db; grep -o 'name: [a-z0-9]*' /etc/kubernetes/enc/enc.yaml; ls -A /etc/kubernetes/enc";
        let found = host.run(&Command::read_script(get)).await.unwrap().text();
        assert_eq!(found, "k8s:enc:secretbox:v1:key2:\nk8s:enc:secretbox:v1:key2:\n0\nname: key2\nenc.yaml\n", "{name}");
    }
}
