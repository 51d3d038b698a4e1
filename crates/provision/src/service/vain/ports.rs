//! Pods that take a port of nodes which the gateway has: they are never put there.

use std::collections::BTreeMap;

use kubestead_core::diagnostic::Diagnostic;

use super::World;
use crate::service::built::{Gateway, Reach};
use crate::service::typed::{containers, items, pods};

pub(super) fn check(world: &World<'_>, out: &mut Vec<Diagnostic>) {
    let Some(gateway) = world.cluster.gateway() else { return };
    let Reach::Nodes(nodes) = &gateway.reach else { return };
    let tcp = gateway.tcp.iter().map(|(name, tcp)| (u64::from(tcp.port), name.as_str()));
    let taken: BTreeMap<u64, &str> = Gateway::PORTS.iter().map(|(name, port)| (u64::from(*port), *name)).chain(tcp).collect();
    let names = nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    for own in &world.own {
        let Some(template) = pods(&own.object) else { continue };
        // With the machine's network each port of a container is one of the machine.
        let whole = own.manifest.pointer(&format!("{template}/spec/hostNetwork")).is_some_and(|is| *is == true);
        for (container, _) in containers(own.manifest, template) {
            for (pointer, port) in items(own.manifest, &format!("{container}/ports")) {
                let field = if whole { "containerPort" } else { "hostPort" };
                let Some(number) = port[field].as_u64().filter(|_| port["protocol"].as_str().unwrap_or("TCP") == "TCP") else { continue };
                if let Some(name) = taken.get(&number) {
                    let message = format!("the gateway has port {number} ({name}) of {names}: no pod that takes it is put there");
                    out.push(own.warning(&format!("{pointer}/{field}"), message, "take another port, or let the pods run on other nodes"));
                }
            }
        }
    }
}
