//! Who waits for whom: all edges between steps of different domains, and between machines. Within a domain on one machine its planner says it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kubestead_core::name::Name;
use kubestead_core::plan::{DeedOf, Held, Part, Step, StepId, Target};
use kubestead_core::put::INSTALLED;

use serde_json::Value;

use super::{Action, Seen, domains};
use crate::bundle::BundleFile;
use crate::file::Cluster;
use crate::kubeadm::{self, KubeadmSpec};
use crate::service::DnsCache;
use crate::{encryption, keyserver, kubelet, node, objects, secret, service};

/// Steps by their machines.
pub(super) type ByHost = BTreeMap<String, BTreeSet<StepId>>;

/// The steps on machines, by machine.
pub(super) fn on_hosts<'a, A: 'a>(steps: impl IntoIterator<Item = &'a Step<A>>) -> ByHost {
    let mut found = ByHost::new();
    for step in steps {
        if let Target::Host(name) = &step.target {
            found.entry(name.clone()).or_default().insert(step.id.clone());
        }
    }
    found
}

/// A volume's key can be fetched from its servers before a header is made with it, and before it is relied on.
pub(super) fn before_volumes(cluster: &Cluster, node: &Name) -> BTreeSet<StepId> {
    keyserver::ready(&cluster.servers.iter().map(|s| s.name.clone()).collect::<Vec<_>>(), node)
}

/// A volume is wiped when nothing of the cluster runs on its machine any more.
pub(super) fn before_wipe(node: &Name) -> BTreeSet<StepId> {
    BTreeSet::from([kubeadm::ids::RESET.on(node)])
}

/// The steps that bring volumes to their places, by machine.
pub(super) fn volumes(part: &Part<Action>) -> ByHost {
    on_hosts(part.steps.iter().filter(|step| domains::storage::carries(step)))
}

/// A step that nobody consented to is skipped with what waits for it, and the host goes on: nothing of a node goes below a mount point whose
/// volume waits for a consent. Programs alone do not wait and come beside the volumes, unless they go below the mount point of one.
pub(super) fn set_up(cluster: &Cluster, name: &Name, volumes: &ByHost, own: &mut Part<node::Action>) {
    let covered = |place: &str| cluster.volumes_of(name).any(|volume| Path::new(place).starts_with(&volume.spec.path));
    for step in &mut own.steps {
        if matches!(&step.action, node::Action::Install { files, .. } if !covered(INSTALLED) && !files.iter().filter_map(BundleFile::target).any(|place| covered(&place)))
        {
            step.beside = true;
        } else if let Some(volumes) = volumes.get(name.as_str()) {
            step.after.extend(volumes.iter().cloned());
        }
    }
}

/// A kubelet gets its settings when it is installed, and where the folder of them is not yet to be covered by a volume.
pub(super) fn settings(name: &Name, volumes: &ByHost, own: &mut Part<kubelet::Action>) {
    let installed = [node::ids::SOFTWARE, node::ids::PACKAGES, node::ids::KUBELET].map(|deed| deed.on(name));
    let volumes = volumes.get(name.as_str());
    for step in &mut own.steps {
        step.after.extend(installed.iter().chain(volumes.into_iter().flatten()).cloned());
    }
}

/// A kubelet that starts again may not come back with what it was given: a worker tries it first, then the others, and at last the control planes, one
/// after the other.
pub(super) fn restarts(part: &mut Part<kubelet::Action>, is_control_plane: impl Fn(&str) -> bool) {
    let (mut first, mut before): (Option<StepId>, BTreeSet<StepId>) = (None, BTreeSet::new());
    let is_plane = |step: &Step<kubelet::Action>| matches!(&step.target, Target::Host(name) if is_control_plane(name));
    let starts = |step: &&mut Step<kubelet::Action>| step.action.starts_again();
    for step in part.steps.iter_mut().filter(starts).filter(|step| !is_plane(step)) {
        match &first {
            None => first = Some(step.id.clone()),
            Some(first) => _ = step.after.insert(first.clone()),
        }
        before.insert(step.id.clone());
    }
    for step in part.steps.iter_mut().filter(starts).filter(|step| is_plane(step)) {
        step.after.append(&mut before);
        before.insert(step.id.clone());
    }
}

