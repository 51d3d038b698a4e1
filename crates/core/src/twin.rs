//! Twins of the traits, for tests: they ship, so that users of the crates can test with them too.

mod transport;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::command::{Command, Output};
use crate::event::{Event, Reporter};
use crate::fields;
use crate::host::{Host, HostError};
use crate::key::{KeyError, KeyRef, KeySource};
use crate::kube::{Catalog, FIELD_MANAGER, Guarded, Kube, KubeError, Listed, ObjectRef, Resource, Resources, Review, Rewrite};
use crate::probe;
use crate::secret::Secret;
pub use transport::Twins;

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

/// A host that answers every probe with the same sections, whichever it is asked for, does all else at once, and records what it was asked.
pub struct ProbedHost {
    name: String,
    sections: Vec<(String, String)>,
    asked: Mutex<Vec<Command>>,
}

impl ProbedHost {
    /// A host with what its sections answer, by their names.
    pub fn new<N: Into<String>, T: Into<String>>(name: &str, sections: impl IntoIterator<Item = (N, T)>) -> Self {
        let sections = sections.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
        Self { name: name.to_owned(), sections, asked: Mutex::default() }
    }

    /// The commands that it was asked, in order.
    pub fn asked(&self) -> Vec<Command> {
        lock(&self.asked).clone()
    }
}

#[async_trait]
impl Host for ProbedHost {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        lock(&self.asked).push(command.clone());
        let stdout = probe::nonce_of(&command.script()).map(|nonce| probe::answer_of(&self.sections, nonce)).unwrap_or_default();
        Ok(Output { stdout, ..Output::default() })
    }
}

/// A cluster in memory. Server-side apply keeps uid, resource version and who claims which field, and refuses conflicts, as the API server
/// does; a list is one value to it.
#[derive(Default)]
pub struct MemoryKube(Mutex<Store>);

/// The objects, the version at which each changed last, also when it went, and who waits for the next one.
#[derive(Default)]
struct Store {
    objects: BTreeMap<ObjectRef, Value>,
    version: u64,
    changes: BTreeMap<ObjectRef, u64>,
    waiting: Vec<Waker>,
}

impl Store {
    fn insert(&mut self, reference: ObjectRef, object: Value) {
        if self.objects.get(&reference) != Some(&object) {
            self.note(&reference);
            self.objects.insert(reference, object);
        }
    }

    fn remove(&mut self, reference: &ObjectRef) -> Option<Value> {
        let gone = self.objects.remove(reference)?;
        self.note(reference);
        Some(gone)
    }

