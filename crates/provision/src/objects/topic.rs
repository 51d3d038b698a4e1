//! Objects that belong together, and the steps that bring them to what the file says.

use std::collections::BTreeSet;

use kubestead_core::kube::ObjectRef;
use kubestead_core::plan::{Held, Part, Risk, StepId, Target};
use serde_json::Value;

use super::action::Action;
use super::ids;
use super::judge::{State, There, some};
use super::object::{ADOPTED, COPIES, Live, differences, whole};

/// What one subject supplies: manifests that are applied in one step, `cluster/NAME/apply`, but for those that ask.
pub(super) struct Topic {
    /// Names its steps.
    pub name: &'static str,
    /// What it is, for people.
    pub why: &'static str,
    /// In the order in which they are applied. Those of nodes have labels and annotations alone.
    pub manifests: Vec<Value>,
    /// The topic without which none of it is applied; what that one plans comes before.
    pub needs: Option<&'static str>,
    /// What that runs will notice.
    pub cost: Option<String>,
    /// Whether no node gets ready without it: `cluster/nodes/ready` waits for it, and is not planned while it is held.
    pub ready: bool,
    /// The steps before any of it.
    pub after: BTreeSet<StepId>,
    /// What the file asks for and is refused, whatever the cluster has.
    pub held: Vec<Held>,
}

/// What came of a topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Planned {
    /// The steps after which it is done.
    pub after: BTreeSet<StepId>,
    /// Whether its step is held.
    pub stuck: bool,
}

impl Topic {
    /// The objects that are wholly ours.
    pub(super) fn objects(&self) -> impl Iterator<Item = ObjectRef> {
        self.manifests.iter().map(ObjectRef::of).filter(whole)
    }

    /// What nobody else has a say in goes in one step, after what asks. Volumes and nodes do not wait for each other. What is held can be no step's
    /// condition, so that then nothing that needs it is planned.
    pub(super) fn plan(self, there: &There<'_>, part: &mut Part<Action>) -> Planned {
        let (mut batch, mut asked, mut stuck) = (Vec::new(), BTreeSet::new(), Vec::new());
        let mut counted = true;
        for mut manifest in self.manifests {
            let object = ObjectRef::of(&manifest);
            let live = there.live(&object);
            // What our manager does not say any more, the server takes away: the copy would be lost of sight.
            if let Some(copy) = live.filter(|live| live.ours).and_then(Live::adopted) {
                manifest["metadata"]["annotations"][ADOPTED] = copy.into();
            }
            let id = if whole(&object) { ids::of(&object) } else { format!("{}.{}", self.name, object.name) };
            let alone = object.kind == "PersistentVolume" || !whole(&object);
            let (deed, action, why) = match there.judge(&object, &manifest) {
                State::Same => continue,
                State::Apply => {
                    counted &= whole(&object);
                    batch.push(manifest);
                    continue;
                }
                State::Held(reason, hint) => {
                    part.held.push(Held::cluster(id, reason, hint));
                    if !alone {
                        stuck.push(object.to_string());
                    }
                    continue;
                }
                State::Adopt(live) => {
                    let on = live.exactly();
                    let changes = differences(&live.content, &manifest);
                    manifest["metadata"]["annotations"][ADOPTED] = on.copy().into();
                    let makers: Vec<String> = live.others.keys().cloned().collect();
                    let by = if makers.is_empty() { String::new() } else { format!(" (set by {})", some(&makers)) };
                    let why = format!(
                        "take over {object}, which kubestead did not make{by}: {}; from then on it is kubestead's, and ConfigMap {COPIES}/{} holds it as it was",
                        some(&changes),
                        on.copy()
                    );
                    (ids::ADOPT, Action::Take { manifest, on }, why)
                }
                State::Overwrite(live, conflicts) => {
                    let on = live.exactly();
                    let who: Vec<String> = conflicts.iter().map(|(path, manager)| format!("{path} (set by {manager})")).collect();
                    let why = format!(
                        "overwrite what others set in {object}: {}; ConfigMap {COPIES}/{} holds it as it was",
                        some(&who),
                        on.copy()
                    );
                    (ids::OVERWRITE, Action::Take { manifest, on }, why)
                }
                State::Relabel(seen, who) => {
                    let why = format!("overwrite labels and annotations of node {} that others set: {}", object.name, some(&who));
                    (ids::OVERWRITE, Action::Label { manifest, seen }, why)
                }
            };
            let step = deed.step(Target::Cluster, id, action, why).asking();
            let id = part.push(step.after(self.after.clone()).after(home(&object)));
            if !alone {
                asked.insert(id);
            }
        }
        if batch.is_empty() {
            return Planned { after: asked, stuck: false };
        }
        if !stuck.is_empty() {
            let reason = format!("{} other objects wait for {}", batch.len(), some(&stuck));
            part.held.push(Held::cluster(self.name, reason, "fix that first"));
            return Planned { after: asked, stuck: true };
        }
        let mut why = if counted { format!("{}: {} objects", self.why, batch.len()) } else { self.why.to_owned() };
        let risk = if self.cost.is_some() { Risk::Disrupts } else { Risk::Safe };
        if let Some(cost) = self.cost {
            why = format!("{why}; {cost}");
        }
        let step = ids::APPLY.step(Target::Cluster, self.name, Action::Apply { manifests: batch }, why).risk(risk);
        let id = part.push(step.after(self.after).after(asked.iter().cloned()));
        asked.insert(id);
        Planned { after: asked, stuck: false }
    }
}

/// What lies in a namespace waits until that is ours.
fn home(object: &ObjectRef) -> Option<StepId> {
    (!object.namespace.is_empty()).then(|| ids::adopted(&ids::namespace(&object.namespace)))
}
