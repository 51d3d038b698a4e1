//! What kinds of steps are called. A domain names its own here once; its planner makes steps of them, and others wait for steps by them, so that no id is
//! written down twice.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::{Part, Step, StepId, Target};

/// Where steps of one kind run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Operator,
    Host,
    Cluster,
}

impl Place {
    /// The place that the first part of an id names; no host is called as the other two.
    fn of(target: &str) -> Self {
        match target {
            "operator" => Self::Operator,
            "cluster" => Self::Cluster,
            _ => Self::Host,
        }
    }
}

/// A kind of step that is about one thing: `TARGET/images/import`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    place: Place,
    object: &'static str,
    deed: &'static str,
}

impl Deed {
    /// One on hosts.
    pub const fn host(object: &'static str, deed: &'static str) -> Self {
        Self { place: Place::Host, object, deed }
    }

    /// One at the Kubernetes API.
    pub const fn cluster(object: &'static str, deed: &'static str) -> Self {
        Self { place: Place::Cluster, object, deed }
    }

    /// As an item of a domain's list.
    pub const fn kind(self) -> Kind {
        Kind { place: self.place, object: Some(self.object), deed: self.deed }
    }

    /// The id of the step on a target.
    pub fn at(self, target: &Target) -> StepId {
        StepId::new(&target.to_string(), self.object, self.deed)
    }

    /// The id of the step on a host.
    pub fn on(self, host: impl Display) -> StepId {
        StepId::new(&host.to_string(), self.object, self.deed)
    }

    /// The step; safe, and waiting for nothing.
    pub fn step<A>(self, target: Target, action: A, why: impl Into<String>) -> Step<A> {
        Step::new(target, self.object, self.deed, action, why)
    }
}

/// A kind of step that is about one of many things, each with a name of its own: `TARGET/VOLUME/format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeedOf {
    place: Place,
    deed: &'static str,
}

impl DeedOf {
    /// One on hosts.
    pub const fn host(deed: &'static str) -> Self {
        Self { place: Place::Host, deed }
    }

    /// One at the Kubernetes API.
    pub const fn cluster(deed: &'static str) -> Self {
        Self { place: Place::Cluster, deed }
    }

    /// One on the operator's own computer.
    pub const fn operator(deed: &'static str) -> Self {
        Self { place: Place::Operator, deed }
    }

    /// As an item of a domain's list.
    pub const fn kind(self) -> Kind {
        Kind { place: self.place, object: None, deed: self.deed }
    }

    /// The id of the step about one thing on a target.
    pub fn at(self, target: &Target, object: impl Display) -> StepId {
        StepId::new(&target.to_string(), &object.to_string(), self.deed)
    }

    /// The id of the step about one thing on a host.
    pub fn on(self, host: impl Display, object: impl Display) -> StepId {
        StepId::new(&host.to_string(), &object.to_string(), self.deed)
    }

    /// The step; safe, and waiting for nothing.
    pub fn step<A>(self, target: Target, object: impl Display, action: A, why: impl Into<String>) -> Step<A> {
        Step::new(target, &object.to_string(), self.deed, action, why)
    }
}

/// An item of a domain's list of all kinds of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    place: Place,
    /// `None` if it is about one of many things.
    object: Option<&'static str>,
    deed: &'static str,
}

/// The kinds of steps of several domains.
#[derive(Clone, Debug, Default)]
pub struct Kinds(BTreeSet<(Place, &'static str, Option<&'static str>)>);

impl Kinds {
    /// Of the lists of these domains.
    pub fn of(lists: &[&[Kind]]) -> Self {
        Self(lists.iter().copied().flatten().map(|kind| (kind.place, kind.deed, kind.object)).collect())
    }

    /// Whether a step of one of these kinds could be called so.
    pub fn name(&self, id: &StepId) -> bool {
        let parts = id.0.split_once('/').and_then(|(target, rest)| Some((Place::of(target), rest.rsplit_once('/')?)));
        let has = |place, deed, object| self.0.range((place, deed, object)..).next() == Some(&(place, deed, object));
        parts.is_some_and(|(place, (object, deed))| has(place, deed, None) || has(place, deed, Some(object)))
    }
}

impl<A> Part<A> {
    /// The same part without waiting for steps of these kinds that it does not have: a step is planned where there is something to do, and whoever waits for
    /// it names it in any case. An id of no kind stays, and [`super::Plan::new`] refuses it.
    #[must_use]
    pub fn without_idle(mut self, kinds: &Kinds) -> Self {
        let ids: BTreeSet<StepId> = self.steps.iter().map(|step| step.id.clone()).collect();
        for step in &mut self.steps {
            step.after.retain(|id| ids.contains(id) || !kinds.name(id));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{BadPlan, Plan};

    const IMPORT: Deed = Deed::host("images", "import");
    const FORMAT: DeedOf = DeedOf::host("format");
    const REACH: Deed = Deed::cluster("api", "reach");

    fn kinds() -> Kinds {
        Kinds::of(&[&[IMPORT.kind(), FORMAT.kind()], &[REACH.kind(), DeedOf::operator("escrow").kind()]])
    }

    #[test]
    fn a_step_is_called_as_who_waits_for_it_says() {
        let host = Target::Host("kube1".into());
        assert_eq!(IMPORT.step(host.clone(), (), "").id, IMPORT.on("kube1"));
        assert_eq!(FORMAT.step(host.clone(), "data", (), "").id, FORMAT.on("kube1", "data"));
        assert_eq!((IMPORT.at(&host), FORMAT.at(&host, "data")), (IMPORT.on("kube1"), FORMAT.on("kube1", "data")));
        assert_eq!(REACH.at(&Target::Cluster).0, "cluster/api/reach");
    }

    #[test]
    fn only_what_a_kind_of_step_could_be_called_is_known() {
        let known = ["kube1/images/import", "kube1/data/format", "kube1/etc/a/b/format", "cluster/api/reach", "operator/a.b/escrow"];
        assert!(known.iter().all(|id| kinds().name(&StepId((*id).into()))));
        let unknown =
            ["kube1/image/import", "kube1/images/imports", "kube1/api/reach", "cluster/data/format", "cluster/reach", "kube1", ""];
        assert!(!unknown.iter().any(|id| kinds().name(&StepId((*id).into()))));
    }

    /// A step that has nothing to do is no reason to wait, and one that cannot be is a mistake.
    #[test]
    fn a_step_waits_for_no_idle_one_and_a_misspelt_one_makes_no_plan() {
        let part = |after: StepId| {
            let mut part = Part::default();
            part.push(FORMAT.step(Target::Host("kube1".into()), "data", (), "").after([after]));
            part.without_idle(&kinds())
        };
        let new = |part| Plan::new(String::new(), String::new(), part);
        assert!(new(part(IMPORT.on("kube1"))).unwrap().steps[0].after.is_empty());
        let misspelt = StepId("kube1/images/imprt".into());
        assert_eq!(new(part(misspelt.clone())), Err(BadPlan::Unknown { step: FORMAT.on("kube1", "data"), after: misspelt }));
    }
}
