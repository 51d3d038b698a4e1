//! From spec and facts to steps.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Step, StepId, Target};
use kubestead_storage::plan::digest;
use kubestead_storage::unit::Owned;
use serde::{Deserialize, Serialize};

use super::observe::{NodeFacts, ServerFacts};
use super::spec::{CLIENT, CLIENT_PATH, EnrolledNode, KNOWN_HOSTS, KeyServerSpec, known_host};

/// What can be done for keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Sets the key server up: user, folder, forced command, sshd's rules for the user.
    Setup {
        /// The server.
        spec: KeyServerSpec,
    },
    /// Makes a node's key pair, on the node.
    KeyPair,
    /// Writes the node's ssh configuration for key servers.
    Client {
        /// Its files.
        files: Vec<Owned>,
    },
    /// Lets a node in with the key that it has.
    Enrol {
        /// The server.
        spec: KeyServerSpec,
        /// The node.
        node: EnrolledNode,
    },
    /// Makes the server's share of a volume's key, on the server.
    Share {
        /// The server.
        spec: KeyServerSpec,
        /// The node.
        node: Name,
        /// The volume.
        volume: Name,
    },
}

fn server(spec: &KeyServerSpec) -> Target {
    Target::Host(spec.server.to_string())
}

/// The steps after which a node can fetch its keys.
pub fn ready(servers: &[KeyServerSpec], node: &Name) -> BTreeSet<StepId> {
    let mut ids = BTreeSet::from([StepId::new(node.as_str(), "keys", "client")]);
    for spec in servers {
        for enrolled in spec.nodes.iter().filter(|n| n.name == *node) {
            let of = |object: &str, deed| StepId::new(spec.server.as_str(), object, deed);
            ids.extend([of("keyserver", "setup"), of(node.as_str(), "enrol")]);
            ids.extend(enrolled.volumes.iter().map(|v| of(&format!("{node}.{v}"), "share")));
        }
    }
    ids
}

/// The steps for all servers and their nodes.
pub fn plan(servers: &[KeyServerSpec], seen: &BTreeMap<Name, Fact<ServerFacts>>, nodes: &BTreeMap<Name, Fact<NodeFacts>>) -> Part<Action> {
    let mut part = Part::default();
    let mut known_hosts = Some(String::new());
    for spec in servers {
        match seen.get(&spec.server) {
            Some(Fact::Known(facts)) => {
                one_server(spec, facts, nodes, &mut part);
                known_hosts = known_hosts.map(|text| text + &known_host(&spec.address, spec.port, &facts.host_key));
            }
            Some(Fact::Unknown(gap)) => {
                let mut held =
                    Held::new(spec.server.as_str(), gap.to_string(), "no volume can be made or changed while the key server is not seen");
                held.unreachable = true;
                part.held.push(held);
                known_hosts = None;
            }
            Some(Fact::Absent) | None => known_hosts = None,
        }
    }
    if let Some(known_hosts) = known_hosts {
        for (name, facts) in nodes.iter().filter_map(|(name, fact)| Some((name, fact.known()?))) {
            one_node(name, facts, &known_hosts, &mut part);
        }
    }
    part
}

fn one_server(spec: &KeyServerSpec, facts: &ServerFacts, nodes: &BTreeMap<Name, Fact<NodeFacts>>, part: &mut Part<Action>) {
    let id = |object: &str, deed: &str| StepId::new(spec.server.as_str(), object, deed);
    if !facts.user || spec.files().iter().any(|f| facts.files.get(&f.path) != Some(&digest(&f.text))) {
        part.push(Step::new(
            server(spec),
            "keyserver",
            "setup",
            Action::Setup { spec: spec.clone() },
            "user, folder and forced command for the nodes' keys",
        ));
    }
    for node in &spec.nodes {
        // A node that was not seen keeps what it has here.
        let Some(own) = nodes.get(&node.name).and_then(Fact::known) else { continue };
        let line = own.key.as_ref().map(|key| format!("{}{key} masterlock@{}", spec.line_start(node), node.name));
        if line.is_none_or(|line| !facts.lines.contains(&line)) {
            let action = Action::Enrol { spec: spec.clone(), node: node.clone() };
            let after = [id("keyserver", "setup"), StepId::new(node.name.as_str(), "keypair", "make")];
            part.push(
                Step::new(
                    server(spec),
                    node.name.as_str(),
                    "enrol",
                    action,
                    format!("let {} fetch its own keys from {}", node.name, node.address),
                )
                .after(after),
            );
        }
        for volume in &node.volumes {
            if !facts.shares.contains(&format!("{}/{volume}", node.name)) {
                let action = Action::Share { spec: spec.clone(), node: node.name.clone(), volume: volume.clone() };
                part.push(
                    Step::new(server(spec), &format!("{}.{volume}", node.name), "share", action, "make the server's share of the key")
                        .after([id("keyserver", "setup")]),
                );
            }
        }
    }
}

