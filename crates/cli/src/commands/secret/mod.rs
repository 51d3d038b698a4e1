//! `kubestead secret`: documents of sops, made, edited, compared and checked. None of these verbs needs the network or a runtime.

pub(crate) mod args;
mod check;
mod diff;
mod doctor;
mod edit;
mod editor;
mod files;
mod git;
mod import;
mod init;
mod input;
mod keys;
mod list;
mod merge;
mod new;
mod private;
mod value;

use std::path::{Path, PathBuf};

use kubestead_secrets::sops::{Document, Error, Gpg, Identities, KeyPath, Rules, Sops};

use self::args::Secret;
use crate::exit::{Exit, Failure, fail};
use crate::print;

pub(crate) fn run(command: Secret) -> Result<Exit, Failure> {
    if matches!(command, Secret::Probe) {
        return private::probe();
    }
    // Before anything is decrypted, and before the process is made unreadable: the kernel wants to be told about the namespace.
    let place = match &command {
        Secret::Edit { memory, .. } | Secret::New { key: None, memory, .. }
            if input::is_terminal() || matches!(command, Secret::Edit { .. }) =>
        {
            Some(private::Private::enter(*memory, &editor::name()?)?)
        }
        _ => None,
    };
    private::harden()?;
    match command {
        Secret::Init { recipient, no_git, dir } => init::run(&dir, &recipient, no_git),
        Secret::New { file, name, namespace, kind, key, input, .. } => {
            let wanted = new::Wanted { name, namespace, kind, key };
            new::run(&file, &wanted, input, place.as_ref())
        }
        Secret::Edit { file, raw, .. } => edit::run(&file, raw, place.as_ref()),
        Secret::Set { file, path, input, kind, plain } => value::set(&file, &path, input, kind, plain),
        Secret::Unset { file, path } => value::unset(&file, &path),
        Secret::Get { file, path } => value::get(&file, path.as_deref()),
        Secret::List { dir, output } => list::run(&dir, output),
        Secret::Diff { file, textconv: true, .. } => diff::textconv(&file),
        Secret::Diff { file, other: Some(other), show_values, .. } => diff::files(&file, &other, show_values),
        Secret::Diff { file, from, to, show_values, .. } => diff::revisions(&file, &from, to.as_deref(), show_values),
        Secret::Rotate { paths } => keys::rotate(&paths),
        Secret::Updatekeys { paths, check, remove } => keys::update(&paths, check, &remove),
        Secret::Check { staged: true, .. } => check::staged(),
        Secret::Check { paths, .. } => check::paths(&paths),
        Secret::Doctor { dir, output } => doctor::run(&dir, output),
        Secret::Merge { base, ours, theirs, name } => merge::run(&base, &ours, &theirs, &name),
        Secret::Import { files, to, vault_password_file } => import::run(&files, &to, vault_password_file.as_deref()),
        Secret::Probe => Ok(Exit::Done),
    }
}

/// An error with its exit code: a file that cannot be worked with is a bad file, everything else has failed.
fn failure(error: Error) -> Failure {
    let exit = match &error {
        Error::Syntax { .. }
        | Error::NotEncrypted(_)
        | Error::AlreadyEncrypted(_)
        | Error::Metadata { .. }
        | Error::Path { .. }
        | Error::Rule { .. } => Exit::Usage,
        _ => Exit::Failed,
    };
    let failure = Failure::from(error);
    Failure { exit, ..failure }
}

/// Opens a document to change it; whoever else wants to waits until it is saved or dropped.
fn open_to_change(file: &Path, identities: &Identities) -> Result<Document, Error> {
    let waits = || print::note(&format!("waiting: another command is changing {}", shown(file)));
    Sops::open_to_change(file, identities, &waits)
}

/// What opens documents here: `KUBESTEAD_AGE_KEY_FILE`, then what sops itself would use.
fn identities() -> Result<Identities, Failure> {
    let mut found = Identities::discover(&variable).map_err(failure)?;
    if let Some(path) = variable("KUBESTEAD_AGE_KEY_FILE").filter(|path| variable("SOPS_AGE_KEY_FILE").as_ref() != Some(path)) {
        found = found.with_age_file(Path::new(&path)).map_err(failure)?;
    }
    Ok(found.with_gpg(gpg()))
}

/// The program gpg, which may ask for a passphrase where somebody is.
fn gpg() -> Gpg {
    let gpg = variable("SOPS_GPG_EXEC").map_or_else(Gpg::default, Gpg::new);
    match input::terminal() {
        Some(terminal) => gpg.with_terminal(&terminal),
        None if variable("DISPLAY").or_else(|| variable("WAYLAND_DISPLAY")).is_some() => gpg,
        None => gpg.without_asking(),
    }
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The rules for a file, which must be there.
fn rules(file: &Path) -> Result<Rules, Failure> {
    Rules::find(file).map_err(failure)?.ok_or_else(|| {
        let message = format!("there is no .sops.yaml in the folder of {} or above it; run `kubestead secret init` first", file.display());
        fail(Exit::Usage, message)
    })
}

/// `["a"]["b"][0]`, or keys with slashes between.
fn key_path(text: &str) -> Result<KeyPath, Failure> {
    if text.starts_with('[') {
        return text.parse().map_err(|e: kubestead_secrets::sops::BadPath| fail(Exit::Usage, e.to_string()));
    }
    if text.split('/').any(str::is_empty) {
        return Err(fail(Exit::Usage, format!("{text:?} is not a path: write it as stringData/password, or as [\"list\"][0]")));
    }
    Ok(text.split('/').fold(KeyPath::default(), KeyPath::key))
}

/// A path as it is best read: below the current folder without its name.
fn shown(path: &Path) -> String {
    let short = path.strip_prefix("./").unwrap_or(path);
    short.display().to_string()
}

fn current_dir() -> Result<PathBuf, Failure> {
    Ok(std::env::current_dir()?)
}
