//! A cache of names on every node: CoreDNS, at an address that each node has for itself alone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sha2::{Digest as _, Sha256};

use super::Made;
use crate::file::Cluster;

/// The cache of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsCache;

impl DnsCache {
    /// What its service is called where services need each other.
    pub const NAME: &str = "dns-cache";
    /// The image that it usually has: that of the cluster's own CoreDNS, as kubeadm 1.37 has it.
    pub const IMAGE: &str = "registry.k8s.io/coredns/coredns:v1.14.6";
    /// The address at which pods ask it, which no packet between machines has (RFC 3927).
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 20, 10);

    /// Where it listens there: for questions by UDP and TCP, and for the kubelet.
    pub(crate) const PORTS: [u16; 3] = [53, 9254, 9255];

    pub(super) fn made(cluster: &Cluster) -> Made {
        let text = include_str!("cache.yaml");
        let network = &cluster.network;
        let mut variables = BTreeMap::from([
            ("ADDRESS", Self::ADDRESS.to_string()),
            ("DOMAIN", network.dns_domain.clone()),
            ("CLUSTER", network.dns_service().to_string()),
        ]);
        // CoreDNS reads its settings once, when it starts.
        let mut settings = Sha256::new();
        for text in std::iter::once(text).chain(variables.values().map(String::as_str)) {
            settings.update(text.len().to_be_bytes());
            settings.update(text);
        }
        let settings: String = settings.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        variables.insert("SETTINGS", settings);
        Made { manifests: vec![("dnsCache: cache.yaml", text.into())], variables, images: &[("IMAGE", Self::IMAGE)], ..Made::default() }
    }
}
