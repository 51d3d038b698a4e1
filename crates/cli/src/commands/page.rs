//! `kubestead status --html` and `--serve`: the status as a page.

mod file;
mod serve;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kubestead_backend::ssh::Ssh;
use kubestead_core::key::KeyRef;
use kubestead_core::plan::{Plan, Risk};
use kubestead_core::twin::Silent;
use kubestead_provision::compose::{self, Action, Seen};
use kubestead_provision::file::Cluster;
use kubestead_provision::session::Session;
use kubestead_storage::spec::Volume;
use kubestead_storage::ways::Way;

use super::status;
use crate::args::Common;
use crate::exit::{Exit, Failure};
use crate::page::{Page, Table, Todo};
use crate::print;
use crate::progress::Progress;
use crate::screen::Row;

/// Writes the page into a file.
pub(crate) async fn write(common: &Common, to: &Path) -> Result<Exit, Failure> {
    file::check(to)?;
    let session = Session::over(super::check::load(common)?, Arc::<Ssh>::default());
    let look = session.observe(&Progress::of_looks()).await?;
    let plan = compose::plan(&session.cluster, &look)?;
    file::write(to, page(&session.cluster, &look, &plan, &now()).html().as_bytes())?;
    print::data(&format!("{}: written, for your eyes alone; it says how all was when it was seen", to.display()));
    Ok(super::session::verdict(&plan))
}

/// Serves it to browsers of this computer.
pub(crate) async fn serve(common: &Common, port: u16) -> Result<Exit, Failure> {
    let session = Arc::new(Session::over(super::check::load(common)?, Arc::<Ssh>::default()));
    let make = move || {
        let session = Arc::clone(&session);
        async move {
            let look = session.observe(&Silent).await?;
            let plan = compose::plan(&session.cluster, &look)?;
            Ok(page(&session.cluster, &look, &plan, &now()).html())
        }
    };
    serve::run(port, make).await
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// What the page says of all that was seen.
pub(super) fn page(cluster: &Cluster, seen: &Seen, plan: &Plan<Action>, when: &str) -> Page {
    let report = status::report(cluster, seen, plan);
    let (is_well, verdict, next) = report.words();
    let todo = |trouble: &crate::screen::Trouble| Todo { what: trouble.what.clone(), why: trouble.why.clone(), next: trouble.hint.clone() };
    Page {
        name: cluster.name.to_string(),
        seen: when.to_owned(),
        is_well,
        verdict,
        next: next.map(str::to_owned),
        todo: report.troubles.iter().map(todo).collect(),
        tables: tables(cluster, seen, plan),
    }
}

fn tables(cluster: &Cluster, seen: &Seen, plan: &Plan<Action>) -> Vec<Table> {
    let whole = |rows: Vec<Row>| rows.into_iter().map(|row| (row.is_good, row.cells)).collect::<Vec<_>>();
    // What a terminal shows in three columns, without the one that the heading says.
    let part = |rows: Vec<Row>, left_out: usize| {
        let without = |(is_good, mut cells): (bool, Vec<String>)| {
            if left_out < cells.len() {
                cells.remove(left_out);
            }
            (is_good, cells)
        };
        whole(rows).into_iter().map(without).collect::<Vec<_>>()
    };
    let of_secrets =
        part(status::secrets(cluster, seen), 0).into_iter().map(|(is_good, mut cells)| (is_good, cells.split_off(1.min(cells.len()))));
    let of_services =
        part(status::services(seen), 0).into_iter().map(|(is_good, mut cells)| (is_good, cells.split_off(1.min(cells.len()))));
    let rest = [status::api(seen), status::pods(cluster, seen)].concat();
    let certificates = [status::certificates(cluster, seen), status::at_rest(cluster, seen)].concat();
    vec![
        Table {
            heading: "Machines",
            columns: &["Machine", "State"],
            rows: whole(status::machines(cluster, seen, plan)),
            none: "The file names none.",
        },
        Table {
            heading: "Volumes",
            columns: &["Volume", "Path", "Who can open it", "State"],
            rows: volumes(cluster, seen),
            none: "The file names none.",
        },
        Table { heading: "Services", columns: &["Service and state"], rows: of_services.collect(), none: "The file names none." },
        Table { heading: "Secrets", columns: &["Secrets and state"], rows: of_secrets.collect(), none: "No file asks for any." },
        Table {
            heading: "Certificates and encryption",
            columns: &["Machine", "What", "State"],
            rows: whole(certificates),
            none: "No control plane tells of any.",
        },
        Table {
            heading: "The cluster's own",
            columns: &["What", "State"],
            rows: part(rest, 0),
            none: "Nothing of it is amiss, as far as the API tells.",
        },
        Table {
            heading: "What kubestead up would do",
            columns: &["Step", "Cost", "Why"],
            rows: steps(plan),
            none: "Nothing: all is as the file says.",
        },
    ]
}

fn volumes(cluster: &Cluster, seen: &Seen) -> Vec<(bool, Vec<String>)> {
    let servers: Vec<&str> = cluster.servers.iter().map(|server| server.name.as_str()).collect();
    let all = cluster.nodes.iter().flat_map(|node| cluster.volumes_of(&node.name).map(move |volume| (node, volume)));
    let rows = status::rows(cluster, seen).into_iter().zip(all);
    rows.map(|(row, (node, volume))| {
        let KeyRef(key) = KeyRef::recovery(node.name.as_str(), volume.name.as_str());
        let kept = seen.escrow.contains(&key);
        (row.good, vec![format!("{}/{}", node.name, volume.name), volume.path.clone(), openers(volume, &servers, kept), row.state])
    })
    .collect()
}

/// Who can open a volume, in words.
fn openers(volume: &Volume, servers: &[&str], is_kept: bool) -> String {
    let way = |way: Way| match way {
        Way::Ssh => format!(
            "the machine itself, at boot, with {}",
            if servers.is_empty() { "no key server".to_owned() } else { servers.join(" or ") }
        ),
        Way::Recovery => "somebody by hand, after each boot".to_owned(),
    };
    let recovery = if is_kept { "whoever opens its recovery key in the escrow" } else { "its recovery key is not in the escrow" };
    let Some(ways) = volume.ways() else { return "whoever has the disk: it is not encrypted".to_owned() };
    ways.iter().map(way).chain([recovery.to_owned()]).collect::<Vec<_>>().join("; ")
}

fn steps(plan: &Plan<Action>) -> Vec<(bool, Vec<String>)> {
    let cost = |risk: Risk| match risk {
        Risk::Safe => "safe",
        Risk::Disrupts => "disrupts",
        Risk::Destroys => "destroys: asks by its id",
    };
    plan.steps.iter().map(|step| (false, vec![step.id.to_string(), cost(step.risk).to_owned(), step.why.clone()])).collect()
}
