//! Certificates: cert-manager, which asks authorities of ACME (RFC 8555) for those of the gateway's hosts and of whoever else wants one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kubestead_core::name::Name;
use serde_json::{Value, json};

use super::Made;
use super::gateway::{Certificate, Gateway};
use crate::file::{Cluster, Release};
use crate::service::patch::literal;

/// What the file asks of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The authorities, by the names of their ClusterIssuers.
    pub issuers: BTreeMap<Name, Issuer>,
    /// How names are proved by DNS; by HTTP alone if `None`.
    pub dns: Option<Dns>,
    /// The definitions of cert-manager's kinds.
    pub definitions: Release,
}

/// An authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The address of its directory.
    pub server: String,
    /// Whom it may write to.
    pub email: Option<String>,
    /// The certificate that its own is signed by, PEM in base64; one that everybody trusts if `None`.
    pub ca: Option<String>,
}

/// A server of names that takes changes (RFC 2136).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Its address and port.
    pub server: String,
    /// What is proved by it: these names, and all below them.
    pub zones: Vec<String>,
    /// The name of the key that signs changes; its value is a secret of the service.
    pub key: String,
    /// How it signs.
    pub algorithm: String,
}

impl Certificates {
    /// The images that its manifests are written for, by the variables that stand for them.
    pub(crate) const IMAGES: [(&'static str, &'static str); 4] = [
        ("CONTROLLER", "quay.io/jetstack/cert-manager-controller:v1.21.2"),
        ("WEBHOOK", "quay.io/jetstack/cert-manager-webhook:v1.21.2"),
        ("CAINJECTOR", "quay.io/jetstack/cert-manager-cainjector:v1.21.2"),
        ("ACMESOLVER", "quay.io/jetstack/cert-manager-acmesolver:v1.21.2"),
    ];
    /// The definitions that they are written for.
    pub(crate) const DEFINITIONS: &'static str =
        "https://github.com/cert-manager/cert-manager/releases/download/v1.21.2/cert-manager.crds.yaml";
    /// Authorities whose addresses are known.
    pub(crate) const KNOWN: [(&'static str, &'static str); 2] = [
        ("staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
        ("production", "https://acme-v02.api.letsencrypt.org/directory"),
    ];
    /// The variable that stands for the value of the key that signs changes of names.
    pub(crate) const DNS_KEY: &'static str = "DNS_KEY";

    /// Whether an authority is one of Let's Encrypt, which issues for public names alone.
    pub(crate) fn is_lets_encrypt(server: &str) -> bool {
        Self::KNOWN.iter().any(|(_, known)| *known == server)
    }

    pub(super) fn made(&self, cluster: &Cluster) -> Made {
        let mut manifests = vec![
            ("certificates: access.yaml", Cow::Borrowed(include_str!("access.yaml"))),
            ("certificates: programs.yaml", Cow::Borrowed(include_str!("programs.yaml"))),
        ];
        if self.dns.is_some() {
            manifests.push(("certificates: dns.yaml", Cow::Borrowed(include_str!("dns.yaml"))));
        }
        let issuers = self.issuers.iter().map(|(name, issuer)| self.issuer(name, issuer));
        let custom: Vec<String> = issuers
            .chain(cluster.gateway().into_iter().flat_map(certificates))
            .map(|object| format!("---\n{}\n", literal(&object)))
            .collect();
        manifests.push(("certificates: issuers", Cow::Owned(custom.concat())));
        Made { manifests, images: &Self::IMAGES, releases: vec![self.definitions.clone()], ..Made::default() }
    }

    /// An authority as cert-manager has it. JSON is YAML.
    fn issuer(&self, name: &Name, issuer: &Issuer) -> Value {
        let mut acme =
            json!({"server": issuer.server, "privateKeySecretRef": {"name": format!("{name}-account")}, "solvers": self.solvers()});
        for (field, value) in [("email", &issuer.email), ("caBundle", &issuer.ca)] {
            if let Some(value) = value {
                acme[field] = value.as_str().into();
            }
        }
        json!({"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": name.as_str()}, "spec": {"acme": acme}})
    }

    /// How it is proved whose a name is: by DNS in the zones that are said, and else by HTTP through the gateway.
    fn solvers(&self) -> Value {
        let gateway = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gateway", "namespace": "gateway", "sectionName": "http"});
        let http = json!({"http01": {"gatewayHTTPRoute": {"parentRefs": [gateway]}}});
        let dns = self.dns.as_ref().map(|dns| {
            let key = json!({"name": "dns-key", "key": "key"});
            let server =
                json!({"nameserver": dns.server, "tsigKeyName": dns.key, "tsigAlgorithm": dns.algorithm, "tsigSecretSecretRef": key});
            json!({"selector": {"dnsZones": dns.zones}, "dns01": {"rfc2136": server}})
        });
        std::iter::once(http).chain(dns).collect()
    }
}

/// The certificates of the gateway's hosts that an authority issues.
fn certificates(gateway: &Gateway) -> impl Iterator<Item = Value> {
    gateway.hosts.iter().filter_map(|(host, certificate)| {
        let Certificate::Of(issuer) = certificate else { return None };
        let name = certificate.secret(host);
        let issuer = json!({"group": "cert-manager.io", "kind": "ClusterIssuer", "name": issuer.as_str()});
        // Anew each time, and by part of its life: authorities make lives shorter.
        let key = json!({"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"});
        Some(json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name, "namespace": "gateway"},
            "spec": {"secretName": name, "dnsNames": [host], "issuerRef": issuer, "privateKey": key, "renewBeforePercentage": 34}}))
    })
}
