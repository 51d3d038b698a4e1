//! Kubernetes' own conformance tests, built from its modules, in images of the official names.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scenario::{Fixture, Leaves, Scenario};
use crate::stage::{Claim, Done, Stage, is};
use crate::worker::say;

use super::{NODES, kubectl, ready};

pub(super) static SCENARIOS: &[Scenario] = &[Scenario {
    name: "a subset of Kubernetes' own conformance tests passes on the cluster, and the page of conformance says what is left out",
    shows: &["F48"],
    fixture: Fixture::Cluster,
    leaves: Leaves::AsFound,
    limit: 5400,
    takes: 1200,
    core: false,
    run: conformance,
}];

/// The page that says what is left out, and why.
const PAGE: &str = "docs/conformance.md";
/// How many run at least.
const LEAST: usize = 390;
/// How many processes of the tests ask the cluster side by side.
const SIDE_BY_SIDE: &str = "--procs=6";
const REPORT: &str = "conformance.json";

/// Part of a test's name, and how many conformance tests are left out by it.
#[derive(Debug, PartialEq, Eq)]
struct Out {
    part: String,
    count: usize,
}

/// What the page leaves out: the rows of its table, each with a part of names, a count and a reason.
fn left_out(page: &str) -> Vec<Out> {
    let rows = page.lines().skip_while(|line| !line.starts_with("| part of the name |")).skip(2).take_while(|line| line.starts_with("| "));
    rows.filter_map(|row| {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        let part = cells.next()?.trim_matches('`').to_owned();
        Some(Out { part, count: cells.next()?.parse().ok()? })
    })
    .collect()
}

/// A text as an expression that means it alone.
fn literally(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_ascii_alphanumeric() || c == ' ' { vec![c] } else { vec!['\\', c] }).collect()
}

/// A conformance test of a report.
struct Test {
    name: String,
    state: String,
    seconds: f64,
    why: String,
}

