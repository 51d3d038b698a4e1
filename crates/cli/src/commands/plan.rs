//! `kubestead plan`.

use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_core::cores;
use kubestead_core::plan::Plan;
use kubestead_provision::changes::Compare;
use kubestead_provision::facts::{self, Facts};
use kubestead_provision::session::{Goal, Session};
use serde::Serialize;

use super::session;
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::progress::Progress;
use crate::render::Changes;
use crate::{print, render};

pub(crate) async fn run(common: &Common, diff: bool, save: Option<&Path>) -> Result<Exit, Failure> {
    let machines = Session::over(super::check::load_all(common)?, Arc::<Ssh>::default());
    let look = machines.observe(&Progress::new(None)).await?;
    if let Some(path) = save {
        facts::save(path, &machines.cluster, &look).map_err(|e| fail(Exit::Usage, e.to_string()))?;
    }
    let plan = machines.judge(&Goal::Up, &look)?;
    let compare = || {
        let compare = Compare::new(&look);
        plan.steps.iter().map(|step| (step.id.clone(), compare.changes(&step.target, &step.action))).collect()
    };
    tell(common, diff.then(compare).as_ref(), &plan, &plan)
}

/// From saved facts, which may be anybody's.
pub(crate) fn recall(common: &Common, diff: bool, path: &Path) -> Result<Exit, Failure> {
    let (cluster, facts) = cores::both(|| super::check::read(common), || Facts::load(path).map(ManuallyDrop::new));
    // The program ends then: to free the facts of a large cluster piece by piece takes longer than to plan with them.
    let (cluster, facts) = (cluster?, facts.map_err(|e| fail(Exit::Usage, e.to_string()))?);
    let recall = ManuallyDrop::new(facts.plan(&cluster).map_err(|e| fail(Exit::Usage, e.to_string()))?);
    if common.output == Format::Text {
        print::data(&format!(
            "This is from facts of {}. Nothing was looked at since, and nothing of it can be applied: `up` looks by itself.",
            recall.facts_of
        ));
    }
    tell(common, diff.then(|| facts.changes(&recall)).as_ref(), &recall.plan, &*recall)
}

/// Shows a plan: its text, with `changes` as a diff, or as JSON what holds it.
fn tell<A: Serialize>(common: &Common, changes: Option<&Changes>, plan: &Plan<A>, whole: &impl Serialize) -> Result<Exit, Failure> {
    match common.output {
        Format::Text => print::data(&render::plan(plan, changes)),
        Format::Json => print::json(whole)?,
    }
    Ok(session::verdict(plan))
}
