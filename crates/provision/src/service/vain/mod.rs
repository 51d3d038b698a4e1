//! What users' objects ask for in vain, by what the cluster file and the other objects say: pods that nobody would let in, addresses and listeners that
//! there are none of. Each is a warning: somebody may change by hand what stands against it.

mod addresses;
mod amounts;
mod levels;
mod ports;
mod routes;

use std::collections::BTreeMap;

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::kube::ObjectRef;
use serde_json::Value;

use super::source::Written;
use super::spec::ServiceSpec;
use crate::file::Cluster;

/// An object of the users' own, as it is asked for and as it is written.
struct Own<'a> {
    object: ObjectRef,
    manifest: &'a Value,
    written: &'a Written,
}

/// All that is looked at.
struct World<'a> {
    cluster: &'a Cluster,
    /// The objects of all services.
    all: Vec<(ObjectRef, &'a Value)>,
    /// Those of the users' own.
    own: Vec<Own<'a>>,
}

/// The warnings of all services. `written` are the users' own objects.
pub(super) fn warnings(services: &[ServiceSpec], written: &BTreeMap<ObjectRef, Written>, cluster: &Cluster) -> Vec<Diagnostic> {
    let all: Vec<(ObjectRef, &Value)> =
        services.iter().flat_map(|service| &service.manifests).map(|manifest| (ObjectRef::of(manifest), manifest)).collect();
    let own: Vec<Own<'_>> = all
        .iter()
        .filter_map(|(object, manifest)| {
            let written = written.get(object)?;
            Some(Own { object: object.clone(), manifest, written })
        })
        .collect();
    let world = World { cluster, all, own };
    let mut out = Vec::new();
    levels::check(&world, &mut out);
    amounts::check(&world, &mut out);
    ports::check(&world, &mut out);
    addresses::check(&world, &mut out);
    routes::check(&world, &mut out);
    out.sort_by(|a, b| a.place.cmp(&b.place));
    out
}

impl Own<'_> {
    /// A warning at a field.
    fn warning(&self, pointer: &str, message: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
        Diagnostic {
            place: self.written.at(pointer).clone(),
            severity: Severity::Warning,
            message: format!("{}: {}", self.object, message.into()),
            hint: Some(hint.into()),
        }
    }
}
