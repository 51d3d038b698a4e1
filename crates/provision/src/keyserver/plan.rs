//! From spec and facts to steps.

mod node;
mod revocation;
mod shares;

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::claim::{self, Claims};
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Risk, Step, StepId};

pub use node::obstacles;
pub use revocation::revocation;

use super::action::{Action, Replaced};
use super::ids;
use super::line::{self, Entry, Line, Lines};
use super::login;
use super::observe::{ALL, ClientFacts, ServerFacts};
use super::spec::{EnrolledNode, KEYS, KeyServerSpec, Wanted, known_host};

/// The steps after which a node can fetch its keys from all of these servers.
pub fn ready(servers: &[Name], node: &Name) -> BTreeSet<StepId> {
    let mut ids = BTreeSet::from([ids::CLIENT.on(node)]);
    for server in servers {
        ids.extend([ids::SETUP.on(server), ids::ENROL.on(server, node), ids::SHARES.on(server, node)]);
        ids.extend(servers.iter().filter(|from| *from != server).map(|from| ids::COPY.on(server, ids::copied(node, from))));
    }
    ids
}

fn lines<'a>(known: &[(&'a KeyServerSpec, &'a ServerFacts)]) -> Lines<'a> {
    let mut found = Lines::new();
    for (spec, text) in known.iter().flat_map(|(spec, facts)| facts.lines.iter().map(move |line| (spec, line))) {
        let entry = line::parse(text);
        let node = match &entry {
            Entry::Enrolled(Line { node, .. }) | Entry::Revoked { node, .. } => node.clone(),
            Entry::Foreign => continue,
        };
        found.entry(node).or_default().push((&spec.server, text.as_str(), entry));
    }
    found
}

/// The steps for all servers and their nodes. What is held about a node is called `NODE/…`, what is held about a server by its name.
pub fn plan(wanted: Wanted<'_>, seen: &BTreeMap<Name, Fact<ServerFacts>>, nodes: &BTreeMap<Name, Fact<ClientFacts>>) -> Part<Action> {
    let mut part = Part::default();
    let mut known = Vec::new();
    for spec in wanted.servers {
        match seen.get(&spec.server) {
            Some(Fact::Known(facts)) => known.push((spec, facts)),
            Some(Fact::Unknown(gap)) => {
                let mut held =
                    Held::host(&spec.server, gap.to_string(), "no volume can be made or changed while the key server is not seen");
                held.unreachable = true;
                part.held.push(held);
            }
            Some(Fact::Absent) | None => {}
        }
    }
    let lines = lines(&known);
    let mut all = known.len() == wanted.servers.len();
    for (spec, facts) in &known {
        match hindrance(spec, facts) {
            Some(held) => {
                part.held.push(held);
                all = false;
            }
            None => set_up(spec, facts, &mut part),
        }
        revocation::strangers(&wanted, spec, &lines, &mut part);
    }
    // A server that is not seen may have the share, and may know the node by another key. One that lets nobody in serves no volume.
    if !all {
        return part;
    }
    namesakes(&known, &lines, &mut part);
    no_folders(&known, &mut part);
    shares::plan(&known, &wanted, nodes, &mut part);
    let doubts: BTreeSet<String> = part.held.iter().filter_map(|h| h.on_host().map(str::to_owned)).collect();
    for (spec, _) in &known {
        // A node whose share is lost is not let in: what is put back later says by which key it is known.
        for node in spec.nodes.iter().filter(|n| !doubts.contains(n.name.as_str())) {
            // A node that was not seen keeps what it has here.
            if let Some(own) = nodes.get(&node.name).and_then(Fact::known) {
                let about = lines.get(&node.name).map_or(&[][..], Vec::as_slice);
                part.steps.extend(one_enrolment(spec, node, own, about));
            }
        }
    }
    let known_hosts: String = known.iter().map(|(spec, facts)| known_host(spec.address, spec.port, &facts.host_key)).collect();
    for (name, facts) in nodes.iter().filter_map(|(name, fact)| Some((name, fact.known()?))) {
        node::plan(name, facts, &known_hosts, &mut part);
    }
    part
}

