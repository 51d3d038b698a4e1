//! What the cluster has of services: kinds by discovery, one list a kind, and by name what the files ask for and no list has.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use kubestead_core::fact::Gap;
use kubestead_core::kube::{Api, KubeError, ObjectRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claims;
use super::health::{is_workload, shortfall};
use super::kinds::{Kind, is_definition};
use super::rounds::Rounds;
use super::spec::{KINDS, ServiceSpec, ServicesWanted};
use crate::objects::{Exactly, Live, SERVICE};

/// How many requests run side by side.
const AT_ONCE: usize = 8;

/// What the cluster has of services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceFacts {
    /// Their objects, and those of other people that have a name which a file asks for.
    pub objects: Vec<Found>,
    /// The kinds that are asked for, or were recorded, and that the API server does not have.
    pub lacks: BTreeSet<Kind>,
    /// Those that an extension serves which does not answer.
    pub silent: BTreeSet<Kind>,
    /// Whether the objects of a kind are in namespaces.
    pub namespaced: BTreeMap<Kind, bool>,
    /// The namespaces that are not being deleted.
    pub namespaces: BTreeSet<String>,
    /// Which workloads and definitions are not ready, each with its words.
    pub unready: Vec<(ObjectRef, String)>,
    /// What is done again and again, and when it was done well the last time.
    #[serde(default)]
    pub rounds: Vec<Rounds>,
}

/// An object of a service, or of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The object.
    pub live: Live,
    /// The fields that kubestead applied.
    pub own: Value,
}

/// The record of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// As it is.
    pub on: Exactly,
    /// The kinds that it may have. The error is a line that is none.
    pub kinds: Result<BTreeSet<Kind>, String>,
}

/// The records among objects that were seen, by service.
pub fn records<'a>(objects: impl IntoIterator<Item = &'a Live>) -> BTreeMap<String, Recorded> {
    let read = |live: &Live| {
        let service = live.record().filter(|_| live.ours)?.to_owned();
        let lines = live.content["data"][KINDS].as_str().unwrap_or_default().lines();
        let kinds = lines.map(|line| Kind::read(line).ok_or_else(|| line.chars().take(100).collect())).collect();
        Some((service, Recorded { on: live.exactly(), kinds }))
    };
    objects.into_iter().filter_map(read).collect()
}

impl Found {
    /// Reads an object as the API has it.
    pub fn read(api_version: &str, kind: &str, mut object: Value) -> Result<Self, Gap> {
        let own = claims::of(&object);
        // Who scales a workload claims its replicas through a part of it: it is a claim all the same.
        for entry in
            object["metadata"]["managedFields"].as_array_mut().into_iter().flatten().filter(|entry| entry["subresource"] == "scale")
        {
            entry["subresource"] = Value::Null;
        }
        Ok(Self { live: Live::read(api_version, kind, object)?, own })
    }
}

/// Looks. What cannot be seen is a gap as a whole: nothing is concluded of a part.
pub fn observe<'a>(
    kube: &'a dyn Api,
    wanted: &'a ServicesWanted,
    records: &'a BTreeMap<String, Recorded>,
) -> BoxFuture<'a, Result<ServiceFacts, Gap>> {
    Box::pin(async move { look(kube, wanted, records).await.map_err(|error| Gap::new(format!("services: {error}"))) })
}

