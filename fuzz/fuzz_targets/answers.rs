//! Any bytes as the answer of each machine: facts or a gap, and a plan that destroys nothing without consent.
//! The seeds are crates/provision/tests/answers/*.probe: `cargo +nightly fuzz run answers fuzz/corpus/answers crates/provision/tests/answers`.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/provision/tests/answers/mod.rs"]
mod answers;

static WORLD: OnceLock<answers::World> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let world = WORLD.get_or_init(answers::World::new);
    // The bytes as they are, and as the text of every section of a machine that answers well.
    for (at, (host, good)) in answers::CORPUS.iter().enumerate() {
        let mut hosts = answers::CORPUS;
        hosts[at].1 = bytes;
        let seen = world.look(&hosts);
        world.judge(&seen);
        let mut sections = answers::sections(good);
        let one = bytes.first().map_or(0, |b| usize::from(*b)) % sections.len();
        sections[one].2 = bytes.get(1..).unwrap_or_default().to_vec();
        let framed = answers::frame(&sections);
        let seen = world.look(&[(host, &framed)]);
        world.judge(&seen);
        world.judge_kept(&seen);
    }
});
