//! Objects as they are: whose they are, how they differ from a manifest, and how they are found.

use std::collections::BTreeMap;

use kubestead_core::fact::Gap;
use kubestead_core::kube::{FIELD_MANAGER, ObjectRef};
use kubestead_core::put;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::marks::{LAST_APPLIED, RECORD, SERVICE};
use super::quantity;

/// On an object that somebody else made and that was taken over: the name of the copy of it as it was, a `ConfigMap` in [`COPIES`].
pub const ADOPTED: &str = "kubestead.io/adopted";
/// The namespace of the copies: it is there in every cluster, and users do not write there.
pub const COPIES: &str = "kube-system";
/// No name or id of Kubernetes is longer.
const LONGEST: usize = 253;

/// An object of a name that the file asks for, or of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// Which.
    pub object: ObjectRef,
    /// Which object of that name.
    pub uid: String,
    /// Whether kubestead's server-side apply made it or took it over. A label can be copied; the field manager is who applied it.
    pub ours: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Who else set which of its fields.
    pub others: BTreeMap<String, Value>,
    /// What it says, without what the server adds and changes by itself; a volume's phase is kept.
    pub content: Value,
}

/// An object as it was when the plan was made: a step that asks is about this one and no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exactly {
    /// Which.
    pub object: ObjectRef,
    /// Which object of that name.
    pub uid: String,
    /// sha256 of what it said.
    pub digest: String,
}

impl Live {
    /// Reads what the API answers. Answers without a name or a uid are not understood.
    pub fn read(api_version: &str, kind: &str, mut object: Value) -> Result<Self, Gap> {
        let map = object.as_object_mut().ok_or_else(|| Gap::new(format!("the API server answers with a {kind} that is no object")))?;
        map.insert("apiVersion".into(), api_version.into());
        map.insert("kind".into(), kind.into());
        let reference = ObjectRef::of(&object);
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let good = |text: &str| !text.is_empty() && text.len() <= LONGEST;
        if !good(&reference.name) || !good(&uid) {
            return Err(Gap::new(format!("the API server answers with a {kind} without a name or a uid")));
        }
        let mut others: BTreeMap<String, Value> = BTreeMap::new();
        let mut ours = false;
        for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
            let part = entry["subresource"].as_str().is_some_and(|s| !s.is_empty());
            if own(entry) {
                ours = true;
            } else if !part {
                let manager = entry["manager"].as_str().unwrap_or("somebody").to_owned();
                merge(others.entry(manager).or_insert_with(|| json!({})), &entry["fieldsV1"]);
            }
        }
        let deleting = !object["metadata"]["deletionTimestamp"].is_null();
        plain(&mut object);
        Ok(Self { object: reference, uid, ours, deleting, others, content: object })
    }

    /// This object, as it is now.
    pub fn exactly(&self) -> Exactly {
        Exactly { object: self.object.clone(), uid: self.uid.clone(), digest: put::digest(self.content.to_string()) }
    }

    /// The service that it is of, as its label says; `None` for what is a topic's.
    pub fn service(&self) -> Option<&str> {
        self.content["metadata"]["labels"][SERVICE].as_str()
    }

    /// The service whose record it is.
    pub(crate) fn record(&self) -> Option<&str> {
        self.content["metadata"]["labels"][RECORD].as_str()
    }

    /// The name of the copy that was made when it was taken over; `None` if kubestead made it.
    pub fn adopted(&self) -> Option<&str> {
        self.content["metadata"]["annotations"][ADOPTED].as_str()
    }

    /// Whether it is a volume that a claim is bound to.
    pub fn bound(&self) -> bool {
        self.content["phase"] == "Bound"
    }

    /// Who set fields that a manifest would set to something else, by path.
    pub fn conflicts(&self, manifest: &Value) -> BTreeMap<String, String> {
        let of = |(manager, fields): (&String, &Value)| {
            let found = kubestead_core::fields::conflicts(fields, &self.content, manifest);
            found.into_iter().map(|path| (path, manager.clone())).collect::<Vec<_>>()
        };
        self.others.iter().flat_map(of).collect()
    }
}

impl Live {
    /// Items of lists that others set, which no applying takes away, and who did.
    pub fn stays(&self, manifest: &Value) -> Vec<String> {
        let of = |(manager, fields): (&String, &Value)| {
            let found = kubestead_core::fields::stays(fields, &self.content, manifest);
            found.into_iter().map(|path| format!("{path} (set by {manager})")).collect::<Vec<_>>()
        };
        self.others.iter().flat_map(of).collect()
    }
}

