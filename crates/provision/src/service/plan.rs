//! From what services ask for and what the cluster has: what is applied, what asks, what is waited for, what goes.

mod prune;

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::diagnostic::Severity;
use kubestead_core::fact::Fact;
use kubestead_core::kube::ObjectRef;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, StepId, Target};
use serde_json::Value;

use super::action::Action;
use super::health::is_workload;
use super::ids;
use super::judge::{State, judge};
use super::kinds::{Kind, defined, is_definition};
use super::observe::{Found, Recorded, ServiceFacts};
use super::sealed::{self, Sealed};
use super::spec::{ServiceSpec, ServicesWanted, record};
use crate::objects::{ADOPTED, COPIES, Live, differences, some};

/// What else the plan does, as far as services need it.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The steps after which the API answers.
    pub after: BTreeSet<StepId>,
    /// The namespaces that kubestead makes itself.
    pub namespaces: BTreeSet<String>,
    /// The objects that something else than a service asks for now: the cluster file, or the folder of secrets.
    pub asked: BTreeSet<ObjectRef>,
}

/// The steps, and what is held. `records` are those of the cluster.
pub fn plan(wish: &ServicesWanted, facts: &Fact<ServiceFacts>, records: &BTreeMap<String, Recorded>, around: &Around) -> Part<Action> {
    let mut part = Part::default();
    for finding in wish.findings.iter().filter(|finding| finding.severity == Severity::Error) {
        let object = format!("{}:{}", finding.place.file, finding.place.line);
        part.held.push(Held::file(object, finding.message.clone(), finding.hint.clone().unwrap_or_default()));
    }
    // In a cluster that has yet to begin.
    let fresh = ServiceFacts { namespaces: BTreeSet::from(["default".to_owned()]), ..ServiceFacts::default() };
    let facts = match facts {
        Fact::Known(facts) => facts,
        Fact::Absent => &fresh,
        Fact::Unknown(gap) => {
            let hint = "nothing of a service is touched before all of them can be seen; look with kubectl on the control plane";
            part.held.push(Held::cluster("services", gap.to_string(), hint));
            return part;
        }
    };
    let live = facts.objects.iter().map(|found| (&found.live.object, found)).collect();
    let unready = facts.unready.iter().map(|(object, words)| (object, words.as_str())).collect();
    let mut planner = Planner { facts, live, unready, records, around, done: BTreeMap::new(), part };
    for service in &wish.services {
        let done = planner.service(service);
        planner.done.insert(&service.name, done);
    }
    let Planner { done, mut part, .. } = planner;
    let after = |service: &str| match done.iter().find(|(name, _)| name.as_str() == service) {
        Some((_, done)) => done.as_ref().map(|done| done.steps.clone()),
        None => Some(BTreeSet::new()),
    };
    prune::prune(wish, facts, records, &after, around, &mut part);
    part
}

/// What a service leaves for those that need it.
#[derive(Clone, Default)]
struct Ready {
    /// The steps after which it is ready.
    steps: BTreeSet<StepId>,
    /// The kinds that it or one that it needs defines, and whether their objects are in namespaces.
    kinds: BTreeMap<Kind, bool>,
    /// The namespaces that it or one that it needs makes.
    namespaces: BTreeSet<String>,
}

struct Planner<'a> {
    facts: &'a ServiceFacts,
    live: BTreeMap<&'a ObjectRef, &'a Found>,
    unready: BTreeMap<&'a ObjectRef, &'a str>,
    records: &'a BTreeMap<String, Recorded>,
    around: &'a Around,
    /// `None` for one that is held.
    done: BTreeMap<&'a Name, Option<Ready>>,
    part: Part<Action>,
}

/// What is to do for objects of a service.
#[derive(Default)]
struct Work {
    batch: Vec<Value>,
    /// The encrypted values of the batch.
    sealed: Sealed,
    /// The steps that ask.
    asked: BTreeSet<StepId>,
    /// What is held.
    stuck: Vec<String>,
}

impl<'a> Planner<'a> {
    fn held(&mut self, object: impl std::fmt::Display, reason: impl Into<String>, hint: &str) {
        self.part.held.push(Held::cluster(object, reason, hint));
    }

