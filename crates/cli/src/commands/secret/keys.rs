//! `kubestead secret rotate` and `updatekeys`.

use std::path::{Path, PathBuf};

use kubestead_secrets::sops::{Document, Identities, Policy, Recipient, Rules, Sops};

use super::files::{RuleBook, Seen, documents};
use super::{failure, identities, shown};
use crate::exit::{Exit, Failure, fail};
use crate::print;

fn name(recipient: &Recipient) -> String {
    format!("{} {}", recipient.kind(), recipient.name())
}

/// The files that hold documents; a damaged one stops everything before something is changed.
fn whole(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let found: Vec<PathBuf> =
        documents(paths)?.into_iter().map(|Seen { path, outline }| outline.map(|_| path).map_err(failure)).collect::<Result<_, _>>()?;
    if found.is_empty() { Err(fail(Exit::Usage, "no file encrypted with sops is there")) } else { Ok(found) }
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
    for file in whole(paths)? {
        let mut document = Sops::open(&file, &identities).map_err(failure)?;
        if let Some(rules) = book.of(&file).map_err(failure)?
            && let Some(matched) = rules.matching(&file).map_err(failure)?
        {
            let found = surprises(&document, &matched.policy);
            if !found.is_empty() {
                return Err(surprised(&file, &rules, &found));
            }
        }
        document.rotate(&identities).map_err(failure)?;
        document.save().map_err(failure)?;
        print::data(&format!("{}: a new key", shown(&file)));
    }
    Ok(Exit::Done)
}

pub(crate) fn update(paths: &[PathBuf], check: bool, remove: &[String]) -> Result<Exit, Failure> {
    let (identities, book) = (identities()?, RuleBook::default());
    let (mut changes, mut held, mut left) = (0, Vec::new(), Vec::new());
    for file in whole(paths)? {
        let Some(rules) = book.of(&file).map_err(failure)? else {
            left.push((file, "no .sops.yaml is above it"));
            continue;
        };
        let Some(matched) = rules.matching(&file).map_err(failure)? else {
            left.push((file, "no rule of .sops.yaml matches it"));
            continue;
        };
        let document = Sops::open(&file, &identities).map_err(failure)?;
        let unnamed = surprises(&document, &matched.policy);
        let not_consented: Vec<Recipient> = unnamed.into_iter().filter(|r| !remove.iter().any(|consent| consent == r.name())).collect();
        if !not_consented.is_empty() {
            held.push(surprised(&file, &rules, &not_consented));
            continue;
        }
        changes += usize::from(one(document, &matched.policy, &identities, check)?);
    }
    for (file, why) in &left {
        print::note(&format!("{}: left as it is, {why}", shown(file)));
    }
    if let Some(first) = held.first() {
        for problem in &held {
            print::note(&format!("held: {}", problem.message));
        }
        return Err(fail(first.exit, format!("{} of the files are held and stay as they are", held.len())));
    }
    if changes == 0 {
        print::note("nothing to do: the recipients are those of .sops.yaml");
    }
    Ok(if check && changes > 0 { Exit::Changes } else { Exit::Done })
}

/// True when something is to be done, or was.
fn one(mut document: Document, policy: &Policy, identities: &Identities, check: bool) -> Result<bool, Failure> {
    let file = shown(document.path());
    let update = document.update_recipients(policy, identities).map_err(failure)?;
    if !update.changed {
        return Ok(false);
    }
    for (mark, people) in [("+", &update.added), ("-", &update.removed)] {
        for recipient in people {
            print::data(&format!("{file}: {mark} {}", name(recipient)));
        }
    }
    if update.added.is_empty() && update.removed.is_empty() {
        print::data(&format!("{file}: key groups or their threshold"));
    }
    if !check {
        document.save().map_err(failure)?;
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
