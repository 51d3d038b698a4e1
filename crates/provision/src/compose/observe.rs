//! What is: one probe a machine, and what lies on this computer.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::event::Reporter;
use kubestead_core::fact::{Fact, Gap};
use kubestead_core::name::Name;
use kubestead_core::probe::Section;
use kubestead_core::put;

use crate::bundle::Bundle;
use crate::encryption::{self};
use crate::file::{Cluster, Node};
use crate::fleet::{Fleet, Probed};
use crate::keyserver::{self, KeyServerSpec};
use crate::kubeadm::{self};
use crate::machine::{self};
use crate::node::{self};
use crate::objects::{self};
use crate::secret::{self, Wish};

use super::plan::object_names;
use super::spec::{NodeSpecs, bundle, cluster_spec, first, keyring, servers, storage, wish};
use super::{NodeSeen, Seen};

/// The paths of all files that are ours alone, of all domains, on every host.
pub fn own_paths(cluster: &Cluster, bundle: &Fact<Bundle>, keyring: &Fact<String>) -> BTreeMap<Name, Vec<String>> {
    let (spec, specs) = (cluster_spec(cluster), NodeSpecs::of(cluster, bundle, keyring));
    let node = |node: &Node| {
        let storage = kubestead_storage::unit::own_files(&storage(cluster, &node.name));
        let setup = specs.iter().flat_map(|specs| node::own_files(&specs.of_node(node))).collect::<Vec<_>>();
        let mut paths: Vec<String> = storage.into_iter().chain(setup).map(|file| file.path).collect();
        paths.extend(spec.iter().flat_map(|spec| spec.own_paths(&node.name)).copied().chain(keyserver::own_paths()).map(str::to_owned));
        (node.name.clone(), paths)
    };
    let server = |spec: &KeyServerSpec| (spec.server.clone(), spec.site.own_paths().into());
    cluster.nodes.iter().map(node).chain(servers(cluster).iter().map(server)).collect()
}

/// What every machine is asked, in one probe.
pub fn sections(cluster: &Cluster, bundle: &Fact<Bundle>, keyring: &Fact<String>, wish: &Wish) -> BTreeMap<Name, Vec<Section>> {
    let mut sections = BTreeMap::new();
    let (mut paths, specs) = (own_paths(cluster, bundle, keyring), NodeSpecs::of(cluster, bundle, keyring));
    let members = cluster_spec(cluster);
    for node in &cluster.nodes {
        let mut all = machine::sections();
        let spec = specs.as_ref().map(|specs| specs.of_node(node));
        let files = paths.remove(&node.name).unwrap_or_default().into_iter().chain(keyserver::made_paths().map(str::to_owned));
        let programs = spec.iter().flat_map(node::places);
        let keys = members.iter().flat_map(|members| members.places(&node.name));
        let places = programs.chain(keys.copied().chain(kubestead_storage::unit::TABS).map(str::to_owned));
        all.push(put::section(files, places));
        all.extend(kubestead_storage::observe::sections(&storage(cluster, &node.name)));
        all.extend(keyserver::node_sections());
        all.extend(spec.iter().flat_map(node::sections));
        if cluster.kubernetes.is_some() {
            all.extend(kubeadm::sections());
            all.push(objects::alive_section());
        }
        if let (Some(wanted), true) = (&cluster.kubernetes, node.is_control_plane()) {
            all.extend(encryption::sections(&wanted.encryption, Some(&node.name) == first(cluster)));
        }
        if Some(&node.name) == first(cluster) {
            all.push(objects::section(&secret::paths(wish), &object_names(cluster)));
        }
        sections.insert(node.name.clone(), all);
    }
    sections.extend(servers(cluster).iter().map(|spec| (spec.server.clone(), keyserver::server_sections(spec))));
    sections
}

