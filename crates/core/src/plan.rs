//! What will be done: steps in a graph, and what is held back, with reasons.

mod deed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde::{Deserialize, Serialize};

pub use deed::{Deed, DeedOf, Kind, Kinds};

/// The version of the saved form.
pub const FORMAT: u32 = 1;

/// What a step is about, such as `kube1/volkube/format`: host (or `operator`, `cluster`), object, deed. Stable from run to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl StepId {
    /// An id from its parts.
    pub fn new(target: &str, object: &str, deed: &str) -> Self {
        Self(format!("{target}/{object}/{deed}"))
    }
}

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a step runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// On the operator's own computer.
    Operator,
    /// On a host, by its name in the cluster file.
    Host(String),
    /// At the Kubernetes API.
    Cluster,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Host(name) => f.write_str(name),
            Self::Cluster => f.write_str("cluster"),
        }
    }
}

/// What a step may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Risk {
    /// Nothing that runs notices.
    Safe,
    /// Something that runs is restarted or stopped for a while.
    Disrupts,
    /// Bytes are lost. Runs only with the user's consent to this very step.
    Destroys,
}

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<A> {
    /// Its stable name.
    pub id: StepId,
    /// Where.
    pub target: Target,
    /// What, with all its parameters: applying reads nothing else.
    pub action: A,
    /// Which steps must have succeeded before. A domain's part may name steps that have nothing to do ([`Part::without_idle`]); a plan does not.
    pub after: BTreeSet<StepId>,
    /// Which steps must have ended before, however they end: they share something that is scarce. One that the plan does not have counts as ended.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub behind: BTreeSet<StepId>,
    /// Whether it runs beside the other steps of its target, which have nothing to do with it: then it waits for those alone that it names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
    /// What it does and why, for people. Nothing branches on it.
    pub why: String,
    /// What it may cost.
    pub risk: Risk,
    /// Whether it runs only with the user's consent to this very step although it destroys nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
}

impl<A> Step<A> {
    /// A safe step that waits for nothing.
    pub fn new(target: Target, object: &str, deed: &str, action: A, why: impl Into<String>) -> Self {
        let id = StepId::new(&target.to_string(), object, deed);
        let (after, behind) = (BTreeSet::new(), BTreeSet::new());
        Self { id, target, action, after, behind, beside: false, why: why.into(), risk: Risk::Safe, asks: false }
    }

    /// The same step, waiting for others.
    #[must_use]
    pub fn after(mut self, ids: impl IntoIterator<Item = StepId>) -> Self {
        self.after.extend(ids);
        self
    }

    /// The same step, which begins when others have ended, however they end.
    #[must_use]
    pub fn behind(mut self, ids: impl IntoIterator<Item = StepId>) -> Self {
        self.behind.extend(ids);
        self
    }

    /// The same step with its risk.
    #[must_use]
    pub fn risk(mut self, risk: Risk) -> Self {
        self.risk = risk;
        self
    }

    /// The same step, which runs only when the user consents to it by its id.
    #[must_use]
    pub fn asking(mut self) -> Self {
        self.asks = true;
        self
    }

    /// Whether it runs only with the user's consent to this very step.
    pub fn needs_consent(&self) -> bool {
        self.asks || self.risk == Risk::Destroys
    }

    /// The same step with another action type, for the crate that composes domains.
    pub fn map<B>(self, f: impl FnOnce(A) -> B) -> Step<B> {
        Step {
            id: self.id,
            target: self.target,
            action: f(self.action),
            after: self.after,
            behind: self.behind,
            beside: self.beside,
            why: self.why,
            risk: self.risk,
            asks: self.asks,
        }
    }
}

/// Something that the file asks for and the plan does not do, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// What is held, for people, as a step id would say it.
    pub object: String,
    /// Where it would be done; what else depends on it goes by this.
    pub target: Target,
    /// Why, with what was found.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
    /// Whether the cause is that a host could not be reached.
    pub unreachable: bool,
}

impl Held {
    /// A machine as a whole.
    pub fn host(host: impl Display, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Target::Host(host.to_string()), host.to_string(), reason, hint)
    }

    /// Something on a machine.
    pub fn on(host: impl Display, what: impl Display, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Target::Host(host.to_string()), format!("{host}/{what}"), reason, hint)
    }

    /// Something in the cluster.
    pub fn cluster(what: impl Display, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Target::Cluster, format!("{}/{what}", Target::Cluster), reason, hint)
    }

    /// A place in a file of the operator's.
    pub fn file(place: impl Display, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Target::Operator, place.to_string(), reason, hint)
    }

    fn new(target: Target, object: String, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { object, target, reason: reason.into(), hint: hint.into(), unreachable: false }
    }

    /// The machine that it is about; `None` if it is about none.
    pub fn on_host(&self) -> Option<&str> {
        match &self.target {
            Target::Host(host) => Some(host),
            Target::Operator | Target::Cluster => None,
        }
    }
}

