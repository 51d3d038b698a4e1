//! What Prowler, which holds clusters against the CIS benchmark, finds on a cluster of ours.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};
use crate::worker::say;

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "a tool of the CIS benchmark finds nothing on the cluster that the page of CIS does not name with its reason",
    shows: &["F03"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 3600,
    takes: 240,
    core: false,
    run: cis,
}];

/// The page that names what it finds, and why it is so.
const PAGE: &str = "docs/cis.md";
/// The newest of the benchmark that this version of the tool knows.
const BENCHMARK: &str = "cis_2.0.1_kubernetes";

/// What the page names: of a check, the begin of the names of what it finds it at.
fn named(page: &str) -> Vec<(String, Vec<String>)> {
    let rows = page.lines().skip_while(|line| !line.starts_with("| check |")).skip(2).take_while(|line| line.starts_with("| "));
    rows.filter_map(|row| {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        let check = cells.next()?.trim_matches('`').to_owned();
        Some((check, cells.next()?.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()))
    })
    .collect()
}

/// A check, and what it did not pass at.
type Finding = (String, String);

/// The findings of a report (OCSF), and how many checks were passed.
fn findings(report: &str) -> Result<(BTreeSet<Finding>, usize), String> {
    let report: Value = serde_json::from_str(report).map_err(|error| format!("the report: {error}"))?;
    let all = report.as_array().ok_or("the report has no list")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |status: &'static str| all.iter().filter(move |finding| finding["status_code"] == status);
    let failed = of("FAIL").map(|finding| (text(&finding["metadata"]["event_code"]), text(&finding["resources"][0]["name"]))).collect();
    Ok((failed, of("PASS").count()))
}

/// Each finding is one that the page names, and the page names no other.
fn is_told(found: &BTreeSet<Finding>, rows: &[(String, Vec<String>)]) -> Claim {
    let names = |(check, at): &Finding| rows.iter().any(|(row, begins)| row == check && begins.iter().any(|begin| at.starts_with(begin)));
    let new: Vec<String> = found.iter().filter(|finding| !names(finding)).map(|(check, at)| format!("{check}: {at}")).collect();
    is(new.is_empty(), || format!("{PAGE} does not name: {}", new.join("; ")))?;
    let is_found = |check: &str, begin: &str| found.iter().any(|(of, at)| of == check && at.starts_with(begin));
    let gone = rows.iter().flat_map(|(check, begins)| begins.iter().map(move |begin| (check, begin)));
    let gone: Vec<String> =
        gone.filter(|(check, begin)| !is_found(check, begin)).map(|(check, begin)| format!("{check}: {begin}")).collect();
    is(gone.is_empty(), || format!("{PAGE} names what is not found: {}", gone.join("; ")))
}

fn cis(s: &Stage) -> Done {
    let tool = s.program("bash", &[&s.repository_word("scripts/prowler.sh")]).run().answer()?;
    let kubeconfig = s.administrator()?;
    let (python, program, out) = (format!("{tool}/bin/python3"), format!("{tool}/bin/prowler"), s.word("cis"));
    let words = [&*python, &program, "kubernetes", "--kubeconfig-file", &kubeconfig, "--context", "sudo", "--compliance", BENCHMARK];
    let words = [
        &words[..],
        &["--output-formats", "json-ocsf", "--output-directory", &out, "--output-filename", "report", "--no-banner", "--no-color"],
    ]
    .concat();
    let ran = s.beside_machines(&words)?.run();
    let (mut found, passed) = findings(&s.read("cis/report.ocsf.json").map_err(|why| format!("{why}\n{}", ran.said))?)?;
    s.remove("administrator")?;
    say(&format!("      {passed} checks are passed, {} findings", found.len()));
    s.claim("it looked", is(passed > 30 && !found.is_empty(), || ran.said.clone()));
    // What it does not look at from outside: who may read and write files of the nodes.
    for node in super::NODES {
        let lines = s.at(node, &["cis_files"]).run().answer()?;
        found.extend(lines.lines().filter_map(|line| line.split_once(' ')).map(|(number, path)| (number.to_owned(), path.to_owned())));
    }
    s.claim("the page names each finding, and no other", is_told(&found, &named(&s.repository(PAGE)?)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# x\n\n| check | at | why |\n|---|---|---|\n| `a` | `kube-proxy`, `coredns` | so |\n\nMore.\n";

    #[test]
    fn a_finding_that_the_page_does_not_name_is_told_and_so_is_one_that_is_gone() {
        let rows = named(PAGE);
        let mut found = BTreeSet::from([("a".to_owned(), "kube-proxy-x1".to_owned()), ("a".to_owned(), "coredns-2".to_owned())]);
        assert_eq!(is_told(&found, &rows), Ok(()));
        found.insert(("b".to_owned(), "coredns-2".to_owned()));
        assert!(is_told(&found, &rows).unwrap_err().contains("does not name: b: coredns-2"));
        let less = BTreeSet::from([("a".to_owned(), "kube-proxy-x1".to_owned())]);
        assert!(is_told(&less, &rows).unwrap_err().contains("names what is not found: a: coredns"));
    }

    #[test]
    fn a_report_has_what_failed_and_how_much_did_not() {
        let report = r#"[{"status_code": "PASS"}, {"status_code": "MANUAL"},
            {"status_code": "FAIL", "metadata": {"event_code": "a"}, "resources": [{"name": "kube-proxy-x1"}]}]"#;
        assert_eq!(findings(report).unwrap(), (BTreeSet::from([("a".to_owned(), "kube-proxy-x1".to_owned())]), 1));
    }
}
