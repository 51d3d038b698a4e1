//! A node's kernel and software.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use kubestead_core::claim::Adoption;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;
use kubestead_core::outcome::causes;
use kubestead_core::plan::{Held, Part, StepId};
use kubestead_core::probe::Answers;

use super::super::Seen;
use super::{Asked, Wanted};
use crate::apt_key;
use crate::bundle::{self, Bundle, BundleFile};
use crate::file::{Cluster, Kubernetes, Node, Registry, Trust};
use crate::kubeadm::{self, KubeadmFacts, KubeadmSpec};
use crate::node::{self, NodeFacts, NodeSpec};
use crate::objects::{self, ApiFacts};

/// `bundle.json` of the folder that the file names.
pub(in super::super) fn bundle(cluster: &Cluster) -> Fact<Bundle> {
    match cluster.kubernetes.as_ref().and_then(|k| k.bundle.as_ref()) {
        Some(dir) => Fact::from_result(bundle::load(dir).map(|bundle| bundle.told(dir)).map_err(|e| causes(&e))),
        None => Fact::Absent,
    }
}

/// The key of the packages' repository, when the file names one that lies here.
pub(in super::super) fn keyring(cluster: &Cluster) -> Fact<String> {
    match cluster.kubernetes.as_ref().and_then(|k| k.packages.as_ref()).map(|packages| &packages.trust) {
        Some(Trust::File(key)) => Fact::from_result(apt_key::load(key).map_err(|e| causes(&e))),
        Some(Trust::Fingerprint { .. }) | None => Fact::Absent,
    }
}

/// What is reached without a proxy: the machine itself, the cluster's own addresses and names, and what the file says.
fn direct(cluster: &Cluster, more: &[String]) -> Vec<String> {
    let network = &cluster.network;
    let own = ["localhost", "127.0.0.0/8", "::1"].map(str::to_owned).into_iter();
    let ranges = [network.pods.to_string(), network.services.to_string(), ".svc".to_owned(), format!(".{}", network.dns_domain)];
    let endpoint = cluster.endpoint.as_deref().map(|text| text.rsplit_once(':').map_or(text, |(host, _)| host).to_owned());
    let nodes = cluster.nodes.iter().map(|node| node.address.clone());
    let mut all: Vec<String> = Vec::new();
    for entry in own.chain(ranges).chain(endpoint).chain(nodes).chain(more.iter().cloned()) {
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    all
}

/// What containerd is told of a registry: a login is none of it, which would lie on the node's disk.
fn told((host, registry): (&String, &Registry)) -> (String, node::Registry) {
    (host.clone(), node::Registry { mirrors: registry.mirrors.clone(), ca: registry.ca.clone() })
}

/// What all nodes shall be, but for their names.
pub(in super::super) struct Software {
    bundle: PathBuf,
    packages: Option<node::Packages>,
    runtime: Option<node::RuntimeSpec>,
    proxies: Option<node::Proxies>,
    registries: Arc<BTreeMap<String, node::Registry>>,
    pause_image: Option<String>,
    /// The files of a control plane, and those of a worker.
    files: [Arc<[BundleFile]>; 2],
}

impl Software {
    /// `None` when the file asks for no Kubernetes, or its software cannot be read.
    pub(in super::super) fn of(cluster: &Cluster, bundle: &Fact<Bundle>, key: &Fact<String>) -> Option<Self> {
        let wanted = cluster.kubernetes.as_ref()?;
        if bundle.gap().is_some() || key.gap().is_some() {
            return None;
        }
        let (bundle, key) = (bundle.known(), key.known());
        let trust = |trust: &Trust| match trust {
            Trust::File(_) => key.cloned().map(node::Trust::Key),
            Trust::Fingerprint { kubernetes, .. } => Some(node::Trust::Fingerprint(*kubernetes)),
        };
        let packages = wanted.packages.as_ref().and_then(|packages| {
            let (version, repository) = (wanted.version.clone(), packages.repository.clone());
            Some(node::Packages { version, repository, trust: trust(&packages.trust)? })
        });
        let files = |control_plane| {
            let mut files = bundle.map(|b| b.files_for(control_plane)).unwrap_or_default();
            if packages.is_some() {
                files.retain(|f| !node::packaged(f));
            }
            files.into()
        };
        let files = [files(true), files(false)];
        let pause_image = bundle.and_then(Bundle::pause_image).map(str::to_owned);
        let runtime = wanted.packages.as_ref().filter(|_| bundle.is_none()).and_then(|packages| match &packages.trust {
            Trust::File(_) => None,
            Trust::Fingerprint { docker, .. } => Some(node::RuntimeSpec {
                repository: docker.repository.clone(),
                fingerprint: docker.fingerprint,
                version: wanted.containerd.clone(),
            }),
        });
        let proxies = wanted.proxy.as_ref().map(|proxy| node::Proxies {
            http: proxy.http.clone(),
            https: proxy.https.clone(),
            direct: direct(cluster, &proxy.direct),
        });
        Some(Self {
            bundle: wanted.bundle.clone().unwrap_or_default(),
            packages,
            runtime,
            proxies,
            registries: Arc::new(wanted.registries.iter().map(told).collect()),
            pause_image,
            files,
        })
    }

    /// A node as it shall be.
    fn spec(&self, node: &Node) -> NodeSpec {
        let [control_plane, worker] = &self.files;
        NodeSpec {
            name: node.name.clone(),
            hostname: node.hostname.clone(),
            bundle: self.bundle.clone(),
            files: Arc::clone(if node.is_control_plane() { control_plane } else { worker }),
            packages: self.packages.clone(),
            runtime: self.runtime.clone(),
            proxies: self.proxies.clone(),
            registries: Arc::clone(&self.registries),
            pause_image: self.pause_image.clone(),
        }
    }
}

pub(super) fn asks(wanted: &Wanted<'_>, node: &Node) -> Asked {
    let Some(spec) = wanted.software.as_ref().map(|software| software.spec(node)) else { return Asked::default() };
    Asked {
        own: node::own_paths(&spec),
        places: node::places(&spec).into_iter().collect(),
        sections: node::sections(&spec),
        ..Asked::default()
    }
}

pub(in super::super) fn read(wanted: &Wanted<'_>, node: &Node, answers: &Answers) -> Result<Option<NodeFacts>, Gap> {
    wanted.software.as_ref().map(|software| node::read(&software.spec(node), answers)).transpose()
}

/// The bundle that nodes get their software from, if the file names one; the error is why there is no software for them.
pub(in super::super) fn source<'a>(wanted: &Kubernetes, seen: &'a Seen) -> Result<Option<&'a Bundle>, Held> {
    let bundle = match &seen.bundle {
        Fact::Known(bundle) if bundle.kubernetes == wanted.version => Some(bundle),
        Fact::Absent => None,
        Fact::Known(bundle) => {
            let reason = format!("the bundle has Kubernetes {}, and the file asks for {}", bundle.kubernetes, wanted.version);
            return Err(Held::cluster("bundle", reason, "name another bundle, or that version"));
        }
        Fact::Unknown(gap) => {
            return Err(Held::cluster("bundle", gap.to_string(), "`kubestead lab build` makes a bundle and prints its folder"));
        }
    };
    match &seen.keyring {
        Fact::Unknown(gap) => {
            let hint = "download Release.key of the repository, and name it in kubernetes.packages.key";
            Err(Held::cluster("packages", gap.to_string(), hint))
        }
        Fact::Known(_) | Fact::Absent => Ok(bundle),
    }
}

