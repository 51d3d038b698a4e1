//! `kubestead check`, and the loading that every verb begins with.

use std::path::Path;

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_provision::compose;
use kubestead_provision::file::{self, Cluster};
use kubestead_provision::secret::Wish;

use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::print;

/// Reads and validates the cluster file. All mistakes are told at once.
pub(crate) fn load(common: &Common) -> Result<Cluster, Failure> {
    let path = &common.file;
    let text = std::fs::read_to_string(path)
        .map_err(|e| fail(Exit::Usage, format!("cannot read {}: {e}", path.display())).hint("`kubestead init` writes one to begin with"))?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let dir = path.parent().unwrap_or_else(|| Path::new("/"));
    file::load(&common.file.display().to_string(), &text, dir).map_err(|found| refuse(common, &found))
}

/// The same, and the folder of secrets: what is asked of a cluster is both together.
pub(crate) fn load_all(common: &Common) -> Result<(Cluster, Wish), Failure> {
    let cluster = load(common)?;
    let wish = compose::wish(&cluster, &shown(common, &cluster));
    if wish.findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(refuse(common, &wish.findings));
    }
    Ok((cluster, wish))
}

/// The folder as the user would name it: beside the cluster file.
fn shown(common: &Common, cluster: &Cluster) -> String {
    let beside = common.file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let here = std::path::absolute(beside.unwrap_or_else(|| Path::new("."))).unwrap_or_default();
    match (cluster.secrets.strip_prefix(&here), beside) {
        (Ok(rest), Some(dir)) => dir.join(rest).display().to_string(),
        (Ok(rest), None) => rest.display().to_string(),
        (Err(_), _) => cluster.secrets.display().to_string(),
    }
}

fn refuse(common: &Common, found: &[Diagnostic]) -> Failure {
    if common.output == Format::Json {
        let _ = print::json(&found);
    } else {
        for diagnostic in found {
            print::note(diagnostic);
        }
    }
    let many = if found.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", found.len()) };
    fail(Exit::Usage, format!("{}: {many}; nothing was touched", common.file.display()))
}

pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let (cluster, wish) = load_all(common)?;
    match common.output {
        Format::Text => print::data(&format!(
            "{}: {} nodes, {} volumes, {} Secrets: no mistakes",
            common.file.display(),
            cluster.nodes.len(),
            cluster.volumes.len(),
            wish.secrets.len()
        )),
        Format::Json => print::json(&Vec::<()>::new())?,
    }
    Ok(Exit::Done)
}
