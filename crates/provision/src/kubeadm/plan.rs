//! From spec and facts to steps.

mod components;

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::claim::{self, Claims};
use kubestead_core::name::Name;
use kubestead_core::plan::{Deed, Held, Part, Risk, Step, StepId, Target};

use super::action::Action;
use super::ids;
use super::observe::{Cut, KubeadmFacts, State};
use super::spec::{ENCRYPTION, KubeadmSpec};
use crate::encryption::{Entry, key_of};

pub use components::{Plane, change};

/// A node for kubeadm: its name, its address and what was seen.
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a Name,
    /// Its address.
    pub address: &'a str,
    /// What was seen of it.
    pub facts: &'a KubeadmFacts,
}

/// The step after which a node belongs to the cluster.
pub fn joined(spec: &KubeadmSpec, node: &Name) -> StepId {
    if *node == spec.first { ids::INIT.on(node) } else { ids::JOIN.on(node) }
}

/// The steps of all nodes. `prepared` are the steps that each node waits for.
pub fn plan(spec: &KubeadmSpec, nodes: &[Candidate<'_>], prepared: &BTreeMap<String, BTreeSet<StepId>>) -> Part<Action> {
    let mut part = Part::default();
    let first = nodes.iter().find(|n| *n.name == spec.first);
    let begun = first.is_some_and(|n| n.facts.state == State::ControlPlane);
    let begins = begun || first.is_some_and(|n| obstacle(spec, n, first).is_none());
    for node in nodes {
        if first.is_none() && node.facts.state == State::Worker {
            continue; // what is wrong with the control plane is said there
        }
        let after = prepared.get(node.name.as_str()).cloned().unwrap_or_default();
        match obstacle(spec, node, first) {
            Some(held) => part.held.push(held),
            None if *node.name == spec.first => control_plane(spec, node, after, &mut part),
            None if node.facts.state != State::Worker => {
                if !begins {
                    let reason = format!("{}, which it would join, is not ready", spec.first);
                    part.held.push(Held::on(node.name, "kubeadm", reason, "fix that node first"));
                    continue;
                }
                let mut after = after;
                if !begun {
                    after.insert(joined(spec, &spec.first));
                }
                let action = Action::Join { spec: spec.of(node.name), node: node.name.clone(), address: node.address.to_owned() };
                let why = format!("join {} with a token of its own", spec.name);
                writer(node, ids::JOIN, action, why, after, &mut part);
            }
            None => start(node, after, &mut part),
        }
    }
    part
}

/// The end of the cluster on these nodes: workers first, so that nothing talks to an API server that goes away.
pub fn reset(spec: &KubeadmSpec, nodes: &[Candidate<'_>]) -> Part<Action> {
    let mut part = Part::default();
    let (last, workers): (Vec<_>, Vec<_>) = nodes.iter().partition(|n| *n.name == spec.first);
    let after: BTreeSet<StepId> = workers.iter().map(|n| ids::RESET.on(n.name)).collect();
    for node in workers.into_iter().chain(last) {
        let name = node.name;
        match (node.facts.state, node.facts.cluster.as_deref()) {
            (State::Fresh, None) => {}
            (_, Some(own)) if own == spec.name.as_str() => {
                let after = if *name == spec.first { after.clone() } else { BTreeSet::new() };
                let action = Action::Reset { spec: spec.of(name) };
                let why = format!("take it out of cluster {}; its volumes, software and keys stay", spec.name);
                part.push(ids::RESET.step(Target::Host(name.to_string()), action, why).after(after).risk(Risk::Destroys));
            }
            (_, other) => {
                let whose = other.map_or("a cluster that kubestead did not make".to_owned(), |o| format!("the cluster {o}"));
                part.held.push(Held::on(name, "kubeadm", format!("it belongs to {whose}"), "nothing is done to it"));
            }
        }
    }
    part
}

fn control_plane(spec: &KubeadmSpec, node: &Candidate<'_>, after: BTreeSet<StepId>, part: &mut Part<Action>) {
    let target = || Target::Host(node.name.to_string());
    if node.facts.state == State::ControlPlane {
        return start(node, after, part);
    }
    let escrowed = match &spec.encryption.entry {
        Entry::Key { name, .. } => Some(key_of(name).escrowed()),
        Entry::Identity | Entry::Kms { .. } => None,
    };
    let action = Action::Prepare { spec: spec.of(node.name) };
    let why = "encryption of Secrets at rest, and Pod Security by default".to_owned();
    let Some(prepared) = writer(node, ids::PREPARE, action, why, after.into_iter().chain(escrowed).collect(), part) else { return };
    let action = Action::Init { spec: spec.of(node.name), address: node.address.to_owned() };
    let why = format!("begin cluster {} with Kubernetes {}", spec.name, spec.version);
    part.push(ids::INIT.step(target(), action, why).after([prepared]));
}

/// A step that writes files of ours, after the adoption of what is in their place; none when that is no file, which [`obstacle`] says.
fn writer(
    node: &Candidate<'_>,
    deed: Deed,
    action: Action,
    why: String,
    after: BTreeSet<StepId>,
    part: &mut Part<Action>,
) -> Option<StepId> {
    let files = action.writes();
    let mut claims = Claims::new(node.name.as_str(), &node.facts.files, files.iter().map(|f| &f.path)).ok()?;
    let claim = claims.claim(&files);
    part.extend(claims.into_part("kubeadm", Action::Adoption));
    Some(part.push(deed.step(Target::Host(node.name.to_string()), action, why).after(after).after(claim.after)))
}

fn start(node: &Candidate<'_>, after: BTreeSet<StepId>, part: &mut Part<Action>) {
    if !node.facts.kubelet {
        let why = "start the kubelet, which is stopped";
        part.push(ids::START.step(Target::Host(node.name.to_string()), Action::StartKubelet, why).after(after));
    }
}

/// A control plane whose API server does not answer, and a run was cut off that gave its programs other arguments: the old ones are put back.
pub fn put_back(node: &Candidate<'_>) -> Option<Step<Action>> {
    let KubeadmFacts { state, cut, .. } = node.facts;
    (*state == State::ControlPlane && *cut == Cut::Unproven).then(|| {
        let why = "its API server does not answer since a run was cut off that gave it other arguments: put the old ones back";
        let step = ids::PUT_BACK.step(Target::Host(node.name.to_string()), Action::PutBack, why).risk(Risk::Disrupts);
        step.after([ids::START.on(node.name)])
    })
}

/// Why nothing at all is done to a machine: it belongs to somebody else, or something runs there that Kubernetes cannot live beside.
pub fn stranger(spec: &KubeadmSpec, name: &Name, facts: &KubeadmFacts) -> Option<Held> {
    let held = |reason: String, hint: &str| Some(Held::on(name, "kubeadm", reason, hint));
    match (&facts.state, facts.cluster.as_deref()) {
        (State::Fresh, _) if !facts.ports.is_empty() => {
            let ports = facts.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            held(format!("something listens on the ports {ports}, which Kubernetes needs"), "find it with `ss -ltnp` and stop it")
        }
        (State::Fresh, Some(other)) if other != spec.name.as_str() => held(
            format!("it was prepared for the cluster {other}"),
            "name another node, or delete /etc/kubestead/cluster there if that was given up",
        ),
        (State::Fresh, _) => None,
        (_, None) => held("it belongs to a cluster that kubestead did not make".into(), "name another node; nothing is done to this one"),
        (_, Some(other)) if other != spec.name.as_str() => {
            held(format!("it belongs to the cluster {other}"), "name another node, or reset it with the file of that cluster")
        }
        _ => None,
    }
}

/// A few of many paths, for a sentence.
fn some(paths: &[String]) -> String {
    const MOST: usize = 4;
    let more = paths.len().saturating_sub(MOST);
    let words = paths[..paths.len() - more].join(", ");
    if more == 0 { words } else { format!("{words} and {more} more") }
}

/// Why kubeadm does not run on a node.
fn obstacle(spec: &KubeadmSpec, node: &Candidate<'_>, first: Option<&Candidate<'_>>) -> Option<Held> {
    let (name, facts) = (node.name, node.facts);
    if let Some(held) = stranger(spec, name, facts) {
        return Some(held);
    }
    let held = |reason: String, hint: &str| Some(Held::on(name, "kubeadm", reason, hint));
    if facts.state == State::Fresh && !facts.leftovers.is_empty() {
        return held(
            format!(
                "an earlier cluster left {}: kubeadm would take its certificate authority and its data, and containerd its network",
                some(&facts.leftovers)
            ),
            "if nobody needs them, run `kubeadm reset --force` there and delete what is left of these; else move them away; then run up again",
        );
    }
    let is_first = *name == spec.first;
    if matches!(facts.state, State::Fresh | State::Begun)
        && let Some(other) = claim::obstacles(name.as_str(), &facts.files, spec.own_paths(name).into_iter().chain(spec.places(name))).pop()
    {
        return held(other.reason, &other.hint);
    }
    // Our record is written before it, so that it is none of ours that was cut off.
    if is_first && facts.state == State::Fresh && facts.cluster.is_none() && facts.encryption {
        let hint = "move it away, and keep it: values in another etcd may be encrypted with its keys";
        return held(format!("{ENCRYPTION} is there and was not written by kubestead: it is never replaced"), hint);
    }
    match facts.state {
        State::Worker if is_first => return held("it is a worker, and the file calls it a control plane".into(), "reset it first"),
        State::ControlPlane if !is_first => return held("it is a control plane, and the file calls it a worker".into(), "reset it first"),
        State::ControlPlane if !facts.encryption => {
            let hint = "restore /etc/kubernetes/enc/enc.yaml with the key in the escrow";
            return held("its configuration of encryption at rest is gone".into(), hint);
        }
        State::Fresh | State::Begun | State::ControlPlane | State::Worker => {}
    }
    let ca = first.and_then(|n| n.facts.ca.as_ref());
    if facts.state == State::Worker && (ca.is_none() || facts.ca.as_ref() != ca) {
        return held(
            format!("it belongs to another cluster: its certificate authority is not that of {}", spec.first),
            "reset it with `kubestead reset`, then run `kubestead up`",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use kubestead_core::plan::Step;

    use super::super::fixture::spec;
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn facts(state: State) -> KubeadmFacts {
        let member = state != State::Fresh;
        KubeadmFacts {
            state,
            cluster: member.then(|| "home".to_owned()),
            ca: member.then(|| "a".repeat(64)),
            encryption: state == State::ControlPlane,
            kubelet: member,
            ..KubeadmFacts::default()
        }
    }

    fn run(cp: &KubeadmFacts, worker: &KubeadmFacts) -> Part<Action> {
        let names = (name("cp1"), name("kube1"));
        let nodes = [
            Candidate { name: &names.0, address: "10.0.0.11", facts: cp },
            Candidate { name: &names.1, address: "10.0.0.21", facts: worker },
        ];
        plan(&spec(), &nodes, &BTreeMap::new())
    }

    fn ids(part: &Part<Action>) -> Vec<&str> {
        part.steps.iter().map(|s| s.id.0.as_str()).collect()
    }

    #[test]
    fn fresh_machines_become_a_cluster_and_a_cluster_stays() {
        let part = run(&facts(State::Fresh), &facts(State::Fresh));
        assert_eq!(ids(&part), ["cp1/kubeadm/prepare", "cp1/kubeadm/init", "kube1/kubeadm/join"]);
        assert!(part.steps[2].after.contains(&joined(&spec(), &name("cp1"))));
        let part = run(&facts(State::ControlPlane), &facts(State::Worker));
        assert!(part.steps.is_empty() && part.held.is_empty());
    }

    #[test]
    fn a_reset_takes_workers_first_and_leaves_others_alone() {
        let names = [name("cp1"), name("kube1"), name("kube2"), name("kube3")];
        let other = KubeadmFacts { cluster: Some("work".into()), ..facts(State::Worker) };
        let all = [facts(State::ControlPlane), facts(State::Begun), other, facts(State::Fresh)];
        let nodes: Vec<Candidate<'_>> = names.iter().zip(&all).map(|(name, facts)| Candidate { name, address: "a", facts }).collect();
        let part = super::reset(&spec(), &nodes);
        assert_eq!(ids(&part), ["kube1/kubeadm/reset", "cp1/kubeadm/reset"]);
        assert!(part.steps.iter().all(|s| s.risk == Risk::Destroys) && part.steps[1].after.len() == 3);
        assert!(part.held[0].reason.contains("cluster work"));
    }

    #[test]
    fn what_was_cut_off_is_taken_up_again() {
        let part = run(&facts(State::Begun), &facts(State::Begun));
        assert_eq!(ids(&part), ["cp1/kubeadm/prepare", "cp1/kubeadm/init", "kube1/kubeadm/join"]);
    }

    /// kubeadm init takes a certificate authority that is there, and no reset of its own takes CNI files away (kubeadm#1822): neither it nor a join runs.
    #[test]
    fn what_another_cluster_left_is_held_before_kubeadm_takes_it() {
        let files =
            ["/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/admin.conf", "/var/lib/etcd/member", "/etc/cni/net.d/05-cilium.conflist", "/x"];
        let left = KubeadmFacts { leftovers: files.map(str::to_owned).into(), ..facts(State::Fresh) };
        let part = run(&left, &facts(State::Fresh));
        assert!(!ids(&part).iter().any(|id| id.starts_with("cp1/")), "{:?}", ids(&part));
        assert!(
            part.held[0].object == "cp1/kubeadm"
                && part.held[0].reason.contains("/etc/kubernetes/pki/ca.crt")
                && part.held[0].reason.contains("and 1 more")
        );
        let part = run(&facts(State::ControlPlane), &left);
        assert!(part.steps.is_empty() && part.held[0].object == "kube1/kubeadm", "{part:?}");
        // Our own run that was cut off left as much.
        let own = KubeadmFacts { leftovers: vec![], ..facts(State::Begun) };
        assert_eq!(ids(&run(&own, &own)).len(), 3);
    }

    #[test]
    fn a_file_of_somebody_else_asks_before_ours_is_written_and_a_key_file_is_never_replaced() {
        let fresh = facts(State::Fresh);
        let spec = spec();
        for (path, node, step) in [
            ("/etc/kubestead/cluster", "cp1", "cp1/kubeadm/prepare"),
            ("/etc/kubernetes/adm/adm.yaml", "cp1", "cp1/kubeadm/prepare"),
            ("/etc/kubestead/cluster", "kube1", "kube1/kubeadm/join"),
        ] {
            let at = |seen: &KubeadmFacts| if node == "cp1" { run(seen, &fresh) } else { run(&facts(State::ControlPlane), seen) };
            let mut seen = fresh.clone();
            seen.files.foreign(path, "theirs\n");
            let part = at(&seen);
            let (adopt, writer) = (&part.steps[0], part.steps.iter().find(|s| s.id.0 == step).unwrap());
            assert!(adopt.id.0 == format!("{node}{path}/adopt") && adopt.needs_consent() && writer.after.contains(&adopt.id), "{part:?}");
            assert_eq!(super::super::fault(&seen, writer), None);
            let alone = Step { after: BTreeSet::new(), ..writer.clone() };
            assert!(super::super::fault(&seen, &alone).is_some_and(|why| why.contains("which is not ours")));
            let Action::Adoption(adoption) = &adopt.action else { panic!("{adopt:?}") };
            adoption.model(&mut seen.files);
            assert!(at(&seen).steps.iter().all(|s| !s.needs_consent()), "asked once");
            writer.action.writes().iter().for_each(|file| seen.files.put(file));
            seen.files.foreign(path, "edited\n");
            assert!(at(&seen).steps[0].why.contains("was changed since kubestead wrote it"));
            seen.files.found.insert(path.to_owned(), kubestead_core::put::Found::Other);
            let part = at(&seen);
            assert!(
                !ids(&part).contains(&step) && !ids(&part).contains(&"cp1/kubeadm/init") && part.held[0].reason.contains(path),
                "{part:?}"
            );
        }
        let mut same = fresh.clone();
        same.files = kubestead_core::put::Files::holding(&[spec.record(), spec.admission()]);
        same.files.written.clear();
        assert_eq!(ids(&run(&same, &fresh))[0], "cp1/kubeadm/record");
        let part = run(&KubeadmFacts { encryption: true, ..fresh.clone() }, &fresh);
        assert!(part.steps.is_empty() && part.held[0].reason.contains("enc.yaml is there and was not written by kubestead"), "{part:?}");
        let own = KubeadmFacts { encryption: true, cluster: Some("home".into()), ..fresh.clone() };
        assert_eq!(ids(&run(&own, &fresh))[..2], ["cp1/kubeadm/prepare", "cp1/kubeadm/init"], "our own run that was cut off");
        let mut link = own.clone();
        link.files.found.insert(ENCRYPTION.into(), kubestead_core::put::Found::Other);
        let part = run(&link, &fresh);
        assert!(part.steps.is_empty() && part.held[0].reason.contains("enc.yaml is a link"), "{part:?}");
        let other = KubeadmFacts { cluster: Some("work".into()), ..fresh.clone() };
        assert!(run(&other, &fresh).held[0].reason.contains("was prepared for the cluster work"));
    }

    #[test]
    fn other_clusters_nodes_are_held() {
        let strange = KubeadmFacts { cluster: None, ..facts(State::Worker) };
        let other = KubeadmFacts { cluster: Some("work".into()), ..facts(State::Worker) };
        let old = KubeadmFacts { ca: Some("b".repeat(64)), ..facts(State::Worker) };
        let busy = KubeadmFacts { ports: vec![10250], ..facts(State::Fresh) };
        for (worker, word) in [(strange, "did not make"), (other, "cluster work"), (old, "certificate authority"), (busy, "10250")] {
            let part = run(&facts(State::ControlPlane), &worker);
            assert!(part.steps.is_empty() && part.held[0].reason.contains(word), "{:?}", part.held);
        }
    }
}
