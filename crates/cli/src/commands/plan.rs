//! `kubestead plan`.

use kubestead_provision::compose;
use kubestead_provision::fleet::Fleet;

use super::session;
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::{print, render};

pub(crate) async fn run(common: &Common, diff: bool) -> Result<Exit, Failure> {
    let cluster = super::check::load(common)?;
    let fleet = Fleet::connect(&cluster).await;
    let reporter = Progress::new(None);
    let seen = session::observe(&cluster, &fleet, &reporter).await?;
    drop(reporter);
    let plan = compose::plan(&cluster, &seen)?;
    match common.output {
        Format::Text => print::data(&render::plan(&plan, diff)),
        Format::Json => print::json(&plan)?,
    }
    Ok(session::verdict(&plan))
}
