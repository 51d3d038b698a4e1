//! From the file and what was seen to one plan of all domains.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::claim::Adoption;
use kubestead_core::cores;
use kubestead_core::fact::Fact;
use kubestead_core::key::{ESCROW, KeyRef};
use kubestead_core::kube::ObjectRef;
use kubestead_core::name::{HostName, Name};
use kubestead_core::plan::{BadPlan, Held, Part, Plan, Step, StepId, Target};
use kubestead_core::put;
use kubestead_storage::observe::Header;
use kubestead_storage::plan as storage_plan;
use kubestead_storage::spec::{HostStorage, Volume};

use crate::bundle::Bundle;
use crate::encryption::{self, Entry, escrow_name};
use crate::file::{Cluster, Kubernetes, Node, POOL_ROOT, Role};
use crate::keyserver::{self};
use crate::kubeadm::{self, Candidate, ClusterSpec};
use crate::machine::{self};
use crate::node::{self};
use crate::objects::{self, ApiFacts, ObjectsSpec};
use crate::secret::{self};

use super::spec::{NodeSpecs, cluster_spec, servers, storage};
use super::{Action, KeyKind, NodeSeen, Seen, kinds};

/// From the file and what was seen to one plan: pure, total, deterministic.
pub fn plan(cluster: &Cluster, seen: &Seen) -> Result<Plan<Action>, BadPlan> {
    // Of a large cluster the digest takes as long as the planning.
    let (part, digest) = cores::both(|| parts(cluster, seen), || put::digest_of(seen));
    Plan::new(cluster.digest.clone(), digest.unwrap_or_default(), part.without_idle(&kinds()))
}

fn parts(cluster: &Cluster, seen: &Seen) -> Part<Action> {
    let mut part: Part<Action> = Part::default();
    // Without its key server a node can neither make nor open a volume.
    let spec = cluster_spec(cluster);
    let alone = cores::map(&cluster.nodes, |node| alone(cluster, seen, spec.as_ref(), &node.name));
    let own_keys = key_part(cluster, seen, &alone);
    let mut doubts: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
    for held in &own_keys.held {
        if let Some(host) = held.on_host() {
            doubts.entry(host).or_default().push(held);
        }
    }
    let keys = seen.servers.iter().all(|(server, fact)| fact.known().is_some() && !doubts.contains_key(server.as_str()));
    let mut machines: Vec<(&Node, &NodeSeen)> = Vec::new();
    for (node, alone) in cluster.nodes.iter().zip(alone) {
        match seen.nodes.get(&node.name) {
            Some(Fact::Known(found)) => {
                let part_of = |held| Part { steps: Vec::new(), held };
                let mut own = alone.map(|alone| alone.part.unwrap_or_else(part_of)).unwrap_or_default();
                // A volume whose key is in doubt is neither made nor opened, and nothing is put on its mount point.
                if let Some(doubts) = doubts.get(node.name.as_str()) {
                    own.steps.clear();
                    own.held.extend(doubts.iter().copied().cloned());
                }
                // What comes after the volumes must never write below a mount point that waits for its volume. What a volume holds that is
                // made and not mounted shows when it is.
                if own.held.is_empty() && (keys || own.steps.is_empty()) && !hidden(&own) {
                    machines.push((node, found));
                }
                if !keys {
                    own.steps.clear();
                }
                part.extend(own);
            }
            Some(Fact::Unknown(gap)) => {
                let mut held = Held::host(&node.name, gap.to_string(), "nothing is done to a machine that is not seen");
                held.unreachable = seen.unreachable.contains(&node.name);
                part.held.push(held);
            }
            Some(Fact::Absent) | None => part.held.push(Held::host(&node.name, "it was not looked at", "observe again")),
        }
    }
    part.extend(own_keys.map(Action::Keys));
    if let Some(wanted) = &cluster.kubernetes {
        kubernetes(cluster, wanted, seen, &machines, &mut part);
    }
    part
}

/// Whether a volume is to be mounted that was made before: files of a node and of a cluster may be on it.
fn hidden(own: &Part<Action>) -> bool {
    let of = |deed: fn(&storage_plan::Action) -> Option<&Volume>| -> BTreeSet<&Name> {
        own.steps
            .iter()
            .filter_map(|step| if let Action::Storage(action) = &step.action { deed(action) } else { None })
            .map(|v| &v.name)
            .collect()
    };
    let made = of(|action| if let storage_plan::Action::Mkfs { volume } = action { Some(volume) } else { None });
    let mounted = of(|action| if let storage_plan::Action::Mount { volume } = action { Some(volume) } else { None });
    !mounted.is_subset(&made)
}

