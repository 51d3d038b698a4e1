//! Services that ask the load balancer for an address that it does not give them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use kubestead_core::diagnostic::Diagnostic;

use super::{Own, World};
use crate::file::Span;
use crate::service::built::What;
use crate::service::kinds::group;
use crate::service::source::part;

/// How a Service asks for addresses, and whom it shares them with.
const ADDRESSES: &str = "loadBalancerIPs";
const SHARED: &str = "allow-shared-ip";
/// How MetalLB's annotations begin, and how they did once.
const PREFIX: &str = "metallb.io/";
const OLD: &str = "metallb.universe.tf/";
/// The namespace of the gateway.
const GATEWAY: &str = "gateway";

pub(super) fn check(world: &World<'_>, out: &mut Vec<Diagnostic>) {
    let balancer = world.cluster.built().find_map(|what| if let What::LoadBalancer(own) = what { Some(own) } else { None });
    let Some(pool) = balancer.map(|own| &own.addresses) else { return };
    let gateway = world.cluster.gateway().and_then(|gateway| gateway.reach.address());
    // Addresses may come out of pools of the users' own too.
    let others = world.all.iter().any(|(object, _)| {
        object.kind == "IPAddressPool"
            && group(&object.api_version) == "metallb.io"
            && object.namespace == "metallb"
            && ![GATEWAY, "addresses"].contains(&object.name.as_str())
    });
    let mut taken: BTreeMap<Ipv4Addr, (String, Option<&str>)> = BTreeMap::new();
    for own in world.own.iter().filter(|own| own.object.kind == "Service" && own.manifest["spec"]["type"] == "LoadBalancer") {
        // Another load balancer's are none of these.
        if own.manifest["spec"]["loadBalancerClass"].is_string() {
            continue;
        }
        let annotations = &own.manifest["metadata"]["annotations"];
        for key in annotations.as_object().into_iter().flat_map(|all| all.keys()).filter(|key| key.starts_with(OLD)) {
            let new = key.replacen(OLD, PREFIX, 1);
            out.push(own.warning(&format!("/metadata/annotations/{}", part(key)), format!("{key} is an old name"), format!("write {new}")));
        }
        let said = |name: &str| [PREFIX, OLD].iter().find_map(|prefix| Some((*prefix, annotations[format!("{prefix}{name}")].as_str()?)));
        let spec = own.manifest["spec"]["loadBalancerIP"].as_str().filter(|text| !text.is_empty());
        let (pointer, asked) = match (said(ADDRESSES), spec) {
            (Some(_), Some(_)) => {
                let message = format!("with spec.loadBalancerIP beside {PREFIX}{ADDRESSES} MetalLB gives no address");
                out.push(own.warning("/spec/loadBalancerIP", message, "take spec.loadBalancerIP away"));
                continue;
            }
            (Some((prefix, text)), None) => (format!("/metadata/annotations/{}", part(&format!("{prefix}{ADDRESSES}"))), text),
            (None, Some(text)) => ("/spec/loadBalancerIP".to_owned(), text),
            (None, None) => continue,
        };
        let shared = said(SHARED).map(|(_, key)| key);
        for text in asked.split(',').map(str::trim) {
            let fault = text.parse::<Ipv4Addr>().map_or_else(
                |_| Some((format!("{text:?} is no IPv4 address"), "write one such as 192.0.2.85".to_owned())),
                |address| not_given(address, own, pool, others, gateway).or_else(|| twice(address, own, shared, &mut taken)),
            );
            out.extend(fault.map(|(message, hint)| own.warning(&pointer, message, hint)));
        }
    }
}

fn not_given(address: Ipv4Addr, own: &Own<'_>, pool: &[Span], others: bool, gateway: Option<Ipv4Addr>) -> Option<(String, String)> {
    if gateway == Some(address) && own.object.namespace != GATEWAY {
        return Some((format!("{address} is kept for the gateway: MetalLB does not give it"), "ask for another one".to_owned()));
    }
    (!others && gateway != Some(address) && !pool.iter().any(|span| span.contains(address))).then(|| {
        let all: Vec<String> = pool.iter().map(ToString::to_string).collect();
        let hint = format!("ask for one of {}, or add it there", all.join(", "));
        (format!("{address} is none of services.loadBalancer.addresses: MetalLB does not give it"), hint)
    })
}

/// Two Services have one address only if both say so, with one key.
fn twice<'a>(
    address: Ipv4Addr,
    own: &Own<'_>,
    shared: Option<&'a str>,
    taken: &mut BTreeMap<Ipv4Addr, (String, Option<&'a str>)>,
) -> Option<(String, String)> {
    let Some((other, key)) = taken.get(&address) else {
        taken.insert(address, (own.object.to_string(), shared));
        return None;
    };
    (shared.is_none() || *key != shared).then(|| {
        let hint = format!("ask for another one, or write {PREFIX}{SHARED} with one key in both");
        (format!("{address} is asked for by {other} too"), hint)
    })
}
