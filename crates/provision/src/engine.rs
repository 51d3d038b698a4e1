//! Runs a plan: hosts side by side, the steps of one host in the plan's order, a step only after those that it waits for.
//!
//! After a failure the later steps of that host are skipped, and so is what waits for them elsewhere; the other hosts go on. Steps at
//! the Kubernetes API are about objects that do not depend on each other unless they say so: there only what waits is skipped.
//! A step that destroys, or asks, runs only when its id is among the consents. To resume is to observe and plan again: nothing is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use kubestead_core::event::{Event, Reporter};
use kubestead_core::outcome::{Done, Outcome};
use kubestead_core::plan::{Plan, Risk, Step, StepId, Target};
use tokio_util::sync::CancellationToken;

/// Carries one action out; the error is a text with its causes.
pub trait Runner<A>: Sync {
    /// Guard, act, verify.
    fn run<'a>(&'a self, step: &'a Step<A>) -> BoxFuture<'a, Result<Done, String>>;
}

/// What the user decided before the run.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// The ids of steps that may run although they destroy or ask.
    pub consent: BTreeSet<StepId>,
    /// Start nothing more after the first failure.
    pub fail_fast: bool,
}

/// How each step ended.
pub type Report = BTreeMap<StepId, Outcome>;

/// Whether every step of a report succeeded.
pub fn succeeded(report: &Report) -> bool {
    report.values().all(|outcome| matches!(outcome, Outcome::Changed | Outcome::Already))
}

/// Runs a plan to its end. `stop` lets the running steps finish and starts no more.
pub async fn apply<A: Sync>(
    plan: &Plan<A>,
    runner: &dyn Runner<A>,
    terms: &Terms,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Report {
    reporter.on(&Event::Stage { name: "apply".into(), total: plan.steps.len() });
    let mut run = Run { terms, stop, reporter, report: Report::new(), busy: BTreeSet::new(), broken: BTreeMap::new(), first: None };
    let mut pending: Vec<&Step<A>> = plan.steps.iter().collect();
    let mut running = FuturesUnordered::new();
    loop {
        let ready;
        (ready, pending) = run.ready(pending);
        for step in ready {
            running.push(timed(runner, step, reporter));
        }
        let Some((step, result, millis)) = running.next().await else { break };
        run.end(step, result, millis);
    }
    run.report
}

async fn timed<'a, A>(
    runner: &'a dyn Runner<A>,
    step: &'a Step<A>,
    reporter: &'a dyn Reporter,
) -> (&'a Step<A>, Result<Done, String>, u128) {
    reporter.on(&Event::Started { step: step.id.clone(), what: step.why.clone() });
    let begin = Instant::now();
    let result = runner.run(step).await;
    (step, result, begin.elapsed().as_millis())
}

struct Run<'a> {
    terms: &'a Terms,
    stop: &'a CancellationToken,
    reporter: &'a dyn Reporter,
    report: Report,
    busy: BTreeSet<Target>,
    broken: BTreeMap<Target, StepId>,
    /// The first step that failed.
    first: Option<StepId>,
}

enum Next {
    Start,
    Wait,
    Skip(String),
}

