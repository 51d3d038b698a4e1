//! `kubestead secret set`, `unset` and `get`.

use std::io::Write;
use std::path::Path;

use base64::Engine;
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Document, Done, Error, Format, KeyPath, Sops, Step, Value};

use super::args::{Input, Kind};
use super::{failure, identities, input, key_path, open_to_change, shown};
use crate::exit::{Exit, Failure, fail};
use crate::print;

pub(crate) fn set(file: &Path, path: &str, input: Input, kind: Kind, plain: bool) -> Result<Exit, Failure> {
    let path = key_path(path)?;
    let identities = identities()?;
    // Opened first: whoever cannot change the file need not type the value.
    if input::is_terminal() {
        drop(Sops::open(file, &identities).map_err(failure)?);
    }
    let bytes = input::value(&format!("value of {path}"), input)?;
    // Only now, so that nobody waits for somebody who types, or for a pipe from another command that waits here.
    let mut document = open_to_change(file, &identities).map_err(failure)?;
    // Its one value is of any bytes.
    if document.format() == Format::Binary && path == KeyPath::from(["data"]) {
        let change = document.edit(&bytes).map_err(failure)?;
        return report(&mut document, change);
    }
    let value = typed(&bytes, kind)?;
    check_data(&document, &path, &value)?;
    let change = document.set(path.clone(), &value).map_err(failure)?;
    let is_empty = value.bytes().expose().is_empty();
    if change == Done::Changed && !plain && !is_empty && !document.is_encrypted(path.clone()) {
        let message = format!(
            "{} encrypts nothing at {path}, so the value would stand there in plain text; nothing was written. Below `stringData` of a \
             Secret it is encrypted; --plain writes it as it is",
            shown(file)
        );
        return Err(fail(Exit::Usage, message));
    }
    report(&mut document, change)
}

fn typed(bytes: &Secret, kind: Kind) -> Result<Value, Failure> {
    let text = Value::secret(bytes)
        .ok_or_else(|| fail(Exit::Usage, "the value is no UTF-8 text; give --base64 and a place below `data` of the Secret"))?;
    let word = text.as_str().unwrap_or_default().trim();
    let bad = |what: &str| fail(Exit::Usage, format!("standard input is no {what}"));
    match kind {
        Kind::Text => Ok(text),
        Kind::Int => word.parse().map(Value::int).map_err(|_| bad("whole number")),
        Kind::Float => word.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::float).ok_or_else(|| bad("number")),
        Kind::Bool => word.parse().map(Value::bool).map_err(|_| bad("`true` or `false`")),
    }
}

/// What the API server would refuse much later.
fn check_data(document: &Document, path: &KeyPath, value: &Value) -> Result<(), Failure> {
    let kind = document.get(KeyPath::from(["kind"]).in_document(path.document())).and_then(Value::as_str);
    let is_data = kind == Some("Secret") && matches!(path.steps().first(), Some(Step::Key(key)) if key == "data");
    if is_data && base64::engine::general_purpose::STANDARD.decode(value.bytes().expose()).is_err() {
        let message = format!("{path}: what stands below `data` of a Secret is base64; give --base64, or set it below `stringData`");
        return Err(fail(Exit::Usage, message));
    }
    Ok(())
}

pub(crate) fn unset(file: &Path, path: &str) -> Result<Exit, Failure> {
    let path = key_path(path)?;
    let mut document = open_to_change(file, &identities()?).map_err(failure)?;
    let change = document.unset(path).map_err(failure)?;
    report(&mut document, change)
}

fn report(document: &mut Document, change: Done) -> Result<Exit, Failure> {
    let file = shown(document.path());
    match change {
        Done::Already => print::note(&format!("{file} is so already")),
        Done::Changed => {
            document.save().map_err(failure)?;
            print::note(&format!("{file} is changed"));
        }
    }
    Ok(Exit::Done)
}

pub(crate) fn get(file: &Path, path: Option<&str>) -> Result<Exit, Failure> {
    let path = path.map(key_path).transpose()?;
    let document = Sops::open(file, &identities()?).map_err(failure)?;
    let Some(path) = path else {
        let mut out = print::bytes();
        let written = document.write_plain(&mut |piece| out.write_all(piece));
        let flushed = out.end();
        return match written.and(flushed.map_err(|source| Error::File { what: "print", path: file.to_owned(), source })) {
            // A closed pipe ends the program quietly, as other programs do.
            Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Done),
            other => other.map(|()| Exit::Done).map_err(failure),
        };
    };
    if let Some(value) = document.get(path.clone()) {
        print::bytes().all(value.bytes().expose())?;
        return Ok(Exit::Done);
    }
    let below: Vec<String> = document
        .paths()
        .filter(|found| found.document() == path.document() && found.steps().starts_with(path.steps()))
        .map(ToString::to_string)
        .collect();
    let message = if below.is_empty() {
        format!("{} has no value at {path}; its values: {}", shown(file), names(document.paths().map(ToString::to_string)))
    } else {
        format!("{path} of {} is a mapping or list; name one of its values: {}", shown(file), names(below.into_iter()))
    };
    Err(fail(Exit::Usage, message))
}

fn names(paths: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = paths.collect();
    let more = if all.len() > 20 { format!(" and {} more", all.len() - 20) } else { String::new() };
    format!("{}{more}", all.iter().take(20).cloned().collect::<Vec<_>>().join(", "))
}
