//! The editor, and what keeps it from writing plain text elsewhere.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use kubestead_core::secret::Secret;
use tokio::signal::unix::{SignalKind, signal};

use super::private::Private;
use crate::exit::{Exit, Failure, fail};

/// The command: `SOPS_EDITOR`, `VISUAL`, `EDITOR`, else `vi`.
fn command() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    ["SOPS_EDITOR", "VISUAL", "EDITOR"].into_iter().find_map(variable).unwrap_or_else(|| "vi".to_owned())
}

/// The program's name. One that gives its file to another process and returns at once would lose what is typed.
pub(crate) fn name() -> Result<String, Failure> {
    let command = command();
    let mut words = command.split_whitespace();
    let name = words.next().and_then(|word| Path::new(word).file_name()).and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let waits = words.any(|word| matches!(word, "--wait" | "-w" | "-f" | "--nofork" | "--block" | "-b" | "--standalone" | "-s"));
    let forks = ["code", "code-insiders", "codium", "subl", "atom", "gvim", "kate", "gedit", "zed"].contains(&name.as_str());
    if forks && !waits {
        let message = format!("the editor {name} returns at once, before anything is typed; set EDITOR='{name} --wait' or another editor");
        return Err(fail(Exit::Usage, message));
    }
    Ok(name)
}

/// What vim and nvim must not do: swap files, undo files, backups, registers in a file, commands that a text brings along.
fn guards(command: &str) -> Vec<&'static str> {
    let word = command.split_whitespace().next().unwrap_or_default();
    let found = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).map(|dir| dir.join(word)).find(|path| path.is_file());
    let path = if word.contains('/') { Some(word.into()) } else { found };
    let real = path.and_then(|path| path.canonicalize().ok()).unwrap_or_default();
    let name = real.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.starts_with("vim") || name.starts_with("nvim") {
        vec!["-n", "-i", "NONE", "--cmd", "set noundofile nobackup nowritebackup nomodeline"]
    } else {
        Vec::new()
    }
}

/// Lets a text be edited. The file of that name must not be in the folder yet, and is gone afterwards.
pub(crate) fn edit(place: &Private, name: &str, text: &Secret) -> Result<Secret, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let path = place.dir().join(name);
    let status = runtime.block_on(session(place, name, text))?;
    let edited = std::fs::read(&path).map(Secret::new);
    let _ = std::fs::remove_file(&path);
    if !status.success() {
        return Err(fail(Exit::Failed, format!("the editor ended with {status}; nothing was changed")));
    }
    edited.map_err(|e| fail(Exit::Failed, format!("the editor left no text that can be read ({e}); nothing was changed")))
}

async fn session(place: &Private, name: &str, text: &Secret) -> Result<ExitStatus, Failure> {
    // First of all: a signal must not leave the text behind.
    let (mut interrupt, mut quit) = (signal(SignalKind::interrupt())?, signal(SignalKind::quit())?);
    let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let path = place.write(name, text.expose())?;
    let command = command();
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", &format!("{command} \"$@\""), &command])
        .args(guards(&command))
        .arg(&path)
        .env("TMPDIR", place.dir())
        .stdin(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| fail(Exit::Failed, format!("the editor {command:?} did not start: {e}; set EDITOR")))?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            // Keys of the terminal are the editor's.
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
            _ = terminate.recv() => return Err(fail(Exit::Failed, "stopped; nothing was changed")),
            _ = hangup.recv() => return Err(fail(Exit::Failed, "the terminal is gone; nothing was changed")),
        }
    }
}
