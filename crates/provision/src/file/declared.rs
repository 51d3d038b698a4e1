//! Services as they are written in a section, before it is known which others there are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kubestead_core::diagnostic::Place;
use kubestead_core::name::Name;

use super::address::Span;
use super::findings::At;
use super::services::Manifests;

/// A service as written, with the places of its name and of those that it needs.
pub(super) struct Declared {
    pub(super) service: Manifests,
    pub(super) place: Place,
    pub(super) needs: Vec<At<Name>>,
}

/// The services of a section.
#[derive(Default)]
pub(super) struct Services {
    /// Those that are right.
    pub(super) declared: Vec<Declared>,
    /// The names of all: that one is wrong is told once, and not wherever it is needed.
    pub(super) named: BTreeSet<String>,
    /// What rules about other sections look at.
    pub(super) places: Vec<Places>,
}

/// What rules about other sections look at in a service of kubestead's own.
pub(super) enum Places {
    /// In the gateway.
    Gateway(GatewayDecl),
    /// In what issues certificates.
    Certificates(CertificatesDecl),
    /// In what gives Services addresses.
    LoadBalancer(LoadBalancerDecl),
    /// Where the cache of names is asked for.
    DnsCache(Place),
}

/// The authorities that hosts name, with the hosts.
pub(super) type Issuers = Vec<(String, At<Name>)>;

/// The places of the gateway.
pub(super) struct GatewayDecl {
    pub(super) nodes: Vec<At<Name>>,
    pub(super) address: Option<At<Ipv4Addr>>,
    /// Ports of every node.
    pub(super) node_ports: Vec<At<u16>>,
    /// Ports of TCP.
    pub(super) tcp: Vec<At<u16>>,
    pub(super) issuers: Issuers,
}

/// The places of what gives Services addresses.
pub(super) struct LoadBalancerDecl {
    pub(super) addresses: Vec<At<Span>>,
    pub(super) nodes: Vec<At<Name>>,
}

/// What issues certificates.
pub(super) struct CertificatesDecl {
    pub(super) place: Place,
    /// The authorities, and whether each is Let's Encrypt.
    pub(super) issuers: BTreeMap<Name, bool>,
    pub(super) zones: Vec<String>,
}
