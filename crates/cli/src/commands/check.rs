//! `kubestead check`, and the loading that every verb begins with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_provision::compose;
use kubestead_provision::file::{self, Cluster, Manifests, Untrusted};
use kubestead_provision::secret::SecretsWanted;
use kubestead_provision::service::{self, ServicesWanted};

use crate::args::{Common, Format};
use crate::excerpt::Source;
use crate::exit::{Exit, Failure, fail};
use crate::print::{self, Shown};

/// Reads and validates the cluster file for a verb that looks at machines: ssh runs what a configuration says, so one that came with the
/// file must be harmless, or trusted. All mistakes are told at once.
pub(crate) fn load(common: &Common) -> Result<Cluster, Failure> {
    vetted(common, read(common)?)
}

fn vetted(common: &Common, cluster: Cluster) -> Result<Cluster, Failure> {
    if !common.trust_ssh_config {
        vet(common, &cluster).map_err(|why| fail(Exit::Usage, why.to_string()))?;
    }
    Ok(cluster)
}

/// Whether the ssh configuration may be used without asking. The lab's own configurations are: kubestead wrote them.
pub(crate) fn vet(common: &Common, cluster: &Cluster) -> Result<(), Untrusted> {
    file::vet(cluster, &folder(common), &[kubestead_lab::cache::lab_directory("")])
}

pub(crate) fn folder(common: &Common) -> PathBuf {
    let path = std::path::absolute(&common.file).unwrap_or_else(|_| common.file.clone());
    path.parent().unwrap_or_else(|| Path::new("/")).to_owned()
}

/// Reads and validates the cluster file for a verb that looks at nothing else.
pub(crate) fn read(common: &Common) -> Result<Cluster, Failure> {
    Ok(with_text(common, &|_| Vec::new())?.0)
}

/// The cluster, and the text that it was read from. `beside` says what is wrong in the files of services; of a file that is refused all is told at once.
fn with_text(common: &Common, beside: &dyn Fn(&[Manifests]) -> Vec<Diagnostic>) -> Result<(Cluster, String), Failure> {
    let path = &common.file;
    let text = file::bounded(path).map_err(|e| {
        let failure = fail(Exit::Usage, format!("cannot read {}: {e}", path.display()));
        if e.kind() == std::io::ErrorKind::NotFound { failure.hint("`kubestead init` writes one to begin with") } else { failure }
    })?;
    match file::load_or(&path.display().to_string(), &text, &folder(common)) {
        Ok(cluster) => Ok((cluster, text)),
        Err(refused) => Err(refuse(common, &[refused.found.as_slice(), &beside(&refused.manifests)].concat(), Some(&text))),
    }
}

/// What is wrong in the files of services.
fn in_services(common: &Common, services: &[Manifests]) -> Vec<Diagnostic> {
    // Of a file that is refused the version is not known, which charts are rendered for.
    let beside = service::Beside {
        shown: &|path| shown(common, path),
        taken: Vec::new(),
        version: None,
        cluster: None,
        programs: &service::Local::here(),
    };
    service::read_files(services, &beside).findings
}

/// The same, and the folder of secrets and the files of services: what is asked of a cluster is all together. What is worth knowing of the file is told.
pub(crate) fn load_all(common: &Common) -> Result<Cluster, Failure> {
    let (cluster, text) = with_text(common, &|services| in_services(common, services))?;
    let cluster = vetted(common, cluster)?;
    tell(common, &cluster.warnings, Some(&text));
    Ok(with_files(common, cluster)?.0)
}

/// The images that the services of a cluster file run, and its version of Kubernetes. Nothing is connected to.
pub(crate) fn images(file: &Path) -> Result<(BTreeSet<String>, Option<String>), Failure> {
    let common = Common { file: file.to_owned(), output: Format::Text, trust_ssh_config: false };
    let (cluster, text) = with_text(&common, &|services| in_services(&common, services))?;
    tell(&common, &cluster.warnings, Some(&text));
    let (cluster, wanted) = with_files(&common, cluster)?;
    Ok((wanted.services.images, cluster.kubernetes.map(|kubernetes| kubernetes.version)))
}

/// What files beside the cluster file ask for.
struct Wanted {
    secrets: SecretsWanted,
    services: ServicesWanted,
}

/// Findings as text; with the cluster file's text, those that are about it show their lines. No line of another file is ever shown.
fn tell(common: &Common, found: &[Diagnostic], text: Option<&str>) {
    let name = common.file.display().to_string();
    let source = text.map(|text| Source::new(&name, text, print::note_width()));
    for diagnostic in found {
        print::note(&Shown::finding(diagnostic, source.as_ref()));
    }
}

fn with_files(common: &Common, cluster: Cluster) -> Result<(Cluster, Wanted), Failure> {
    let secrets = compose::wish(&cluster, &shown(common, &cluster.secrets));
    let services = compose::services(&cluster, &secrets, &service::Local::here(), &|path| shown(common, path));
    let found = [secrets.findings.as_slice(), &services.findings].concat();
    if found.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(refuse(common, &found, None));
    }
    if common.output == Format::Text {
        tell(common, &found, None);
    }
    Ok((cluster, Wanted { secrets, services }))
}

/// A path as the user would name it: beside the cluster file.
fn shown(common: &Common, path: &Path) -> String {
    let beside = common.file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let here = std::path::absolute(beside.unwrap_or_else(|| Path::new("."))).unwrap_or_default();
    match (path.strip_prefix(&here), beside) {
        (Ok(rest), Some(dir)) => dir.join(rest).display().to_string(),
        (Ok(rest), None) => rest.display().to_string(),
        (Err(_), _) => path.display().to_string(),
    }
}

fn refuse(common: &Common, found: &[Diagnostic], text: Option<&str>) -> Failure {
    if common.output == Format::Json {
        let _ = print::json(&found);
    } else {
        tell(common, found, text);
    }
    let found = found.iter().filter(|finding| finding.severity == Severity::Error).count();
    let many = if found == 1 { "1 mistake".to_owned() } else { format!("{found} mistakes") };
    fail(Exit::Usage, format!("{}: {many}; nothing was touched", common.file.display()))
}

pub(crate) fn run(common: &Common) -> Result<Exit, Failure> {
    let (cluster, text) = with_text(common, &|services| in_services(common, services))?;
    let (cluster, beside) = with_files(common, cluster)?;
    if common.output == Format::Text {
        tell(common, &cluster.warnings, Some(&text));
        match vet(common, &cluster) {
            // Every other verb would end by it.
            Err(why @ Untrusted::Read { .. }) => return Err(fail(Exit::Usage, why.to_string())),
            Err(why) if !common.trust_ssh_config => print::note(&format!("warning: {why}")),
            Err(_) | Ok(()) => {}
        }
    }
    match common.output {
        Format::Text => {
            let (services, objects) = (beside.services.services.len(), beside.services.objects().count());
            let services = if services == 0 { String::new() } else { format!(", {services} services of {objects} objects") };
            print::data(&format!(
                "{}: {} nodes, {} volumes, {} Secrets{services}: no mistakes",
                common.file.display(),
                cluster.nodes.len(),
                cluster.volumes.len(),
                beside.secrets.secrets.len()
            ));
        }
        Format::Json => print::json(&[cluster.warnings.as_slice(), &beside.secrets.findings, &beside.services.findings].concat())?,
    }
    Ok(Exit::Done)
}
