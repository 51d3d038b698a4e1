//! The gateway, the machines and who issues its certificates: nodes that there are, an address that nobody has, ports that nothing else on a node listens at,
//! authorities that there are.

use std::net::Ipv4Addr;

use kubestead_core::name::Name;

use super::addresses::inside;
use crate::file::arguments::{NODE_PORTS, node_port_range};
use crate::file::cluster::{API_PORT, Node};
use crate::file::declared::{CertificatesDecl, GatewayDecl, Places};
use crate::file::findings::{At, Findings};
use crate::file::reserved::is_reserved;
use crate::file::sections::Sections;
use crate::service::{DnsCache, LoadBalancer};

/// Where kubeadm's programs and the kubelet listen on a node, be it at 127.0.0.1 alone: what a pod takes of a node it takes of all its addresses.
const KUBERNETES: [(u16, &str); 10] = [
    (2379, "etcd"),
    (2380, "etcd"),
    (2381, "etcd"),
    (API_PORT, "the API server"),
    (10248, "the kubelet"),
    (10249, "kube-proxy"),
    (10250, "the kubelet"),
    (10256, "kube-proxy"),
    (10257, "the controller manager"),
    (10259, "the scheduler"),
];
/// sshd's where none is said.
const SSH: u16 = 22;

pub(super) fn check(file: &Sections, out: &mut Findings) {
    let places = &file.services.places;
    let gateway = places.iter().find_map(|places| if let Places::Gateway(decl) = places { Some(decl) } else { None });
    let certificates = places.iter().find_map(|places| if let Places::Certificates(decl) = places { Some(decl) } else { None });
    if let (None, Some(decl)) = (gateway, certificates) {
        let message = "services.certificates proves names by HTTP through the gateway, and there is none";
        out.error(&decl.place, message, "write `services.gateway`".to_owned());
    }
    let Some(GatewayDecl { nodes, address, node_ports, tcp, issuers }) = gateway else { return };
    for (host, at) in issuers {
        issued(host, at, certificates, out);
    }
    let all: Vec<&Node> = file.nodes.items.iter().map(|decl| &decl.node).collect();
    known("services.gateway.nodes", nodes, file, out);
    let range = node_port_range(file.kubernetes.as_ref());
    let (first, last) = (range.start(), range.end());
    for at in node_ports.iter().filter(|at| !range.contains(&at.value)) {
        let message = format!("services.gateway.nodePorts: {} is none of {first}-{last}, which the API server gives", at.value);
        out.error(&at.place, message, format!("let {NODE_PORTS} of kubernetes.apiServer.args hold it, or leave that out"));
    }
    let others: Vec<(u16, &str)> = places.iter().flat_map(listens).chain(KUBERNETES).collect();
    // What comes to a port of a node goes to the gateway's pod then, before any program of the node.
    for at in tcp.iter().filter(|_| !nodes.is_empty()) {
        let chosen = all.iter().filter(|node| nodes.iter().any(|name| name.value == node.name));
        let other = others.iter().find(|(port, _)| *port == at.value).map(|(_, who)| (*who).to_owned());
        let ssh = chosen.clone().find(|node| node.ssh.port.unwrap_or(SSH) == at.value).map(|node| format!("sshd of {}", node.name));
        if let Some(who) = ssh.or(other) {
            out.error(&at.place, format!("services.gateway.tcp: {who} listens at {}", at.value), "write another port".to_owned());
        }
        if range.contains(&at.value) {
            let message = format!("services.gateway.tcp: {} is one of the ports that Services of type NodePort take", at.value);
            out.error(&at.place, message, format!("write a port outside of {first}-{last}"));
        }
    }
    if let Some(at) = address {
        free(at, file, &all, out);
    }
}

/// Where a service of kubestead's own listens on each node.
fn listens(places: &Places) -> Vec<(u16, &'static str)> {
    match places {
        Places::Gateway(_) | Places::Certificates(_) => Vec::new(),
        Places::LoadBalancer(_) => LoadBalancer::PORTS.map(|port| (port, "the load balancer's program")).to_vec(),
        Places::DnsCache(_) => DnsCache::PORTS.map(|port| (port, "the cache of names")).to_vec(),
    }
}

/// There are nodes of these names.
pub(super) fn known(what: &str, nodes: &[At<Name>], file: &Sections, out: &mut Findings) {
    let names: Vec<&str> = file.nodes.items.iter().map(|decl| decl.node.name.as_str()).collect();
    for at in nodes.iter().filter(|at| !names.contains(&at.value.as_str()) && !file.nodes.may_have(at.value.as_str())) {
        out.error(&at.place, format!("{what}: no node is called {}", at.value), format!("known are {}", names.join(", ")));
    }
}

/// There is an authority of that name, which can prove whose the host is.
fn issued(host: &str, at: &At<Name>, certificates: Option<&CertificatesDecl>, out: &mut Findings) {
    let Some(CertificatesDecl { issuers, zones, .. }) = certificates else {
        let hint = "write `services.certificates`, or the `secret` that has the certificate".to_owned();
        return out.error(&at.place, format!("the host {host} names the authority {}, and nobody asks any", at.value), hint);
    };
    if issuers.get(&at.value) == Some(&true) && is_reserved(host) {
        let message = format!("the host {host}: Let's Encrypt issues nothing for it, as the name is reserved and nobody's");
        out.error(&at.place, message, "write a name of your own, another authority, or the `secret` that has the certificate".to_owned());
    }
    if !issuers.contains_key(&at.value) {
        let known: Vec<&str> = issuers.keys().map(Name::as_str).collect();
        out.error(&at.place, format!("the host {host}: no authority is called {}", at.value), format!("known are {}", known.join(", ")));
    }
    let Some(bare) = host.strip_prefix("*.") else { return };
    if !zones.iter().any(|zone| bare == zone || bare.strip_suffix(zone.as_str()).is_some_and(|before| before.ends_with('.'))) {
        let message = format!("the host {host}: a wildcard is proved by DNS alone, and no zone of `dns` holds it");
        out.error(&at.place, message, "write its zone in `services.certificates.dns`, or the `secret` that has the certificate".to_owned());
    }
}

/// No machine has the address.
fn free(at: &At<Ipv4Addr>, file: &Sections, all: &[&Node], out: &mut Findings) {
    let what = "services.gateway.address";
    if at.value.is_loopback() {
        out.error(&at.place, format!("{what}: {} is every machine's own", at.value), "write one that others reach".to_owned());
    }
    inside(what, at.value, &at.place, &file.network.network, out);
    let text = at.value.to_string();
    let nodes =
        all.iter().find(|node| node.address == text).map(|node| (node.name.as_str(), format!("write `nodes: [{}]` instead", node.name)));
    let mut servers = file.keys.servers.items.iter().map(|decl| &decl.server);
    let another = || "write one that nobody has".to_owned();
    let server = servers.find(|server| server.address == text).map(|server| (server.name.as_str(), another()));
    let endpoint = file.endpoint.as_ref().filter(|endpoint| endpoint.address.value == text).map(|_| ("the API", another()));
    if let Some((who, hint)) = nodes.or(server).or(endpoint) {
        out.error(&at.place, format!("{what}: {text} is the address of {who}"), hint);
    }
}
