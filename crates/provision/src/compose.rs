//! Puts the domains' parts together: what is seen, one plan, and who carries each action out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::future::BoxFuture;
use kubestead_core::event::Reporter;
use kubestead_core::fact::Fact;
use kubestead_core::host::Hosts;
use kubestead_core::name::Name;
use kubestead_core::outcome::{Done, causes};
use kubestead_core::plan::{BadPlan, Held, Part, Plan, Step, StepId, Target};
use kubestead_secrets::{Escrow, Kept, encryption_key, recovery_key};
use kubestead_storage::observe::{Header, StorageFacts};
use kubestead_storage::spec::{HostStorage, KeyServer, PoolRoot, Volume};
use serde::{Deserialize, Serialize};

use crate::api::KubeApi;
use crate::bundle::{self, Bundle};
use crate::cluster::{self, ApiFacts, ObjectsSpec};
use crate::encryption::{self, EncryptionFacts, Entry, escrow_name};
use crate::engine::Runner;
use crate::file::{Cluster, Kubernetes, Node, POOL_ROOT, Role};
use crate::fleet::Fleet;
use crate::keyring;
use crate::keyserver::{self, EnrolledNode, KeyServerSpec, NodeFacts, ServerFacts};
use crate::kubeadm::{self, Candidate, ClusterSpec, KubeadmFacts};
use crate::machine::{self, Machine};
use crate::node::{self, NodeSpec};
use crate::secret::{self, SecretFacts, Wish};

/// Where a key server keeps its shares.
const SHARES: &str = "/var/lib/kubestead-keys";

/// Everything that can be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Makes a key and keeps it, encrypted, beside the cluster file.
    Escrow {
        /// Its name.
        name: String,
    },
    /// For the key servers.
    Keys(keyserver::Action),
    /// For disks and volumes.
    Storage(kubestead_storage::plan::Action),
    /// For a node's kernel and software.
    Node(node::Action),
    /// For membership in the cluster.
    Kubeadm(kubeadm::Action),
    /// For encryption at rest.
    Encryption(encryption::Action),
    /// Through the API.
    Cluster(cluster::Action),
    /// For Kubernetes Secrets.
    Secret(secret::Action),
}

/// A node as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSeen {
    /// The machine.
    pub machine: Machine,
    /// Its storage.
    pub storage: StorageFacts,
    /// Its set-up; nothing when the file asks for no Kubernetes.
    pub setup: Option<node::NodeFacts>,
    /// Its membership.
    pub kubeadm: Option<KubeadmFacts>,
    /// Encryption at rest; absent on a node that is no control plane.
    pub encryption: Fact<EncryptionFacts>,
}

/// All that was seen. No secret ever enters it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The nodes.
    pub nodes: BTreeMap<Name, Fact<NodeSeen>>,
    /// The nodes' side of the keys.
    pub keys: BTreeMap<Name, Fact<NodeFacts>>,
    /// The key servers.
    pub servers: BTreeMap<Name, Fact<ServerFacts>>,
    /// The names of the secrets in the escrow.
    pub escrow: BTreeSet<String>,
    /// The bundle on this computer; absent when the file names none.
    pub bundle: Fact<Bundle>,
    /// The key of the packages' repository; absent when the file names none.
    pub keyring: Fact<String>,
    /// What the API has; absent when there is no cluster.
    pub api: Fact<ApiFacts>,
    /// What the folder of secrets asks for; nothing when the file asks for no Kubernetes.
    pub wish: Wish,
    /// The cluster's Secrets without their values; absent when there is no cluster.
    pub secrets: Fact<SecretFacts>,
    /// Machines that did not answer.
    pub unreachable: BTreeSet<Name>,
}

/// The key servers with the nodes that they let in.
pub fn servers(cluster: &Cluster) -> Vec<KeyServerSpec> {
    let enrolled = |node: &Node| {
        let volumes: Vec<Name> = cluster.volumes_of(&node.name).map(|v| v.name.clone()).collect();
        (!volumes.is_empty()).then(|| EnrolledNode { name: node.name.clone(), address: node.address.clone(), volumes })
    };
    let nodes: Vec<EnrolledNode> = cluster.nodes.iter().filter_map(enrolled).collect();
    let one = |s: &crate::file::KeyServer| KeyServerSpec {
        cluster: cluster.name.clone(),
        server: s.name.clone(),
        address: s.address.clone(),
        port: s.port,
        user: s.user.clone(),
        directory: SHARES.to_owned(),
        nodes: nodes.clone(),
    };
    cluster.servers.iter().map(one).collect()
}