async fn look(kube: &dyn Api, wanted: &ServicesWanted, records: &BTreeMap<String, Recorded>) -> Result<ServiceFacts, KubeError> {
    let recorded = records.values().filter_map(|record| record.kinds.as_ref().ok()).flatten().cloned();
    let kinds: BTreeSet<Kind> = wanted.services.iter().flat_map(ServiceSpec::kinds).chain(recorded).collect();
    let mut facts = ServiceFacts::default();
    let resources = kube.resources().await?;
    let served: BTreeMap<Kind, bool> = resources.known.iter().map(|r| (Kind::new(&r.api_version, &r.kind), r.namespaced)).collect();
    let namespaces = Kind::new("v1", "Namespace");
    let mut lists = vec![namespaces.clone()];
    for kind in kinds {
        match served.get(&kind) {
            Some(namespaced) => {
                facts.namespaced.insert(kind.clone(), *namespaced);
                lists.extend((kind != namespaces).then_some(kind));
            }
            None if resources.silent.contains(&kind.all().api_version) => _ = facts.silent.insert(kind),
            None => _ = facts.lacks.insert(kind),
        }
    }
    let names: BTreeSet<ObjectRef> = wanted.objects().collect();
    let list = |kind: Kind| {
        let namespaces = &namespaces;
        async move {
            let all = kind.all();
            // Namespaces are few, and all of them are asked for: what shall be put into one needs it.
            let listed =
                if kind == *namespaces { kube.list(&all).await.map(|listed| listed.items) } else { kube.labelled(&all, SERVICE).await };
            match listed {
                // Discovery tells for a moment of a kind whose definition is gone.
                Err(KubeError::Refused { code: 404, .. }) => Ok((kind, None)),
                other => other.map(|items| (kind, Some(items))),
            }
        }
    };
    let listed: Vec<(Kind, Option<Vec<Value>>)> = stream::iter(lists.into_iter().map(list)).buffered(AT_ONCE).try_collect().await?;
    let mut known = BTreeSet::new();
    for (kind, items) in listed {
        let Some(items) = items else {
            facts.namespaced.remove(&kind);
            facts.lacks.insert(kind);
            continue;
        };
        for item in items {
            let deleting = !item["metadata"]["deletionTimestamp"].is_null();
            if let (true, false, Some(name)) = (kind == namespaces, deleting, item["metadata"]["name"].as_str()) {
                facts.namespaces.insert(name.to_owned());
            }
            facts.add(&kind, item, &names, &mut known)?;
        }
    }
    // What lost its label, or is somebody else's.
    let mut missing: Vec<ObjectRef> = Vec::new();
    for name in &names {
        if !known.contains(name) && facts.namespaced.contains_key(&Kind::of(name)) {
            missing.push(name.clone());
        }
    }
    let get = |name: ObjectRef| async move { Ok::<_, KubeError>((Kind::of(&name), kube.get(&name).await?)) };
    let got: Vec<(Kind, Option<Value>)> = stream::iter(missing.into_iter().map(get)).buffered(AT_ONCE).try_collect().await?;
    for (kind, object) in got {
        if let Some(object) = object {
            facts.add(&kind, object, &names, &mut known)?;
        }
    }
    facts.objects.sort_by(|a, b| a.live.object.cmp(&b.live.object));
    facts.unready.sort();
    facts.rounds.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(facts)
}

impl ServiceFacts {
    fn add(&mut self, kind: &Kind, object: Value, names: &BTreeSet<ObjectRef>, known: &mut BTreeSet<ObjectRef>) -> Result<(), KubeError> {
        let all = kind.all();
        let labelled = !object["metadata"]["labels"][SERVICE].is_null();
        let named = ObjectRef { kind: all.kind.clone(), api_version: all.api_version.clone(), ..ObjectRef::of(&object) };
        let (shortfall, rounds) = (shortfall(&named, &object), Rounds::read(&named, &object));
        let found = Found::read(&all.api_version, &all.kind, object).map_err(|gap| KubeError::Connect(gap.to_string()))?;
        let name = found.live.object.clone();
        if (labelled && found.live.ours || names.contains(&name)) && known.insert(name.clone()) {
            if let Some(shortfall) = shortfall.filter(|_| found.live.ours && (is_workload(&name) || is_definition(&name))) {
                self.unready.push((name, shortfall.words));
            }
            self.rounds.extend(rounds.filter(|_| found.live.ours));
            self.objects.push(found);
        }
        Ok(())
    }
}
