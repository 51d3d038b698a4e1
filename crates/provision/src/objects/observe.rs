//! What the API has: read on the control plane, in the one probe, with the administrator's certificate that lies there.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Gap;
use kubestead_core::kube::ObjectRef;
use kubestead_core::name::Name;
use kubestead_core::probe::{Answers, Section};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::health::{Alive, boot, gone, shortfalls};
use super::lists::{self, KINDS, List, Named, Refused, Told, by_name};
use super::marks::LAST_APPLIED;
use super::namespaces::WORKLOADS;
use super::object::{Live, own};
use super::pods::{Beyond, beyond};
use crate::admin::ADMIN;

/// What `kubectl get` shows of a list, with as much of each object as `includeObject` says.
const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
/// How much the API server may answer: for the cluster's own objects and for users' namespaces, and for each object that the file asks for.
const ANSWER: usize = 32 << 20;
const OBJECT: usize = 8 << 10;
/// How much it may answer for a page of pods.
const PODS: usize = 32 << 20;
/// More rows than any cluster has that kubeadm makes; an answer with more is not understood.
const MOST_ROWS: usize = 150_000;
/// A text of the API that is kept, such as a version or a kubelet's words, ends here.
const MOST_TEXT: usize = 512;

/// The cluster as its API tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiFacts {
    /// Whether the API server answers at all; the rest is empty where not.
    pub answers: bool,
    /// Our objects, and those of other people that have a name which the file asks for.
    pub objects: Vec<Live>,
    /// The nodes.
    pub nodes: BTreeMap<String, NodeState>,
    /// Workloads of the cluster itself that are not all ready, each with its numbers.
    pub unready: Vec<String>,
    /// The ids of boots and containers that the API tells of and that are no more: it has not heard from their machines since they came up.
    pub gone: BTreeSet<String>,
    /// The API server's version, such as `1.37.1`.
    pub version: Option<String>,
    /// What kubeadm wrote down of the cluster; `None` if it made none.
    pub record: Option<Record>,
    /// What pods of the users' namespace take beyond the level `baseline`; `None` if the file says nothing of it.
    pub pods: Option<Pods>,
}

/// The pods of the users' namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pods {
    /// Those that take something beyond it.
    pub beyond: Vec<Beyond>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

/// A node as the API tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Who set the other ones.
    pub others: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
    /// Its taints, as `kubectl taint` writes them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub taints: BTreeSet<String>,
    /// The kubelet's version, such as `1.37.1`.
    pub kubelet: Option<String>,
    /// containerd's.
    pub runtime: Option<String>,
    /// Its ranges of pods' addresses.
    pub pods: Vec<String>,
}

/// Annotations of a node, and who set them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Annotations {
    /// The values.
    pub values: BTreeMap<String, String>,
    /// The keys of those that kubestead set.
    pub owned: BTreeSet<String>,
    /// Who set the other ones.
    pub others: BTreeMap<String, String>,
}

impl Annotations {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `ClusterConfiguration` as kubeadm wrote it down, as far as it can never change while the cluster lives, and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// Such as `v1.37.1`.
    pub kubernetes_version: Option<String>,
    /// The cluster's name.
    pub cluster_name: Option<String>,
    /// `host:port` of the API.
    pub control_plane_endpoint: Option<String>,
    /// Address ranges.
    pub networking: Networking,
    /// What is added to the API server.
    #[serde(skip_serializing_if = "RecordedComponent::is_empty")]
    pub api_server: RecordedComponent,
    /// What is added to the controller manager.
    #[serde(skip_serializing_if = "RecordedComponent::is_empty")]
    pub controller_manager: RecordedComponent,
    /// What is added to the scheduler.
    #[serde(skip_serializing_if = "RecordedComponent::is_empty")]
    pub scheduler: RecordedComponent,
    /// What is added to etcd.
    #[serde(skip_serializing_if = "RecordedEtcd::is_empty")]
    pub etcd: RecordedEtcd,
}

