//! A node's side: its own key pair, which it makes itself, and its ssh configuration for key servers.

use kubestead_core::claim::{self, Claims};
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Target};

use crate::keyserver::action::Action;
use crate::keyserver::ids;
use crate::keyserver::observe::ClientFacts;
use crate::keyserver::spec::{IDENTITY, PUBLIC, client_files, made_paths, own_paths};

fn all_paths() -> impl Iterator<Item = &'static str> {
    own_paths().into_iter().chain(made_paths())
}

/// What keeps a node from asking key servers: nothing is let in for it, and no share is made.
pub fn obstacles(name: &Name, facts: &ClientFacts) -> Vec<Held> {
    claim::obstacles(name.as_str(), &facts.files, all_paths())
}

/// The files of the key pair that a [`Action::KeyPair`] makes. A private key that can be read is the node's, whoever made it.
fn makes(facts: &ClientFacts) -> Vec<&'static str> {
    let (private, public) = (facts.key.is_none(), facts.key.is_none() || facts.torn);
    private.then_some(IDENTITY).into_iter().chain(public.then_some(PUBLIC)).collect()
}

/// The steps of one node.
pub(super) fn plan(name: &Name, facts: &ClientFacts, known_hosts: &str, part: &mut Part<Action>) {
    let advice =
        "no key that kubestead can use is read from it (ed25519, without a passphrase); key servers then know the node by a new one";
    let mut claims = match Claims::new(name.as_str(), &facts.files, all_paths()) {
        Ok(claims) => claims.advice(IDENTITY, advice),
        Err(held) => return part.held.extend(held),
    };
    let target = || Target::Host(name.to_string());
    let makes = makes(facts);
    if !makes.is_empty() || facts.loose {
        let why = match (facts.key.is_some(), makes.is_empty()) {
            (true, true) => "close the node's own private key to others",
            (true, false) => "write the public key of the node's own key pair",
            (false, _) => "make the node's own key pair",
        };
        let after: Vec<_> = makes.into_iter().filter_map(|path| claims.claim_made(path)).collect();
        part.push(ids::KEYPAIR.step(target(), Action::KeyPair, why).after(after));
    }
    let claim = claims.claim(&client_files(known_hosts));
    part.extend(claims.into_part("keys", Action::Adoption));
    if !claim.changed.is_empty() {
        let action = Action::Client { files: claim.changed };
        part.push(ids::CLIENT.step(target(), action, "pin the key server's host key").after(claim.after));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use kubestead_core::fact::Fact;
    use kubestead_core::plan::{Step, StepId};
    use kubestead_core::put::{Files, Found};

    use super::*;
    use crate::keyserver::fixture::{KEY, enrolled, key, members, name, server, spec, volumes};
    use crate::keyserver::observe::{ServerFacts, node_sections, read_node};
    use crate::keyserver::spec::Wanted;
    use crate::keyserver::twin::Server;
    use crate::keyserver::{check, spec as of};

    /// The plan for a node, beside a server that is set up and knows its key; the second pair of eyes finds nothing in it.
    fn run(facts: &ClientFacts) -> Part<Action> {
        let spec = spec();
        let seen = BTreeMap::from([(spec.server.clone(), Fact::<ServerFacts>::Known(server(&spec, &[enrolled(&spec, KEY)])))]);
        let nodes = BTreeMap::from([(name("kube1"), Fact::Known(facts.clone()))]);
        let specs = [spec];
        let wanted = Wanted { servers: &specs, members: &members(), made: &BTreeSet::new(), making: &volumes("data") };
        let part = crate::keyserver::plan(wanted, &seen, &nodes);
        assert_eq!(check(&seen, &nodes, part.steps.iter().map(|step| (step, &step.action))), Vec::<String>::new());
        // Without what comes before it no key pair is made.
        for step in part.steps.iter().filter(|step| step.action == Action::KeyPair && !step.after.is_empty()) {
            let alone = Step { after: BTreeSet::new(), ..step.clone() };
            assert!(check(&seen, &nodes, [(&alone, &alone.action)])[0].contains("would be replaced, which is not ours"));
        }
        part
    }

    fn ids(part: &Part<Action>) -> BTreeSet<&str> {
        part.steps.iter().map(|s| s.id.0.as_str()).collect()
    }

    fn make(part: &Part<Action>) -> &Step<Action> {
        part.steps.iter().find(|s| s.id.0 == "kube1/keypair/make").unwrap()
    }

    /// Its ssh configuration is as it shall be.
    fn configured() -> Files {
        let spec = spec();
        Files::holding(&client_files(&of::known_host(spec.address, spec.port, KEY)))
    }

    #[test]
    fn a_torn_public_key_is_written_again_and_asks_nobody() {
        let torn = ClientFacts { key: Some(key(KEY)), torn: true, ..ClientFacts::default() };
        let part = run(&torn);
        assert_eq!(ids(&part), BTreeSet::from(["kube1/keypair/make", "kube1/keys/client"]));
        assert!(!make(&part).needs_consent());
        let loose = ClientFacts { key: Some(key(KEY)), loose: true, files: configured(), ..ClientFacts::default() };
        assert!(ids(&run(&loose)) == BTreeSet::from(["kube1/keypair/make"]) && make(&run(&loose)).why.contains("close"));
        assert!(run(&ClientFacts { loose: false, ..loose }).steps.is_empty());
    }

    #[test]
    fn what_lies_in_the_place_of_the_key_pair_and_is_not_ours_asks_and_what_is_ours_does_not() {
        let adopts = |path: &str| StepId::new("kube1", path.trim_start_matches('/'), "adopt");
        let both = BTreeSet::from([adopts(IDENTITY), adopts(PUBLIC)]);
        let mut files = configured();
        files.foreign(IDENTITY, "a key with a passphrase\n");
        files.foreign(PUBLIC, "its public one\n");
        let unread = ClientFacts { files, torn: true, ..ClientFacts::default() };
        let part = run(&unread);
        assert_eq!(make(&part).after, both);
        let asks: BTreeSet<StepId> =
            part.steps.iter().filter(|s| both.contains(&s.id) && s.needs_consent()).map(|s| s.id.clone()).collect();
        assert_eq!(asks, both);
        let adoption = part.steps.iter().find(|s| s.id == adopts(IDENTITY)).unwrap();
        assert!(adoption.why.contains("no key that kubestead can use is read from it"), "{}", adoption.why);
        // With consent to both they are ours.
        let mut adopted = unread.clone();
        for step in &part.steps {
            if let Action::Adoption(adoption) = &step.action {
                adoption.model(&mut adopted.files);
            }
        }
        assert!(make(&run(&adopted)).after.is_empty());
        // A key that can be read stays, whoever made it; what lies beside it may be somebody's.
        let read = ClientFacts { key: Some(key(KEY)), ..unread };
        assert_eq!(make(&run(&read)).after, BTreeSet::from([adopts(PUBLIC)]));
        assert!(run(&ClientFacts { torn: false, ..read }).steps.is_empty());
        // Empty files, as a power cut leaves them, are nobody's.
        let mut files = configured();
        files.foreign(IDENTITY, "");
        files.foreign(PUBLIC, "");
        assert!(make(&run(&ClientFacts { files, torn: true, ..ClientFacts::default() })).after.is_empty());
    }

    #[test]
    fn a_link_in_the_place_of_a_key_is_held() {
        for path in made_paths() {
            let mut facts = ClientFacts { key: Some(key(KEY)), ..ClientFacts::default() };
            facts.files.found.insert(path.to_owned(), Found::Other);
            let part = run(&facts);
            assert!(part.steps.iter().all(|s| s.action != Action::KeyPair) && part.held[0].reason.contains(path), "{part:?}");
            assert_eq!(obstacles(&name("kube1"), &facts), part.held);
        }
    }

    #[test]
    fn the_look_at_a_key_tells_one_that_others_may_read_and_one_that_is_none() {
        let server = Server::new();
        let look = || {
            let (status, stdout, _) = server.look(&kubestead_core::probe::command(&node_sections(), "n1"));
            assert_eq!(status, 0);
            let answers = kubestead_core::probe::parse(&stdout, "n1").unwrap();
            let text = answers.text("keynode/key").unwrap().to_owned();
            assert!(!text.contains("PRIVATE"), "{text}");
            read_node(&kubestead_core::probe::Answers::from_pairs([("keynode/key", 0, text.as_str()), ("files", 0, "")])).unwrap()
        };
        assert_eq!(look(), ClientFacts::default());
        assert_eq!(server.run(&crate::keyserver::apply::key_pair()).0, 0);
        let seen = look();
        assert!(seen.key.is_some() && !seen.torn && !seen.loose);
        server.bash(&format!("chmod 644 {}/node/id_ed25519", server.path().display()), b"");
        assert_eq!(look(), ClientFacts { loose: true, ..seen.clone() });
        server.write("node/id_ed25519", "torn\n");
        assert_eq!(look(), ClientFacts { torn: true, ..ClientFacts::default() });
    }
}
