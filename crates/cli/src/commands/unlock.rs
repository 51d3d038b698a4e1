//! `kubestead volume unlock`: closed volumes are opened with their recovery keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_core::name::Name;
use kubestead_core::outcome::Outcome;
use kubestead_provision::engine::{self, Terms};
use kubestead_provision::file::Cluster;
use kubestead_provision::session::{Goal, Session};

use super::session;
use super::status::rows;
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::progress::Progress;
use crate::{print, render};

/// The nodes that are meant, all of which the file has with volumes.
fn named(cluster: &Cluster, nodes: &[String]) -> Result<BTreeSet<Name>, Failure> {
    let known: Vec<&str> =
        cluster.nodes.iter().map(|n| &n.name).filter(|n| cluster.volumes_of(n).next().is_some()).map(Name::as_str).collect();
    let one = |text: &String| {
        let name = Name::new(text).ok().filter(|name| known.contains(&name.as_str()));
        name.ok_or_else(|| {
            let hint = format!("nodes with volumes are {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") });
            fail(Exit::Usage, format!("{text:?} is no node of the file that has volumes; nothing was touched")).hint(hint)
        })
    };
    nodes.iter().map(one).collect()
}

pub(crate) async fn run(common: &Common, nodes: &[String]) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let nodes = named(&cluster, nodes)?;
    let escrow = session::escrow(&cluster)?;
    let journal = session::journal(&cluster)?;
    let machines = Session::for_volumes(cluster, &nodes, Arc::<Ssh>::default());
    let _leases = machines.lease().await?;
    let reporter = Progress::new(Some(&journal));
    let plan = machines.plan(&Goal::Unlock, &reporter).await?;
    let stop = session::Stop::on_ctrl_c().acting();
    let terms = Terms { consent: BTreeSet::new().into_iter().collect(), fail_fast: false };
    let report = machines.apply(&plan, &escrow, &terms, &reporter, stop.token()).await;
    drop(reporter);
    if !engine::succeeded(&report) {
        let failed = report.values().filter(|o| matches!(o, Outcome::Failed(_))).count();
        return Err(fail(Exit::Failed, format!("{failed} steps failed, and what they are about is still closed"))
            .hint(format!("fix what they say, then run it again: it goes on where it was; the journal is {}", journal.display())));
    }
    // What counts is the look.
    let look = machines.observe(&Progress::new(None)).await?;
    let again = machines.judge(&Goal::Unlock, &look)?;
    let rows = rows(&machines.cluster, &look);
    match common.output {
        Format::Json => print::json(&serde_json::json!({"volumes": rows, "held": again.held, "changed": !plan.steps.is_empty()}))?,
        Format::Text => {
            for row in &rows {
                print::data(&row.to_string());
            }
            if plan.steps.is_empty() && again.held.is_empty() {
                print::note("nothing to do");
            }
            if !again.held.is_empty() || !again.steps.is_empty() {
                print::data(&render::plan(&again, None));
            }
        }
    }
    Ok(session::verdict(&again))
}