/// What is added to a program, as kubeadm wrote it down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordedComponent {
    /// Its arguments.
    pub extra_args: Vec<RecordedArgument>,
    /// Names in its certificate.
    #[serde(rename = "certSANs", skip_serializing_if = "Vec::is_empty")]
    pub cert_sans: Vec<String>,
}

impl RecordedComponent {
    fn is_empty(&self) -> bool {
        self.extra_args.is_empty() && self.cert_sans.is_empty()
    }
}

/// An argument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordedArgument {
    /// Its name without dashes.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What is added to an etcd that kubeadm runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordedEtcd {
    /// It is beside the API server.
    pub local: RecordedComponent,
}

impl RecordedEtcd {
    fn is_empty(&self) -> bool {
        self.local.is_empty()
    }
}

/// Address ranges and domain as kubeadm wrote them down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Networking {
    /// Of pods.
    pub pod_subnet: Option<String>,
    /// Of services.
    pub service_subnet: Option<String>,
    /// DNS domain of services.
    pub dns_domain: Option<String>,
}

/// The section for the first control plane: one connection to the API server for all lists, each a table whose rows hold as much of the
/// objects as was asked for. `secrets` are the paths that [`crate::secret::read`] reads, `names` the objects that the file asks for, `pods` the namespace whose
/// pods are looked at. What `kubectl apply` left of values in an annotation is cut out before it leaves the machine. It says nothing where there is no cluster.
pub fn section(secrets: &[String], names: &[ObjectRef], pods: Option<&Name>) -> Section {
    tables("cluster/api", &lists::paths(secrets, names, pods)).expects(ANSWER + OBJECT * names.len() + pods.map_or(0, |_| PODS))
}

/// A section for a control plane that asks its API server for lists, as tables. [`lists::bodies`] takes its answer apart.
pub(crate) fn tables<S: AsRef<str>>(name: &str, paths: &[S]) -> Section {
    Section::script(name, include_str!("scripts/api.sh"))
        .after(ADMIN)
        .var("annotation", LAST_APPLIED)
        .var("accept", TABLE)
        .list("urls", paths.iter().map(|path| format!("https://kubernetes:6443{}", path.as_ref())))
}

/// Reads the answer of the section that was made of the same names and of as many paths of Secrets; `None` if there is no cluster.
/// `machines` are the nodes that were seen.
pub fn read(
    answers: &Answers,
    machines: &BTreeMap<String, Alive>,
    secrets: usize,
    names: &[ObjectRef],
    pods: Option<&Name>,
) -> Result<Option<ApiFacts>, Gap> {
    let text = answers.text("cluster/api")?;
    if text.is_empty() {
        return Ok(None);
    }
    let paths = by_name(names, pods);
    let told = match Told::read(text, secrets, paths.len()) {
        Ok(told) => told,
        // Just started, it has not read yet who may what, and lets nobody in.
        Err(Refused::Status(_, "000" | "500" | "503") | Refused::Status(List::Ready, "403")) => return Ok(Some(ApiFacts::silent())),
        Err(Refused::Status(list, code)) => return Err(Gap::new(format!("the API server answers {code} to {}", list.path()))),
        Err(Refused::Cut) => return Err(cut()),
    };
    let Some(named) = &told.named else { return Err(cut()) };
    let mut objects = Vec::new();
    let mut known = BTreeSet::new();
    let mut add = |live: Live| {
        if known.insert(live.object.clone()) {
            objects.push(live);
        }
    };
    let wanted: BTreeSet<&ObjectRef> = names.iter().collect();
    let mut workloads = [items(told.list(List::DaemonSets))?, items(told.list(List::Deployments))?].concat();
    for kind in &KINDS {
        for item in items(told.list(List::Ours(kind)))? {
            let workload = (kind.kind == "DaemonSet").then(|| item.clone());
            let live = Live::read(kind.version, kind.kind, item)?;
            if live.ours {
                workloads.extend(workload);
            }
            if live.ours || wanted.contains(&live.object) {
                add(live);
            }
        }
    }
    let (mut record, mut taken) = (None, None);
    for ((body, status), (asked, path)) in named.iter().zip(&paths) {
        match *status {
            "200" => {}
            "404" => continue,
            "000" | "500" | "503" => return Ok(Some(ApiFacts::silent())),
            code => return Err(Gap::new(format!("the API server answers {code} to {path}"))),
        }
        match asked {
            Named::Pods => taken = Some(read_pods(body)?),
            Named::Record => record = items(body)?.first().map(read_record).transpose()?,
            Named::Objects(kind) => {
                for item in items(body)? {
                    let live = Live::read(kind.version, kind.kind, item)?;
                    if wanted.contains(&live.object) {
                        add(live);
                    }
                }
            }
        }
    }
    let nodes = items(told.list(List::Nodes))?;
    let mut pods = Vec::new();
    for namespace in WORKLOADS {
        pods.extend(items(told.list(List::Pods(namespace)))?);
    }
    let gone = gone(&nodes, &pods, machines);
    let unready = shortfalls(&workloads, &pods, &gone);
    let version: Value = serde_json::from_str(told.list(List::Version)).map_err(not_understood)?;
    let version = version["gitVersion"].as_str().and_then(plain_version);
    let nodes = nodes.iter().map(|n| (short(&n["metadata"]["name"]), node(n, &gone))).collect();
    Ok(Some(ApiFacts { answers: true, objects, nodes, unready, gone, version, record, pods: taken }))
}

