//! What of an object the API server never lets change, and which namespaces are not anybody's to take.

use serde_json::Value;

use super::object::says;

/// By kind, the fields that stay as they were when the object was made (the API reference, and `ValidateUpdate` of each kind). To apply
/// another value fails; the object would have to be deleted and made anew, which nobody does unasked.
const FIELDS: [(&str, &[&str]); 17] = [
    ("ClusterRoleBinding", &["/roleRef"]),
    ("CustomResourceDefinition", &["/spec/scope"]),
    ("DaemonSet", &["/spec/selector"]),
    ("Deployment", &["/spec/selector"]),
    ("EndpointSlice", &["/addressType"]),
    ("IngressClass", &["/spec/controller"]),
    ("Job", &["/spec/selector", "/spec/template", "/spec/completionMode"]),
    ("PersistentVolume", &["/spec/local", "/spec/volumeMode", "/spec/nodeAffinity"]),
    ("PersistentVolumeClaim", &["/spec/storageClassName", "/spec/accessModes", "/spec/volumeMode", "/spec/selector", "/spec/volumeName"]),
    ("PriorityClass", &["/value", "/preemptionPolicy"]),
    ("ReplicaSet", &["/spec/selector"]),
    ("RoleBinding", &["/roleRef"]),
    ("RuntimeClass", &["/handler"]),
    ("Secret", &["/type"]),
    ("Service", &["/spec/clusterIP"]),
    ("StatefulSet", &["/spec/selector", "/spec/serviceName", "/spec/podManagementPolicy", "/spec/volumeClaimTemplates"]),
    ("StorageClass", &["/provisioner", "/parameters", "/reclaimPolicy", "/volumeBindingMode"]),
];

/// Those of an object that says of itself that it is `immutable`.
const OF_IMMUTABLE: (&str, &[&str]) = ("ConfigMap", &["/data", "/binaryData", "/immutable"]);

/// The first field that would have to change and cannot.
pub(crate) fn field(live: &Value, manifest: &Value) -> Option<&'static str> {
    let immutable = Some(&OF_IMMUTABLE).filter(|_| live["immutable"] == true);
    let (_, fields) = FIELDS.iter().chain(immutable).find(|(kind, _)| manifest["kind"] == *kind)?;
    fields.iter().copied().find(|field| {
        let wanted = manifest.pointer(field).unwrap_or(&Value::Null);
        let is_said = !wanted.is_null() && wanted.as_str() != Some("");
        is_said && !says(live.pointer(field).unwrap_or(&Value::Null), wanted)
    })
}

/// Whether a namespace belongs to Kubernetes or to the cluster's own network: names that begin with `kube-` are reserved for it.
pub fn is_system_namespace(name: &str) -> bool {
    name == "default" || name.starts_with("kube-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_server_would_refuse_is_named() {
        let binding = |role: &str| json!({"kind": "RoleBinding", "roleRef": {"kind": "Role", "name": role}});
        assert_eq!(field(&binding("admin"), &binding("apps-full-access")), Some("/roleRef"));
        assert_eq!(field(&binding("a"), &binding("a")), None);
        let class = json!({"kind": "StorageClass", "provisioner": "rancher.io/local-path"});
        assert_eq!(field(&class, &json!({"kind": "StorageClass", "provisioner": "kubernetes.io/no-provisioner"})), Some("/provisioner"));
        assert_eq!(
            field(&json!({"kind": "Secret", "type": "Opaque"}), &json!({"kind": "Secret", "type": "kubernetes.io/tls"})),
            Some("/type")
        );
        let volume = json!({"kind": "PersistentVolume", "spec": {"hostPath": {"path": "/x"}}});
        assert_eq!(field(&volume, &json!({"kind": "PersistentVolume", "spec": {"local": {"path": "/v/x"}}})), Some("/spec/local"));
        assert_eq!(field(&json!({}), &json!({"kind": "LimitRange", "spec": {"limits": []}})), None);
    }

    #[test]
    fn the_namespaces_of_kubernetes_are_nobodys() {
        for name in ["kube-system", "kube-public", "kube-node-lease", "kube-flannel", "default"] {
            assert!(is_system_namespace(name), "{name}");
        }
        assert!(!is_system_namespace("apps") && !is_system_namespace("kubernetes-dashboard"));
    }
}
