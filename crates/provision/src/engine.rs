//! Runs a plan: hosts side by side, the steps of one host in the plan's order, a step only after those that it waits for. Steps that say that they run
//! beside the others of their host have an order of their own.
//!
//! After a failure the later steps of that host are skipped, and so is what waits for them elsewhere; the other hosts go on. Steps at
//! the Kubernetes API are about objects that do not depend on each other unless they say so: there only what waits is skipped.
//! A step that destroys, or asks, runs only when its id is among the consents. To resume is to observe and plan again: nothing is read back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use kubestead_core::event::{Event, Reporter};
use kubestead_core::outcome::{Done, Outcome};
use kubestead_core::plan::{Checked, Plan, Risk, Step, StepId, Target};
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
///
/// The time is linear in the steps and what they wait for: each step is looked at when the last thing that it waits for ends, or when it is the next of
/// its target.
pub async fn apply<A: Sync>(
    plan: &Checked<A>,
    runner: &dyn Runner<A>,
    terms: &Terms,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Report {
    reporter.on(&Event::Stage { name: "apply".into(), total: plan.steps.len() });
    let mut run = Run::new(plan, terms, stop, reporter);
    let mut running = FuturesUnordered::new();
    let mut begin: Vec<usize> = (0..run.lanes.len()).collect();
    loop {
        for lane in begin.drain(..) {
            if let Some(step) = run.next(lane) {
                running.push(timed(runner, step, &plan.steps[step], reporter));
            }
        }
        let Some((step, result, millis)) = running.next().await else { break };
        begin = run.end(step, result, millis);
    }
    run.report()
}

async fn timed<'a, A>(
    runner: &'a dyn Runner<A>,
    index: usize,
    step: &'a Step<A>,
    reporter: &'a dyn Reporter,
) -> (usize, Result<Done, String>, u128) {
    reporter.on(&Event::Started { step: step.id.clone(), what: step.why.clone() });
    let begin = Instant::now();
    let result = runner.run(step).await;
    (index, result, begin.elapsed().as_millis())
}

/// The steps of one target, in the plan's order; one at a time. Those that run beside the others have a lane of their own.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<usize>,
    busy: bool,
}

struct Run<'a, A> {
    plan: &'a Plan<A>,
    terms: &'a Terms,
    stop: &'a CancellationToken,
    reporter: &'a dyn Reporter,
    lanes: Vec<Lane>,
    /// The lanes of each target.
    of_target: BTreeMap<&'a Target, Vec<usize>>,
    /// By step: its lane, how many steps it waits for, which wait for its success, which for its end, how it ended.
    lane_of: Vec<usize>,
    open: Vec<usize>,
    followers: Vec<Vec<usize>>,
    behind: Vec<Vec<usize>>,
    ended: Vec<Option<Outcome>>,
}

impl<'a, A> Run<'a, A> {
    fn new(plan: &'a Plan<A>, terms: &'a Terms, stop: &'a CancellationToken, reporter: &'a dyn Reporter) -> Self {
        let count = plan.steps.len();
        let index: BTreeMap<&StepId, usize> = plan.steps.iter().enumerate().map(|(i, step)| (&step.id, i)).collect();
        let mut number: BTreeMap<(&Target, bool), usize> = BTreeMap::new();
        let mut run = Self {
            plan,
            terms,
            stop,
            reporter,
            lanes: Vec::new(),
            of_target: BTreeMap::new(),
            lane_of: Vec::with_capacity(count),
            open: vec![0; count],
            followers: vec![Vec::new(); count],
            behind: vec![Vec::new(); count],
            ended: vec![None; count],
        };
        for (i, step) in plan.steps.iter().enumerate() {
            let lane = *number.entry((&step.target, step.beside)).or_insert_with(|| {
                run.lanes.push(Lane::default());
                run.of_target.entry(&step.target).or_default().push(run.lanes.len() - 1);
                run.lanes.len() - 1
            });
            run.lanes[lane].waiting.push_back(i);
            run.lane_of.push(lane);
            // What the plan does not have counts as done.
            for before in step.after.iter().filter_map(|id| index.get(id)) {
                run.open[i] += 1;
                run.followers[*before].push(i);
            }
            for before in step.behind.iter().filter_map(|id| index.get(id)) {
                run.open[i] += 1;
                run.behind[*before].push(i);
            }
        }
        run
    }

