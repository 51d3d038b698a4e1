//! Key servers, and the nodes' side of the keys.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::Part;

use super::super::Seen;
use super::storage::Own;
use super::{Asked, Wanted};
use crate::file::{Cluster, Node};
use crate::keyserver::{self, EnrolledNode, Folder, KeyServerSpec, Site};

/// The key servers with the nodes that they let in, built once for all of them: those with volumes whose keys they have a part of.
pub fn specs(cluster: &Cluster) -> Vec<KeyServerSpec> {
    let enrolled = |node: &Node| {
        let volumes: Vec<Name> = cluster.volumes_of(&node.name).filter(|v| v.fetched()).map(|v| v.name.clone()).collect();
        (!volumes.is_empty()).then(|| EnrolledNode { name: node.name.clone(), address: ip(&node.address), volumes })
    };
    let nodes: Arc<[EnrolledNode]> = cluster.nodes.iter().filter_map(enrolled).collect();
    let one = |s: &crate::file::KeyServer| KeyServerSpec {
        site: Site { cluster: cluster.name.clone(), user: s.user.clone(), directory: Folder::default() },
        server: s.name.clone(),
        address: ip(&s.address),
        port: s.port,
        nodes: Arc::clone(&nodes),
    };
    cluster.servers.iter().map(one).collect()
}

/// An address of the file, which took nothing else: were it something else, it would be one from which nobody comes.
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Whether a node needs key servers: otherwise none of them is waited for, and it gets no key pair for them.
pub(in super::super) fn needed(cluster: &Cluster, node: &Name) -> bool {
    cluster.volumes_of(node).any(|volume| volume.fetched())
}

pub(super) fn asks(_: &Wanted<'_>, _: &Node) -> Asked {
    Asked {
        own: keyserver::own_paths().map(str::to_owned).into(),
        made: keyserver::made_paths().map(str::to_owned).into(),
        sections: keyserver::node_sections(),
        ..Asked::default()
    }
}

/// The part of all key servers and their nodes: nodes against which something stands are not let in.
pub(in super::super) fn plan(cluster: &Cluster, seen: &Seen, nodes: &[Option<Own>]) -> Part<keyserver::Action> {
    let (mut ready, mut made, mut making) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for (name, own) in cluster.nodes.iter().map(|node| &node.name).zip(nodes).filter_map(|(name, own)| Some((name, own.as_ref()?))) {
        if own.part.is_ok() && needed(cluster, name) {
            ready.insert(name.clone(), seen.keys.get(name).cloned().unwrap_or(Fact::Absent));
        }
        let of = |volumes: &BTreeSet<Name>| volumes.iter().map(|volume| (name.clone(), volume.clone())).collect::<Vec<_>>();
        made.extend(of(&own.made));
        making.extend(of(&own.making));
    }
    let members = cluster.nodes.iter().map(|n| n.name.clone()).collect();
    let servers = specs(cluster);
    keyserver::plan(keyserver::Wanted { servers: &servers, members: &members, made: &made, making: &making }, &seen.servers, &ready)
}
