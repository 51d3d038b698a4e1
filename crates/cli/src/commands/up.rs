//! `kubestead up`: observe, plan, apply, and again until nothing is left or it says what holds it.

use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_core::outcome::Outcome;
use kubestead_core::plan::StepId;
use kubestead_provision::approval::{Approver, Unasked};
use kubestead_provision::engine::Terms;
use kubestead_provision::session::{Session, Settled};

use super::session::{self, Stop};
use crate::args::{Common, Format};
use crate::ask::{self, OnTerminal};
use crate::exit::{Exit, Failure, fail};
use crate::progress::Progress;
use crate::{print, render};

pub(crate) async fn run(common: &Common, consent: Vec<String>, approved: bool, fail_fast: bool) -> Result<Exit, Failure> {
    let cluster = super::check::load_all(common)?;
    let escrow = session::escrow(&cluster)?;
    let journal = session::journal(&cluster)?;
    let machines = Session::over(cluster, Arc::<Ssh>::default());
    let _leases = machines.lease().await?;
    let terms = Terms { consent: consent.into_iter().map(StepId).collect(), fail_fast };
    let reporter = Progress::new(Some(&journal));
    let stop = Stop::on_ctrl_c();
    let approver: Box<dyn Approver> = if approved || common.output == Format::Json || !ask::can() {
        let _ = stop.clone().acting();
        Box::new(Unasked)
    } else {
        Box::new(OnTerminal::new(&stop))
    };
    let settled = machines.settle(&escrow, &terms, &*approver, &reporter, stop.token()).await?;
    drop(reporter);
    match settled {
        Settled::Done(plan) => {
            print::data(&render::plan(&plan, None));
            Ok(session::verdict(&plan))
        }
        Settled::Failed(report) => {
            let failed = report.values().filter(|o| matches!(o, Outcome::Failed(_))).count();
            let skipped = report.values().filter(|o| matches!(o, Outcome::Skipped(_))).count();
            // Nothing failed: what is left waits for a consent.
            let exit = if failed == 0 { Exit::Held } else { Exit::Failed };
            Err(fail(exit, format!("{failed} failed, {skipped} skipped; the journal is {}", journal.display())))
        }
        Settled::Declined(round) if round == 1 || !stop.token().is_cancelled() => {
            let what = if round == 1 { "nothing was done" } else { "nothing of this was done; what was done before stays" };
            print::note(&format!("{what}: `kubestead up` looks and asks again"));
            Ok(Exit::Changes)
        }
        Settled::Stopped | Settled::Declined(_) => {
            Err(fail(Exit::Failed, "stopped after the running steps; run `kubestead up` again to go on"))
        }
        Settled::Unsettled(rounds) => {
            let what = format!("after {rounds} rounds there is still something to do: see `kubestead plan` and {}", journal.display());
            Err(fail(Exit::Failed, what))
        }
    }
}
