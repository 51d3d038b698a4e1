//! `services`: what kubestead brings itself. Each has a file here with its fields, and a folder in `service/built` with what it is made of.

mod asked;
mod certificates;
mod dashboard;
mod dns_cache;
mod gateway;
mod load_balancer;
mod logs;
mod metrics;
mod options;
mod sync;

use std::collections::BTreeMap;
use std::path::Path;

use kubestead_core::name::Name;

use crate::file::declared::{Declared, Places, Services};
use crate::file::decode::key_name;
use crate::file::fields::fields;
use crate::file::findings::{At, Findings};
use crate::file::services::{Manifests, Source};
use crate::file::shape::{Kind, Need};
use crate::file::tree::Node as Yaml;
use crate::service::DnsCache;

use asked::Asked;

fields! {
    /// The services.
    struct Written {
        "metrics" metrics Need::Optional("not there"), metrics::KIND,
            "metrics-server: what nodes and pods use, for `kubectl top` and autoscalers. It is called `metrics` where services need each other.";
        "dashboard" dashboard Need::Optional("not there"), dashboard::KIND,
            "Headlamp: the cluster in a browser, with the rights of whoever logs in. It is called `dashboard` where services need each other.";
        "logs" logs Need::Optional("not there"), logs::KIND,
            "The logs of all pods from every node, to a syslog server or into files. It is called `logs` where services need each other.";
        "sync" sync Need::Optional("not there"), sync::KIND,
            "Volumes of several nodes whose files are kept the same, by unison. It is called `sync` where services need each other.";
        "gateway" gateway Need::Optional("not there"), gateway::KIND,
            "Traefik and the Gateway API: requests from outside, by host, path and port. It is called `gateway` where services need each other.";
        "certificates" certificates Need::Optional("not there"), certificates::KIND,
            "cert-manager: certificates that authorities of ACME issue. It needs the gateway, and is called `certificates` where services need each other.";
        "loadBalancer" load_balancer Need::Optional("not there"), load_balancer::KIND,
            "MetalLB: Services of type LoadBalancer get addresses of the nodes' own network. It is called `load-balancer` where services need each other.";
        "dnsCache" dns_cache Need::Optional("not there"), dns_cache::KIND,
            "A cache of names on every node, which its pods ask first. It is called `dns-cache` where services need each other.";
    }
}

/// What may be written.
pub(super) const KIND: Kind = Kind::Map(&Written::SHAPE);

/// Decodes the section.
pub(super) fn decode(node: Option<Yaml>, dir: &Path, out: &mut Findings) -> Services {
    let mut services = Services::default();
    let Some(node) = node else { return services };
    let f = Written::of(node, "services", out);
    let written: [(&str, Option<Yaml>, Decode); 8] = [
        ("metrics", f.metrics, metrics::decode),
        ("dashboard", f.dashboard, dashboard::decode),
        ("logs", f.logs, logs::decode),
        ("sync", f.sync, sync::decode),
        ("gateway", f.gateway, gateway::decode),
        ("certificates", f.certificates, certificates::decode),
        ("load-balancer", f.load_balancer, load_balancer::decode),
        (DnsCache::NAME, f.dns_cache, dns_cache::decode),
    ];
    for (name, node, decode) in written {
        if let Some(node) = node {
            services.named.insert(name.to_owned());
            let (declared, places) = service(name, node, decode, dir, out).unzip();
            services.declared.extend(declared);
            services.places.extend(places.flatten());
        }
    }
    if services.named.contains("gateway") {
        services.declared.iter_mut().filter(|declared| declared.service.name.as_str() == "certificates").for_each(after_gateway);
    }
    services
}

/// Names are proved through the gateway. That there is none is told where rules across sections are.
fn after_gateway(certificates: &mut Declared) {
    if let Ok(value) = Name::new("gateway") {
        certificates.service.needs.insert(value.clone());
        certificates.needs.push(At { value, place: certificates.place.clone() });
    }
}

/// The decoding of a service. Paths in it begin at the folder.
type Decode = fn(Yaml, &Path, &mut Findings) -> Option<Asked>;

fn service(name: &str, node: Yaml, decode: Decode, dir: &Path, out: &mut Findings) -> Option<(Declared, Option<Places>)> {
    let place = node.place.clone();
    let name = key_name(name, &place, "a service", out)?;
    let Asked { built, secrets, needs, places } = decode(node, dir, out)?;
    let wanted = needs.iter().map(|need| need.value.clone()).collect();
    let service = Manifests { name, source: Source::Built(Box::new(built)), variables: BTreeMap::new(), secrets, needs: wanted };
    Some((Declared { service, place, needs }, places))
}
