//! A value from standard input: never from the command line, where every user of the machine could see it.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use base64::Engine;
use kubestead_core::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios};
use zeroize::{Zeroize, Zeroizing};

use super::args::Input;
use crate::exit::Failure;
use crate::print;

pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The terminal's device, for programs that ask there.
pub(crate) fn terminal() -> Option<PathBuf> {
    let name = rustix::termios::ttyname(io::stdin(), Vec::new()).or_else(|_| rustix::termios::ttyname(io::stderr(), Vec::new())).ok()?;
    Some(PathBuf::from(name.into_string().ok()?))
}

/// The value as it comes, its last end of line included. On a terminal one line is read and not shown.
pub(crate) fn value(what: &str, input: Input) -> Result<Secret, Failure> {
    let mut bytes = if is_terminal() { hidden_line(what)? } else { read_all()? };
    if input.chomp && bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if input.base64 {
        let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
        bytes.zeroize();
        bytes = encoded.into_bytes();
    }
    Ok(Secret::new(bytes))
}

/// All of standard input.
pub(crate) fn read_all() -> io::Result<Vec<u8>> {
    // Large from the start: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(64 * 1024);
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn hidden_line(what: &str) -> Result<Vec<u8>, Failure> {
    print::ask(&format!("{what} (not shown, ends with Enter):"));
    let before = rustix::termios::tcgetattr(io::stdin())?;
    let mut silent: Termios = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    rustix::termios::tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
    let mut line = Zeroizing::new(String::with_capacity(4096));
    let read = io::stdin().read_line(&mut line);
    rustix::termios::tcsetattr(io::stdin(), OptionalActions::Flush, &before)?;
    print::note("");
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).as_bytes().to_vec())
}

/// Asks yes or no; no without a terminal.
pub(crate) fn confirm(question: &str) -> bool {
    if !is_terminal() {
        return false;
    }
    print::ask(&format!("{question} [Y/n]"));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer).unwrap_or_default();
    read > 0 && !answer.trim().to_ascii_lowercase().starts_with('n')
}
