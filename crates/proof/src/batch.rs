//! Which scenarios share a fixture, and in which order.

use crate::scenario::{Fixture, Leaves, Scenario};

/// Scenarios that follow each other on one fixture.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What the first one starts from.
    pub fixture: Fixture,
    /// In their order.
    pub scenarios: Vec<&'static Scenario>,
}

impl Batch {
    fn takes(&self) -> u64 {
        self.scenarios.iter().map(|s| s.takes).sum()
    }
}

/// Puts scenarios into batches that make few fixtures: one that makes a fixture comes before those that start from it, those that leave it as they
/// found it follow in the order of the list, then one that wears it out; each other one of these needs a fixture of its own. The longest batch
/// is the first.
pub fn batches(chosen: &[&'static Scenario]) -> Vec<Batch> {
    let (alone, shared): (Vec<_>, Vec<_>) = chosen.iter().copied().partition(|s| s.fixture == Fixture::Own);
    let mut found: Vec<Batch> = alone.into_iter().map(|s| Batch { fixture: Fixture::Own, scenarios: vec![s] }).collect();
    // A chain of each fixture, the ones that others are made of first.
    let mut chains: Vec<Batch> = Vec::new();
    for fixture in Fixture::ALL.into_iter().filter(|fixture| *fixture != Fixture::Own) {
        let of = |leaves: fn(Leaves) -> bool| shared.iter().copied().filter(move |s| s.fixture == fixture && leaves(s.leaves));
        let made = chains.iter().position(|c| c.scenarios.last().is_some_and(|s| s.leaves == Leaves::Made(fixture)));
        let mut chain = made.map_or_else(|| Batch { fixture, scenarios: Vec::new() }, |at| chains.remove(at));
        chain.scenarios.extend(of(|l| l == Leaves::AsFound));
        let mut last = of(|l| matches!(l, Leaves::Made(_))).chain(of(|l| l == Leaves::WornOut));
        chain.scenarios.extend(last.next());
        chains.extend(Some(chain).filter(|c| !c.scenarios.is_empty()));
        chains.extend(last.map(|s| Batch { fixture, scenarios: vec![s] }));
    }
    found.extend(chains);
    // A stable order: those of one length stay as the list has them.
    found.sort_by_key(|batch| std::cmp::Reverse(batch.takes()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn one(name: &'static str, fixture: Fixture, leaves: Leaves, takes: u64) -> Scenario {
        Scenario { name, shows: &[], fixture, leaves, limit: 1, takes, core: true, run: |_| Ok(()) }
    }
    static ALONE: Scenario = one("alone", Fixture::Own, Leaves::WornOut, 50);
    static KILL: Scenario = one("kill", Fixture::Machines, Leaves::Made(Fixture::Cluster), 10);
    static LOOK: Scenario = one("look", Fixture::Machines, Leaves::AsFound, 1);
    static BREAK: Scenario = one("break", Fixture::Machines, Leaves::WornOut, 2);
    static RESET: Scenario = one("reset", Fixture::Cluster, Leaves::WornOut, 30);
    static BURN: Scenario = one("burn", Fixture::Cluster, Leaves::WornOut, 3);
    static REBOOT: Scenario = one("reboot", Fixture::Cluster, Leaves::AsFound, 20);
    static SECRETS: Scenario = one("secrets", Fixture::Cluster, Leaves::AsFound, 20);

    fn names(chosen: &[&'static Scenario]) -> Vec<(Fixture, Vec<&'static str>)> {
        batches(chosen).iter().map(|b| (b.fixture, b.scenarios.iter().map(|s| s.name).collect())).collect()
    }

    #[test]
    fn one_cluster_serves_all_that_leave_it_as_they_found_it_and_one_that_does_not() {
        assert_eq!(
            names(&[&RESET, &REBOOT, &BURN, &KILL, &ALONE, &SECRETS, &LOOK]),
            [
                (Fixture::Machines, vec!["look", "kill", "reboot", "secrets", "reset"]),
                (Fixture::Own, vec!["alone"]),
                (Fixture::Cluster, vec!["burn"]),
            ]
        );
    }

    #[test]
    fn a_cluster_that_no_scenario_makes_is_a_fixture() {
        assert_eq!(names(&[&REBOOT]), [(Fixture::Cluster, vec!["reboot"])]);
        assert_eq!(names(&[&BREAK, &REBOOT]), [(Fixture::Cluster, vec!["reboot"]), (Fixture::Machines, vec!["break"])]);
        assert_eq!(names(&[&BREAK, &KILL, &REBOOT]), [(Fixture::Machines, vec!["kill", "reboot"]), (Fixture::Machines, vec!["break"])]);
    }
}
