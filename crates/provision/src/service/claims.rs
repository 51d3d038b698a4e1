//! Whether all that a manifest says is still ours: the server keeps who set which field, whatever it makes of a value (`1024Mi` is read back as
//! `1Gi`) and whatever it adds. A field that somebody else set to another value, or took away, is ours no more.

use serde_json::{Map, Value, json};

use crate::objects::own;

/// The fields that kubestead applied, of the metadata of an object.
pub(super) fn of(object: &Value) -> Value {
    let entries = object["metadata"]["managedFields"].as_array();
    let own = entries.into_iter().flatten().find(|entry| own(entry));
    own.map_or_else(|| json!({}), |entry| entry["fieldsV1"].clone())
}

/// The paths of what a manifest says and the fields do not have.
pub(super) fn lost(manifest: &Value, fields: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in manifest.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                // Metadata are nobody's as a whole; a name is no claim.
                let fields = fields["f:metadata"].as_object().filter(|map| !map.is_empty()).map_or(Value::Null, |map| map.clone().into());
                let entries = value.as_object().into_iter().flatten().filter(|(key, _)| !["name", "namespace"].contains(&key.as_str()));
                entries.for_each(|(key, value)| field(key, value, &fields, ".metadata", &mut found));
            }
            _ => field(key, value, fields, "", &mut found),
        }
    }
    found
}

fn field(key: &str, value: &Value, fields: &Value, path: &str, found: &mut Vec<String>) {
    let path = format!("{path}.{key}");
    match fields.get(format!("f:{key}")) {
        Some(below) => walk(value, below, &path, found),
        // The server leaves these out.
        None if value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty) => {}
        None => found.push(path),
    }
}

fn walk(value: &Value, fields: &Value, path: &str, found: &mut Vec<String>) {
    // What has nothing below it is ours as a whole.
    if fields.as_object().is_some_and(Map::is_empty) {
        return;
    }
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| field(key, value, fields, path, found)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                match fields.as_object().into_iter().flatten().find_map(|(key, below)| Some((keys_of(key, item)?, below))) {
                    Some((keys, below)) => walk(item, below, &format!("{path}[{keys}]"), found),
                    None => found.push(format!("{path}[{index}]")),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The keys by which an item of a list is known, if this is its entry.
fn keys_of(key: &str, item: &Value) -> Option<String> {
    if let Some(value) = key.strip_prefix("v:") {
        return serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item).then(|| value.to_owned());
    }
    let keys: Map<String, Value> = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
    // A manifest may leave a key out that has a default, such as a port's protocol.
    let fits = keys.iter().all(|(key, value)| item[key] == *value || keys.len() > 1 && item[key].is_null());
    fits.then(|| keys.values().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> (Value, Value) {
        let manifest = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"a": "b"}},
            "spec": {"replicas": 2, "paused": null, "tolerations": [], "template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}], "containers": [
                {"name": "c", "image": "i", "args": ["x"], "ports": [{"containerPort": 80}], "resources": {"limits": {"memory": "1024Mi"}}}]}}}});
        let container = json!({".": {}, "f:name": {}, "f:image": {}, "f:args": {},
            "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            "f:resources": {"f:limits": {"f:memory": {}}}});
        let fields = json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {
            "f:volumes": {"k:{\"name\":\"v\"}": {".": {}, "f:name": {}, "f:emptyDir": {}}}, "f:containers": {"k:{\"name\":\"c\"}": container}}}}});
        (manifest, fields)
    }

    #[test]
    fn what_the_server_makes_of_values_and_adds_is_no_difference() {
        let (manifest, fields) = deployment();
        assert_eq!(lost(&manifest, &fields), Vec::<String>::new());
    }

    #[test]
    fn what_others_set_or_took_away_is_told_by_its_path() {
        let (manifest, fields) = deployment();
        let without = |pointer: &str, key: &str| {
            let mut fields = fields.clone();
            fields.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap().remove(key).unwrap();
            lost(&manifest, &fields)
        };
        assert_eq!(without("/f:spec", "f:replicas"), [".spec.replicas"]);
        assert_eq!(without("/f:metadata", "f:labels"), [".metadata.labels"]);
        let containers = "/f:spec/f:template/f:spec/f:containers";
        assert_eq!(without(&format!("{containers}/k:{{\"name\":\"c\"}}"), "f:image"), [".spec.template.spec.containers[\"c\"].image"]);
        assert_eq!(without("/f:spec/f:template/f:spec", "f:containers"), [".spec.template.spec.containers"]);
        let set = json!({"spec": {"verbs": ["get", "list"]}});
        assert_eq!(lost(&set, &json!({"f:spec": {"f:verbs": {"v:\"get\"": {}}}})), [".spec.verbs[1]"]);
        assert_eq!(lost(&set, &json!({})), [".spec"]);
    }
}
