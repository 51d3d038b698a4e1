//! `kubestead reset`: the end of a cluster, with its name as consent. Volumes, software and keys stay, but for volumes that are
//! named one by one.

use std::sync::Arc;

use kubestead_backend::ssh::Ssh;
use kubestead_core::name::Name;
use kubestead_core::outcome::Outcome;
use kubestead_provision::engine::{self, Terms};
use kubestead_provision::file::Cluster;
use kubestead_provision::session::{Goal, Session};

use super::session::{self, Stop};
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::progress::Progress;
use crate::{ask, print, render};

/// `NODE/VOLUME`, as the file has it.
fn named(cluster: &Cluster, text: &str) -> Result<(Name, Name), Failure> {
    let unknown =
        || fail(Exit::Usage, format!("{text:?} is no volume of the file: write NODE/VOLUME, such as kube1/volumes; nothing was touched"));
    let (node, volume) = text.split_once('/').ok_or_else(unknown)?;
    let (node, volume) = (Name::new(node)?, Name::new(volume)?);
    let has = cluster.nodes.iter().any(|n| n.name == node) && cluster.volumes_of(&node).any(|v| v.name == volume);
    if has { Ok((node, volume)) } else { Err(unknown()) }
}

/// Asks for the cluster's name on a terminal, which is the same consent as `--yes-reset NAME`.
async fn asks(cluster: &Cluster, wipe: &[String], stop: &Stop) -> bool {
    ask::can() && ask::answer(&reset_question(cluster.name.as_str(), wipe), stop).await.is_some_and(|typed| typed == cluster.name.as_str())
}

fn reset_question(name: &str, wipe: &[String]) -> String {
    let wiped = if wipe.is_empty() { String::new() } else { format!(", and with it all that is on {}", wipe.join(", ")) };
    format!("The cluster, and what etcd holds, is gone then{wiped}. Type {name} to go on, anything else changes nothing:")
}

pub(crate) async fn run(common: &Common, consent: Option<&str>, wipe: &[String]) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let volumes = wipe.iter().map(|text| named(&cluster, text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(other) = consent.filter(|name| *name != cluster.name.as_str()) {
        return Err(fail(
            Exit::Usage,
            format!("the cluster is called {}, and the consent says {other}; nothing was touched", cluster.name),
        ));
    }
    let escrow = session::escrow(&cluster)?;
    let journal = session::journal(&cluster)?;
    let machines = Session::over(cluster, Arc::<Ssh>::default());
    let _leases = machines.lease().await?;
    let reporter = Progress::new(Some(&journal));
    let goal = Goal::Reset(volumes);
    let plan = machines.plan(&goal, &reporter).await?;
    let stop = Stop::on_ctrl_c();
    if consent.is_none() || plan.steps.is_empty() {
        print::data(&render::plan(&plan, None));
    }
    let agreed =
        consent.is_some() || (!plan.steps.is_empty() && common.output == Format::Text && asks(&machines.cluster, wipe, &stop).await);
    if !agreed || plan.steps.is_empty() {
        drop(reporter);
        let verdict = session::verdict(&plan);
        if verdict == Exit::Changes {
            print::note(&format!("nothing was touched; to end the cluster: kubestead reset --yes-reset {}", machines.cluster.name));
        }
        return Ok(verdict);
    }
    let terms = Terms { consent: plan.steps.iter().map(|s| s.id.clone()).collect(), fail_fast: false };
    let report = machines.apply(&plan, &escrow, &terms, &reporter, stop.acting().token()).await;
    drop(reporter);
    if !engine::succeeded(&report) {
        let left = report.values().filter(|o| !matches!(o, Outcome::Changed | Outcome::Already)).count();
        return Err(fail(Exit::Failed, format!("{left} nodes are not reset; run it again to go on; the journal is {}", journal.display())));
    }
    let again = machines.plan(&goal, &Progress::new(None)).await?;
    let wiped = if goal == Goal::Reset(Vec::new()) { "" } else { ", but for the volumes that you named" };
    print::note(&format!("the cluster is gone; volumes, software and keys stay{wiped}: kubestead up makes it anew"));
    Ok(session::verdict(&again))
}
