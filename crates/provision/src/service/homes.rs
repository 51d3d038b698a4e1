//! Namespaces that are Kubernetes' own, and the one thing that a service may have there.

use kubestead_core::diagnostic::Place;
use kubestead_core::kube::ObjectRef;

use crate::file::{Yaml, YamlKind};

/// The fields of a map with their places.
type Entries = [(String, Place, Yaml)];

/// The fields of a field that is a map.
fn below<'a>(entries: &'a Entries, key: &str) -> &'a Entries {
    match entries.iter().find(|(found, ..)| found == key) {
        Some((.., Yaml { kind: YamlKind::Map(fields), .. })) => fields,
        Some(_) | None => &[],
    }
}

/// Whether an object is in a namespace of Kubernetes' own, where nobody puts one. What answers for a part of the API (an APIService) must read there whom
/// to believe, and Kubernetes has a role for that: kubestead's own services (`built`) may be bound to it.
pub(super) fn is_forbidden(object: &ObjectRef, entries: &Entries, built: bool) -> bool {
    let role = below(entries, "roleRef");
    let says = |key: &str, word: &str| {
        role.iter().any(|(found, _, value)| found == key && matches!(&value.kind, YamlKind::Scalar { text, .. } if text == word))
    };
    let binds = object.kind == "RoleBinding" && says("kind", "Role") && says("name", "extension-apiserver-authentication-reader");
    object.namespace.starts_with("kube-") && !(built && binds)
}

/// Where the namespace stands.
pub(super) fn place(entries: &Entries) -> Option<&Place> {
    below(entries, "metadata").iter().find(|(key, ..)| key == "namespace").map(|(_, at, _)| at)
}
