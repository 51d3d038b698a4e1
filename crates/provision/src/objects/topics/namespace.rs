//! The users' namespace: full rights inside, a look at the cluster outside, limits for pods that name none.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::plan::Held;
use serde_json::{Value, json};

use super::super::fixed::is_system_namespace;
use super::super::ids;
use super::super::object::SHARED;
use super::super::spec::ObjectsSpec;
use super::super::topic::Topic;
use crate::file::{Limits, Namespace, quantity};

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn topic(spec: &ObjectsSpec) -> Topic {
    let system = spec.namespace.as_ref().filter(|n| is_system_namespace(n.name.as_str()));
    let refused = |namespace: &Namespace| {
        let reason = format!("{} belongs to Kubernetes: users get no rights in it, and its rules are not ours to change", namespace.name);
        Held::cluster(ids::NAMESPACE, reason, "choose another namespace.name in the file")
    };
    Topic {
        name: ids::NAMESPACE,
        why: "the users' namespace, accounts and rights",
        manifests: spec.namespace.as_ref().filter(|_| system.is_none()).map(|own| manifests(own, &spec.logins)).unwrap_or_default(),
        ready: false,
        // A namespace is not opened beyond the level baseline before the policies are there which then hold its pods to it.
        needs: spec.namespace.as_ref().filter(|namespace| level(namespace) == OPEN).map(|_| ids::POD_SECURITY),
        cost: None,
        after: spec.after.clone(),
        held: system.map(refused).into_iter().collect(),
    }
}

/// The level that Pod Security lets through whatever it is, and that which it enforces where nothing more is granted.
pub(crate) const OPEN: &str = "privileged";
const BASELINE: &str = "baseline";
/// The label that says which.
pub(crate) const LEVEL: &str = "pod-security.kubernetes.io/enforce";

/// The level that is enforced in the namespace. It knows no single grants: where there are some, the policies enforce `baseline` and these.
fn level(namespace: &Namespace) -> &'static str {
    match &namespace.pod_security {
        Some(policy) if !policy.is_baseline() => OPEN,
        Some(_) | None => BASELINE,
    }
}

/// The manifests, in the order in which they are applied.
fn manifests(namespace: &Namespace, logins: &BTreeSet<String>) -> Vec<Value> {
    let name = namespace.name.as_str();
    let role = format!("{name}-full-access");
    let viewer = format!("kubestead:{name}-viewer");
    let users = namespace.users.iter().map(|user| json!({"kind": "ServiceAccount", "name": user.as_str(), "namespace": name}));
    // A group is of no namespace.
    let groups = namespace.groups.iter().map(|group| json!({"kind": "Group", "apiGroup": GROUP, "name": group}));
    let subjects: Vec<Value> = users.chain(groups).collect();
    let mut found = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LEVEL: level(namespace)}}})];
    found.extend(limit_range(namespace));
    if !namespace.quota.is_empty() {
        found.push(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota", "namespace": name}, "spec": {"hard": namespace.quota}}));
    }
    let workloads = namespace.pod_security.iter().flat_map(|policy| policy.accounts.keys());
    let account = |account: &str| {
        let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": name}});
        if !logins.is_empty() {
            account["imagePullSecrets"] = logins.iter().map(|login| json!({"name": login})).collect();
        }
        account
    };
    found.extend(namespace.users.iter().chain(workloads).map(|own| account(own.as_str())));
    if !logins.is_empty() {
        found.push(account(SHARED));
    }
    if !subjects.is_empty() {
        found.extend([
            json!({"apiVersion": RBAC, "kind": "Role", "metadata": {"name": role, "namespace": name}, "rules": full_access()}),
            json!({"apiVersion": RBAC, "kind": "RoleBinding", "metadata": {"name": role, "namespace": name},
                "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": role}, "subjects": subjects}),
            json!({"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": viewer}, "rules": viewer_rules()}),
            json!({"apiVersion": RBAC, "kind": "ClusterRoleBinding", "metadata": {"name": viewer},
                "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": viewer}, "subjects": subjects}),
        ]);
    }
    found
}

/// What a container uses that does not say it, and what it may say; `None` if nothing is said of either.
fn limit_range(namespace: &Namespace) -> Option<Value> {
    let Limits { default, request, max } = &namespace.limits;
    let mut limits = json!({"type": "Container"});
    for (word, amounts) in [("default", default), ("defaultRequest", request), ("max", max)] {
        let cpu = amounts.cpu.map(|cpu| ("cpu", cpu.to_string()));
        let named: BTreeMap<&str, String> = cpu.into_iter().chain(amounts.memory.map(|memory| ("memory", quantity(memory)))).collect();
        if !named.is_empty() {
            limits[word] = json!(named);
        }
    }
    let is_said = limits.as_object().is_some_and(|said| said.len() > 1);
    is_said.then(|| {
        json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults", "namespace": namespace.name.as_str()}, "spec": {"limits": [limits]}})
    })
}

