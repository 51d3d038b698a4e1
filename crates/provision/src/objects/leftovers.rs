//! What is ours and the file does not ask for any more.

use std::collections::BTreeSet;

use kubestead_core::kube::ObjectRef;
use kubestead_core::plan::{Held, Part, Risk, StepId, Target};

use super::action::Action;
use super::fixed::is_system_namespace;
use super::object::{COPIES, Live, same_name};
use super::observe::ApiFacts;
use super::topic::Planned;
use super::topics::{LEVEL, OPEN, guarded, rank};
use super::{ids, namespaces};

/// What decides of what is left over.
#[derive(Default)]
pub(super) struct Leftovers {
    /// The objects that the file asks for.
    pub wanted: BTreeSet<ObjectRef>,
    /// The names of those that services ask for.
    pub elsewhere: BTreeSet<(String, String, String, String)>,
    /// The steps before anything goes.
    pub after: BTreeSet<StepId>,
    /// What came of the users' namespace.
    pub relabelled: Planned,
}

impl Leftovers {
    fn asked(&self, object: &ObjectRef) -> bool {
        self.wanted.contains(object) || self.elsewhere.contains(&same_name(object))
    }

    /// A volume that is bound keeps its claim's data reachable: it is held. What somebody else made and kubestead took over goes only with consent.
    pub(super) fn plan(&self, facts: &ApiFacts, part: &mut Part<Action>) {
        let (mut objects, mut policies, mut asked) = (Vec::new(), Vec::new(), BTreeSet::new());
        // What is of a service goes with it, and by its planner.
        let ours = |live: &&Live| live.ours && !live.deleting && live.service().is_none() && live.record().is_none();
        for live in facts.objects.iter().filter(ours).filter(|live| !self.asked(&live.object)) {
            let object = &live.object;
            let id = ids::of(object);
            let held = |reason: &str, hint: &str| Held::cluster(&id, reason, hint);
            let why = match (object.kind.as_str(), live.adopted()) {
                ("PersistentVolume", _) if live.bound() => {
                    let hint = "delete its claim first, or keep the pool in the file";
                    part.held.push(held("the file does not name this volume any more, and a claim is bound to it", hint));
                    continue;
                }
                ("Namespace", _) if is_system_namespace(&object.name) && !namespaces::MADE.contains(&object.name.as_str()) => {
                    part.held.push(held(
                        "kubestead applied this namespace of Kubernetes once; it is not deleted",
                        "take our label away from it",
                    ));
                    continue;
                }
                ("Namespace", copy) => {
                    let whose = copy.map_or("", |_| ", which kubestead did not make,");
                    format!("delete namespace {}{whose} with all that is in it", object.name)
                }
                (_, Some(copy)) => {
                    format!(
                        "delete {object}, which the file does not name any more and kubestead did not make; {COPIES}/{copy} holds it as it was"
                    )
                }
                _ if rank(object).is_some() => {
                    policies.push(live);
                    continue;
                }
                _ => {
                    objects.push(live.exactly());
                    continue;
                }
            };
            let Some(open) = self.open(&[live], facts) else {
                part.held.push(held(STILL_OPEN, "fix what holds the namespace first"));
                continue;
            };
            let step = ids::DELETE.step(Target::Cluster, &id, Action::Delete { objects: vec![live.exactly()] }, why);
            let id = part.push(step.risk(Risk::Destroys).after(self.after.iter().cloned()).after(open));
            asked.extend(rank(object).map(|_| id));
        }
        if !objects.is_empty() {
            let names: Vec<String> = objects.iter().map(|on| on.object.to_string()).collect();
            let why = format!("delete what the file does not name any more: {}", names.join(", "));
            let step = ids::LEFTOVERS.step(Target::Cluster, Action::Delete { objects }, why);
            part.push(step.risk(Risk::Disrupts).after(self.after.iter().cloned()));
        }
        self.policies(policies, asked, facts, part);
    }

    /// Policies go in an order in which none is left that needs what is gone, and after those of them that ask.
    fn policies(&self, mut policies: Vec<&Live>, asked: BTreeSet<StepId>, facts: &ApiFacts, part: &mut Part<Action>) {
        if policies.is_empty() {
            return;
        }
        policies.sort_by_key(|live| rank(&live.object));
        let Some(open) = self.open(&policies, facts) else {
            part.held.push(Held::cluster(ids::POD_SECURITY, STILL_OPEN, "fix what holds the namespace first"));
            return;
        };
        let names: Vec<String> = policies.iter().map(|live| live.object.to_string()).collect();
        let why = format!("delete policies that the file does not ask for any more: {}", names.join(", "));
        let objects = policies.iter().map(|live| live.exactly()).collect();
        let step = ids::DELETE.step(Target::Cluster, ids::POD_SECURITY, Action::Delete { objects }, why);
        part.push(step.risk(Risk::Disrupts).after(self.after.iter().cloned()).after(open).after(asked));
    }

    /// The steps before the policies for some namespaces may go: as long as Pod Security lets everything through in one, they alone hold its pods. `None` if
    /// one stays so.
    fn open(&self, policies: &[&Live], facts: &ApiFacts) -> Option<BTreeSet<StepId>> {
        let mut after = BTreeSet::new();
        for name in policies.iter().filter_map(|live| guarded(&live.object)) {
            let namespace = ids::namespace(name);
            // What a service has is as open as that says.
            let there = |live: &&Live| {
                let open = live.content["metadata"]["labels"][LEVEL] == OPEN;
                live.object == namespace && !live.deleting && open && live.service().is_none()
            };
            let Some(live) = facts.objects.iter().find(there) else { continue };
            if self.wanted.contains(&namespace) {
                if self.relabelled.stuck {
                    return None;
                }
                after.extend(self.relabelled.after.iter().cloned());
            } else if self.elsewhere.contains(&same_name(&namespace)) {
                return None;
            } else if live.ours {
                after.insert(ids::DELETE.at(&Target::Cluster, ids::of(&namespace)));
            }
        }
        Some(after)
    }
}

const STILL_OPEN: &str = "the namespace is still open to whatever its pods want, and nothing but this policy holds them";