/// The storage of one node.
pub fn storage(cluster: &Cluster, node: &Name) -> HostStorage {
    let volume = |v: &crate::file::Volume| Volume {
        name: v.name.clone(),
        group: v.group.clone(),
        size: v.size,
        filesystem: v.filesystem,
        inodes: v.inodes,
        path: v.path.clone(),
        discard: v.discard,
    };
    let volumes: Vec<Volume> = cluster.volumes_of(node).map(volume).collect();
    let groups = cluster.groups.iter().filter_map(|(group, by_node)| Some((group.clone(), by_node.get(node)?.clone()))).collect();
    let directories = kubestead_storage::pv::directories(POOL_ROOT, &cluster.pools, &cluster.named);
    let has_root = volumes.iter().any(|v| v.path == POOL_ROOT) && !directories.is_empty();
    HostStorage {
        node: node.clone(),
        groups,
        volumes,
        servers: cluster.servers.iter().map(|s| KeyServer { address: s.address.clone(), port: s.port, user: s.user.clone() }).collect(),
        pool_root: has_root.then(|| PoolRoot { path: POOL_ROOT.to_owned(), directories }),
        after_keys: keyserver::ready(&servers(cluster), node),
    }
}

/// Looks at every machine and at the escrow. It never fails as a whole: what could not be seen is said.
pub async fn observe(cluster: &Cluster, fleet: &Fleet, escrow: BTreeSet<String>, nonce: &str, now: i64, reporter: &dyn Reporter) -> Seen {
    let specs = servers(cluster);
    let (bundle, keyring) = (bundle(cluster), keyring(cluster));
    let wish = wish(cluster, &cluster.secrets.display().to_string());
    let mut sections = BTreeMap::new();
    for node in &cluster.nodes {
        let mut all = machine::sections();
        all.extend(kubestead_storage::observe::sections(&storage(cluster, &node.name)));
        all.extend(keyserver::node_sections());
        if let Some(spec) = node_spec(cluster, &bundle, &keyring, node) {
            all.extend(node::sections(&spec));
        }
        if cluster.kubernetes.is_some() {
            all.extend(kubeadm::sections());
        }
        if let (Some(wanted), true) = (&cluster.kubernetes, node.is_control_plane()) {
            all.extend(encryption::sections(&wanted.encryption, Some(&node.name) == first(cluster)));
        }
        if Some(&node.name) == first(cluster) {
            all.push(cluster::section());
            all.push(secret::section(&wish));
        }
        sections.insert(node.name.clone(), all);
    }
    for spec in &specs {
        sections.insert(spec.server.clone(), keyserver::server_sections(spec));
    }
    let mut answers = fleet.probe(sections, nonce, reporter).await;
    let mut seen = Seen {
        nodes: BTreeMap::new(),
        keys: BTreeMap::new(),
        servers: BTreeMap::new(),
        escrow,
        bundle,
        keyring,
        api: Fact::Absent,
        wish,
        secrets: Fact::Absent,
        unreachable: fleet.failed().keys().cloned().collect(),
    };
    for spec in &specs {
        let facts = answers.remove(&spec.server).map(|a| Fact::from_result(a.and_then(|a| keyserver::read_server(&a))));
        seen.servers.insert(spec.server.clone(), facts.unwrap_or(Fact::Absent));
    }
    for (name, answers) in answers {
        if let (Some(true), Ok(answers)) = (first(cluster).map(|f| *f == name), &answers) {
            seen.secrets = match secret::read(answers, &seen.wish) {
                Ok(Some(facts)) => Fact::Known(facts),
                Ok(None) => Fact::Absent,
                Err(gap) => Fact::Unknown(gap),
            };
            seen.api = match cluster::read(answers) {
                Ok(Some(facts)) => Fact::Known(facts),
                Ok(None) => Fact::Absent,
                Err(gap) => Fact::Unknown(gap),
            };
        }
        let spec = cluster.nodes.iter().find(|n| n.name == name).and_then(|n| node_spec(cluster, &seen.bundle, &seen.keyring, n));
        let node = answers.as_ref().map_err(Clone::clone).and_then(|a| {
            Ok(NodeSeen {
                machine: machine::read(a, now)?,
                storage: kubestead_storage::observe::read(&storage(cluster, &name), a),
                setup: spec.map(|spec| node::read(&spec, a)).transpose()?,
                kubeadm: cluster.kubernetes.as_ref().map(|_| kubeadm::read(a)).transpose()?,
                encryption: if cluster.kubernetes.is_some() && cluster.control_planes().any(|n| n.name == name) {
                    Fact::from_result(encryption::read(a))
                } else {
                    Fact::Absent
                },
            })
        });
        let keys = answers.and_then(|a| keyserver::read_node(&a));
        seen.nodes.insert(name.clone(), Fact::from_result(node));
        seen.keys.insert(name, Fact::from_result(keys));
    }
    seen
}

