//! Which settings a kubelet shall have, the two files by which it gets them, and how they stand to what it says that it runs with.

use std::collections::BTreeMap;

use kubestead_core::name::{HostName, Name};
use kubestead_core::put::Owned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::duration::nanoseconds;

/// The drop-in folder that the documentation of Kubernetes names.
pub const FOLDER: &str = "/etc/kubernetes/kubelet.conf.d";
/// Our file in it. A kubelet reads them in the order of their names, and what comes later holds.
pub const FILE: &str = "/etc/kubernetes/kubelet.conf.d/50-kubestead.conf";
/// What makes a kubelet read the folder. It sorts behind kubeadm's own drop-in, whose variable it says anew.
pub const UNIT: &str = "/etc/systemd/system/kubelet.service.d/20-kubestead-settings.conf";
/// Both.
pub const PATHS: [&str; 2] = [FILE, UNIT];
/// The field that names whom pods ask for names.
pub const RESOLVERS: &str = "clusterDNS";

const UNIT_TEXT: &str = "# Written by kubestead.\n[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml \
                         --config-dir=/etc/kubernetes/kubelet.conf.d\"\n";
const HEADING: &str = "# Written by kubestead, of kubernetes.kubelet and nodes[].kubelet in the cluster file. What is your own belongs in a file beside \
                       this one.\n";

/// Fields of `KubeletConfiguration` (`kubelet.config.k8s.io/v1beta1`), as they are written there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub BTreeMap<String, Value>);

impl Settings {
    /// These with those of one node: a field that the node names is taken from there as a whole.
    #[must_use]
    pub fn with(&self, own: &Self) -> Self {
        Self(self.0.iter().chain(&own.0).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// The names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The file's text. Without the merge a signal that is named would take the place of all others, which then have no threshold at all.
    fn text(&self) -> String {
        let mut all: Map<String, Value> = self.0.clone().into_iter().collect();
        if all.contains_key("evictionHard") {
            all.insert("mergeDefaultEvictionSettings".into(), true.into());
        }
        all.insert("apiVersion".into(), json!("kubelet.config.k8s.io/v1beta1"));
        all.insert("kind".into(), json!("KubeletConfiguration"));
        format!("{HEADING}{:#}\n", Value::Object(all))
    }

    /// The two files.
    pub fn files(&self) -> Vec<Owned> {
        let file = |path: &str, text: String| Owned { path: path.to_owned(), text, mode: 0o644 };
        vec![file(FILE, self.text()), file(UNIT, UNIT_TEXT.to_owned())]
    }

    /// What a kubelet runs with that is not so, each with what it says. Fields that are not set here are not looked at, nor are other keys of a map: the
    /// kubelet adds its defaults.
    pub fn differences(&self, told: &Map<String, Value>) -> Vec<String> {
        let mut found = Vec::new();
        for (name, wanted) in &self.0 {
            differ(name, wanted, told.get(name), &mut found);
        }
        found
    }
}

fn differ(path: &str, wanted: &Value, told: Option<&Value>, found: &mut Vec<String>) {
    match (wanted, told) {
        (Value::Object(wanted), Some(Value::Object(_)) | None) => {
            for (key, value) in wanted {
                differ(&format!("{path}.{key}"), value, told.and_then(|told| told.get(key)), found);
            }
        }
        (wanted, Some(told)) if same(wanted, told) => {}
        // A kubelet does not tell what is empty.
        (wanted, None) if is_empty(wanted) => {}
        (wanted, Some(told)) => found.push(format!("{path} is {told} and shall be {wanted}")),
        (wanted, None) => found.push(format!("{path} is not set and shall be {wanted}")),
    }
}

fn same(wanted: &Value, told: &Value) -> bool {
    match (wanted, told) {
        (Value::String(wanted), Value::String(told)) => wanted == told || nanoseconds(wanted).is_some_and(|n| nanoseconds(told) == Some(n)),
        (Value::Number(wanted), Value::Number(told)) => wanted == told || wanted.as_f64() == told.as_f64(),
        (Value::Array(wanted), Value::Array(told)) => wanted.len() == told.len() && wanted.iter().zip(told).all(|(w, t)| same(w, t)),
        (wanted, told) => wanted == told,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) => false,
    }
}

/// A node as its kubelet shall run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletSpec {
    /// Its name.
    pub name: Name,
    /// Its name in Kubernetes.
    pub hostname: HostName,
    /// `None` if the file sets nothing for it.
    pub settings: Option<Settings>,
    /// The control plane that asks kubelets what they run with.
    pub first: Name,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(value: Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_file_is_this() {
        let found = settings(json!({"evictionHard": {"imagefs.available": "0%"}, "maxPods": 50})).files();
        let wanted = "# Written by kubestead, of kubernetes.kubelet and nodes[].kubelet in the cluster file. What is your own belongs in a file beside this one.\n\
                      {\n  \"apiVersion\": \"kubelet.config.k8s.io/v1beta1\",\n  \"evictionHard\": {\n    \"imagefs.available\": \"0%\"\n  },\n  \
                      \"kind\": \"KubeletConfiguration\",\n  \"maxPods\": 50,\n  \"mergeDefaultEvictionSettings\": true\n}\n";
        assert_eq!(found[0].text, wanted);
        assert!(found[1].text.contains("--config=/var/lib/kubelet/config.yaml --config-dir=/etc/kubernetes/kubelet.conf.d\"\n"));
        assert!(!Settings::default().files()[0].text.contains("merge"));
    }

    #[test]
    fn a_node_takes_the_place_of_a_field_as_a_whole() {
        let all = settings(json!({"systemReserved": {"cpu": "1", "memory": "1Gi"}, "maxPods": 50}));
        let own = settings(json!({"systemReserved": {"cpu": "2"}}));
        assert_eq!(all.with(&own), settings(json!({"systemReserved": {"cpu": "2"}, "maxPods": 50})));
    }

    #[test]
    fn what_a_kubelet_tells_is_compared_as_it_is_meant() {
        let wanted = settings(json!({"evictionHard": {"imagefs.available": "0%"}, "imageMinimumGCAge": "2m", "maxPods": 50, "logging": {},
            "allowedUnsafeSysctls": [], "kernelMemcgNotification": false}));
        let told =
            json!({"evictionHard": {"imagefs.available": "0%", "memory.available": "100Mi"}, "imageMinimumGCAge": "2m0s", "maxPods": 50});
        let Value::Object(mut told) = told else { unreachable!() };
        assert_eq!(wanted.differences(&told), Vec::<String>::new());
        told.insert("maxPods".into(), json!(110));
        told.insert("evictionHard".into(), json!({"memory.available": "100Mi"}));
        assert_eq!(
            wanted.differences(&told),
            ["evictionHard.imagefs.available is not set and shall be \"0%\"", "maxPods is 110 and shall be 50"]
        );
        // A field of no name that a kubelet knows is dropped without a word.
        assert_eq!(settings(json!({"evictionHrad": {"a": "1"}})).differences(&told).len(), 1);
    }
}
