//! Answers of machines as probes bring them (`*.probe`, the frames of `kubestead_core::probe` with the nonce `n1`), what is made of them,
//! and what must hold whatever they say: the driver of `answers_fuzz.rs` and the target in `fuzz/` share it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;
use kubestead_core::plan::{Plan, Risk, Target};
use kubestead_core::probe::{self, Answers};
use kubestead_provision::bundle::{Bundle, BundleFile, Kind};
use kubestead_provision::compose::{self, Action, NodeSeen, Seen};
use kubestead_provision::file::{self, Cluster};
use kubestead_provision::node::{self, NodeSpec, Packages};
use kubestead_provision::secret::{self, SecretSpec, SecretsWanted};
use kubestead_provision::service::ServicesWanted;
use kubestead_provision::{encryption, keyserver, kubeadm, machine, objects};

/// The nonce of the files.
pub(crate) const NONCE: &str = "n1";
/// Our clock when they were taken, in seconds since 1970.
const NOW: i64 = 1_795_788_107;

/// A control plane and a worker that are made, a worker that is not, and a key server.
pub(crate) const CORPUS: [(&str, &[u8]); 4] = [
    ("cp1", include_bytes!("cp1.probe")),
    ("kube1", include_bytes!("kube1.probe")),
    ("kube2", include_bytes!("kube2.probe")),
    ("masterlock", include_bytes!("masterlock.probe")),
];
/// What kubeadm writes.
pub(crate) const ADMIN_CONF: &str = include_str!("../../../core/tests/admin.conf");

