//! What looking at machines needs, in one place: connections, a nonce, the clock, the escrow's names.

use std::time::{SystemTime, UNIX_EPOCH};

use kubestead_core::event::Reporter;
use kubestead_core::plan::Plan;
use kubestead_provision::compose::{self, Action, Seen};
use kubestead_provision::file::Cluster;
use kubestead_provision::fleet::Fleet;
use kubestead_secrets::Escrow;

use crate::exit::{Exit, Failure};

/// Looks at everything once.
pub(crate) async fn observe(cluster: &Cluster, fleet: &Fleet, reporter: &dyn Reporter) -> Result<Seen, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let nonce = format!("{:x}{:x}", since.as_nanos(), std::process::id());
    let escrow = Escrow::names(&cluster.secrets.join("escrow"))?;
    Ok(compose::observe(cluster, fleet, escrow, &nonce, i64::try_from(since.as_secs()).unwrap_or(i64::MAX), reporter).await)
}

/// The exit code that a plan asks for.
pub(crate) fn verdict(plan: &Plan<Action>) -> Exit {
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