impl Exactly {
    /// The name of the copy of it.
    pub fn copy(&self) -> String {
        let Self { object: ObjectRef { api_version, kind, namespace, name }, uid, digest } = self;
        let all = [api_version, kind, namespace, name, uid, digest].map(String::as_str).join("\n");
        format!("kubestead-copy-{}", put::digest(all).chars().take(16).collect::<String>())
    }
}

/// The group of a version: nothing for `v1`.
pub(crate) fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// What two objects of one name have in common, whatever the version that they are written in.
pub(crate) fn same_name(object: &ObjectRef) -> (String, String, String, String) {
    (group(&object.api_version).to_owned(), object.kind.clone(), object.namespace.clone(), object.name.clone())
}

/// Whether an object is wholly ours when we made it: a node is its kubelet's, and ours are labels of it.
pub(super) fn whole(object: &ObjectRef) -> bool {
    object.kind != "Node"
}

/// The account of pods that name none, which the API server makes in every namespace.
pub(super) const SHARED: &str = "default";

/// Whether an object is made by Kubernetes itself whatever we do, and only fields of it are ours: it carries no label of ours, by which it would be deleted.
pub(super) fn shared(object: &ObjectRef) -> bool {
    object.kind == "ServiceAccount" && object.name == SHARED
}

/// Whether an entry of `managedFields` is that of kubestead's server-side apply.
pub(crate) fn own(entry: &Value) -> bool {
    entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply" && entry["subresource"].as_str().unwrap_or_default().is_empty()
}

fn merge(fields: &mut Value, more: &Value) {
    match (fields, more) {
        (Value::Object(map), Value::Object(more)) => {
            for (key, value) in more {
                merge(map.entry(key.as_str()).or_insert_with(|| json!({})), value);
            }
        }
        (fields, more) => *fields = more.clone(),
    }
}

/// What stands for each value of a Secret, wherever an object is kept or shown.
const VALUE: &str = "…";

/// Takes the values of a Secret away; their names stay. `kubectl apply` keeps a copy of them in an annotation.
pub(super) fn without_values(object: &mut Value) {
    if object["kind"] == "Secret" && object["apiVersion"] == "v1" {
        if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
        for field in ["data", "stringData"] {
            object
                .get_mut(field)
                .and_then(Value::as_object_mut)
                .into_iter()
                .flat_map(Map::values_mut)
                .for_each(|value| *value = VALUE.into());
        }
    }
}

/// Takes away what the server adds and changes by itself; a volume's phase is kept.
fn plain(object: &mut Value) {
    without_values(object);
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
    }
    // The probe cuts it on the machine; what it repeats is in the object itself.
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    let phase = object.pointer_mut("/status/phase").map_or(Value::Null, Value::take);
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
        if !phase.is_null() {
            map.insert("phase".into(), phase);
        }
    }
}

/// Whether the live object says all that the manifest says.
pub(super) fn says(live: &Value, manifest: &Value) -> bool {
    is_said(live, manifest, Reading::of(manifest))
}

/// How values are read.
#[derive(Clone, Copy)]
struct Reading {
    /// Those of a custom resource are kept as they were written.
    custom: bool,
    /// Those of this field are quantities, which the server writes in its own unit.
    amounts: bool,
}

impl Reading {
    fn of(manifest: &Value) -> Self {
        Self { custom: is_custom(manifest), amounts: false }
    }

    fn field(self, key: &str) -> Self {
        Self { amounts: !self.custom && (self.amounts || quantity::is_amount(key)), ..self }
    }
}

fn is_said(live: &Value, manifest: &Value, reading: Reading) -> bool {
    match (live, manifest) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, value)| match live.get(key) {
            // A manifest's null is no wish of server-side apply.
            Some(live) => value.is_null() || is_said(live, value, reading.field(key)),
            None => is_left_out(key, value, reading.custom),
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| is_said(live, wanted, reading))
        }
        (live, wanted) => live == wanted || reading.amounts && quantity::same(live, wanted),
    }
}

/// Fields whose absence is not `false` but what the server takes instead (the API reference).
const TRUE_WHEN_ABSENT: [&str; 5] =
    ["allocateLoadBalancerNodePorts", "allowPrivilegeEscalation", "automountServiceAccountToken", "enableServiceLinks", "hostUsers"];

