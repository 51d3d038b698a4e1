//! Twins of the four traits, for tests: they ship, so that users of the crates can test with them too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::command::{Command, Output};
use crate::event::{Event, Reporter};
use crate::host::{Host, HostError};
use crate::key::{KeyError, KeyRef, KeySource};
use crate::kube::{Guarded, Kube, KubeError, ObjectRef};
use crate::secret::Secret;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A host that answers from a script, in order, and records what it was asked.
pub struct ScriptedHost {
    name: String,
    answers: Mutex<VecDeque<Result<Output, HostError>>>,
    asked: Mutex<Vec<Command>>,
}

impl ScriptedHost {
    /// A host with its answers. Past the last one it is lost.
    pub fn new(name: &str, answers: impl IntoIterator<Item = Result<Output, HostError>>) -> Self {
        Self { name: name.to_owned(), answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::new(Vec::new()) }
    }

    /// The commands that it was asked, in order.
    pub fn asked(&self) -> Vec<Command> {
        lock(&self.asked).clone()
    }
}

#[async_trait]
impl Host for ScriptedHost {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        lock(&self.asked).push(command.clone());
        lock(&self.answers)
            .pop_front()
            .unwrap_or_else(|| Err(HostError::Lost { host: self.name.clone(), detail: "the script has ended".into() }))
    }
}

/// A cluster in memory. Server-side apply replaces the object; the guarded one keeps uid, resource version and who owns which field of
/// `data`, as the API server does.
#[derive(Default)]
pub struct MemoryKube(Mutex<BTreeMap<ObjectRef, Value>>);

fn conflict(object: &ObjectRef, reason: impl Into<String>) -> KubeError {
    KubeError::Refused { object: object.to_string(), reason: reason.into(), code: 409 }
}

fn metadata_of(object: &Value) -> Value {
    json!({"metadata": object["metadata"]})
}

/// Whether an entry of `managedFields` is that of kubestead's server-side apply.
fn own(entry: &Value) -> bool {
    entry["manager"] == "kubestead" && entry["operation"] == "Apply"
}

#[async_trait]
impl Guarded for MemoryKube {
    async fn metadata(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        Ok(lock(&self.0).get(object).map(metadata_of))
    }

    async fn apply_guarded(&self, manifest: &Value, force: bool) -> Result<Value, KubeError> {
        let reference = ObjectRef::of(manifest);
        let mut objects = lock(&self.0);
        let (mut new, old) = (manifest.clone(), objects.get(&reference).cloned().unwrap_or_default());
        let asked = &manifest["metadata"]["resourceVersion"];
        if !asked.is_null() && *asked != old["metadata"]["resourceVersion"] {
            return Err(conflict(
                &reference,
                "the object has been modified; please apply your changes to the latest version and try again",
            ));
        }
        let wanted: Vec<String> = manifest["data"].as_object().into_iter().flat_map(|map| map.keys().cloned()).collect();
        let mut others: Vec<Value> = old["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let mut before: Vec<String> = Vec::new();
        for entry in others.extract_if(.., |entry| own(entry)) {
            before.extend(entry["fieldsV1"]["f:data"].as_object().into_iter().flat_map(|map| map.keys().cloned()));
        }
        for entry in &mut others {
            let manager = entry["manager"].as_str().unwrap_or_default().to_owned();
            let Some(fields) = entry["fieldsV1"]["f:data"].as_object_mut() else { continue };
            for key in wanted.iter().filter(|key| old["data"][key.as_str()] != manifest["data"][key.as_str()]) {
                if fields.remove(&format!("f:{key}")).is_some() && !force {
                    return Err(conflict(&reference, format!("Apply failed with 1 conflict: conflict with \"{manager}\": .data.{key}")));
                }
            }
        }
        // What this manager does not say any more goes, unless another one says it too.
        let kept = old["data"].as_object().into_iter().flatten().filter(|(key, _)| {
            let field = format!("f:{key}");
            !wanted.contains(key) && (!before.contains(&field) || others.iter().any(|o| !o["fieldsV1"]["f:data"][&field].is_null()))
        });
        for (key, value) in kept {
            new["data"][key] = value.clone();
        }
        for (key, value) in old["metadata"]["annotations"].as_object().into_iter().flatten() {
            if new["metadata"]["annotations"][key].is_null() && key.contains("last-applied") {
                new["metadata"]["annotations"][key] = value.clone();
            }
        }
        let fields: serde_json::Map<String, Value> = wanted.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
        let mut own = json!({"manager": "kubestead", "operation": "Apply", "fieldsV1": {"f:data": fields}});
        if manifest["immutable"] == true {
            own["fieldsV1"]["f:immutable"] = json!({});
        }
        others.push(own);
        let version = old["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0) + 1;
        new["metadata"]["resourceVersion"] = version.to_string().into();
        let uid = old["metadata"]["uid"].clone();
        new["metadata"]["uid"] = if uid.is_null() { format!("uid-of-{}", reference.name).into() } else { uid };
        new["metadata"]["managedFields"] = others.into();
        objects.insert(reference, new.clone());
        Ok(metadata_of(&new))
    }

    async fn drop_annotation(&self, object: &ObjectRef, key: &str) -> Result<Value, KubeError> {
        let mut objects = lock(&self.0);
        let found = objects.get_mut(object).ok_or_else(|| conflict(object, "not found"))?;
        if let Some(annotations) = found["metadata"]["annotations"].as_object_mut() {
            annotations.remove(key);
        }
        Ok(metadata_of(found))
    }

    async fn delete_exactly(&self, object: &ObjectRef, uid: &str, version: &str) -> Result<(), KubeError> {
        let mut objects = lock(&self.0);
        match objects.get(object) {
            Some(found) if found["metadata"]["uid"] != uid || found["metadata"]["resourceVersion"] != version => {
                Err(conflict(object, "Precondition failed"))
            }
            Some(_) | None => {
                objects.remove(object);
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Kube for MemoryKube {
    async fn ready(&self) -> Result<(), KubeError> {
        Ok(())
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        Ok(lock(&self.0).get(object).cloned())
    }

    async fn list(&self, kind: &ObjectRef) -> Result<Vec<Value>, KubeError> {
        let fits = |object: &ObjectRef| {
            object.api_version == kind.api_version
                && object.kind == kind.kind
                && (kind.namespace.is_empty() || object.namespace == kind.namespace)
        };
        Ok(lock(&self.0).iter().filter(|(object, _)| fits(object)).map(|(_, value)| value.clone()).collect())
    }

    async fn apply(&self, manifest: &Value) -> Result<Value, KubeError> {
        lock(&self.0).insert(ObjectRef::of(manifest), manifest.clone());
        Ok(manifest.clone())
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), KubeError> {
        lock(&self.0).remove(object);
        Ok(())
    }
}

/// Keys that are given.
#[derive(Default)]
pub struct FixedKeys(pub BTreeMap<KeyRef, Secret>);

#[async_trait]
impl KeySource for FixedKeys {
    async fn open(&self, key: &KeyRef) -> Result<Secret, KeyError> {
        self.0.get(key).cloned().ok_or_else(|| KeyError::Missing { key: key.clone() })
    }
}

/// Keeps every event.
#[derive(Default)]
pub struct Collect(Mutex<Vec<Event>>);

impl Collect {
    /// What was reported.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.0).clone()
    }
}

impl Reporter for Collect {
    fn on(&self, event: &Event) {
        lock(&self.0).push(event.clone());
    }
}

/// Keeps nothing.
pub struct Silent;

impl Reporter for Silent {
    fn on(&self, _: &Event) {}
}
