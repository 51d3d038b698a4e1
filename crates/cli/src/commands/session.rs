//! What the verbs that look at machines share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kubestead_core::plan::Plan;
use kubestead_provision::file::Cluster;
use kubestead_secrets::Escrow;
use tokio_util::sync::CancellationToken;

use super::init;
use crate::exit::{Exit, Failure, fail};
use crate::folders;
use crate::print;

/// The exit code that a plan asks for.
pub(crate) fn verdict<A>(plan: &Plan<A>) -> Exit {
    if plan.held.iter().any(|h| h.unreachable) {
        Exit::Unreachable
    } else if !plan.held.is_empty() {
        Exit::Held
    } else if plan.steps.is_empty() {
        Exit::Done
    } else {
        Exit::Changes
    }
}

/// The operator's secrets.
pub(crate) fn escrow(cluster: &Cluster) -> Result<Escrow, Failure> {
    Escrow::open(&cluster.secrets.join("escrow"), &init::identity()?)
        .map_err(|e| fail(Exit::Usage, Failure::from(e).message).hint("`kubestead init` makes the key and the folder"))
}

/// Where the events of all runs are kept for people.
pub(crate) fn journal(cluster: &Cluster) -> Result<PathBuf, Failure> {
    Ok(folders::state()?.join(format!("kubestead/{}.jsonl", cluster.name)))
}

/// Ctrl-C: before anything is done it ends the run, then the first lets the running steps finish, and the second ends the program.
#[derive(Clone)]
pub(crate) struct Stop {
    token: CancellationToken,
    acting: Arc<AtomicBool>,
}

impl Stop {
    /// Takes Ctrl-C from now on.
    pub(crate) fn on_ctrl_c() -> Self {
        let stop = Self { token: CancellationToken::new(), acting: Arc::default() };
        let own = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                if own.acting.load(Ordering::Relaxed) {
                    print::note("stopping after the running steps; Ctrl-C again ends at once");
                }
                own.token.cancel();
                if tokio::signal::ctrl_c().await.is_ok() {
                    std::process::exit(Exit::Failed as i32);
                }
            }
        });
        stop
    }

    /// What is done from now on is waited for.
    pub(crate) fn acting(self) -> Self {
        self.acting.store(true, Ordering::Relaxed);
        self
    }

    /// For the engine.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }
}
