//! The collector of `services.logs`, without machines: a test of `provision` runs the real one with the service's settings.

use crate::scenario::Scenario;
use crate::stage::{Done, Stage};

use super::test_program;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "logs of pods reach a syslog server over TLS by the real collector, once and whole, also when the server was away and the collector was killed",
    &["F30"],
    (30, 1200),
    logs,
)];

fn logs(s: &Stage) -> Done {
    let collector = s.program("bash", &[&s.repository_word("scripts/log-collector.sh")]).run().answer()?;
    let top = s.repository_word("");
    let test = [&["-C", &top], &test_program("log_collector")[1..]].concat();
    let ran = s.program("env", &test).setting("LOG_COLLECTOR", collector).run();
    s.claim("its test passes", ran.ok());
    // One that was given no collector passes too.
    ran.lacks("skipped:")
}