fn cut() -> Gap {
    Gap::new("the answers of the API server were cut off")
}

fn not_understood(why: impl std::fmt::Display) -> Gap {
    Gap::new(format!("the API server's answer was not understood: {why}"))
}

/// The pods of a page.
fn read_pods(body: &str) -> Result<Pods, Gap> {
    let page: Value = serde_json::from_str(body).map_err(not_understood)?;
    let more = page["metadata"]["continue"].as_str().is_some_and(|token| !token.is_empty());
    Ok(Pods { beyond: items(body)?.iter().filter_map(beyond).collect(), more })
}

/// The objects of a table. An empty one has null for its rows.
fn items(body: &str) -> Result<Vec<Value>, Gap> {
    let mut table: Value = serde_json::from_str(body).map_err(not_understood)?;
    if table["kind"] != "Table" {
        return Err(Gap::new(format!("the API server answers with a {} where a table was asked for", short(&table["kind"]))));
    }
    let rows = table.get_mut("rows").map_or(Value::Null, Value::take);
    match rows {
        Value::Null => Ok(Vec::new()),
        Value::Array(rows) if rows.len() <= MOST_ROWS => {
            Ok(rows.into_iter().map(|mut row| row.get_mut("object").map_or(Value::Null, Value::take)).collect())
        }
        Value::Array(rows) => Err(not_understood(format!("{} objects of one kind", rows.len()))),
        _ => Err(not_understood("rows that are no list")),
    }
}

/// A text that is kept: no longer than [`MOST_TEXT`] characters.
fn short(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().take(MOST_TEXT).collect()
}

/// `1.37.1` of `v1.37.1+build`; `None` for what is not a version.
pub(crate) fn plain_version(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches('v');
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let parts: Vec<&str> = text[..end].split('.').collect();
    let good = parts.len() == 3 && parts.iter().all(|p| !p.is_empty() && p.len() <= 5);
    good.then(|| parts.join("."))
}

/// `ClusterConfiguration` of the record.
fn read_record(object: &Value) -> Result<Record, Gap> {
    let text = object["data"]["ClusterConfiguration"].as_str().unwrap_or_default();
    if text.is_empty() || text.len() > 64 << 10 {
        return Err(Gap::new("kube-system/kubeadm-config has no ClusterConfiguration that could be read"));
    }
    serde_saphyr::from_str(text).map_err(|e| Gap::new(format!("ClusterConfiguration in kube-system/kubeadm-config: {e}")))
}

impl ApiFacts {
    /// An API server that does not answer, or says itself that it is not ready.
    fn silent() -> Self {
        Self { answers: false, ..Self::default() }
    }
}

