//! Routes to a listener that the gateway has not got, or that takes no such route.

use kubestead_core::diagnostic::Diagnostic;

use super::World;
use crate::service::built::Gateway;
use crate::service::kinds::group;
use crate::service::typed::items;

/// The gateway's name, and its namespace's.
const GATEWAY: &str = "gateway";
const GROUP: &str = "gateway.networking.k8s.io";

/// The kinds of routes that a listener takes.
fn kinds(gateway: &Gateway, listener: &str) -> Option<&'static [&'static str]> {
    let host = listener == "http" || gateway.hosts.keys().any(|host| Gateway::listener(host) == listener);
    let tcp = gateway.tcp.iter().find(|(name, _)| name.as_str() == listener).map(|(_, tcp)| tcp.tls);
    match tcp {
        Some(true) => Some(&["TLSRoute"]),
        Some(false) => Some(&["TCPRoute"]),
        None => host.then_some(&["HTTPRoute", "GRPCRoute"]),
    }
}

pub(super) fn check(world: &World<'_>, out: &mut Vec<Diagnostic>) {
    let Some(gateway) = world.cluster.gateway() else { return };
    let hosts = gateway.hosts.keys().map(|host| Gateway::listener(host));
    let known: Vec<String> = std::iter::once("http".to_owned()).chain(hosts).chain(gateway.tcp.keys().map(ToString::to_string)).collect();
    for own in &world.own {
        let kind = own.object.kind.as_str();
        if group(&own.object.api_version) != GROUP || !["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"].contains(&kind) {
            continue;
        }
        for (pointer, parent) in items(own.manifest, "/spec/parentRefs") {
            let to_gateway = parent["name"] == GATEWAY
                && parent["namespace"].as_str().unwrap_or(&own.object.namespace) == GATEWAY
                && parent["kind"].as_str().unwrap_or("Gateway") == "Gateway";
            let Some(listener) = parent["sectionName"].as_str().filter(|_| to_gateway) else { continue };
            let at = format!("{pointer}/sectionName");
            match kinds(gateway, listener) {
                None => out.push(own.warning(
                    &at,
                    format!("the gateway has no listener {listener:?}: nothing is served by this route"),
                    format!("known are {}", known.join(", ")),
                )),
                Some(taken) if !taken.contains(&kind) => out.push(own.warning(
                    &at,
                    format!("the listener {listener} takes no {kind}: nothing is served by this route"),
                    format!("it takes a {}", taken.join(" or a ")),
                )),
                Some(_) if listener == "http" && gateway.redirect && own.object.namespace != GATEWAY => out.push(own.warning(
                    &at,
                    "with `redirect`, port 80 serves no other namespace: nothing is served by this route",
                    "name the listener of a host, or write `redirect: false` in services.gateway",
                )),
                Some(_) => {}
            }
        }
    }
}