/// A domain's part of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<A> {
    /// What to do.
    pub steps: Vec<Step<A>>,
    /// What not, and why.
    pub held: Vec<Held>,
}

impl<A> Default for Part<A> {
    fn default() -> Self {
        Self { steps: Vec::new(), held: Vec::new() }
    }
}

impl<A> Part<A> {
    /// Adds a step and answers its id.
    pub fn push(&mut self, step: Step<A>) -> StepId {
        let id = step.id.clone();
        self.steps.push(step);
        id
    }

    /// The same part with another action type.
    pub fn map<B>(self, mut f: impl FnMut(A) -> B) -> Part<B> {
        Part { steps: self.steps.into_iter().map(|step| step.map(&mut f)).collect(), held: self.held }
    }

    /// Adds another part.
    pub fn extend(&mut self, other: Self) {
        self.steps.extend(other.steps);
        self.held.extend(other.held);
    }
}

/// A plan. It can be saved, shown and applied: it is the same value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan<A> {
    /// [`FORMAT`].
    pub format: u32,
    /// sha256 of the spec that it was made from.
    pub spec: String,
    /// sha256 of what was seen when it was made.
    pub seen: String,
    /// In an order in which they could run one after the other.
    pub steps: Vec<Step<A>>,
    /// What is held back.
    pub held: Vec<Held>,
}

/// Why steps are no plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadPlan {
    /// Two steps with one id.
    #[error("two steps are called {0}")]
    Twice(StepId),
    /// A step waits for one that is not there and that could not be.
    #[error("{step} waits for {after}, which is no step of any kind")]
    Unknown {
        /// Which waits.
        step: StepId,
        /// What it waits for.
        after: StepId,
    },
    /// Steps that wait for each other.
    #[error("these steps wait for each other: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Cycle(Vec<StepId>),
}

impl<A> Plan<A> {
    /// Orders the steps (Kahn's algorithm; among free steps the order given). The error is a step that waits for one that is not there
    /// ([`Part::without_idle`] comes first), two of one id, or a circle.
    pub fn new(spec: String, seen: String, part: Part<A>) -> Result<Self, BadPlan> {
        let Part { mut steps, mut held } = part;
        let mut ids = BTreeSet::new();
        for step in &steps {
            if !ids.insert(step.id.clone()) {
                return Err(BadPlan::Twice(step.id.clone()));
            }
        }
        for step in &mut steps {
            step.behind.retain(|id| ids.contains(id) && !step.after.contains(id));
            if let Some(after) = step.after.iter().find(|id| !ids.contains(id)) {
                return Err(BadPlan::Unknown { step: step.id.clone(), after: after.clone() });
            }
        }
        held.sort();
        held.dedup();
        Ok(Self { format: FORMAT, spec, seen, steps: order(steps)?, held })
    }

    /// Whether there is nothing to do and nothing held.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.held.is_empty()
    }

    /// The same plan with another action type.
    pub fn map<B>(self, mut f: impl FnMut(A) -> B) -> Plan<B> {
        let Self { format, spec, seen, steps, held } = self;
        Plan { format, spec, seen, steps: steps.into_iter().map(|step| step.map(&mut f)).collect(), held }
    }
}

/// A plan that was judged: the only kind that the engine carries out, so that no plan reaches a machine unchecked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Checked<A>(Plan<A>);

impl<A> Checked<A> {
    /// Takes a plan in which the judge finds no fault. The error is the faults, each a sentence.
    pub fn new(plan: Plan<A>, judge: impl FnOnce(&Plan<A>) -> Vec<String>) -> Result<Self, Vec<String>> {
        let faults = judge(&plan);
        if faults.is_empty() { Ok(Self(plan)) } else { Err(faults) }
    }