    fn note(&mut self, reference: &ObjectRef) {
        self.version += 1;
        self.changes.insert(reference.clone(), self.version);
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

impl MemoryKube {
    /// Puts an object there as it is, whoever made it.
    pub fn put(&self, object: Value) {
        lock(&self.0).insert(ObjectRef::of(&object), object);
    }

    /// Takes an object away.
    pub fn take(&self, object: &ObjectRef) -> Option<Value> {
        lock(&self.0).remove(object)
    }
}

/// Whether an object is in the list of a kind.
fn listed(object: &ObjectRef, kind: &ObjectRef) -> bool {
    object.api_version == kind.api_version && object.kind == kind.kind && (kind.namespace.is_empty() || object.namespace == kind.namespace)
}

fn conflict(object: &ObjectRef, reason: impl Into<String>) -> KubeError {
    KubeError::Refused { object: object.to_string(), reason: reason.into(), code: 409 }
}

fn metadata_of(object: &Value) -> Value {
    json!({"metadata": object["metadata"]})
}

/// Whether an entry of `managedFields` is that of kubestead's server-side apply.
fn own(entry: &Value) -> bool {
    entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply"
}

/// Says in `object` all that `manifest` says; what else it says stays.
fn overlay(object: &mut Value, manifest: &Value) {
    match (object, manifest) {
        (Value::Object(map), Value::Object(wanted)) => {
            for (key, value) in wanted {
                overlay(map.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
        (object, wanted) => *object = wanted.clone(),
    }
}

/// Takes the field at a path out of nested maps, if it is there.
fn prune(object: &mut Value, path: &[String]) -> bool {
    match path {
        [] => false,
        [last] => object.as_object_mut().is_some_and(|map| map.remove(last).is_some()),
        [first, rest @ ..] => object.get_mut(first).is_some_and(|below| prune(below, rest)),
    }
}

#[async_trait]
impl Guarded for MemoryKube {
    async fn metadata(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        Ok(lock(&self.0).objects.get(object).map(metadata_of))
    }

    async fn apply_guarded(&self, manifest: &Value, force: bool) -> Result<Value, KubeError> {
        let reference = ObjectRef::of(manifest);
        let mut store = lock(&self.0);
        let old = store.objects.get(&reference).cloned().unwrap_or_default();
        for key in ["resourceVersion", "uid"] {
            let asked = &manifest["metadata"][key];
            if !asked.is_null() && *asked != old["metadata"][key] {
                return Err(conflict(
                    &reference,
                    "the object has been modified; please apply your changes to the latest version and try again",
                ));
            }
        }
        let fields = fields::claimed(manifest);
        let wanted = fields::leaves(&fields);
        let mut others: Vec<Value> = old["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let mine: Vec<Value> = others.extract_if(.., |entry| own(entry)).collect();
        for entry in &mut others {
            let found = fields::conflicts(&entry["fieldsV1"], &old, manifest);
            if found.is_empty() {
                continue;
            }
            if !force {
                let (count, manager) = (found.len(), entry["manager"].as_str().unwrap_or_default());
                let reason = format!("Apply failed with {count} conflict: conflict with \"{manager}\": {}", found.join(", "));
                return Err(conflict(&reference, reason));
            }
            for path in wanted.iter().filter(|path| found.contains(&format!(".{}", path.join(".")))) {
                prune(&mut entry["fieldsV1"], &path.iter().map(|name| format!("f:{name}")).collect::<Vec<_>>());
            }
        }
        let mut new = if old.is_null() { json!({}) } else { old.clone() };
        // What this manager does not say any more goes, unless another one says it too.
        let theirs: Vec<Vec<String>> = others.iter().flat_map(|entry| fields::leaves(&entry["fieldsV1"])).collect();
        for path in mine.iter().flat_map(|entry| fields::leaves(&entry["fieldsV1"])) {
            if !wanted.contains(&path) && !theirs.contains(&path) {
                prune(&mut new, &path);
            }
        }
        overlay(&mut new, manifest);
        others.push(json!({"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}));
        new["metadata"]["managedFields"] = others.into();
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        if new["metadata"]["uid"].is_null() {
            new["metadata"]["uid"] = format!("uid-of-{}", reference.name).into();
        }
        if new != old {
            let version = old["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0) + 1;
            new["metadata"]["resourceVersion"] = version.to_string().into();
        }
        store.insert(reference, new.clone());
        Ok(metadata_of(&new))
    }

    async fn annotate(&self, object: &ObjectRef, key: &str, value: Option<&str>) -> Result<Value, KubeError> {
        let mut store = lock(&self.0);
        let mut found = store.objects.get(object).cloned().ok_or_else(|| conflict(object, "not found"))?;
        match (value, found["metadata"]["annotations"].as_object_mut()) {
            (Some(value), _) => found["metadata"]["annotations"][key] = value.into(),
            (None, Some(annotations)) => _ = annotations.remove(key),
            (None, None) => {}
        }
        store.insert(object.clone(), found.clone());
        Ok(metadata_of(&found))
    }

    async fn delete_exactly(&self, object: &ObjectRef, uid: &str, version: &str) -> Result<(), KubeError> {
        let mut store = lock(&self.0);
        match store.objects.get(object) {
            Some(found) if found["metadata"]["uid"] != uid || found["metadata"]["resourceVersion"] != version => {
                Err(conflict(object, "Precondition failed"))
            }
            Some(_) | None => {
                store.remove(object);
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Rewrite for MemoryKube {
    /// Nothing is stored in it that could be written otherwise.
    async fn rewrite(&self, kind: &ObjectRef) -> Result<u64, KubeError> {
        Ok(lock(&self.0).objects.keys().filter(|object| listed(object, kind)).count() as u64)
    }
}

#[async_trait]
impl Kube for MemoryKube {
    async fn ready(&self) -> Result<(), KubeError> {
        Ok(())
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, KubeError> {
        Ok(lock(&self.0).objects.get(object).cloned())
    }

    async fn list(&self, kind: &ObjectRef) -> Result<Listed, KubeError> {
        let store = lock(&self.0);
        let items = store.objects.iter().filter(|(object, _)| listed(object, kind)).map(|(_, value)| value.clone()).collect();
        Ok(Listed { items, version: store.version.to_string() })
    }

    async fn changed(&self, kind: &ObjectRef, version: &str) -> Result<(), KubeError> {
        let version: u64 = version.parse().map_err(|_| conflict(kind, "invalid resource version"))?;
        std::future::poll_fn(|context| {
            let mut store = lock(&self.0);
            if store.changes.iter().any(|(object, changed)| *changed > version && listed(object, kind)) {
                return Poll::Ready(Ok(()));
            }
            store.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// Kinds that every API server has, as far as tests use them; the others come with their definitions.
const KINDS: [(&str, &str, &str, bool); 9] = [
    ("v1", "Namespace", "namespaces", false),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "Service", "services", true),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("batch/v1", "Job", "jobs", true),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false),
];

/// The kinds that a definition brings.
fn defined(definition: &Value) -> impl Iterator<Item = Resource> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &definition["spec"];
    spec["versions"].as_array().into_iter().flatten().map(move |version| Resource {
        api_version: format!("{}/{}", text(&spec["group"]), text(&version["name"])),
        kind: text(&spec["names"]["kind"]),
        plural: text(&spec["names"]["plural"]),
        namespaced: spec["scope"] == "Namespaced",
    })
}

#[async_trait]
impl Review for MemoryKube {
    /// It knows no rules, and allows nobody anything.
    async fn review(&self, review: &Value) -> Result<Value, KubeError> {
        let mut review = review.clone();
        review["status"]["allowed"] = false.into();
        Ok(review)
    }
}

#[async_trait]
impl Catalog for MemoryKube {
    async fn resources(&self) -> Result<Resources, KubeError> {
        let built = KINDS.iter().map(|(api_version, kind, plural, namespaced)| Resource {
            api_version: (*api_version).to_owned(),
            kind: (*kind).to_owned(),
            plural: (*plural).to_owned(),
            namespaced: *namespaced,
        });
        let store = lock(&self.0);
        let definitions = store.objects.iter().filter(|(object, _)| object.kind == "CustomResourceDefinition");
        let known = built.chain(definitions.flat_map(|(_, definition)| defined(definition))).collect();
        Ok(Resources { known, ..Resources::default() })
    }

    async fn labelled(&self, kind: &ObjectRef, label: &str) -> Result<Vec<Value>, KubeError> {
        let items = self.list(kind).await?.items;
        Ok(items.into_iter().filter(|object| !object["metadata"]["labels"][label].is_null()).collect())
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
