//! What is: one probe a machine, and what lies on this computer.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::event::Reporter;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;
use kubestead_core::probe::Section;

use super::domains::{self, Wanted, asked};
use super::{NodeSeen, Seen, witness};
use crate::bundle::Bundle;
use crate::file::{Cluster, Node};
use crate::fleet::{Fleet, Probed};
use crate::keyserver::{self, KeyServerSpec};
use crate::kubelet::KubeletFacts;
use crate::machine;
use crate::objects::read_alive;
use crate::secret::SecretsWanted;

/// The paths of all files that are ours alone, of all domains, on every host.
pub fn own_paths(cluster: &Cluster, bundle: &Fact<Bundle>, keyring: &Fact<String>) -> BTreeMap<Name, Vec<String>> {
    let none = SecretsWanted::default();
    let wanted = Wanted::of(cluster, bundle, keyring, &none);
    let node = |node: &Node| (node.name.clone(), asked(&wanted, node).own);
    let server = |spec: &KeyServerSpec| (spec.server.clone(), spec.site.own_paths().into());
    cluster.nodes.iter().map(node).chain(domains::keyserver::specs(cluster).iter().map(server)).collect()
}

/// What every machine is asked, in one probe.
pub fn sections(cluster: &Cluster, bundle: &Fact<Bundle>, keyring: &Fact<String>, wish: &SecretsWanted) -> BTreeMap<Name, Vec<Section>> {
    let wanted = Wanted::of(cluster, bundle, keyring, wish);
    let nodes = cluster.nodes.iter().map(|node| (node.name.clone(), asked(&wanted, node).into_sections()));
    let specs = domains::keyserver::specs(cluster);
    nodes.chain(specs.iter().map(|spec| (spec.server.clone(), keyserver::server_sections(spec)))).collect()
}

/// Looks at every machine and at the escrow. It never fails as a whole: what could not be seen is said.
pub async fn observe(cluster: &Cluster, fleet: &Fleet, escrow: BTreeSet<String>, nonce: &str, reporter: &dyn Reporter) -> Seen {
    let (bundle, keyring) = (domains::node::bundle(cluster), domains::node::keyring(cluster));
    let wish = domains::secret::wish(cluster, &cluster.secrets.display().to_string());
    let asked = domains::service::services(cluster, &wish, &crate::service::Local::here(), &|path| path.display().to_string());
    let answers = fleet.probe(sections(cluster, &bundle, &keyring, &wish), nonce, reporter).await;
    let unreachable = fleet.failed().keys().cloned().collect();
    let mut seen = Seen {
        nodes: BTreeMap::new(),
        keys: BTreeMap::new(),
        servers: BTreeMap::new(),
        escrow,
        bundle,
        keyring,
        api: Fact::Absent,
        wish,
        secrets: Fact::Absent,
        asked,
        services: Fact::Absent,
        kubelets: KubeletFacts::default(),
        unreachable,
    };
    read(cluster, answers, &mut seen);
    seen.services = domains::service::look(cluster, fleet, &seen.asked, &seen.api).await;
    witness::testify(cluster, &mut seen);
    seen
}

/// Reads the answers of all machines.
fn read(cluster: &Cluster, mut answers: BTreeMap<Name, Result<Probed, Gap>>, seen: &mut Seen) {
    for spec in domains::keyserver::specs(cluster) {
        let facts = answers.remove(&spec.server).map(|a| Fact::from_result(a.and_then(|a| keyserver::read_server(&a.answers))));
        seen.servers.insert(spec.server, facts.unwrap_or(Fact::Absent));
    }
    let wish = seen.wish.clone();
    let wanted = Wanted::of(cluster, &seen.bundle, &seen.keyring, &wish);
    // The API calls machines by their host names.
    let described: BTreeMap<&Name, &Node> = cluster.nodes.iter().map(|n| (&n.name, n)).collect();
    let alive = |(name, probed): (&Name, &Result<Probed, Gap>)| {
        Some((described.get(name)?.hostname.to_string(), read_alive(&probed.as_ref().ok()?.answers).ok()?))
    };
    let machines = answers.iter().filter_map(alive).collect();
    for (name, probed) in answers {
        let Some(node) = described.get(&name) else { continue };
        if let (true, Ok(probed)) = (wanted.is_first(node), &probed) {
            seen.secrets = domains::secret::read(&wanted, &probed.answers);
            seen.api = domains::objects::read(&wanted, &probed.answers, &machines);
            seen.kubelets = domains::kubelet::read(&wanted, &probed.answers);
        }
        let found = probed.as_ref().map_err(Clone::clone).and_then(|probed| one(&wanted, node, probed));
        // Of a machine that was not seen nothing is concluded about its keys either.
        let keys = probed.and_then(|probed| keyserver::read_node(&probed.answers));
        let keys = keys.and_then(|keys| found.as_ref().map(|_| keys).map_err(Clone::clone));
        seen.nodes.insert(name.clone(), Fact::from_result(found));
        seen.keys.insert(name, Fact::from_result(keys));
    }
}

/// What one node tells, domain by domain.
fn one(wanted: &Wanted<'_>, node: &Node, Probed { answers, asked }: &Probed) -> Result<NodeSeen, Gap> {
    Ok(NodeSeen {
        machine: machine::read(answers, *asked)?,
        storage: domains::storage::read(wanted, node, answers),
        setup: domains::node::read(wanted, node, answers)?,
        kubeadm: domains::kubeadm::read(wanted, answers)?,
        encryption: domains::encryption::read(wanted, node, answers),
    })
}
