//! A cluster file with the connections to its machines: look, plan, settle. The command and the Python module both drive this.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kubestead_core::event::{Event, Planned, Reporter};
use kubestead_core::host::HostError;
use kubestead_core::name::Name;
use kubestead_core::plan::{BadPlan, Checked, Plan, Step};
use kubestead_core::transport::{Lease, Transport};
use kubestead_secrets::Escrow;
use tokio_util::sync::CancellationToken;

use crate::approval::{Approver, Concerns};
use crate::compose::{self, Action, Executor, Seen};
use crate::engine::{self, Report, Terms};
use crate::file::Cluster;
use crate::fleet::Fleet;
use crate::objects;
use crate::service;

/// Rounds without progress, the steps being the same each time, after which it does not help to go on.
const STILL: usize = 3;
/// More rounds than any plan needs.
const ROUNDS: usize = 20;

/// What a plan is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// All is as the file says.
    Up,
    /// The cluster is gone, and so are these volumes, each of a node.
    Reset(Vec<(Name, Name)>),
    /// The closed volumes of all nodes are opened with their recovery keys, and mounted.
    Unlock,
}

/// What keeps a session from its work as a whole. What is wrong with one machine is held in the plan instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator's secrets.
    #[error(transparent)]
    Secrets(#[from] kubestead_secrets::Error),
    /// A machine's lock could not be asked for.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Another writer is at work.
    #[error("{0}: another kubestead is at work there: wait for it, or see who holds /run/kubestead.lock")]
    Taken(Name),
    /// The parts make no plan.
    #[error(transparent)]
    Plan(#[from] BadPlan),
    /// The plan would do what must not be done: a defect of kubestead, found before anything was touched.
    #[error("this plan must not run, and nothing was touched; please report it: {}", .0.join("; "))]
    Unsound(Vec<String>),
}

/// How settling ended.
#[derive(Debug)]
pub enum Settled {
    /// Nothing is left to do; what is held is in the plan.
    Done(Plan<Action>),
    /// Steps failed, or were skipped.
    Failed(Report),
    /// It was told to stop.
    Stopped,
    /// Somebody was asked, and did not say yes: nothing of that round was done, and so nothing at all in the first one.
    Declined(usize),
    /// After that many rounds there is still something to do, and no progress.
    Unsettled(usize),
}

/// What the machines were just seen to be. [`Session::observe`] alone makes one, and of nothing else comes a plan that is carried out: what was saved
/// is [`crate::facts::Facts`].
#[derive(Clone, Debug)]
pub struct Look(Seen);

impl std::ops::Deref for Look {
    type Target = Seen;

    fn deref(&self) -> &Seen {
        &self.0
    }
}

/// A cluster with its connections.
pub struct Session {
    /// The cluster as its file says.
    pub cluster: Cluster,
    /// Its machines.
    pub fleet: Fleet,
}

impl Session {
    /// A session whose machines a transport reaches, each when it is asked for. An unreachable one is no error here: the plan holds it and says why.
    pub fn over(cluster: Cluster, transport: Arc<dyn Transport>) -> Self {
        let fleet = Fleet::over(cluster.logins(), transport);
        Self { cluster, fleet }
    }

    /// A session for the volumes of some nodes alone: no other machine is asked for anything.
    pub fn for_volumes(mut cluster: Cluster, nodes: &BTreeSet<Name>, transport: Arc<dyn Transport>) -> Self {
        cluster.nodes.retain(|node| nodes.contains(&node.name));
        cluster.servers.clear();
        cluster.kubernetes = None;
        Self::over(cluster, transport)
    }

    /// Looks at everything once: one round trip a machine.
    pub async fn observe(&self, reporter: &dyn Reporter) -> Result<Look, Error> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nonce = format!("{:x}{:x}", since.as_nanos(), std::process::id());
        let escrow = Escrow::names(&self.cluster.secrets.join("escrow"))?;
        Ok(Look(compose::observe(&self.cluster, &self.fleet, escrow, &nonce, reporter).await))
    }

    /// Looks, and says what is to do. Changes nothing.
    pub async fn plan(&self, goal: &Goal, reporter: &dyn Reporter) -> Result<Checked<Action>, Error> {
        self.judge(goal, &self.observe(reporter).await?)
    }

    /// Says what is to do by what was just seen.
    pub fn judge(&self, goal: &Goal, look: &Look) -> Result<Checked<Action>, Error> {
        let plan = match goal {
            Goal::Up => compose::plan(&self.cluster, look)?,
            Goal::Unlock => compose::unlock(&self.cluster, look)?,
            Goal::Reset(wipe) => compose::reset(&self.cluster, look, wipe)?,
        };
        Checked::new(plan, |plan| compose::check(look, plan)).map_err(Error::Unsound)
    }

    /// Takes all machines for one writer, for as long as the answer lives.
    pub async fn lease(&self) -> Result<Vec<Lease>, Error> {
        self.fleet.lease().await.map_err(Error::Taken)
    }

    /// Carries a plan out.
    pub async fn apply(
        &self,
        plan: &Checked<Action>,
        escrow: &Escrow,
        terms: &Terms,
        reporter: &dyn Reporter,
        stop: &CancellationToken,
    ) -> Report {
        engine::apply(plan, &Executor::new(&self.cluster, &self.fleet, escrow), terms, reporter, stop).await
    }

    /// Looks, plans and applies until the plan is empty, or it says what holds it. Waiting for nodes and workloads comes last, when a look after all
    /// else found nothing left but that: it is made while the machines start what is waited for. What is held then is looked at once more. `approver` decides
    /// on each plan, after it was told and before anything of it is done.
    pub async fn settle(
        &self,
        escrow: &Escrow,
        terms: &Terms,
        approver: &dyn Approver,
        reporter: &dyn Reporter,
        stop: &CancellationToken,
    ) -> Result<Settled, Error> {
        let mut last: Option<Checked<Action>> = None;
        let mut still = 0;
        for round in 1..=ROUNDS {
            let look = self.observe(reporter).await?;
            let plan = self.judge(&Goal::Up, &look)?;
            if plan.steps.is_empty() {
                return Ok(Settled::Done(plan.into_plan()));
            }
            still = if last.as_ref().is_some_and(|last| last.steps == plan.steps) { still + 1 } else { 0 };
            if still == STILL {
                return Ok(Settled::Unsettled(round));
            }
            reporter.on(&planned(&plan));
            if !approver.approve(&plan, &Concerns::of(&plan, &look, terms)).await {
                return Ok(Settled::Declined(round));
            }
            drop(look);
            let work = plan.without(waits);
            let now = if work.steps.is_empty() { &plan } else { &work };
            let report = self.apply(now, escrow, terms, reporter, stop).await;
            if stop.is_cancelled() {
                return Ok(Settled::Stopped);
            }
            if !engine::succeeded(&report) {
                return Ok(Settled::Failed(report));
            }
            if plan.held.is_empty() && plan.steps.iter().all(|step| waits(&step.action)) {
                return Ok(Settled::Done(work.into_plan()));
            }
            last = Some(plan);
        }
        Ok(Settled::Unsettled(ROUNDS))
    }
}

/// Whether it changes nothing, and verifies by itself what it waits for.
fn waits(action: &Action) -> bool {
    matches!(action, Action::Objects(objects::Action::Wait { .. }) | Action::Service(service::Action::Ready { .. }))
}

fn planned(plan: &Plan<Action>) -> Event {
    let step = |s: &Step<Action>| Planned { step: s.id.clone(), what: s.why.clone(), risk: s.risk };
    Event::Planned { steps: plan.steps.iter().map(step).collect(), held: plan.held.clone() }
}
