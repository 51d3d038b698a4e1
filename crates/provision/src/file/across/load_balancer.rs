//! Addresses that Services get: no machine's, no pod's and no Service's own; and nodes that there are. The gateway's is one of them.

use std::net::Ipv4Addr;

use kubestead_core::diagnostic::Place;

use super::gateway::known;
use crate::file::address::Span;
use crate::file::declared::{LoadBalancerDecl, Places};
use crate::file::findings::{At, Findings};
use crate::file::sections::Sections;

pub(super) fn check(file: &Sections, out: &mut Findings) {
    let places = &file.services.places;
    let Some(LoadBalancerDecl { addresses, nodes }) =
        places.iter().find_map(|places| if let Places::LoadBalancer(decl) = places { Some(decl) } else { None })
    else {
        return;
    };
    known("services.loadBalancer.nodes", nodes, file, out);
    for at in addresses {
        free(at, file, out);
    }
    let Some(gateway) = places.iter().find_map(|places| if let Places::Gateway(decl) = places { Some(decl) } else { None }) else { return };
    if let Some(at) =
        gateway.address.as_ref().filter(|at| !addresses.is_empty() && !addresses.iter().any(|span| span.value.contains(at.value)))
    {
        let all: Vec<String> = addresses.iter().map(|span| span.value.to_string()).collect();
        let hint = format!("write one of {}, or add it there", all.join(", "));
        out.error(&at.place, format!("services.gateway.address: {} is none of services.loadBalancer.addresses", at.value), hint);
    }
}

/// Nobody has one of the addresses yet.
fn free(at: &At<Span>, file: &Sections, out: &mut Findings) {
    let what = format!("services.loadBalancer.addresses: {}", at.value);
    let network = &file.network.network;
    for (range, whose) in [(network.pods, "pods"), (network.services, "services")] {
        if at.value.overlaps(range.into()) {
            let hint = "write addresses of the network that the nodes are in".to_owned();
            out.error(&at.place, format!("{what} has addresses of the range of {whose}, {range}"), hint);
        }
    }
    let nodes = file.nodes.items.iter().map(|decl| (decl.node.name.to_string(), &decl.node.address, &decl.address));
    let servers = file.keys.servers.items.iter().map(|decl| (decl.server.name.to_string(), &decl.server.address, &decl.address));
    let endpoint = file.endpoint.iter().map(|endpoint| ("the API".to_owned(), &endpoint.address.value, &endpoint.address.place));
    let mut told: Vec<Ipv4Addr> = Vec::new();
    for (who, address, place) in nodes.chain(servers).chain(endpoint) {
        let Ok(ip) = address.parse() else { continue };
        // The API's is a control plane's, where it is not a load balancer's.
        if at.value.contains(ip) && !told.contains(&ip) {
            taken(&what, at, &who, ip, place, out);
            told.push(ip);
        }
    }
}

fn taken(what: &str, at: &At<Span>, who: &str, ip: Ipv4Addr, place: &Place, out: &mut Findings) {
    let hint = "write ranges without it: two machines would answer for one address".to_owned();
    out.error(&at.place, format!("{what} has the address of {who}, {ip} (line {})", place.line), hint);
}
