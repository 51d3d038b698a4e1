//! Who set which field of an object, as server-side apply keeps it in `managedFields` (`fieldsV1`): `f:NAME` is a field, `k:{…}` an item of a
//! list by its keys, `v:…` a value in a list that is a set, `.` the thing itself, and what has nothing below it is a leaf.

use serde_json::{Map, Value, json};

/// The fields that an applied manifest claims. A list is taken as one value.
pub fn claimed(manifest: &Value) -> Value {
    let mut own = manifest.clone();
    if let Some(map) = own.as_object_mut() {
        map.retain(|key, _| !["apiVersion", "kind"].contains(&key.as_str()));
    }
    if let Some(meta) = own["metadata"].as_object_mut() {
        meta.retain(|key, _| !["name", "namespace", "uid", "resourceVersion", "managedFields"].contains(&key.as_str()));
    }
    tree(&own)
}

fn tree(value: &Value) -> Value {
    let Some(map) = value.as_object() else { return json!({}) };
    map.iter().filter(|(_, v)| !v.is_null()).map(|(key, v)| (format!("f:{key}"), tree(v))).collect::<Map<_, _>>().into()
}

/// The leaves of a set of fields, as paths of names; items of lists are left out.
pub fn leaves(fields: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), fields)];
    while let Some((path, fields)) = open.pop() {
        let below: Vec<(&str, &Value)> =
            fields.as_object().into_iter().flatten().filter_map(|(key, sub)| Some((key.strip_prefix("f:")?, sub))).collect();
        if below.is_empty() && !path.is_empty() {
            found.push(path);
            continue;
        }
        open.extend(below.into_iter().map(|(key, sub)| ([path.clone(), vec![key.to_owned()]].concat(), sub)));
    }
    found
}

/// The paths of fields that somebody claims with `fields` and a manifest would set to another value than the live object has.
pub fn conflicts(fields: &Value, live: &Value, manifest: &Value) -> Vec<String> {
    let mut found = Found::default();
    walk(fields, live, manifest, "", &mut found);
    found.conflicts
}

/// The paths of items of lists that somebody claims with `fields` and that a manifest does not have: to apply it does not take them away, also not
/// by force.
pub fn stays(fields: &Value, live: &Value, manifest: &Value) -> Vec<String> {
    let mut found = Found::default();
    walk(fields, live, manifest, "", &mut found);
    found.stays
}

#[derive(Default)]
struct Found {
    conflicts: Vec<String>,
    stays: Vec<String>,
}

fn walk(fields: &Value, live: &Value, manifest: &Value, path: &str, found: &mut Found) {
    for (key, sub) in fields.as_object().into_iter().flatten() {
        if let Some(name) = key.strip_prefix("f:") {
            let Some(wanted) = manifest.get(name) else { continue };
            let now = live.get(name).unwrap_or(&Value::Null);
            let path = format!("{path}.{name}");
            let leaf = sub.as_object().is_none_or(|map| map.keys().all(|k| k == "."));
            if !leaf && (wanted.is_object() || wanted.is_array()) {
                walk(sub, now, wanted, &path, found);
            } else if now != wanted {
                found.conflicts.push(path);
            }
        } else if let Some(keys) = key.strip_prefix("k:")
            && let Ok(keys) = serde_json::from_str::<Map<String, Value>>(keys)
        {
            let item = |list: &Value| -> Value {
                // A manifest may leave a key out that has a default, such as a port's protocol.
                let fits = |item: &&Value| keys.iter().all(|(k, v)| item[k] == *v || (keys.len() > 1 && item[k].is_null()));
                list.as_array().and_then(|all| all.iter().find(fits)).cloned().unwrap_or_default()
            };
            let (now, wanted) = (item(live), item(manifest));
            let path = format!("{path}[{}]", keys.values().map(ToString::to_string).collect::<Vec<_>>().join(","));
            if !wanted.is_null() {
                walk(sub, &now, &wanted, &path, found);
            } else if !now.is_null() {
                found.stays.push(path);
            }
        } else if let Some(value) = key.strip_prefix("v:")
            && let Ok(value) = serde_json::from_str::<Value>(value)
        {
            let has = |list: &Value| list.as_array().is_some_and(|all| all.contains(&value));
            if manifest.is_array() && has(live) && !has(manifest) {
                found.stays.push(format!("{path}[{value}]"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_claims_and_would_become_another_is_a_conflict() {
        let fields =
            json!({"f:metadata": {"f:labels": {".": {}, "f:level": {}, "f:theirs": {}}}, "f:spec": {"f:limits": {}, "f:same": {}}});
        let live = json!({"metadata": {"labels": {"level": "privileged", "theirs": "1"}}, "spec": {"limits": [1], "same": 1, "free": 1}});
        let manifest = json!({"metadata": {"labels": {"level": "baseline", "new": "x"}}, "spec": {"limits": [2], "same": 1, "free": 2}});
        assert_eq!(conflicts(&fields, &live, &manifest), [".metadata.labels.level", ".spec.limits"]);
        assert!(conflicts(&fields, &live, &live).is_empty());
    }

    #[test]
    fn an_item_of_a_list_is_known_by_its_keys() {
        let fields = json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:image": {}, "f:name": {}}}}});
        let object = |image: &str| json!({"spec": {"containers": [{"name": "b", "image": "x"}, {"name": "a", "image": image}]}});
        assert_eq!(conflicts(&fields, &object("1"), &object("2")), [".spec.containers[\"a\"].image"]);
        let without = json!({"spec": {"containers": [{"name": "b", "image": "y"}]}});
        assert!(conflicts(&fields, &object("1"), &without).is_empty());
        assert_eq!(stays(&fields, &object("1"), &without), [".spec.containers[\"a\"]"]);
        assert!(stays(&fields, &object("1"), &object("2")).is_empty() && stays(&fields, &without, &without).is_empty());
        assert!(stays(&fields, &object("1"), &json!({"spec": {}})).is_empty(), "a list that the manifest does not name is not ours");
    }

    #[test]
    fn a_value_that_others_put_into_a_set_stays() {
        let fields = json!({"f:spec": {"f:actions": {".": {}, "v:\"Audit\"": {}, "v:\"Deny\"": {}}}});
        let object = |actions: &[&str]| json!({"spec": {"actions": actions}});
        assert_eq!(stays(&fields, &object(&["Audit", "Deny"]), &object(&["Deny"])), [".spec.actions[\"Audit\"]"]);
        assert!(stays(&fields, &object(&["Deny"]), &object(&["Deny"])).is_empty());
        assert!(stays(&fields, &object(&["Audit"]), &json!({"spec": {}})).is_empty());
    }

    #[test]
    fn a_manifest_claims_what_it_says_and_no_name() {
        let manifest =
            json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "n", "labels": {"a": "b"}}, "data": {"k": "v"}, "list": [1]});
        let fields = claimed(&manifest);
        assert_eq!(fields, json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:data": {"f:k": {}}, "f:list": {}}));
        let mut all: Vec<String> = leaves(&fields).into_iter().map(|path| path.join(".")).collect();
        all.sort();
        assert_eq!(all, ["data.k", "list", "metadata.labels.a"]);
    }
}