/// A node, unless it is `gone` what the API tells of.
pub(super) fn node(object: &Value, gone: &BTreeSet<String>) -> NodeState {
    let old = boot(object).is_some_and(|boot| gone.contains(boot));
    let conditions = object["status"]["conditions"].as_array();
    let ready = conditions.and_then(|all| all.iter().find(|c| c["type"] == "Ready"));
    let Annotations { values: labels, owned, others } = marks(object, "labels");
    let version = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).and_then(plain_version);
    let runtime = object.pointer("/status/nodeInfo/containerRuntimeVersion").and_then(Value::as_str);
    NodeState {
        ready: !old && ready.is_some_and(|c| c["status"] == "True"),
        message: if old {
            "its kubelet has told nothing since the machine came up".to_owned()
        } else {
            match ready.map(|c| short(&c["message"])).filter(|message| !message.is_empty()) {
                Some(message) => message,
                None => "it has not said that it is ready".to_owned(),
            }
        },
        labels,
        owned,
        others,
        annotations: marks(object, "annotations"),
        taints: object["spec"]["taints"].as_array().into_iter().flatten().map(taint).collect(),
        kubelet: version("/status/nodeInfo/kubeletVersion"),
        runtime: runtime.and_then(|r| r.strip_prefix("containerd://")).and_then(plain_version),
        pods: object["spec"]["podCIDRs"].as_array().into_iter().flatten().take(2).map(short).filter(|r| !r.is_empty()).collect(),
    }
}

/// A taint as `kubectl taint` writes it.
fn taint(object: &Value) -> String {
    let value = Some(short(&object["value"])).filter(|value| !value.is_empty());
    let value = value.map(|value| format!("={value}")).unwrap_or_default();
    format!("{}{value}:{}", short(&object["key"]), short(&object["effect"]))
}

