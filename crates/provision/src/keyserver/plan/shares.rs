//! The server's shares of the keys of a node's volumes: made once, on the first server, and the same on all others.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part};

use crate::keyserver::action::Action;
use crate::keyserver::ids;
use crate::keyserver::observe::{ClientFacts, ServerFacts};
use crate::keyserver::spec::{EnrolledNode, KeyServerSpec, Wanted};

/// The servers with what was seen of them; never empty where one of their indexes is used.
type Servers<'a> = [(&'a KeyServerSpec, &'a ServerFacts)];

/// The steps for the shares of all nodes that were seen. All servers must have been seen: a share that one of them has is never made anew.
pub(super) fn plan(servers: &Servers<'_>, wanted: &Wanted<'_>, nodes: &BTreeMap<Name, Fact<ClientFacts>>, part: &mut Part<Action>) {
    let Some((first, _)) = servers.first() else { return };
    // What is held by now about a node is that its shares may be another's, or elsewhere.
    let namesakes: BTreeSet<String> = part.held.iter().filter_map(|h| h.on_host().map(str::to_owned)).collect();
    for node in first.nodes.iter().filter(|n| nodes.get(&n.name).is_some_and(|f| f.known().is_some())) {
        if namesakes.contains(node.name.as_str()) {
            continue;
        }
        let mut own = Own::default();
        for volume in &node.volumes {
            let of = (node.name.clone(), volume.clone());
            own.one(servers, &node.name, volume, (wanted.made.contains(&of), wanted.making.contains(&of)));
        }
        own.steps(servers, node, part);
    }
}

/// What one node's shares need: one action on a server, whatever the number of volumes.
#[derive(Default)]
struct Own {
    make: Vec<Name>,
    /// What is made takes the place of this.
    damaged: BTreeMap<Name, u64>,
    /// By the servers that get and that give.
    copies: BTreeMap<(usize, usize), Copies>,
    held: Vec<Held>,
}

/// Shares with their checksums, and what lies in their places.
#[derive(Default)]
struct Copies {
    shares: BTreeMap<Name, Option<String>>,
    damaged: BTreeMap<Name, u64>,
}

impl Own {
    /// `made`: there is a volume that a new share would not open. `making`: there will be one.
    fn one(&mut self, servers: &Servers<'_>, node: &Name, volume: &Name, (made, making): (bool, bool)) {
        if !made && !making {
            return; // something stands against it
        }
        let path = format!("{node}/{volume}");
        let name = |index: &usize| servers[*index].0.server.as_str();
        if let Some((spec, _)) = servers.iter().find(|(_, facts)| facts.others.contains(&path)) {
            let reason = format!("on {} a link, or another thing than a file, is in the place of its share", spec.server);
            let hint = format!("look at {}/{path} there, and put a regular file in its place or nothing", spec.site.directory);
            return self.held.push(Held::on(node, volume, reason, hint));
        }
        let holders: Vec<(usize, &String)> = servers.iter().enumerate().filter_map(|(n, (_, f))| Some((n, f.shares.get(&path)?))).collect();
        let damaged: BTreeMap<usize, u64> =
            servers.iter().enumerate().filter_map(|(n, (_, f))| Some((n, *f.damaged.get(&path)?))).collect();
        let different: BTreeSet<&String> = holders.iter().map(|(_, sum)| *sum).collect();
        let held = |reason: String, hint: String| Held::on(node, volume, reason, hint);
        match (holders.first(), different.len()) {
            (None, _) if made => {
                let names: Vec<&str> = servers.iter().map(|(s, _)| s.server.as_str()).collect();
                let found: Vec<String> = damaged.iter().map(|(n, size)| format!("; {} has {size} bytes in its place", name(n))).collect();
                let reason = format!("{} has no share of its key, and a new one would not open it{}", names.join(" and "), found.concat());
                let hint = "`kubestead key restore` puts it back from an export; the recovery key opens the volume";
                self.held.push(held(reason, hint.to_owned()));
            }
            (None, _) => {
                self.make.push(volume.clone());
                self.damaged.extend(damaged.get(&0).map(|size| (volume.clone(), *size)));
                for to in 1..servers.len() {
                    self.copy(to, 0, volume, None, damaged.get(&to));
                }
            }
            (Some((from, sum)), 1) => {
                for to in (0..servers.len()).filter(|to| !holders.iter().any(|(n, _)| n == to)) {
                    match damaged.get(&to) {
                        // It may be more than a share, and be needed: a person looks at it first.
                        Some(size) if made && *size > 0 => {
                            let reason = format!("{} has {size} bytes in the place of its share, and a share has 64", name(&to));
                            let file = format!("{}/{path}", servers[to].0.site.directory);
                            let hint = format!("look at {file} there and remove it by hand: `up` copies the share that {} has", name(from));
                            self.held.push(held(reason, hint));
                        }
                        found => self.copy(to, *from, volume, Some((*sum).clone()), found),
                    }
                }
            }
            (Some(_), _) => {
                let names: Vec<&str> = holders.iter().map(|(n, _)| name(n)).collect();
                let reason = format!("{} have different shares of its key", names.join(" and "));
                let hint = "`kubestead key doctor` tells which one opens it: remove the other by hand, and `up` copies";
                self.held.push(held(reason, hint.to_owned()));
            }
        }
    }

