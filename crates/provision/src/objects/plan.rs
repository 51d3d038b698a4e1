//! From what shall be in the cluster and what the API has: what is applied, what asks, what goes.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::kube::ObjectRef;
use kubestead_core::name::HostName;
use kubestead_core::plan::{Held, Part, StepId, Target};

use super::action::Action;
use super::ids;
use super::judge::{There, some};
use super::leftovers::Leftovers;
use super::object::same_name;
use super::observe::ApiFacts;
use super::pods::Beyond;
use super::spec::ObjectsSpec;
use super::topic::Planned;
use super::topics;
use crate::file::Namespace;

/// The steps, and what is held.
pub fn plan(spec: &ObjectsSpec, facts: &Fact<ApiFacts>) -> Part<Action> {
    let mut part = Part::default();
    let none = ApiFacts { answers: true, unready: vec!["the cluster is not made yet".into()], ..ApiFacts::default() };
    let facts = match facts {
        Fact::Known(facts) => facts,
        Fact::Absent => &none,
        Fact::Unknown(gap) => {
            let hint = "nothing is done through an API that is not understood; look with kubectl on the control plane";
            part.held.push(Held::cluster("api", gap.to_string(), hint));
            return part;
        }
    };
    let topics = topics::all(spec);
    part.held.extend(topics.iter().flat_map(|topic| topic.held.iter().cloned()));
    if !facts.answers {
        // After a boot it comes by itself.
        let why = "wait until the API server answers; what else is to do shows then";
        part.push(ids::REACH.step(Target::Cluster, Action::Reach, why).after(spec.joined.clone()));
        return part;
    }
    let there = There::of(facts);
    let mut old = Leftovers { elsewhere: spec.asked.iter().map(same_name).collect(), ..Leftovers::default() };
    let (mut waits, mut stuck) = (spec.joined.clone(), false);
    let mut done: BTreeMap<&'static str, Planned> = BTreeMap::new();
    for mut topic in topics {
        let before = old.wanted.len();
        old.wanted.extend(topic.objects());
        // What is new must be there before the old goes.
        if old.wanted.len() > before {
            old.after.insert(ids::applied(topic.name));
        }
        if topic.name == ids::POD_SECURITY {
            topic.cost = spec.namespace.as_ref().and_then(|namespace| cost(&refusals(namespace, facts)));
        }
        let (name, ready) = (topic.name, topic.ready);
        let first = topic.needs.and_then(|needs| done.get(needs).cloned()).unwrap_or_default();
        let planned = if first.stuck {
            part.held.push(Held::cluster(name, format!("it needs {}, which is held", topic.needs.unwrap_or_default()), "fix that first"));
            Planned { after: BTreeSet::new(), stuck: true }
        } else {
            topic.after.extend(first.after);
            topic.plan(&there, &mut part)
        };
        if ready {
            waits.extend(planned.after.iter().cloned());
            stuck |= planned.stuck;
        }
        done.insert(name, planned);
    }
    if !stuck {
        ready(spec, facts, waits, &mut part);
    }
    old.relabelled = done.remove(ids::NAMESPACE).unwrap_or_default();
    old.plan(facts, &mut part);
    part
}

/// What pods of the users' namespace take beyond what the file grants, a sentence each: they run on, and are refused when they are made anew.
pub fn refusals(namespace: &Namespace, facts: &ApiFacts) -> Vec<String> {
    let (Some(policy), Some(pods)) = (&namespace.pod_security, &facts.pods) else { return Vec::new() };
    let words = |found: &Beyond| {
        let refused: Vec<String> = found.refused(policy).into_iter().map(ToString::to_string).collect();
        (!refused.is_empty()).then(|| format!("{}/{} of account {}: {}", namespace.name, found.pod, found.account, some(&refused)))
    };
    pods.beyond.iter().filter_map(words).collect()
}

fn cost(refusals: &[String]) -> Option<String> {
    let pods = if refusals.len() == 1 { "1 pod runs".to_owned() } else { format!("{} pods run", refusals.len()) };
    (!refusals.is_empty()).then(|| format!("{pods} now that it refuses when made anew: {}", some(refusals)))
}

/// The names of all objects that the file asks for: whoever made one of them, it is looked at.
pub fn names(spec: &ObjectsSpec) -> Vec<ObjectRef> {
    topics::all(spec).iter().flat_map(|topic| topic.objects().collect::<Vec<_>>()).collect()
}

