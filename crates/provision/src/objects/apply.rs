//! One action, through the API.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use kubestead_core::kube::{Guarded, Kube, KubeError, ObjectRef};
use kubestead_core::outcome::Done;
use serde_json::{Value, json};

use super::action::{Action, Marks};
use super::error::Error;
use super::object::{COPIES, Exactly, Live, own, says, shared, whole, without_values};
use super::wait::wait;

/// How many objects are applied side by side, and how often one thing is tried that another writer may spoil.
const AT_ONCE: usize = 8;
const TRIES: u32 = 4;

/// Carries an action out: an object is looked at once more before it is changed.
pub async fn apply<K: Kube + Guarded>(action: &Action, kube: &K) -> Result<Done, Error> {
    match action {
        Action::Apply { manifests } => {
            // Those of one kind do not need each other; a kind may need the one before it.
            for run in manifests.chunk_by(|a, b| a["kind"] == b["kind"]) {
                let run: Vec<_> = run.iter().map(|manifest| put(manifest, kube)).collect();
                stream::iter(run).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            }
            Ok(Done::Changed)
        }
        Action::Take { manifest, on } => take(manifest, on, kube).await,
        Action::Label { manifest, seen } => label(manifest, seen, kube).await,
        Action::Delete { objects } => {
            for on in objects {
                delete(on, kube).await?;
            }
            Ok(Done::Changed)
        }
        Action::Reach => wait(None, kube).await.map(|()| Done::Changed),
        Action::Wait { nodes, gone } => wait(Some((nodes, gone)), kube).await.map(|()| Done::Changed),
    }
}

/// A conflict with the words of the server, and what to do.
pub(crate) fn told(error: KubeError) -> Error {
    match error {
        KubeError::Refused { object, reason, code: 409 } => Error::Conflict { object, reason },
        other => other.into(),
    }
}

/// Applies what is not there, or is ours; what others set is refused by the server.
async fn put<K: Guarded>(manifest: &Value, kube: &K) -> Result<(), Error> {
    let object = ObjectRef::of(manifest);
    if whole(&object)
        && !shared(&object)
        && let Some(now) = kube.metadata(&object).await?
        && !now["metadata"]["managedFields"].as_array().is_some_and(|all| all.iter().any(own))
    {
        return Err(Error::Foreign { object });
    }
    kube.apply_guarded(manifest, false).await.map(|_| ()).map_err(told)
}

/// Guard, copy, act, verify.
async fn take<K: Kube + Guarded>(manifest: &Value, on: &Exactly, kube: &K) -> Result<Done, Error> {
    let moved = |found: &str| Error::Moved { object: on.object.clone(), found: found.to_owned() };
    for tried in 1.. {
        let now = kube.get(&on.object).await?.ok_or_else(|| moved("it is gone"))?;
        let live = read(&on.object, now.clone())?;
        if live.uid == on.uid && live.ours && says(&live.content, manifest) {
            return Ok(Done::Already);
        }
        if live.exactly() != *on {
            return Err(moved("it is another one now, or says something else"));
        }
        keep(&now, on, kube).await?;
        let mut exact = manifest.clone();
        exact["metadata"]["uid"] = on.uid.clone().into();
        exact["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
        match kube.apply_guarded(&exact, true).await {
            Ok(_) => break,
            // A status was written between the look and the deed; the next look tells whether that was all.
            Err(KubeError::Refused { code: 409, .. }) if tried < TRIES => {}
            Err(error) => return Err(told(error)),
        }
    }
    let after = kube.get(&on.object).await?.ok_or_else(|| moved("it is gone"))?;
    let live = read(&on.object, after)?;
    if live.uid == on.uid && live.ours && says(&live.content, manifest) {
        Ok(Done::Changed)
    } else {
        Err(moved("it does not say what was applied"))
    }
}

fn read(object: &ObjectRef, now: Value) -> Result<Live, Error> {
    Live::read(&object.api_version, &object.kind, now).map_err(|gap| KubeError::Connect(gap.to_string()).into())
}

/// Keeps an object as it was, but for the values of a Secret, for good: a `ConfigMap` that cannot be changed, named by what it holds.
pub(crate) async fn keep<K: Guarded>(now: &Value, on: &Exactly, kube: &K) -> Result<(), Error> {
    let mut copy = now.clone();
    copy["apiVersion"] = on.object.api_version.clone().into();
    copy["kind"] = on.object.kind.clone().into();
    without_values(&mut copy);
    if let Some(meta) = copy.get_mut("metadata").and_then(Value::as_object_mut) {
        // What the server adds would keep the copy from being applied again.
        meta.retain(|key, _| !["managedFields", "uid", "resourceVersion", "generation", "creationTimestamp"].contains(&key.as_str()));
    }
    if let Some(map) = copy.as_object_mut() {
        map.remove("status");
    }
    let reference = ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: COPIES.into(), name: on.copy() };
    if kube.metadata(&reference).await?.is_some() {
        return Ok(());
    }
    let manifest = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
        "metadata": {"name": reference.name, "namespace": COPIES, "labels": {"kubestead.io/copy": "true"}, "annotations": {"kubestead.io/of": on.object.to_string()}},
        "data": {"object.json": copy.to_string()},
    });
    kube.apply_guarded(&manifest, false).await.map(|_| ()).map_err(told)
}

