//! Kinds: how one is written down, those that every cluster has, in which order they are applied, and which hold data.

use kubestead_core::kube::ObjectRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use crate::objects::{group, same_name};

/// A kind in a version of its group, as it is written down: `apps/v1 Deployment`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(String);

impl Kind {
    /// The kind of an object.
    pub fn of(object: &ObjectRef) -> Self {
        Self::new(&object.api_version, &object.kind)
    }

    /// A kind by its version and name.
    pub fn new(api_version: &str, kind: &str) -> Self {
        Self(format!("{api_version} {kind}"))
    }

    /// Reads what was written down; `None` if it is no kind.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (api_version, kind) = line.split_once(' ')?;
        let plain =
            |text: &str| !text.is_empty() && text.len() <= 253 && text.bytes().all(|c| c.is_ascii_alphanumeric() || b".-/".contains(&c));
        (plain(api_version) && plain(kind)).then(|| Self::new(api_version, kind))
    }

    /// All objects of it.
    pub(super) fn all(&self) -> ObjectRef {
        let (api_version, kind) = self.0.split_once(' ').unwrap_or_default();
        ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: String::new(), name: String::new() }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.all();
        write!(f, "{} ({})", all.kind, all.api_version)
    }
}

/// Kubernetes' own kinds by group, the scope of each, in the order in which they are applied: what others need comes first, what runs comes last.
const BUILT_IN: [(&str, &str, bool); 38] = [
    ("apiextensions.k8s.io", "CustomResourceDefinition", false),
    ("", "Namespace", false),
    ("scheduling.k8s.io", "PriorityClass", false),
    ("node.k8s.io", "RuntimeClass", false),
    ("storage.k8s.io", "StorageClass", false),
    ("storage.k8s.io", "CSIDriver", false),
    ("networking.k8s.io", "IngressClass", false),
    ("", "ResourceQuota", true),
    ("", "LimitRange", true),
    ("networking.k8s.io", "NetworkPolicy", true),
    ("", "ServiceAccount", true),
    ("", "ConfigMap", true),
    ("", "Secret", true),
    ("", "PersistentVolume", false),
    ("", "PersistentVolumeClaim", true),
    ("rbac.authorization.k8s.io", "ClusterRole", false),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", false),
    ("rbac.authorization.k8s.io", "Role", true),
    ("rbac.authorization.k8s.io", "RoleBinding", true),
    ("", "Service", true),
    ("", "Endpoints", true),
    ("discovery.k8s.io", "EndpointSlice", true),
    ("policy", "PodDisruptionBudget", true),
    ("", "PodTemplate", true),
    ("", "Pod", true),
    ("", "ReplicationController", true),
    ("apps", "ReplicaSet", true),
    ("apps", "DaemonSet", true),
    ("apps", "Deployment", true),
    ("apps", "StatefulSet", true),
    ("batch", "Job", true),
    ("batch", "CronJob", true),
    ("autoscaling", "HorizontalPodAutoscaler", true),
    ("networking.k8s.io", "Ingress", true),
    ("apiregistration.k8s.io", "APIService", false),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", false),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", false),
    ("coordination.k8s.io", "Lease", true),
];

/// What refuses other objects once it is there comes after all, the custom objects too.
const LAST: [&str; 2] = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];

fn place(object: &ObjectRef) -> Option<usize> {
    BUILT_IN.iter().position(|(group_of, kind, _)| *kind == object.kind && *group_of == group(&object.api_version))
}

/// Whether objects of a kind of Kubernetes are in namespaces; `None` for kinds that others bring.
pub(super) fn namespaced(object: &ObjectRef) -> Option<bool> {
    if group(&object.api_version) == "admissionregistration.k8s.io" {
        return Some(false);
    }
    Some(BUILT_IN[place(object)?].2)
}

/// Where an object stands in the order of applying.
pub(super) fn rank(object: &ObjectRef) -> usize {
    match place(object) {
        Some(place) => place,
        None if LAST.contains(&object.kind.as_str()) => BUILT_IN.len() + 1,
        None => BUILT_IN.len(),
    }
}

