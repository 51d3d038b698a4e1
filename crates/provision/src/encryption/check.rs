//! The second pair of eyes over the replacing of a key: whatever runs, no server may write what another cannot read, and no key may go that a value needs.
//! It shares no code with the planner.

use std::collections::{BTreeMap, BTreeSet};

use kubestead_core::plan::{Step, StepId, Target};

use super::action::{Action, Expected};
use super::observe::EncryptionFacts;
use super::spec::{Entry, Layout};

/// The steps with their actions, by id.
struct Steps<'a, A> {
    all: BTreeMap<&'a StepId, (&'a Step<A>, &'a Action)>,
    seen: &'a BTreeMap<String, &'a EncryptionFacts>,
}

/// Which steps must not run, each a sentence. `seen` has the control planes by name.
pub(crate) fn faults<'a, A: 'a>(
    seen: &'a BTreeMap<String, &'a EncryptionFacts>,
    steps: impl IntoIterator<Item = (&'a Step<A>, &'a Action)>,
) -> Vec<String> {
    let steps = Steps { all: steps.into_iter().map(|(step, action)| (&step.id, (step, action))).collect(), seen };
    let mut found = Vec::new();
    for (id, (step, action)) in &steps.all {
        let before = steps.before(step);
        let faults = match action {
            Action::Write { layout, expected, .. } => steps.written(step, layout, expected, &before),
            Action::Rewrite { resources } => resources.iter().filter_map(|kind| steps.undecided(kind, &before)).collect(),
            Action::Compact if !before.iter().any(|(_, action)| matches!(action, Action::Snapshot { .. })) => {
                vec!["it removes old revisions, and no copy of etcd comes before".to_owned()]
            }
            Action::Snapshot { .. }
            | Action::Mount { .. }
            | Action::Load { .. }
            | Action::Check { .. }
            | Action::Compact
            | Action::Defragment => Vec::new(),
        };
        found.extend(faults.into_iter().map(|why| format!("{id}: {why}")));
    }
    found
}

type Before<'a, A> = Vec<(&'a Step<A>, &'a Action)>;

impl<'a, A> Steps<'a, A> {
    /// What is done for certain when a step begins.
    fn before(&self, step: &'a Step<A>) -> Before<'a, A> {
        let mut open: Vec<&StepId> = step.after.iter().collect();
        let mut known = BTreeSet::new();
        let mut done = Vec::new();
        while let Some(id) = open.pop() {
            if let Some((step, action)) = self.all.get(id)
                && known.insert(id)
            {
                done.push((*step, *action));
                open.extend(&step.after);
            }
        }
        done
    }

    fn written(&self, step: &Step<A>, layout: &Layout, expected: &Expected, before: &Before<'_, A>) -> Vec<String> {
        let Target::Host(host) = &step.target else { return vec!["it is on no machine".to_owned()] };
        let Some(file) = self.seen.get(host).and_then(|facts| facts.file.as_ref()) else {
            return vec![format!("the file of {host} was not seen")];
        };
        let last = match expected {
            Expected::Seen(sha256) if *sha256 == file.sha256 => &file.layout,
            Expected::Written(last) if before.iter().any(|(step, action)| writes(step, action, host) == Some(last)) => last,
            Expected::Seen(_) | Expected::Written(_) => return vec![format!("it replaces a file that {host} does not have then")],
        };
        let mut found = Vec::new();
        for kind in last.0.keys().chain(layout.0.keys()).collect::<BTreeSet<_>>() {
            let (old, new) = (last.entries(kind), layout.entries(kind));
            let Some(first) = new.first() else {
                found.push(format!("{kind} would have no way to be written"));
                continue;
            };
            if old.first() != Some(first) {
                let blind = self.seen.keys().filter(|other| !self.reads(other, kind, first, before));
                found.extend(blind.map(|other| format!("{host} would write {kind} with {first}, which {other} cannot read then")));
            }
            let gone: Vec<&Entry> = old.iter().filter(|entry| !new.contains(entry)).collect();
            if !gone.is_empty() && !proven(kind, &first.prefix(), before) {
                found.push(format!("it drops a way to read {kind}, and it is not proven that no value needs it"));
            }
        }
        found
    }

    /// Whether a server has loaded a file that reads this when all of `before` is done.
    fn reads(&self, host: &str, kind: &str, entry: &Entry, before: &Before<'_, A>) -> bool {
        let has = |layout: &Layout| layout.entries(kind).contains(entry);
        let loads = |(step, action): &(&Step<A>, &Action)| on(step, host) && matches!(action, Action::Load { .. });
        let file = self.seen[host].file.as_ref();
        let loaded = file.is_some_and(|file| has(&file.layout) && (!file.unloaded || before.iter().any(loads)));
        loaded || before.iter().any(|(step, action)| writes(step, action, host).is_some_and(has))
    }

    /// Whether servers write a kind in different ways, or in one that was not loaded, when it is to be written anew.
    fn undecided(&self, kind: &str, before: &Before<'_, A>) -> Option<String> {
        let replaced = |layout: &Layout, host: &str| {
            let next = |action: &Action| matches!(action, Action::Write { expected: Expected::Written(last), .. } if last == layout);
            before.iter().any(|(step, action)| on(step, host) && next(action))
        };
        let mut ways = BTreeSet::new();
        for (host, facts) in self.seen {
            let mut written = before.iter().filter_map(|(step, action)| writes(step, action, host));
            let last = written.rfind(|layout| !replaced(layout, host));
            let loads = before.iter().any(|(step, action)| on(step, host) && matches!(action, Action::Load { .. }));
            let now = facts.file.as_ref().filter(|file| !file.unloaded || loads).map(|file| &file.layout);
            ways.insert(last.or(now).and_then(|layout| layout.entries(kind).first().cloned()));
        }
        let one = ways.len() == 1 && !ways.contains(&None);
        (!one).then(|| format!("{kind} would be written anew before all servers are known to write it in one way"))
    }
}

fn on<A>(step: &Step<A>, host: &str) -> bool {
    matches!(&step.target, Target::Host(name) if name == host)
}

/// What a step writes on a machine; `None` if it writes nothing there.
fn writes<'a, A>(step: &Step<A>, action: &'a Action, host: &str) -> Option<&'a Layout> {
    match action {
        Action::Write { layout, .. } if on(step, host) => Some(layout),
        _ => None,
    }
}