/// All that a team does in its own namespace. RBAC's check against escalation bounds the roles that it can make: so verbs are named, as `*` has `escalate` and `bind`,
/// which go around it, and `impersonate`.
fn full_access() -> Value {
    let all = json!(["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]);
    let rule = |groups: Value, resources: Value| json!({"apiGroups": groups, "resources": resources, "verbs": all});
    let read = |groups: Value, resources: Value| json!({"apiGroups": groups, "resources": resources, "verbs": ["get", "list", "watch"]});
    json!([
        rule(
            json!([""]),
            json!([
                "bindings",
                "configmaps",
                "endpoints",
                "persistentvolumeclaims",
                "pods",
                "pods/attach",
                "pods/binding",
                "pods/ephemeralcontainers",
                "pods/eviction",
                "pods/exec",
                "pods/log",
                "pods/portforward",
                "pods/proxy",
                "pods/status",
                "podtemplates",
                "replicationcontrollers",
                "replicationcontrollers/scale",
                "secrets",
                "serviceaccounts",
                "serviceaccounts/token",
                "services",
                "services/proxy",
                "events"
            ])
        ),
        rule(
            json!(["apps"]),
            json!([
                "controllerrevisions",
                "daemonsets",
                "deployments",
                "deployments/rollback",
                "deployments/scale",
                "replicasets",
                "replicasets/scale",
                "statefulsets",
                "statefulsets/scale"
            ])
        ),
        rule(json!(["batch"]), json!(["cronjobs", "jobs"])),
        rule(json!(["autoscaling"]), json!(["horizontalpodautoscalers"])),
        rule(json!(["policy"]), json!(["poddisruptionbudgets"])),
        rule(json!(["networking.k8s.io"]), json!(["ingresses", "networkpolicies"])),
        rule(
            json!(["gateway.networking.k8s.io"]),
            json!(["httproutes", "grpcroutes", "tcproutes", "tlsroutes", "udproutes", "referencegrants"])
        ),
        rule(json!(["rbac.authorization.k8s.io"]), json!(["roles", "rolebindings"])),
        rule(json!(["coordination.k8s.io"]), json!(["leases"])),
        read(json!(["discovery.k8s.io"]), json!(["endpointslices"])),
        read(json!(["events.k8s.io"]), json!(["events"])),
        read(json!(["cert-manager.io"]), json!(["certificates", "certificaterequests", "issuers"])),
        read(json!([""]), json!(["limitranges", "resourcequotas"])),
    ])
}

fn viewer_rules() -> Value {
    let read = |groups: Value, resources: Value| json!({"apiGroups": groups, "resources": resources, "verbs": ["get", "list", "watch"]});
    json!([
        read(json!([""]), json!(["namespaces", "nodes", "persistentvolumes", "pods", "pods/status"])),
        read(json!(["storage.k8s.io"]), json!(["storageclasses"])),
        read(json!(["rbac.authorization.k8s.io"]), json!(["roles"])),
    ])
}

#[cfg(test)]
mod tests {
    use kubestead_core::name::Name;

    use super::*;
    use crate::file::Amounts;

    fn of(kind: &str, namespace: &Namespace) -> Vec<Value> {
        manifests(namespace, &BTreeSet::new()).into_iter().filter(|manifest| manifest["kind"] == kind).collect()
    }

    #[test]
    fn a_group_has_the_rights_of_users_and_lies_in_no_namespace() {
        let own = Namespace::new(Name::new("apps").unwrap());
        assert!(of("RoleBinding", &own).is_empty(), "nobody is there");
        let own = Namespace { groups: vec!["oidc:developers".into()], ..own };
        for kind in ["RoleBinding", "ClusterRoleBinding"] {
            assert_eq!(of(kind, &own)[0]["subjects"], json!([{"kind": "Group", "apiGroup": GROUP, "name": "oidc:developers"}]));
        }
    }

    #[test]
    fn no_right_goes_around_the_check_against_escalation() {
        let own = Namespace { users: vec![Name::new("apps-user").unwrap()], ..Namespace::new(Name::new("apps").unwrap()) };
        let text = of("Role", &own)[0].to_string() + &of("ClusterRole", &own)[0].to_string();
        for verb in ["*", "escalate", "bind", "impersonate"] {
            assert!(!text.contains(&format!("\"{verb}\"")), "{verb} in {text}");
        }
    }

    #[test]
    fn accounts_pull_with_the_logins_and_so_does_that_of_pods_which_name_none() {
        let own = Namespace { users: vec![Name::new("apps-user").unwrap()], ..Namespace::new(Name::new("apps").unwrap()) };
        assert!(
            of("ServiceAccount", &own).iter().all(|account| account["imagePullSecrets"].is_null() && account["metadata"]["name"] != SHARED)
        );
        let logins = BTreeSet::from(["hub".to_owned(), "own".to_owned()]);
        let accounts: Vec<Value> = manifests(&own, &logins).into_iter().filter(|manifest| manifest["kind"] == "ServiceAccount").collect();
        let names: Vec<&str> = accounts.iter().filter_map(|account| account["metadata"]["name"].as_str()).collect();
        assert_eq!(names, ["apps-user", "default"]);
        assert!(accounts.iter().all(|account| account["imagePullSecrets"] == json!([{"name": "hub"}, {"name": "own"}])));
    }

    #[test]
    fn amounts_that_nobody_says_are_in_no_object() {
        let own = Namespace::new(Name::new("apps").unwrap());
        let limits = &of("LimitRange", &own)[0]["spec"]["limits"][0];
        assert_eq!((&limits["default"]["memory"], &limits["max"]), (&json!("256Mi"), &Value::Null));
        assert!(of("ResourceQuota", &own).is_empty());
        let none = Limits { default: Amounts::default(), request: Amounts::default(), max: Amounts::default() };
        assert!(of("LimitRange", &Namespace { limits: none, ..own }).is_empty());
    }
}
