//! Proofs that are scripts as a whole: each makes a lab of its own. Another one is an entry here.

use crate::scenario::{Fixture, Leaves, Run, Scenario, Script};

const fn whole(name: &'static str, shows: &'static [&'static str], core: bool, (takes, limit): (u64, u64), run: Run) -> Scenario {
    Scenario { name, shows, fixture: Fixture::Own, leaves: Leaves::WornOut, limit, takes, core, run }
}

pub(super) static SCENARIOS: &[Scenario] = &[
    whole(
        "the key of encryption at rest is replaced while Secrets are written and read, whatever is killed meanwhile",
        &["F09", "R2", "R4", "a key of encryption at rest goes only when", "no key is made for values that are encrypted with one"],
        false,
        (900, 2400),
        Run::script("tests/lab-encryption.sh", &[]),
    ),
    whole(
        "a fleet goes on with a key server that hangs, a disk behind multipath, two releases of Debian and a jump host",
        &[
            "F17",
            "F24",
            "a group or a mapping of our name on another device",
            "a key server that hangs costs a node one limit",
            "a login that sshd drops because many begin at once",
        ],
        false,
        (900, 5400),
        Run::Script(Script { file: "tests/lab-fleet.sh", arguments: &[], parts: &["--debian", "trixie"] }),
    ),
];
