//! `kubestead check`, and the loading that every verb begins with.

use std::path::Path;

use kubestead_provision::file::{self, Cluster};

use crate::args::{Common, Format};
use crate::exit::{Exit, Failure, fail};
use crate::print;

/// Reads and validates the cluster file. All mistakes are told at once.
pub(crate) fn load(common: &Common) -> Result<Cluster, Failure> {
    let path = &common.file;
    let text = std::fs::read_to_string(path).map_err(|e| {
        fail(Exit::Usage, format!("cannot read {}: {e}\n  hint: `kubestead init` writes one to begin with", path.display()))
    })?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let dir = path.parent().unwrap_or_else(|| Path::new("/"));
    file::load(&common.file.display().to_string(), &text, dir).map_err(|found| {
        if common.output == Format::Json {
            let _ = print::json(&found);
        } else {
            for diagnostic in &found {
                print::note(&diagnostic.to_string());
            }
        }
        fail(Exit::Usage, format!("{}: {} mistakes; nothing was touched", common.file.display(), found.len()))
    })
}

pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let cluster = load(common)?;
    match common.output {
        Format::Text => print::data(&format!(
            "{}: {} nodes, {} volumes: no mistakes",
            common.file.display(),
            cluster.nodes.len(),
            cluster.volumes.len()
        )),
        Format::Json => print::json(&Vec::<()>::new())?,
    }
    Ok(Exit::Done)
}
