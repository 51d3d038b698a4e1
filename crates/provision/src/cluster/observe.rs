//! What the API has: read on the control plane, in the one probe, with the administrator's certificate that lies there.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Gap;
use kubestead_core::kube::ObjectRef;
use kubestead_core::probe::{Answers, Section};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::health::{Alive, boot, gone, shortfalls};
use crate::api::{ADMIN, FIELD_MANAGER};

/// Every object of ours carries it.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The kinds of our objects, and where the API lists them.
const KINDS: [(&str, &str, &str); 11] = [
    ("v1", "Namespace", "/api/v1/namespaces"),
    ("v1", "PersistentVolume", "/api/v1/persistentvolumes"),
    ("v1", "ServiceAccount", "/api/v1/serviceaccounts"),
    ("v1", "ConfigMap", "/api/v1/configmaps"),
    ("v1", "LimitRange", "/api/v1/limitranges"),
    ("rbac.authorization.k8s.io/v1", "Role", "/apis/rbac.authorization.k8s.io/v1/roles"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "/apis/rbac.authorization.k8s.io/v1/rolebindings"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
    ("storage.k8s.io/v1", "StorageClass", "/apis/storage.k8s.io/v1/storageclasses"),
    ("apps/v1", "DaemonSet", "/apis/apps/v1/daemonsets"),
];
/// What is read besides: whether nodes and the cluster's own workloads are well.
const OTHERS: [&str; 6] = [
    "/readyz",
    "/api/v1/nodes",
    "/apis/apps/v1/namespaces/kube-system/daemonsets",
    "/apis/apps/v1/namespaces/kube-system/deployments",
    "/api/v1/namespaces/kube-system/pods",
    "/api/v1/namespaces/kube-flannel/pods",
];
/// How many lists the section asks for before those of Secrets.
pub const LISTS: usize = OTHERS.len() + KINDS.len();
/// The annotation in which `kubectl apply` keeps what it was given, values too.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What `kubectl get` shows of a list, with as much of each object as `includeObject` says.
const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
const MARK: &str = "\n@@status ";

/// The cluster as its API tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiFacts {
    /// Whether the API server answers at all; the rest is empty where not.
    pub answers: bool,
    /// Our objects, without what the server adds.
    pub objects: Vec<Value>,
    /// The nodes.
    pub nodes: BTreeMap<String, NodeState>,
    /// Workloads of the cluster itself that are not all ready, each with its numbers.
    pub unready: Vec<String>,
    /// The ids of boots and containers that the API tells of and that are no more: it has not heard from their machines since they came up.
    pub gone: BTreeSet<String>,
}

/// A node as the API tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeState {
    /// Whether its condition Ready is True, and said since the machine came up.
    pub ready: bool,
    /// Why not, in the kubelet's words.
    pub message: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The keys of those that kubestead set.
    pub owned: BTreeSet<String>,
}

/// The part of a path that asks for our objects alone.
pub(crate) fn selector() -> String {
    format!("labelSelector={}%3D{FIELD_MANAGER}", MANAGED_BY.replace('/', "%2F"))
}

/// The section for the first control plane: one connection to the API server for all lists, each a table whose rows hold as much of the
/// objects as was asked for. `secrets` are the paths that [`crate::secret::read`] reads. What `kubectl apply` left of values in an
/// annotation is cut out before it leaves the machine. It says nothing where there is no cluster.
pub fn section(secrets: &[String]) -> Section {
    let selector = selector();
    let kinds = KINDS.iter().map(|(_, _, path)| format!("{path}?{selector}&includeObject=Object"));
    let others = OTHERS.iter().map(|p| format!("{p}?includeObject=Object"));
    let urls = others.chain(kinds).chain(secrets.iter().cloned()).map(|p| format!("'https://kubernetes:6443{p}'"));
    // A JSON text has its quotes escaped, so that this ends where the text ends.
    let cut = format!(r##"sed -E 's#("{LAST_APPLIED}": ?)"([^"\\]|\\.)*"#\1""#'"##);
    let script = format!(
        "[ -s /etc/kubernetes/admin.conf ] || exit 0\n{ADMIN}as_admin -m 20 -H 'Accept: {TABLE}' -w '\\n@@status %{{http_code}}\\n' {} | {cut}; true",
        urls.collect::<Vec<_>>().join(" ")
    );
    Section::new("cluster/api", script)
}

/// Each answer with its HTTP status, `000` for none.
pub(crate) fn bodies(text: &str) -> Vec<(&str, &str)> {
    let mut bodies = Vec::new();
    let mut rest = text;
    while let Some((body, after)) = rest.split_once(MARK) {
        let (status, after) = after.split_once('\n').unwrap_or((after, ""));
        bodies.push((body, status));
        rest = after;
    }
    bodies
}

/// Reads the answer; nothing when there is no cluster. `machines` are the nodes that were seen.
pub fn read(answers: &Answers, machines: &BTreeMap<String, Alive>) -> Result<Option<ApiFacts>, Gap> {
    let text = answers.text("cluster/api")?;
    if text.is_empty() {
        return Ok(None);
    }
    let mut bodies = Vec::new();
    for (body, status) in self::bodies(text).into_iter().take(LISTS) {
        match status {
            "200" => {}
            "000" | "500" | "503" => return Ok(Some(ApiFacts::silent())),
            // Just started, it has not read yet who may what, and lets nobody in.
            "403" if bodies.is_empty() => return Ok(Some(ApiFacts::silent())),
            code => {
                let path = OTHERS.iter().copied().chain(KINDS.iter().map(|k| k.2)).nth(bodies.len()).unwrap_or_default();
                return Err(Gap::new(format!("the API server answers {code} to {path}")));
            }
        }
        bodies.push(body);
    }
    if bodies.len() != LISTS {
        return Err(Gap::new("the answers of the API server were cut off"));
    }
    // An empty table has null for its rows.
    let items = |index: usize| -> Result<Vec<Value>, Gap> {
        let mut table: Value =
            serde_json::from_str(bodies[index]).map_err(|e| Gap::new(format!("the API server's answer was not understood: {e}")))?;
        if table["kind"] != "Table" {
            return Err(Gap::new(format!("the API server answers with a {} where a table was asked for", table["kind"])));
        }
        let rows = table["rows"].as_array_mut().map(std::mem::take).unwrap_or_default();
        Ok(rows.into_iter().map(|mut row| row["object"].take()).collect())
    };
    let mut objects = Vec::new();
    for (index, (version, kind, _)) in KINDS.iter().enumerate() {
        for mut item in items(OTHERS.len() + index)?.into_iter().filter(ours) {
            item["apiVersion"] = (*version).into();
            item["kind"] = (*kind).into();
            objects.push(item);
        }
    }
    let mut workloads = [items(2)?, items(3)?].concat();
    workloads.extend(objects.iter().filter(|o| o["kind"] == "DaemonSet").cloned());
    let (nodes, pods) = (items(1)?, [items(4)?, items(5)?].concat());
    let gone = gone(&nodes, &pods, machines);
    let unready = shortfalls(&workloads, &pods, &gone);
    objects.iter_mut().for_each(plain);
    let nodes = nodes.iter().map(|n| (n["metadata"]["name"].as_str().unwrap_or_default().to_owned(), node(n, &gone))).collect();
    Ok(Some(ApiFacts { answers: true, objects, nodes, unready, gone }))
}

impl ApiFacts {
    /// An API server that does not answer, or says itself that it is not ready.
    fn silent() -> Self {
        Self { answers: false, ..Self::default() }
    }
}

/// A label can be copied; the field manager is who applied it.
fn ours(object: &Value) -> bool {
    object["metadata"]["managedFields"].as_array().is_some_and(|all| all.iter().any(|m| m["manager"] == FIELD_MANAGER))
}

/// Takes away what the server adds and changes by itself; a volume's phase is kept.
fn plain(object: &mut Value) {
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
    }
    let phase = object["status"]["phase"].take();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
        if !phase.is_null() {
            map.insert("phase".into(), phase);
        }
    }
}