/// Whether it was counted that all values of a kind begin so, and old revisions are gone.
fn proven<A>(kind: &str, prefix: &str, before: &Before<'_, A>) -> bool {
    let counted = |action: &Action| matches!(action, Action::Check { prefixes } if prefixes.get(kind).is_some_and(|found| found == prefix));
    before.iter().any(|(_, action)| counted(action)) && before.iter().any(|(_, action)| matches!(action, Action::Compact))
}

#[cfg(test)]
mod tests {
    use kubestead_core::name::Name;

    use super::super::model::{Server as ModelServer, World};
    use super::super::plan::{Server, plan};
    use super::super::spec::{Cipher, EncryptionSpec, escrow_name};
    use super::*;

    fn key(name: &str) -> Entry {
        Entry::Key { cipher: Cipher::Secretbox, name: name.into() }
    }

    /// The plan that replaces key1 by key2 on three servers, and what was seen.
    fn rotation() -> (Vec<Step<Action>>, BTreeMap<String, EncryptionFacts>) {
        let old = Layout([("secrets".to_owned(), vec![key("key1")])].into());
        let name = |n| Name::new(format!("cp{n}")).unwrap();
        let values = [("secrets".to_owned(), vec![key("key1").prefix(); 4])].into();
        let servers = (1..=3).map(|n| (name(n), ModelServer::new(old.clone()))).collect();
        let world = World { servers, values, ..World::default() };
        let seen: BTreeMap<Name, EncryptionFacts> = (1..=3).map(|n| (name(n), world.facts(&name(n)).unwrap())).collect();
        let servers: Vec<Server<'_>> = seen.iter().map(|(name, facts)| Server { name, facts }).collect();
        let spec = EncryptionSpec { entry: key("key2"), resources: ["secrets".to_owned()].into() };
        let part = plan(&spec, &servers, &["key1", "key2"].map(escrow_name).into());
        (part.steps, seen.into_iter().map(|(name, facts)| (name.to_string(), facts)).collect())
    }

    fn judge(steps: &[Step<Action>], seen: &BTreeMap<String, EncryptionFacts>) -> Vec<String> {
        let seen = seen.iter().map(|(name, facts)| (name.clone(), facts)).collect();
        faults(&seen, steps.iter().map(|step| (step, &step.action)))
    }

    #[test]
    fn the_planner_s_own_steps_have_no_fault() {
        let (steps, seen) = rotation();
        assert_eq!((steps.len(), judge(&steps, &seen)), (19, Vec::new()));
    }

    #[test]
    fn a_step_that_comes_too_early_is_found_whichever_it_is() {
        let (steps, seen) = rotation();
        let without = |id: &str, gone: &[&str]| {
            let mut steps = steps.clone();
            let step = steps.iter_mut().find(|step| step.id.0 == id).unwrap();
            step.after.retain(|before| !gone.iter().any(|gone| before.0.contains(gone)));
            judge(&steps, &seen).join("\n")
        };
        assert!(without("cp1/encryption/promote", &["cp3/encryption/add"]).contains("which cp3 cannot read then"));
        assert!(without("cluster/encryption/rewrite", &["cp2/encryption/promote"]).contains("known to write it in one way"));
        assert!(
            without("cp1/encryption/drop", &["defragment"]).contains("cp1/encryption/drop: it replaces a file that cp1 does not have then")
        );
        assert!(without("cp1/encryption/compact", &["keep"]).contains("no copy of etcd comes before"));
        // Without a step, those after it wait for what it waited for.
        let left = |gone: &str| {
            let (gone, mut steps): (Vec<_>, Vec<_>) = steps.iter().cloned().partition(|step| step.id.0.ends_with(gone));
            for step in &mut steps {
                let before = gone.iter().filter(|gone| step.after.contains(&gone.id)).flat_map(|gone| gone.after.clone());
                step.after = before.chain(step.after.iter().filter(|id| gone.iter().all(|gone| gone.id != **id)).cloned()).collect();
            }
            judge(&steps, &seen).join("\n")
        };
        assert!(left("/check").contains("it is not proven that no value needs it"));
        assert!(left("/compact").contains("it is not proven that no value needs it"));
    }

    #[test]
    fn a_file_that_changed_since_is_not_replaced() {
        let (steps, mut seen) = rotation();
        seen.get_mut("cp2").unwrap().file.as_mut().unwrap().sha256 = "other".into();
        assert!(judge(&steps, &seen).join("\n").contains("cp2/encryption/add: it replaces a file that cp2 does not have then"));
        seen.get_mut("cp2").unwrap().file = None;
        assert!(judge(&steps, &seen).join("\n").contains("the file of cp2 was not seen"));
    }
}