fn ready(spec: &ObjectsSpec, facts: &ApiFacts, after: BTreeSet<StepId>, part: &mut Part<Action>) {
    let waiting: Vec<String> =
        spec.nodes.keys().filter(|n| !facts.nodes.get(n.as_str()).is_some_and(|s| s.ready)).map(HostName::to_string).collect();
    let what = [waiting, facts.unready.clone()].concat();
    if !what.is_empty() {
        let action = Action::Wait { nodes: spec.nodes.keys().cloned().collect(), gone: facts.gone.clone() };
        let why = format!("wait until all is ready: {}", what.join(", "));
        part.push(ids::READY.step(Target::Cluster, action, why).after(after));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use kubestead_core::name::Name;
    use serde_json::{Value, json};

    use kubestead_core::plan::{Risk, Step};

    use super::super::ids::adopted;
    use super::super::object::{ADOPTED, Live};
    use super::super::observe::{NodeState, Pods};
    use super::super::pods::Use;
    use super::*;
    use crate::file::{Account, Grants, PodSecurity};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    pub(crate) fn spec() -> ObjectsSpec {
        ObjectsSpec {
            pods: "10.244.0.0/16".into(),
            endpoint: "10.0.0.1:6443".into(),
            interfaces: vec![],
            backend: crate::file::Backend::Vxlan { mtu: None },
            images: ("f:1".into(), "p:1".into()),
            storage: vec![
                json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "pool"}, "provisioner": "p"}),
                json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {"capacity": {"storage": "1Gi"}}}),
            ],
            namespace: Some(Namespace {
                users: vec![name("apps-user")],
                quota: BTreeMap::from([("pods", "100".to_owned())]),
                pod_security: Some(PodSecurity::default()),
                ..Namespace::new(name("apps"))
            }),
            logins: BTreeSet::new(),
            nodes: BTreeMap::from([((&name("cp1")).into(), BTreeMap::from([("zone".to_owned(), "a".to_owned())]))]),
            annotations: BTreeMap::new(),
            asked: BTreeSet::new(),
            after: BTreeSet::new(),
            joined: BTreeSet::new(),
        }
    }

    /// What the API has after the steps.
    fn applied(part: &Part<Action>) -> ApiFacts {
        let manifests = part.steps.iter().flat_map(|s| match &s.action {
            Action::Apply { manifests } => manifests.clone(),
            Action::Take { manifest, .. } | Action::Label { manifest, .. } => vec![manifest.clone()],
            Action::Delete { .. } | Action::Reach | Action::Wait { .. } => vec![],
        });
        let objects = manifests.filter(|m| m["kind"] != "Node").map(|m| live(m, &[("kubestead", "Apply")])).collect();
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned()), ("other".to_owned(), "b".to_owned())]);
        let node = NodeState { ready: true, labels, owned: BTreeSet::from(["zone".to_owned()]), ..NodeState::default() };
        ApiFacts { answers: true, objects, nodes: BTreeMap::from([("cp1".to_owned(), node)]), ..ApiFacts::default() }
    }

    /// A manifest as the API has it, applied by these managers.
    fn live(mut manifest: Value, by: &[(&str, &str)]) -> Live {
        let (version, kind) = (manifest["apiVersion"].clone(), manifest["kind"].clone());
        let fields = kubestead_core::fields::claimed(&manifest);
        manifest["metadata"]["uid"] = "u".into();
        let entry = |(manager, operation): &(&str, &str)| json!({"manager": manager, "operation": operation, "fieldsV1": fields});
        manifest["metadata"]["managedFields"] = by.iter().map(entry).collect();
        Live::read(version.as_str().unwrap(), kind.as_str().unwrap(), manifest).unwrap()
    }

    fn ids(part: &Part<Action>) -> Vec<&str> {
        part.steps.iter().map(|s| s.id.0.as_str()).collect()
    }

    fn step<'a>(part: &'a Part<Action>, id: &str) -> &'a Step<Action> {
        part.steps.iter().find(|s| s.id.0 == id).unwrap_or_else(|| panic!("no {id} in {:?}: {:?}", ids(part), part.held))
    }

    /// The facts of a cluster where all is as the file says, but for one object.
    fn but(kind: &str, change: impl Fn(&mut Live)) -> ApiFacts {
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        facts.objects.iter_mut().filter(|o| o.object.kind == kind).for_each(change);
        facts
    }

    #[test]
    fn all_is_planned_once_and_then_nothing() {
        let part = plan(&spec(), &Fact::Absent);
        assert_eq!(
            ids(&part),
            [
                "cluster/network/apply",
                "cluster/pod-security/apply",
                "cluster/storage/apply",
                "cluster/namespace/apply",
                "cluster/labels/apply",
                "cluster/nodes/ready"
            ]
        );
        let again = plan(&spec(), &Fact::Known(applied(&part)));
        assert!(again.steps.is_empty() && again.held.is_empty(), "{again:?}");
    }

    /// Every kind that we apply, made by somebody else: nothing is taken without a yes, and nothing that needs it is done before.
    #[test]
    fn what_somebody_else_made_asks_by_name_whatever_its_kind() {
        let mut kinds = BTreeSet::new();
        for name in names(&spec()) {
            kinds.insert(name.kind.clone());
            let mut facts = applied(&plan(&spec(), &Fact::Absent));
            facts.objects.iter_mut().filter(|o| o.object == name).for_each(|o| {
                o.ours = false;
                o.others.insert("helm".into(), json!({}));
            });
            let part = plan(&spec(), &Fact::Known(facts));
            let [only] = part.steps.as_slice() else { panic!("{name}: {:?}", ids(&part)) };
            assert_eq!(only.id, adopted(&name));
            assert!(only.needs_consent() && only.risk == Risk::Safe, "{only:?}");
            assert!(
                only.why.contains(&name.to_string())
                    && only.why.contains("helm")
                    && only.why.contains("ConfigMap kube-system/kubestead-copy-")
            );
        }
        assert_eq!(kinds.len(), 14, "every kind that we apply: {kinds:?}");
    }

    #[test]
    fn what_lies_in_a_foreign_namespace_waits_for_the_yes_to_it() {
        let mut facts = but("Namespace", |o| {
            if o.object.name == "apps" {
                o.ours = false;
                o.content["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged".into();
            }
        });
        facts.objects.retain(|o| o.object.kind != "RoleBinding");
        facts.objects.iter_mut().filter(|o| o.object.kind == "LimitRange").for_each(|o| o.ours = false);
        let part = plan(&spec(), &Fact::Known(facts));
        assert_eq!(ids(&part), ["cluster/namespace.apps/adopt", "cluster/limitrange.apps.defaults/adopt", "cluster/namespace/apply"]);
        let adopt = step(&part, "cluster/namespace.apps/adopt");
        assert!(adopt.why.contains("enforce from privileged to baseline"), "{}", adopt.why);
        assert!(step(&part, "cluster/limitrange.apps.defaults/adopt").after.contains(&adopt.id));
        assert!(step(&part, "cluster/namespace/apply").after.contains(&adopt.id));
    }

    #[test]
    fn volumes_do_not_wait_for_each_other_and_do_for_their_class() {
        let volume = |name: &str| json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {"local": {"path": "/v"}}});
        let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "pool"}, "provisioner": "p"});
        let spec = ObjectsSpec { storage: vec![class.clone(), volume("a"), volume("b")], ..spec() };
        let mut facts = applied(&plan(&spec, &Fact::Absent));
        facts.objects.retain(|o| o.object.name != "b");
        facts.objects.iter_mut().filter(|o| o.object.name == "a").for_each(|o| o.ours = false);
        let part = plan(&spec, &Fact::Known(facts.clone()));
        assert_eq!(ids(&part), ["cluster/persistentvolume.a/adopt", "cluster/storage/apply"]);
        assert!(step(&part, "cluster/storage/apply").after.is_empty());
        facts.objects.iter_mut().filter(|o| o.object.name == "pool").for_each(|o| o.ours = false);
        let part = plan(&spec, &Fact::Known(facts));
        assert!(step(&part, "cluster/storage/apply").after.contains(&StepId("cluster/storageclass.pool/adopt".into())));
    }

    #[test]
    fn what_can_never_change_is_held_and_so_is_what_needs_it() {
        let mut facts = but("RoleBinding", |o| {
            o.ours = false;
            o.content["roleRef"]["name"] = "admin".into();
        });
        facts.objects.retain(|o| o.object.kind != "LimitRange");
        let part = plan(&spec(), &Fact::Known(facts));
        assert!(part.steps.is_empty(), "{:?}", ids(&part));
        assert_eq!(part.held[0].object, "cluster/rolebinding.apps.apps-full-access");
        assert!(part.held[0].reason.contains("roleRef") && part.held[1].object == "cluster/namespace", "{:?}", part.held);
        let part = plan(&spec(), &Fact::Known(but("DaemonSet", |o| o.content["spec"]["selector"]["matchLabels"]["app"] = "x".into())));
        assert!(part.steps.is_empty() && part.held[0].reason.starts_with("its spec.selector"), "ours too: {:?}", part.held);
        let part = plan(&spec(), &Fact::Known(but("Namespace", |o| o.deleting = true)));
        assert!(part.steps.is_empty() && part.held.iter().all(|h| h.reason == "it is being deleted"), "{:?}", part.held);
    }

    #[test]
    fn a_field_that_somebody_else_set_in_ours_asks_and_one_that_nobody_claims_does_not() {
        let claims = json!({"f:metadata": {"f:labels": {"f:pod-security.kubernetes.io/enforce": {}}}});
        let change = |o: &mut Live| {
            if o.object.name == "apps" {
                o.content["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted".into();
            }
        };
        let part = plan(&spec(), &Fact::Known(but("Namespace", change)));
        assert_eq!(ids(&part), ["cluster/namespace/apply"]);
        let argo = |o: &mut Live| {
            change(o);
            o.others.insert("argocd-controller".into(), claims.clone());
        };
        let part = plan(&spec(), &Fact::Known(but("Namespace", argo)));
        let only = step(&part, "cluster/namespace.apps/overwrite");
        assert!(part.steps.len() == 1 && only.needs_consent() && only.why.contains("(set by argocd-controller)"), "{:?}", part.steps);
        let agrees = |o: &mut Live| {
            o.others.insert("argocd-controller".into(), claims.clone());
        };
        assert!(plan(&spec(), &Fact::Known(but("Namespace", agrees))).steps.is_empty(), "who sets the same is no enemy");
    }

    /// A container that somebody added to flannel's pods would stay, and no plan would ever be empty.
    #[test]
    fn what_others_added_to_a_list_of_ours_is_held_and_not_applied_for_ever() {
        let claims = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"extra\"}": {".": {}, "f:image": {}}}}}}});
        let part = plan(
            &spec(),
            &Fact::Known(but("DaemonSet", |o| {
                o.content["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "extra", "image": "x"}));
                o.others.insert("kubectl-edit".into(), claims.clone());
            })),
        );
        assert!(part.steps.is_empty(), "{:?}", ids(&part));
        assert!(part.held[0].reason.contains(".spec.template.spec.containers[\"extra\"] (set by kubectl-edit)"), "{:?}", part.held);
    }

    #[test]
    fn a_label_of_a_node_that_somebody_else_set_asks() {
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        let node = facts.nodes.get_mut("cp1").unwrap();
        node.labels.insert("zone".into(), "b".into());
        node.owned.clear();
        assert_eq!(ids(&plan(&spec(), &Fact::Known(facts.clone()))), ["cluster/labels/apply"], "nobody claims it");
        facts.nodes.get_mut("cp1").unwrap().others.insert("zone".into(), "kubectl-label".into());
        let part = plan(&spec(), &Fact::Known(facts));
        let only = step(&part, "cluster/labels.cp1/overwrite");
        assert!(part.steps.len() == 1 && only.needs_consent() && only.why.contains("kubectl-label"), "{:?}", part.steps);
    }

    #[test]
    fn annotations_of_a_node_come_and_go_with_the_file_and_those_of_others_ask() {
        let rack = |rack: &str| BTreeMap::from([("rack".to_owned(), rack.to_owned())]);
        let noted = ObjectsSpec { annotations: BTreeMap::from([((&name("cp1")).into(), rack("7"))]), ..spec() };
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        let part = plan(&noted, &Fact::Known(facts.clone()));
        assert_eq!(ids(&part), ["cluster/labels/apply"]);
        super::super::model(&part.steps[0].action, &mut facts);
        assert!(plan(&noted, &Fact::Known(facts.clone())).steps.is_empty());
        assert_eq!(ids(&plan(&spec(), &Fact::Known(facts.clone()))), ["cluster/labels/apply"], "it goes");
        let own = &mut facts.nodes.get_mut("cp1").unwrap().annotations;
        (own.values, own.owned) = (rack("8"), BTreeSet::new());
        own.others.insert("rack".into(), "kubectl-annotate".into());
        let part = plan(&noted, &Fact::Known(facts));
        let only = step(&part, "cluster/labels.cp1/overwrite");
        assert!(part.steps.len() == 1 && only.needs_consent() && only.why.contains("rack is \"8\" (set by kubectl-annotate)"), "{only:?}");
    }

    #[test]
    fn a_namespace_of_kubernetes_is_never_taken() {
        for system in ["kube-system", "default", "kube-public", "kube-node-lease", "kube-flannel"] {
            let spec = ObjectsSpec { namespace: Some(Namespace { users: vec![name("u")], ..Namespace::new(name(system)) }), ..spec() };
            let part = plan(&spec, &Fact::Absent);
            assert!(!ids(&part).contains(&"cluster/namespace/apply") && part.held[0].reason.contains(system), "{part:?}");
        }
        // One that an older kubestead took is not deleted when the file names another.
        let system = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}});
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        facts.objects.push(live(system, &[("kubestead", "Apply")]));
        let part = plan(&spec(), &Fact::Known(facts));
        assert!(part.steps.is_empty() && part.held[0].object == "cluster/namespace.kube-system");
    }

    #[test]
    fn leftovers_go_and_bound_volumes_namespaces_and_what_was_adopted_do_not_go_by_themselves() {
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        let fewer = ObjectsSpec { storage: vec![], namespace: None, ..spec() };
        facts.objects.iter_mut().filter(|o| o.object.kind == "PersistentVolume").for_each(|o| o.content["phase"] = "Bound".into());
        facts
            .objects
            .iter_mut()
            .filter(|o| o.object.kind == "LimitRange")
            .for_each(|o| o.content["metadata"]["annotations"][ADOPTED] = "copy".into());
        let part = plan(&fewer, &Fact::Known(facts));
        assert_eq!(part.held[0].object, "cluster/persistentvolume.v");
        let risks: Vec<(&str, Risk)> = part.steps.iter().map(|s| (s.id.0.as_str(), s.risk)).collect();
        assert_eq!(
            risks,
            [
                ("cluster/namespace.apps/delete", Risk::Destroys),
                ("cluster/limitrange.apps.defaults/delete", Risk::Destroys),
                ("cluster/leftovers/delete", Risk::Disrupts),
                ("cluster/pod-security/delete", Risk::Disrupts)
            ]
        );
        let Action::Delete { objects } = &part.steps[2].action else { panic!("{:?}", part.steps[2]) };
        assert!(objects.iter().all(|on| on.uid == "u" && on.digest.len() == 64));
    }

    /// With a grant, so that the namespace is open and the policies alone hold its pods.
    fn granted() -> ObjectsSpec {
        let account = Account::Some(Grants { network: true, ..Grants::default() });
        let policy = PodSecurity { accounts: BTreeMap::from([(name("apps-net"), account)]), ..PodSecurity::default() };
        ObjectsSpec { namespace: Some(Namespace { pod_security: Some(policy), ..Namespace::new(name("apps")) }), ..spec() }
    }

    const OPENED: &str = "pod-security.kubernetes.io/enforce";

    #[test]
    fn a_namespace_is_opened_after_its_policies_and_not_while_they_are_held() {
        let part = plan(&granted(), &Fact::Absent);
        let opened = step(&part, "cluster/namespace/apply");
        let Action::Apply { manifests } = &opened.action else { panic!("{opened:?}") };
        assert_eq!(manifests[0]["metadata"]["labels"][OPENED], "privileged");
        assert!(opened.after.contains(&step(&part, "cluster/pod-security/apply").id), "{:?}", opened.after);
        // One that somebody else made: the namespace waits for the yes to it.
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        facts.objects.iter_mut().filter(|o| o.object.kind == "ValidatingAdmissionPolicyBinding").for_each(|o| o.ours = false);
        let part = plan(&granted(), &Fact::Known(facts.clone()));
        let adopt = StepId("cluster/validatingadmissionpolicybinding.kubestead-pods-apps/adopt".into());
        assert!(step(&part, "cluster/namespace/apply").after.contains(&adopt), "{part:?}");
        facts.objects.iter_mut().filter(|o| o.object.kind == "ValidatingAdmissionPolicyBinding").for_each(|o| o.deleting = true);
        let part = plan(&granted(), &Fact::Known(facts));
        assert!(!ids(&part).contains(&"cluster/namespace/apply"), "{:?}", ids(&part));
        assert!(part.held.iter().any(|held| held.object == "cluster/namespace" && held.reason.contains("pod-security")), "{:?}", part.held);
    }

    #[test]
    fn the_policies_of_an_open_namespace_go_when_it_is_closed_or_gone() {
        let facts = applied(&plan(&granted(), &Fact::Absent));
        let bare = ObjectsSpec { namespace: Some(Namespace::new(name("apps"))), ..spec() };
        let part = plan(&bare, &Fact::Known(facts.clone()));
        let gone = step(&part, "cluster/pod-security/delete");
        assert!(gone.after.contains(&step(&part, "cluster/namespace/apply").id));
        let Action::Delete { objects } = &gone.action else { panic!("{gone:?}") };
        let kinds: Vec<&str> = objects.iter().map(|on| on.object.kind.as_str()).collect();
        let [binding, policy] = ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"];
        assert_eq!(kinds, [binding, binding, policy, policy, "ConfigMap", "ConfigMap"], "none needs one that is gone");
        // Somebody else opened it, which asks: the policies wait for the yes to that.
        let mut theirs = facts.clone();
        let claims = json!({"f:metadata": {"f:labels": {format!("f:{OPENED}"): {}}}});
        theirs
            .objects
            .iter_mut()
            .filter(|o| o.object.kind == "Namespace")
            .for_each(|o| drop(o.others.insert("argo".into(), claims.clone())));
        let part = plan(&bare, &Fact::Known(theirs));
        let overwrite = StepId("cluster/namespace.apps/overwrite".into());
        assert!(step(&part, "cluster/pod-security/delete").after.contains(&overwrite), "{part:?}");
        // A namespace that cannot be closed keeps them.
        let mut stuck = facts.clone();
        stuck.objects.iter_mut().filter(|o| o.object.kind == "LimitRange").for_each(|o| o.deleting = true);
        let part = plan(&bare, &Fact::Known(stuck));
        assert!(!ids(&part).contains(&"cluster/pod-security/delete"), "{:?}", ids(&part));
        assert!(part.held.iter().any(|held| held.object == "cluster/pod-security"), "{:?}", part.held);
        // Another namespace in the file: the old one goes by consent, and its policies after it.
        let moved = ObjectsSpec { namespace: Some(Namespace::new(name("team"))), ..spec() };
        let part = plan(&moved, &Fact::Known(facts));
        let deleted = &step(&part, "cluster/namespace.apps/delete").id;
        assert!(step(&part, "cluster/pod-security/delete").after.contains(deleted));
    }

    #[test]
    fn pods_that_would_be_refused_are_named_by_the_step_that_applies_the_policies() {
        let taken = |pod: &str, account: &str, uses: &[Use]| Beyond {
            pod: pod.into(),
            account: account.into(),
            uses: uses.iter().cloned().collect(),
        };
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        let etc = Use::HostPath { path: "/etc".into(), writes: true };
        let beyond = vec![taken("old", "default", &[etc, Use::HostNetwork]), taken("net", "apps-net", &[Use::HostNetwork])];
        facts.pods = Some(Pods { beyond, more: false });
        let part = plan(&granted(), &Fact::Known(facts.clone()));
        let policies = step(&part, "cluster/pod-security/apply");
        assert_eq!(policies.risk, Risk::Disrupts);
        assert!(
            policies.why.contains(
                "1 pod runs now that it refuses when made anew: apps/old of account default: hostPath /etc to write, hostNetwork"
            )
        );
        assert!(!policies.why.contains("apps/net"), "{}", policies.why);
        facts.pods = None;
        assert_eq!(step(&plan(&granted(), &Fact::Known(facts)), "cluster/pod-security/apply").risk, Risk::Safe);
    }

    #[test]
    fn what_is_of_a_service_is_no_leftover_of_a_topic() {
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop", "labels": {}}});
        facts.objects.push(live(manifest.clone(), &[("kubestead", "Apply")]));
        let ids_of = |facts: &ApiFacts| plan(&spec(), &Fact::Known(facts.clone())).steps.len();
        assert_eq!(ids_of(&facts), 1, "without the label it is one");
        for label in [crate::objects::SERVICE, crate::objects::RECORD] {
            facts.objects.last_mut().unwrap().content["metadata"]["labels"] = json!({label: "shop"});
            assert_eq!(ids_of(&facts), 0);
        }
        // Nor is what moved there, before it has the label.
        facts.objects.last_mut().unwrap().content["metadata"]["labels"] = json!({});
        let asked = ObjectsSpec { asked: [ObjectRef::of(&manifest)].into(), ..spec() };
        assert!(plan(&asked, &Fact::Known(facts)).steps.is_empty());
    }

    #[test]
    fn a_namespace_that_moved_to_a_service_keeps_its_policies_while_it_is_open() {
        let mut facts = applied(&plan(&granted(), &Fact::Absent));
        let namespace = ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: String::new(), name: "apps".into() };
        let moved = ObjectsSpec { namespace: None, asked: [namespace.clone()].into(), ..spec() };
        let part = plan(&moved, &Fact::Known(facts.clone()));
        assert!(ids(&part).iter().all(|id| !["cluster/namespace.apps/delete", "cluster/pod-security/delete"].contains(id)), "{part:?}");
        assert!(part.held.iter().any(|held| held.object == "cluster/pod-security" && held.reason.contains("still open")), "{part:?}");
        let live = facts.objects.iter_mut().find(|live| live.object == namespace).unwrap();
        live.content["metadata"]["labels"][crate::objects::SERVICE] = "shop".into();
        assert!(ids(&plan(&moved, &Fact::Known(facts))).contains(&"cluster/pod-security/delete"), "the service says how open it is");
    }

    #[test]
    fn what_was_adopted_stays_known_as_such() {
        let part = plan(&spec(), &Fact::Known(but("LimitRange", |o| o.ours = false)));
        let mut facts = applied(&plan(&spec(), &Fact::Absent));
        let taken = applied(&part).objects.remove(0);
        assert!(taken.adopted().is_some_and(|copy| copy.starts_with("kubestead-copy-")));
        facts.objects.retain(|o| o.object != taken.object);
        facts.objects.push(taken.clone());
        assert!(plan(&spec(), &Fact::Known(facts.clone())).steps.is_empty(), "and nothing more is to do");
        facts.objects.last_mut().unwrap().content["spec"]["limits"] = json!([]);
        let part = plan(&spec(), &Fact::Known(facts));
        let Action::Apply { manifests } = &step(&part, "cluster/namespace/apply").action else { panic!("{part:?}") };
        assert_eq!(manifests[0]["metadata"]["annotations"][ADOPTED].as_str(), taken.adopted());
    }

    /// Planning looks each object up once: twice as many need a little more than twice as many comparisons.
    #[test]
    fn ten_thousand_volumes_are_looked_up_and_not_searched() {
        use super::super::object::tests::COMPARED;
        let compared = |count: usize| {
            let volume = |n: usize| json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("v{n:05}")}});
            let spec = ObjectsSpec { storage: (0..count).map(volume).collect(), namespace: None, ..spec() };
            let facts = applied(&plan(&spec, &Fact::Absent));
            let before = COMPARED.get();
            let part = plan(&spec, &Fact::Known(facts));
            assert!(part.steps.is_empty(), "{:?}", ids(&part));
            COMPARED.get() - before
        };
        let (half, whole) = (compared(5_000), compared(10_000));
        assert!(whole > 10_000 && whole < half * 5 / 2, "{half} and {whole}");
        assert!(whole < 10_000 * 64, "{whole}");
    }

    #[test]
    fn an_api_that_does_not_answer_is_waited_for_and_a_refusal_is_held() {
        let part = plan(&spec(), &Fact::Known(ApiFacts::default()));
        assert!(matches!(part.steps.as_slice(), [Step { action: Action::Reach, .. }]));
        let part = plan(&spec(), &Fact::Unknown(kubestead_core::fact::Gap::new("the API server answers 403")));
        assert!(part.steps.is_empty() && part.held[0].reason.contains("403"));
    }
}