/// A node, unless it is `gone` what the API tells of.
pub(super) fn node(object: &Value, gone: &BTreeSet<String>) -> NodeState {
    let old = boot(object).is_some_and(|boot| gone.contains(boot));
    let conditions = object["status"]["conditions"].as_array();
    let ready = conditions.and_then(|all| all.iter().find(|c| c["type"] == "Ready"));
    let labels = object["metadata"]["labels"].as_object();
    let fields = object["metadata"]["managedFields"].as_array();
    let own = fields.into_iter().flatten().filter(|m| m["manager"] == FIELD_MANAGER);
    NodeState {
        ready: !old && ready.is_some_and(|c| c["status"] == "True"),
        message: match ready.and_then(|c| c["message"].as_str()) {
            _ if old => "its kubelet has told nothing since the machine came up",
            Some(message) => message,
            None => "it has not said that it is ready",
        }
        .to_owned(),
        labels: labels.into_iter().flatten().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect(),
        owned: own
            .filter_map(|m| m.pointer("/fieldsV1/f:metadata/f:labels")?.as_object())
            .flat_map(|map| map.keys().filter_map(|k| k.strip_prefix("f:")).map(str::to_owned))
            .collect(),
    }
}

/// Whether the live object says all that the manifest says.
pub(super) fn says(live: &Value, manifest: &Value) -> bool {
    match (live, manifest) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|l| says(l, value)) || empty(value))
        }
        (Value::Array(live), Value::Array(wanted)) => live.len() == wanted.len() && live.iter().zip(wanted).all(|(l, w)| says(l, w)),
        (live, wanted) => live == wanted,
    }
}

/// The server leaves these out.
fn empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

pub(super) fn find<'a>(objects: &'a [Value], reference: &ObjectRef) -> Option<&'a Value> {
    objects.iter().find(|o| ObjectRef::of(o) == *reference)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cut_answer_or_a_refusal_is_a_gap_and_no_cluster_is_none() {
        let none = BTreeMap::new();
        let answers = |text: &str| Answers::from_pairs([("cluster/api", 0, text)]);
        assert_eq!(read(&answers(""), &none), Ok(None));
        assert!(read(&answers("ok\n@@status 200\n"), &none).is_err());
        assert!(!read(&answers("\n@@status 000\n"), &none).unwrap().unwrap().answers);
        assert!(!read(&answers("forbidden\n@@status 403\n"), &none).unwrap().unwrap().answers, "it has not read who may what");
        assert!(read(&answers("ok\n@@status 200\n\n@@status 403\n"), &none).unwrap_err().to_string().contains("403 to /api/v1/nodes"));
        let all = "{\"kind\":\"Table\",\"rows\":null}\n@@status 200\n".repeat(LISTS);
        assert!(read(&answers(&all), &none).unwrap().unwrap().nodes.is_empty());
    }

    #[test]
    fn a_live_object_may_say_more_and_not_less() {
        let wanted = json!({"spec": {"a": 1, "list": [{"x": 1}], "off": false}});
        assert!(says(&json!({"spec": {"a": 1, "b": 2, "list": [{"x": 1, "y": 2}]}}), &wanted));
        assert!(!says(&json!({"spec": {"a": 2, "list": [{"x": 1}]}}), &wanted));
        assert!(!says(&json!({"spec": {"a": 1, "list": [{"x": 1}, {"x": 3}]}}), &wanted));
    }
}
