//! Ports of nodes that Services take: each once, and out of the range that the API server gives.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use kubestead_core::diagnostic::{Diagnostic, Severity};
use kubestead_core::kube::ObjectRef;
use serde_json::Value;

use super::built::Reach;
use super::kinds::group;
use super::source::Written;
use super::typed::items;
use crate::file::{Cluster, node_port_range};

/// The ports that are taken, and by whom.
pub(super) struct NodePorts {
    /// `None` where the cluster is not known.
    range: Option<RangeInclusive<u16>>,
    taken: BTreeMap<(u64, String), String>,
}

impl NodePorts {
    /// Those of the gateway are taken, whichever service comes first.
    pub(super) fn of(cluster: Option<&Cluster>) -> Self {
        let mut taken = BTreeMap::new();
        if let Some(Reach::NodePorts(ports)) = cluster.and_then(Cluster::gateway).map(|gateway| &gateway.reach) {
            let whose = "services.gateway.nodePorts".to_owned();
            taken.extend(ports.values().map(|port| ((u64::from(*port), "TCP".to_owned()), whose.clone())));
        }
        Self { range: cluster.map(|cluster| node_port_range(cluster.kubernetes.as_ref())), taken }
    }

    /// What the API server refuses of the ports of a Service.
    pub(super) fn check(&mut self, object: &ObjectRef, manifest: &Value, written: &Written) -> Vec<Diagnostic> {
        if object.kind != "Service" || !group(&object.api_version).is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (pointer, port) in items(manifest, "/spec/ports") {
            let Some(number) = port["nodePort"].as_u64().filter(|number| *number != 0) else { continue };
            let place = written.at(&format!("{pointer}/nodePort"));
            let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
            let mut error = |message: String, hint: String| {
                found.push(Diagnostic { place: place.clone(), severity: Severity::Error, message, hint: Some(hint) });
            };
            let outside = |range: &&RangeInclusive<u16>| !u16::try_from(number).is_ok_and(|number| range.contains(&number));
            if let Some(range) = self.range.as_ref().filter(outside) {
                let (first, last) = (range.start(), range.end());
                error(
                    format!("nodePort: {number} is none of {first}-{last}, which the API server gives"),
                    "write one of these, or none".to_owned(),
                );
            }
            if let Some(other) = self.taken.get(&(number, protocol.clone())) {
                error(format!("nodePort: {number} is taken by {other}"), "write another one, or none".to_owned());
            } else {
                self.taken.insert((number, protocol), format!("{object} ({}:{})", place.file, place.line));
            }
        }
        found
    }
}