    /// `None` if it is held.
    fn service(&mut self, service: &'a ServiceSpec) -> Option<Ready> {
        let name = service.name.as_str();
        if !service.whole {
            self.held(ids::of(name), "its files are not understood: nothing of it is applied or deleted", "correct them");
            return None;
        }
        let mut ready = Ready { steps: self.around.after.clone(), ..Ready::default() };
        for need in &service.needs {
            let Some(done) = self.done.get(need).cloned().flatten() else {
                self.held(ids::of(name), format!("it needs service {need}, which is held"), "fix that first");
                return None;
            };
            ready.steps.extend(done.steps);
            ready.kinds.extend(done.kinds);
            ready.namespaces.extend(done.namespaces);
        }
        for manifest in &service.manifests {
            let object = ObjectRef::of(manifest);
            if is_definition(&object) {
                ready.kinds.extend(defined(manifest));
            } else if object.kind == "Namespace" {
                ready.namespaces.insert(object.name);
            }
        }
        self.record(service, &mut ready)?;
        self.definitions(service, &mut ready)?;
        self.others(service, &mut ready)?;
        Some(ready)
    }

    /// Its kinds are written down before anything of it is there. `None` if its record cannot be read.
    fn record(&mut self, service: &ServiceSpec, ready: &mut Ready) -> Option<()> {
        let (name, kinds) = (service.name.as_str(), service.kinds());
        let known = match self.records.get(name).map(|recorded| &recorded.kinds) {
            Some(Ok(known)) => known.clone(),
            Some(Err(line)) => {
                let reason = format!("its record, ConfigMap {COPIES}/kubestead-service-{name}, has a line that is no kind: {line:?}");
                self.held(ids::of(name), reason, "take the line away by hand");
                return None;
            }
            None => BTreeSet::new(),
        };
        if kinds.is_subset(&known) && !known.is_empty() {
            return Some(());
        }
        // What it had is recorded until nothing of that can be left.
        let record = record(name, &kinds.union(&known).cloned().collect());
        let why = format!("write down which kinds of objects service {name} has, to find them when the file does not name it any more");
        let step = ids::RECORD.step(Target::Cluster, ids::of(name), Action::Record { record }, why);
        let step = step.after(ready.steps.clone());
        ready.steps.insert(self.part.push(step));
        Some(())
    }

    /// Definitions first, and then the kinds that they bring. `None` if one is held.
    fn definitions(&mut self, service: &'a ServiceSpec, ready: &mut Ready) -> Option<()> {
        let name = service.name.as_str();
        let all: Vec<&Value> = service.manifests.iter().filter(|manifest| is_definition(&ObjectRef::of(manifest))).collect();
        let work = self.judged(service, &all, ready);
        let id = ids::definitions(name);
        let begun = self.begin(&id, &format!("the definitions of service {name}"), work, &ready.steps)?;
        let pending = all.iter().any(|manifest| self.unready.contains_key(&ObjectRef::of(manifest)));
        ready.steps.extend(begun.iter().cloned());
        if pending || !begun.is_empty() {
            let action = Action::Establish {
                definitions: all.iter().map(|manifest| ObjectRef::of(manifest)).collect(),
                kinds: all.iter().flat_map(|manifest| defined(manifest)).map(|(kind, _)| kind).collect(),
            };
            let why = format!("wait until the API serves the kinds of service {name}");
            let step = ids::ESTABLISH.step(Target::Cluster, &id, action, why).after(ready.steps.clone());
            ready.steps.insert(self.part.push(step));
        }
        Some(())
    }

    /// All else, and then its workloads. `None` if one is held.
    fn others(&mut self, service: &'a ServiceSpec, ready: &mut Ready) -> Option<()> {
        let name = service.name.as_str();
        let all: Vec<&Value> = service.manifests.iter().filter(|manifest| !is_definition(&ObjectRef::of(manifest))).collect();
        let work = self.judged(service, &all, ready);
        let begun = self.begin(&ids::of(name), &format!("service {name}"), work, &ready.steps)?;
        ready.steps.extend(begun.iter().cloned());
        let workloads: Vec<ObjectRef> = all.iter().map(|manifest| ObjectRef::of(manifest)).filter(is_workload).collect();
        let unready: Vec<String> =
            workloads.iter().filter_map(|object| self.unready.get(object)).map(|words| (*words).to_owned()).collect();
        if !workloads.is_empty() && (!begun.is_empty() || !unready.is_empty()) {
            let what = if unready.is_empty() { String::new() } else { format!(": {}", some(&unready)) };
            let why = format!("wait until what service {name} runs is ready{what}");
            let step = ids::READY.step(Target::Cluster, ids::of(name), Action::Ready { workloads }, why).after(ready.steps.clone());
            ready.steps.insert(self.part.push(step));
        }
        Some(())
    }