/// What stands against a machine as a whole.
fn obstacles(name: &Name, found: &NodeSeen, spec: Option<&ClusterSpec>) -> Vec<Held> {
    let mut held = machine::held(name, &found.machine);
    if let (Some(spec), Some(member)) = (spec, &found.kubeadm) {
        held.extend(kubeadm::stranger(spec, name, member));
    }
    held
}

/// What comes of a node that was seen by itself.
struct Alone {
    /// Its storage with its recovery keys, or what stands against the machine as a whole.
    part: Result<Part<Action>, Vec<Held>>,
    /// The volumes that have a header of ours: a new share would not open them.
    made: BTreeSet<Name>,
    /// The volumes that are encrypted anew: these get a share and a recovery key, and no others do.
    making: BTreeSet<Name>,
}

fn alone(cluster: &Cluster, seen: &Seen, spec: Option<&ClusterSpec>, name: &Name) -> Option<Alone> {
    let found = seen.nodes.get(name)?.known()?;
    let wanted = storage(cluster, name);
    let ours = found.storage.volumes.iter().filter(|(_, v)| matches!(v.header, Fact::Known(Header::Ours(_)))).map(|(name, _)| name);
    // Of one that is gone the disk may only be unplugged.
    let finished = wanted.volumes.iter().filter(|v| found.storage.finished(v).is_some()).map(|v| &v.name);
    let made = ours.chain(finished).cloned().collect();
    let mut held = obstacles(name, found, spec);
    held.extend(seen.keys.get(name).and_then(Fact::known).map(|keys| keyserver::obstacles(name, keys)).unwrap_or_default());
    if !held.is_empty() {
        return Some(Alone { part: Err(held), made, making: BTreeSet::new() });
    }
    let store = storage_plan::plan(&wanted, &found.storage);
    let making = making(&store);
    let mut part = escrow(&wanted, found, seen, &making);
    part.extend(store.map(Action::Storage));
    Some(Alone { part: Ok(part), made, making })
}

fn making(store: &Part<storage_plan::Action>) -> BTreeSet<Name> {
    let format = |step: &Step<storage_plan::Action>| match &step.action {
        storage_plan::Action::Format { volume, .. } => Some(volume.name.clone()),
        _ => None,
    };
    store.steps.iter().filter_map(format).collect()
}

/// The key servers' part: nodes against which something stands are not let in.
fn key_part(cluster: &Cluster, seen: &Seen, nodes: &[Option<Alone>]) -> Part<keyserver::Action> {
    let (mut ready, mut made, mut making) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for (name, alone) in cluster.nodes.iter().map(|node| &node.name).zip(nodes).filter_map(|(name, alone)| Some((name, alone.as_ref()?))) {
        if alone.part.is_ok() {
            ready.insert(name.clone(), seen.keys.get(name).cloned().unwrap_or(Fact::Absent));
        }
        let of = |volumes: &BTreeSet<Name>| volumes.iter().map(|volume| (name.clone(), volume.clone())).collect::<Vec<_>>();
        made.extend(of(&alone.made));
        making.extend(of(&alone.making));
    }
    let members = cluster.nodes.iter().map(|n| n.name.clone()).collect();
    let servers = servers(cluster);
    keyserver::plan(keyserver::Wanted { servers: &servers, members: &members, made: &made, making: &making }, &seen.servers, &ready)
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
                let mut held = Held::host(&node.name, reason, "reset it when it can be reached");
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
        let stays = part.held.iter().any(|h| h.on_host() == Some(node.as_str()));
        let found = seen.nodes.get(node).and_then(Fact::known);
        if let (false, Some(found), Some(volume)) = (stays, found, spec.volumes.iter().find(|v| v.name == *volume)) {
            let after = BTreeSet::from([kubeadm::ids::RESET.on(node)]);
            part.extend(kubestead_storage::plan::wipe(&spec, &found.storage, volume, after).map(Action::Storage));
        }
    }
    Plan::new(cluster.digest.clone(), String::new(), part.without_idle(&kinds()))
}