/// Looks at every machine and at the escrow. It never fails as a whole: what could not be seen is said.
pub async fn observe(cluster: &Cluster, fleet: &Fleet, escrow: BTreeSet<String>, nonce: &str, reporter: &dyn Reporter) -> Seen {
    let specs = servers(cluster);
    let (bundle, keyring) = (bundle(cluster), keyring(cluster));
    let wish = wish(cluster, &cluster.secrets.display().to_string());
    let (secret_paths, names) = (secret::paths(&wish), object_names(cluster));
    let sections = sections(cluster, &bundle, &keyring, &wish);
    let mut answers = fleet.probe(sections, nonce, reporter).await;
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
        unreachable: fleet.failed().keys().cloned().collect(),
    };
    for spec in &specs {
        let facts = answers.remove(&spec.server).map(|a| Fact::from_result(a.and_then(|a| keyserver::read_server(&a.answers))));
        seen.servers.insert(spec.server.clone(), facts.unwrap_or(Fact::Absent));
    }
    // The API calls machines by their host names.
    let described: BTreeMap<&Name, &Node> = cluster.nodes.iter().map(|n| (&n.name, n)).collect();
    let alive = |(name, probed): (&Name, &Result<Probed, Gap>)| {
        Some((described.get(name)?.hostname.to_string(), objects::read_alive(&probed.as_ref().ok()?.answers).ok()?))
    };
    let machines = answers.iter().filter_map(alive).collect();
    let software = NodeSpecs::of(cluster, &seen.bundle, &seen.keyring);
    for (name, probed) in answers {
        let asked = probed.as_ref().map_or((0, 0), |probed| probed.asked);
        let answers = probed.map(|probed| probed.answers);
        if let (Some(true), Ok(answers)) = (first(cluster).map(|f| *f == name), &answers) {
            seen.secrets = match secret::read(answers, &seen.wish) {
                Ok(Some(facts)) => Fact::Known(facts),
                Ok(None) => Fact::Absent,
                Err(gap) => Fact::Unknown(gap),
            };
            seen.api = match objects::read(answers, &machines, secret_paths.len(), &names) {
                Ok(Some(facts)) => Fact::Known(facts),
                Ok(None) => Fact::Absent,
                Err(gap) => Fact::Unknown(gap),
            };
        }
        let spec = described.get(&name).and_then(|n| Some(software.as_ref()?.of_node(n)));
        let node = answers.as_ref().map_err(Clone::clone).and_then(|a| {
            Ok(NodeSeen {
                machine: machine::read(a, asked)?,
                storage: kubestead_storage::observe::read(&storage(cluster, &name), a),
                setup: spec.map(|spec| node::read(&spec, a)).transpose()?,
                kubeadm: cluster.kubernetes.as_ref().map(|_| kubeadm::read(a)).transpose()?,
                encryption: if cluster.kubernetes.is_some() && described.get(&name).is_some_and(|n| n.is_control_plane()) {
                    Fact::from_result(encryption::read(a))
                } else {
                    Fact::Absent
                },
            })
        });
        // Of a machine that was not seen nothing is concluded about its keys either.
        let keys = answers.and_then(|a| keyserver::read_node(&a)).and_then(|keys| node.as_ref().map(|_| keys).map_err(Clone::clone));
        seen.nodes.insert(name.clone(), Fact::from_result(node));
        seen.keys.insert(name, Fact::from_result(keys));
    }
    if let Fact::Known(api) = &seen.api {
        for (node, fact) in &mut seen.nodes {
            if let Fact::Known(NodeSeen { storage, kubeadm: Some(member), .. }) = fact
                && super::witness::blank_member(api, node, member.state, storage)
            {
                let who = "the cluster has its node as a member";
                storage.witnesses = storage.volumes.keys().map(|volume| (volume.clone(), who.to_owned())).collect();
            }
        }
        for (node, (volume, who)) in super::witness::bound(cluster, api) {
            if let Some(Fact::Known(found)) = seen.nodes.get_mut(&node) {
                found.storage.witnesses.insert(volume, who);
            }
        }
    }
    seen
}
