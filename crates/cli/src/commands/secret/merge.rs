//! `kubestead secret merge`: what git calls to merge two versions of a file, value by value.

use std::collections::BTreeSet;
use std::path::Path;

use kubestead_secrets::sops::{Difference, Differs, Document, Error, Format, Identities, KeyPath, Sops, Step, Value, differences};

use super::{failure, identities};
use crate::exit::{Exit, Failure, fail};
use crate::print;

/// Merges what `theirs` changed since `base` into the file `ours`. On a conflict that stays as it is, without markers: those would
/// break its MAC.
pub(crate) fn run(base: &Path, ours: &Path, theirs: &Path, name: &Path) -> Result<Exit, Failure> {
    let identities = identities()?;
    let base = match open(base, name, &identities) {
        Ok(document) => Some(document),
        // Both sides made the file: git has no version before.
        Err(Error::NotEncrypted(_)) => None,
        Err(error) => return Err(failure(error)),
    };
    let mut document = open(ours, name, &identities).map_err(failure)?;
    let theirs = open(theirs, name, &identities).map_err(failure)?;
    let conflicts = merge(base.as_ref(), &mut document, &theirs)?;
    if conflicts.is_empty() {
        document.save().map_err(failure)?;
        return Ok(Exit::Done);
    }
    for conflict in &conflicts {
        print::note(&format!("{}: {conflict}", name.display()));
    }
    let message = format!(
        "{0} is in conflict and holds your version. Look with `kubestead secret diff --from MERGE_HEAD {0}`, set what is meant, then `git add` it",
        name.display()
    );
    Err(fail(Exit::Failed, message))
}

/// git gives temporary names, so the format comes from the file's own.
fn open(path: &Path, name: &Path, identities: &Identities) -> Result<Document, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::File { what: "read", path: path.to_owned(), source })?;
    Sops::open_text(path, Format::found(name, &bytes), &bytes, identities)
}

fn merge(base: Option<&Document>, ours: &mut Document, theirs: &Document) -> Result<Vec<String>, Failure> {
    let (mine, wanted) = (differences(base, Some(ours)), differences(base, Some(theirs)));
    let mut conflicts = Vec::new();
    if theirs.recipients() != ours.recipients() && base.is_none_or(|base| base.recipients() != theirs.recipients()) {
        conflicts.push("the recipients differ".to_owned());
    }
    let comments = |document: &Document| -> Vec<String> {
        document.comments().map(|(path, c)| format!("{path} {}", c.as_str().unwrap_or_default())).collect()
    };
    if comments(theirs) != comments(ours) && base.is_none_or(|base| comments(base) != comments(theirs)) {
        conflicts.push("the comments differ".to_owned());
    }
    let lists: BTreeSet<Vec<Step>> = mine.iter().filter_map(|difference| list(&difference.path)).collect();
    for difference in &wanted {
        let other = mine.iter().find(|other| other.path == difference.path);
        if other.is_some_and(|other| same(other.new.as_ref(), difference.new.as_ref())) {
            continue;
        }
        let both = list(&difference.path).is_some_and(|place| lists.contains(&place));
        if other.is_some() || both {
            conflicts.push(format!("{} was changed on both sides", difference.path));
        }
    }
    if conflicts.is_empty() {
        apply(ours, &wanted)?;
    }
    Ok(conflicts)
}

fn apply(ours: &mut Document, wanted: &[Difference]) -> Result<(), Failure> {
    for difference in wanted.iter().filter(|difference| difference.how != Differs::Removed) {
        if let Some(value) = &difference.new {
            ours.set(difference.path.clone(), value).map_err(failure)?;
        }
    }
    // From the end, so that indexes of lists stay true.
    for difference in wanted.iter().rev().filter(|difference| difference.how == Differs::Removed) {
        ours.unset(difference.path.clone()).map_err(failure)?;
    }
    Ok(())
}

/// The list that a value stands in: elements have no names, so two changes of one list cannot be told apart.
fn list(path: &KeyPath) -> Option<Vec<Step>> {
    let steps = path.steps();
    steps.iter().position(|step| matches!(step, Step::Index(_))).map(|end| steps[..end].to_vec())
}

fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.kind() == b.kind() && a.bytes().expose() == b.bytes().expose(),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
