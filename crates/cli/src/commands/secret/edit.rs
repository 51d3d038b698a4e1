//! `kubestead secret edit`.

use std::path::Path;

use kubestead_secrets::sops::{Document, Done, Error, Sops, View};

use super::private::Private;
use super::{editor, failure, identities, input, shown};
use crate::exit::{Exit, Failure, fail};
use crate::print;

pub(crate) fn run(file: &Path, raw: bool, place: Option<&Private>) -> Result<Exit, Failure> {
    let place = place.ok_or_else(|| fail(Exit::Failed, "there is no place for the plain text"))?;
    let mut document = Sops::open(file, &identities()?).map_err(failure)?;
    let view = if raw { View::raw(&document) } else { View::decoded(&document) }.map_err(failure)?;
    let mut text = view.text().clone();
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("secret");
    loop {
        text = editor::edit(place, name, &text)?;
        let edited = view.plain(&text).and_then(|plain| document.edit(&plain));
        let done = edited.and_then(|change| if change == Done::Changed { document.save() } else { Ok(change) });
        match done {
            Ok(Done::Already) => {
                print::note(&format!("{} is as it was", shown(file)));
                return Ok(Exit::Done);
            }
            Ok(Done::Changed) => {
                print::note(&format!("{} is changed", shown(file)));
                return Ok(Exit::Done);
            }
            Err(Error::Changed(_)) => return Err(keep(file, &mut document)),
            Err(error) => {
                let problem = failure(error);
                print::note(&problem);
                if !input::confirm("Open the editor again with your text?") {
                    return Err(fail(problem.exit, format!("{} stays as it was", shown(file))));
                }
            }
        }
    }
}

/// No lock is held while somebody types, so the file may be another one now. That is not overwritten, and the edit is not lost: it is
/// written beside it, encrypted.
fn keep(file: &Path, document: &mut Document) -> Failure {
    match document.save_beside() {
        Ok(copy) => {
            let message = format!(
                "{0} was changed by another program while the editor was open, and stays as that left it. Your edit lies encrypted in {1}: \
                 see `kubestead secret diff {0} {1}`, set in {0} what is meant, and remove {1}",
                shown(file),
                shown(&copy)
            );
            fail(Exit::Failed, message)
        }
        Err(error) => failure(error),
    }
}