/// Whether the server leaves out a field that was applied so.
fn is_left_out(key: &str, value: &Value, custom: bool) -> bool {
    match value {
        Value::Null => true,
        // A custom resource is kept as it was written.
        Value::Bool(false) => !custom && !TRUE_WHEN_ABSENT.contains(&key),
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Whether it is of a group that Kubernetes itself does not serve: its own are a word, or one below `k8s.io`, but for three.
fn is_custom(manifest: &Value) -> bool {
    let group = group(manifest["apiVersion"].as_str().unwrap_or_default());
    let word = group.strip_suffix(".k8s.io").unwrap_or(group);
    word.contains('.') && !["rbac.authorization", "internal.apiserver", "flowcontrol.apiserver"].contains(&word)
}

/// What would become another, a few words each: a path, and from which word to which where they are short.
pub(crate) fn differences(live: &Value, manifest: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ(live, manifest, "", Reading::of(manifest), &mut found);
    found
}

fn differ(live: &Value, manifest: &Value, path: &str, reading: Reading, found: &mut Vec<String>) {
    if is_said(live, manifest, reading) {
        return;
    }
    match (live, manifest) {
        (Value::Object(live), Value::Object(wanted)) => {
            for (key, value) in wanted {
                let (field, inner) = (format!("{path}.{key}"), reading.field(key));
                match live.get(key) {
                    Some(live) if !value.is_null() => differ(live, value, &field, inner, found),
                    None if !is_left_out(key, value, reading.custom) => differ(&Value::Null, value, &field, inner, found),
                    _ => {}
                }
            }
        }
        (Value::String(live), Value::String(wanted)) if !path.starts_with(".data") && live.len().max(wanted.len()) <= 40 => {
            found.push(format!("{path} from {live} to {wanted}"));
        }
        _ => found.push(path.to_owned()),
    }
}

/// Objects by what they are called: each is found without looking at the others.
pub(super) struct Index<'a>(BTreeMap<Key<'a>, &'a Live>);

impl<'a> Index<'a> {
    pub(super) fn of(objects: &'a [Live]) -> Self {
        Self(objects.iter().map(|live| (Key(&live.object), live)).collect())
    }

    pub(super) fn get(&self, object: &ObjectRef) -> Option<&'a Live> {
        self.0.get(&Key(object)).copied()
    }
}

/// A reference whose comparisons can be counted.
#[derive(PartialEq, Eq)]
struct Key<'a>(&'a ObjectRef);

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        #[cfg(test)]
        tests::COMPARED.with(|count| count.set(count.get() + 1));
        self.0.cmp(other.0)
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    thread_local! {
        /// How often two references were compared.
        pub(crate) static COMPARED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    fn labelled(manager: &str, operation: &str) -> Value {
        let fields = json!({"f:metadata": {"f:labels": {"f:level": {}}}});
        json!({"metadata": {
            "name": "n", "uid": "u", "labels": {"app.kubernetes.io/managed-by": "kubestead", "level": "high"},
            "managedFields": [
                {"manager": manager, "operation": operation, "fieldsV1": fields},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
            ]}, "status": {"phase": "Active"}})
    }

    #[test]
    fn a_label_makes_nothing_ours_and_neither_does_a_plain_write_under_our_name() {
        for (manager, operation, ours) in [("kubestead", "Apply", true), ("kubestead", "Update", false), ("helm", "Apply", false)] {
            let live = Live::read("v1", "Namespace", labelled(manager, operation)).unwrap();
            assert_eq!(live.ours, ours, "{manager} {operation}");
            assert!(!live.others.contains_key("kube-controller-manager"), "a status is nobody's claim");
        }
        let live = Live::read("v1", "Namespace", labelled("helm", "Apply")).unwrap();
        let wanted = json!({"metadata": {"labels": {"level": "low"}}});
        assert_eq!(live.conflicts(&wanted), BTreeMap::from([(".metadata.labels.level".to_owned(), "helm".to_owned())]));
        assert!(live.conflicts(&live.content).is_empty());
    }

    #[test]
    fn another_content_is_another_object_to_a_step_and_another_status_is_not() {
        let read = |change: fn(&mut Value)| {
            let mut object = labelled("helm", "Apply");
            change(&mut object);
            Live::read("v1", "DaemonSet", object).unwrap().exactly()
        };
        let as_it_was = read(|_| ());
        assert_eq!(read(|o| o["status"]["numberReady"] = 3.into()), as_it_was);
        assert_eq!(read(|o| o["metadata"]["resourceVersion"] = "9".into()), as_it_was);
        let copy = |o: &mut Value| o["metadata"]["annotations"] = json!({LAST_APPLIED: "{\"a\": 1}"});
        let cut = |o: &mut Value| o["metadata"]["annotations"] = json!({LAST_APPLIED: ""});
        assert_eq!(read(copy), read(cut), "the probe cuts out what kubectl apply left");
        assert_ne!(read(|o| o["status"]["phase"] = "Bound".into()), as_it_was, "a volume that was bound meanwhile");
        assert_ne!(read(|o| o["metadata"]["labels"]["level"] = "low".into()).copy(), as_it_was.copy());
        assert!(as_it_was.copy().starts_with("kubestead-copy-") && as_it_was.copy().len() == 31);
    }

    #[test]
    fn an_answer_without_a_name_or_a_uid_is_not_understood() {
        let shapes =
            [json!({"metadata": {"name": "n"}}), json!({"metadata": {"name": 7, "uid": "u"}}), json!({"metadata": [], "status": 1})];
        for object in shapes.into_iter().chain([json!([1]), json!("text"), Value::Null]) {
            assert!(Live::read("v1", "Namespace", object).is_err());
        }
        let odd = json!({"metadata": {"name": "n", "uid": "u", "managedFields": 1, "labels": 2}, "status": "up"});
        assert!(Live::read("v1", "Namespace", odd).is_ok_and(|live| !live.ours), "a shape is no panic");
        let long = json!({"metadata": {"name": "n".repeat(300), "uid": "u"}});
        assert!(Live::read("v1", "Namespace", long).is_err());
    }

    #[test]
    fn a_live_object_may_say_more_and_not_less() {
        let wanted = json!({"spec": {"a": 1, "list": [{"x": 1}], "off": false}});
        assert!(says(&json!({"spec": {"a": 1, "b": 2, "list": [{"x": 1, "y": 2}]}}), &wanted));
        assert!(!says(&json!({"spec": {"a": 2, "list": [{"x": 1}]}}), &wanted));
        assert!(!says(&json!({"spec": {"a": 1, "list": [{"x": 1}, {"x": 3}]}}), &wanted));
    }

    #[test]
    fn what_differs_is_told_by_its_path_and_no_data_is() {
        let live = json!({"metadata": {"labels": {"level": "privileged"}}, "data": {"a": "1"}, "spec": {"list": [1]}});
        let wanted = json!({"metadata": {"labels": {"level": "baseline", "new": "x"}}, "data": {"a": "2"}, "spec": {"list": [2]}});
        let found = differences(&live, &wanted);
        assert_eq!(found, [".data.a", ".metadata.labels.level from privileged to baseline", ".metadata.labels.new", ".spec.list"]);
    }

    #[test]
    fn what_somebody_switched_on_or_filled_is_not_what_a_false_or_an_empty_list_says() {
        let said = |live: Value, wanted: Value| {
            let same = says(&live, &wanted);
            assert_eq!(same, differences(&live, &wanted).is_empty(), "{wanted}");
            same
        };
        let pod = |spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "spec": spec});
        for (live, wanted, same) in [
            (json!({"hostNetwork": true}), json!({"hostNetwork": false}), false),
            (json!({}), json!({"hostNetwork": false}), true),
            (json!({"list": ["x"]}), json!({"list": []}), false),
            (json!({}), json!({"list": [], "map": {}, "nothing": null}), true),
            (json!({"map": {"medium": "Memory"}, "nothing": 1}), json!({"map": {}, "nothing": null}), true),
            // Absent they are true.
            (json!({}), json!({"automountServiceAccountToken": false}), false),
            (json!({"c": {}}), json!({"c": {"allowPrivilegeEscalation": false}}), false),
            (json!({"automountServiceAccountToken": false}), json!({"automountServiceAccountToken": false}), true),
        ] {
            assert_eq!(said(pod(live), pod(wanted.clone())), same, "{wanted}");
        }
        for (version, same) in [
            ("rbac.authorization.k8s.io/v1", true),
            ("internal.apiserver.k8s.io/v1alpha1", true),
            ("flowcontrol.apiserver.k8s.io/v1", true),
            ("apps/v1", true),
            ("storage.k8s.io/v1", true),
            ("gateway.networking.k8s.io/v1", false),
            ("cert-manager.io/v1", false),
        ] {
            let wanted = json!({"apiVersion": version, "spec": {"enabled": false}});
            assert_eq!(said(json!({"apiVersion": version, "spec": {}}), wanted), same, "{version}");
        }
    }
}