    /// The plan without the steps that are chosen and those that wait for them: each step that stays has all that it waits for.
    #[must_use]
    pub fn without(&self, chosen: impl Fn(&A) -> bool) -> Self
    where
        A: Clone,
    {
        let mut gone = BTreeSet::new();
        let stays = |step: &&Step<A>| {
            let goes = chosen(&step.action) || step.after.iter().any(|id| gone.contains(id));
            if goes {
                gone.insert(step.id.clone());
            }
            !goes
        };
        let steps = self.0.steps.iter().filter(stays).cloned().collect();
        let Plan { format, spec, seen, held, .. } = &self.0;
        Self(Plan { format: *format, spec: spec.clone(), seen: seen.clone(), steps, held: held.clone() })
    }

    /// The plan, which can be changed and is no checked one any more.
    pub fn into_plan(self) -> Plan<A> {
        self.0
    }
}

impl<A> std::ops::Deref for Checked<A> {
    type Target = Plan<A>;

    fn deref(&self) -> &Plan<A> {
        &self.0
    }
}

fn order<A>(steps: Vec<Step<A>>) -> Result<Vec<Step<A>>, BadPlan> {
    let mut followers: BTreeMap<StepId, Vec<usize>> = BTreeMap::new();
    let mut open: Vec<usize> = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        open.push(step.after.len() + step.behind.len());
        for before in step.after.iter().chain(&step.behind) {
            followers.entry(before.clone()).or_default().push(index);
        }
    }
    let mut free: BTreeSet<usize> = (0..steps.len()).filter(|i| open[*i] == 0).collect();
    let mut sequence = Vec::with_capacity(steps.len());
    while let Some(index) = free.pop_first() {
        sequence.push(index);
        for follower in followers.get(&steps[index].id).into_iter().flatten() {
            open[*follower] -= 1;
            if open[*follower] == 0 {
                free.insert(*follower);
            }
        }
    }
    if sequence.len() < steps.len() {
        return Err(BadPlan::Cycle(steps.iter().zip(&open).filter(|(_, n)| **n > 0).map(|(s, _)| s.id.clone()).collect()));
    }
    let mut slots: Vec<Option<Step<A>>> = steps.into_iter().map(Some).collect();
    Ok(sequence.into_iter().filter_map(|index| slots[index].take()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(steps: &[(&str, &[&str])]) -> Part<()> {
        let mut part = Part::default();
        for (name, after) in steps {
            part.push(Step::new(Target::Cluster, name, "do", (), "").after(after.iter().map(|a| StepId::new("cluster", a, "do"))));
        }
        part
    }

    #[test]
    fn steps_are_ordered_and_an_edge_to_no_step_is_refused() {
        let plan = Plan::new(String::new(), String::new(), part(&[("c", &["b"]), ("a", &[]), ("b", &["a"])])).unwrap();
        let ids: Vec<&str> = plan.steps.iter().map(|s| s.id.0.as_str()).collect();
        assert_eq!(ids, ["cluster/a/do", "cluster/b/do", "cluster/c/do"]);
        let unknown = Plan::new(String::new(), String::new(), part(&[("a", &["gone"])]));
        assert!(matches!(unknown, Err(BadPlan::Unknown { after, .. }) if after.0 == "cluster/gone/do"));
    }

    #[test]
    fn a_plan_with_a_fault_is_no_checked_one() {
        let plan = Plan::new(String::new(), String::new(), part(&[("a", &[])])).unwrap();
        assert_eq!(Checked::new(plan.clone(), |_| vec!["no".to_owned()]), Err(vec!["no".to_owned()]));
        assert_eq!(Checked::new(plan.clone(), |_| Vec::new()).unwrap().into_plan(), plan);
    }

    #[test]
    fn what_waits_for_a_step_goes_with_it() {
        let mut part = part(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["a"])]).map(|()| 0);
        part.steps[1].action = 1;
        let plan = Checked::new(Plan::new(String::new(), String::new(), part).unwrap(), |_| Vec::new()).unwrap();
        let ids = |plan: &Checked<i32>| plan.steps.iter().map(|s| s.id.0.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&plan.without(|action| *action == 1)), ["cluster/a/do", "cluster/d/do"]);
        assert_eq!(plan.without(|_| false), plan);
        assert!(plan.without(|_| true).steps.is_empty());
    }

    #[test]
    fn cycles_and_doubles_are_refused() {
        let cycle = Plan::new(String::new(), String::new(), part(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]));
        assert!(matches!(cycle, Err(BadPlan::Cycle(ids)) if ids.len() == 2));
        assert!(matches!(Plan::new(String::new(), String::new(), part(&[("a", &[]), ("a", &[])])), Err(BadPlan::Twice(_))));
    }
}