/// From the file and what was seen to one plan: pure, total, deterministic.
pub fn plan(cluster: &Cluster, seen: &Seen) -> Result<Plan<Action>, BadPlan> {
    let mut part: Part<Action> = Part::default();
    // Without its key server a node can neither make nor open a volume.
    let spec = cluster_spec(cluster);
    let keys = seen.servers.values().all(|fact| fact.known().is_some());
    let own_keys = key_part(cluster, seen, spec.as_ref());
    let mut machines: Vec<(&Node, &NodeSeen)> = Vec::new();
    for node in &cluster.nodes {
        match seen.nodes.get(&node.name) {
            Some(Fact::Known(found)) => {
                let mut own = Part { steps: Vec::new(), held: obstacles(&node.name, found, spec.as_ref()) };
                if own.held.is_empty() {
                    escrow(cluster, &node.name, found, seen, &mut own);
                    own.extend(kubestead_storage::plan::plan(&storage(cluster, &node.name), &found.storage).map(Action::Storage));
                }
                // A volume whose key is in doubt is neither made nor opened, and nothing is put on its mount point.
                let about = format!("{}/", node.name);
                let doubts: Vec<Held> = own_keys.held.iter().filter(|h| h.object.starts_with(&about)).cloned().collect();
                if !doubts.is_empty() {
                    own.steps.clear();
                    own.held.extend(doubts);
                }
                // What comes after the volumes must never write below a mount point that waits for its volume.
                if own.held.is_empty() && (keys || own.steps.is_empty()) {
                    machines.push((node, found));
                }
                if !keys {
                    own.steps.clear();
                }
                part.extend(own);
            }
            Some(Fact::Unknown(gap)) => {
                let mut held = Held::new(node.name.as_str(), gap.to_string(), "nothing is done to a machine that is not seen");
                held.unreachable = seen.unreachable.contains(&node.name);
                part.held.push(held);
            }
            Some(Fact::Absent) | None => part.held.push(Held::new(node.name.as_str(), "it was not looked at", "observe again")),
        }
    }
    part.extend(own_keys.map(Action::Keys));
    if let Some(wanted) = &cluster.kubernetes {
        kubernetes(cluster, wanted, seen, &machines, &mut part);
    }
    let digest = serde_json::to_string(seen).map(|text| kubestead_storage::plan::digest(&text)).unwrap_or_default();
    Plan::new(cluster.digest.clone(), digest, part)
}

/// The second pair of eyes: what of a plan must not run on what was seen, each a sentence. A plan of [`plan`] has none.
pub fn check(seen: &Seen, plan: &Plan<Action>) -> Vec<String> {
    let mut found = Vec::new();
    for step in &plan.steps {
        let Target::Host(name) = &step.target else { continue };
        let node = seen.nodes.iter().find(|(n, _)| n.as_str() == name).map(|(_, fact)| fact);
        match (node, &step.action) {
            (Some(Fact::Known(node)), Action::Storage(action)) => {
                let step = step.clone().map(|_| action.clone());
                found.extend(kubestead_storage::check::steps(&node.storage, [&step]));
            }
            (Some(Fact::Unknown(_) | Fact::Absent), _) => found.push(format!("{}: {name} was not seen", step.id)),
            _ => {}
        }
    }
    found
}

/// What stands against a machine as a whole.
fn obstacles(name: &Name, found: &NodeSeen, spec: Option<&ClusterSpec>) -> Vec<Held> {
    let mut held = machine::held(name, &found.machine);
    if let (Some(spec), Some(member)) = (spec, &found.kubeadm) {
        held.extend(kubeadm::stranger(spec, name, member));
    }
    held
}