/// Software, membership and objects, on machines whose volumes are there or are planned.
fn kubernetes(cluster: &Cluster, wanted: &Kubernetes, seen: &Seen, machines: &[(&Node, &NodeSeen)], part: &mut Part<Action>) {
    let Some(spec) = cluster_spec(cluster) else { return };
    // A file that describes another cluster than the one that is there: nothing of Kubernetes is done by it.
    let api = seen.api.known();
    let own = seen.nodes.get(&spec.first).and_then(Fact::known).and_then(|found| found.kubeadm.as_ref());
    let mut other: Vec<Held> = kubeadm::version(&spec, api, own).into_iter().collect();
    other.extend(api.map(|api| kubeadm::fixed(&spec, api)).unwrap_or_default());
    if !other.is_empty() {
        return part.held.extend(other);
    }
    let bundle = match &seen.bundle {
        Fact::Known(bundle) if bundle.kubernetes == wanted.version => Some(bundle),
        Fact::Absent => None,
        Fact::Known(bundle) => {
            let reason = format!("the bundle has Kubernetes {}, and the file asks for {}", bundle.kubernetes, wanted.version);
            return part.held.push(Held::cluster("bundle", reason, "name another bundle, or that version"));
        }
        Fact::Unknown(gap) => {
            return part.held.push(Held::cluster("bundle", gap.to_string(), "`kubestead lab build` makes a bundle and prints its folder"));
        }
    };
    if let Fact::Unknown(gap) = &seen.keyring {
        let hint = "download Release.key of the repository, and name it in kubernetes.packages.key";
        return part.held.push(Held::cluster("packages", gap.to_string(), hint));
    }
    if cluster.control_planes().count() > 1 {
        let hint = "give the role to one node";
        return part.held.push(Held::cluster("control-planes", "more than one control plane is not supported yet", hint));
    }
    let mut candidates = Vec::new();
    let (mut prepared, volumes) = (on_hosts(&part.steps), on_hosts(part.steps.iter().filter(|step| carries(step))));
    let specs = NodeSpecs::of(cluster, &seen.bundle, &seen.keyring);
    let setups = cores::map(machines, |(node, found)| {
        let (setup, member) = (found.setup.as_ref()?, found.kubeadm.as_ref()?);
        let mut own = node::plan(&specs.as_ref()?.of_node(node), setup);
        let ready = own.held.is_empty();
        if member.state != kubeadm::State::Fresh {
            no_other_version(&spec, &node.name, api, setup, bundle, &mut own);
        }
        Some((own, ready, member))
    });
    for ((node, _), setup) in machines.iter().zip(setups) {
        let Some((mut own, ready, member)) = setup else { continue };
        // A step that nobody consented to is skipped with what waits for it, and the host goes on: nothing of a node goes below a mount point whose
        // volume waits for a consent.
        if let Some(volumes) = volumes.get(node.name.as_str()) {
            own.steps.iter_mut().for_each(|step| step.after.extend(volumes.iter().cloned()));
        }
        // All share the operator's line, and wait for the first control plane to begin the cluster: it gets its images first.
        if node.name != spec.first {
            let images = own.steps.iter_mut().filter(|step| matches!(step.action, node::Action::Images { .. }));
            images.for_each(|step| _ = step.after.insert(node::ids::IMAGES.on(&spec.first)));
        }
        for (host, ids) in on_hosts(&own.steps) {
            prepared.entry(host).or_default().extend(ids);
        }
        part.extend(own.map(Action::Node));
        if ready {
            candidates.push(Candidate { name: &node.name, address: &node.address, facts: member });
        }
    }
    candidates.retain(|c| {
        let held = (*c.name == spec.first).then(|| other_key(&spec, c, seen)).flatten();
        let stays = held.is_none();
        part.held.extend(held);
        stays
    });
    let mut membership = kubeadm::plan(&spec, &candidates, &prepared);
    let fresh = candidates.iter().any(|c| *c.name == spec.first && c.facts.state != kubeadm::State::ControlPlane);
    // Whether the file still describes this cluster is not known before its API answers: nobody joins it by that file.
    if !fresh && !api.is_some_and(|api| api.answers) {
        membership.steps.retain(|step| !matches!(step.action, kubeadm::Action::Join { .. }));
    }
    if fresh && !membership.steps.is_empty() {
        encryption_key_step(&spec, seen, part);
    }
    let out: BTreeSet<String> = membership.held.iter().filter_map(Held::on_host).map(str::to_owned).collect();
    part.extend(membership.map(Action::Kubeadm));
    let members: BTreeSet<&Name> = candidates.iter().map(|c| c.name).filter(|name| !out.contains(name.as_str())).collect();
    let inside = |name: &Name| members.contains(name);
    if inside(&spec.first) {
        let api = if fresh { &Fact::Absent } else { &seen.api };
        let objects = objects(cluster, &spec, bundle, &inside);
        part.extend(objects::plan(&objects, api).map(Action::Cluster));
        let answers = seen.api.known().is_some_and(|api| api.answers);
        // While the API server does not answer, or is not understood, that is said already.
        if fresh || answers {
            let secrets = if fresh { &Fact::Absent } else { &seen.secrets };
            let made = cluster.namespace.as_ref().map(|namespace| &namespace.name);
            part.extend(secret::plan(&seen.wish, secrets, made, &objects.after).map(Action::Secret));
        }
        if !fresh {
            at_rest(cluster, &spec, seen, answers, part);
        }
    }
}

