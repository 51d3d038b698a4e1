//! `kubestead secret diff`: which values differ. Values themselves are shown only when that is asked for.

use std::path::Path;

use hmac::{Hmac, Mac};
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Difference, Differs, Document, Error, Format, Identities, Kind, Sops, Value, differences};
use sha2::Sha256;

use super::{failure, git, identities, shown};
use crate::exit::{Exit, Failure, fail};
use crate::folders;
use crate::print::{self, Shown};

pub(crate) fn files(older: &Path, newer: &Path, show_values: bool) -> Result<Exit, Failure> {
    let identities = identities()?;
    let (old, new) = (Sops::open(older, &identities).map_err(failure)?, Sops::open(newer, &identities).map_err(failure)?);
    Ok(report(Some(&old), Some(&new), show_values))
}

pub(crate) fn revisions(file: &Path, from: &str, to: Option<&str>, show_values: bool) -> Result<Exit, Failure> {
    let identities = identities()?;
    let old = git::content(file, from)?;
    let new = match to {
        Some(revision) => git::content(file, revision)?,
        None if file.exists() => Some(std::fs::read(file).map_err(|e| fail(Exit::Failed, format!("cannot read {}: {e}", file.display())))?),
        None => None,
    };
    if old.is_none() && new.is_none() {
        return Err(fail(Exit::Usage, format!("{} is in neither of the two revisions", shown(file))));
    }
    let (old, new) = (open(file, from, old, &identities)?, open(file, to.unwrap_or("the file here"), new, &identities)?);
    Ok(report(old.as_ref(), new.as_ref(), show_values))
}

fn open(file: &Path, revision: &str, bytes: Option<Vec<u8>>, identities: &Identities) -> Result<Option<Document>, Failure> {
    let Some(bytes) = bytes else { return Ok(None) };
    let opened = Sops::open_text(file, Format::found(file, &bytes), &bytes, identities);
    opened.map(Some).map_err(|error| {
        let problem = failure(error);
        fail(problem.exit, format!("{revision}: {}", problem.message))
    })
}

fn report(old: Option<&Document>, new: Option<&Document>, show_values: bool) -> Exit {
    let found = differences(old, new);
    for difference in &found {
        print::data(&line(difference, show_values));
    }
    let people = |document: Option<&Document>| document.map(|document| document.recipients().concat()).unwrap_or_default();
    let (before, after) = (people(old), people(new));
    for (mark, some, others) in [("+", &after, &before), ("-", &before, &after)] {
        for recipient in some.iter().filter(|recipient| !others.contains(recipient)) {
            print::data(&format!("{mark} recipient {} {}", recipient.kind(), recipient.name()));
        }
    }
    if found.is_empty() && before.iter().all(|r| after.contains(r)) && after.iter().all(|r| before.contains(r)) {
        print::note("no value differs");
        return Exit::Done;
    }
    Exit::Changes
}

fn line(difference: &Difference, show_values: bool) -> String {
    let mark = match difference.how {
        Differs::Added => "+",
        Differs::Removed => "-",
        Differs::Changed => "~",
    };
    let value = |value: &Option<Value>| value.as_ref().map(render);
    let values = match (value(&difference.old), value(&difference.new)) {
        (Some(old), Some(new)) if show_values => format!(": {old} -> {new}"),
        (Some(only), None) | (None, Some(only)) if show_values => format!(": {only}"),
        _ => String::new(),
    };
    format!("{mark} {}{values}", difference.path)
}

fn render(value: &Value) -> String {
    match (value.kind(), value.as_str()) {
        (Kind::Text, Some(text)) => format!("{text:?}"),
        (Kind::Null, _) => "null".to_owned(),
        (_, Some(text)) => text.to_owned(),
        (_, None) => format!("{} bytes", value.bytes().expose().len()),
    }
}

fn lines(text: &str) -> Shown {
    let mut shown = Shown::default();
    shown.text("", text);
    shown
}

/// What `git diff` compares: the layout, and a mark for each encrypted value that is the same exactly when the value is.
pub(crate) fn textconv(file: &Path) -> Result<Exit, Failure> {
    let bytes = std::fs::read(file).map_err(|e| fail(Exit::Failed, format!("cannot read {}: {e}", file.display())))?;
    let as_is = || print::data(&lines(&String::from_utf8_lossy(&bytes)));
    // git gives a temporary name that ends with the file's own.
    let identities = match identities() {
        Ok(identities) => identities,
        Err(problem) => {
            print::note(&problem.message);
            as_is();
            return Ok(Exit::Done);
        }
    };
    let document = match Sops::open_text(file, Format::found(file, &bytes), &bytes, &identities) {
        Ok(document) => document,
        // A difference of ciphertexts is better than none.
        Err(Error::NotEncrypted(_) | Error::NoKey { .. } | Error::Syntax { .. }) => {
            as_is();
            return Ok(Exit::Done);
        }
        Err(error) => {
            print::note(&failure(error).message);
            as_is();
            return Ok(Exit::Done);
        }
    };
    let key = mark_key()?;
    let masked = document.masked(&|path, value| mark(&key, &path.to_string(), value)).map_err(failure)?;
    let people: String = document.recipients().concat().iter().map(|r| format!("# recipient: {} {}\n", r.kind(), r.name())).collect();
    print::data(&lines(&format!("{masked}{people}")));
    Ok(Exit::Done)
}

/// A keyed digest: without the key nobody can try guesses against a mark that was shown somewhere.
fn mark(key: &Secret, path: &str, value: &Value) -> String {
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key.expose()) else { return "<encrypted>".to_owned() };
    hmac.update(path.as_bytes());
    hmac.update(&[0]);
    hmac.update(value.bytes().expose());
    let digest: String = hmac.finalize().into_bytes().iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("<encrypted {digest}>")
}

/// This user's key for marks, made when it is needed first.
fn mark_key() -> Result<Secret, Failure> {
    use std::io::Write;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let state = folders::state()?.join("kubestead");
    let path = state.join("diff-marks.key");
    if let Some(bytes) = std::fs::read(&path).ok().filter(|bytes| bytes.len() == 32) {
        return Ok(Secret::new(bytes));
    }
    let mut bytes = vec![0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| fail(Exit::Failed, format!("the operating system gave no random bytes: {e}")))?;
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&state)?;
    let part = state.join(format!(".diff-marks.{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(&bytes)?;
    // git runs two of these at once: the first key stays.
    let linked = std::fs::hard_link(&part, &path);
    std::fs::remove_file(&part)?;
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Secret::new(std::fs::read(&path)?)),
        other => other.map(|()| Secret::new(bytes)).map_err(Failure::from),
    }
}