/// The key servers' part: nodes against which something stands are not let in.
fn key_part(cluster: &Cluster, seen: &Seen, spec: Option<&ClusterSpec>) -> Part<keyserver::Action> {
    let (mut ready, mut made) = (BTreeMap::new(), BTreeSet::new());
    for (name, found) in seen.nodes.iter().filter_map(|(name, fact)| Some((name, fact.known()?))) {
        if obstacles(name, found, spec).is_empty() {
            ready.insert(name.clone(), seen.keys.get(name).cloned().unwrap_or(Fact::Absent));
        }
        let ours = found.storage.volumes.iter().filter(|(_, v)| matches!(v.header, Fact::Known(Header::Ours(_))));
        made.extend(ours.map(|(volume, _)| (name.clone(), volume.clone())));
    }
    let members = cluster.nodes.iter().map(|n| n.name.clone()).collect();
    let servers = servers(cluster);
    keyserver::plan(keyserver::Wanted { servers: &servers, members: &members, made: &made }, &seen.servers, &ready)
}

/// The plan that ends the cluster and keeps its machines' volumes, software and keys, but for the volumes that are named, as node and
/// volume: those are wiped.
pub fn reset(cluster: &Cluster, seen: &Seen, wipe: &[(Name, Name)]) -> Result<Plan<Action>, BadPlan> {
    let mut part: Part<Action> = Part::default();
    let mut candidates = Vec::new();
    for node in &cluster.nodes {
        match seen.nodes.get(&node.name).map(|fact| fact.known().ok_or(fact.gap())) {
            Some(Ok(NodeSeen { kubeadm: Some(facts), .. })) => {
                candidates.push(Candidate { name: &node.name, address: &node.address, facts })
            }
            Some(Err(gap)) => {
                let reason = gap.map_or_else(|| "it was not looked at".to_owned(), ToString::to_string);
                let mut held = Held::new(node.name.as_str(), reason, "reset it when it can be reached");
                held.unreachable = seen.unreachable.contains(&node.name);
                part.held.push(held);
            }
            Some(Ok(_)) | None => {}
        }
    }
    if let Some(spec) = cluster_spec(cluster) {
        part.extend(kubeadm::reset(&spec, &candidates).map(Action::Kubeadm));
    }
    for (node, volume) in wipe {
        let spec = storage(cluster, node);
        let about = format!("{node}/");
        let stays = part.held.iter().any(|h| h.object == node.as_str() || h.object.starts_with(&about));
        let found = seen.nodes.get(node).and_then(Fact::known);
        if let (false, Some(found), Some(volume)) = (stays, found, spec.volumes.iter().find(|v| v.name == *volume)) {
            let after = BTreeSet::from([StepId::new(node.as_str(), "kubeadm", "reset")]);
            part.extend(kubestead_storage::wipe::plan(&spec, &found.storage, volume, after).map(Action::Storage));
        }
    }
    Plan::new(cluster.digest.clone(), String::new(), part)
}

/// The control plane that begins the cluster; nothing when the file asks for no Kubernetes.
pub fn first(cluster: &Cluster) -> Option<&Name> {
    cluster.kubernetes.as_ref()?;
    cluster.control_planes().map(|n| &n.name).next()
}

/// What the folder of secrets asks for; nothing when the file asks for no Kubernetes. `shown` is the folder as messages name it.
pub fn wish(cluster: &Cluster, shown: &str) -> Wish {
    if cluster.kubernetes.is_some() { secret::read_folder(&cluster.secrets, shown) } else { Wish::default() }
}

/// `bundle.json` of the folder that the file names.
fn bundle(cluster: &Cluster) -> Fact<Bundle> {
    match cluster.kubernetes.as_ref().and_then(|k| k.bundle.as_ref()) {
        Some(dir) => Fact::from_result(bundle::load(dir).map_err(|e| causes(&e))),
        None => Fact::Absent,
    }
}

/// The key of the packages' repository that the file names.
fn keyring(cluster: &Cluster) -> Fact<String> {
    match cluster.kubernetes.as_ref().and_then(|k| k.packages.as_ref()) {
        Some(packages) => Fact::from_result(keyring::load(&packages.key).map_err(|e| causes(&e))),
        None => Fact::Absent,
    }
}

