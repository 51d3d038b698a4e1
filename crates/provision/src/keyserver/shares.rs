//! The server's share of a volume's key: made once, on the first server, and the same on all others.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Step, StepId};

use super::observe::{NodeFacts, ServerFacts};
use super::plan::{Action, Wanted, target};
use super::spec::KeyServerSpec;

/// The steps for the shares of all nodes that were seen. All servers must have been seen: a share that one of them has is never made anew.
pub(super) fn plan(
    servers: &[(&KeyServerSpec, &ServerFacts)],
    wanted: &Wanted<'_>,
    nodes: &BTreeMap<Name, Fact<NodeFacts>>,
    part: &mut Part<Action>,
) {
    let Some((first, _)) = servers.first() else { return };
    for node in first.nodes.iter().filter(|n| nodes.get(&n.name).is_some_and(|f| f.known().is_some())) {
        if part.held.iter().any(|h| h.object == format!("{}/keys", node.name)) {
            continue;
        }
        for volume in &node.volumes {
            one(servers, &node.name, volume, wanted.made.contains(&(node.name.clone(), volume.clone())), part);
        }
    }
}

fn one(servers: &[(&KeyServerSpec, &ServerFacts)], node: &Name, volume: &Name, made: bool, part: &mut Part<Action>) {
    let path = format!("{node}/{volume}");
    let object = format!("{node}.{volume}");
    let setup = |spec: &KeyServerSpec| StepId::new(spec.server.as_str(), "keyserver", "setup");
    let holders: Vec<(&KeyServerSpec, &String)> = servers.iter().filter_map(|(s, f)| Some((*s, f.shares.get(&path)?))).collect();
    let different: BTreeSet<&String> = holders.iter().map(|(_, sum)| *sum).collect();
    let held = |reason: String, hint: &str| Held::new(path.clone(), reason, hint);
    match (holders.first(), different.len()) {
        (None, _) if made => {
            let names: Vec<&str> = servers.iter().map(|(s, _)| s.server.as_str()).collect();
            let reason = format!("{} has no share of its key, and a new one would not open it", names.join(" and "));
            part.held.push(held(reason, "`kubestead key restore` puts it back from an export; the recovery key opens the volume"));
        }
        (None, _) => {
            let mut all = servers.iter().map(|(s, _)| *s);
            let Some(first) = all.next() else { return };
            let action = Action::Share { spec: first.clone(), node: node.clone(), volume: volume.clone() };
            let made =
                part.push(Step::new(target(first), &object, "share", action, "make the server's share of the key").after([setup(first)]));
            for spec in all {
                copy(spec, first, node, volume, None, [setup(spec), made.clone()], part);
            }
        }
        (Some((from, sum)), 1) => {
            for (spec, _) in servers.iter().filter(|(_, f)| !f.shares.contains_key(&path)) {
                copy(spec, from, node, volume, Some((*sum).clone()), [setup(spec), setup(from)], part);
            }
        }
        (Some(_), _) => {
            let names: Vec<&str> = holders.iter().map(|(s, _)| s.server.as_str()).collect();
            let reason = format!("{} have different shares of its key", names.join(" and "));
            part.held.push(held(reason, "`kubestead key doctor` tells which one opens it: remove the other by hand, and `up` copies"));
        }
    }
}

fn copy(
    spec: &KeyServerSpec,
    from: &KeyServerSpec,
    node: &Name,
    volume: &Name,
    sha256: Option<String>,
    after: [StepId; 2],
    part: &mut Part<Action>,
) {
    let action = Action::Copy {
        spec: spec.clone(),
        from: from.server.clone(),
        directory: from.directory.clone(),
        node: node.clone(),
        volume: volume.clone(),
        sha256,
    };
    let why = format!("the share of the key that {} has", from.server);
    part.push(Step::new(target(spec), &format!("{node}.{volume}"), "share", action, why).after(after));
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{KEY, blank, members, name, second, spec};
    use super::super::plan::plan;
    use super::*;

    /// Two servers with these shares of kube1/data.
    fn run(shares: [Option<&str>; 2], made: bool) -> Part<Action> {
        let specs = [spec(), second()];
        let facts = |share: Option<&str>| {
            let shares = share.map(|sum| ("kube1/data".to_owned(), sum.to_owned())).into_iter().collect();
            Fact::Known(ServerFacts { shares, ..blank() })
        };
        let seen = specs.iter().zip(shares).map(|(s, share)| (s.server.clone(), facts(share))).collect();
        let made = made.then(|| (name("kube1"), name("data"))).into_iter().collect();
        let nodes = BTreeMap::from([(name("kube1"), Fact::Known(NodeFacts { key: Some(KEY.into()), files: BTreeMap::new() }))]);
        plan(Wanted { servers: &specs, members: &members(), made: &made }, &seen, &nodes)
    }

    fn shares(part: &Part<Action>) -> Vec<(&str, bool)> {
        let share = |s: &Step<Action>| s.id.0.ends_with("/share");
        let found = part.steps.iter().filter(|s| share(s));
        found.map(|s| (s.id.0.split('/').next().unwrap(), matches!(s.action, Action::Copy { .. }))).collect()
    }

    #[test]
    fn a_share_is_made_once_and_is_the_same_on_all_servers() {
        let part = run([None, None], false);
        assert_eq!(shares(&part), [("masterlock", false), ("spare", true)]);
        let copy = part.steps.iter().find(|s| s.id.0 == "spare/kube1.data/share").unwrap();
        assert!(copy.after.contains(&StepId::new("masterlock", "kube1.data", "share")));
        assert_eq!(shares(&run([None, Some("aa")], true)), [("masterlock", true)]);
        assert_eq!(shares(&run([Some("aa"), Some("aa")], true)), []);
    }

    #[test]
    fn a_lost_share_of_a_made_volume_is_held_and_so_are_two_that_differ() {
        for (found, made, word) in [([None, None], true, "would not open"), ([Some("aa"), Some("bb")], true, "different shares")] {
            let part = run(found, made);
            assert!(shares(&part).is_empty() && part.held[0].reason.contains(word), "{:?}", part.held);
            assert_eq!(part.held[0].object, "kube1/data");
            assert!(!part.steps.iter().any(|s| s.id.0.ends_with("/enrol")), "its node is not let in as if for the first time");
        }
    }
}
