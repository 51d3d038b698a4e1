//! From spec and facts to steps.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Risk, Step, StepId, Target};
use kubestead_core::put::Owned;
use kubestead_core::put::digest;
use serde::{Deserialize, Serialize};

use super::line::{self, Entry, Line};
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
        /// The node's public key when this was planned; nothing when the plan makes it.
        key: Option<String>,
        /// The line that goes: of another key, or of another address.
        replaces: Option<Replaced>,
        /// Whether it was shut out.
        revoked: bool,
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
    /// Gives a server the share that another one has.
    Copy {
        /// The server that gets it.
        spec: KeyServerSpec,
        /// The server that has it.
        from: Name,
        /// Its folder there.
        directory: String,
        /// The node.
        node: Name,
        /// The volume.
        volume: Name,
        /// sha256 of the share, hex; nothing when the plan makes it.
        sha256: Option<String>,
    },
    /// Shuts a node out: its line goes, a mark stays, and its connections end. Its shares stay.
    Revoke {
        /// The server.
        spec: KeyServerSpec,
        /// The node.
        node: Name,
        /// The addresses whose connections end.
        addresses: Vec<String>,
    },
    /// Deletes the server's share of a node that was shut out.
    Wipe {
        /// The server.
        spec: KeyServerSpec,
        /// The node.
        node: Name,
        /// The volume.
        volume: Name,
    },
}

/// A line that an enrolment replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    /// Its key.
    pub key: String,
    /// Its address.
    pub address: String,
}

/// All that shall be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The servers, each with the nodes that need keys.
    pub servers: &'a [KeyServerSpec],
    /// All nodes of the cluster file: a node that is no longer among them is shut out.
    pub members: &'a BTreeSet<Name>,
    /// The volumes that have a header of ours, as node and volume: a new share would not open them.
    pub made: &'a BTreeSet<(Name, Name)>,
}

