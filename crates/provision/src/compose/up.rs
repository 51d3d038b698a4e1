//! From the file and what was seen to the plan after which all is as the file says. What is done at all is said here; in which order, in
//! [`super::order`].

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::cores;
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{BadPlan, Held, Part, Plan};

use super::domains::storage::Own;
use super::domains::{self, kinds};
use super::{Action, NodeSeen, Seen, order};
use crate::bundle::Bundle;
use crate::file::{Cluster, Kubernetes, Node};
use crate::kubeadm::{self, Candidate, KubeadmSpec, State};
use crate::objects::{self, ObjectsSpec};
use crate::{keyserver, machine};

/// From the file and what was seen to one plan: pure, total, deterministic.
pub fn plan(cluster: &Cluster, seen: &Seen) -> Result<Plan<Action>, BadPlan> {
    // Of a large cluster the digest takes as long as the planning.
    let (part, digest) = cores::both(|| parts(cluster, seen), || seen.digest());
    Plan::new(cluster.digest.clone(), digest.unwrap_or_default(), part.without_idle(&kinds()))
}

fn parts(cluster: &Cluster, seen: &Seen) -> Part<Action> {
    let mut part: Part<Action> = Part::default();
    // Without its key server a node can neither make nor open a volume that it unlocks by itself.
    let spec = domains::kubeadm::spec(cluster);
    let alone = cores::map(&cluster.nodes, |node| alone(cluster, seen, spec.as_ref(), &node.name));
    let own_keys = domains::keyserver::plan(cluster, seen, &alone);
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
                let keys = keys || !domains::keyserver::needed(cluster, &node.name);
                if own.held.is_empty() && (keys || own.steps.is_empty()) && !domains::storage::hidden(&own) {
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

/// What comes of a node that was seen by itself.
fn alone(cluster: &Cluster, seen: &Seen, spec: Option<&KubeadmSpec>, name: &Name) -> Option<Own> {
    let found = seen.nodes.get(name)?.known()?;
    Some(domains::storage::plan(cluster, seen, name, found, obstacles(cluster, seen, spec, name, found)))
}

/// Reasons not to touch a machine at all.
fn obstacles(cluster: &Cluster, seen: &Seen, spec: Option<&KubeadmSpec>, name: &Name, found: &NodeSeen) -> Vec<Held> {
    let mut held = machine::held(name, &found.machine);
    if let (Some(spec), Some(member)) = (spec, &found.kubeadm) {
        held.extend(kubeadm::stranger(spec, name, member));
    }
    let keys = seen.keys.get(name).filter(|_| domains::keyserver::needed(cluster, name)).and_then(Fact::known);
    held.extend(keys.map(|keys| keyserver::obstacles(name, keys)).unwrap_or_default());
    held
}

/// Software, membership and objects, on machines whose volumes are there or are planned.
fn kubernetes(cluster: &Cluster, wanted: &Kubernetes, seen: &Seen, machines: &[(&Node, &NodeSeen)], part: &mut Part<Action>) {
    let Some(spec) = domains::kubeadm::spec(cluster) else { return };
    let other = domains::kubeadm::another(cluster, &spec, seen);
    if !other.is_empty() {
        return part.held.extend(other);
    }
    part.held.extend(domains::kubeadm::taints(&spec, seen));
    let bundle = match domains::node::source(wanted, seen) {
        Ok(bundle) => bundle,
        Err(held) => return part.held.push(held),
    };
    if cluster.control_planes().count() > 1 {
        let hint = "give the role to one node";
        return part.held.push(Held::cluster("control-planes", "more than one control plane is not supported yet", hint));
    }
    let (mut prepared, volumes) = (order::on_hosts(&part.steps), order::volumes(part));
    let software = domains::node::Software::of(cluster, &seen.bundle, &seen.keyring);
    let setups = cores::map(machines, |(node, found)| {
        let candidate = domains::node::Candidate { node, setup: found.setup.as_ref()?, member: found.kubeadm.as_ref()? };
        Some((domains::node::plan(software.as_ref()?, &spec, seen, bundle, &candidate), candidate.member))
    });
    let (mut candidates, mut kubelets) = (Vec::new(), Part::default());
    let beside: Vec<&Name> = machines.iter().map(|(node, _)| &node.name).filter(|name| **name != spec.first).take(2).collect();
    for ((node, found), setup) in machines.iter().zip(setups) {
        let Some(((mut own, ready), member)) = setup else { continue };
        order::set_up(cluster, &node.name, &volumes, &mut own);
        order::transfers(&node.name, &spec.first, &beside, &mut own);
        for (host, ids) in order::on_hosts(&own.steps) {
            prepared.entry(host).or_default().extend(ids);
        }
        part.extend(own.map(Action::Node));
        if !ready {
            continue;
        }
        let mut settings = domains::kubelet::plan(cluster, &spec, seen, node, found, member);
        order::settings(&node.name, &volumes, &mut settings);
        for (host, ids) in order::on_hosts(&settings.steps) {
            prepared.entry(host).or_default().extend(ids);
        }
        let stuck = !settings.held.is_empty() && matches!(member.state, State::Fresh | State::Begun);
        kubelets.extend(settings);
        if !stuck {
            candidates.push(Candidate { name: &node.name, address: &node.address, facts: member });
        }
    }
    order::restarts(&mut kubelets, |name| cluster.control_planes().any(|node| node.name.as_str() == name));
    part.extend(kubelets.map(Action::Kubelet));
    candidates.retain(|c| {
        let held = (*c.name == spec.first).then(|| domains::encryption::other_key(&spec, c, seen)).flatten();
        let stays = held.is_none();
        part.held.extend(held);
        stays
    });
    let members = domains::kubeadm::plan(&spec, seen, &candidates, &prepared);
    if members.fresh && !members.part.steps.is_empty() {
        part.extend(domains::encryption::escrow(&spec, seen));
    }
    part.extend(members.part.map(Action::Kubeadm));
    if members.names.contains(&spec.first) {
        inside(cluster, &spec, seen, (members.fresh, &members.names), bundle, part);
    }
    order::resolvers(cluster, seen, part);
}

/// What is done in the cluster, which is there or begins by this plan.
fn inside(
    cluster: &Cluster,
    spec: &KubeadmSpec,
    seen: &Seen,
    (fresh, members): (bool, &BTreeSet<&Name>),
    bundle: Option<&Bundle>,
    part: &mut Part<Action>,
) {
    let api = if fresh { &Fact::Absent } else { &seen.api };
    let wanted = domains::objects::spec(cluster, spec, bundle, &|name| members.contains(name));
    let wanted = ObjectsSpec { asked: seen.asked.objects().collect(), ..wanted };
    part.extend(objects::plan(&wanted, api).map(Action::Objects));
    let answers = seen.api.known().is_some_and(|api| api.answers);
    // While the API server does not answer, or is not understood, that is said already.
    if fresh || answers {
        part.extend(order::secrets(domains::secret::plan(cluster, spec, seen, fresh)).map(Action::Secret));
    }
    if fresh || answers {
        part.extend(order::services(domains::service::plan(cluster, spec, seen, fresh)).map(Action::Service));
    }
    if !fresh {
        part.extend(order::components(part, domains::kubeadm::components(cluster, spec, seen)).map(Action::Kubeadm));
        let rotation = order::rotation(part, domains::encryption::plan(cluster, spec, seen, answers));
        if !rotation.steps.is_empty() {
            part.extend(domains::encryption::escrow(spec, seen));
        }
        part.extend(rotation.map(|action| domains::encryption::at_home(cluster, spec, action)));
    }
}