/// What keeps a server from being ours, or its nodes from logging in. Nothing is done there then.
fn hindrance(spec: &KeyServerSpec, facts: &ServerFacts) -> Option<Held> {
    let held = |reason: String, hint: String| Some(Held::host(&spec.server, reason, hint));
    if let Some((reason, hint)) = login::not_ours(&spec.site, &facts.account) {
        return held(reason, hint);
    }
    let paths = spec.site.own_paths().into_iter().chain([KEYS.to_owned()]);
    if let Some(other) = claim::obstacles(spec.server.as_str(), &facts.files, paths).pop() {
        return held(other.reason, other.hint);
    }
    if facts.others.contains(ALL) {
        let directory = &spec.site.directory;
        let hint = format!("put a folder there: the shares may be where the link leads (`ls -l {directory}/`)");
        return held(format!("{directory}, where the shares belong, is a link, or another thing than a folder"), hint);
    }
    match &facts.sshd {
        Fact::Unknown(gap) => {
            held(gap.to_string(), format!("fix it, and look with `sshd -t` on {}: no sshd starts there at the next boot", spec.server))
        }
        Fact::Known(_) | Fact::Absent if facts.unincluded => held(
            "/etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf, where the rules for the account are".to_owned(),
            format!("add `Include /etc/ssh/sshd_config.d/*.conf` at the top of that file on {}", spec.server),
        ),
        Fact::Known(rules) => {
            let reason = login::refused(spec, &facts.account, rules)?;
            held(reason, format!("change sshd's configuration on {}: no node gets its keys there until then", spec.server))
        }
        Fact::Absent => None,
    }
}

/// Sets a server up.
pub fn setup(spec: &KeyServerSpec) -> Action {
    Action::Setup { site: spec.site.clone(), from: spec.origin() }
}

fn set_up(spec: &KeyServerSpec, facts: &ServerFacts, part: &mut Part<Action>) {
    let files = spec.site.files();
    // What is no file was found before.
    let Ok(mut claims) = Claims::new(spec.server.as_str(), &facts.files, spec.site.own_paths()) else { return };
    let claim = claims.claim(&files);
    let account = facts.account.entry.is_some() && !login::locked(&facts.account);
    let wanted = !account || !claim.changed.is_empty() || claims.pending();
    part.extend(claims.into_part("keyserver", Action::Adoption));
    if wanted {
        let why = "account, folder and forced command for the nodes' keys, and sshd's rules for the account";
        part.push(ids::SETUP.step(spec.target(), setup(spec), why).after(claim.after));
    }
}

/// Two nodes of one name would have one folder for their shares.
fn namesakes(known: &[(&KeyServerSpec, &ServerFacts)], lines: &Lines<'_>, part: &mut Part<Action>) {
    let Some((spec, _)) = known.first() else { return };
    for (server, _, entry) in spec.nodes.iter().filter_map(|n| lines.get(&n.name)).flatten() {
        if let Entry::Enrolled(Line { cluster: Some(cluster), node, .. }) = entry
            && *cluster != spec.site.cluster
        {
            let reason = format!("on {server} a node of the cluster {cluster} has the same name: their keys would lie in one folder");
            part.held.push(Held::on(node, "keys", reason, "rename the node, or use another key server"));
        }
    }
}

/// What is no folder where a node's shares belong: they may lie where a link leads, so that none of its shares is known to be missing.
fn no_folders(known: &[(&KeyServerSpec, &ServerFacts)], part: &mut Part<Action>) {
    for (spec, facts) in known {
        for node in spec.nodes.iter().filter(|node| facts.others.contains(node.name.as_str())) {
            let folder = format!("{}/{}", spec.site.directory, node.name);
            let reason = format!("on {} {folder}, where its shares belong, is a link, or another thing than a folder", spec.server);
            part.held.push(Held::on(&node.name, "keys", reason, "put a folder there: the shares may be where the link leads"));
        }
    }
}

