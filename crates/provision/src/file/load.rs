//! From a file's text to a [`Cluster`], or to all its mistakes.

use std::path::Path;

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::name::Name;
use kubestead_core::put::digest;
use kubestead_storage::spec::{self, Encryption};
use kubestead_storage::ways::Ways;

use super::across::{self, Placement};
use super::cluster::{Cluster, Volume};
use super::findings::Findings;
use super::sections::{self, Endpoint, Sections, VolumeDecl};
use super::services::Manifests;
use super::tree;

/// How many mistakes are told of one file: who wrote more wrote another kind of file.
const MOST_FINDINGS: usize = 100;

/// Why a text is no cluster file.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    /// Its mistakes, by their places.
    pub found: Vec<Diagnostic>,
    /// The services that it names all the same: what is wrong in their files can be told with what is wrong in this one.
    pub manifests: Vec<Manifests>,
}

/// Decodes a cluster file's text. `file` is the name that diagnostics show; `dir` is where relative paths begin.
pub fn load(file: &str, text: &str, dir: &Path) -> Result<Cluster, Vec<Diagnostic>> {
    load_or(file, text, dir).map_err(|refused| refused.found)
}

/// The same, with what a text that is refused names beside the file.
pub fn load_or(file: &str, text: &str, dir: &Path) -> Result<Cluster, Refused> {
    let root = tree::parse(file, text).map_err(|found| Refused { found: bounded(found), ..Refused::default() })?;
    let mut out = Findings::default();
    let mut sections = sections::decode(root, dir, &mut out);
    let placement = across::check(&sections, &mut out);
    let services = across::ordered(std::mem::take(&mut sections.manifests), std::mem::take(&mut sections.services), &mut out);
    let found = out.sorted();
    let is_good = found.iter().all(|d| d.severity != Severity::Error);
    match sections.name.clone() {
        Some(name) if is_good => {
            Ok(Cluster { digest: digest(text), warnings: bounded(found), ..cluster(name, sections, services, placement) })
        }
        _ => Err(Refused { found: bounded(found), manifests: services }),
    }
}

/// The first findings, and how many more there are.
fn bounded(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let more = found.len().saturating_sub(MOST_FINDINGS);
    if let (Some(first), true) = (found.get(MOST_FINDINGS).cloned(), more > 0) {
        found.truncate(MOST_FINDINGS);
        found.push(Diagnostic { message: format!("and {more} more, from here on"), hint: Some("fix those above first".into()), ..first });
    }
    found
}

/// The values alone, each in its place.
fn cluster(name: Name, sections: Sections, services: Vec<Manifests>, placement: Placement) -> Cluster {
    let volumes = sections.volumes.items.into_iter().zip(placement.volumes);
    let (unlock, encrypted) = (sections.keys.unlock.map(|at| at.value), sections.keys.encrypted.is_none_or(|at| at.value));
    Cluster {
        name,
        kubernetes: sections.kubernetes,
        endpoint: sections.endpoint.as_ref().map(Endpoint::host_port),
        ssh: sections.ssh,
        nodes: sections.nodes.items.into_iter().map(|decl| decl.node).collect(),
        groups: placement.groups,
        volumes: volumes.map(|(decl, nodes)| Volume { nodes, spec: with_encryption(decl, encrypted, unlock.as_ref()) }).collect(),
        servers: sections.keys.servers.items.into_iter().map(|decl| decl.server).collect(),
        pools: sections.pools.into_iter().map(|at| at.value).collect(),
        named: sections.named.into_iter().map(|at| at.value).collect(),
        namespace: sections.namespace,
        manifests: services,
        network: sections.network.network,
        secrets: sections.secrets,
        warnings: Vec::new(),
        digest: String::new(),
    }
}

/// A volume with its encryption, and the ways by which it is unlocked: its own, else those of all.
fn with_encryption(decl: VolumeDecl, encrypted: bool, all: Option<&Ways>) -> spec::Volume {
    let encryption = if decl.encrypted.map_or(encrypted, |at| at.value) {
        Encryption::Luks(decl.unlock.map(|at| at.value).or_else(|| all.cloned()).unwrap_or_default())
    } else {
        Encryption::None
    };
    spec::Volume { encryption, ..decl.volume }
}
