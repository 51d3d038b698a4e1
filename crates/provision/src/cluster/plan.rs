//! From the wanted objects and what the API has to steps.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::kube::ObjectRef;
use kubestead_core::name::HostName;
use kubestead_core::plan::{Held, Part, Risk, Step, StepId, Target};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::observe::{ApiFacts, MANAGED_BY, find, says};
use super::{flannel, namespace};
use crate::api::FIELD_MANAGER;
use crate::file::Namespace;

/// What can be done through the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Applies manifests, in order.
    Apply {
        /// The manifests.
        manifests: Vec<Value>,
    },
    /// Deletes objects that the file does not ask for any more.
    Delete {
        /// Which.
        objects: Vec<ObjectRef>,
    },
    /// Waits until the API server answers.
    Reach,
    /// Waits until nodes and the cluster's own workloads are ready.
    Wait {
        /// The nodes.
        nodes: Vec<HostName>,
        /// What the API tells of and is no more: the ids of boots and containers.
        gone: BTreeSet<String>,
    },
}

/// What shall be in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectsSpec {
    /// The range of pods' addresses.
    pub pods: String,
    /// The interfaces that flannel looks for, if not that of the default route.
    pub interfaces: Vec<String>,
    /// flannel's image, and that of its plugin.
    pub images: (String, String),
    /// StorageClasses and PersistentVolumes.
    pub storage: Vec<Value>,
    /// The users' namespace.
    pub namespace: Option<Namespace>,
    /// The nodes that are in or get in, by their names in Kubernetes, with their labels.
    pub nodes: BTreeMap<HostName, BTreeMap<String, String>>,
    /// The steps after which the API answers.
    pub after: BTreeSet<StepId>,
    /// The steps after which all nodes are in.
    pub joined: BTreeSet<StepId>,
}

/// The steps, and what is held.
pub fn plan(spec: &ObjectsSpec, facts: &Fact<ApiFacts>) -> Part<Action> {
    let mut part = Part::default();
    let none = ApiFacts { answers: true, unready: vec!["the cluster is not made yet".into()], ..ApiFacts::default() };
    let facts = match facts {
        Fact::Known(facts) => facts,
        Fact::Absent => &none,
        Fact::Unknown(gap) => {
            let hint = "nothing is done through an API that is not understood; look with kubectl on the control plane";
            part.held.push(Held::new("cluster/api", gap.to_string(), hint));
            return part;
        }
    };
    if !facts.answers {
        // After a boot it comes by itself.
        let why = "wait until the API server answers; what else is to do shows then";
        part.push(Step::new(Target::Cluster, "api", "reach", Action::Reach, why).after(spec.joined.clone()));
        return part;
    }
    let topics = [
        ("network", "flannel, the pods' network", flannel::manifests(&spec.pods, &spec.interfaces, &spec.images.0, &spec.images.1)),
        ("storage", "storage classes and persistent volumes", spec.storage.clone()),
        ("namespace", "the users' namespace, accounts and rights", spec.namespace.as_ref().map(namespace::manifests).unwrap_or_default()),
    ];
    let mut wanted = BTreeSet::new();
    for (topic, why, manifests) in topics {
        let manifests: Vec<Value> = manifests.into_iter().map(labelled).collect();
        wanted.extend(manifests.iter().map(ObjectRef::of));
        let differs = |m: &Value| find(&facts.objects, &ObjectRef::of(m)).is_none_or(|live| !says(live, m));
        let manifests: Vec<Value> = manifests.into_iter().filter(differs).collect();
        if !manifests.is_empty() {
            let why = format!("{why}: {} objects", manifests.len());
            part.push(Step::new(Target::Cluster, topic, "apply", Action::Apply { manifests }, why).after(spec.after.clone()));
        }
    }
    labels(spec, facts, &mut part);
    ready(spec, facts, &mut part);
    leftovers(facts, &wanted, &mut part);
    part
}

fn labelled(mut manifest: Value) -> Value {
    manifest["metadata"]["labels"][MANAGED_BY] = FIELD_MANAGER.into();
    manifest
}

fn labels(spec: &ObjectsSpec, facts: &ApiFacts, part: &mut Part<Action>) {
    let mut manifests = Vec::new();
    for (name, wanted) in &spec.nodes {
        let fits = facts.nodes.get(name.as_str()).is_some_and(|node| {
            node.owned.iter().all(|key| wanted.contains_key(key)) && wanted.iter().all(|(k, v)| node.labels.get(k) == Some(v))
        });
        if !fits {
            manifests.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name.as_str(), "labels": wanted}}));
        }
    }
    if !manifests.is_empty() {
        let step = Step::new(Target::Cluster, "labels", "apply", Action::Apply { manifests }, "labels of nodes");
        part.push(step.after(spec.joined.clone()));
    }
}

fn ready(spec: &ObjectsSpec, facts: &ApiFacts, part: &mut Part<Action>) {
    let waiting: Vec<String> =
        spec.nodes.keys().filter(|n| !facts.nodes.get(n.as_str()).is_some_and(|s| s.ready)).map(HostName::to_string).collect();
    let what = [waiting, facts.unready.clone()].concat();
    if !what.is_empty() {
        let action = Action::Wait { nodes: spec.nodes.keys().cloned().collect(), gone: facts.gone.clone() };
        let step = Step::new(Target::Cluster, "nodes", "ready", action, format!("wait until all is ready: {}", what.join(", ")));
        let network = StepId::new("cluster", "network", "apply");
        part.push(step.after(spec.joined.clone()).after([network]));
    }
}