/// Whether a step brings a volume to its place, or has services wait for it: a consent that is missing skips it and what waits for it, not its host.
fn carries(step: &Step<Action>) -> bool {
    matches!(
        &step.action,
        Action::Storage(storage_plan::Action::Mount { .. } | storage_plan::Action::Boot { .. } | storage_plan::Action::Files { .. })
    )
}

/// The steps on machines, by machine.
fn on_hosts<'a, A: 'a>(steps: impl IntoIterator<Item = &'a Step<A>>) -> BTreeMap<String, BTreeSet<StepId>> {
    let mut found: BTreeMap<String, BTreeSet<StepId>> = BTreeMap::new();
    for step in steps {
        if let Target::Host(name) = &step.target {
            found.entry(name.clone()).or_default().insert(step.id.clone());
        }
    }
    found
}

/// On a member no program, package or image of another version takes the place of the one that runs.
fn no_other_version(
    spec: &ClusterSpec,
    name: &Name,
    api: Option<&ApiFacts>,
    setup: &node::NodeFacts,
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

/// What keeps a control plane from beginning the cluster: its key file is there already, and its key is not in the escrow. Another key would be made,
/// and the file is never replaced.
fn other_key(spec: &ClusterSpec, first: &Candidate<'_>, seen: &Seen) -> Option<Held> {
    let Entry::Key { name, .. } = &spec.encryption.entry else { return None };
    let begun = matches!(first.facts.state, kubeadm::State::Fresh | kubeadm::State::Begun);
    let key = escrow_name(name);
    (begun && first.facts.encryption && !seen.escrow.contains(&key)).then(|| {
        let reason = format!("{} is there, and {key} is not in the escrow", encryption::FILE);
        let hint = format!("restore {key}.age from the repository's history; if nothing was encrypted with it, move that file away");
        Held::on(first.name, "encryption", reason, hint)
    })
}

/// The key of encryption at rest, made when it is asked for the first time.
fn encryption_key_step(spec: &ClusterSpec, seen: &Seen, part: &mut Part<Action>) {
    if let Entry::Key { name, .. } = &spec.encryption.entry
        && !seen.escrow.contains(&escrow_name(name))
    {
        let name = escrow_name(name);
        let action = Action::Escrow { name: name.clone(), kind: KeyKind::Encryption };
        let why = "make the key that encrypts values in etcd and keep it encrypted";
        part.push(ESCROW.step(Target::Operator, name, action, why));
    }
}

/// Encryption at rest on a cluster that is there: nothing to do, or the stages of a rotation. All control planes must be seen. An API server
/// that does not answer may be one whose KMS plugin does not: that is said.
fn at_rest(cluster: &Cluster, spec: &ClusterSpec, seen: &Seen, answers: bool, part: &mut Part<Action>) {
    let mut servers = Vec::new();
    for node in cluster.control_planes() {
        let fact = seen.nodes.get(&node.name).and_then(Fact::known).map(|found| &found.encryption);
        match fact {
            Some(Fact::Known(facts)) => servers.push(encryption::Server { name: &node.name, facts }),
            Some(Fact::Unknown(gap)) => {
                let hint = "mend the file, or restore it: nothing is done to it before it is understood";
                return part.held.push(Held::on(&node.name, "encryption", gap.to_string(), hint));
            }
            Some(Fact::Absent) | None => return, // the node itself is held, with its reason
        }
    }
    if !answers {
        return part.held.extend(encryption::silent(&servers));
    }
    let rotation = encryption::plan(&spec.encryption, &servers, &seen.escrow);
    if !rotation.steps.is_empty() {
        encryption_key_step(spec, seen, part);
    }
    // What is asked of an API server that restarts may fail: the mounts wait for it. Not for workloads, which may never be ready.
    let waiting = |action: &Action| matches!(action, Action::Cluster(objects::Action::Wait { .. } | objects::Action::Reach));
    let asked: Vec<StepId> =
        part.steps.iter().filter(|s| s.target == Target::Cluster && !waiting(&s.action)).map(|s| s.id.clone()).collect();
    for step in rotation.steps {
        let mounts = matches!(step.action, encryption::Action::Mount { .. });
        let step = step.map(|action| at_home(cluster, spec, action));
        part.push(if mounts { step.after(asked.iter().cloned()) } else { step });
    }
    part.held.extend(rotation.held);
}

/// An API server's mounts are in the manifest that kubeadm makes.
fn at_home(cluster: &Cluster, spec: &ClusterSpec, action: encryption::Action) -> Action {
    match action {
        encryption::Action::Mount { node, before, folders, sockets } => {
            let address = cluster.nodes.iter().find(|n| n.name == node).map(|n| n.address.clone()).unwrap_or_default();
            Action::Kubeadm(kubeadm::Action::Mount { spec: spec.clone(), node, address, before, folders, sockets })
        }
        other => Action::Encryption(other),
    }
}

/// The names of the objects that the file asks for, whatever is there: whoever made one, it is looked at.
pub fn object_names(cluster: &Cluster) -> Vec<ObjectRef> {
    cluster_spec(cluster).map(|spec| objects::names(&objects(cluster, &spec, None, &|_| true))).unwrap_or_default()
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
        carriers
            .flat_map(|n| kubestead_storage::pv::volumes(n.name.as_str(), n.hostname.as_str(), POOL_ROOT, &cluster.pools, &cluster.named)),
    );
    let labels = |node: &Node| {
        let mut labels = node.labels.clone();
        if node.roles.contains(&Role::Worker) {
            labels.insert("node-role.kubernetes.io/worker".to_owned(), String::new());
        }
        labels
    };
    let members = || cluster.nodes.iter().filter(|n| inside(&n.name));
    let nodes: BTreeMap<HostName, _> = members().map(|n| (n.hostname.clone(), labels(n))).collect();
    ObjectsSpec {
        pods: spec.pods.clone(),
        endpoint: spec.endpoint.clone(),
        interfaces: cluster.network.interfaces.clone(),
        images: (image("/flannel:", objects::IMAGES.0), image("/flannel-cni-plugin:", objects::IMAGES.1)),
        storage,
        namespace: cluster.namespace.clone(),
        joined: members().map(|n| kubeadm::joined(spec, &n.name)).chain([kubeadm::ids::START.on(&spec.first)]).collect(),
        nodes,
        after: BTreeSet::from([kubeadm::joined(spec, &spec.first), kubeadm::ids::START.on(&spec.first)]),
    }
}

