//! `kubestead plan`.

use kubestead_provision::session::{Goal, Session};

use super::session;
use crate::args::{Common, Format};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::{print, render};

pub(crate) async fn run(common: &Common, diff: bool) -> Result<Exit, Failure> {
    let machines = Session::new(super::check::load_all(common)?.0);
    let plan = machines.plan(&Goal::Up, &Progress::new(None)).await?;
    match common.output {
        Format::Text => print::data(&render::plan(&plan, diff)),
        Format::Json => print::json(&plan)?,
    }
    Ok(session::verdict(&plan))
}
