//! Addresses for Services of type LoadBalancer: MetalLB, by whom one node at a time answers for each (ARP).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use kubestead_core::name::Name;
use serde_json::{Value, json};

use super::Made;
use super::nodes::{named, takes_pods};
use crate::file::{Cluster, Node, Release, Span};
use crate::service::patch::{Patch, literal};

/// What the file asks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// The addresses, none of them twice.
    pub addresses: Vec<Span>,
    /// Whether a Service gets one that asks for none.
    pub default: bool,
    /// The nodes that may answer; all that pods begin on if there are none.
    pub nodes: BTreeSet<Name>,
    /// The interfaces that are answered at; all but those of pods if there are none.
    pub interfaces: Vec<String>,
    /// The definitions of MetalLB's kinds, with more beside them.
    pub definitions: Release,
}

/// The pool of the gateway's address, which no other Service gets.
const KEPT: &str = "gateway";
/// The pool of all others.
const POOL: &str = "addresses";

impl LoadBalancer {
    /// The images that its manifests are written for, by the variables that stand for them.
    pub(crate) const IMAGES: [(&'static str, &'static str); 2] =
        [("CONTROLLER", "quay.io/metallb/controller:v0.16.2"), ("SPEAKER", "quay.io/metallb/speaker:v0.16.2")];
    /// The release that they are written for. It has the definitions in one file with all else.
    pub(crate) const DEFINITIONS: &'static str =
        "https://raw.githubusercontent.com/metallb/metallb/v0.16.2/config/manifests/metallb-native.yaml";
    /// Where its programs on the nodes listen: for each other, by TCP and UDP, and for the kubelet.
    pub(crate) const PORTS: [u16; 2] = [7946, 17472];

    pub(super) fn made(&self, cluster: &Cluster) -> Made {
        let custom: Vec<String> = self.custom(cluster).iter().map(|object| format!("---\n{}\n", literal(object))).collect();
        let manifests = vec![
            ("loadBalancer: access.yaml", Cow::Borrowed(include_str!("access.yaml"))),
            ("loadBalancer: programs.yaml", Cow::Borrowed(include_str!("programs.yaml"))),
            ("loadBalancer: addresses", Cow::Owned(custom.concat())),
        ];
        // Its older version would be asked of a webhook, which does not run; nobody reads or writes it.
        let conversion = json!({"conversion": {"strategy": "None", "webhook": null}});
        let part = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "bgppeers.metallb.io"}, "spec": conversion});
        Made {
            manifests,
            images: &Self::IMAGES,
            releases: vec![self.definitions.clone()],
            definitions_alone: true,
            overlays: Patch::of(&part).into_iter().collect(),
            ..Made::default()
        }
    }

    /// Its own objects: pools, and who answers for them.
    fn custom(&self, cluster: &Cluster) -> Vec<Value> {
        let kept = gateway(cluster);
        let all: Vec<Span> = self.addresses.clone();
        let rest: Vec<String> = all
            .into_iter()
            .flat_map(|span| kept.map_or_else(|| vec![span], |address| span.without(address).collect()))
            .map(|span| span.to_string())
            .collect();
        let mut pools = Vec::new();
        if let Some(address) = kept {
            let spec =
                json!({"addresses": [format!("{address}/32")], "autoAssign": false, "serviceAllocation": {"namespaces": ["gateway"]}});
            pools.push((KEPT, spec));
        }
        if !rest.is_empty() {
            pools.push((POOL, json!({"addresses": rest, "autoAssign": self.default})));
        }
        let names: Vec<&str> = pools.iter().map(|(name, _)| *name).collect();
        let mut answers = json!({"ipAddressPools": names, "nodeSelectors": [{"matchExpressions": [named(&self.nodes(cluster))]}]});
        if !self.interfaces.is_empty() {
            answers["interfaces"] = json!(self.interfaces);
        }
        let pools = pools.into_iter().map(|(name, spec)| ("IPAddressPool", name, spec));
        let objects = pools.chain([("L2Advertisement", "nodes", answers)]);
        objects.map(|(kind, name, spec)| object(kind, name, &spec)).collect()
    }

    /// The nodes that may answer.
    fn nodes<'a>(&self, cluster: &'a Cluster) -> Vec<&'a Node> {
        let all = || cluster.nodes.iter();
        if !self.nodes.is_empty() {
            return all().filter(|node| self.nodes.contains(&node.name)).collect();
        }
        let open: Vec<&Node> = all().filter(|node| takes_pods(node, cluster)).collect();
        if open.is_empty() { all().collect() } else { open }
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": {"name": name, "namespace": "metallb"}, "spec": spec})
}

/// The address that the gateway asks for.
fn gateway(cluster: &Cluster) -> Option<Ipv4Addr> {
    cluster.gateway().and_then(|gateway| gateway.reach.address())
}