/// A first enrolment, and another address for the same key, are safe. Another key than the one that is enrolled, on any server, may be
/// a reinstalled node or somebody in its place, and a node that was shut out was so for a reason: both ask. `lines`: those about the node.
fn one_enrolment(spec: &KeyServerSpec, node: &EnrolledNode, own: &ClientFacts, lines: &[(&Name, &str, Entry)]) -> Option<Step<Action>> {
    let (mut replaces, mut texts, mut other, mut revoked, mut marked) = (Vec::new(), Vec::new(), false, false, false);
    for (server, text, entry) in lines {
        match entry {
            Entry::Enrolled(found) => {
                other |= own.key.as_ref() != Some(&found.key);
                if **server == spec.server {
                    replaces.push(Replaced { key: found.key.clone(), address: found.address.clone() });
                    texts.push(*text);
                }
            }
            Entry::Revoked { cluster, .. } if *cluster == spec.site.cluster => {
                revoked = true;
                marked |= **server == spec.server;
            }
            Entry::Revoked { .. } | Entry::Foreign => {}
        }
    }
    let line = own.key.as_ref().map(|key| line::render(&spec.site, &node.name, node.address, key));
    // One line, and that one: a second one would let another key in.
    if line.is_some_and(|line| texts == [line.as_str()]) && !marked {
        return None;
    }
    let why = match (revoked, other) {
        (true, _) => format!("let {} in again from {}: it was shut out", node.name, node.address),
        (false, true) => format!("let {} in with another key than the enrolled one: was it reinstalled?", node.name),
        (false, false) => format!("let {} fetch its own keys from {}", node.name, node.address),
    };
    let action =
        Action::Enrol { site: spec.site.clone(), node: node.name.clone(), address: node.address, key: own.key.clone(), replaces, revoked };
    let after = [ids::SETUP.on(&spec.server), ids::KEYPAIR.on(&node.name)];
    let step = ids::ENROL.step(spec.target(), &node.name, action, why).after(after);
    Some(if revoked || other { step.risk(Risk::Disrupts).asking() } else { step })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use kubestead_core::put::{Files, Found};

    use super::super::fixture::{KEY, OTHER, blank, enrolled, key, members, name, second, server, spec, volumes};
    use super::super::login::{AccountFacts, Password, Rules};
    use super::super::spec::{client_files, own_paths};
    use super::*;

    fn ids(part: &Part<Action>) -> BTreeSet<&str> {
        part.steps.iter().map(|s| s.id.0.as_str()).collect()
    }

    fn nodes(text: Option<&str>) -> BTreeMap<Name, Fact<ClientFacts>> {
        BTreeMap::from([(name("kube1"), Fact::Known(ClientFacts { key: text.map(key), ..ClientFacts::default() }))])
    }

    fn run(servers: &[(KeyServerSpec, ServerFacts)], nodes: &BTreeMap<Name, Fact<ClientFacts>>) -> Part<Action> {
        let specs: Vec<KeyServerSpec> = servers.iter().map(|(s, _)| s.clone()).collect();
        let seen = servers.iter().map(|(s, f)| (s.server.clone(), Fact::Known(f.clone()))).collect();
        let wanted = Wanted { servers: &specs, members: &members(), made: &BTreeSet::new(), making: &volumes("data") };
        plan(wanted, &seen, nodes)
    }

    fn step<'a>(part: &'a Part<Action>, id: &str) -> &'a Step<Action> {
        part.steps.iter().find(|s| s.id.0 == id).unwrap()
    }

    /// A server and a node of which nothing is left to do, but for what is changed of the files of each.
    fn changed(change: &dyn Fn(&mut Files)) -> Part<Action> {
        let spec = spec();
        let mut facts = server(&spec, &[enrolled(&spec, KEY)]);
        let mut files = Files::holding(&client_files(&known_host(spec.address, 22, KEY)));
        change(&mut facts.files);
        change(&mut files);
        let nodes = BTreeMap::from([(name("kube1"), Fact::Known(ClientFacts { key: Some(key(KEY)), files, ..ClientFacts::default() }))]);
        let seen = BTreeMap::from([(spec.server.clone(), Fact::Known(facts.clone()))]);
        let part = run(&[(spec, facts)], &nodes);
        assert_eq!(super::super::check(&seen, &nodes, part.steps.iter().map(|step| (step, &step.action))), Vec::<String>::new());
        part
    }

    #[test]
    fn every_file_of_somebody_else_asks_and_its_writer_waits() {
        let server = spec().site.own_paths().map(|path| ("masterlock", path, "masterlock/keyserver/setup"));
        let node = own_paths().map(|path| ("kube1", path.to_owned(), "kube1/keys/client"));
        for (host, path, writer) in server.into_iter().chain(node) {
            let only = |files: &mut Files, change: &dyn Fn(&mut Files)| {
                if files.found.contains_key(&path) {
                    change(files);
                }
            };
            let foreign = |files: &mut Files| files.foreign(&path, "theirs\n");
            let unknown = |files: &mut Files| _ = (files.written.remove(&path), files.foreign(&path, "theirs\n"));
            for change in [&foreign as &dyn Fn(&mut Files), &unknown] {
                let part = changed(&|files| only(files, change));
                let adopt = format!("{host}{path}/adopt");
                assert_eq!(ids(&part), BTreeSet::from([adopt.as_str(), writer]));
                assert!(step(&part, &adopt).needs_consent() && step(&part, writer).after.contains(&step(&part, &adopt).id));
                // With consent it is ours, and what is written then is all.
                let Action::Adoption(adoption) = &step(&part, &adopt).action else { panic!("{part:?}") };
                let adopted = |files: &mut Files| only(files, &|files| _ = (change(files), adoption.model(files)));
                assert_eq!(ids(&changed(&adopted)), BTreeSet::from([writer]));
                let writes = step(&part, writer).action.writes();
                let written = |files: &mut Files| only(files, &|files| _ = (adopted(files), writes.iter().for_each(|f| files.put(f))));
                assert!(changed(&written).steps.is_empty());
            }
            assert_eq!(ids(&changed(&|files| _ = files.found.remove(&path))), BTreeSet::from([writer]), "one that is missing");
            let link = changed(&|files| only(files, &|files| _ = files.found.insert(path.clone(), Found::Other)));
            assert!(
                !ids(&link).contains(writer) && link.held[0].reason.contains(&path) && link.held[0].object.starts_with(host),
                "{link:?}"
            );
        }
        assert_eq!(ids(&changed(&|files| files.pending = true)), BTreeSet::from(["masterlock/keyserver/setup"]));
        assert_eq!(ids(&changed(&|files| files.written.clear())), BTreeSet::from(["kube1/keys/record", "masterlock/keyserver/record"]));
        let keys = changed(&|files| _ = files.found.insert(KEYS.to_owned(), Found::Other));
        assert!(keys.steps.is_empty() && keys.held[0].object == "masterlock", "{keys:?}");
    }

    #[test]
    fn a_blank_pair_gets_all_and_a_finished_one_nothing() {
        let spec = spec();
        let part = run(&[(spec.clone(), blank())], &nodes(None));
        let all =
            ["kube1/keypair/make", "kube1/keys/client", "masterlock/keyserver/setup", "masterlock/kube1/shares", "masterlock/kube1/enrol"];
        assert_eq!(ids(&part), BTreeSet::from(all));
        assert!(part.steps.iter().all(|s| s.risk == Risk::Safe && !s.needs_consent()), "a first enrolment asks nobody");
        assert!(ready(&[name("masterlock")], &name("kube1")).iter().all(|id| all.contains(&id.0.as_str())));

        let part = changed(&|_| ());
        assert!(part.steps.is_empty() && part.held.is_empty(), "{:?}", ids(&part));
    }

    #[test]
    fn a_server_that_is_not_seen_holds_and_changes_nothing() {
        let gap = Fact::Unknown(kubestead_core::fact::Gap::new("no connection"));
        let (specs, none) = ([spec()], BTreeSet::new());
        let wanted = Wanted { servers: &specs, members: &members(), made: &none, making: &none };
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

    #[test]
    fn a_second_line_of_another_key_does_not_stay() {
        let spec = spec();
        let part = run(&[(spec.clone(), server(&spec, &[enrolled(&spec, KEY), enrolled(&spec, OTHER)]))], &nodes(Some(KEY)));
        let Action::Enrol { replaces, .. } = &step(&part, "masterlock/kube1/enrol").action else { unreachable!() };
        assert_eq!(replaces.iter().map(|r| r.key.as_str()).collect::<Vec<_>>(), [KEY, OTHER]);
        assert!(step(&part, "masterlock/kube1/enrol").asks);
    }

    /// A finished server with something changed: what is held, and no step there or on the node.
    fn held(change: impl Fn(&mut ServerFacts)) -> Held {
        let spec = spec();
        let mut facts = server(&spec, &[]);
        change(&mut facts);
        let part = run(&[(spec, facts), (second(), server(&second(), &[]))], &nodes(None));
        assert!(part.steps.is_empty() && part.held.len() == 1 && part.held[0].object == "masterlock", "{part:?}");
        part.held[0].clone()
    }

    #[test]
    fn an_account_that_kubestead_did_not_make_is_held_and_nothing_is_done_there() {
        assert!(held(|f| f.account.login = "masterlock".into()).reason.contains("logs in by"));
        assert!(held(|f| f.account.entry = Some((0, "/root".into()))).reason.contains("was not made by kubestead"));
        assert!(held(|f| f.account.entry = Some((1000, "/home/me".into()))).hint.contains("name another account"));
    }

    #[test]
    fn another_account_in_the_file_than_that_of_the_shares_is_held() {
        let moved = held(|f| {
            f.account = AccountFacts { others: BTreeSet::from(["keys".into()]), login: "root".into(), ..AccountFacts::default() };
        });
        assert!(moved.reason.contains("are of the account keys") && moved.hint.contains("write `user: keys`"), "{moved:?}");
    }

    #[test]
    fn a_link_in_the_place_of_a_folder_of_shares_is_held_and_no_share_is_made_through_it() {
        let others = |path: &str| BTreeSet::from([path.to_owned()]);
        let found = held(|f| f.others = others(ALL));
        assert!(found.reason.starts_with("/k, where the shares belong, is a link") && found.hint.contains("ls -l /k/"), "{found:?}");
        let spec = spec();
        for (path, object, word) in
            [("kube1", "kube1/keys", "/k/kube1, where its shares belong"), ("kube1/data", "kube1/data", "in the place of its share")]
        {
            let mut facts = server(&spec, &[]);
            (facts.others, facts.shares) = (others(path), BTreeMap::new());
            let part = run(&[(spec.clone(), facts.clone())], &nodes(None));
            assert!(part.held.len() == 1 && part.held[0].object == object && part.held[0].reason.contains(word), "{:?}", part.held);
            assert!(!ids(&part).iter().any(|id| id.starts_with("masterlock/kube1")), "{:?}", ids(&part));
            // The other nodes go on, and so does this one once it is gone.
            facts.others = others("kube9");
            assert!(ids(&run(&[(spec.clone(), facts)], &nodes(None))).contains("masterlock/kube1/shares"));
        }
    }

    #[test]
    fn an_sshd_that_takes_in_no_drop_ins_is_held() {
        let found = held(|f| f.unincluded = true);
        assert!(found.reason.contains("does not include") && found.hint.contains("on masterlock"), "{found:?}");
        let both = held(|f| (f.unincluded, f.sshd) = (true, Fact::Unknown(kubestead_core::fact::Gap::new("sshd: not found"))));
        assert!(both.reason.contains("not found"), "what is worse is told: {both:?}");
    }

    #[test]
    fn what_sshd_refuses_is_held_and_a_locked_account_is_set_up_again() {
        let allow = Rules { allow_users: vec!["deploy".into()], ..Rules::default() };
        let found = held(|f| f.sshd = Fact::Known(vec![(spec().origin(), allow.clone())]));
        assert_eq!(found.reason, "sshd lets in deploy only (AllowUsers): add masterlock, from 10.77.0.21");
        let broken = held(|f| f.sshd = Fact::Unknown(kubestead_core::fact::Gap::new("sshd refuses its own configuration: line 3")));
        assert!(broken.hint.contains("sshd -t"), "{broken:?}");
        let spec = spec();
        let mut facts = server(&spec, &[enrolled(&spec, KEY)]);
        facts.account.password = Password::Locked;
        assert!(ids(&run(&[(spec, facts)], &nodes(Some(KEY)))).contains("masterlock/keyserver/setup"));
    }

    /// A cluster of so many nodes with 60 volumes and two servers, from nothing: the plan as it is saved.
    fn size(count: usize) -> usize {
        let volumes: Vec<Name> = (0..60).map(|n| name(&format!("volume-{n:02}"))).collect();
        let all: Vec<EnrolledNode> = (0..count)
            .map(|n| EnrolledNode {
                name: name(&format!("node-{n:03}")),
                address: IpAddr::from([10, 77, u8::try_from(n / 250).unwrap(), u8::try_from(n % 250).unwrap()]),
                volumes: volumes.clone(),
            })
            .collect();
        let specs = [spec(), second()].map(|s| KeyServerSpec { nodes: all.clone().into(), ..s });
        let members = all.iter().map(|n| n.name.clone()).collect();
        let making = all.iter().flat_map(|n| n.volumes.iter().map(|v| (n.name.clone(), v.clone()))).collect();
        let wanted = Wanted { servers: &specs, members: &members, made: &BTreeSet::new(), making: &making };
        let nodes = all.iter().map(|n| (n.name.clone(), Fact::Known(ClientFacts::default()))).collect();
        let part = plan(wanted, &specs.iter().map(|s| (s.server.clone(), Fact::Known(blank()))).collect(), &nodes);
        // A key pair, the ssh configuration, and on each server an enrolment and one action for all shares; two servers are set up.
        assert_eq!(part.steps.len(), 6 * count + 2);
        let part = part.without_idle(&kubestead_core::plan::Kinds::of(&[ids::KINDS]));
        serde_json::to_vec(&kubestead_core::plan::Plan::new(String::new(), String::new(), part).unwrap()).unwrap().len()
    }

    #[test]
    fn a_plan_of_many_nodes_with_many_volumes_is_small_and_grows_as_they_do() {
        let (half, whole) = (size(250), size(500));
        assert!(whole < 500 * 8 * 1024, "{whole} bytes");
        assert!(whole < half * 2 + 16 * 1024, "{half} and {whole} bytes");
    }
}
