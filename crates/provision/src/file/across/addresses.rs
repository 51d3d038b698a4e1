//! Which addresses are whose: what lies in two ranges is reached by neither's packets.

use std::net::{IpAddr, Ipv4Addr};

use kubestead_core::diagnostic::Place;

use crate::file::address::{NO_IPV6, Subnet};
use crate::file::cluster::{API_PORT, Network, Node};
use crate::file::findings::Findings;
use crate::file::sections::{Endpoint, NODE_BITS, Sections};

pub(super) fn check(file: &Sections, out: &mut Findings) {
    if let Some(endpoint) = &file.endpoint {
        reached(file, endpoint, out);
    }
    if file.kubernetes.is_some() {
        room(file, out);
        outside(file, out);
    }
}

/// The endpoint is where the API listens: a control plane, or what is none of these machines.
fn reached(file: &Sections, Endpoint { address, port }: &Endpoint, out: &mut Findings) {
    let host = address.value.as_str();
    let hint = "write a control plane's address, or that of a load balancer before them".to_owned();
    let mut servers = file.keys.servers.items.iter().map(|decl| &decl.server);
    if servers.any(|server| server.address == host || server.name.as_str() == host) {
        out.error(&address.place, format!("endpoint.address: {host} is a key server, where no API is"), hint);
        return;
    }
    let named = |node: &&Node| node.address == host || node.name.as_str() == host || node.hostname.as_str() == host;
    let nodes = file.nodes.items.iter().map(|decl| &decl.node).filter(named);
    // A control plane's own name may also be another machine's: then it is the control plane that is meant.
    let Some(node) = nodes.max_by_key(|node| node.is_control_plane()) else { return };
    if !node.is_control_plane() {
        out.error(&address.place, format!("endpoint.address: {} is no control plane, so no API is there", node.name), hint);
    } else if let Some(port) = port.as_ref().filter(|port| port.value != API_PORT) {
        let message = format!("endpoint.port: {} listens at {API_PORT}, and nothing at {}", node.name, port.value);
        out.error(&port.place, message, "leave the port out, or write the address of a load balancer".to_owned());
    }
}

/// Pods have a range for each node, apart from the services'.
fn room(file: &Sections, out: &mut Findings) {
    let Network { pods, services, .. } = file.network.network;
    let written = file.network.services.as_ref().or(file.network.pods.as_ref());
    if let (Some(place), true) = (written, pods.overlaps(services)) {
        let message = format!("pods ({pods}) and services ({services}) have addresses in common");
        out.error(place, message, "write ranges that lie apart".to_owned());
    }
    let nodes = file.nodes.items.len() as u64;
    let room = 1_u64 << NODE_BITS.saturating_sub(pods.bits());
    let Some(last) = file.nodes.items.last().filter(|_| nodes > room) else { return };
    let rest = format!("room for {room} nodes with a /{NODE_BITS} each, and there are {nodes}");
    match &file.network.pods {
        Some(place) => {
            let hint = "write a wider range; it cannot be changed later".to_owned();
            out.error(place, format!("network.podSubnet: {pods} has {rest}"), hint);
        }
        None => out.error(&last.address, format!("pods ({pods}) have {rest}"), "write network.podSubnet".to_owned()),
    }
}

/// No machine's address is a pod's or a service's.
fn outside(file: &Sections, out: &mut Findings) {
    let nodes = file.nodes.items.iter().map(|decl| ("a node's address", &decl.node.address, &decl.address));
    let servers = file.keys.servers.items.iter().map(|decl| ("a key server's address", &decl.server.address, &decl.address));
    for (what, address, place) in nodes.chain(servers) {
        match address.parse::<IpAddr>() {
            Ok(ip) if ip.is_loopback() => {
                out.error(place, format!("{what}: {ip} is every machine's own"), "write the address that the others reach".to_owned());
            }
            Ok(IpAddr::V6(_)) if what == "a node's address" => {
                out.error(place, format!("{what}: {NO_IPV6}"), "write its IPv4 address".to_owned());
            }
            Ok(IpAddr::V4(ip)) => inside(what, ip, place, &file.network.network, out),
            Ok(IpAddr::V6(_)) | Err(_) => {}
        }
    }
    if let Some((at, ip)) = file.endpoint.as_ref().and_then(|e| Some((&e.address, e.address.value.parse().ok()?))) {
        inside("endpoint.address", ip, &at.place, &file.network.network, out);
    }
}

pub(super) fn inside(what: &str, ip: Ipv4Addr, place: &Place, network: &Network, out: &mut Findings) {
    let ranges: [(Subnet, &str, &str); 2] = [(network.pods, "pods", "podSubnet"), (network.services, "services", "serviceSubnet")];
    for (range, whose, field) in ranges.into_iter().filter(|(range, ..)| range.contains(ip)) {
        let hint = format!("write another network.{field}; it cannot be changed later");
        out.error(place, format!("{what}: {ip} is in the range of {whose}, {range}"), hint);
    }
}