/// examples/three-nodes, what it names on the operator's computer, and a Secret.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    bundle: Bundle,
    wish: SecretsWanted,
    escrow: BTreeSet<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        let text = include_str!("../../../../examples/three-nodes/cluster.yaml");
        let cluster = file::load("cluster.yaml", text, Path::new("/x")).unwrap();
        let file = |kind, name: &str| BundleFile {
            path: name.into(),
            kind,
            name: name.into(),
            version: "1".into(),
            sha256: "ab".repeat(32),
            size: 1,
            arch: None,
            roles: vec!["control-plane".into(), "worker".into()],
            image: (kind == Kind::Image).then(|| format!("registry.k8s.io/{name}:1")),
        };
        let mut files: Vec<BundleFile> =
            ["containerd", "runc", "kubeadm", "kubelet", "kubectl"].map(|name| file(Kind::Binary, name)).into();
        files.extend([file(Kind::Cni, "bridge"), file(Kind::Image, "pause"), file(Kind::Image, "etcd")]);
        let secret = SecretSpec {
            file: "registry.yaml".into(),
            namespace: "apps".into(),
            name: "registry".into(),
            kind: "Opaque".into(),
            immutable: false,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            keys: BTreeSet::from(["password".to_owned()]),
            digest: "v1:abd".into(),
        };
        let volumes =
            cluster.nodes.iter().flat_map(|n| cluster.volumes_of(&n.name).map(move |v| format!("recovery.{}.{}", n.name, v.name)));
        Self {
            escrow: volumes.chain([encryption::escrow_name("key1")]).collect(),
            bundle: Bundle { format_version: 1, kubernetes: "1.37.1".into(), source: "built".into(), files },
            wish: SecretsWanted { secrets: vec![secret], findings: vec![] },
            cluster,
        }
    }

    fn node_spec(&self, name: &Name, packages: bool) -> NodeSpec {
        let packages = packages.then(|| Packages {
            version: "1.37.1".into(),
            repository: "https://pkgs.k8s.io/core:/stable:".into(),
            trust: node::Trust::Key("-----BEGIN PGP PUBLIC KEY BLOCK-----".into()),
        });
        let mut files = self.bundle.files_for(true);
        if packages.is_some() {
            files.retain(|f| !node::packaged(f) && f.name != "containerd");
        }
        let hostname = self.cluster.nodes.iter().find(|n| n.name == *name).unwrap().hostname.clone();
        NodeSpec {
            name: name.clone(),
            hostname,
            bundle: "/x/bundle".into(),
            files: files.into(),
            packages,
            runtime: None,
            proxies: None,
            registries: std::sync::Arc::default(),
            pause_image: None,
        }
    }

    /// What the machines are asked.
    #[allow(dead_code)] // the target in `fuzz/` asks nobody
    pub(crate) fn sections(&self) -> BTreeMap<Name, Vec<probe::Section>> {
        compose::sections(&self.cluster, &Fact::Known(self.bundle.clone()), &Fact::Absent, &self.wish)
    }

    /// What is seen when these hosts answer these bytes.
    pub(crate) fn look(&self, answers: &[(&str, &[u8])]) -> Seen {
        let of = |name: &Name| {
            let found = answers.iter().find(|(host, _)| *host == name.as_str());
            found.ok_or_else(|| Gap::new("no route to host")).and_then(|(_, bytes)| probe::parse(bytes, NONCE))
        };
        let mut seen = Seen {
            nodes: BTreeMap::new(),
            keys: BTreeMap::new(),
            servers: BTreeMap::new(),
            escrow: self.escrow.clone(),
            bundle: Fact::Known(self.bundle.clone()),
            keyring: Fact::Absent,
            api: Fact::Absent,
            wish: self.wish.clone(),
            secrets: Fact::Absent,
            asked: ServicesWanted::default(),
            services: Fact::Absent,
            kubelets: kubestead_provision::kubelet::KubeletFacts::default(),
            unreachable: BTreeSet::new(),
        };
        for spec in compose::servers(&self.cluster) {
            seen.servers.insert(spec.server.clone(), Fact::from_result(of(&spec.server).and_then(|a| keyserver::read_server(&a))));
        }
        let all: Vec<(&Name, Result<Answers, Gap>)> = self.cluster.nodes.iter().map(|n| (&n.name, of(&n.name))).collect();
        let alive = all.iter().filter_map(|(name, a)| Some((name.to_string(), objects::read_alive(a.as_ref().ok()?).ok()?))).collect();
        for (name, answers) in all {
            let control_plane = Some(name) == compose::first(&self.cluster);
            if let (true, Ok(answers)) = (control_plane, &answers) {
                seen.secrets = fact(secret::read(answers, &seen.wish));
                seen.api = fact(objects::read(
                    answers,
                    &alive,
                    secret::paths(&seen.wish).len(),
                    &compose::object_names(&self.cluster),
                    compose::looked_at(&self.cluster),
                ));
            }
            let node = answers.as_ref().map_err(Clone::clone).and_then(|a| {
                // The packages' answers are read too, though this cluster has its software from a bundle.
                let _ = node::read(&self.node_spec(name, true), a);
                Ok(NodeSeen {
                    machine: machine::read(a, (NOW, NOW + 3))?,
                    storage: kubestead_storage::observe::read(&compose::storage(&self.cluster, name), a),
                    setup: Some(node::read(&self.node_spec(name, false), a)?),
                    kubeadm: Some(kubeadm::read(a)?),
                    encryption: if control_plane { Fact::from_result(encryption::read(a)) } else { Fact::Absent },
                })
            });
            seen.nodes.insert(name.clone(), Fact::from_result(node));
            seen.keys.insert(name.clone(), Fact::from_result(answers.and_then(|a| keyserver::read_node(&a))));
        }
        seen
    }

    /// The plan for what was seen, and what holds for every plan.
    pub(crate) fn judge(&self, seen: &Seen) -> Plan<Action> {
        let plan = compose::plan(&self.cluster, seen).unwrap();
        assert_eq!(compose::check(seen, &plan), Vec::<String>::new());
        for step in &plan.steps {
            assert!(step.risk != Risk::Destroys || step.needs_consent(), "{} destroys and asks nobody", step.id);
            if let Target::Host(host) = &step.target {
                let name = Name::new(host).unwrap();
                let unseen = |fact: Option<bool>| fact == Some(false);
                assert!(!unseen(seen.nodes.get(&name).map(|f| f.known().is_some())), "{}: {host} was not seen", step.id);
                assert!(!unseen(seen.servers.get(&name).map(|f| f.known().is_some())), "{}: {host} was not seen", step.id);
            }
            // Where nobody knows what the API has, nothing is asked of it.
            assert!(step.target != Target::Cluster || seen.api.gap().is_none(), "{}: the API was not seen", step.id);
        }
        let kinds = compose::kinds();
        assert!(plan.steps.iter().all(|step| kinds.name(&step.id)), "each step is of a kind that its domain tells");
        let ids: BTreeSet<_> = plan.steps.iter().map(|s| &s.id).collect();
        assert_eq!(ids.len(), plan.steps.len(), "an id names one step");
        for (name, fact) in &seen.nodes {
            assert!(fact.known().is_some() || plan.held.iter().any(|h| h.object == name.as_str()), "{name} is not seen and not held");
        }
        plan
    }

    /// The reset too; and both plans as they are kept and printed.
    pub(crate) fn judge_kept(&self, seen: &Seen) {
        let plan = compose::plan(&self.cluster, seen).unwrap();
        let wipe: Vec<_> =
            self.cluster.nodes.iter().flat_map(|n| self.cluster.volumes_of(&n.name).map(|v| (n.name.clone(), v.name.clone()))).collect();
        let reset = compose::reset(&self.cluster, seen, &wipe).unwrap();
        for plan in [&plan, &reset] {
            let text = serde_json::to_string(plan).unwrap();
            assert_eq!(&serde_json::from_str::<Plan<Action>>(&text).unwrap(), plan);
        }
    }
}

fn fact<T>(found: Result<Option<T>, Gap>) -> Fact<T> {
    match found {
        Ok(Some(value)) => Fact::Known(value),
        Ok(None) => Fact::Absent,
        Err(gap) => Fact::Unknown(gap),
    }
}

/// The sections of an answer, in their order.
pub(crate) fn sections(bytes: &[u8]) -> Vec<(String, i32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|c| *c == b'\n') {
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let words: Vec<&str> = head.split(' ').collect();
        let length: usize = words[3].parse().unwrap();
        if words[1] == "end" {
            break;
        }
        found.push((words[1].to_owned(), words[2].parse().unwrap(), rest[end + 1..end + 1 + length].to_vec()));
        rest = &rest[end + 2 + length..];
    }
    found
}

/// The frames of sections.
pub(crate) fn frame(sections: &[(String, i32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, status, text) in sections {
        bytes.extend(format!("@@{NONCE} {name} {status} {}\n", text.len()).into_bytes());
        bytes.extend(text);
        bytes.push(b'\n');
    }
    bytes.extend(format!("@@{NONCE} end 0 0\n\n").into_bytes());
    bytes
}