/// A node's labels or annotations, and who set them. What `kubectl apply` keeps is no mark of a node.
fn marks(object: &Value, part: &str) -> Annotations {
    let all = object["metadata"][part].as_object().into_iter().flatten().filter(|(key, _)| *key != LAST_APPLIED);
    let values = all.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
    let mut found = Annotations { values: values.collect(), ..Annotations::default() };
    for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
        let keys = entry["fieldsV1"]["f:metadata"][format!("f:{part}")].as_object().into_iter().flatten();
        let keys = keys.filter_map(|(key, _)| key.strip_prefix("f:")).map(str::to_owned);
        if own(entry) {
            found.owned.extend(keys);
        } else {
            let manager = entry["manager"].as_str().unwrap_or("somebody");
            found.others.extend(keys.map(|key| (key, manager.to_owned())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers(text: &str) -> Answers {
        Answers::from_pairs([("cluster/api", 0, text)])
    }

    fn reference(version: &str, kind: &str, namespace: &str, name: &str) -> ObjectRef {
        ObjectRef { api_version: version.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }

    fn ok(body: &Value) -> String {
        format!("{body}\n@@status 200\n")
    }

    const NONE: &str = "{\"kind\":\"Status\"}\n@@status 404\n";

    /// A cluster in which `tail` is answered to what is asked for by name, after the record.
    fn read_with(names: &[ObjectRef], volumes: &Value, tail: &[String]) -> Result<Option<ApiFacts>, Gap> {
        let empty = json!({"kind": "Table", "rows": null});
        let answer = |list| match list {
            List::Version => ok(&json!({"gitVersion": "v1.36.2"})),
            List::Ours(kind) if kind.kind == "PersistentVolume" => ok(volumes),
            _ => ok(&empty),
        };
        let bodies: Vec<String> = List::all().map(answer).collect();
        let secrets = vec![ok(&empty); 2];
        read(&answers(&[bodies, secrets, tail.to_vec()].concat().concat()), &BTreeMap::new(), 2, names, None)
    }

    #[test]
    fn a_cut_answer_or_a_refusal_is_a_gap_and_no_cluster_is_none() {
        let none = BTreeMap::new();
        let read = |text: &str| read(&answers(text), &none, 0, &[], None);
        assert_eq!(read(""), Ok(None));
        assert!(read("ok\n@@status 200\n").is_err());
        assert!(!read("\n@@status 000\n").unwrap().unwrap().answers);
        assert!(!read("forbidden\n@@status 403\n").unwrap().unwrap().answers, "it has not read who may what");
        assert!(read("ok\n@@status 200\n\n@@status 403\n").unwrap_err().to_string().contains("403 to /api/v1/nodes"));
        let all = "{\"kind\":\"Table\",\"rows\":null}\n@@status 200\n".repeat(lists::LISTS);
        assert!(read(&all).is_err(), "what is asked for by name is missing");
        assert!(read(&format!("{all}{NONE}")).unwrap().unwrap().nodes.is_empty());
    }

    #[test]
    fn an_object_of_our_name_is_seen_whoever_made_it_and_others_are_not() {
        let names = [
            reference("v1", "Namespace", "", "apps"),
            reference("v1", "LimitRange", "apps", "defaults"),
            reference("rbac.authorization.k8s.io/v1", "ClusterRole", "", "kubestead:apps-viewer"),
            reference("v1", "PersistentVolume", "", "kube1-share"),
        ];
        let command = kubestead_core::probe::command(&[section(&["/api/v1/secrets".to_owned()], &names, None)], "n1");
        assert!(command.limits.output > 32 << 20, "ten thousand volumes are no answer that is too long");
        let script = command.script().into_owned();
        for path in [
            "/api/v1/namespaces/apps?includeObject=Object",
            "/api/v1/namespaces/apps/limitranges/defaults?",
            "/clusterroles/kubestead:apps-viewer?",
            "/api/v1/persistentvolumes?labelSelector=app.kubernetes.io%2Fmanaged-by%21%3Dkubestead&includeObject=Object",
        ] {
            assert!(script.contains(path), "{path}: {script}");
        }
        let table = |objects: &[Value]| json!({"kind": "Table", "rows": objects.iter().map(|o| json!({"object": o})).collect::<Vec<_>>()});
        let by = |name: &str, manager: &str| {
            json!({"metadata": {"name": name, "uid": format!("u-{name}"),
            "managedFields": [{"manager": manager, "operation": "Apply", "fieldsV1": {}}]}})
        };
        let record = json!({"metadata": {"name": "kubeadm-config"},
            "data": {"ClusterConfiguration": "clusterName: home\nkubernetesVersion: v1.36.2\nnetworking:\n  podSubnet: 10.244.0.0/16\n"}});
        let tail = [
            ok(&table(&[record])),
            ok(&table(&[by("apps", "kubectl")])),
            NONE.to_owned(),
            NONE.to_owned(),
            ok(&table(&[by("kube1-share", "kubectl"), by("of-csi", "csi")])),
        ];
        // One that carries our label and was copied by somebody is not ours, and one of ours may have lost its name in the file.
        let facts = read_with(&names, &table(&[by("kube1-old", "kubestead"), by("copied", "helm")]), &tail).unwrap().unwrap();
        let found: Vec<(&str, bool)> = facts.objects.iter().map(|live| (live.object.name.as_str(), live.ours)).collect();
        assert_eq!(found, [("kube1-old", true), ("apps", false), ("kube1-share", false)]);
        assert_eq!(facts.version.as_deref(), Some("1.36.2"));
        let record = facts.record.unwrap();
        assert_eq!((record.cluster_name.as_deref(), record.networking.pod_subnet.as_deref()), (Some("home"), Some("10.244.0.0/16")));
        assert!(read_with(&names, &table(&[]), &tail[..3]).unwrap_err().to_string().contains("cut off"));
        let refused = [tail[0].clone(), "{}\n@@status 403\n".to_owned(), tail[2].clone(), tail[3].clone(), tail[4].clone()];
        assert!(read_with(&names, &table(&[]), &refused).unwrap_err().to_string().contains("403 to /api/v1/namespaces/apps"));
    }

    #[test]
    fn of_the_users_pods_it_is_kept_what_they_take_beyond_the_baseline() {
        let home = Name::new("apps").unwrap();
        let script = kubestead_core::probe::command(&[section(&[], &[], Some(&home))], "n1").script().into_owned();
        assert!(script.contains("/api/v1/namespaces/apps/pods?limit=1000&includeObject=Object"), "{script}");
        let pod = |name: &str, spec: Value| json!({"object": {"metadata": {"name": name}, "spec": spec, "status": {"phase": "Running"}}});
        let mut rows =
            vec![pod("plain", json!({"containers": [{"name": "c"}]})), pod("net", json!({"serviceAccountName": "a", "hostNetwork": true}))];
        let mut ended = pod("ended", json!({"hostNetwork": true}));
        ended["object"]["status"]["phase"] = "Succeeded".into();
        rows.push(ended);
        let page = json!({"kind": "Table", "metadata": {"continue": "more"}, "rows": rows});
        let empty = json!({"kind": "Table", "rows": null});
        let bodies: String = List::all().map(|list| ok(if list == List::Version { &page } else { &empty })).collect();
        let read = |tail: &str| read(&answers(&format!("{bodies}{NONE}{tail}")), &BTreeMap::new(), 0, &[], Some(&home));
        let found = read(&ok(&page)).unwrap().unwrap().pods.unwrap();
        let names: Vec<(&str, &str)> = found.beyond.iter().map(|b| (b.pod.as_str(), b.account.as_str())).collect();
        assert!(names == [("net", "a")] && found.more, "{found:?}");
        assert!(!read(&ok(&empty)).unwrap().unwrap().pods.unwrap().more);
        assert!(read("").unwrap_err().to_string().contains("cut off") && read(&ok(&json!([7]))).is_err());
    }

    #[test]
    fn no_shape_of_an_answer_is_a_panic() {
        let shapes = [
            json!(null),
            json!(7),
            json!("x"),
            json!([[]]),
            json!({"kind": "Table", "rows": 7}),
            json!({"kind": "Table", "rows": [7]}),
            json!({"kind": "Table", "rows": [{"object": "x"}]}),
            json!({"kind": "Table", "rows": [{"object": {"metadata": 1, "status": "x"}}]}),
        ];
        for shape in &shapes {
            assert!(read_with(&[], shape, &[NONE.to_owned()]).is_err(), "{shape}");
        }
        let bad = json!({"kind": "Table", "rows": [{"object": {"data": {"ClusterConfiguration": "a: [".to_owned()}}}]});
        assert!(read_with(&[], &json!({"kind": "Table"}), &[ok(&bad)]).unwrap_err().to_string().contains("kubeadm-config"));
    }

    #[test]
    fn a_node_tells_its_versions_and_who_set_its_labels() {
        let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:zone": {}}}});
        let object = json!({
            "metadata": {"name": "a", "labels": {"zone": "b"}, "managedFields": [{"manager": "kubectl-label", "operation": "Update", "fieldsV1": fields}]},
            "spec": {"podCIDRs": ["10.244.1.0/24", 7]},
            "status": {"nodeInfo": {"kubeletVersion": "v1.36.2", "containerRuntimeVersion": "containerd://2.1.4-k3s1"},
                "conditions": [{"type": "Ready", "status": "False", "message": "x".repeat(5000)}]}});
        let node = node(&object, &BTreeSet::new());
        assert_eq!((node.kubelet.as_deref(), node.runtime.as_deref()), (Some("1.36.2"), Some("2.1.4")));
        assert_eq!(node.others, BTreeMap::from([("zone".to_owned(), "kubectl-label".to_owned())]));
        assert_eq!((node.pods, node.message.len()), (vec!["10.244.1.0/24".to_owned()], MOST_TEXT));
    }

    #[test]
    fn a_version_is_three_numbers() {
        for (text, version) in [("v1.37.1", Some("1.37.1")), ("1.37.1+rke2", Some("1.37.1")), ("v1.37", None), ("", None), ("1..2", None)] {
            assert_eq!(plain_version(text).as_deref(), version, "{text}");
        }
    }
}
