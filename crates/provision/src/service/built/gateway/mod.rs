//! The gateway: Traefik, which serves Gateways and their routes, and Ingresses that were written for ingress-nginx.

pub(crate) mod annotations;
mod overlays;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kubestead_core::name::Name;

use super::Made;
use super::nodes::takes_pods;
use crate::file::{Cluster, Release};

/// What the file asks of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// How it is reached from outside.
    pub reach: Reach,
    /// The hosts that it serves with encryption.
    pub hosts: BTreeMap<String, Certificate>,
    /// Whether port 80 does nothing but send these hosts to port 443.
    pub redirect: bool,
    /// Ports at which it does not look into the bytes.
    pub tcp: BTreeMap<Name, Tcp>,
    /// The class of Ingresses that it serves as ingress-nginx did; none if `None`.
    pub ingress_class: Option<Name>,
    /// The definitions of the Gateway API.
    pub definitions: Release,
}

/// How the gateway is reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// These nodes listen at its ports, each with a pod of it.
    Nodes(BTreeSet<Name>),
    /// A load balancer of the cluster has this address for it.
    Address(Ipv4Addr),
    /// Every node listens at other ports, by the names of its own.
    NodePorts(BTreeMap<String, u16>),
}

impl Reach {
    /// The address that a load balancer has for it; `None` if it is reached otherwise.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Nodes(_) | Self::NodePorts(_) => None,
        }
    }
}

/// Where the certificate of a host comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// It is in a Secret of the gateway's namespace.
    In(Name),
    /// An authority issues it, and it comes into a Secret there.
    Of(Name),
}

impl Certificate {
    /// The Secret that has it.
    pub(super) fn secret(&self, host: &str) -> String {
        match self {
            Self::In(secret) => secret.to_string(),
            Self::Of(_) => Gateway::listener(host),
        }
    }
}

/// A port of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// The port.
    pub port: u16,
    /// Whether it is of TLS, whose server's name tells where it goes: for TLSRoutes and not for TCPRoutes.
    pub tls: bool,
}

impl Gateway {
    /// The image that its manifests are written for.
    pub(crate) const IMAGE: &'static str = "docker.io/library/traefik:v3.7.13";
    /// The definitions that they are written for.
    pub(crate) const DEFINITIONS: &'static str =
        "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.6.3/standard-install.yaml";
    /// Its ports of HTTP, by their names.
    pub(crate) const PORTS: [(&'static str, u16); 2] = [("http", 80), ("https", 443)];
    /// Where it tells that it is well.
    pub(crate) const PING: u16 = 9000;

    /// What the listener of a host is called.
    pub(crate) fn listener(host: &str) -> String {
        host.replace('*', "wildcard")
    }

    pub(super) fn made(&self, cluster: &Cluster) -> Made {
        let mut manifests = vec![("gateway: gateway.yaml", Cow::Borrowed(include_str!("gateway.yaml")))];
        let mut variables = BTreeMap::from([
            ("REPLICAS", self.replicas(cluster).to_string()),
            ("POD_SECURITY", self.pod_security().to_owned()),
            ("HTTP_ROUTES", if self.redirect { "Same" } else { "All" }.to_owned()),
        ]);
        if self.redirect {
            manifests.push(("gateway: redirect.yaml", Cow::Borrowed(include_str!("redirect.yaml"))));
        }
        if let Some(class) = &self.ingress_class {
            manifests.push(("gateway: ingress.yaml", Cow::Borrowed(include_str!("ingress.yaml"))));
            variables.insert("INGRESS_CLASS", class.to_string());
        }
        let images = &[("IMAGE", Self::IMAGE)];
        Made {
            manifests,
            variables,
            images,
            releases: vec![self.definitions.clone()],
            overlays: overlays::overlays(self, cluster),
            ..Made::default()
        }
    }

    /// Two where there are as many nodes for them.
    fn replicas(&self, cluster: &Cluster) -> usize {
        match &self.reach {
            Reach::Nodes(nodes) => nodes.len(),
            Reach::Address(_) | Reach::NodePorts(_) => cluster.nodes.iter().filter(|node| takes_pods(node, cluster)).count().clamp(1, 2),
        }
    }

    /// Pod Security's level: its pods keep to the strictest, but that it knows none with ports of the machine.
    fn pod_security(&self) -> &'static str {
        match &self.reach {
            Reach::Nodes(_) => "privileged",
            Reach::Address(_) | Reach::NodePorts(_) => "restricted",
        }
    }
}