/// A recovery key for every volume that is about to be made, before it is: none for what something stands against.
fn escrow(wanted: &HostStorage, found: &NodeSeen, seen: &Seen, making: &BTreeSet<Name>) -> Part<Action> {
    let mut part = Part::default();
    let node = &wanted.node;
    for volume in &wanted.volumes {
        let KeyRef(name) = KeyRef::recovery(node.as_str(), volume.name.as_str());
        if seen.escrow.contains(&name) {
            continue;
        }
        let facts = found.storage.volumes.get(&volume.name);
        let made = facts.is_some_and(|f| matches!(f.header, Fact::Known(Header::Ours(_))) && f.logical.known().is_some_and(|l| !l.new));
        if made || found.storage.finished(volume).is_some() {
            let hint = format!(
                "restore {name}.age from the repository's history; if it is lost, add another recovery key to slot 6 with cryptsetup luksAddKey"
            );
            part.held.push(Held::on(node, &volume.name, "its recovery key is not in the escrow", hint));
        } else if making.contains(&volume.name) {
            let why = format!("make a recovery key for {node}/{} and keep it encrypted", volume.name);
            let action = Action::Escrow { name: name.clone(), kind: KeyKind::Recovery };
            part.push(ESCROW.step(Target::Operator, name, action, why));
        }
    }
    part
}