fn one_node(name: &Name, facts: &NodeFacts, known_hosts: &str, part: &mut Part<Action>) {
    let target = || Target::Host(name.to_string());
    if facts.key.is_none() {
        part.push(Step::new(target(), "keypair", "make", Action::KeyPair, "make the node's own key pair"));
    }
    let file = |path: &str, text: &str| Owned { path: path.to_owned(), text: text.to_owned(), mode: 0o644 };
    let files: Vec<Owned> = [file(CLIENT_PATH, CLIENT), file(KNOWN_HOSTS, known_hosts)]
        .into_iter()
        .filter(|f| facts.files.get(&f.path) != Some(&digest(&f.text)))
        .collect();
    if !files.is_empty() {
        part.push(Step::new(target(), "keys", "client", Action::Client { files }, "pin the key server's host key"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn spec() -> KeyServerSpec {
        let node = EnrolledNode { name: name("kube1"), address: "10.77.0.21".into(), volumes: vec![name("data")] };
        KeyServerSpec {
            server: name("masterlock"),
            address: "10.77.0.5".into(),
            port: 22,
            user: "masterlock".into(),
            directory: "/k".into(),
            nodes: vec![node],
        }
    }

    fn blank() -> ServerFacts {
        ServerFacts { host_key: KEY.into(), user: false, files: BTreeMap::new(), lines: Vec::new(), shares: BTreeSet::new() }
    }

    fn ids(part: &Part<Action>) -> BTreeSet<&str> {
        part.steps.iter().map(|s| s.id.0.as_str()).collect()
    }

    #[test]
    fn a_blank_pair_gets_all_and_a_finished_one_nothing() {
        let spec = spec();
        let nodes = BTreeMap::from([(name("kube1"), Fact::Known(NodeFacts { key: None, files: BTreeMap::new() }))]);
        let part = plan(std::slice::from_ref(&spec), &BTreeMap::from([(name("masterlock"), Fact::Known(blank()))]), &nodes);
        let all = [
            "kube1/keypair/make",
            "kube1/keys/client",
            "masterlock/keyserver/setup",
            "masterlock/kube1.data/share",
            "masterlock/kube1/enrol",
        ];
        assert_eq!(ids(&part), BTreeSet::from(all));
        assert!(ready(std::slice::from_ref(&spec), &name("kube1")).iter().all(|id| all.contains(&id.0.as_str())));

        let sums = |files: &[Owned]| files.iter().map(|f| (f.path.clone(), digest(&f.text))).collect::<BTreeMap<_, _>>();
        let line = format!("{}{KEY} masterlock@kube1", spec.line_start(&spec.nodes[0]));
        let server = ServerFacts {
            user: true,
            files: sums(&spec.files()),
            lines: vec![line],
            shares: BTreeSet::from(["kube1/data".to_owned()]),
            ..blank()
        };
        let known = known_host("10.77.0.5", 22, KEY);
        let files = BTreeMap::from([(CLIENT_PATH.to_owned(), digest(CLIENT)), (KNOWN_HOSTS.to_owned(), digest(&known))]);
        let nodes = BTreeMap::from([(name("kube1"), Fact::Known(NodeFacts { key: Some(KEY.into()), files }))]);
        let part = plan(&[spec], &BTreeMap::from([(name("masterlock"), Fact::Known(server))]), &nodes);
        assert!(part.steps.is_empty() && part.held.is_empty(), "{:?}", ids(&part));
    }

    #[test]
    fn a_server_that_is_not_seen_holds_and_changes_nothing() {
        let gap = Fact::Unknown(kubestead_core::fact::Gap::new("no connection"));
        let nodes = BTreeMap::from([(name("kube1"), Fact::Known(NodeFacts { key: None, files: BTreeMap::new() }))]);
        let part = plan(&[spec()], &BTreeMap::from([(name("masterlock"), gap)]), &nodes);
        assert!(part.steps.is_empty() && part.held[0].unreachable);
    }
}