/// Objects of ours that the file does not ask for. A volume that is bound keeps its claim's data reachable: it is held.
fn leftovers(facts: &ApiFacts, wanted: &BTreeSet<ObjectRef>, part: &mut Part<Action>) {
    // What is new must be there before the old goes.
    let after = ["network", "storage", "namespace"].map(|topic| StepId::new("cluster", topic, "apply"));
    let mut objects = Vec::new();
    for live in &facts.objects {
        let reference = ObjectRef::of(live);
        if wanted.contains(&reference) {
            continue;
        }
        match reference.kind.as_str() {
            "PersistentVolume" if live["phase"] == "Bound" => {
                let hint = "delete its claim first, or keep the pool in the file";
                part.held.push(Held::new(
                    format!("cluster/{}", reference.name),
                    "the file does not name this volume any more, and a claim is bound to it",
                    hint,
                ));
            }
            "Namespace" => {
                let why = format!("delete namespace {} with all that is in it", reference.name);
                let action = Action::Delete { objects: vec![reference.clone()] };
                let step = Step::new(Target::Cluster, &format!("namespace.{}", reference.name), "delete", action, why);
                part.push(step.risk(Risk::Destroys).after(after.clone()));
            }
            _ => objects.push(reference),
        }
    }
    if !objects.is_empty() {
        let why = format!(
            "delete what the file does not name any more: {}",
            objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        );
        let step = Step::new(Target::Cluster, "leftovers", "delete", Action::Delete { objects }, why);
        part.push(step.risk(Risk::Disrupts).after(after));
    }
}

#[cfg(test)]
mod tests {
    use kubestead_core::name::Name;

    use super::super::observe::NodeState;
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn spec() -> ObjectsSpec {
        ObjectsSpec {
            pods: "10.244.0.0/16".into(),
            interfaces: vec![],
            images: ("f:1".into(), "p:1".into()),
            storage: vec![
                json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {"capacity": {"storage": "1Gi"}}}),
            ],
            namespace: Some(Namespace { name: name("apps"), users: vec![name("apps-user")] }),
            nodes: BTreeMap::from([((&name("cp1")).into(), BTreeMap::from([("zone".to_owned(), "a".to_owned())]))]),
            after: BTreeSet::new(),
            joined: BTreeSet::new(),
        }
    }

    /// What the API has after the steps.
    fn applied(part: &Part<Action>) -> ApiFacts {
        let manifests = part.steps.iter().filter_map(|s| match &s.action {
            Action::Apply { manifests } => Some(manifests.clone()),
            Action::Delete { .. } | Action::Reach | Action::Wait { .. } => None,
        });
        let objects: Vec<Value> = manifests.flatten().filter(|m| m["kind"] != "Node").collect();
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned()), ("other".to_owned(), "b".to_owned())]);
        let node = NodeState { ready: true, message: String::new(), labels, owned: BTreeSet::from(["zone".to_owned()]) };
        ApiFacts { answers: true, objects, nodes: BTreeMap::from([("cp1".to_owned(), node)]), ..ApiFacts::default() }
    }

    #[test]
    fn all_is_planned_once_and_then_nothing() {
        let part = plan(&spec(), &Fact::Absent);
        let ids: Vec<&str> = part.steps.iter().map(|s| s.id.0.as_str()).collect();
        assert_eq!(
            ids,
            ["cluster/network/apply", "cluster/storage/apply", "cluster/namespace/apply", "cluster/labels/apply", "cluster/nodes/ready"]
        );
        let again = plan(&spec(), &Fact::Known(applied(&part)));
        assert!(again.steps.is_empty() && again.held.is_empty(), "{again:?}");
    }

    #[test]
    fn leftovers_go_and_bound_volumes_and_namespaces_do_not_go_by_themselves() {
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        let fewer = ObjectsSpec { storage: vec![], namespace: None, ..spec() };
        facts.objects.iter_mut().filter(|o| o["kind"] == "PersistentVolume").for_each(|o| o["phase"] = "Bound".into());
        let part = plan(&fewer, &Fact::Known(facts));
        assert!(part.held[0].object.contains("cluster/v"));
        let risks: Vec<(&str, Risk)> = part.steps.iter().map(|s| (s.id.0.as_str(), s.risk)).collect();
        assert_eq!(risks, [("cluster/namespace.apps/delete", Risk::Destroys), ("cluster/leftovers/delete", Risk::Disrupts)]);
    }

    #[test]
    fn an_api_that_does_not_answer_is_waited_for_and_a_refusal_is_held() {
        let part = plan(&spec(), &Fact::Known(ApiFacts::default()));
        assert!(matches!(part.steps.as_slice(), [Step { action: Action::Reach, .. }]));
        let part = plan(&spec(), &Fact::Unknown(kubestead_core::fact::Gap::new("the API server answers 403")));
        assert!(part.steps.is_empty() && part.held[0].reason.contains("403"));
    }
}