    fn copy(&mut self, to: usize, from: usize, volume: &Name, sum: Option<String>, damaged: Option<&u64>) {
        let copies = self.copies.entry((to, from)).or_default();
        copies.shares.insert(volume.clone(), sum);
        copies.damaged.extend(damaged.map(|size| (volume.clone(), *size)));
    }

    fn steps(self, servers: &Servers<'_>, node: &EnrolledNode, part: &mut Part<Action>) {
        part.held.extend(self.held);
        let setup = |index: usize| ids::SETUP.on(&servers[index].0.server);
        let made = ids::SHARES.on(&servers[0].0.server, &node.name);
        if !self.make.is_empty() {
            let why = format!("make the server's share of the key of {}", some(&self.make));
            let action =
                Action::Shares { site: servers[0].0.site.clone(), node: node.name.clone(), volumes: self.make, damaged: self.damaged };
            part.push(ids::SHARES.step(servers[0].0.target(), &node.name, action, why).after([setup(0)]));
        }
        for ((to, from), Copies { shares, damaged }) in self.copies {
            let (spec, other) = (servers[to].0, &servers[from].0.server);
            let why = format!("the share that {other} has of the key of {}", some(&shares.keys().cloned().collect::<Vec<_>>()));
            let action = Action::Copy { site: spec.site.clone(), from: other.clone(), node: node.name.clone(), shares, damaged };
            let step = ids::COPY.step(spec.target(), ids::copied(&node.name, other), action, why);
            part.push(step.after([setup(to), setup(from), made.clone()]));
        }
    }
}