    /// The step of a lane that starts now, if one does.
    fn next(&mut self, lane: usize) -> Option<usize> {
        while !self.lanes[lane].busy {
            let step = *self.lanes[lane].waiting.front()?;
            if self.ended[step].is_none() {
                if self.stop.is_cancelled() {
                    self.settle(step, Outcome::Skipped("stopped".into()), 0);
                } else if self.open[step] > 0 {
                    return None;
                } else if let Some(why) = self.no_consent(step) {
                    self.settle(step, Outcome::Skipped(why), 0);
                } else {
                    self.lanes[lane].busy = true;
                    self.lanes[lane].waiting.pop_front();
                    return Some(step);
                }
            }
            self.lanes[lane].waiting.pop_front();
        }
        None
    }

    fn no_consent(&self, step: usize) -> Option<String> {
        let step = &self.plan.steps[step];
        let why = if step.risk == Risk::Destroys { "it destroys data and nobody consented" } else { "nobody consented" };
        (step.needs_consent() && !self.terms.consent.contains(&step.id)).then(|| format!("{why}: --yes {}", step.id))
    }

    /// A running step ended; returns the lanes in which another may start.
    fn end(&mut self, step: usize, result: Result<Done, String>, millis: u128) -> Vec<usize> {
        let lane = self.lane_of[step];
        self.lanes[lane].busy = false;
        let followers = self.settle(step, result.map_or_else(Outcome::Failed, Outcome::from), millis);
        let mut lanes: Vec<usize> = if self.stop.is_cancelled() { (0..self.lanes.len()).collect() } else { followers };
        lanes.push(lane);
        lanes
    }

    /// Writes down how a step ended, and skips what never can run then. Returns the lanes of steps that wait for nothing more.
    fn settle(&mut self, step: usize, outcome: Outcome, millis: u128) -> Vec<usize> {
        let (mut free, mut todo) = (Vec::new(), vec![(step, outcome, millis)]);
        while let Some((step, outcome, millis)) = todo.pop() {
            if self.ended[step].is_some() {
                continue;
            }
            let Step { id, target, .. } = &self.plan.steps[step];
            self.reporter.on(&Event::Ended { step: id.clone(), outcome: outcome.clone(), millis });
            let skip = |why: String| Outcome::Skipped(why);
            match &outcome {
                Outcome::Changed | Outcome::Already => {
                    let followers = std::mem::take(&mut self.followers[step]);
                    self.release(followers, &mut free);
                }
                Outcome::Skipped(_) | Outcome::Failed(_) => {
                    let waits = format!("it waits for {id}");
                    todo.extend(std::mem::take(&mut self.followers[step]).into_iter().map(|follower| (follower, skip(waits.clone()), 0)));
                }
            }
            let behind = std::mem::take(&mut self.behind[step]);
            self.release(behind, &mut free);
            if matches!(outcome, Outcome::Failed(_)) {
                let failed = format!("{id} failed");
                let lanes = match (self.terms.fail_fast, target) {
                    (true, _) => (0..self.lanes.len()).collect(),
                    // Objects at the API do not depend on each other unless they say so.
                    (false, Target::Cluster) => Vec::new(),
                    (false, _) => self.of_target[target].clone(),
                };
                for lane in lanes {
                    todo.extend(self.lanes[lane].waiting.drain(..).map(|later| (later, skip(failed.clone()), 0)));
                }
            }
            self.ended[step] = Some(outcome);
        }
        free
    }

    /// One thing less that these steps wait for.
    fn release(&mut self, steps: Vec<usize>, free: &mut Vec<usize>) {
        for step in steps {
            self.open[step] -= 1;
            if self.open[step] == 0 {
                free.push(self.lane_of[step]);
            }
        }
    }

