//! One action, through the API: an object is looked at once more before it is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use kubestead_core::kube::{Api, KubeError, ObjectRef};
use kubestead_core::outcome::Done;
use kubestead_secrets::Escrow;
use serde_json::Value;
use tokio::time::Instant;

use super::action::Action;
use super::causes;
use super::claims;
use super::error::Error;
use super::health::shortfall;
use super::kinds::{Kind, namespaced};
use super::observe::Found;
use super::sealed::{self, Opened};
use super::spec::DIGEST;
use crate::objects::{self, Exactly, LAST_APPLIED, Look, SERVICE, own, some, until};
use crate::secret::Keys;

/// How many objects are applied side by side, and how often one thing is tried that another writer may spoil.
const AT_ONCE: usize = 8;
const TRIES: u32 = 4;
/// After how many seconds each a definition that is not established is written once more, by an annotation that comes and goes.
const OVERLOOKED: u64 = 10;
const TOUCHED: &str = "kubestead.io/touched";

/// Carries an action out. Values of Secrets are opened with the operator's keys, and are in memory only; no error holds one.
pub async fn apply<K: Api>(action: &Action, escrow: &Escrow, keys: &Keys, kube: &K) -> Result<Done, Error> {
    match action {
        Action::Record { record } => put(record, &Opened::new(), kube).await?,
        Action::Apply { manifests, sealed } => {
            let opened = sealed::open(sealed, escrow, keys).await?;
            learn(manifests.iter().map(ObjectRef::of), kube).await?;
            // Those of one kind do not need each other; a kind may need the one before it.
            for run in manifests.chunk_by(|a, b| a["kind"] == b["kind"]) {
                let run: Vec<_> = run.iter().map(|manifest| put(manifest, &opened, kube)).collect();
                let ended: Vec<Result<(), Error>> = stream::iter(run).buffer_unordered(AT_ONCE).collect().await;
                all(ended.into_iter().filter_map(Result::err).collect())?;
            }
        }
        Action::Take { manifest, on, sealed } => {
            let opened = sealed::open(sealed, escrow, keys).await?;
            learn([on.object.clone()], kube).await?;
            return take(manifest, on, &opened, kube).await;
        }
        Action::Establish { definitions, kinds } => {
            let (begin, written) = (Instant::now(), AtomicU64::new(0));
            let look = |_| {
                let now = begin.elapsed().as_secs() / OVERLOOKED;
                established(definitions, kinds, written.swap(now, Ordering::Relaxed) < now, kube)
            };
            until(&look, kube).await?;
        }
        Action::Ready { workloads } => {
            if let Err(error) = until(&|_| rolled_out(workloads, kube), kube).await {
                return Err(causes::with_causes(error, workloads, kube).await.into());
            }
        }
        Action::Delete { objects } => {
            learn(objects.iter().map(|on| on.object.clone()), kube).await?;
            let mut failed = Vec::new();
            for on in objects {
                match objects::delete(on, kube).await {
                    // Its kind went with its definition, which another service had, and with it all objects of the kind.
                    Err(objects::Error::Kube(KubeError::Refused { code: 404, .. })) | Ok(()) => {}
                    Err(error) => failed.push(Error::Object(error)),
                }
            }
            all(failed)?;
        }
        Action::Forget { service, kinds, record } => {
            let resources = kube.resources().await?;
            let served: BTreeSet<Kind> = resources.known.iter().map(|r| Kind::new(&r.api_version, &r.kind)).collect();
            if let Some(kind) = kinds.difference(&served).find(|kind| resources.silent.contains(&kind.all().api_version)) {
                return Err(Error::Silent { service: service.clone(), kind: kind.clone() });
            }
            let kinds: Vec<ObjectRef> = kinds.intersection(&served).map(Kind::all).collect();
            until(&|_| left(service, &kinds, kube), kube).await?;
            objects::delete(record, kube).await?;
        }
    }
    Ok(Done::Changed)
}

fn all(mut failed: Vec<Error>) -> Result<(), Error> {
    match failed.len() {
        0 => Ok(()),
        1 => Err(failed.remove(0)),
        _ => Err(Error::Several(failed)),
    }
}

/// The server tells what paths call kinds that are not Kubernetes' own.
async fn learn<K: Api>(objects: impl IntoIterator<Item = ObjectRef>, kube: &K) -> Result<(), Error> {
    if objects.into_iter().any(|object| namespaced(&object).is_none()) {
        kube.resources().await?;
    }
    Ok(())
}

fn told(error: KubeError) -> Error {
    match error {
        KubeError::Refused { object, reason, code: 400 | 422 } => Error::Invalid { object, reason },
        other => objects::told(other).into(),
    }
}

/// Applies what is not there, or is ours; what others set is refused by the server.
async fn put<K: Api>(manifest: &Value, opened: &Opened, kube: &K) -> Result<(), Error> {
    let object = ObjectRef::of(manifest);
    if let Some(now) = kube.metadata(&object).await?
        && !now["metadata"]["managedFields"].as_array().is_some_and(|all| all.iter().any(own))
    {
        return Err(objects::Error::Foreign { object }.into());
    }
    let filled = sealed::filled(manifest, opened)?;
    verify(&object, manifest, &send(&filled, opened, false, kube).await.map_err(told)?)
}

