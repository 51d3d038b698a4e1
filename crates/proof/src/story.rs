//! What machines said last: their consoles and their journals, wherever in the folder of a worker a lab lies.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::worker::say;

/// How many lines of each are told.
const LINES: usize = 40;
/// How deep below the folder a lab lies: a scenario may make a folder of its own in it.
const DEPTH: usize = 5;

/// The files of a name in a folder and below it.
fn named(folder: &Path, name: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![(folder.to_owned(), 0)]);
    while let Some((folder, depth)) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEPTH => open.push((entry.path(), depth + 1)),
                Ok(kind) if kind.is_file() && entry.file_name() == name => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn last(text: &str, what: &str) {
    let lines: Vec<&str> = text.lines().collect();
    say(&format!("      -- {what}"));
    for line in &lines[lines.len().saturating_sub(LINES)..] {
        say(&format!("      | {}", plain(line)));
    }
}

/// A line without what a terminal would obey: it is a machine's.
pub(crate) fn plain(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '?' } else { c }).collect()
}

/// The machines of the labs below a folder: name, console, and the ssh configuration that leads to them.
fn machines(folder: &Path) -> Vec<(String, PathBuf, Option<PathBuf>)> {
    named(folder, "console.log")
        .into_iter()
        .filter_map(|console| {
            let machine = console.parent()?;
            let config = machine.parent()?.parent()?.join("ssh_config");
            Some((machine.file_name()?.to_string_lossy().into_owned(), console, Some(config).filter(|c| c.exists())))
        })
        .collect()
}

/// Tells the end of each machine's console and journal.
pub(crate) fn tell(folder: &Path) {
    for (name, console, config) in machines(folder) {
        last(&String::from_utf8_lossy(&std::fs::read(&console).unwrap_or_default()), &format!("console of {name}"));
        let Some(config) = config else { continue };
        let mut journal = Command::new("timeout");
        journal.args(["-k", "2", "15", "ssh", "-F"]).arg(config).args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=5", name.as_str()]);
        let lines = LINES.to_string();
        match journal.args(["journalctl", "--no-pager", "-o", "short", "-n", lines.as_str()]).stdin(Stdio::null()).output() {
            Ok(out) if out.status.success() => last(&String::from_utf8_lossy(&out.stdout), &format!("journal of {name}")),
            _ => say(&format!("      -- no journal of {name}: it does not answer")),
        }
    }
}

/// Whether a machine ended by a panic of its kernel, which is the lab's; if so, it is told.
pub(crate) fn panicked(folder: &Path) -> bool {
    let mut found = false;
    for (name, console, _) in machines(folder) {
        let text = String::from_utf8_lossy(&std::fs::read(&console).unwrap_or_default()).into_owned();
        if let Some(at) = text.find("Kernel panic - not syncing") {
            last(&text[..at + text[at..].find('\n').unwrap_or(0)], &format!("{name} ended by a panic of its kernel"));
            found = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_found_in_a_folder_that_a_scenario_made() {
        let folder = tempfile::tempdir().unwrap();
        let machine = folder.path().join("tmp.x/labs/lab/machines/kube1");
        std::fs::create_dir_all(&machine).unwrap();
        std::fs::write(machine.join("console.log"), "a\nb\n").unwrap();
        std::fs::write(folder.path().join("tmp.x/labs/lab/ssh_config"), "").unwrap();
        let found = machines(folder.path());
        assert_eq!((found.len(), found[0].0.as_str(), found[0].2.is_some()), (1, "kube1", true));
        assert!(!panicked(folder.path()));
        std::fs::write(machine.join("console.log"), "a\nKernel panic - not syncing: it\nb\n").unwrap();
        assert!(panicked(folder.path()));
    }
}
