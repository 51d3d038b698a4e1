//! Every command line of the docs is typed by a scenario or a test, or it is said why not (`typed.tsv`).
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by them

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kubestead_proof::scenarios;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pages, by their path; those of `docs/recovery` and the README's tour have scenarios of their own, which know each line.
fn pages() -> BTreeMap<String, String> {
    let docs = std::fs::read_dir(top().join("docs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let docs = docs.filter(|name| name.strip_suffix(".md").is_some_and(|page| page != "promises")).map(|name| format!("docs/{name}"));
    let examples = std::fs::read_dir(top().join("examples")).unwrap().map(|entry| entry.unwrap().path().join("README.md"));
    let examples = examples.filter(|path| path.exists()).map(|path| path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned());
    let others = ["README.md", "CONTRIBUTING.md"].map(str::to_owned);
    let found: BTreeMap<String, String> = docs.chain(examples).chain(others).map(|path| (path.clone(), read(&path))).collect();
    assert!(found.len() > 20, "{:?}", found.keys());
    found
}

/// What is typed of a page: its blocks of shell, without comments.
fn lines(text: &str) -> Vec<&str> {
    let (mut found, mut block) = (Vec::new(), None);
    for line in text.lines() {
        match (line.strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language),
            (None, Some("sh")) => found.push(line.split_once(" #").map_or(line, |(line, _)| line).trim_end()),
            (None, _) => {}
        }
    }
    found.retain(|line| !line.is_empty());
    found
}

fn tour() -> String {
    let readme = read("README.md");
    readme.split_once("\n## A tour\n").unwrap().1.split_once("\n```\n").unwrap().0.to_owned() + "\n```\n"
}

fn table(text: &str) -> Vec<(&str, &str)> {
    text.lines().filter(|line| !line.starts_with("# ")).map(|line| line.split_once('\t').unwrap_or_else(|| panic!("{line}"))).collect()
}

fn fits(form: &str, line: &str) -> bool {
    form.strip_suffix('*').map_or(form == line, |begin| line.starts_with(begin))
}

/// What is wrong with an entry.
fn fault(form: &str, shown: &str, tour: &[&str]) -> Option<String> {
    let (kind, rest) = shown.split_once(' ').unwrap_or((shown, ""));
    match kind {
        "tour" if tour.iter().any(|line| fits(form, line)) => None,
        "tour" => Some("the README's tour has no such line".to_owned()),
        "scenario" => {
            let found = scenarios::all().iter().filter(|scenario| scenario.name.contains(rest)).count();
            (found != 1).then(|| format!("{found} scenarios have {rest:?} in their sentences"))
        }
        "test" => {
            let (path, words) = rest.split_once(' ').unwrap_or((rest, ""));
            (words.is_empty() || !read(path).contains(words)).then(|| format!("{path} does not have {words:?}"))
        }
        "not" => rest.is_empty().then(|| "it is not said why".to_owned()),
        other => Some(format!("{other:?} is nothing that shows a line")),
    }
}

#[test]
fn every_command_line_of_the_docs_is_typed_or_it_is_said_why_not() {
    let (text, tour) = (include_str!("typed.tsv"), tour());
    let (entries, tour) = (table(text), lines(&tour));
    assert!(tour.len() > 15, "{tour:?}");
    let mut wrong: Vec<String> =
        entries.iter().filter_map(|(form, shown)| fault(form, shown, &tour).map(|fault| format!("typed.tsv: {form}: {fault}"))).collect();
    let pages = pages();
    let all: Vec<(&str, &str)> =
        pages.iter().flat_map(|(path, text)| lines(text).into_iter().map(move |line| (path.as_str(), line))).collect();
    let all: Vec<_> = all.into_iter().filter(|(path, line)| *path != "README.md" || !tour.contains(line)).collect();
    wrong.extend(
        all.iter()
            .filter(|(_, line)| !entries.iter().any(|(form, _)| fits(form, line)))
            .map(|(path, line)| format!("{path}: nothing types {line:?}")),
    );
    let unused = entries.iter().filter(|(form, _)| !all.iter().any(|(_, line)| fits(form, line)));
    wrong.extend(unused.map(|(form, _)| format!("typed.tsv: {form}: no page has it")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_shows_nothing_is_found() {
    for (shown, word) in [
        ("tour", "no such line"),
        ("scenario no sentence has this", "0 scenarios"),
        ("scenario a", "scenarios have"),
        ("test README.md no page has this", "does not have"),
        ("not", "why"),
        ("surely", "nothing that shows"),
    ] {
        assert!(fault("kubestead dance", shown, &["kubestead up"]).is_some_and(|fault| fault.contains(word)), "{shown}");
    }
    assert_eq!(fault("kubestead up*", "tour", &["kubestead up"]), None);
}
