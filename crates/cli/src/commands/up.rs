//! `kubestead up`: observe, plan, apply, and again until nothing is left or it says what holds it.

use std::path::PathBuf;

use kubestead_core::outcome::Outcome;
use kubestead_core::plan::StepId;
use kubestead_provision::compose::{self, Hands};
use kubestead_provision::engine::{self, Terms};
use kubestead_provision::file::Cluster;
use kubestead_provision::fleet::Fleet;
use kubestead_provision::ssh::Lease;
use kubestead_secrets::Escrow;
use tokio_util::sync::CancellationToken;

use super::{init, session};
use crate::args::Common;
use crate::exit::{Exit, Failure, fail};
use crate::progress::Progress;
use crate::{print, render};

/// More rounds than any plan needs: a plan that does not get empty by then never does.
const ROUNDS: usize = 5;

pub(crate) async fn run(common: &Common, consent: Vec<String>, fail_fast: bool) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let escrow = Escrow::open(&cluster.secrets.join("escrow"), &init::identity())
        .map_err(|e| fail(Exit::Usage, format!("{}\n  hint: `kubestead init` makes the key and the folder", Failure::from(e).message)))?;
    let fleet = Fleet::connect(&cluster).await;
    let _leases = lease(&fleet).await?;
    let terms = Terms { consent: consent.into_iter().map(StepId).collect(), fail_fast };
    let stop = stop_on_ctrl_c();
    settle(&cluster, &fleet, &escrow, &terms, &stop).await
}

/// One writer a machine.
pub(super) async fn lease(fleet: &Fleet) -> Result<Vec<Lease>, Failure> {
    fleet.lease().await?.map_err(|host| {
        fail(Exit::Failed, format!("{host}: another kubestead is at work there: wait for it, or see who holds /run/kubestead.lock"))
    })
}

async fn settle(cluster: &Cluster, fleet: &Fleet, escrow: &Escrow, terms: &Terms, stop: &CancellationToken) -> Result<Exit, Failure> {
    let hands = Hands::new(cluster, fleet, escrow);
    let journal = journal(cluster);
    for _ in 0..ROUNDS {
        let reporter = Progress::new(Some(&journal));
        let seen = session::observe(cluster, fleet, &reporter).await?;
        let plan = compose::plan(cluster, &seen)?;
        if plan.steps.is_empty() {
            drop(reporter);
            print::data(&render::plan(&plan, false));
            return Ok(session::verdict(&plan));
        }
        let report = engine::apply(&plan, &hands, terms, &reporter, stop).await;
        drop(reporter);
        if stop.is_cancelled() {
            return Err(fail(Exit::Failed, "stopped after the running steps; run `kubestead up` again to go on"));
        }
        if !engine::succeeded(&report) {
            let failed = report.values().filter(|o| matches!(o, Outcome::Failed(_))).count();
            let skipped = report.values().filter(|o| matches!(o, Outcome::Skipped(_))).count();
            return Err(fail(Exit::Failed, format!("{failed} failed, {skipped} skipped; the journal is {}", journal.display())));
        }
    }
    Err(fail(Exit::Failed, format!("after {ROUNDS} rounds there is still something to do: see `kubestead plan` and {}", journal.display())))
}

/// Where the events of all runs are kept for people.
pub(super) fn journal(cluster: &Cluster) -> PathBuf {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    std::env::var_os("XDG_STATE_HOME")
        .map_or_else(|| home.join(".local/state"), PathBuf::from)
        .join(format!("kubestead/{}.jsonl", cluster.name))
}

/// The first Ctrl-C lets the running steps finish; the second ends the program.
pub(super) fn stop_on_ctrl_c() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            print::note("stopping after the running steps; Ctrl-C again ends at once");
            token.cancel();
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(Exit::Failed as i32);
            }
        }
    });
    stop
}
