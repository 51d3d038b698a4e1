//! The collector of `services.logs`, without machines: a test of `provision` runs the real one with the service's settings.

use crate::scenario::Scenario;
use crate::stage::{Done, Stage};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario::own(
    "logs of pods reach a syslog server over TLS by the real collector, once and whole, also when the server was away and the collector was killed",
    &["F30"],
    (30, 1200),
    logs,
)];

fn logs(s: &Stage) -> Done {
    let collector = s.program("bash", &[&s.repository_word("scripts/log-collector.sh")]).run().answer()?;
    let top = s.repository_word("");
    let test = [
        "env",
        "-C",
        &top,
        "cargo",
        "test",
        "--locked",
        "--offline",
        "-p",
        "kubestead-provision",
        "--test",
        "log_collector",
        "--",
        "--nocapture",
    ];
    let ran = s.program(test[0], &test[1..]).setting("LOG_COLLECTOR", collector).run();
    s.claim("its test passes", ran.ok());
    // One that was given no collector passes too.
    ran.lacks("skipped:")
}
