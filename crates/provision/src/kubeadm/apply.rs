//! One action: guard, act, verify. Tokens and keys travel on standard input and lie in memory-backed files only.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::command::{Command, Stdin};
use kubestead_core::host::{Host, HostError, Hosts};
use kubestead_core::key::{KeyRef, KeySource};
use kubestead_core::kube::ApiSource;
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::procedure::{Failed, Procedure, ProcedureError};
use kubestead_core::put;
use kubestead_core::secret::Secret;

use super::action::Action;
use super::components::{Components, Program};
use super::config;
use super::error::Error;
use super::observe::LEFTOVERS;
use super::spec::{BEGUN, CONFIG, ENCRYPTION, KEPT, KubeadmSpec, RECORD};
use super::token::Token;
use crate::admin::ADMIN;
use crate::encryption::{self, Entry, LISTENS, MANIFEST, escrow_name};

/// Carries an action out. `host` is the step's own; a join also asks the first control plane for its authority, and `apis` for a token.
pub async fn apply(action: &Action, host: &dyn Host, hosts: &Hosts, keys: &dyn KeySource, apis: &dyn ApiSource) -> Result<Done, Error> {
    let on = host.name();
    match action {
        Action::Adoption(adoption) => {
            adoption.procedure().run(host).await.map_err(Failed::at(format!("{on}: what is where a file of kubestead's belongs")))
        }
        Action::Prepare { spec } => {
            let mut own = BTreeMap::new();
            if let Entry::Key { name, .. } = &spec.encryption.entry {
                let name = escrow_name(name);
                own.insert(name.clone(), keys.open(&KeyRef(name)).await?);
            }
            let text = encryption::render(&spec.encryption.layout(), &own)?;
            prepare(spec, text, host).await.map_err(Failed::at(format!("{on}: lay the API server's files ready")))
        }
        Action::Init { spec, address } => {
            let text = config::init(spec, address, &[]).map_err(|e| Error::Answer { host: on.to_owned(), what: e.to_string() })?;
            init(&spec.encryption.entry)
                .stdin(Stdin::Plain(text.into_bytes()))
                .run(host)
                .await
                .map_err(Failed::at(format!("{on}: kubeadm init")))
        }
        Action::Join { spec, node, address } => join(spec, node, address, host, hosts, apis).await,
        Action::Mount { spec, node, address, before, folders, sockets } => {
            let describe = |plugins: &[String]| {
                config::control_plane(spec, node, address, plugins).map_err(|e| Error::Answer { host: on.to_owned(), what: e.to_string() })
            };
            let text = format!("{}{AFTER}\n{}", describe(before)?, describe(folders)?);
            let what = format!("{on}: mount {} in the API server", folders.join(", "));
            mount(folders, sockets).stdin(Stdin::Plain(text.into_bytes())).run(host).await.map_err(Failed::at(what))
        }
        Action::Components { spec, node, address, before, plugins, again, all, old } => {
            let describe = |spec: &KubeadmSpec| {
                config::control_plane(spec, node, address, plugins).map_err(|e| Error::Answer { host: on.to_owned(), what: e.to_string() })
            };
            let mut as_it_is = spec.clone();
            as_it_is.added.components = (**before).clone();
            let text = format!("{}{AFTER}\n{}", describe(&as_it_is)?, describe(spec)?);
            let what = format!("{on}: other arguments of the control plane's programs");
            let files = action.writes();
            if *again {
                mark_again().run(host).await.map_err(Failed::at::<Error>(what.clone()))?;
            }
            if !files.is_empty() {
                put::write(&files, host).await.map_err(Failed::at::<Error>(what.clone()))?;
            }
            components(before, &spec.added.components, (*again, *all), old)
                .stdin(Stdin::Plain(text.into_bytes()))
                .run(host)
                .await
                .map_err(Failed::at(what))
        }
        Action::PutBack => put_back().run(host).await.map_err(Failed::at(format!("{on}: put the control plane's manifests back"))),
        Action::Reset { spec } => reset(spec).run(host).await.map_err(Failed::at(format!("{on}: take it out of the cluster"))),
        Action::StartKubelet => {
            let start = Procedure::script(include_str!("scripts/start-kubelet.sh"));
            start.run(host).await.map_err(Failed::at(format!("{on}: start the kubelet")))
        }
    }
}

async fn prepare(spec: &KubeadmSpec, encryption: Secret, host: &dyn Host) -> Result<Done, ProcedureError> {
    put::write(&spec.prepared(), host).await?;
    key_file(&encryption).stdin(Stdin::Secret(encryption)).run(host).await
}

/// A file that is there is never replaced: with another key nothing in etcd could be read any more.
fn key_file(text: &Secret) -> Procedure {
    Procedure::script(include_str!("scripts/key-file.sh")).var("file", ENCRYPTION).var("sha256", put::digest(text.expose()))
}