/// Labels and annotations that others set, which are still as they were seen.
async fn label<K: Guarded>(manifest: &Value, seen: &Marks, kube: &K) -> Result<Done, Error> {
    let object = ObjectRef::of(manifest);
    let now = kube.metadata(&object).await?.unwrap_or_default();
    let fits = |part: &str, seen: &BTreeMap<String, String>| {
        seen.iter().all(|(key, value)| {
            let now = &now["metadata"][part][key];
            now == value || *now == manifest["metadata"][part][key]
        })
    };
    if !fits("labels", &seen.labels) || !fits("annotations", &seen.annotations) {
        return Err(Error::Moved { object, found: "its labels or annotations were changed again".to_owned() });
    }
    kube.apply_guarded(manifest, true).await.map_err(told)?;
    Ok(Done::Changed)
}

/// Deletes what is ours and is as it was seen, or is gone already.
pub(crate) async fn delete<K: Kube + Guarded>(on: &Exactly, kube: &K) -> Result<(), Error> {
    for tried in 1.. {
        let Some(now) = kube.get(&on.object).await? else { return Ok(()) };
        let version = now["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let live = read(&on.object, now)?;
        if live.deleting && live.uid == on.uid {
            return Ok(());
        }
        if !live.ours || live.exactly() != *on {
            return Err(Error::Moved { object: on.object.clone(), found: "it is another one now, or says something else".to_owned() });
        }
        match kube.delete_exactly(&on.object, &on.uid, &version).await {
            Ok(()) => break,
            Err(KubeError::Refused { code: 409, .. }) if tried < TRIES => {}
            Err(error) => return Err(told(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kubestead_core::twin::MemoryKube;

    use super::*;

    fn foreign(name: &str, level: &str) -> Value {
        let fields = json!({"f:metadata": {"f:labels": {"f:level": {}}}});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": "u1", "resourceVersion": "7", "labels": {"level": level},
            "managedFields": [{"manager": "helm", "operation": "Apply", "fieldsV1": fields}]}})
    }

    fn manifest(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"level": "low"}}})
    }

    fn reference(name: &str) -> ObjectRef {
        ObjectRef::of(&manifest(name))
    }

    fn exactly(object: &Value) -> Exactly {
        Live::read("v1", "Namespace", object.clone()).unwrap().exactly()
    }

    async fn copies(kube: &MemoryKube) -> Vec<Value> {
        let kind = ObjectRef { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: COPIES.into(), name: String::new() };
        kube.list(&kind).await.unwrap().items
    }

    #[tokio::test]
    async fn what_came_since_the_plan_and_is_not_ours_is_not_taken() {
        let kube = MemoryKube::default();
        kube.put(foreign("apps", "high"));
        let error = apply(&Action::Apply { manifests: vec![manifest("apps")] }, &kube).await.unwrap_err();
        assert!(matches!(&error, Error::Foreign { object } if object.name == "apps"), "{error}");
        assert_eq!(kube.get(&reference("apps")).await.unwrap().unwrap(), foreign("apps", "high"));
        // The same name without a conflicting field is not ours either.
        kube.put(foreign("apps", "low"));
        assert!(apply(&Action::Apply { manifests: vec![manifest("apps")] }, &kube).await.is_err());
        apply(&Action::Apply { manifests: vec![manifest("new")] }, &kube).await.unwrap();
        assert!(kube.get(&reference("new")).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_field_that_another_set_in_ours_since_the_plan_is_refused_with_its_owner() {
        let kube = MemoryKube::default();
        apply(&Action::Apply { manifests: vec![manifest("apps")] }, &kube).await.unwrap();
        let mut object = kube.get(&reference("apps")).await.unwrap().unwrap();
        let fields = json!({"f:metadata": {"f:labels": {"f:level": {}}}});
        object["metadata"]["labels"]["level"] = "high".into();
        object["metadata"]["managedFields"]
            .as_array_mut()
            .unwrap()
            .push(json!({"manager": "argocd-controller", "operation": "Update", "fieldsV1": fields}));
        kube.put(object.clone());
        let error = apply(&Action::Apply { manifests: vec![manifest("apps")] }, &kube).await.unwrap_err();
        assert!(
            matches!(&error, Error::Conflict { reason, .. } if reason.contains("argocd-controller") && reason.contains(".metadata.labels.level"))
        );
        assert_eq!(kube.get(&reference("apps")).await.unwrap().unwrap(), object);
    }

    #[tokio::test]
    async fn an_adoption_keeps_the_object_as_it_was_and_is_done_once() {
        let kube = MemoryKube::default();
        let before = foreign("apps", "high");
        kube.put(before.clone());
        let action = Action::Take { manifest: manifest("apps"), on: exactly(&before) };
        assert_eq!(apply(&action, &kube).await.unwrap(), Done::Changed);
        let after = kube.get(&reference("apps")).await.unwrap().unwrap();
        assert_eq!((after["metadata"]["labels"]["level"].as_str(), after["metadata"]["uid"].as_str()), (Some("low"), Some("u1")));
        let [copy] = copies(&kube).await.try_into().unwrap();
        let kept: Value = serde_json::from_str(copy["data"]["object.json"].as_str().unwrap()).unwrap();
        assert_eq!((kept["metadata"]["labels"]["level"].as_str(), copy["immutable"].as_bool()), (Some("high"), Some(true)));
        assert!(kept["metadata"]["uid"].is_null() && kept["metadata"]["resourceVersion"].is_null(), "it can be applied again: {kept}");
        assert_eq!(copy["metadata"]["name"].as_str(), Some(exactly(&before).copy().as_str()));
        assert_eq!(apply(&action, &kube).await.unwrap(), Done::Already);
        assert_eq!(copies(&kube).await.len(), 1);
    }

    #[tokio::test]
    async fn an_object_that_is_not_the_one_of_the_plan_is_neither_taken_nor_deleted() {
        let planned = foreign("apps", "high");
        let mut replaced = planned.clone();
        replaced["metadata"]["uid"] = "u2".into();
        for now in [Some(foreign("apps", "higher")), Some(replaced), None] {
            let kube = MemoryKube::default();
            if let Some(object) = &now {
                kube.put(object.clone());
            }
            let error = apply(&Action::Take { manifest: manifest("apps"), on: exactly(&planned) }, &kube).await.unwrap_err();
            assert!(matches!(error, Error::Moved { .. }), "{error}");
            assert!(kube.get(&reference("apps")).await.unwrap() == now && copies(&kube).await.is_empty());
        }
        // A volume that was bound between the plan and its step.
        let kube = MemoryKube::default();
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}});
        apply(&Action::Apply { manifests: vec![volume.clone()] }, &kube).await.unwrap();
        let mut object = kube.get(&ObjectRef::of(&volume)).await.unwrap().unwrap();
        let on = Live::read("v1", "PersistentVolume", object.clone()).unwrap().exactly();
        object["status"] = json!({"phase": "Bound"});
        kube.put(object.clone());
        let delete = Action::Delete { objects: vec![on] };
        assert!(matches!(apply(&delete, &kube).await.unwrap_err(), Error::Moved { .. }));
        object.as_object_mut().unwrap().remove("status");
        object["metadata"]["resourceVersion"] = "99".into();
        kube.put(object);
        apply(&delete, &kube).await.unwrap();
        assert!(kube.get(&ObjectRef::of(&volume)).await.unwrap().is_none(), "a resource version alone is no other object");
        apply(&delete, &kube).await.unwrap();
        kube.put(foreign("apps", "high"));
        let foreign = Action::Delete { objects: vec![exactly(&foreign("apps", "high"))] };
        assert!(apply(&foreign, &kube).await.is_err() && kube.get(&reference("apps")).await.unwrap().is_some(), "never what is not ours");
    }

    #[tokio::test]
    async fn labels_of_others_are_overwritten_while_they_are_as_seen() {
        let labelled = |zone: &str| {
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "uid": "u", "labels": {"zone": zone},
            "managedFields": [{"manager": "kubectl-label", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:zone": {}}}}}]}})
        };
        let kube = MemoryKube::default();
        kube.put(labelled("b"));
        let manifest = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {"zone": "a"}}});
        let error = apply(&Action::Apply { manifests: vec![manifest.clone()] }, &kube).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error}");
        let action = |seen: &str| Action::Label {
            manifest: manifest.clone(),
            seen: Marks { labels: BTreeMap::from([("zone".to_owned(), seen.to_owned())]), ..Marks::default() },
        };
        assert!(matches!(apply(&action("c"), &kube).await.unwrap_err(), Error::Moved { .. }));
        apply(&action("b"), &kube).await.unwrap();
        assert_eq!(kube.get(&ObjectRef::of(&manifest)).await.unwrap().unwrap()["metadata"]["labels"]["zone"], "a");
    }
}
