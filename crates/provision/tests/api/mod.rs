//! A real API server, which `crates/proof` starts: asked as the probe asks, planned for, and changed by `kubectl` as other people do it.
#![allow(dead_code)] // each test program has what it needs of it

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use kubestead_backend::api::KubeApi;
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::outcome::Done;
use kubestead_core::plan::{Part, Step};
use kubestead_core::probe;
use kubestead_provision::file::Namespace;
use kubestead_provision::objects::{self, Action, ApiFacts, ObjectsSpec};
use serde_json::Value;

pub(crate) struct World {
    pub(crate) kube: KubeApi,
    pub(crate) kubeconfig: String,
    pub(crate) spec: ObjectsSpec,
}

/// What `kubectl` answered.
pub(crate) struct Answer {
    pub(crate) good: bool,
    pub(crate) said: String,
    pub(crate) complained: String,
}

/// What shall be in a cluster without storage.
pub(crate) fn spec(namespace: Option<Namespace>) -> ObjectsSpec {
    ObjectsSpec {
        endpoint: "10.0.0.1:6443".into(),
        interfaces: vec![],
        backend: kubestead_provision::file::Backend::Vxlan { mtu: None },
        pods: "10.244.0.0/16".into(),
        images: ("f:1".into(), "p:1".into()),
        storage: vec![],
        namespace,
        logins: BTreeSet::new(),
        nodes: BTreeMap::new(),
        annotations: BTreeMap::new(),
        after: BTreeSet::new(),
        joined: BTreeSet::new(),
        asked: BTreeSet::new(),
    }
}

/// What `kubectl` answers with a kubeconfig.
pub(crate) fn ask(kubeconfig: &str, arguments: &[&str], input: &str) -> Answer {
    let mut child = Command::new(std::env::var("KUBECTL").unwrap())
        .args(["--kubeconfig", kubeconfig])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // What is asked may be longer than a pipe holds, while nobody reads what is answered yet.
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let out = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Answer { good: out.status.success(), said: text(&out.stdout), complained: text(&out.stderr) }
}

impl World {
    /// `None` if there is no API server.
    pub(crate) fn new(spec: ObjectsSpec) -> Option<Self> {
        let kubeconfig = std::env::var("KUBESTEAD_TEST_API").ok()?;
        let text = std::fs::read_to_string(&kubeconfig).unwrap();
        Some(Self { kube: KubeApi::at(&text, "https://127.0.0.1:6443").unwrap(), kubeconfig, spec })
    }

    pub(crate) fn ask(&self, arguments: &[&str], input: &str) -> Answer {
        ask(&self.kubeconfig, arguments, input)
    }

    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) {
        let answer = self.ask(arguments, input);
        assert!(answer.good, "kubectl {arguments:?}: {}", answer.complained);
    }

    /// As the probe sees it. A server that other tests ask too may be behind for a moment, and is waited for.
    pub(crate) fn facts(&self) -> ApiFacts {
        let mut last = self.look();
        for _ in 0..300 {
            if last.answers {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
            last = self.look();
        }
        last
    }

    fn look(&self) -> ApiFacts {
        let names = objects::names(&self.spec);
        let pods: Option<&Name> = self.spec.namespace.as_ref().filter(|own| own.pod_security.is_some()).map(|own| &own.name);
        let mut section = objects::section(&[], &names, pods);
        section.script = section.script.replace("/etc/kubernetes/admin.conf", &self.kubeconfig);
        let command = probe::command(&[section], "n1");
        let output = Command::new("bash").args(["-c", &*command.script()]).output().unwrap();
        let answers = probe::parse(&output.stdout, "n1").unwrap();
        objects::read(&answers, &BTreeMap::new(), 0, &names, pods).unwrap().expect("there is a cluster")
    }

    /// The plan without waiting for workloads that no controller rolls out here.
    pub(crate) fn plan(&self) -> Part<Action> {
        let mut part = objects::plan(&self.spec, &Fact::Known(self.facts()));
        part.steps.retain(|step| !matches!(step.action, Action::Wait { .. }));
        part
    }

    pub(crate) async fn run(&self, steps: &[Step<Action>]) {
        for step in steps {
            assert_eq!(objects::apply(&step.action, &self.kube).await.unwrap_or_else(|e| panic!("{}: {e}", step.id)), Done::Changed);
        }
    }

    /// An object as it is, or null.
    pub(crate) fn get(&self, arguments: &[&str]) -> Value {
        let answer = self.ask(&[&["get", "-o", "json"], arguments].concat(), "");
        serde_json::from_str(&answer.said).unwrap_or_default()
    }
}

pub(crate) fn ids(part: &Part<Action>) -> Vec<&str> {
    part.steps.iter().map(|step| step.id.0.as_str()).collect()
}
