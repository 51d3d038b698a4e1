//! What the API server is told in files of its own: what it writes down of requests, and whose tokens it takes.
//!
//! A file's name has a digest of its text: another text is another argument, and so one change with it, which is seen to run or is taken back. Sources:
//! `audit.k8s.io/v1` and `apiserver.config.k8s.io/v1` in the reference of Kubernetes.

use std::collections::BTreeMap;

use kubestead_core::put::{Owned, digest};
use serde_json::{Value, json};

use super::components::Components;
use crate::file::{Audit, Claim, Oidc};

/// The folder of the files, which is mounted in the API server.
pub(super) const FOLDER: &str = "/etc/kubernetes/adm/";
/// The folder of the log, which is mounted in the API server when there is one.
pub(super) const LOGS: &str = "/var/log/kubernetes/audit";
const LOG: &str = "/var/log/kubernetes/audit/audit.log";
/// The arguments that name such files.
pub(super) const FILES: [&str; 2] = ["audit-policy-file", "authentication-config"];

/// Adds the arguments for both, and returns the files that they name, by path.
pub fn serve(components: &mut Components, audit: Option<&Audit>, oidc: Option<&Oidc>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut file = |name: &str, document: Value| {
        let text = format!("{document:#}\n");
        let path = format!("{FOLDER}{name}-{}.yaml", &digest(&text)[..12]);
        files.insert(path.clone(), text);
        path
    };
    let mut set = |name: &str, value: String| _ = components.api_server.insert(name.to_owned(), vec![value]);
    if let Some(audit) = audit {
        set("audit-policy-file", file("audit", policy(audit)));
        set("audit-log-path", LOG.to_owned());
        set("audit-log-maxage", audit.max_age.to_string());
        set("audit-log-maxbackup", audit.max_backups.to_string());
        set("audit-log-maxsize", audit.max_size.to_string());
    }
    if let Some(oidc) = oidc {
        set("authentication-config", file("authentication", authentication(oidc)));
    }
    files
}

/// The files as they are put on a control plane.
pub(super) fn owned(files: &BTreeMap<String, String>) -> impl Iterator<Item = Owned> + '_ {
    files.iter().map(|(path, text)| Owned { path: path.clone(), text: text.clone(), mode: 0o600 })
}

/// The paths of such files that arguments name.
pub(super) fn named(components: &Components) -> impl Iterator<Item = &str> {
    let values = FILES.iter().filter_map(|name| components.api_server.get(*name)).flatten();
    values.map(String::as_str).filter(|path| is_served(path))
}

/// Whether a path is one of such a file: below the folder itself.
pub(super) fn is_served(path: &str) -> bool {
    path.strip_prefix(FOLDER)
        .is_some_and(|name| !name.contains('/') && ["audit-", "authentication-"].iter().any(|begin| name.starts_with(begin)))
}

/// Whether there is a log to be mounted.
pub(super) fn logs(components: &Components) -> bool {
    components.api_server.get("audit-log-path").is_some_and(|values| values.iter().any(|value| value == LOG))
}

/// The policy. What is asked of Secrets and tokens has no body in the log, whatever the rules say: it would lie there in the clear.
fn policy(audit: &Audit) -> Value {
    let bare = json!({"level": "Metadata", "resources": [
        {"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
        {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
    ]});
    let rules = audit.rules.clone().unwrap_or_else(own);
    let rules: Vec<Value> = std::iter::once(bare).chain(rules).collect();
    json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules})
}

/// Who did what to which object, without what Kubernetes itself reads and renews all the time.
fn own() -> Vec<Value> {
    let reads = json!(["get", "list", "watch"]);
    let users = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"];
    vec![
        json!({"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/metrics"]}),
        json!({"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}, {"group": "", "resources": ["events"]},
            {"group": "events.k8s.io", "resources": ["events"]}]}),
        json!({"level": "None", "users": users, "verbs": reads}),
        json!({"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system", "system:serviceaccounts:kube-flannel"], "verbs": reads}),
        json!({"level": "None", "userGroups": ["system:nodes"], "resources": [{"group": "", "resources": ["nodes/status", "pods/status"]}]}),
        json!({"level": "Metadata", "omitManagedFields": true}),
    ]
}

fn authentication(oidc: &Oidc) -> Value {
    let name = |claim: &Claim| json!({"claim": claim.claim, "prefix": claim.prefix});
    let mut issuer = json!({"url": oidc.issuer, "audiences": oidc.audiences});
    if oidc.audiences.len() > 1 {
        issuer["audienceMatchPolicy"] = "MatchAny".into();
    }
    if let Some(authority) = &oidc.authority {
        issuer["certificateAuthority"] = authority.as_str().into();
    }
    let mut mappings = json!({"username": name(&oidc.username)});
    if let Some(groups) = &oidc.groups {
        mappings["groups"] = name(groups);
    }
    json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [{"issuer": issuer, "claimMappings": mappings}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(rules: Option<Vec<Value>>) -> Audit {
        Audit { rules, max_age: 30, max_backups: 10, max_size: 100 }
    }

    #[test]
    fn another_text_is_another_file_and_another_argument() {
        let with = |rules| {
            let mut components = Components::default();
            let files = serve(&mut components, Some(&audit(rules)), None);
            (named(&components).map(str::to_owned).collect::<Vec<_>>(), files, logs(&components))
        };
        let (one, files, logs) = with(None);
        assert!(logs && one.len() == 1 && files.contains_key(&one[0]), "{one:?}");
        let (other, ..) = with(Some(vec![json!({"level": "Metadata"})]));
        assert_ne!(one, other);
        assert_eq!(with(None).0, one);
        let mut none = Components::default();
        assert!(serve(&mut none, None, None).is_empty() && none.is_empty() && !super::logs(&none));
    }

    #[test]
    fn no_rule_of_a_user_comes_before_that_of_secrets() {
        let policy = policy(&audit(Some(vec![json!({"level": "RequestResponse"})])));
        assert!(policy["rules"][0]["level"] == "Metadata" && policy["rules"][1]["level"] == "RequestResponse", "{policy}");
        let secrets = policy["rules"][0]["resources"][0]["resources"].as_array().unwrap();
        assert!(secrets.contains(&json!("secrets")) && secrets.contains(&json!("serviceaccounts/token")));
    }
}
