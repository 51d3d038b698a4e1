//! `kubestead secret rotate` and `updatekeys`.

use std::path::{Path, PathBuf};

use kubestead_secrets::sops::{Document, Identities, Policy, Recipient, Rules, Sops};

use super::files::{RuleBook, Seen, documents};
use super::{failure, identities, open_to_change, shown};
use crate::exit::{Exit, Failure, fail};
use crate::print;

fn name(recipient: &Recipient) -> String {
    format!("{} {}", recipient.kind(), recipient.name())
}

/// The files that hold documents, and those that should and cannot be read.
fn found(paths: &[PathBuf]) -> Result<Vec<Seen>, Failure> {
    let found = documents(paths)?;
    if found.is_empty() { Err(fail(Exit::Usage, "no file encrypted with sops is there")) } else { Ok(found) }
}

/// How files fared. One that fails or is held does not keep the others from their turn; each is told, and the exit code knows of it.
#[derive(Default)]
struct Tally {
    files: usize,
    failed: Vec<Failure>,
    held: Vec<Failure>,
}

impl Tally {
    /// Takes in what became of a file; none if there is nothing more to do with it.
    fn take<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        self.files += 1;
        match result {
            Ok(done) => return Some(done),
            Err(problem) if problem.exit == Exit::Held => self.held.push(problem),
            Err(problem) => self.failed.push(problem),
        }
        None
    }

    fn end(mut self) -> Result<(), Failure> {
        if self.files == 1
            && let Some(only) = self.failed.pop()
        {
            return Err(only);
        }
        for (what, problems) in [("held", &self.held), ("error", &self.failed)] {
            for problem in problems {
                print::note(&format!("{what}: {}", problem.message));
            }
        }
        let held = format!("{} of {} files are held and stay as they are", self.held.len(), self.files);
        match (self.failed.len(), self.held.len()) {
            (0, 0) => Ok(()),
            (0, _) => Err(fail(Exit::Held, held)),
            (failed, 0) => Err(fail(Exit::Failed, format!("{failed} of {} files failed and stay as they are", self.files))),
            (failed, _) => Err(fail(Exit::Failed, format!("{failed} of {} files failed and stay as they are; {held}", self.files))),
        }
    }
}

/// Recipients of a document that its rules do not name: perhaps taken away there, perhaps slipped in here.
fn surprises(document: &Document, policy: &Policy) -> Vec<Recipient> {
    let named = policy.groups.concat();
    document.recipients().concat().into_iter().filter(|recipient| !named.contains(recipient)).collect()
}

fn surprised(file: &Path, rules: &Rules, found: &[Recipient]) -> Failure {
    let people: Vec<String> = found.iter().map(name).collect();
    let consent: Vec<String> = found.iter().map(|r| format!("--remove {}", quoted(r.name()))).collect();
    let message = format!(
        "{} is encrypted to {}, which {} does not name. Taken away on purpose? Then: kubestead secret updatekeys {} {}\n  Otherwise find out \
         who added it: at the next new key that one would get it too",
        shown(file),
        people.join(" and "),
        rules.path().display(),
        shown(file),
        consent.join(" ")
    );
    fail(Exit::Held, message)
}

fn quoted(word: &str) -> String {
    if word.contains(' ') { format!("'{word}'") } else { word.to_owned() }
}

pub(crate) fn rotate(paths: &[PathBuf]) -> Result<Exit, Failure> {
    let (identities, book) = (identities()?, RuleBook::default());
    let mut tally = Tally::default();
    for Seen { path, outline } in found(paths)? {
        let result = outline.map_err(failure).and_then(|_| rotate_one(&path, &book, &identities));
        if tally.take(result).is_some() {
            print::data(&format!("{}: a new key", shown(&path)));
        }
    }
    tally.end().map(|()| Exit::Done)
}

fn rotate_one(file: &Path, book: &RuleBook, identities: &Identities) -> Result<(), Failure> {
    let mut document = open_to_change(file, identities).map_err(failure)?;
    if let Some(rules) = book.of(file).map_err(failure)?
        && let Some(matched) = rules.matching(file).map_err(failure)?
    {
        let found = surprises(&document, &matched.policy);
        if !found.is_empty() {
            return Err(surprised(file, &rules, &found));
        }
    }
    document.rotate(identities).map_err(failure)?;
    document.save().map(|_| ()).map_err(failure)
}

pub(crate) fn update(paths: &[PathBuf], check: bool, remove: &[String]) -> Result<Exit, Failure> {
    let how = How { identities: identities()?, book: RuleBook::default(), check, remove };
    let (mut tally, mut changes, mut left) = (Tally::default(), 0, Vec::new());
    for Seen { path, outline } in found(paths)? {
        match tally.take(outline.map_err(failure).and_then(|_| how.update(&path))) {
            Some(Updated::Left(why)) => left.push((path, why)),
            Some(Updated::Changed) => changes += 1,
            Some(Updated::Already) | None => {}
        }
    }
    for (file, why) in &left {
        print::note(&format!("{}: left as it is, {why}", shown(file)));
    }
    tally.end()?;
    if changes == 0 {
        print::note("nothing to do: the recipients are those of .sops.yaml");
    }
    Ok(if check && changes > 0 { Exit::Changes } else { Exit::Done })
}

/// What `updatekeys` was told.
struct How<'a> {
    identities: Identities,
    book: RuleBook,
    check: bool,
    remove: &'a [String],
}

/// What it did with a file, or would do.
enum Updated {
    Left(&'static str),
    Changed,
    Already,
}

impl How<'_> {
    fn update(&self, file: &Path) -> Result<Updated, Failure> {
        let Some(rules) = self.book.of(file).map_err(failure)? else { return Ok(Updated::Left("no .sops.yaml is above it")) };
        let Some(matched) = rules.matching(file).map_err(failure)? else {
            return Ok(Updated::Left("no rule of .sops.yaml matches it"));
        };
        let opened = if self.check { Sops::open(file, &self.identities) } else { open_to_change(file, &self.identities) };
        let document = opened.map_err(failure)?;
        let mut unnamed = surprises(&document, &matched.policy);
        unnamed.retain(|recipient| !self.remove.iter().any(|consent| consent == recipient.name()));
        if !unnamed.is_empty() {
            return Err(surprised(file, &rules, &unnamed));
        }
        let is_change = one(document, &matched.policy, &self.identities, self.check)?;
        Ok(if is_change { Updated::Changed } else { Updated::Already })
    }
}

/// True when something is to be done, or was.
fn one(mut document: Document, policy: &Policy, identities: &Identities, check: bool) -> Result<bool, Failure> {
    let file = shown(document.path());
    let update = document.update_recipients(policy, identities).map_err(failure)?;
    if !update.changed {
        return Ok(false);
    }
    // Told only once it is so.
    if !check {
        document.save().map_err(failure)?;
    }
    for (mark, people) in [("+", &update.added), ("-", &update.removed)] {
        for recipient in people {
            print::data(&format!("{file}: {mark} {}", name(recipient)));
        }
    }
    if update.added.is_empty() && update.removed.is_empty() {
        print::data(&format!("{file}: key groups or their threshold"));
    }
    if update.rotated {
        let values: Vec<String> = document.sealed_paths().map(ToString::to_string).collect();
        let did = if check { "would get a new key" } else { "has a new key" };
        print::data(&format!(
            "{file}: {did}. Whoever was taken away has read these values, so change them at their source:\n  {}",
            values.join("\n  ")
        ));
    }
    Ok(true)
}