pub(super) fn target(spec: &KeyServerSpec) -> Target {
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

/// The steps for all servers and their nodes. What is held about a node is called `NODE/…`.
pub fn plan(wanted: Wanted<'_>, seen: &BTreeMap<Name, Fact<ServerFacts>>, nodes: &BTreeMap<Name, Fact<NodeFacts>>) -> Part<Action> {
    let mut part = Part::default();
    let mut known = Vec::new();
    for spec in wanted.servers {
        match seen.get(&spec.server) {
            Some(Fact::Known(facts)) => known.push((spec, facts)),
            Some(Fact::Unknown(gap)) => {
                let mut held =
                    Held::new(spec.server.as_str(), gap.to_string(), "no volume can be made or changed while the key server is not seen");
                held.unreachable = true;
                part.held.push(held);
            }
            Some(Fact::Absent) | None => {}
        }
    }
    let lines: Vec<(Name, Entry)> =
        known.iter().flat_map(|(spec, facts)| facts.lines.iter().map(|l| (spec.server.clone(), line::parse(l)))).collect();
    for (spec, facts) in &known {
        set_up(spec, facts, &mut part);
        super::revocation::strangers(&wanted, spec, &lines, &mut part);
    }
    // A server that is not seen may have the share, and may know the node by another key.
    if known.len() < wanted.servers.len() {
        return part;
    }
    namesakes(&known, &lines, &mut part);
    super::shares::plan(&known, &wanted, nodes, &mut part);
    let doubts: BTreeSet<String> = part.held.iter().filter_map(|h| Some(h.object.split_once('/')?.0.to_owned())).collect();
    for (spec, facts) in &known {
        // A node whose share is lost is not let in: what is put back later says by which key it is known.
        for node in spec.nodes.iter().filter(|n| !doubts.contains(n.name.as_str())) {
            // A node that was not seen keeps what it has here.
            if let Some(own) = nodes.get(&node.name).and_then(Fact::known) {
                one_enrolment(spec, facts, node, own, &lines, &mut part);
            }
        }
    }
    let known_hosts: String = known.iter().map(|(spec, facts)| known_host(&spec.address, spec.port, &facts.host_key)).collect();
    for (name, facts) in nodes.iter().filter_map(|(name, fact)| Some((name, fact.known()?))) {
        one_node(name, facts, &known_hosts, &mut part);
    }
    part
}

fn set_up(spec: &KeyServerSpec, facts: &ServerFacts, part: &mut Part<Action>) {
    if !facts.user || spec.files().iter().any(|f| facts.files.get(&f.path) != Some(&digest(&f.text))) {
        let why = "user, folder and forced command for the nodes' keys";
        part.push(Step::new(target(spec), "keyserver", "setup", Action::Setup { spec: spec.clone() }, why));
    }
}

/// Two nodes of one name would have one folder for their shares.
fn namesakes(known: &[(&KeyServerSpec, &ServerFacts)], lines: &[(Name, Entry)], part: &mut Part<Action>) {
    let Some((spec, _)) = known.first() else { return };
    for (server, entry) in lines {
        if let Entry::Enrolled(Line { cluster: Some(cluster), node, .. }) = entry
            && *cluster != spec.cluster
            && spec.nodes.iter().any(|n| n.name == *node)
        {
            let reason = format!("on {server} a node of the cluster {cluster} has the same name: their keys would lie in one folder");
            part.held.push(Held::new(format!("{node}/keys"), reason, "rename the node, or use another key server"));
        }
    }
}

/// A first enrolment, and another address for the same key, are safe. Another key than the one that is enrolled, on any server, may be
/// a reinstalled node or somebody in its place, and a node that was shut out was so for a reason: both ask.
fn one_enrolment(
    spec: &KeyServerSpec,
    facts: &ServerFacts,
    node: &EnrolledNode,
    own: &NodeFacts,
    lines: &[(Name, Entry)],
    part: &mut Part<Action>,
) {
    let (mut replaces, mut other, mut revoked) = (None, false, false);
    for (server, entry) in lines {
        match entry {
            Entry::Enrolled(found) if found.node == node.name => {
                if let Some(cluster) = found.cluster.as_ref().filter(|c| **c != spec.cluster) {
                    let reason =
                        format!("on {server} a node of the cluster {cluster} has the same name: their keys would lie in one folder");
                    part.held.push(Held::new(format!("{}/keys", node.name), reason, "rename the node, or use another key server"));
                    return;
                }
                other |= own.key.as_ref() != Some(&found.key);
                if *server == spec.server {
                    replaces = Some(Replaced { key: found.key.clone(), address: found.address.clone() });
                }
            }
            Entry::Revoked { cluster, node: named } if *named == node.name && *cluster == spec.cluster => revoked = true,
            Entry::Enrolled(_) | Entry::Revoked { .. } | Entry::Foreign => {}
        }
    }
    let line = own.key.as_ref().map(|key| line::render(spec, node, key));
    let mark = line::revoked(&spec.cluster, &node.name);
    if line.is_some_and(|line| facts.lines.contains(&line)) && !facts.lines.contains(&mark) {
        return;
    }
    let why = match (revoked, other) {
        (true, _) => format!("let {} in again from {}: it was shut out", node.name, node.address),
        (false, true) => format!("let {} in with another key than the enrolled one: was it reinstalled?", node.name),
        (false, false) => format!("let {} fetch its own keys from {}", node.name, node.address),
    };
    let action = Action::Enrol { spec: spec.clone(), node: node.clone(), key: own.key.clone(), replaces, revoked };
    let after = [StepId::new(spec.server.as_str(), "keyserver", "setup"), StepId::new(node.name.as_str(), "keypair", "make")];
    let step = Step::new(target(spec), node.name.as_str(), "enrol", action, why).after(after);
    part.push(if revoked || other { step.risk(Risk::Disrupts).asking() } else { step });
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
    use super::super::fixture::{KEY, OTHER, blank, members, name, second, spec};
    use super::*;

    fn ids(part: &Part<Action>) -> BTreeSet<&str> {
        part.steps.iter().map(|s| s.id.0.as_str()).collect()
    }

    fn nodes(key: Option<&str>) -> BTreeMap<Name, Fact<NodeFacts>> {
        BTreeMap::from([(name("kube1"), Fact::Known(NodeFacts { key: key.map(str::to_owned), files: BTreeMap::new() }))])
    }

    fn sums(files: &[Owned]) -> BTreeMap<String, String> {
        files.iter().map(|f| (f.path.clone(), digest(&f.text))).collect()
    }

    /// A server that is set up, with these lines.
    fn server(spec: &KeyServerSpec, lines: &[String]) -> ServerFacts {
        let shares = BTreeMap::from([("kube1/data".to_owned(), "aa".to_owned())]);
        ServerFacts { user: true, files: sums(&spec.files()), lines: lines.to_vec(), shares, ..blank() }
    }

    fn run(servers: &[(KeyServerSpec, ServerFacts)], nodes: &BTreeMap<Name, Fact<NodeFacts>>) -> Part<Action> {
        let specs: Vec<KeyServerSpec> = servers.iter().map(|(s, _)| s.clone()).collect();
        let seen = servers.iter().map(|(s, f)| (s.server.clone(), Fact::Known(f.clone()))).collect();
        plan(Wanted { servers: &specs, members: &members(), made: &BTreeSet::new() }, &seen, nodes)
    }

    fn enrolled(spec: &KeyServerSpec, key: &str) -> String {
        line::render(spec, &spec.nodes[0], key)
    }

    fn step<'a>(part: &'a Part<Action>, id: &str) -> &'a Step<Action> {
        part.steps.iter().find(|s| s.id.0 == id).unwrap()
    }

    #[test]
    fn a_blank_pair_gets_all_and_a_finished_one_nothing() {
        let spec = spec();
        let part = run(&[(spec.clone(), blank())], &nodes(None));
        let all = [
            "kube1/keypair/make",
            "kube1/keys/client",
            "masterlock/keyserver/setup",
            "masterlock/kube1.data/share",
            "masterlock/kube1/enrol",
        ];
        assert_eq!(ids(&part), BTreeSet::from(all));
        assert!(part.steps.iter().all(|s| s.risk == Risk::Safe && !s.needs_consent()), "a first enrolment asks nobody");
        assert!(ready(std::slice::from_ref(&spec), &name("kube1")).iter().all(|id| all.contains(&id.0.as_str())));

        let known = known_host("10.77.0.5", 22, KEY);
        let files = BTreeMap::from([(CLIENT_PATH.to_owned(), digest(CLIENT)), (KNOWN_HOSTS.to_owned(), digest(&known))]);
        let nodes = BTreeMap::from([(name("kube1"), Fact::Known(NodeFacts { key: Some(KEY.into()), files }))]);
        let facts = server(&spec, &[enrolled(&spec, KEY)]);
        let part = run(&[(spec, facts)], &nodes);
        assert!(part.steps.is_empty() && part.held.is_empty(), "{:?}", ids(&part));
    }

    #[test]
    fn a_server_that_is_not_seen_holds_and_changes_nothing() {
        let gap = Fact::Unknown(kubestead_core::fact::Gap::new("no connection"));
        let (specs, none) = ([spec()], BTreeSet::new());
        let wanted = Wanted { servers: &specs, members: &members(), made: &none };
        let part = plan(wanted, &BTreeMap::from([(name("masterlock"), gap)]), &nodes(None));
        assert!(part.steps.is_empty() && part.held[0].unreachable);
    }

    #[test]
    fn another_key_asks_on_every_server_and_another_address_does_not() {
        let (one, two) = (spec(), second());
        let part = run(&[(one.clone(), server(&one, &[enrolled(&one, OTHER)])), (two.clone(), server(&two, &[]))], &nodes(Some(KEY)));
        for id in ["masterlock/kube1/enrol", "spare/kube1/enrol"] {
            assert!(step(&part, id).asks && step(&part, id).risk == Risk::Disrupts, "{id}");
        }
        let gone = run(&[(one.clone(), server(&one, &[enrolled(&one, OTHER)]))], &nodes(None));
        assert!(step(&gone, "masterlock/kube1/enrol").asks, "a node that lost its key asks too");
        let moved = enrolled(&one, KEY).replace("10.77.0.21", "10.77.0.99");
        let old = enrolled(&one, KEY).replace("kubestead:home/kube1", "masterlock@kube1");
        for line in [moved, old] {
            let part = run(&[(one.clone(), server(&one, &[line]))], &nodes(Some(KEY)));
            assert!(!step(&part, "masterlock/kube1/enrol").needs_consent());
        }
    }

    #[test]
    fn a_node_that_was_shut_out_asks_to_come_back() {
        let spec = spec();
        let mark = line::revoked(&name("home"), &name("kube1"));
        let part = run(&[(spec.clone(), server(&spec, &[mark]))], &nodes(Some(KEY)));
        assert!(step(&part, "masterlock/kube1/enrol").asks);
    }

    #[test]
    fn a_node_that_left_the_file_is_shut_out_and_other_lines_stay() {
        let spec = spec();
        let gone = |cluster: &str| enrolled(&spec, OTHER).replace("kube1", "kube2").replace(":home/", &format!(":{cluster}/"));
        let lines = [enrolled(&spec, KEY), gone("home"), gone("work").replace("kube2", "kube3"), "ssh-ed25519 AAAA me@desk".to_owned()];
        let part = run(&[(spec.clone(), server(&spec, &lines))], &nodes(Some(KEY)));
        let steps: Vec<_> = ids(&part).into_iter().filter(|id| id.starts_with("masterlock/")).collect();
        assert_eq!(steps, ["masterlock/kube2/revoke"]);
        assert_eq!(step(&part, "masterlock/kube2/revoke").risk, Risk::Disrupts);
    }

    #[test]
    fn a_node_of_the_same_name_of_another_cluster_holds() {
        let spec = spec();
        let lines = [enrolled(&spec, OTHER).replace(":home/", ":work/")];
        let part = run(&[(spec.clone(), server(&spec, &lines))], &nodes(Some(KEY)));
        assert!(!ids(&part).contains("masterlock/kube1/enrol") && part.held[0].reason.contains("cluster work"), "{:?}", part.held);
    }
}