/// A node as it shall be; nothing when the file asks for no Kubernetes, or its software cannot be read.
fn node_spec(cluster: &Cluster, bundle: &Fact<Bundle>, key: &Fact<String>, node: &Node) -> Option<NodeSpec> {
    let wanted = cluster.kubernetes.as_ref()?;
    if bundle.gap().is_some() || key.gap().is_some() {
        return None;
    }
    let (bundle, key) = (bundle.known(), key.known());
    let packages = wanted.packages.as_ref().zip(key).map(|(packages, key)| node::Packages {
        version: wanted.version.clone(),
        repository: packages.repository.clone(),
        key: key.clone(),
    });
    let mut files = bundle.map(|b| b.files_for(node.is_control_plane())).unwrap_or_default();
    if packages.is_some() {
        files.retain(|f| !node::packaged(f));
    }
    Some(NodeSpec {
        name: node.name.clone(),
        bundle: wanted.bundle.clone().unwrap_or_default(),
        files,
        packages,
        pause_image: bundle.and_then(Bundle::pause_image).map(str::to_owned),
    })
}

/// The cluster for kubeadm; nothing when the file asks for no Kubernetes.
pub fn cluster_spec(cluster: &Cluster) -> Option<ClusterSpec> {
    let wanted = cluster.kubernetes.as_ref()?;
    let first = cluster.control_planes().next()?;
    Some(ClusterSpec {
        name: cluster.name.clone(),
        version: wanted.version.clone(),
        endpoint: cluster.endpoint.clone().unwrap_or_else(|| format!("{}:6443", first.address)),
        first: first.name.clone(),
        pods: cluster.network.pods.clone(),
        services: cluster.network.services.clone(),
        dns_domain: cluster.network.dns_domain.clone(),
        pods_here: cluster.nodes.len() == 1 || first.roles.contains(&Role::Worker),
        encryption: wanted.encryption.clone(),
        ignore_preflight: wanted.ignore_preflight.clone(),
        lab: wanted.lab,
    })
}

/// Software, membership and objects, on machines whose volumes are there or are planned.
fn kubernetes(cluster: &Cluster, wanted: &Kubernetes, seen: &Seen, machines: &[(&Node, &NodeSeen)], part: &mut Part<Action>) {
    let Some(spec) = cluster_spec(cluster) else { return };
    let bundle = match &seen.bundle {
        Fact::Known(bundle) if bundle.kubernetes == wanted.version => Some(bundle),
        Fact::Absent => None,
        Fact::Known(bundle) => {
            let reason = format!("the bundle has Kubernetes {}, and the file asks for {}", bundle.kubernetes, wanted.version);
            return part.held.push(Held::new("cluster/bundle", reason, "name another bundle, or that version"));
        }
        Fact::Unknown(gap) => {
            return part.held.push(Held::new(
                "cluster/bundle",
                gap.to_string(),
                "`kubestead lab build` makes a bundle and prints its folder",
            ));
        }
    };
    if let Fact::Unknown(gap) = &seen.keyring {
        let hint = "download Release.key of the repository, and name it in kubernetes.packages.key";
        return part.held.push(Held::new("cluster/packages", gap.to_string(), hint));
    }
    if cluster.control_planes().count() > 1 {
        let hint = "give the role to one node";
        return part.held.push(Held::new("cluster/control-planes", "more than one control plane is not supported yet", hint));
    }
    let mut candidates = Vec::new();
    let mut prepared: BTreeMap<Name, BTreeSet<StepId>> = BTreeMap::new();
    for (node, found) in machines {
        let (Some(setup), Some(member)) = (&found.setup, &found.kubeadm) else { continue };
        let Some(own) = node_spec(cluster, &seen.bundle, &seen.keyring, node) else { continue };
        let own = node::plan(&own, setup);
        let ready = own.held.is_empty();
        part.extend(own.map(Action::Node));
        if ready {
            let target = Target::Host(node.name.to_string());
            prepared.insert(node.name.clone(), part.steps.iter().filter(|s| s.target == target).map(|s| s.id.clone()).collect());
            candidates.push(Candidate { name: &node.name, address: &node.address, facts: member });
        }
    }
    let membership = kubeadm::plan(&spec, &candidates, &prepared);
    let fresh = candidates.iter().any(|c| *c.name == spec.first && c.facts.state != kubeadm::State::ControlPlane);
    if fresh && !membership.steps.is_empty() {
        encryption_key_step(&spec, seen, part);
    }
    let out: BTreeSet<String> = membership.held.iter().map(|h| h.object.clone()).collect();
    part.extend(membership.map(Action::Kubeadm));
    let inside = |name: &Name| candidates.iter().any(|c| c.name == name) && !out.contains(&format!("{name}/kubeadm"));
    if inside(&spec.first) {
        let api = if fresh { &Fact::Absent } else { &seen.api };
        let objects = objects(cluster, &spec, bundle, &inside);
        part.extend(cluster::plan(&objects, api).map(Action::Cluster));
        let answers = seen.api.known().is_some_and(|api| api.answers);
        // While the API server does not answer, or is not understood, that is said already.
        if fresh || answers {
            let secrets = if fresh { &Fact::Absent } else { &seen.secrets };
            let made = cluster.namespace.as_ref().map(|namespace| &namespace.name);
            part.extend(secret::plan(&seen.wish, secrets, made, &objects.after).map(Action::Secret));
        }
        if answers && !fresh {
            at_rest(cluster, &spec, seen, part);
        }
    }
}

