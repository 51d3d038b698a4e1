//! Who is asked before a plan is carried out, and what there is to think about first.

use std::collections::BTreeSet;

use async_trait::async_trait;
use kubestead_core::plan::{Plan, Risk, Step, StepId, Target};

use crate::compose::{Action, Seen};
use crate::engine::Terms;

/// What of a plan deserves a thought before it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concerns {
    /// Steps that run, and restart or stop something.
    pub disrupts: BTreeSet<StepId>,
    /// Steps that run, and lose bytes: each has its own consent.
    pub destroys: BTreeSet<StepId>,
    /// Machines that steps run on, and on which nothing of kubestead was seen.
    pub first: BTreeSet<String>,
    /// Steps that do not run, as nobody consented to them by their id.
    pub withheld: BTreeSet<StepId>,
    /// How many steps run.
    pub runs: usize,
}

impl Concerns {
    /// What is to think about in a plan for what was seen, when it runs on these terms.
    pub fn of(plan: &Plan<Action>, seen: &Seen, terms: &Terms) -> Self {
        Self::with(plan, terms, |host| is_known(seen, host))
    }

    fn with<A>(plan: &Plan<A>, terms: &Terms, is_known: impl Fn(&str) -> bool) -> Self {
        let mut found = Self::default();
        let mut stays: BTreeSet<&StepId> = BTreeSet::new();
        for step in &plan.steps {
            if step.needs_consent() && !terms.consent.contains(&step.id) {
                found.withheld.insert(step.id.clone());
                stays.insert(&step.id);
            } else if step.after.iter().any(|before| stays.contains(before)) {
                stays.insert(&step.id);
            } else {
                found.add(step, &is_known);
            }
        }
        found
    }

    fn add<A>(&mut self, step: &Step<A>, is_known: impl Fn(&str) -> bool) {
        self.runs += 1;
        match step.risk {
            Risk::Safe => {}
            Risk::Disrupts => _ = self.disrupts.insert(step.id.clone()),
            Risk::Destroys => _ = self.destroys.insert(step.id.clone()),
        }
        match &step.target {
            Target::Host(host) if !self.first.contains(host) && !is_known(host) => _ = self.first.insert(host.clone()),
            Target::Host(_) | Target::Operator | Target::Cluster => {}
        }
    }

    /// Whether something runs that somebody may want to be asked about. What is withheld counts: the rest runs without it.
    pub fn ask(&self) -> bool {
        self.runs > 0 && !(self.disrupts.is_empty() && self.destroys.is_empty() && self.first.is_empty() && self.withheld.is_empty())
    }

    /// Whether all of it was in `earlier`, to which somebody said yes.
    pub fn within(&self, earlier: &Self) -> bool {
        self.disrupts.is_subset(&earlier.disrupts)
            && self.destroys.is_subset(&earlier.destroys)
            && self.first.is_subset(&earlier.first)
            && self.withheld.is_subset(&earlier.withheld)
    }
}

/// Whether a machine shows that kubestead wrote something there.
fn is_known(seen: &Seen, host: &str) -> bool {
    let node = seen.nodes.iter().find(|(name, _)| name.as_str() == host).and_then(|(_, fact)| fact.known());
    let server = seen.servers.iter().find(|(name, _)| name.as_str() == host).and_then(|(_, fact)| fact.known());
    let of_node = node.and_then(|node| node.storage.files.known()).is_some_and(|files| !files.written.is_empty());
    of_node || server.is_some_and(|server| !server.files.written.is_empty())
}

/// Decides whether a plan is carried out.
#[async_trait]
pub trait Approver: Send + Sync {
    /// Whether it is. Nothing of the plan has been done yet.
    async fn approve(&self, plan: &Plan<Action>, concerns: &Concerns) -> bool;
}

/// Nobody is asked: what runs is what is safe, or consented to in [`Terms`].
pub struct Unasked;

#[async_trait]
impl Approver for Unasked {
    async fn approve(&self, _: &Plan<Action>, _: &Concerns) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use kubestead_core::plan::Part;

    use super::*;

    fn step(host: &str, deed: &str, risk: Risk) -> Step<()> {
        Step::new(Target::Host(host.into()), "x", deed, (), "").risk(risk)
    }

    fn concerns(steps: Vec<Step<()>>, consent: &[&str], known: &[&str]) -> Concerns {
        let plan = Plan::new(String::new(), String::new(), Part { steps, held: Vec::new() }).unwrap();
        let terms = Terms { consent: consent.iter().map(|id| StepId((*id).to_owned())).collect(), fail_fast: false };
        Concerns::with(&plan, &terms, |host| known.contains(&host))
    }

    #[test]
    fn safe_steps_on_known_machines_ask_nobody() {
        assert!(!concerns(vec![step("a", "1", Risk::Safe)], &[], &["a"]).ask());
        assert!(!concerns(Vec::new(), &[], &[]).ask());
    }

    #[test]
    fn what_disrupts_destroys_or_comes_to_a_machine_for_the_first_time_asks() {
        assert!(concerns(vec![step("a", "1", Risk::Disrupts)], &[], &["a"]).ask());
        assert!(concerns(vec![step("a", "1", Risk::Destroys)], &["a/x/1"], &["a"]).ask());
        assert_eq!(concerns(vec![step("a", "1", Risk::Safe), step("b", "1", Risk::Safe)], &[], &["a"]).first, ["b".to_owned()].into());
    }

    #[test]
    fn what_nobody_consented_to_does_not_run_nor_does_what_waits_for_it() {
        let id = StepId("a/x/1".into());
        let steps = || vec![step("a", "1", Risk::Destroys), step("b", "2", Risk::Disrupts).after([id.clone()])];
        let found = concerns(steps(), &[], &[]);
        assert_eq!((found.runs, found.withheld.clone(), found.ask()), (0, [id.clone()].into(), false));
        let found = concerns(steps(), &["a/x/1"], &[]);
        assert_eq!((found.runs, found.destroys.len(), found.disrupts.len(), found.withheld.len()), (2, 1, 1, 0));
    }

    #[test]
    fn a_later_round_is_within_an_answer_only_with_nothing_new() {
        let first = concerns(vec![step("a", "1", Risk::Disrupts), step("b", "1", Risk::Safe)], &[], &[]);
        assert!(concerns(vec![step("a", "1", Risk::Disrupts)], &[], &[]).within(&first));
        assert!(!concerns(vec![step("a", "2", Risk::Disrupts)], &[], &[]).within(&first));
        assert!(!concerns(vec![step("c", "1", Risk::Safe)], &[], &[]).within(&first));
    }
}
