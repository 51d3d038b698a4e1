//! `kubestead secret doctor`: what is wrong with a repository's secrets, and what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kubestead_secrets::sops::{Matched, Outline, Recipient, Rules};
use serde::Serialize;

use super::check::{look_through, short, told};
use super::files::RuleBook;
use super::{failure, git, gpg, init};
use crate::args::Format;
use crate::exit::{Exit, Failure, fail};
use crate::print;

/// sops calls a key old after six months.
const OLD_DAYS: i64 = 183;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Wrong,
    /// Nothing is wrong, and it is good to know.
    Known,
}

#[derive(Debug, Serialize)]
struct Line {
    verdict: Verdict,
    place: String,
    /// What is the matter, and what to do.
    what: String,
}

#[derive(Default)]
struct Report {
    lines: Vec<Line>,
    /// Fingerprints, and the places that name them.
    openpgp: BTreeMap<String, BTreeSet<String>>,
}

pub(crate) fn run(dir: &Path, output: Format) -> Result<Exit, Failure> {
    if !dir.is_dir() {
        return Err(fail(Exit::Usage, format!("{} is no folder", dir.display())));
    }
    let (tally, book, mut report) = (look_through(&[dir.to_owned()])?, RuleBook::default(), Report::default());
    for (path, finding) in &tally.findings {
        let (place, why) = told(path, finding);
        report.wrong(place, why);
    }
    let documents: Vec<&PathBuf> = tally.verified.iter().chain(&tally.unverified).collect();
    // A file in the folder need not be there for its rules to be found.
    let mut rules: BTreeMap<PathBuf, Rules> = BTreeMap::new();
    for path in documents.iter().copied().chain([&dir.join("a")]) {
        rules.extend(book.of(path).map_err(failure)?.map(|rules| (rules.path().to_owned(), rules)));
    }
    if rules.is_empty() {
        report.wrong(short(&dir.join(".sops.yaml")), "it is not there, nor above; run `kubestead secret init`");
    }
    for rules in rules.values() {
        report.rules(rules);
    }
    for path in &documents {
        let matched = book.of(path).map_err(failure)?.and_then(|rules| rules.matching(path).ok().flatten());
        report.document(path, matched.as_ref(), tally.unverified.contains(path))?;
    }
    report.openpgp();
    if let Some(top) = git::top(dir) {
        for what in init::missing(&top)? {
            report.wrong(short(&top.join(".git")), format!("{what} is not set up in this clone; run `kubestead secret init`"));
        }
    }
    report.print(output, documents.len())
}

impl Report {
    fn wrong(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.lines.push(Line { verdict: Verdict::Wrong, place: place.into(), what: what.into() });
    }

    /// Remembers OpenPGP keys, to be asked for once each.
    fn note(&mut self, place: &str, groups: &[Vec<Recipient>]) {
        for fingerprint in groups.iter().flatten().filter(|r| r.kind() == "pgp") {
            self.openpgp.entry(fingerprint.name().to_owned()).or_default().insert(place.to_owned());
        }
    }

    fn rules(&mut self, rules: &Rules) {
        let place = short(rules.path());
        for (number, policy) in rules.policies() {
            match policy {
                Err(error) => self.wrong(&place, failure(error).message),
                Ok(policy) => {
                    self.note(&place, &policy.groups);
                    if let Some(lone) = policy.lone_recipient() {
                        let what =
                            format!("creation rule {number}: {}; add another recipient, then `kubestead secret updatekeys`", lost(lone));
                        self.wrong(&place, what);
                    }
                }
            }
        }
    }

    fn document(&mut self, path: &Path, matched: Option<&Matched>, is_closed: bool) -> Result<(), Failure> {
        let place = short(path);
        let outline = Outline::read(path, &std::fs::read(path)?).map_err(failure)?;
        self.note(&place, outline.recipients());
        if is_closed {
            let people: Vec<String> = outline.recipients().concat().iter().map(name).collect();
            let what =
                format!("no key here opens it; ask one of these to add you with `kubestead secret updatekeys`: {}", people.join(", "));
            self.wrong(&place, what);
        }
        match matched {
            Some(matched) if !outline.fits(&matched.policy) => {
                let what =
                    format!("its recipients are not those of creation rule {}; run `kubestead secret updatekeys {place}`", matched.number);
                self.wrong(&place, what);
            }
            // The rule was told already.
            Some(_) => {}
            None => {
                if let Some(lone) = outline.lone_recipient() {
                    self.wrong(&place, format!("{}, and no creation rule matches it; add a rule with another recipient", lost(lone)));
                }
            }
        }
        if let Some(since) = old(&outline, Timestamp::now()) {
            let day = since.strftime("%Y-%m-%d");
            let what = format!("its key is of {day} or older; `kubestead secret rotate {place}` makes a new one");
            self.lines.push(Line { verdict: Verdict::Known, place, what });
        }
        Ok(())
    }

    fn openpgp(&mut self) {
        for (fingerprint, places) in std::mem::take(&mut self.openpgp) {
            if let Err(why) = gpg().examine(&fingerprint) {
                let places: Vec<String> = places.into_iter().collect();
                self.wrong(places.join(", "), format!("pgp {fingerprint}: {why}"));
            }
        }
    }

    fn print(&self, output: Format, documents: usize) -> Result<Exit, Failure> {
        let count = |verdict: Verdict| self.lines.iter().filter(|line| line.verdict == verdict).count();
        match output {
            Format::Json => print::json(&self.lines)?,
            Format::Text => {
                for Line { verdict, place, what } in &self.lines {
                    let word = if *verdict == Verdict::Wrong { "WRONG" } else { "known" };
                    print::data(&format!("{word}  {place}: {}", what.replace('\n', " ")));
                }
                print::data(&format!("{documents} documents, {} wrong, {} to know", count(Verdict::Wrong), count(Verdict::Known)));
            }
        }
        Ok(if count(Verdict::Wrong) == 0 { Exit::Done } else { Exit::Failed })
    }
}

fn name(recipient: &Recipient) -> String {
    format!("{} {}", recipient.kind(), recipient.name())
}

fn lost(lone: &Recipient) -> String {
    format!("if the key of {} is lost, so are the values", name(lone))
}

/// When the key of a document was made at the latest, if that is long ago.
fn old(outline: &Outline, now: Timestamp) -> Option<Timestamp> {
    let made = outline.dates().iter().filter_map(|text| text.parse::<Timestamp>().ok()).min()?;
    (now.duration_since(made).as_hours() / 24 >= OLD_DAYS).then_some(made)
}
