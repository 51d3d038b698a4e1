//! What services ask for: their objects, each with what says whose it is.

use std::collections::BTreeSet;

use kubestead_core::diagnostic::Diagnostic;
use kubestead_core::kube::{FIELD_MANAGER, ObjectRef};
use kubestead_core::name::Name;
use kubestead_core::put::digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kinds::{Kind, defined, is_definition, rank};
use super::sealed::Sealed;
use crate::objects::{COPIES, MANAGED_BY, RECORD, SERVICE};

/// On every object of a service: sha256 of its manifest.
pub(super) const DIGEST: &str = "kubestead.io/digest";
/// Where the record has its kinds, one a line.
pub(super) const KINDS: &str = "kinds";

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// Its name.
    pub name: Name,
    /// The services that must be ready before it.
    pub needs: BTreeSet<Name>,
    /// Its objects, in the order in which they are applied.
    pub manifests: Vec<Value>,
    /// The encrypted values that its Secrets hold, by what stands for each.
    #[serde(skip_serializing_if = "Sealed::is_empty", default)]
    pub sealed: Sealed,
    /// Whether all that it asks for was understood: otherwise nothing of it is applied, and nothing of it goes.
    pub whole: bool,
}

/// All services, whom one needs before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicesWanted {
    /// The services.
    pub services: Vec<ServiceSpec>,
    /// What is wrong in their files.
    pub findings: Vec<Diagnostic>,
    /// The images that they run. Facts that were saved do not have them.
    #[serde(skip)]
    pub images: BTreeSet<String>,
}

impl ServiceSpec {
    /// A service of these manifests.
    pub(super) fn new(name: Name, needs: BTreeSet<Name>, mut manifests: Vec<Value>, sealed: Sealed, whole: bool) -> Self {
        manifests.sort_by_key(|manifest| rank(&ObjectRef::of(manifest)));
        for manifest in &mut manifests {
            sign(&name, manifest);
        }
        Self { name, needs, manifests, sealed, whole }
    }

    /// The kinds of its objects.
    pub(super) fn kinds(&self) -> BTreeSet<Kind> {
        self.manifests.iter().map(|manifest| Kind::of(&ObjectRef::of(manifest))).collect()
    }
}

impl ServicesWanted {
    /// The kinds that their definitions bring.
    pub fn defined(&self) -> BTreeSet<Kind> {
        let manifests = self.services.iter().flat_map(|service| &service.manifests);
        let definitions = manifests.filter(|manifest| is_definition(&ObjectRef::of(manifest)));
        definitions.flat_map(defined).map(|(kind, _)| kind).collect()
    }

    /// All objects that services ask for.
    pub fn objects(&self) -> impl Iterator<Item = ObjectRef> {
        self.services.iter().flat_map(|service| &service.manifests).map(ObjectRef::of)
    }
}

/// Says on an object whose it is and what it was made of.
fn sign(service: &Name, manifest: &mut Value) {
    manifest["metadata"]["labels"][SERVICE] = service.to_string().into();
    let sum = digest(manifest.to_string());
    manifest["metadata"]["annotations"][DIGEST] = format!("sha256:{sum}").into();
}

/// The record of a service: which kinds of objects it may have. It is there before any of them, so that they are found when the file does not
/// name the service any more.
pub(super) fn record(service: &str, kinds: &BTreeSet<Kind>) -> Value {
    let lines: Vec<String> = kinds.iter().map(Kind::all).map(|all| format!("{} {}", all.api_version, all.kind)).collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("kubestead-service-{service}"), "namespace": COPIES, "labels": {MANAGED_BY: FIELD_MANAGER, RECORD: service}},
        "data": {KINDS: lines.join("\n")}})
}
