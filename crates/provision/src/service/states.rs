//! How each service is, in a line, for people who look.

use std::collections::BTreeMap;

use kubestead_core::kube::ObjectRef;
use serde::Serialize;

use super::judge::{State, judge};
use super::observe::{Found, Recorded, ServiceFacts};
use super::spec::ServicesWanted;

/// How a service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceState {
    /// Its name.
    pub name: String,
    /// Whether all is as its files say, and ready.
    pub good: bool,
    /// What is, and what is not.
    pub words: String,
}

/// How the services are that the file asks for, and those that it does not name any more and that the cluster has a record of. `now` is in seconds since 1970.
pub fn states(wish: &ServicesWanted, facts: &ServiceFacts, records: &BTreeMap<String, Recorded>, now: i64) -> Vec<ServiceState> {
    let live: BTreeMap<&ObjectRef, &Found> = facts.objects.iter().map(|found| (&found.live.object, found)).collect();
    let unready: BTreeMap<&ObjectRef, &str> = facts.unready.iter().map(|(object, words)| (object, words.as_str())).collect();
    let rounds: BTreeMap<&ObjectRef, (bool, String)> = facts.rounds.iter().map(|rounds| (&rounds.object, rounds.told(now))).collect();
    let mut states = Vec::new();
    for service in &wish.services {
        let objects = service.manifests.iter().map(|manifest| (ObjectRef::of(manifest), manifest));
        let (mut same, mut late, mut punctual) = (0, Vec::new(), Vec::new());
        for (object, manifest) in objects {
            same += usize::from(matches!(judge(manifest, live.get(&object).copied()), State::Same));
            late.extend(unready.get(&object).copied());
            if let Some((good, words)) = rounds.get(&object) {
                if *good { &mut punctual } else { &mut late }.push(words.as_str());
            }
        }
        let all = service.manifests.len();
        let mut words =
            if same == all { format!("{all} objects, as its files say") } else { format!("{same} of {all} objects as its files say") };
        if !service.whole {
            "its files are not understood".clone_into(&mut words);
        }
        for what in late.iter().chain(&punctual) {
            words = format!("{words}; {what}");
        }
        states.push(ServiceState { name: service.name.to_string(), good: service.whole && same == all && late.is_empty(), words });
    }
    let gone = records.keys().filter(|name| wish.services.iter().all(|service| service.name.as_str() != name.as_str()));
    states.extend(gone.map(|name| ServiceState { name: name.clone(), good: false, words: "in no file any more".to_owned() }));
    states
}