/// The conformance tests of a report of ginkgo's.
fn tests(report: &str) -> Result<Vec<Test>, String> {
    let report: Value = serde_json::from_str(report).map_err(|error| format!("the report: {error}"))?;
    let specs = report[0]["SpecReports"].as_array().ok_or("the report has no tests")?;
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let named = specs.iter().filter(|spec| spec["LeafNodeType"] == "It").map(|spec| {
        let above = spec["ContainerHierarchyTexts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let name = above.iter().chain([&spec["LeafNodeText"]]).map(words).collect::<Vec<_>>().join(" ");
        let seconds = spec["RunTime"].as_f64().unwrap_or_default() / 1e9;
        Test { name, state: words(&spec["State"]), seconds, why: words(&spec["Failure"]["Message"]) }
    });
    Ok(named.filter(|test| test.name.contains("[Conformance]")).collect())
}

/// What the page says is what the report has: each row leaves out as many as it says, and all others ran.
fn is_told(tests: &[Test], rows: &[Out]) -> Claim {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut untold = Vec::new();
    for test in tests.iter().filter(|test| test.state == "skipped") {
        match rows.iter().find(|row| test.name.contains(&row.part)) {
            Some(row) => *counts.entry(&row.part).or_default() += 1,
            None => untold.push(test.name.as_str()),
        }
    }
    is(untold.is_empty(), || format!("{PAGE} does not name what was skipped: {}", untold.join("; ")))?;
    let wrong = rows.iter().filter(|row| counts.get(row.part.as_str()).copied().unwrap_or_default() != row.count);
    let wrong: Vec<_> = wrong.map(|row| format!("\"{}\": {:?}", row.part, counts.get(row.part.as_str()))).collect();
    is(wrong.is_empty(), || format!("other counts than in {PAGE}: {}", wrong.join("; ")))
}

/// The names of what tests make outside of their namespaces.
fn listing(s: &Stage) -> Result<String, String> {
    let kinds = "namespaces,clusterroles,clusterrolebindings,customresourcedefinitions,apiservices,persistentvolumes,storageclasses,priorityclasses,runtimeclasses,ingressclasses,\
        mutatingwebhookconfigurations,validatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings,servicecidrs,flowschemas,prioritylevelconfigurations";
    kubectl(s, &["get", kinds, "-A", "-o", "name"]).run().answer()
}

fn conformance(s: &Stage) -> Done {
    let rows = left_out(&s.repository(PAGE)?);
    let made = s.program("bash", &[&s.repository_word("scripts/conformance.sh")]).run().answer()?;
    super::gateway::image(s, &format!("{made}/images.tar"))?;
    let before = listing(s)?;
    let tests = run(s, &made, &rows)?;
    let count = |state: &str| tests.iter().filter(|test| test.state == state).count();
    let (passed, skipped) = (count("passed"), count("skipped"));
    say(&format!("      of {} conformance tests {passed} passed, {skipped} are left out", tests.len()));
    let mut slow: Vec<&Test> = tests.iter().collect();
    slow.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    slow.iter().take(5).for_each(|test| say(&format!("      {:.0} s: {}", test.seconds, test.name)));
    let bad = tests.iter().filter(|test| !["passed", "skipped"].contains(&test.state.as_str()));
    let bad: Vec<_> = bad.map(|test| format!("{}: {}\n{}", test.state, test.name, test.why)).collect();
    s.claim("none failed", is(bad.is_empty(), || bad.join("\n")));
    s.claim(&format!("at least {LEAST} passed"), is(passed >= LEAST, || format!("{passed} passed")));
    s.claim("the page says what is left out", is_told(&tests, &rows));
    s.claim("nothing of them is left", s.eventually(300, || is(listing(s)? == before, || "something is left".into())));
    s.claim("all nodes are Ready", ready(s, &NODES));
    ["kube1", "kube2"].iter().try_for_each(|node| remove_images(s, node))
}

/// Runs the tests on the operator's side, in the network of the machines, as the administrator.
fn run(s: &Stage, made: &str, rows: &[Out]) -> Result<Vec<Test>, String> {
    let kubeconfig = s.administrator()?;
    let bundle = s.kubestead(&["lab", "build"]).run().answer()?;
    let mut words: Vec<String> =
        [&format!("{made}/ginkgo"), SIDE_BY_SIDE, "--no-color", "--succinct", "--focus=\\[Conformance\\]"].map(str::to_owned).into();
    words.extend(rows.iter().map(|row| format!("--skip={}", literally(&row.part))));
    words.extend([format!("--json-report={REPORT}"), format!("--output-dir={}", s.word("")), format!("{made}/e2e.test"), "--".to_owned()]);
    words.extend(["--context=sudo".to_owned(), format!("--kubeconfig={kubeconfig}"), format!("--kubectl-path={bundle}/bin/kubectl")]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Its status says no more than the report does.
    let ran = s.beside_machines(&words)?.run();
    let report = s.read(REPORT).map_err(|why| format!("{why}\n{}", ran.said))?;
    s.remove("administrator")?;
    tests(&report)
}

/// The images of the tests leave a node: others need its room.
fn remove_images(s: &Stage, node: &str) -> Done {
    let all = s.on(node, &["ctr", "-n", "k8s.io", "images", "list", "-q"]).run().answer()?;
    let ours: Vec<&str> = all.lines().filter(|name| name.contains("/e2e-test-images/")).collect();
    s.on(node, &[&["ctr", "-n", "k8s.io", "images", "remove"], &ours[..]].concat()).run().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# x\n\n| part of the name | left out | why |\n|---|---|---|\n| `[Slow] a` | 2 | slow |\n| `b` | 1 | an image |\n\nMore.\n";

    fn test(name: &str, state: &str) -> Test {
        Test { name: name.to_owned(), state: state.to_owned(), seconds: 1.0, why: String::new() }
    }

    #[test]
    fn what_the_page_leaves_out_is_what_was_skipped_to_the_number() {
        let rows = left_out(PAGE);
        assert_eq!(rows, [Out { part: "[Slow] a".into(), count: 2 }, Out { part: "b".into(), count: 1 }]);
        let mut all = vec![test("x [Slow] a 1", "skipped"), test("x [Slow] a 2", "skipped"), test("b", "skipped"), test("c", "passed")];
        assert_eq!(is_told(&all, &rows), Ok(()));
        all.push(test("d", "skipped"));
        assert!(is_told(&all, &rows).unwrap_err().contains("does not name what was skipped: d"));
        all.pop();
        all.remove(0);
        assert!(is_told(&all, &rows).unwrap_err().contains("\"[Slow] a\": Some(1)"));
    }

    #[test]
    fn a_part_of_a_name_means_itself_alone() {
        assert_eq!(literally("[Slow] a.b (1-2)"), "\\[Slow\\] a\\.b \\(1\\-2\\)");
    }

    #[test]
    fn a_report_tells_each_conformance_test_with_its_whole_name() {
        let report = r#"[{"SpecReports": [
          {"LeafNodeType": "BeforeSuite", "LeafNodeText": "", "State": "passed"},
          {"LeafNodeType": "It", "ContainerHierarchyTexts": ["[sig-x] A"], "LeafNodeText": "does [Conformance]", "State": "failed", "RunTime": 2500000000,
           "Failure": {"Message": "not so"}},
          {"LeafNodeType": "It", "ContainerHierarchyTexts": ["[sig-x] A"], "LeafNodeText": "is no such", "State": "skipped"}]}]"#;
        let found = tests(report).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].state.as_str(), found[0].why.as_str()),
            ("[sig-x] A does [Conformance]", "failed", "not so")
        );
        assert!((found[0].seconds - 2.5).abs() < 1e-9);
    }
}
