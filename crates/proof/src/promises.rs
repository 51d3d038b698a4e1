//! The page of promises: each with what shows it, made from what scenarios say of themselves.

use std::fmt::Write as _;
use std::path::Path;

use crate::promised::{FEATURES, Promise, RULES};
use crate::scenario::Scenario;

/// What is wrong with what scenarios say of themselves, or with the page.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake(pub String);

/// How a rule says that scenarios show it: the page has their sentences instead.
const ON_MACHINES: &str = "[on machines](promises.md)";
/// How a rule says that what shows the one before shows it too.
const SAME: &str = "the same";

/// The rules of `docs/safety.md`: what is never done, and where tests without machines show it.
fn rows(safety: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in safety.lines().skip_while(|line| !line.starts_with("| rule |")).skip(2).take_while(|line| line.starts_with("| ")) {
        // A pipe in a cell is written `\|`.
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let (Some(rule), Some(tests)) = (cells.first(), cells.get(2)) else { continue };
        let mut parts: Vec<&str> = tests.split("; ").filter(|part| *part != ON_MACHINES).collect();
        if parts.first() == Some(&SAME)
            && let Some((_, before)) = found.last()
        {
            parts[0] = before.as_str();
        }
        let tests = parts.join("; ");
        found.push((rule, tests));
    }
    found
}

/// Which scenarios show something: those that name it by its id, or a rule by its beginning.
fn shown<'a>(all: &[&'a Scenario], is: impl Fn(&str) -> bool) -> Vec<&'a Scenario> {
    all.iter().copied().filter(|s| s.shows.iter().any(|name| is(name))).collect()
}

fn by(scenarios: &[&Scenario]) -> Vec<String> {
    let whole = |s: &&Scenario| if s.core { s.name.to_owned() } else { format!("{} (`make prove`)", s.name) };
    scenarios.iter().map(whole).collect()
}

fn of(promise: &Promise, all: &[&Scenario]) -> String {
    let mut parts = by(&shown(all, |name| name == promise.id));
    parts.extend(promise.tests.iter().map(|test| format!("`{test}`")));
    if parts.is_empty() {
        return "**not shown yet**".to_owned();
    }
    if !promise.lacks.is_empty() {
        parts.push(format!("**not shown yet:** {}", promise.lacks));
    }
    parts.join("; ")
}

/// What scenarios name that is no promise, or more than one; and tests that are named and not there.
pub fn mistakes(all: &[&Scenario], safety: &str, top: &Path) -> Vec<Mistake> {
    let rows = rows(safety);
    let mut found = Vec::new();
    for scenario in all {
        for name in scenario.shows {
            let ids = RULES.iter().chain(&FEATURES).filter(|promise| promise.id == *name).count();
            let rules = rows.iter().filter(|(rule, _)| rule.starts_with(name)).count();
            if ids + rules != 1 {
                found.push(Mistake(format!(
                    "\"{}\" shows \"{name}\": {} promises are called so, and one must be",
                    scenario.name,
                    ids + rules
                )));
            }
        }
    }
    for promise in RULES.iter().chain(&FEATURES) {
        for test in promise.tests.iter().filter(|test| !top.join(test).is_file()) {
            found.push(Mistake(format!("{}: {test} is not there", promise.id)));
        }
    }
    found
}

/// The page.
pub fn page(all: &[&Scenario], safety: &str) -> String {
    let mut text = String::from(
        "# What was promised, and what shows it\n\nMade by `make promises` from what the scenarios of `crates/proof` say of themselves; the gate fails when it is stale. A sentence is the name of a scenario, \
         and `make prove ONLY=\"SENTENCE\"` makes it: those without a remark gate every change.\n",
    );
    let mut section = |title: &str, head: &str, lines: Vec<[String; 3]>| {
        let _ = write!(text, "\n## {title}\n\n{head}\n");
        for [id, what, shown] in lines {
            let _ = if id.is_empty() { writeln!(text, "| {what} | {shown} |") } else { writeln!(text, "| {id} | {what} | {shown} |") };
        }
    };
    let promises = |list: &[Promise]| list.iter().map(|p| [p.id.to_owned(), p.text.to_owned(), of(p, all)]).collect();
    section("What must stay true, the more important first", "| | promise | shown by |\n|---|---|---|", promises(&RULES));
    section("Features", "| | promise | shown by |\n|---|---|---|", promises(&FEATURES));
    let rules = rows(safety).into_iter().map(|(rule, tests)| {
        let mut parts = by(&shown(all, |name| rule.starts_with(name)));
        if parts.is_empty() {
            parts.push("not by a scenario".to_owned());
        }
        parts.extend(Some(tests).filter(|tests| !tests.is_empty()));
        [String::new(), rule.to_owned(), parts.join("; ")]
    });
    section(
        "What is never done",
        "The rules of [safety.md](safety.md), which names where each is enforced.\n\n| rule | shown by |\n|---|---|",
        rules.collect(),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Fixture, Leaves};

    const SAFETY: &str = "# x\n\n| rule | where | shown |\n|---|---|---|\n| nothing is lost | `a.rs` | [on machines](promises.md); unit tests |\n| nothing is read | `b.rs` | the same; canaries |\n\nMore.\n";

    const fn one(shows: &'static [&'static str], core: bool) -> Scenario {
        Scenario { name: "it is so", shows, fixture: Fixture::Own, leaves: Leaves::WornOut, limit: 1, takes: 1, core, run: |_| Ok(()) }
    }

    #[test]
    fn each_promise_tells_what_shows_it_or_that_nothing_does() {
        static CORE: Scenario = one(&["F16", "nothing is lost"], true);
        static LONG: Scenario = one(&["F16"], false);
        let text = page(&[&CORE, &LONG], SAFETY);
        for line in [
            "| F16 | containerd runs the pods, with runc and systemd's cgroups, and only after its volume is mounted. | it is so; it is so (`make prove`) |",
            "| F07 | Helm works with a user's own rights, and nothing of it runs in the cluster. | **not shown yet** |",
            "| nothing is lost | it is so; unit tests |",
            "| nothing is read | not by a scenario; unit tests; canaries |",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn what_is_no_promise_or_two_or_not_there_is_a_mistake() {
        static BAD: Scenario = one(&["F99", "nothing is", "F01"], true);
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let found: Vec<String> = mistakes(&[&BAD], SAFETY, &top).into_iter().map(|m| m.0).collect();
        assert_eq!(
            found,
            [
                "\"it is so\" shows \"F99\": 0 promises are called so, and one must be",
                "\"it is so\" shows \"nothing is\": 2 promises are called so, and one must be",
            ]
        );
    }
}