/// Behind whose programs and images a machine gets its own. All machines share the operator's line and wait for the first control plane to begin the
/// cluster, so that it gets its own first. As a line is seldom full of what one machine unpacks, two `beside` it get programs behind its programs, one
/// after the other, and the first of them its images too; all else of other machines comes behind its images, while it begins the cluster.
pub(super) fn transfers(name: &Name, first: &Name, beside: &[&Name], own: &mut Part<node::Action>) {
    if name == first {
        return;
    }
    let images = node::ids::IMAGES.on(first);
    let programs = match beside.iter().position(|one| *one == name) {
        Some(place) => node::ids::SOFTWARE.on(place.checked_sub(1).map_or(first, |before| beside[before])),
        None => images.clone(),
    };
    for step in &mut own.steps {
        if matches!(step.action, node::Action::Install { .. }) {
            step.behind.insert(programs.clone());
        } else if matches!(step.action, node::Action::Images { .. }) && beside.first() != Some(&name) {
            step.behind.insert(images.clone());
        }
    }
}

/// The steps after which the API answers.
pub(super) fn before_asking(members: &KubeadmSpec) -> BTreeSet<StepId> {
    let own = [kubeadm::ids::START, kubeadm::ids::PUT_BACK].map(|deed| deed.on(&members.first));
    std::iter::once(kubeadm::joined(members, &members.first)).chain(own).collect()
}

/// The steps after which these nodes are in.
pub(super) fn before_nodes<'a>(members: &KubeadmSpec, names: impl IntoIterator<Item = &'a Name>) -> BTreeSet<StepId> {
    let joined = names.into_iter().map(|name| kubeadm::joined(members, name));
    joined.chain(before_asking(members)).collect()
}

/// Nothing is put into a namespace before the plan makes it, or before the yes to one that is somebody else's.
pub(super) fn secrets(mut part: Part<secret::Action>) -> Part<secret::Action> {
    for step in &mut part.steps {
        if let secret::Action::Apply { secret, .. } = &step.action {
            step.after.extend(objects::ids::before_namespace(&secret.namespace));
        }
    }
    part
}

/// Nothing is put into a namespace before the plan makes it, or before the yes to one that is somebody else's; and what runs is waited for when
/// nodes and the pods' network are ready.
pub(super) fn services(mut part: Part<service::Action>) -> Part<service::Action> {
    for step in &mut part.steps {
        let manifests: &[Value] = match &step.action {
            service::Action::Apply { manifests, .. } => manifests,
            service::Action::Take { manifest, .. } => std::slice::from_ref(manifest),
            service::Action::Ready { .. } => {
                step.after.insert(objects::ids::READY.at(&Target::Cluster));
                continue;
            }
            service::Action::Record { .. }
            | service::Action::Establish { .. }
            | service::Action::Delete { .. }
            | service::Action::Forget { .. } => continue,
        };
        let namespaces: BTreeSet<&str> = manifests.iter().filter_map(|manifest| manifest["metadata"]["namespace"].as_str()).collect();
        let before: Vec<StepId> = namespaces.into_iter().flat_map(objects::ids::before_namespace).filter(|id| *id != step.id).collect();
        step.after.extend(before);
    }
    part
}

