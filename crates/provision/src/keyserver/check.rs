//! Invariants over the steps for keys: the second pair of eyes, which knows nothing of how they were planned.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::claim;
use kubestead_core::fact::Fact;
use kubestead_core::name::Name;
use kubestead_core::plan::{Step, Target};
use kubestead_core::put::Files;

use super::action::Action;
use super::line::{self, Entry};
use super::login;
use super::observe::{ALL, ClientFacts, ServerFacts};
use super::spec::{IDENTITY, PUBLIC};

/// What of these steps, each with its action, must not run on what was seen, each a sentence. The steps of [`super::plan`] and [`super::revocation`]
/// have none.
pub fn check<'a, A: 'a>(
    seen: &BTreeMap<Name, Fact<ServerFacts>>,
    nodes: &BTreeMap<Name, Fact<ClientFacts>>,
    steps: impl IntoIterator<Item = (&'a Step<A>, &'a Action)>,
) -> Vec<String> {
    let mut steps = steps.into_iter().peekable();
    if steps.peek().is_none() {
        return Vec::new(); // the lines of many nodes need not be read
    }
    let mut found = Vec::new();
    let mut revoked: BTreeSet<(&Target, &Name)> = BTreeSet::new();
    let known = Known::of(seen, nodes);
    for (step, action) in steps {
        if let Action::Revoke { node, .. } = action {
            revoked.insert((&step.target, node));
        }
        found.extend(replaces(&known, step, action));
        if !matches!(action, Action::Adoption(_) | Action::KeyPair | Action::Client { .. })
            && let Some(why) = one(&known, step, action, &revoked)
        {
            found.push(format!("{}: {why}", step.id));
        }
    }
    found
}

/// Why a step would replace a file that is not ours.
fn replaces<A>(known: &Known<'_>, step: &Step<A>, action: &Action) -> Option<String> {
    let name = step.target.to_string();
    let server = known.servers.get(name.as_str()).map(|facts| &facts.files);
    let node = known.nodes.get(name.as_str()).map(|facts| &facts.files);
    let (files, writes): (Option<&Files>, _) = (server.or(node), action.writes());
    match (files, action) {
        (Some(files), Action::Adoption(adoption)) => claim::unasked(files, step, adoption),
        (Some(files), Action::KeyPair) => {
            let facts = known.nodes.get(name.as_str())?;
            let makes: &[&str] = if facts.key.is_some() { &[PUBLIC] } else { &[IDENTITY, PUBLIC] };
            // What fits stays.
            if facts.key.is_some() && !facts.torn { None } else { claim::fault_made(files, step, makes) }
        }
        (Some(files), _) => claim::fault(files, step, &writes),
        (None, Action::Adoption(_) | Action::KeyPair) => Some(format!("{}: {name} was not seen", step.id)),
        (None, _) => (!writes.is_empty()).then(|| format!("{}: what is where its files belong was not seen", step.id)),
    }
}

/// The servers and nodes that were seen, and by node what their lines say of it: each line is read once, however many steps there are.
struct Known<'a> {
    servers: BTreeMap<&'a str, &'a ServerFacts>,
    nodes: BTreeMap<&'a str, &'a ClientFacts>,
    lines: BTreeMap<Name, Vec<Entry>>,
}

impl<'a> Known<'a> {
    fn of(seen: &'a BTreeMap<Name, Fact<ServerFacts>>, nodes: &'a BTreeMap<Name, Fact<ClientFacts>>) -> Self {
        let servers: BTreeMap<&str, &ServerFacts> =
            seen.iter().filter_map(|(server, fact)| Some((server.as_str(), fact.known()?))).collect();
        let mut lines: BTreeMap<Name, Vec<Entry>> = BTreeMap::new();
        for entry in servers.values().flat_map(|facts| &facts.lines).map(|text| line::parse(text)) {
            match &entry {
                Entry::Enrolled(line) => lines.entry(line.node.clone()).or_default().push(entry),
                Entry::Revoked { node, .. } => lines.entry(node.clone()).or_default().push(entry),
                Entry::Foreign => {}
            }
        }
        let nodes = nodes.iter().filter_map(|(node, fact)| Some((node.as_str(), fact.known()?))).collect();
        Self { servers, nodes, lines }
    }
}

fn one<A>(known: &Known<'_>, step: &Step<A>, action: &Action, revoked: &BTreeSet<(&Target, &Name)>) -> Option<String> {
    let name = step.target.to_string();
    let Some(facts) = known.servers.get(name.as_str()) else {
        return Some(format!("{name} was not seen"));
    };
    match action {
        Action::Setup { site, .. } => login::not_ours(site, &facts.account)
            .map(|(reason, _)| reason)
            .or_else(|| facts.others.contains(ALL).then(|| format!("{} is no folder", site.directory))),
        Action::Enrol { node, key, .. } => {
            let doubt = known.lines.get(node).into_iter().flatten().any(|entry| match entry {
                Entry::Enrolled(line) => key.as_ref() != Some(&line.key),
                Entry::Revoked { .. } => true,
                Entry::Foreign => false,
            });
            (doubt && !step.needs_consent()).then(|| format!("{node} is known by another key or was shut out, and nobody is asked"))
        }
        Action::Shares { node, volumes, damaged, .. } => volumes.iter().find_map(|volume| {
            let path = format!("{node}/{volume}");
            if let Some(why) = other(facts, node, &path) {
                return Some(why);
            }
            let holder = known.servers.iter().find(|(_, facts)| facts.shares.contains_key(&path));
            holder.map(|(server, _)| format!("{server} has a share of {path}")).or_else(|| replaced(facts, &path, damaged.get(volume)))
        }),
        Action::Copy { node, shares, damaged, .. } => shares.keys().find_map(|volume| {
            let path = format!("{node}/{volume}");
            if facts.shares.contains_key(&path) {
                Some(format!("{name} has a share of {path}"))
            } else {
                other(facts, node, &path).or_else(|| replaced(facts, &path, damaged.get(volume)))
            }
        }),
        Action::Wipe { site, node, volume } => {
            if let Some(why) = other(facts, node, &format!("{node}/{volume}")) {
                return Some(why);
            }
            let out = facts.lines.contains(&line::revoked(&site.cluster, node)) || revoked.contains(&(&step.target, node));
            (!out || !step.needs_consent()).then(|| format!("{node} is not shut out, or nobody is asked"))
        }
        Action::Adoption(_) | Action::KeyPair | Action::Client { .. } | Action::Revoke { .. } => None,
    }
}