/// Volumes for people: by name as long as they are few.
fn some(volumes: &[Name]) -> String {
    if volumes.len() > 4 {
        return format!("{} volumes", volumes.len());
    }
    volumes.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use kubestead_core::plan::{Step, StepId};

    use super::*;
    use crate::keyserver::fixture::{KEY, key, members, name, second, server, spec, volumes};
    use crate::keyserver::plan::plan;

    /// Two servers with these shares of kube1/data: a checksum, or a number of bytes that are none.
    fn run(shares: [Option<Result<&str, u64>>; 2], made: bool, making: bool) -> Part<Action> {
        let specs = [spec(), second()];
        let facts = |spec: &KeyServerSpec, share: Option<Result<&str, u64>>| {
            let mut facts = ServerFacts { shares: BTreeMap::new(), ..server(spec, &[]) };
            match share {
                Some(Ok(sum)) => drop(facts.shares.insert("kube1/data".to_owned(), sum.to_owned())),
                Some(Err(size)) => drop(facts.damaged.insert("kube1/data".to_owned(), size)),
                None => {}
            }
            Fact::Known(facts)
        };
        let seen = specs.iter().zip(shares).map(|(s, share)| (s.server.clone(), facts(s, share))).collect();
        let of = |wanted: bool| if wanted { volumes("data") } else { BTreeSet::new() };
        let nodes = BTreeMap::from([(name("kube1"), Fact::Known(ClientFacts { key: Some(key(KEY)), ..ClientFacts::default() }))]);
        plan(Wanted { servers: &specs, members: &members(), made: &of(made), making: &of(making) }, &seen, &nodes)
    }

    /// The steps about shares, each with what it takes the place of.
    fn shares(part: &Part<Action>) -> Vec<(&str, Option<u64>)> {
        let of = |s: &Step<Action>| match &s.action {
            Action::Shares { damaged, .. } | Action::Copy { damaged, .. } => Some(damaged.get(&name("data")).copied()),
            _ => None,
        };
        part.steps.iter().filter_map(|s| Some((s.id.0.as_str(), of(s)?))).collect()
    }

    const MAKE: &str = "masterlock/kube1/shares";
    const COPY: &str = "spare/kube1.masterlock/copy";
    const BACK: &str = "masterlock/kube1.spare/copy";

    #[test]
    fn a_share_is_made_once_and_is_the_same_on_all_servers() {
        let part = run([None, None], false, true);
        assert_eq!(shares(&part), [(MAKE, None), (COPY, None)]);
        let copy = part.steps.iter().find(|s| s.id.0 == COPY).unwrap();
        assert!(copy.after.contains(&StepId::new("masterlock", "kube1", "shares")));
        assert_eq!(shares(&run([None, Some(Ok("aa"))], true, false)), [(BACK, None)]);
        assert_eq!(shares(&run([Some(Ok("aa")), Some(Ok("aa"))], true, false)), []);
    }

    #[test]
    fn a_lost_share_of_a_made_volume_is_held_and_so_are_two_that_differ() {
        for (found, word) in [([None, None], "would not open"), ([Some(Ok("aa")), Some(Ok("bb"))], "different shares")] {
            let part = run(found, true, true);
            assert!(shares(&part).is_empty() && part.held[0].reason.contains(word), "{:?}", part.held);
            assert_eq!(part.held[0].object, "kube1/data");
            assert!(!part.steps.iter().any(|s| s.id.0.ends_with("/enrol")), "its node is not let in as if for the first time");
        }
    }

    #[test]
    fn a_volume_against_which_something_stands_gets_no_share() {
        let part = run([None, None], false, false);
        assert!(shares(&part).is_empty() && part.held.is_empty(), "{part:?}");
    }

    #[test]
    fn what_is_no_share_is_made_anew_only_where_no_volume_depends_on_it() {
        assert_eq!(shares(&run([Some(Err(0)), None], false, true)), [(MAKE, Some(0)), (COPY, None)]);
        assert_eq!(shares(&run([Some(Err(63)), Some(Err(128))], false, true)), [(MAKE, Some(63)), (COPY, Some(128))]);
        let lost = run([Some(Err(0)), None], true, true);
        assert!(shares(&lost).is_empty() && lost.held[0].reason.ends_with("; masterlock has 0 bytes in its place"), "{:?}", lost.held);
        assert_eq!(shares(&run([Some(Err(0)), Some(Ok("aa"))], true, true)), [(BACK, Some(0))], "an empty file holds nothing");
        let more = run([Some(Err(65)), Some(Ok("aa"))], true, true);
        assert!(shares(&more).is_empty() && more.held[0].reason.contains("has 65 bytes in the place of its share"), "{:?}", more.held);
        assert!(more.held[0].hint.contains("/k/kube1/data") && more.held[0].hint.contains("that spare has"), "{:?}", more.held);
    }
}