/// Whom pods ask for names, and what answers them: a kubelet that runs names the cache when that answers on every node, and the cache goes when no kubelet
/// names it any more. One that does not run yet names it at once: its pods ask the cluster's service until the cache is there.
pub(super) fn resolvers(cluster: &Cluster, seen: &Seen, part: &mut Part<Action>) {
    let of_cache = |deed: DeedOf| deed.at(&Target::Cluster, service::ids::of(DnsCache::NAME));
    let restarts: BTreeSet<StepId> = part.steps.iter().filter(|step| starts_again(step)).map(|step| step.id.clone()).collect();
    let built = cluster.manifests.iter().filter_map(|service| Some((&service.name, service.source.built()?)));
    // What asks kubelets is ready when they have their certificates, and must not be waited for before.
    for (name, _) in built.clone().filter(|(_, what)| what.asks_kubelets()) {
        let ready = service::ids::READY.at(&Target::Cluster, service::ids::of(name.as_str()));
        part.steps.iter_mut().filter(|step| step.id == ready).for_each(|step| step.after.extend(restarts.iter().cloned()));
    }
    if !built.clone().any(|(_, what)| what.resolver().is_some()) {
        let prune = of_cache(service::ids::PRUNE);
        return part.steps.iter_mut().filter(|step| step.id == prune).for_each(|step| step.after.extend(restarts.iter().cloned()));
    }
    let (apply, ready) = (of_cache(service::ids::APPLY), of_cache(service::ids::READY));
    let comes = part.steps.iter().any(|step| step.id == ready);
    let there = domains::service::answers(seen, DnsCache::NAME);
    let links: Vec<StepId> = cluster.nodes.iter().map(|node| kubelet::ids::LINK.on(&node.name)).collect();
    let names_it = |step: &Step<Action>| match &step.action {
        Action::Kubelet(kubelet::Action::Settings { settings, asks: Some(_), .. }) => {
            settings.names().any(|name| name == kubelet::RESOLVERS)
        }
        _ => false,
    };
    let mut held = Vec::new();
    part.steps.retain_mut(|step| {
        if step.id == apply {
            step.after.extend(links.iter().cloned());
        } else if names_it(step) && comes {
            step.after.insert(ready.clone());
        } else if let (true, false, Target::Host(name)) = (names_it(step), there, &step.target) {
            let reason = "its pods would be told of a cache of names that does not answer";
            held.push(Held::on(name, "kubelet", reason, format!("fix what is held of service {} first", DnsCache::NAME)));
            return false;
        }
        true
    });
    part.held.extend(held);
}

/// Whether a kubelet starts again.
fn starts_again(step: &Step<Action>) -> bool {
    matches!(&step.action, Action::Kubelet(action) if action.starts_again())
}

/// What asks an API server that may start again: it comes after that. Not what waits for workloads, which may never be ready.
fn asking(planned: &Part<Action>) -> impl Iterator<Item = &StepId> {
    let waiting = |action: &Action| {
        matches!(
            action,
            Action::Objects(objects::Action::Wait { .. } | objects::Action::Reach) | Action::Service(service::Action::Ready { .. })
        )
    };
    planned.steps.iter().filter(move |step| step.target == Target::Cluster && !waiting(&step.action)).map(|step| &step.id)
}

/// Programs of a control plane that get other arguments start again: after what is asked of its API server, and after its kubelet, which starts them.
pub(super) fn components(planned: &Part<Action>, mut own: Part<kubeadm::Action>) -> Part<kubeadm::Action> {
    for step in own.steps.iter_mut().filter(|step| matches!(step.action, kubeadm::Action::Components { .. })) {
        let kubelets = planned.steps.iter().filter(|other| other.target == step.target && matches!(other.action, Action::Kubelet(_)));
        let before: Vec<StepId> = kubelets.map(|other| &other.id).chain(asking(planned)).cloned().collect();
        step.after.extend(before);
    }
    own
}

/// What is asked of an API server that restarts may fail: the mounts wait for it, and for other arguments of the same server.
pub(super) fn rotation(planned: &Part<Action>, mut rotation: Part<encryption::Action>) -> Part<encryption::Action> {
    let components = planned.steps.iter().filter(|step| matches!(step.action, Action::Kubeadm(kubeadm::Action::Components { .. })));
    let before: Vec<&StepId> = asking(planned).chain(components.map(|step| &step.id)).collect();
    for step in rotation.steps.iter_mut().filter(|step| matches!(step.action, encryption::Action::Mount { .. })) {
        step.after.extend(before.iter().copied().cloned());
    }
    rotation
}
