//! The pods' network: flannel.

use super::super::spec::ObjectsSpec;
use super::super::topic::Topic;
use super::flannel;

pub(super) fn topic(spec: &ObjectsSpec) -> Topic {
    Topic {
        name: "network",
        why: "flannel, the pods' network",
        manifests: flannel::manifests(spec),
        ready: true,
        needs: None,
        cost: None,
        after: spec.after.clone(),
        held: Vec::new(),
    }
}