/// The key of encryption at rest, made when it is asked for the first time.
fn encryption_key_step(spec: &ClusterSpec, seen: &Seen, part: &mut Part<Action>) {
    if let Entry::Key { name, .. } = &spec.encryption.entry
        && !seen.escrow.contains(&escrow_name(name))
    {
        let name = escrow_name(name);
        let action = Action::Escrow { name: name.clone() };
        let why = "make the key that encrypts values in etcd and keep it encrypted";
        part.push(Step::new(Target::Operator, &name, "escrow", action, why));
    }
}

/// Encryption at rest on a cluster that is there: nothing to do, or the stages of a rotation. All control planes must be seen.
fn at_rest(cluster: &Cluster, spec: &ClusterSpec, seen: &Seen, part: &mut Part<Action>) {
    let mut servers = Vec::new();
    for node in cluster.control_planes() {
        let fact = seen.nodes.get(&node.name).and_then(Fact::known).map(|found| &found.encryption);
        match fact {
            Some(Fact::Known(facts)) => servers.push(encryption::Server { name: &node.name, facts }),
            Some(Fact::Unknown(gap)) => {
                let hint = "mend the file, or restore it: nothing is done to it before it is understood";
                return part.held.push(Held::new(format!("{}/encryption", node.name), gap.to_string(), hint));
            }
            Some(Fact::Absent) | None => return, // the node itself is held, with its reason
        }
    }
    let rotation = encryption::plan(&spec.encryption, &servers, &seen.escrow);
    if !rotation.steps.is_empty() {
        encryption_key_step(spec, seen, part);
    }
    part.extend(rotation.map(Action::Encryption));
}

/// What shall be in the cluster.
fn objects(cluster: &Cluster, spec: &ClusterSpec, bundle: Option<&Bundle>, inside: &dyn Fn(&Name) -> bool) -> ObjectsSpec {
    let image = |part: &str, otherwise: &str| {
        let own = bundle.and_then(|b| b.files.iter().filter_map(|f| f.image.clone()).find(|i| i.contains(part)));
        own.unwrap_or_else(|| otherwise.to_owned())
    };
    let carriers = cluster.nodes.iter().filter(|n| cluster.volumes_of(&n.name).any(|v| v.path == POOL_ROOT));
    let mut storage = kubestead_storage::pv::classes(&cluster.pools, &cluster.named);
    storage.extend(
        carriers.flat_map(|n| kubestead_storage::pv::volumes(n.name.as_str(), n.name.as_str(), POOL_ROOT, &cluster.pools, &cluster.named)),
    );
    let labels = |node: &Node| {
        let mut labels = node.labels.clone();
        if node.roles.contains(&Role::Worker) {
            labels.insert("node-role.kubernetes.io/worker".to_owned(), String::new());
        }
        labels
    };
    let nodes: BTreeMap<Name, _> = cluster.nodes.iter().filter(|n| inside(&n.name)).map(|n| (n.name.clone(), labels(n))).collect();
    ObjectsSpec {
        pods: spec.pods.clone(),
        images: (image("/flannel:", cluster::IMAGES.0), image("/flannel-cni-plugin:", cluster::IMAGES.1)),
        storage,
        namespace: cluster.namespace.clone(),
        joined: nodes.keys().map(|n| kubeadm::joined(spec, n)).chain([StepId::new(spec.first.as_str(), "kubelet", "start")]).collect(),
        nodes,
        after: BTreeSet::from([kubeadm::joined(spec, &spec.first), StepId::new(spec.first.as_str(), "kubelet", "start")]),
    }
}

