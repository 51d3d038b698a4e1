//! A node's kernel and software.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubestead_core::claim::Adoption;
use kubestead_core::diagnostic::{Diagnostic, Place, Severity};
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
use crate::releases;

/// What to do where a bundle is of another version.
const OTHER_BUNDLE: &str = "name another bundle, or that version";
/// What to do where there is no bundle that can be read.
const NO_BUNDLE: &str = "kubestead bundle fetch or unpack makes one, or `kubestead lab build` for the lab's machines";

/// What to do where there is no key of a repository.
const NO_KEY: &str = "download Release.key of the repository, and name it in kubernetes.packages.key";

/// What is wrong with the files that software comes by: the bundle, with the images that services run, and the key of a repository. One that is not there
/// yet, or a bundle of another version, keeps nothing else from being planned.
pub(super) fn files(kubernetes: &Kubernetes, images: &BTreeSet<String>, shown: &dyn Fn(&Path) -> String) -> Vec<Diagnostic> {
    let bundle = kubernetes.bundle.as_deref().and_then(|folder| {
        let (severity, message, hint) = of_bundle(folder, &kubernetes.version, images)?;
        Some((folder.join("bundle.json"), severity, message, hint))
    });
    let key = match kubernetes.packages.as_ref().map(|packages| &packages.trust) {
        Some(Trust::File(path)) => of_key(path).map(|(severity, message)| (path.clone(), severity, message, NO_KEY)),
        Some(Trust::Fingerprint { .. }) | None => None,
    };
    let told = |(path, severity, message, hint): (PathBuf, Severity, String, &str)| {
        let place = Place { file: shown(&path), line: 1, column: 1 };
        Diagnostic { place, severity, message, hint: Some(hint.to_owned()) }
    };
    bundle.into_iter().chain(key).map(told).collect()
}

/// A bundle is for machines that may have no other place to get images from.
fn of_bundle(folder: &Path, version: &str, images: &BTreeSet<String>) -> Option<(Severity, String, &'static str)> {
    Some(match bundle::load(folder) {
        Ok(bundle) => match (bundle.unfit(version), releases::lacking(images, &bundle)) {
            (Some(reason), _) => (Severity::Warning, reason, OTHER_BUNDLE),
            (None, lacking) if lacking.is_empty() => return None,
            (None, lacking) => {
                let lacking = objects::some(&lacking);
                let message = format!("the bundle lacks images that services run, and nodes pull them from their registries: {lacking}");
                (
                    Severity::Warning,
                    message,
                    "kubestead bundle lock --services CLUSTER-FILE pins them, and kubestead bundle fetch brings them",
                )
            }
        },
        Err(bundle::Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
            (Severity::Warning, "there is no bundle yet, which nodes get their software from".to_owned(), NO_BUNDLE)
        }
        Err(bundle::Error::File { source, .. }) => (Severity::Error, format!("it cannot be read: {source}"), NO_BUNDLE),
        Err(bundle::Error::Format { detail, .. }) => (Severity::Error, format!("it is not what it was made as: {detail}"), NO_BUNDLE),
    })
}

fn of_key(path: &Path) -> Option<(Severity, String)> {
    match apt_key::load(path).err()? {
        apt_key::Error::File { source, .. } => Some((Severity::Warning, format!("kubernetes.packages.key cannot be read: {source}"))),
        apt_key::Error::Format { detail, .. } => {
            Some((Severity::Error, format!("kubernetes.packages.key is not an armoured OpenPGP public key: {detail}")))
        }
    }
}

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
        Fact::Known(bundle) => match bundle.unfit(&wanted.version) {
            None => Some(bundle),
            Some(reason) => return Err(Held::cluster("bundle", reason, OTHER_BUNDLE)),
        },
        Fact::Absent => None,
        Fact::Unknown(gap) => return Err(Held::cluster("bundle", gap.to_string(), NO_BUNDLE)),
    };
    match &seen.keyring {
        Fact::Unknown(gap) => Err(Held::cluster("packages", gap.to_string(), NO_KEY)),
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