/// A node with what was seen of it, for its set-up.
pub(in super::super) struct Candidate<'a> {
    pub node: &'a Node,
    pub setup: &'a NodeFacts,
    pub member: &'a KubeadmFacts,
}

/// The set-up of one node, and whether nothing keeps it from becoming a member.
pub(in super::super) fn plan(
    software: &Software,
    spec: &KubeadmSpec,
    seen: &Seen,
    bundle: Option<&Bundle>,
    candidate: &Candidate<'_>,
) -> (Part<node::Action>, bool) {
    let Candidate { node, setup, member } = candidate;
    let mut own = node::plan(&software.spec(node), setup);
    let ready = own.held.is_empty();
    if member.state != kubeadm::State::Fresh {
        no_other_version(spec, &node.name, seen.api.known(), setup, bundle, &mut own);
    }
    (own, ready)
}

/// On a member no program, package or image of another version takes the place of the one that runs.
fn no_other_version(
    spec: &KubeadmSpec,
    name: &Name,
    api: Option<&ApiFacts>,
    setup: &NodeFacts,
    bundle: Option<&Bundle>,
    own: &mut Part<node::Action>,
) {
    use node::Action as Node;
    let software = |action: &Node| !matches!(action, Node::Kernel { .. } | Node::SwapOff { .. } | Node::Adoption(_));
    let wanted = bundle.and_then(|b| b.files.iter().find(|f| f.name == "containerd")).and_then(|f| objects::plain_version(&f.version));
    let runs = api.and_then(|api| api.nodes.get(spec.hostname(name).as_str())?.runtime.clone());
    let runtime = wanted.zip(runs).filter(|(wanted, runs)| wanted != runs && own.steps.iter().any(|s| software(&s.action)));
    let runtime = runtime.map(|(wanted, runs)| {
        let reason = format!("it runs containerd {runs}, and the bundle has {wanted}: nothing of another version is installed over it");
        Held::on(name, "version", reason, "name the bundle that the cluster was made with: upgrades are not there yet")
    });
    let program = setup.versions.get("kubelet").and_then(|version| version.installed.as_deref());
    if let Some(held) = kubeadm::kubelet(spec, name, api, program).or(runtime) {
        own.steps.retain(|step| !software(&step.action));
        // Consent is asked to what is done.
        let waited: BTreeSet<StepId> = own.steps.iter().flat_map(|step| step.after.iter().cloned()).collect();
        own.steps.retain(|step| !matches!(step.action, Node::Adoption(Adoption::Adopt { .. })) || waited.contains(&step.id));
        own.held.push(held);
    }
}