impl Run<'_> {
    /// Takes out of the pending steps what can start now, and settles what never will.
    fn ready<'s, A>(&mut self, pending: Vec<&'s Step<A>>) -> (Vec<&'s Step<A>>, Vec<&'s Step<A>>) {
        let (mut start, mut wait) = (Vec::new(), Vec::new());
        let mut waiting: BTreeSet<Target> = BTreeSet::new();
        for step in pending {
            match self.next(step, &waiting) {
                Next::Start => {
                    self.busy.insert(step.target.clone());
                    start.push(step);
                }
                Next::Wait => {
                    waiting.insert(step.target.clone());
                    wait.push(step);
                }
                Next::Skip(why) => self.settle(step, Outcome::Skipped(why), 0),
            }
        }
        (start, wait)
    }

    fn next<A>(&self, step: &Step<A>, waiting: &BTreeSet<Target>) -> Next {
        if self.stop.is_cancelled() {
            return Next::Skip("stopped".into());
        }
        if let Some(first) = self.broken.get(&step.target) {
            return Next::Skip(format!("{first} failed"));
        }
        if let (true, Some(first)) = (self.terms.fail_fast, &self.first) {
            return Next::Skip(format!("{first} failed"));
        }
        let mut open = false;
        for id in &step.after {
            match self.report.get(id) {
                Some(Outcome::Changed | Outcome::Already) => {}
                Some(Outcome::Skipped(_) | Outcome::Failed(_)) => return Next::Skip(format!("it waits for {id}")),
                None => open = true,
            }
        }
        if open || self.busy.contains(&step.target) || waiting.contains(&step.target) {
            return Next::Wait;
        }
        if step.needs_consent() && !self.terms.consent.contains(&step.id) {
            let why = if step.risk == Risk::Destroys { "it destroys data and nobody consented" } else { "nobody consented" };
            return Next::Skip(format!("{why}: --yes {}", step.id));
        }
        Next::Start
    }

    fn end<A>(&mut self, step: &Step<A>, result: Result<Done, String>, millis: u128) {
        self.busy.remove(&step.target);
        let outcome = result.map_or_else(Outcome::Failed, Outcome::from);
        self.settle(step, outcome, millis);
    }

    fn settle<A>(&mut self, step: &Step<A>, outcome: Outcome, millis: u128) {
        if matches!(outcome, Outcome::Failed(_)) {
            self.first.get_or_insert_with(|| step.id.clone());
            match step.target {
                Target::Cluster => {}
                Target::Operator | Target::Host(_) => {
                    self.broken.entry(step.target.clone()).or_insert_with(|| step.id.clone());
                }
            }
        }
        self.reporter.on(&Event::Ended { step: step.id.clone(), outcome: outcome.clone(), millis });
        self.report.insert(step.id.clone(), outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kubestead_core::plan::Part;
    use kubestead_core::twin::{Collect, Silent};

    use super::*;

    struct Fails(&'static str, Mutex<Vec<String>>);

    impl Runner<()> for Fails {
        fn run<'a>(&'a self, step: &'a Step<()>) -> BoxFuture<'a, Result<Done, String>> {
            Box::pin(async move {
                tokio::task::yield_now().await;
                self.1.lock().unwrap().push(step.id.0.clone());
                if step.id.0 == self.0 { Err("broken".to_owned()) } else { Ok(Done::Changed) }
            })
        }
    }

    fn plan(steps: &[(&str, &str, &[&str])]) -> Plan<()> {
        let mut part = Part::default();
        for (host, deed, after) in steps {
            part.push(Step::new(Target::Host((*host).to_owned()), "x", deed, (), "").after(after.iter().map(|a| StepId((*a).to_owned()))));
        }
        Plan::new(String::new(), String::new(), part).unwrap()
    }

    async fn run(plan: &Plan<()>, fails: &'static str, terms: &Terms) -> (Report, Vec<String>) {
        let runner = Fails(fails, Mutex::new(Vec::new()));
        let report = apply(plan, &runner, terms, &Silent, &CancellationToken::new()).await;
        (report, runner.1.into_inner().unwrap())
    }

    #[tokio::test]
    async fn a_failure_stops_its_host_and_what_waits_for_it_and_nothing_else() {
        let plan = plan(&[("a", "1", &[]), ("a", "2", &[]), ("b", "1", &[]), ("b", "2", &["a/x/2"]), ("c", "1", &[]), ("c", "2", &[])]);
        let (report, ran) = run(&plan, "a/x/1", &Terms::default()).await;
        assert!(matches!(report[&StepId("a/x/1".into())], Outcome::Failed(_)));
        assert!(matches!(report[&StepId("a/x/2".into())], Outcome::Skipped(_)));
        assert!(matches!(report[&StepId("b/x/2".into())], Outcome::Skipped(_)));
        assert_eq!(report[&StepId("c/x/2".into())], Outcome::Changed);
        assert_eq!(ran.len(), 4);
    }

    #[tokio::test]
    async fn a_failure_at_the_api_stops_what_waits_for_it_and_nothing_else() {
        let mut part = Part::default();
        for (deed, after) in [("1", None), ("2", None), ("3", Some("cluster/x/1"))] {
            part.push(Step::new(Target::Cluster, "x", deed, (), "").after(after.map(|a| StepId(a.to_owned()))));
        }
        let plan = Plan::new(String::new(), String::new(), part).unwrap();
        let (report, ran) = run(&plan, "cluster/x/1", &Terms::default()).await;
        assert_eq!(ran, ["cluster/x/1", "cluster/x/2"]);
        assert!(matches!(report[&StepId("cluster/x/3".into())], Outcome::Skipped(_)));
        let (_, ran) = run(&plan, "cluster/x/1", &Terms { fail_fast: true, ..Terms::default() }).await;
        assert_eq!(ran, ["cluster/x/1"]);
    }

    #[tokio::test]
    async fn a_destroying_step_needs_its_own_consent() {
        let mut plan = plan(&[("a", "1", &[])]);
        plan.steps[0].risk = Risk::Destroys;
        assert!(run(&plan, "", &Terms::default()).await.1.is_empty());
        let terms = Terms { consent: [StepId("a/x/1".into())].into(), fail_fast: false };
        assert_eq!(run(&plan, "", &terms).await.1, ["a/x/1"]);
        (plan.steps[0].risk, plan.steps[0].asks) = (Risk::Disrupts, true);
        assert!(run(&plan, "", &Terms::default()).await.1.is_empty());
        assert_eq!(run(&plan, "", &terms).await.1, ["a/x/1"]);
    }

    #[tokio::test]
    async fn hosts_run_side_by_side_and_each_in_order() {
        let plan = plan(&[("a", "1", &[]), ("a", "2", &[]), ("b", "1", &[]), ("b", "2", &[])]);
        let reporter = Collect::default();
        let runner = Fails("", Mutex::new(Vec::new()));
        apply(&plan, &runner, &Terms::default(), &reporter, &CancellationToken::new()).await;
        let starts: Vec<String> = reporter
            .events()
            .iter()
            .filter_map(|e| if let Event::Started { step, .. } = e { Some(step.0.clone()) } else { None })
            .collect();
        assert_eq!(starts[..2], ["a/x/1", "b/x/1"], "both hosts begin before either goes on");
        let ran = runner.1.into_inner().unwrap();
        let order = |host: &str| ran.iter().filter(|id| id.starts_with(host)).cloned().collect::<Vec<_>>();
        assert_eq!(order("a"), ["a/x/1", "a/x/2"]);
    }

    #[tokio::test]
    async fn a_stop_starts_nothing_more() {
        let plan = plan(&[("a", "1", &[]), ("a", "2", &[])]);
        let stop = CancellationToken::new();
        stop.cancel();
        let runner = Fails("", Mutex::new(Vec::new()));
        let report = apply(&plan, &runner, &Terms::default(), &Silent, &stop).await;
        assert!(report.values().all(|o| *o == Outcome::Skipped("stopped".into())));
    }
}