/// Versions that no Kubernetes which kubestead installs serves any more, of kinds that went with them, and since when; with what there is instead.
const GONE: [(&str, &str, &str); 2] = [
    ("PodSecurityPolicy", "1.25", "Pod Security by labels of the namespace, or `namespace.podSecurity`"),
    ("ComponentStatus", "1.19", "`kubectl get --raw /readyz`"),
];

/// The version of one of Kubernetes' own kinds that all installable minors serve.
fn served(kind: &str) -> &'static str {
    if kind == "HorizontalPodAutoscaler" { "v2" } else { "v1" }
}

/// What is wrong with the version or the name of a kind of Kubernetes' own, and what to write.
pub(super) fn misplaced(object: &ObjectRef) -> Option<(String, String)> {
    let (own, version) = (group(&object.api_version), object.api_version.rsplit('/').next().unwrap_or_default());
    // `extensions` held what has groups of its own now.
    let is_ours = own == "extensions" || BUILT_IN.iter().any(|(group, ..)| *group == own);
    if !is_ours {
        return None;
    }
    if let Some((kind, since, instead)) = GONE.iter().find(|(kind, ..)| *kind == object.kind) {
        return Some((format!("{kind} left Kubernetes in {since}"), format!("take {instead}")));
    }
    let same = |exactly: bool| {
        BUILT_IN
            .iter()
            .find(|(group, kind, _)| if exactly { *group == own && *kind == object.kind } else { kind.eq_ignore_ascii_case(&object.kind) })
    };
    let right = |group: &str, kind: &str| if group.is_empty() { served(kind).to_owned() } else { format!("{group}/{}", served(kind)) };
    if let Some((group, kind, _)) = same(true) {
        let good = version == "v1" || version == served(kind);
        return (!good).then(|| {
            let write = right(group, kind);
            (
                format!("Kubernetes serves no {kind} as {} any more", object.api_version),
                format!("write {write}, and see what changed in its fields"),
            )
        });
    }
    let (group, kind, _) = same(false)?;
    let write = right(group, kind);
    Some((format!("{} has no kind {}", object.api_version, object.kind), format!("write apiVersion: {write}, kind: {kind}")))
}

/// How objects of a kind may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// As a part of a path.
    Path,
    /// As a name of DNS with its domain (RFC 1123).
    Subdomain,
    /// As one word of such.
    Label,
}

/// How objects of one of Kubernetes' own kinds may be called; those of others as a part of a path, as their definitions may say what they want.
pub(super) fn naming(object: &ObjectRef) -> Naming {
    match (group(&object.api_version), object.kind.as_str()) {
        ("rbac.authorization.k8s.io", _) => Naming::Path,
        ("", "Namespace" | "Service") => Naming::Label,
        _ if place(object).is_some() => Naming::Subdomain,
        _ => Naming::Path,
    }
}

/// Whether it defines kinds.
pub(super) fn is_definition(object: &ObjectRef) -> bool {
    object.kind == "CustomResourceDefinition" && group(&object.api_version) == "apiextensions.k8s.io"
}

/// Whether users' data may go with an object: volumes, their claims, all that is in a namespace, all objects of a kind; a StatefulSet whose claims go with
/// it; and whatever others brought the kind of, since a controller may take a database away with its object.
pub(super) fn holds_data(object: &ObjectRef, content: &Value) -> bool {
    let core = group(&object.api_version).is_empty();
    match object.kind.as_str() {
        "PersistentVolume" | "PersistentVolumeClaim" | "Namespace" if core => true,
        "StatefulSet" if group(&object.api_version) == "apps" => takes_claims(content),
        _ => is_definition(object) || namespaced(object).is_none(),
    }
}