    fn report(self) -> Report {
        let ids = self.plan.steps.iter().map(|step| step.id.clone());
        ids.zip(self.ended).filter_map(|(id, outcome)| Some((id, outcome?))).collect()
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

    fn judged(plan: Plan<()>) -> Checked<()> {
        Checked::new(plan, |_| Vec::new()).unwrap()
    }

    async fn run(plan: &Plan<()>, fails: &'static str, terms: &Terms) -> (Report, Vec<String>) {
        let runner = Fails(fails, Mutex::new(Vec::new()));
        let report = apply(&judged(plan.clone()), &runner, terms, &Silent, &CancellationToken::new()).await;
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
    async fn what_runs_beside_the_others_waits_for_those_alone_that_it_names() {
        let id = |id: &str| StepId(id.to_owned());
        let step = |deed: &str| Step::new(Target::Host("a".into()), "x", deed, (), "");
        let with = |steps: Vec<Step<()>>| {
            let mut part = Part::default();
            for step in steps {
                part.push(step);
            }
            Plan::new(String::new(), String::new(), part).unwrap()
        };
        let beside = |deed: &str| Step { beside: true, ..step(deed) };
        let all = with(vec![step("1"), step("2").after([id("a/x/far")]), beside("far"), step("3")]);
        let (report, ran) = run(&all, "", &Terms::default()).await;
        assert!(succeeded(&report));
        assert_eq!(ran, ["a/x/far", "a/x/1", "a/x/2", "a/x/3"], "it begins at once, and the second of the others waits for it");
        // A machine on which something failed is left alone, on both sides.
        let (report, ran) = run(&with(vec![step("1"), step("2"), beside("far").after([id("a/x/2")])]), "a/x/1", &Terms::default()).await;
        assert_eq!(ran, ["a/x/1"]);
        assert!(matches!(report[&id("a/x/far")], Outcome::Skipped(_)));
        let all = with(vec![beside("far"), step("1"), step("2"), step("3"), step("4")]);
        let (report, _) = run(&all, "a/x/far", &Terms::default()).await;
        assert!(matches!(report[&id("a/x/4")], Outcome::Skipped(_)), "{report:?}");
    }

    #[tokio::test]
    async fn what_comes_behind_another_waits_for_its_end_and_not_for_its_success() {
        let id = |text: &str| StepId(text.to_owned());
        let mut part = Part::default();
        let step = |host: &str| Step::new(Target::Host(host.to_owned()), "x", "1", (), "");
        part.push(step("a").behind([id("b/x/1"), id("gone/x/1")]));
        part.push(step("b").behind([id("c/x/1")]));
        part.push(step("c"));
        let plan = Plan::new(String::new(), String::new(), part).unwrap();
        for fails in ["", "c/x/1", "b/x/1"] {
            let (report, ran) = run(&plan, fails, &Terms::default()).await;
            assert_eq!(ran, ["c/x/1", "b/x/1", "a/x/1"], "{fails}");
            assert_eq!(report[&id("a/x/1")], Outcome::Changed);
        }
        let mut circle = Part::default();
        circle.push(step("a").behind([id("b/x/1")]));
        circle.push(step("b").after([id("a/x/1")]));
        assert!(Plan::new(String::new(), String::new(), circle).is_err());
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
        apply(&judged(plan), &runner, &Terms::default(), &reporter, &CancellationToken::new()).await;
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

    struct Counts(std::sync::atomic::AtomicUsize);

    impl Runner<()> for Counts {
        fn run<'a>(&'a self, _: &'a Step<()>) -> BoxFuture<'a, Result<Done, String>> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Box::pin(std::future::ready(Ok(Done::Changed)))
        }
    }

    /// `benches/scale.sh` tells how long it takes; here a quadratic one would not come to its end.
    #[tokio::test]
    async fn two_hundred_thousand_steps_come_to_their_end() {
        let mut part = Part::default();
        for n in 0..200_000 {
            let (host, before) = (n % 1000, (n >= 1000).then(|| StepId(format!("h{}/x/{}", (n - 1000) % 1000, n - 1000))));
            part.push(Step::new(Target::Host(format!("h{host}")), "x", &n.to_string(), (), "").after(before));
        }
        let plan = Plan::new(String::new(), String::new(), part).unwrap();
        let runner = Counts(0.into());
        let report = apply(&judged(plan), &runner, &Terms::default(), &Silent, &CancellationToken::new()).await;
        assert!(report.len() == 200_000 && succeeded(&report));
        assert_eq!(runner.0.into_inner(), 200_000);
    }

    #[tokio::test]
    async fn a_step_without_consent_keeps_its_target_from_nothing_but_what_waits_for_it() {
        let mut plan = plan(&[("a", "1", &[]), ("a", "2", &[]), ("a", "3", &["a/x/1"]), ("b", "1", &["a/x/3"])]);
        plan.steps[0].asks = true;
        let (report, ran) = run(&plan, "", &Terms::default()).await;
        assert_eq!(ran, ["a/x/2"]);
        assert_eq!(report[&StepId("a/x/1".into())], Outcome::Skipped("nobody consented: --yes a/x/1".into()));
        assert_eq!(report[&StepId("b/x/1".into())], Outcome::Skipped("it waits for a/x/3".into()));
        assert_eq!(report.len(), 4);
    }

    #[tokio::test]
    async fn a_stop_starts_nothing_more() {
        let plan = plan(&[("a", "1", &[]), ("a", "2", &[])]);
        let stop = CancellationToken::new();
        stop.cancel();
        let runner = Fails("", Mutex::new(Vec::new()));
        let report = apply(&judged(plan), &runner, &Terms::default(), &Silent, &stop).await;
        assert!(report.values().all(|o| *o == Outcome::Skipped("stopped".into())));
    }
}
