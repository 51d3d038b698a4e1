//! What pods of the users' namespace may, and where PersistentVolumes may lie: policies of the API server, with parameters. What they look at is bound by the
//! namespace's name, so that no fault of them reaches the cluster's own pods.

use std::collections::BTreeMap;

use kubestead_core::kube::ObjectRef;
use serde_json::{Value, json};

use super::super::fixed::is_system_namespace;
use super::super::ids;
use super::super::object::COPIES as HOME;
use super::super::pods;
use super::super::spec::ObjectsSpec;
use super::super::topic::Topic;
use crate::file::{Namespace, PodSecurity};

const ADMISSION: &str = "admissionregistration.k8s.io/v1";
const POLICY: &str = "ValidatingAdmissionPolicy";
const BINDING: &str = "ValidatingAdmissionPolicyBinding";
/// What the policy for PersistentVolumes is called, and how that for pods begins, before the namespace's name.
const VOLUMES: &str = "kubestead-volumes";
const PODS: &str = "kubestead-pods-";

pub(super) fn topic(spec: &ObjectsSpec) -> Topic {
    let namespace = spec.namespace.as_ref().filter(|namespace| !is_system_namespace(namespace.name.as_str()));
    let wanted = namespace.and_then(|namespace| Some((namespace, namespace.pod_security.as_ref()?)));
    Topic {
        name: ids::POD_SECURITY,
        why: "policies for the users' pods, and for the paths of PersistentVolumes",
        manifests: wanted.map(|(namespace, policy)| manifests(namespace, policy)).unwrap_or_default(),
        ready: false,
        needs: None,
        cost: None,
        after: spec.after.clone(),
        held: Vec::new(),
    }
}

/// The manifests, in the order in which they are applied: a policy finds its parameters, a binding its policy.
fn manifests(namespace: &Namespace, policy: &PodSecurity) -> Vec<Value> {
    let name = format!("{PODS}{}", namespace.name);
    let parameters = |name: &str, data: BTreeMap<String, String>| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": HOME}, "data": data});
    let rules = |name: &str, spec: Value| json!({"apiVersion": ADMISSION, "kind": POLICY, "metadata": {"name": name}, "spec": spec});
    let binding = |name: &str, only: Option<Value>| {
        // Without its parameters nothing is granted.
        let mut spec = json!({"policyName": name, "validationActions": ["Deny"],
            "paramRef": {"name": name, "namespace": HOME, "parameterNotFoundAction": "Deny"}});
        if let Some(only) = only {
            spec["matchResources"] = only;
        }
        json!({"apiVersion": ADMISSION, "kind": BINDING, "metadata": {"name": name}, "spec": spec})
    };
    let only = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name.as_str()}}});
    vec![
        parameters(&name, pods::grants(policy)),
        parameters(VOLUMES, pods::volume_paths(policy)),
        rules(&name, pods::pods()),
        rules(VOLUMES, pods::volumes()),
        binding(&name, Some(only)),
        binding(VOLUMES, None),
    ]
}

/// In which order objects of this topic go: none is left that needs one which is gone. `None` for any other object.
pub(crate) fn rank(object: &ObjectRef) -> Option<usize> {
    let named = object.name == VOLUMES || object.name.starts_with(PODS);
    let kinds = [(BINDING, ""), (POLICY, ""), ("ConfigMap", HOME)];
    kinds.iter().position(|(kind, home)| named && object.kind == *kind && object.namespace == *home)
}

/// The namespace whose pods an object of this topic holds to their grants.
pub(crate) fn guarded(object: &ObjectRef) -> Option<&str> {
    rank(object).and_then(|_| object.name.strip_prefix(PODS))
}
