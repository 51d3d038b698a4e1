//! What the API knows of volumes of machines: persistent volumes that are bound were there once, whatever the disk says.

use std::collections::BTreeMap;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use serde_json::Value;

use super::Seen;
use crate::file::{Cluster, POOL_ROOT};

/// Adds it to what was seen of the machines' storage.
pub(super) fn tell(cluster: &Cluster, seen: &mut Seen) {
    let Fact::Known(api) = &seen.api else { return };
    let mut bound: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for object in api.objects.iter().filter(|o| o["kind"] == "PersistentVolume" && o["phase"] == "Bound") {
        if let Some(node) = object["metadata"]["labels"]["volume.node"].as_str() {
            bound.entry(node).or_default().push(describe(object));
        }
    }
    for (node, volumes) in bound {
        let Ok(node) = Name::new(node) else { continue };
        let carrier = cluster.volumes_of(&node).find(|v| v.path == POOL_ROOT).map(|v| v.name.clone());
        if let (Some(carrier), Some(Fact::Known(found))) = (carrier, seen.nodes.get_mut(&node)) {
            found.storage.witnesses.insert(carrier, format!("bound persistent volumes are on it: {}", volumes.join(", ")));
        }
    }
}

/// The persistent volume, and the claim that it is bound to.
fn describe(object: &Value) -> String {
    let (name, claim) = (object["metadata"]["name"].as_str().unwrap_or_default(), &object["spec"]["claimRef"]);
    match (claim["namespace"].as_str(), claim["name"].as_str()) {
        (Some(namespace), Some(claim)) => format!("{name} for {namespace}/{claim}"),
        _ => name.to_owned(),
    }
}