/// A recovery key for every volume, before the volume is made.
fn escrow(cluster: &Cluster, node: &Name, found: &NodeSeen, seen: &Seen, part: &mut Part<Action>) {
    for volume in cluster.volumes_of(node) {
        let name = format!("recovery.{node}.{}", volume.name);
        if seen.escrow.contains(&name) {
            continue;
        }
        let facts = found.storage.volumes.get(&volume.name);
        let made = facts.is_some_and(|f| matches!(f.header, Fact::Known(Header::Ours(_))) && f.logical.known().is_some_and(|l| !l.new));
        if made {
            let hint = format!(
                "restore {name}.age from the repository's history; if it is lost, add another recovery key to slot 6 with cryptsetup luksAddKey"
            );
            part.held.push(Held::new(format!("{node}/{}", volume.name), "its recovery key is not in the escrow", hint));
        } else {
            let why = format!("make a recovery key for {node}/{} and keep it encrypted", volume.name);
            part.push(Step::new(Target::Operator, &name, "escrow", Action::Escrow { name: name.clone() }, why));
        }
    }
}

/// Carries actions out.
pub struct Hands<'a> {
    fleet: &'a Fleet,
    hosts: Hosts,
    escrow: &'a Escrow,
    folder: PathBuf,
    keys: secret::Keys,
    /// Whose API it is.
    first: Option<Name>,
    kube: tokio::sync::OnceCell<KubeApi>,
}

impl<'a> Hands<'a> {
    /// Hands on the machines that answer, with the operator's secrets.
    pub fn new(cluster: &Cluster, fleet: &'a Fleet, escrow: &'a Escrow) -> Self {
        let (folder, first) = (cluster.secrets.clone(), first(cluster).cloned());
        Self { fleet, hosts: fleet.hosts(), escrow, folder, keys: secret::Keys::default(), first, kube: tokio::sync::OnceCell::new() }
    }

    /// The API, connected when the first step asks for it.
    async fn api(&self) -> Result<&KubeApi, String> {
        let connect = || async {
            let name = self.first.as_ref().ok_or("the file asks for no Kubernetes")?;
            let host = self.fleet.ssh(name).ok_or_else(|| format!("{name} is not connected"))?;
            KubeApi::through(host).await.map_err(|e| causes(&e))
        };
        self.kube.get_or_try_init(connect).await
    }
}

impl Runner<Action> for Hands<'_> {
    fn run<'a>(&'a self, step: &'a Step<Action>) -> BoxFuture<'a, Result<Done, String>> {
        Box::pin(async move {
            let host = || {
                let name = step.target.to_string();
                self.hosts.get(&name).map(AsRef::as_ref).ok_or_else(|| format!("{name} is not connected"))
            };
            match &step.action {
                Action::Escrow { name } => {
                    let make = if name.starts_with("encryption.") { encryption_key } else { recovery_key };
                    match self.escrow.ensure(name, make).map_err(|e| causes(&e))? {
                        Kept::Made => Ok(Done::Changed),
                        Kept::Existed => Ok(Done::Already),
                    }
                }
                Action::Storage(action) => kubestead_storage::apply::apply(action, host()?, self.escrow).await.map_err(|e| causes(&e)),
                Action::Keys(action) => keyserver::apply(action, host()?, &self.hosts).await.map_err(|e| causes(&e)),
                Action::Node(action) => node::apply(action, host()?).await.map_err(|e| causes(&e)),
                Action::Kubeadm(action) => kubeadm::apply(action, host()?, &self.hosts, self.escrow).await.map_err(|e| causes(&e)),
                Action::Encryption(encryption::Action::Rewrite { resources }) => {
                    encryption::rewrite(resources, self.api().await?).await.map_err(|e| causes(&e))
                }
                Action::Encryption(action) => encryption::apply(action, host()?, self.escrow).await.map_err(|e| causes(&e)),
                Action::Cluster(action) => cluster::apply(action, self.api().await?).await.map_err(|e| causes(&e)),
                Action::Secret(action) => secret::apply(action, &self.folder, self.escrow, &self.keys, self.api().await?).await,
            }
        })
    }
}