/// The preflight errors that the traces of our own cut run cause; kubeadm's phases take what is there and go on.
const OWN_TRACES: &str = "DirAvailable--var-lib-etcd,DirAvailable--etc-kubernetes-manifests,\
    FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml,FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml,\
    FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml,FileAvailable--etc-kubernetes-manifests-etcd.yaml,\
    Port-6443,Port-10250,Port-10257,Port-10259,Port-2379,Port-2380";

fn init(entry: &Entry) -> Procedure {
    Procedure::script(include_str!("scripts/init.sh"))
        .after(LEFTOVERS)
        .after(LISTENS)
        .list("sockets", entry.socket())
        .var("encryption", ENCRYPTION)
        .var("begun", BEGUN)
        .var("config", CONFIG)
        .var("kept", KEPT)
        .var("traces", OWN_TRACES)
}

/// Between two descriptions of a control plane: as it is, and as it shall be.
const AFTER: &str = "@AFTER@";
/// `described`: what kubeadm makes of a description, without doing anything.
const DESCRIBED: &str = include_str!("scripts/described.sh");
/// `comes_up`, `place` and others: whether a program runs as its manifest says.
const RUNS: &str = include_str!("scripts/runs.sh");
/// The folder of static pods.
const MANIFESTS: &str = "/etc/kubernetes/manifests";
/// How long an API server may take to come back with another manifest, in seconds: as long as kubeadm waits for one on a slow machine.
const RESTART: u32 = 600;
/// After how many seconds without a program's process, where no API server answers, its kubelet is started again: one that works needs a few.
const STUCK: u32 = 30;
/// How long it may take to give all programs other arguments, in seconds: one of them may have to come back with its old ones.
const COMPONENTS: u64 = 3600;

fn mount(folders: &[String], sockets: &BTreeSet<String>) -> Procedure {
    Procedure::script(include_str!("scripts/mount.sh"))
        .after(LISTENS)
        .after(encryption::MOUNTED)
        .after(DESCRIBED)
        .after(ADMIN)
        .list("folders", folders)
        .list("sockets", sockets)
        .var("manifest", MANIFEST)
        .var("between", AFTER)
        .var("restart", RESTART.to_string())
}

fn components(before: &Components, after: &Components, (again, all): (bool, bool), old: &BTreeSet<String>) -> Procedure {
    let api_server = Program::KubeApiserver.name();
    let renamed = (all || before.names != after.names).then_some(api_server);
    let programs = if all { Program::ALL.into() } else { before.programs(after) };
    put::with_manifest(include_str!("scripts/components.sh"))
        .after(DESCRIBED)
        .after(RUNS)
        .after(ADMIN)
        .list("programs", programs.into_iter().map(Program::name))
        .list("renamed", renamed)
        .list("again", again.then_some(api_server))
        .list("old", old)
        .var("folder", MANIFESTS)
        .var("kept", KEPT)
        .var("between", AFTER)
        .var("restart", RESTART.to_string())
        .var("stuck", STUCK.to_string())
        .limit(COMPONENTS)
}

fn mark_again() -> Procedure {
    Procedure::script(include_str!("scripts/mark-again.sh")).var("kept", KEPT)
}

fn put_back() -> Procedure {
    Procedure::script(include_str!("scripts/put-back.sh"))
        .after(RUNS)
        .after(ADMIN)
        .var("folder", MANIFESTS)
        .var("kept", KEPT)
        .var("restart", RESTART.to_string())
        .var("stuck", STUCK.to_string())
}

async fn join(spec: &KubeadmSpec, node: &Name, address: &str, host: &dyn Host, hosts: &Hosts, apis: &dyn ApiSource) -> Result<Done, Error> {
    let what = format!("{}: kubeadm join", host.name());
    let first = hosts.get(spec.first.as_str()).ok_or_else(|| Error::NoHost(spec.first.to_string()))?.as_ref();
    let ca = ask(first, &what, Command::read_script(include_str!("scripts/ca-hash.sh"))).await?;
    if ca.len() != 64 || !ca.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Error::Answer { host: first.name().to_owned(), what: "the hash of the cluster's CA was not understood".into() });
    }
    let text =
        config::join(spec, node, address, &ca, &[]).map_err(|e| Error::Answer { host: first.name().to_owned(), what: e.to_string() })?;
    put::write(&[spec.record()], host).await.map_err(Failed::at::<Error>(what.clone()))?;
    let api = apis.api().await.map_err(Error::NoApi)?;
    let token = Token::make(node, &*api).await?;
    let document = Secret::new(text.replace("@TOKEN@", &String::from_utf8_lossy(token.text.expose())).into_bytes());
    let joined = join_procedure(&ca).stdin(Stdin::Secret(document)).run(host).await;
    // It goes, whatever became of the join.
    token.end(&*api).await;
    joined.map_err(Failed::at(what))
}

