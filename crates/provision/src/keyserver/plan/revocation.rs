//! Shutting nodes out: those that left the file, and one that is named.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Held, Part, Risk, Step};

use crate::keyserver::action::Action;
use crate::keyserver::ids;
use crate::keyserver::line::{self, Entry, Line, Lines};
use crate::keyserver::observe::{ALL, ServerFacts};
use crate::keyserver::spec::{KeyServerSpec, Wanted};

/// Nodes that the file does not have any more are shut out. Lines of other clusters and of other people stay.
pub(super) fn strangers(wanted: &Wanted<'_>, spec: &KeyServerSpec, lines: &Lines<'_>, part: &mut Part<Action>) {
    for (node, entries) in lines.iter().filter(|(node, _)| !wanted.members.contains(*node)) {
        let here = entries.iter().filter(|(server, ..)| **server == spec.server);
        let ours = here.filter_map(|(.., entry)| match entry {
            Entry::Enrolled(Line { cluster: Some(cluster), address, .. }) if *cluster == spec.site.cluster => Some(address.clone()),
            Entry::Enrolled(_) | Entry::Revoked { .. } | Entry::Foreign => None,
        });
        let addresses: Vec<String> = ours.collect();
        if !addresses.is_empty() {
            part.push(revoke(spec, node, addresses, format!("{node} is not in the file: it fetches no more keys; its shares stay")));
        }
    }
}

fn revoke(spec: &KeyServerSpec, node: &Name, addresses: Vec<String>, why: String) -> Step<Action> {
    let action = Action::Revoke { site: spec.site.clone(), node: node.clone(), addresses };
    ids::REVOKE.step(spec.target(), node, action, why).risk(Risk::Disrupts)
}

/// The steps that shut one node out on every server that is seen, and delete those of its shares that are named. A node of the file
/// keeps its shares, whatever is named.
pub fn revocation(
    servers: &[KeyServerSpec],
    members: &BTreeSet<Name>,
    seen: &BTreeMap<Name, Fact<ServerFacts>>,
    node: &Name,
    wipe: &BTreeSet<Name>,
) -> Part<Action> {
    let mut part = Part::default();
    if let (true, Some(volume)) = (members.contains(node), wipe.first()) {
        let hint = format!("take {node} out of the file first, or leave out --wipe");
        part.held.push(Held::on(node, volume, format!("{node} is in the file and needs its shares"), hint));
        return part;
    }
    for spec in servers {
        let facts = match seen.get(&spec.server) {
            Some(Fact::Known(facts)) => facts,
            Some(Fact::Unknown(gap)) => {
                let mut held = Held::host(&spec.server, gap.to_string(), format!("{node} may still fetch keys there: run it again"));
                held.unreachable = true;
                part.held.push(held);
                continue;
            }
            Some(Fact::Absent) | None => continue,
        };
        let entries: Vec<Entry> = facts.lines.iter().map(|l| line::parse(l)).collect();
        let ours = |entry: &Entry| match entry {
            Entry::Enrolled(l) if l.node == *node && l.cluster.as_ref().is_none_or(|c| *c == spec.site.cluster) => Some(l.address.clone()),
            Entry::Enrolled(_) | Entry::Revoked { .. } | Entry::Foreign => None,
        };
        let addresses: Vec<String> = entries.iter().filter_map(ours).collect();
        let marked = entries.contains(&Entry::Revoked { cluster: spec.site.cluster.clone(), node: node.clone() });
        if !addresses.is_empty() || (members.contains(node) && !marked) {
            part.push(revoke(spec, node, addresses, format!("shut {node} out: it fetches no more keys, and its connections end")));
        }
        // A revocation itself has nothing to do with the shares.
        let place = [ALL.to_owned(), node.to_string()].into_iter().chain(wipe.iter().map(|v| format!("{node}/{v}")));
        if let Some(other) = place.filter(|_| !wipe.is_empty()).find(|path| facts.others.contains(path)) {
            let path = if other == ALL { spec.site.directory.to_string() } else { format!("{}/{other}", spec.site.directory) };
            let reason = format!("{path} is a link, or another thing than it shall be: no share is deleted through it");
            part.held.push(Held::host(&spec.server, reason, "look at it, and delete what is meant by hand"));
            continue;
        }
        for volume in wipe.iter().filter(|v| facts.shares.contains_key(&format!("{node}/{v}"))) {
            let action = Action::Wipe { site: spec.site.clone(), node: node.clone(), volume: volume.clone() };
            let why = format!("delete the server's share of {node}/{volume}: only its recovery key opens it then");
            let after = [ids::REVOKE.on(&spec.server, node)];
            part.push(ids::WIPE.step(spec.target(), ids::share(node, volume), action, why).after(after).risk(Risk::Destroys));
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyserver::fixture::{KEY, blank, enrolled, members, name, spec};

    fn ids(part: &Part<Action>) -> BTreeSet<&str> {
        part.steps.iter().map(|s| s.id.0.as_str()).collect()
    }

    #[test]
    fn a_revocation_names_what_it_wipes_and_never_a_member_of_the_file() {
        let spec = spec();
        let shares = BTreeMap::from([("kube1/data".to_owned(), "aa".to_owned())]);
        let server = ServerFacts { lines: vec![enrolled(&spec, KEY)], shares, ..blank() };
        let seen = BTreeMap::from([(name("masterlock"), Fact::Known(server))]);
        let specs = [spec];
        let run = |members: &BTreeSet<Name>, wipe: &[&str]| {
            revocation(&specs, members, &seen, &name("kube1"), &wipe.iter().map(|v| name(v)).collect())
        };
        let part = run(&members(), &[]);
        assert_eq!(ids(&part), BTreeSet::from(["masterlock/kube1/revoke"]));
        let part = run(&members(), &["data"]);
        assert!(part.steps.is_empty() && part.held[0].hint.contains("out of the file"));
        let part = run(&BTreeSet::new(), &["data", "other"]);
        assert_eq!(ids(&part), BTreeSet::from(["masterlock/kube1/revoke", "masterlock/kube1.data/wipe"]));
        assert!(part.steps.iter().any(|s| s.id.0 == "masterlock/kube1.data/wipe" && s.needs_consent()));
    }

    #[test]
    fn no_share_is_deleted_through_a_link_and_the_node_is_shut_out_all_the_same() {
        let spec = spec();
        for path in [ALL, "kube1", "kube1/data"] {
            let shares = BTreeMap::from([("kube1/data".to_owned(), "aa".to_owned())]);
            let others = BTreeSet::from([path.to_owned()]);
            let server = ServerFacts { lines: vec![enrolled(&spec, KEY)], shares, others, ..blank() };
            let seen = BTreeMap::from([(name("masterlock"), Fact::Known(server))]);
            let part = revocation(std::slice::from_ref(&spec), &BTreeSet::new(), &seen, &name("kube1"), &BTreeSet::from([name("data")]));
            assert_eq!(ids(&part), BTreeSet::from(["masterlock/kube1/revoke"]), "{path}");
            assert!(part.held[0].object == "masterlock" && part.held[0].reason.contains("no share is deleted through it"), "{part:?}");
        }
    }
}