/// Why nothing is written or deleted at a share's place: a link leads elsewhere.
fn other(facts: &ServerFacts, node: &Name, path: &str) -> Option<String> {
    let found = facts.others.iter().find(|other| [ALL, node.as_str(), path].contains(&other.as_str()))?;
    Some(format!("{found}, in the place of {path}, is no regular file or folder"))
}

fn replaced(facts: &ServerFacts, path: &str, damaged: Option<&u64>) -> Option<String> {
    (facts.damaged.get(path) != damaged).then(|| format!("what lies in the place of {path} is not what is replaced"))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{KEY, OTHER, enrolled, key, name, server, spec, volumes};
    use super::super::spec::{SERVE, Site, client_files};
    use super::*;

    fn faults(action: Action, change: impl FnOnce(&mut ServerFacts), target: &str, asks: bool) -> Vec<String> {
        let spec = spec();
        let mut facts = server(&spec, &[enrolled(&spec, OTHER)]);
        change(&mut facts);
        let mut step = Step::new(Target::Host(target.to_owned()), "x", "y", action, "");
        step.asks = asks;
        check(&BTreeMap::from([(name("masterlock"), Fact::Known(facts))]), &BTreeMap::new(), [(&step, &step.action)])
    }

    #[test]
    fn what_must_not_run_is_told_whoever_planned_it() {
        let site: Site = spec().site;
        let node = || name("kube1");
        let enrol = || Action::Enrol {
            site: site.clone(),
            node: node(),
            address: spec().nodes[0].address,
            key: Some(key(KEY)),
            replaces: vec![],
            revoked: false,
        };
        assert!(faults(enrol(), |_| (), "masterlock", false)[0].contains("nobody is asked"));
        assert!(faults(enrol(), |_| (), "masterlock", true).is_empty());
        assert!(faults(enrol(), |_| (), "spare", true)[0].contains("was not seen"));
        let data: Vec<Name> = volumes("data").into_iter().map(|(_, volume)| volume).collect();
        let make = |damaged| Action::Shares { site: site.clone(), node: node(), volumes: data.clone(), damaged };
        assert!(faults(make(BTreeMap::new()), |_| (), "masterlock", false)[0].contains("has a share"));
        let empty = |f: &mut ServerFacts| (f.shares, f.damaged) = (BTreeMap::new(), BTreeMap::from([("kube1/data".to_owned(), 0)]));
        assert!(faults(make(BTreeMap::new()), empty, "masterlock", false)[0].contains("is not what is replaced"));
        assert!(faults(make(BTreeMap::from([(name("data"), 0)])), empty, "masterlock", false).is_empty());
        for path in [ALL, "kube1", "kube1/data"] {
            let other = |f: &mut ServerFacts| (f.shares, f.others) = (BTreeMap::new(), BTreeSet::from([path.to_owned()]));
            assert!(faults(make(BTreeMap::new()), other, "masterlock", false)[0].contains("is no regular file or folder"), "{path}");
        }
        let copy = Action::Copy {
            site: site.clone(),
            from: name("spare"),
            node: node(),
            shares: BTreeMap::from([(name("data"), None)]),
            damaged: BTreeMap::new(),
        };
        assert!(faults(copy, |_| (), "masterlock", false)[0].contains("has a share"));
        let setup = Action::Setup { site: site.clone(), from: spec().origin() };
        assert!(faults(setup, |f| f.account.entry = Some((1000, "/home/me".into())), "masterlock", false)[0].contains("not made by"));
        let edited = |f: &mut ServerFacts| f.files.foreign(SERVE, "theirs");
        let setup = Action::Setup { site: site.clone(), from: spec().origin() };
        assert!(faults(setup, edited, "masterlock", true)[0].contains("serve would be replaced, which is not ours: Changed"));
        let client = Action::Client { files: client_files("").into() };
        assert!(faults(client, |_| (), "kube1", false)[0].contains("was not seen"));
        let wipe = || Action::Wipe { site: site.clone(), node: node(), volume: name("data") };
        assert!(faults(wipe(), |_| (), "masterlock", true)[0].contains("is not shut out"));
        let mark = |f: &mut ServerFacts| f.lines = vec![line::revoked(&name("home"), &name("kube1"))];
        assert!(faults(wipe(), mark, "masterlock", true).is_empty());
        let other = |f: &mut ServerFacts| (mark(f), f.others = BTreeSet::from(["kube1".to_owned()])).0;
        assert!(faults(wipe(), other, "masterlock", true)[0].contains("in the place of kube1/data"));
        assert!(faults(wipe(), mark, "masterlock", false)[0].contains("nobody is asked"));
    }
}
