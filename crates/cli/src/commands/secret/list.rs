//! `kubestead secret list`.

use std::path::{Path, PathBuf};

use kubestead_secrets::sops::{Error, Sops};
use serde::Serialize;

use super::files::{RuleBook, Seen, documents};
use super::{failure, identities, shown};
use crate::args::Format;
use crate::exit::{Exit, Failure, fail};
use crate::print;

#[derive(Serialize)]
struct Row {
    file: String,
    /// `opens`, `no key` or `damaged`.
    state: &'static str,
    /// What is the matter, if something is.
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
    /// How many values are encrypted.
    values: usize,
    recipients: Vec<String>,
    /// The recipients are not those of `.sops.yaml`.
    stale: bool,
}

pub(crate) fn run(dir: &Path, output: Format) -> Result<Exit, Failure> {
    if !dir.exists() {
        return Err(fail(Exit::Usage, format!("{} is not there", dir.display())));
    }
    let identities = identities()?;
    let book = RuleBook::default();
    let mut rows = Vec::new();
    for Seen { path, outline } in documents(&[PathBuf::from(dir)])? {
        let mut row = match outline {
            Ok(outline) => {
                let wanted = book.of(&path).map_err(failure)?.and_then(|rules| rules.matching(&path).ok().flatten());
                let stale = wanted.is_some_and(|matched| !outline.fits(&matched.policy));
                let recipients = outline.recipients().concat().iter().map(|r| format!("{} {}", r.kind(), r.name())).collect();
                Row { file: shown(&path), state: "opens", why: String::new(), values: outline.sealed(), recipients, stale }
            }
            Err(error) => {
                let why = failure(error).message;
                rows.push(Row { file: shown(&path), state: "damaged", why, values: 0, recipients: Vec::new(), stale: false });
                continue;
            }
        };
        match Sops::open(&path, &identities) {
            Ok(_) => {}
            Err(Error::NoKey { .. }) => row.state = "no key",
            Err(error) => (row.state, row.why) = ("damaged", failure(error).message),
        }
        rows.push(row);
    }
    match output {
        Format::Json => print::json(&rows)?,
        Format::Text => text(&rows),
    }
    Ok(Exit::Done)
}

fn text(rows: &[Row]) {
    if rows.is_empty() {
        return print::note("no file encrypted with sops is there");
    }
    let width = rows.iter().map(|row| row.file.len()).max().unwrap_or_default();
    for row in rows {
        let people = match row.recipients.len() {
            1 => "1 recipient".to_owned(),
            many => format!("{many} recipients"),
        };
        let stale = if row.stale { "  not those of .sops.yaml: see `kubestead secret updatekeys --check`" } else { "" };
        print::data(&format!("{:width$}  {:8}{:4} encrypted  {people}{stale}", row.file, row.state, row.values));
        if !row.why.is_empty() {
            print::data(&format!("  {}", row.why));
        }
    }
}
