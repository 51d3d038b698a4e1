//! Twins of the four traits, for tests: they ship, so that users of the crates can test with them too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use crate::command::{Command, Output};
use crate::event::{Event, Reporter};
use crate::host::{Host, HostError};
use crate::key::{KeyError, KeyRef, KeySource};
use crate::kube::{Kube, KubeError, ObjectRef};
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

/// A cluster in memory. Server-side apply replaces the object.
#[derive(Default)]
pub struct MemoryKube(Mutex<BTreeMap<ObjectRef, Value>>);

#[async_trait]
impl Kube for MemoryKube {
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