async fn ask(host: &dyn Host, what: &str, command: Command) -> Result<String, Error> {
    let output = host.run(&command).await.map_err(|e: HostError| Failed::at::<Error>(what)(e.into()))?;
    if output.success() {
        Ok(output.text().trim().to_owned())
    } else {
        Err(Failed::at(what)(ProcedureError::Exit { status: output.status, tail: output.tail() }))
    }
}

fn join_procedure(ca: &str) -> Procedure {
    Procedure::script(include_str!("scripts/join.sh")).after(LEFTOVERS).var("begun", BEGUN).var("config", CONFIG).var("ca", ca)
}

fn reset(spec: &KubeadmSpec) -> Procedure {
    put::with_manifest(include_str!("scripts/reset.sh"))
        .var("name", spec.name.as_str())
        .var("record", RECORD)
        .var("begun", BEGUN)
        .var("kept", KEPT)
        .var("encryption", ENCRYPTION)
}

#[cfg(test)]
mod scripts;
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use kubestead_core::command::Output;
    use kubestead_core::host::MockHost;
    use kubestead_core::kube::{Kube as _, ObjectRef};
    use kubestead_core::twin::MemoryKube;
    use mockall::Sequence;
    use serde_json::json;

    use super::super::fixture::spec;
    use super::*;

    /// A host that is asked for just this next: a command that holds `word`, and answers `status` and `text`.
    fn expect(host: &mut MockHost, sequence: &mut Sequence, word: &'static str, status: i32, text: &str) {
        let output = Output { status, stdout: text.as_bytes().to_vec(), stderr: vec![] };
        let asked = host.expect_run().withf(move |command| command.render().contains(word));
        asked.times(1).in_sequence(sequence).return_once(move |_| Ok(output));
    }

    /// The token is on no command line, it is there while its node joins, and it is gone whatever became of that.
    #[tokio::test]
    async fn the_token_of_a_join_goes_whether_it_succeeded_or_not() {
        for (status, good) in [(0, true), (1, false)] {
            let (mut first, mut worker, mut order) = (MockHost::new(), MockHost::new(), Sequence::new());
            first.expect_name().return_const("cp1".to_owned());
            worker.expect_name().return_const("kube1".to_owned());
            expect(&mut first, &mut order, "openssl x509", 0, &"a".repeat(64));
            expect(&mut worker, &mut order, RECORD, 0, "");
            let kube = Arc::new(MemoryKube::default());
            let (seen, tokens) =
                (kube.clone(), ObjectRef::of(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "kube-system"}})));
            let listed = tokens.clone();
            worker.expect_run().times(1).in_sequence(&mut order).return_once(move |command| {
                let made = futures::executor::block_on(seen.list(&listed)).unwrap().items;
                let secret = STANDARD.decode(made[0]["data"]["token-secret"].as_str().unwrap()).unwrap();
                assert!(made.len() == 1 && command.render().contains("kubeadm join"));
                assert!(!command.render().contains(std::str::from_utf8(&secret).unwrap()), "on no command line");
                Ok(Output { status, ..Output::default() })
            });
            let hosts = Hosts::from([("cp1".to_owned(), Arc::new(first) as Arc<dyn Host>)]);
            let joined = join(&spec(), &Name::new("kube1").unwrap(), "10.0.0.21", &worker, &hosts, &kube).await;
            assert_eq!(joined.is_ok(), good, "{joined:?}");
            assert!(kube.list(&tokens).await.unwrap().items.is_empty());
        }
    }

    /// The real script of the key file, below a folder: its status, and what is there then.
    fn key_file_on(root: &std::path::Path, before: Option<&str>, wanted: &[u8], sent: &[u8]) -> (i32, String) {
        use std::io::Write as _;
        let file = root.join("enc/enc.yaml");
        std::fs::create_dir_all(root.join("enc")).unwrap();
        let _ = std::fs::remove_file(&file);
        if let Some(text) = before {
            std::fs::write(&file, text).unwrap();
        }
        let command = key_file(&Secret::new(wanted.to_vec())).command();
        let script =
            command.script().replace(ENCRYPTION, file.to_str().unwrap()).replace("/run/kubestead.act", root.join("lock").to_str().unwrap());
        let mut child = std::process::Command::new("bash")
            .args(["-c", &script])
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(sent).unwrap();
        let status = child.wait().unwrap().code().unwrap();
        assert!(std::fs::read_dir(root.join("enc")).unwrap().count() <= 1, "no part of it is left");
        (status, std::fs::read_to_string(&file).unwrap_or_default())
    }

    /// An input that was cut off at any byte, also before the first, leaves no file; an empty one of a power cut is no key.
    #[test]
    fn a_key_file_is_whole_or_not_there_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let text = b"secret: abc\n";
        for cut in 0..text.len() {
            assert_eq!(key_file_on(dir.path(), None, text, &text[..cut]), (90, String::new()), "{cut}");
        }
        assert_eq!(key_file_on(dir.path(), None, text, text), (0, "secret: abc\n".to_owned()));
        assert_eq!(key_file_on(dir.path(), Some("secret: abc\n"), text, text).0, 91);
        assert_eq!(key_file_on(dir.path(), Some("secret: xyz\n"), text, text), (90, "secret: xyz\n".to_owned()));
        assert_eq!(key_file_on(dir.path(), Some(""), text, text), (0, "secret: abc\n".to_owned()));
    }

    /// The real script of init below a folder, with programs that only write down how they were called: status, words, calls.
    fn init_on(root: &std::path::Path) -> (i32, String, String) {
        use std::os::unix::fs::PermissionsExt as _;
        let bin = root.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for (name, says) in [("kubeadm", ""), ("kubectl", "")] {
            let calls = root.join("calls");
            let text = format!("#!/bin/sh\necho {name} \"$@\" >> {}\n{says}\n", calls.display());
            std::fs::write(bin.join(name), text).unwrap();
            std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let command = init(&spec().encryption.entry).command();
        let place = |path: &str| root.join(&path[1..]).display().to_string();
        let script = ["/etc/kubernetes", "/etc/kubestead", "/etc/cni", "/var/lib/etcd", "/var/lib/kubelet", "/run/kubestead"]
            .iter()
            .fold(command.script().into_owned(), |script, path| script.replace(path, &place(path)));
        for folder in ["run", "etc/kubestead", "etc/kubernetes/enc", "var/lib/kubelet"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(place(ENCRYPTION), "x").unwrap();
        let own = format!(" PATH={}:/usr/local/sbin", bin.display());
        let script = script.replace(" PATH=/usr/local/sbin", &own);
        let output = std::process::Command::new("bash").args(["-c", &script]).stdin(std::process::Stdio::null()).output().unwrap();
        let calls = std::fs::read_to_string(root.join("calls")).unwrap_or_default();
        let words = Output { stderr: output.stderr, ..Output::default() }.tail();
        (output.status.code().unwrap(), words.replace(&root.display().to_string(), ""), calls)
    }

    #[test]
    fn init_looks_for_leftovers_once_more_and_takes_up_its_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc/kubernetes/pki")).unwrap();
        std::fs::write(dir.path().join("etc/kubernetes/pki/ca.crt"), "x").unwrap();
        let (status, words, calls) = init_on(dir.path());
        assert!(
            status == 90 && words.contains("an earlier cluster left /etc/kubernetes/pki/ca.crt") && calls.is_empty(),
            "{status} {words}"
        );
        // A run of ours that was cut off left as much, and its mark.
        std::fs::create_dir_all(dir.path().join("etc/kubestead")).unwrap();
        std::fs::write(dir.path().join("etc/kubestead/kubeadm-begun"), "").unwrap();
        let (status, words, calls) = init_on(dir.path());
        assert!(status == 0 && calls.contains("--ignore-preflight-errors=DirAvailable--"), "{status} {words} {calls}");
        assert!(!dir.path().join("etc/kubestead/kubeadm-begun").exists());
        let dir = tempfile::tempdir().unwrap();
        let (status, words, calls) = init_on(dir.path());
        assert!(status == 0 && calls.contains("kubeadm init --config") && !calls.contains("ignore"), "{status} {words} {calls}");
    }

    #[test]
    fn init_and_join_look_for_leftovers_in_their_guards() {
        for procedure in [init(&spec().encryption.entry), join_procedure("ab")] {
            assert!(procedure.guard.contains("left=$(leftovers)") && procedure.guard.contains("/etc/kubernetes/pki/*.crt"));
        }
    }

    #[test]
    fn every_script_is_one_that_bash_can_read() {
        let spec = spec();
        let kms = Entry::Kms { name: "vault".into(), endpoint: "unix:///run/kms/vault.sock".into(), timeout: "3s".into() };
        let mounts = mount(&["/run/kms".to_owned(), "/run/new".to_owned()], &BTreeSet::from(["/run/kms/vault.sock".to_owned()]));
        let init = [init(&spec.encryption.entry), init(&kms)];
        for procedure in [key_file(&Secret::new(b"k".to_vec())), mounts, join_procedure("ab"), reset(&spec)].into_iter().chain(init) {
            let command = procedure.command();
            let status = std::process::Command::new("bash").args(["-n", "-c", &*command.script()]).status().unwrap();
            assert!(status.success(), "{}", command.script());
        }
    }
}