    /// Why an object cannot be there at all, and what to do.
    fn homeless(&self, object: &ObjectRef, ready: &Ready) -> Option<(String, &'static str)> {
        let kind = Kind::of(object);
        let defined = ready.kinds.get(&kind);
        if self.facts.silent.contains(&kind) {
            return Some((format!("what serves the kind {kind} does not answer"), "see `kubectl get apiservices`"));
        }
        if self.facts.lacks.contains(&kind) && defined.is_none() {
            let hint = "put its CustomResourceDefinition into this service or one that it needs, or take the object out";
            return Some((format!("the API server has no kind {kind}"), hint));
        }
        match (self.facts.namespaced.get(&kind).or(defined), object.namespace.as_str()) {
            (Some(true), "") => return Some(("it says no namespace, and its kind is in one".to_owned(), "write metadata.namespace")),
            (Some(false), namespace) if !namespace.is_empty() => {
                return Some(("it says a namespace, and its kind is in none".to_owned(), "take metadata.namespace away"));
            }
            _ => {}
        }
        let namespaces = [&self.facts.namespaces, &self.around.namespaces, &ready.namespaces];
        if object.namespace.is_empty() || namespaces.iter().any(|all| all.contains(&object.namespace)) {
            return None;
        }
        let hint = "put the Namespace into this service or one that it needs, or make it";
        Some((format!("there is no namespace {}", object.namespace), hint))
    }

    /// What is to do for each manifest; what asks becomes steps.
    fn judged(&mut self, service: &ServiceSpec, manifests: &[&'a Value], ready: &Ready) -> Work {
        let mut work = Work::default();
        for manifest in manifests {
            let object = ObjectRef::of(manifest);
            let id = ids::object(&object);
            if let Some((reason, hint)) = self.homeless(&object, ready) {
                self.held(&id, reason, hint);
                work.stuck.push(object.to_string());
                continue;
            }
            let found = self.live.get(&object).copied();
            let mut manifest = (*manifest).clone();
            // What our manager does not say any more, the server takes away: the copy would be lost of sight.
            if let Some(copy) = found.filter(|found| found.live.ours).and_then(|found| found.live.adopted()) {
                manifest["metadata"]["annotations"][ADOPTED] = copy.into();
            }
            let (deed, live, why) = match judge(&manifest, found) {
                State::Same => continue,
                State::Apply => {
                    work.batch.push(manifest);
                    continue;
                }
                State::Held(reason, hint) => {
                    self.held(&id, reason, hint);
                    work.stuck.push(object.to_string());
                    continue;
                }
                State::Adopt(live) => (ids::ADOPT, live, adoption(live, &manifest)),
                State::Overwrite(live, conflicts) => {
                    let who: Vec<String> = conflicts.iter().map(|(path, manager)| format!("{path} (set by {manager})")).collect();
                    (ids::OVERWRITE, live, format!("overwrite what others set in {object}: {}", some(&who)))
                }
            };
            let on = live.exactly();
            let but = if sealed::is_secret(&object) { ", but for its values, which are kept nowhere" } else { "" };
            let why = format!("{why}; ConfigMap {COPIES}/{} holds it as it was{but}", on.copy());
            if !live.ours {
                manifest["metadata"]["annotations"][ADOPTED] = on.copy().into();
            }
            let sealed = sealed::of(&service.sealed, [&manifest]);
            let step = deed.step(Target::Cluster, &id, Action::Take { manifest, on, sealed }, why).asking().after(ready.steps.clone());
            let home = (!object.namespace.is_empty()).then(|| ids::adopted_namespace(&object.namespace));
            work.asked.insert(self.part.push(step.after(home)));
        }
        work.sealed = sealed::of(&service.sealed, &work.batch);
        work
    }

    /// What nobody else has a say in goes in one step, after what asks. `None` if something is held.
    fn begin(&mut self, id: &str, what: &str, work: Work, after: &BTreeSet<StepId>) -> Option<BTreeSet<StepId>> {
        let Work { batch, sealed, asked, stuck } = work;
        if !stuck.is_empty() {
            if !batch.is_empty() {
                self.held(id, format!("{} other objects wait for {}", batch.len(), some(&stuck)), "fix that first");
            }
            return None;
        }
        let mut begun = asked.clone();
        if !batch.is_empty() {
            let names: Vec<String> = batch.iter().map(|manifest| ObjectRef::of(manifest).to_string()).collect();
            let why = format!("{what}: {}", some(&names));
            let step = ids::APPLY.step(Target::Cluster, id, Action::Apply { manifests: batch, sealed }, why);
            begun.insert(self.part.push(step.after(after.clone()).after(asked)));
        }
        Some(begun)
    }
}

fn adoption(live: &Live, manifest: &Value) -> String {
    let makers: Vec<String> = live.others.keys().cloned().collect();
    let by = if makers.is_empty() { String::new() } else { format!(" (set by {})", some(&makers)) };
    let changes = some(&differences(&live.content, manifest));
    format!("take over {}, which kubestead did not make{by}: {changes}; from then on it is kubestead's", live.object)
}
