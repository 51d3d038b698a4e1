//! The sources of apt on a node: which repositories are asked, the files of all of them, and what is installed of containerd.

use kubestead_core::plan::Held;
use kubestead_core::probe::Section;
use kubestead_core::procedure::Procedure;
use kubestead_core::put::Owned;

use super::apt::{self, AptFacts, BEGUN, NAMES, Trust};
use super::repository::{DOCKER, KUBERNETES, Question, Wanted};
use super::runtime;
use super::spec::{NodeSpec, apt_files};

/// The sections of the probe.
pub(super) fn sections(spec: &NodeSpec) -> Vec<Section> {
    let Some(packages) = &spec.packages else { return Vec::new() };
    let beside: &[&str] = if spec.runtime.is_some() { &runtime::PACKAGES } else { &[] };
    let mut all = apt::sections(packages, beside);
    let proxies = spec.proxies.as_ref();
    if let Trust::Fingerprint(_) = packages.trust {
        all.push(Question { place: KUBERNETES, uri: &packages.address(), names: &NAMES, others: &[], proxies }.section());
    }
    if let Some(runtime) = &spec.runtime {
        let question = Question { place: DOCKER, uri: &runtime.repository, names: &["containerd.io"], others: &["containerd"], proxies };
        all.extend([question.section(), apt::rivals("node/docker-rivals", &runtime.repository, DOCKER)]);
    }
    all
}

/// The files of all apt sources of a node, those of a key at hand among them, and what is installed of containerd; or why they cannot be.
pub(super) fn files(
    spec: &NodeSpec,
    facts: Option<&AptFacts>,
    program: Option<&str>,
) -> Result<(Vec<Owned>, Option<runtime::Package>), Vec<Held>> {
    let Some((packages, facts)) = spec.packages.as_ref().zip(facts) else { return Ok((Vec::new(), None)) };
    let (mut files, mut held) = ([packages.files(), apt_files(spec)].concat(), Vec::new());
    if let (Trust::Fingerprint(fingerprint), Some(offer)) = (&packages.trust, &facts.kubernetes) {
        let wanted = Wanted {
            place: KUBERNETES,
            fingerprint: *fingerprint,
            lines: packages.lines(),
            key_url: format!("{}/Release.key", packages.address()),
            needed: !facts.done(packages),
            offer,
        };
        match wanted.files(&spec.name) {
            Ok(some) => {
                files.extend(some);
                held.extend(apt::not_offered(&spec.name, packages, facts, offer));
            }
            Err(why) => held.push(why),
        }
    }
    let mut package = None;
    if let (Some(wanted), Some(offer)) = (&spec.runtime, &facts.docker) {
        match runtime::choose(&spec.name, wanted, (facts, program), offer) {
            Ok((docker, chosen)) => {
                files.extend(docker);
                package = chosen;
            }
            Err(why) => held.push(why),
        }
    }
    if held.is_empty() { Ok((files, package)) } else { Err(held) }
}

/// The parts of a script that do the same with a package of containerd, for the procedure that configures and starts it.
pub(super) fn with_runtime(procedure: Procedure, package: Option<&runtime::Package>) -> Procedure {
    let none: [&str; 0] = [];
    let Some(package) = package else { return procedure.list("names", none) };
    let address = package.address.as_deref();
    procedure
        .list("names", [&package.name])
        .var("version", format!("{}$", package.version))
        .var("uri", address.map(|uri| format!("{uri}/")).unwrap_or_default())
        .var("source", if address.is_some() { DOCKER.source } else { "" })
        .var("begun", BEGUN)
}
