//! What services let the users of the cluster's namespace do.

use serde_json::{Value, json};

use crate::file::Cluster;
use crate::service::patch::literal;

/// The text of a binding of the users to a role of the same name. `None` if there are no users.
pub(super) fn bound(cluster: &Cluster, kind: &str, name: &str, namespace: Option<&str>) -> Option<String> {
    let users = cluster.namespace.as_ref()?;
    let accounts =
        users.users.iter().map(|user| json!({"kind": "ServiceAccount", "name": user.as_str(), "namespace": users.name.as_str()}));
    let groups = users.groups.iter().map(|group| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}));
    let subjects: Vec<Value> = accounts.chain(groups).collect();
    let role = kind.trim_end_matches("Binding");
    let mut binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name}, "subjects": subjects});
    if let Some(namespace) = namespace {
        binding["metadata"]["namespace"] = namespace.into();
    }
    (binding["subjects"] != json!([])).then(|| literal(&binding))
}