/// Whether the claims of a StatefulSet's pods are deleted with it.
pub(super) fn takes_claims(content: &Value) -> bool {
    content["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
}

/// The kinds that a definition brings, and whether their objects are in namespaces.
pub(super) fn defined(definition: &Value) -> impl Iterator<Item = (Kind, bool)> {
    let spec = &definition["spec"];
    let group = spec["group"].as_str().unwrap_or_default();
    let kind = spec["names"]["kind"].as_str().unwrap_or_default();
    let served = spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] != false);
    served.map(move |version| {
        let version = version["name"].as_str().unwrap_or_default();
        (Kind::new(&format!("{group}/{version}"), kind), spec["scope"] == "Namespaced")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(api_version: &str, kind: &str) -> ObjectRef {
        ObjectRef { api_version: api_version.into(), kind: kind.into(), namespace: String::new(), name: "x".into() }
    }

    #[test]
    fn what_others_need_is_applied_first() {
        let order = [
            object("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            object("v1", "Namespace"),
            object("v1", "ConfigMap"),
            object("apps/v1", "Deployment"),
            object("cert-manager.io/v1", "Certificate"),
            object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        ];
        assert!(order.windows(2).all(|pair| rank(&pair[0]) < rank(&pair[1])));
        assert_eq!(namespaced(&object("example.org/v1", "Service")), None, "another group's kind of that name");
        assert_eq!(namespaced(&order[5]), Some(false));
    }

    #[test]
    fn what_may_take_data_with_it_is_known() {
        let none = Value::Null;
        let keeps = json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Delete"}}});
        let takes = json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}});
        for (api_version, kind, content) in [
            ("v1", "PersistentVolume", &none),
            ("v1", "PersistentVolumeClaim", &none),
            ("v1", "Namespace", &none),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition", &none),
            ("apps/v1", "StatefulSet", &takes),
            ("postgresql.cnpg.io/v1", "Cluster", &none),
            ("example.org/v1", "Service", &none),
        ] {
            assert!(holds_data(&object(api_version, kind), content), "{kind}");
        }
        for (api_version, kind, content) in [
            ("apps/v1", "StatefulSet", &keeps),
            ("apps/v1", "Deployment", &takes),
            ("v1", "ConfigMap", &none),
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", &none),
        ] {
            assert!(!holds_data(&object(api_version, kind), content), "{kind}");
        }
    }

    #[test]
    fn a_kind_of_kubernetes_has_its_group_its_case_and_a_version_that_is_served() {
        for (api_version, kind, words) in [
            ("policy/v1beta1", "PodDisruptionBudget", "write policy/v1,"),
            ("batch/v1beta1", "CronJob", "write batch/v1,"),
            ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "write autoscaling/v2,"),
            ("apps/v1beta1", "Deployment", "write apps/v1,"),
            ("extensions/v1beta1", "Ingress", "apiVersion: networking.k8s.io/v1, kind: Ingress"),
            ("v1", "Deployment", "apiVersion: apps/v1, kind: Deployment"),
            ("apps/v1", "deployment", "apiVersion: apps/v1, kind: Deployment"),
            ("apps/v1", "Service", "apiVersion: v1, kind: Service"),
            ("policy/v1beta1", "PodSecurityPolicy", "namespace.podSecurity"),
        ] {
            let found = misplaced(&object(api_version, kind));
            assert!(found.as_ref().is_some_and(|(_, hint)| hint.contains(words)), "{api_version} {kind}: {found:?}");
        }
        for (api_version, kind) in [
            ("autoscaling/v1", "HorizontalPodAutoscaler"),
            ("v1", "ConfigMap"),
            ("v1", "Event"),
            ("networking.k8s.io/v1beta1", "ServiceCIDR"),
            ("resource.k8s.io/v1", "DeviceClass"),
            ("serving.knative.dev/v1", "Service"),
            ("storage.k8s.io/v1", "CSINode"),
        ] {
            assert_eq!(misplaced(&object(api_version, kind)), None, "{api_version} {kind}");
        }
    }

    #[test]
    fn a_kind_is_written_down_and_read() {
        for kind in [Kind::new("v1", "ConfigMap"), Kind::new("example.org/v1beta1", "Db")] {
            assert_eq!(Kind::read(&kind.0), Some(kind));
        }
        for bad in ["", "v1", "v1 ", "v1 a b", "v1 ../x?", " Pod"] {
            assert_eq!(Kind::read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_definition_brings_the_kinds_that_it_serves() {
        let versions = json!([{"name": "v1", "served": true}, {"name": "v1alpha1", "served": false}]);
        let definition = json!({"spec": {"group": "x.org", "scope": "Namespaced", "names": {"kind": "Db"}, "versions": versions}});
        assert_eq!(defined(&definition).collect::<Vec<_>>(), [(Kind::new("x.org/v1", "Db"), true)]);
    }
}