/// Applies a manifest with its values. No refusal holds one.
async fn send<K: Api>(filled: &Value, opened: &Opened, force: bool, kube: &K) -> Result<Value, KubeError> {
    let without_values = |error: KubeError| error.with_words(|words| sealed::redacted(words, filled, opened));
    let answer = kube.apply_guarded(filled, force).await.map_err(without_values)?;
    let object = ObjectRef::of(filled);
    // `kubectl apply` left a copy of its values there.
    if sealed::is_secret(&object) && !answer["metadata"]["annotations"][LAST_APPLIED].is_null() {
        return kube.annotate(&object, LAST_APPLIED, None).await.map_err(without_values);
    }
    Ok(answer)
}

/// Whether the server kept all of a manifest, by what it answers.
fn verify(object: &ObjectRef, manifest: &Value, answer: &Value) -> Result<(), Error> {
    let lost = claims::lost(manifest, &claims::of(answer));
    if lost.is_empty() { Ok(()) } else { Err(Error::Dropped { object: object.clone(), fields: some(&lost) }) }
}

/// Guard, copy, act, verify.
async fn take<K: Api>(manifest: &Value, on: &Exactly, opened: &Opened, kube: &K) -> Result<Done, Error> {
    let moved = |found: &str| objects::Error::Moved { object: on.object.clone(), found: found.to_owned() };
    for tried in 1.. {
        let now = kube.get(&on.object).await?.ok_or_else(|| moved("it is gone"))?;
        let found = Found::read(&on.object.api_version, &on.object.kind, now.clone()).map_err(|gap| KubeError::Connect(gap.to_string()))?;
        let digest = |object: &Value| object["metadata"]["annotations"][DIGEST].clone();
        let applied = digest(&found.live.content) == digest(manifest) && claims::lost(manifest, &found.own).is_empty();
        if found.live.uid == on.uid && found.live.ours && applied {
            return Ok(Done::Already);
        }
        if found.live.exactly() != *on {
            return Err(moved("it is another one now, or says something else").into());
        }
        objects::keep(&now, on, kube).await?;
        let mut exact = sealed::filled(manifest, opened)?;
        exact["metadata"]["uid"] = on.uid.clone().into();
        exact["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
        match send(&exact, opened, true, kube).await {
            Ok(answer) => {
                verify(&on.object, manifest, &answer)?;
                break;
            }
            // A status was written between the look and the deed; the next look tells whether that was all.
            Err(KubeError::Refused { code: 409, .. }) if tried < TRIES => {}
            Err(error) => return Err(told(error)),
        }
    }
    Ok(Done::Changed)
}

/// Whether definitions are established, and the server tells of their kinds. An API server may lose one whose names it has accepted, and looks at it again
/// minutes later, or when it is written: `again` writes it.
fn established<'a, K: Api>(
    definitions: &'a [ObjectRef],
    kinds: &'a BTreeSet<Kind>,
    again: bool,
    kube: &'a K,
) -> BoxFuture<'a, Result<Look, KubeError>> {
    Box::pin(async move {
        let mut look = Look::default();
        for definition in definitions {
            let live = kube.get(definition).await?.unwrap_or_default();
            if let Some(shortfall) = shortfall(definition, &live) {
                look.unready.push(shortfall.words);
                look.failed |= shortfall.failed;
                if again && !shortfall.failed && !live.is_null() {
                    kube.annotate(definition, TOUCHED, Some("")).await?;
                    kube.annotate(definition, TOUCHED, None).await?;
                }
            }
        }
        if look.unready.is_empty() {
            let served = kube.resources().await?;
            let served: BTreeSet<Kind> = served.known.iter().map(|r| Kind::new(&r.api_version, &r.kind)).collect();
            look.unready.extend(kinds.difference(&served).map(|kind| format!("{kind} is not served yet")));
        }
        Ok(look)
    })
}

/// Whether workloads have rolled out: one list for those of a kind in a namespace.
fn rolled_out<'a, K: Api>(workloads: &'a [ObjectRef], kube: &'a K) -> BoxFuture<'a, Result<Look, KubeError>> {
    Box::pin(async move {
        let mut look = Look::default();
        let lists: BTreeSet<ObjectRef> = workloads.iter().map(|object| ObjectRef { name: String::new(), ..object.clone() }).collect();
        let mut live: BTreeMap<ObjectRef, Value> = BTreeMap::new();
        for kind in lists {
            live.extend(look.list(kind, kube).await?.into_iter().map(|object| (ObjectRef::of(&object), object)));
        }
        for workload in workloads {
            match live.get(workload).map(|live| shortfall(workload, live)) {
                Some(None) => {}
                Some(Some(shortfall)) => {
                    look.unready.push(shortfall.words);
                    look.failed |= shortfall.failed;
                }
                None => look.unready.push(format!("{workload}: it is gone")),
            }
        }
        Ok(look)
    })
}

/// What is left of a service.
fn left<'a, K: Api>(service: &'a str, kinds: &'a [ObjectRef], kube: &'a K) -> BoxFuture<'a, Result<Look, KubeError>> {
    Box::pin(async move {
        let mut look = Look::default();
        for kind in kinds {
            let of_it = |object: &&Value| {
                let entries = object["metadata"]["managedFields"].as_array();
                object["metadata"]["labels"][SERVICE] == service && entries.is_some_and(|all| all.iter().any(own))
            };
            let still = match kube.labelled(kind, SERVICE).await {
                // The kind went with its definition, and all objects of it.
                Err(KubeError::Refused { code: 404, .. }) => continue,
                other => other?,
            };
            look.unready.extend(still.iter().filter(of_it).map(|object| {
                let name = ObjectRef { api_version: kind.api_version.clone(), kind: kind.kind.clone(), ..ObjectRef::of(object) };
                format!("{name} is still there")
            }));
        }
        Ok(look)
    })
}
