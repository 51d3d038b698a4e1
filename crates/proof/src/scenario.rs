//! What a proof is.

use crate::stage::{Done, Stage};

/// A proof: a sentence, what it shows of what was promised, and how it is made.
#[derive(Debug)]
pub struct Scenario {
    /// A sentence, which is its name; it is so when the scenario passes.
    pub name: &'static str,
    /// The promises that it shows: their ids (`F02`, `R1`), or the beginning of a rule of `docs/safety.md`.
    pub shows: &'static [&'static str],
    /// What it starts from.
    pub fixture: Fixture,
    /// What it leaves of it.
    pub leaves: Leaves,
    /// In seconds: after that it is ended, with all that it started.
    pub limit: u64,
    /// About how many seconds it takes on two cores: only the order goes by it.
    pub takes: u64,
    /// Whether it gates a change; all others are left to `make prove`.
    pub core: bool,
    /// How it is made, on a fixture that stands.
    pub run: fn(&Stage) -> Done,
}

/// What many scenarios start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fixture {
    /// Nothing that is shared: it makes what it needs, and removes it.
    Own,
    /// An API server and its etcd, without machines.
    Api,
    /// cp1, kube1, kube2 with blank disks and the key server masterlock, and the cluster file of `examples/three-nodes`.
    Machines,
    /// These machines with their encrypted volumes, without Kubernetes.
    Volumes,
    /// These machines with the cluster on them.
    Cluster,
}

impl Fixture {
    /// All of them, those that others are made of first.
    pub const ALL: [Self; 5] = [Self::Own, Self::Api, Self::Machines, Self::Volumes, Self::Cluster];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "makes its own",
            Self::Api => "an API server and its etcd, without machines",
            Self::Machines => "three bare machines and a key server",
            Self::Volumes => "three machines with encrypted volumes, and a key server",
            Self::Cluster => "a cluster of three nodes and a key server",
        }
    }

    /// In seconds: how long it may take to start.
    pub fn limit(self) -> u64 {
        match self {
            Self::Own => 60,
            Self::Api => 240,
            Self::Machines => 600,
            Self::Volumes => 900,
            Self::Cluster => 1500,
        }
    }
}

/// What a scenario leaves of its fixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// As it found it. Where there is something to compare with, that is proved: the plan is empty.
    AsFound,
    /// Worn out: nothing else starts from it.
    WornOut,
    /// Another one, which others go on from.
    Made(Fixture),
}

impl Scenario {
    /// One that makes what it needs by itself and does not gate a change: about how many seconds it takes, and how many it may take.
    pub const fn own(name: &'static str, shows: &'static [&'static str], (takes, limit): (u64, u64), run: fn(&Stage) -> Done) -> Self {
        Self { name, shows, fixture: Fixture::Own, leaves: Leaves::WornOut, limit, takes, core: false, run }
    }

    /// Whether a pattern of the user's means it: a part of its name, of its fixture or of what it shows, in any case of letters.
    pub fn is_meant(&self, pattern: &str) -> bool {
        let pattern = pattern.to_lowercase();
        self.shows.iter().chain(&[self.name, self.fixture.name()]).any(|text| text.to_lowercase().contains(&pattern))
    }
}
