//! Storage classes, and a persistent volume for each folder of a pool.

use super::super::spec::ObjectsSpec;
use super::super::topic::Topic;

pub(super) fn topic(spec: &ObjectsSpec) -> Topic {
    Topic {
        name: "storage",
        why: "storage classes and persistent volumes",
        manifests: spec.storage.clone(),
        ready: false,
        needs: None,
        cost: None,
        after: spec.after.clone(),
        held: Vec::new(),
    }
}
