//! Files that are whole or not there: a temporary file in the same folder, synced, then linked or renamed.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid, fchown};

const PART: &str = ".kubestead-";

/// Whether a file of this name is one that is being written and not in its place yet, or that a killed command left. No file of anybody's,
/// so whoever reads a folder leaves it out.
pub fn is_part(name: &OsStr) -> bool {
    let digits = name.as_encoded_bytes().strip_prefix(PART.as_bytes());
    digits.is_some_and(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Writes a new file with mode 0600. An error of kind `AlreadyExists` when it is there.
pub fn new_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder)?;
    let (mut file, part) = part_in(folder)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    // A hard link, unlike a rename, never replaces what is there.
    let linked = written.and_then(|()| std::fs::hard_link(&part, path));
    std::fs::remove_file(&part)?;
    linked?;
    File::open(folder)?.sync_all()
}

/// Writes a file that may be there, with its mode, owner and group (0600 when it is new).
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    // A link is followed, so that it stays one.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let before = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return new_file(path, content),
        other => other?,
    };
    let folder = folder_of(path);
    let (mut file, part) = part_in(folder)?;
    let written = file
        .write_all(content)
        .and_then(|()| keep_owner(&file, &before))
        // After the owner: a change of owner takes bits of the mode away.
        .and_then(|()| file.set_permissions(Permissions::from_mode(before.permissions().mode() & 0o7777)))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// Only root may give a file away. For others a file that they can replace becomes theirs, and keeps its group if they are in it.
fn keep_owner(file: &File, before: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    let is_root = rustix::process::geteuid().is_root();
    let set = |user: Option<Uid>, group: Option<Gid>| match fchown(file.as_fd(), user, group) {
        Err(error) if is_root => Err(io::Error::from(error)),
        _ => Ok(()),
    };
    if now.gid() != before.gid() {
        set(None, Some(Gid::from_raw(before.gid())))?;
    }
    if now.uid() == before.uid() { Ok(()) } else { set(Some(Uid::from_raw(before.uid())), None) }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// A new, empty file for its owner only. Its name is short and random: names may be as long as the file system takes, of any bytes, and
/// several processes may write at once.
fn part_in(folder: &Path) -> io::Result<(File, PathBuf)> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
    let part = folder.join(format!("{PART}{:016x}", u64::from_ne_bytes(random)));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    Ok((file, part))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn parts_are_known_by_their_names_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let (_file, part) = part_in(folder.path()).unwrap();
        assert!(is_part(part.file_name().unwrap()));
        for other in [
            ".kubestead-",
            ".kubestead-0123456789abcde",
            ".kubestead-0123456789abcdefg",
            ".kubestead-secrets-of.yaml",
            "kubestead-0123456789abcdef",
        ] {
            assert!(!is_part(OsStr::new(other)), "{other}");
        }
    }

    #[test]
    fn a_file_keeps_its_mode_owner_and_group_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let names: [&[u8]; 3] = [b"a.yaml", b"b\xe9.yaml", &[b'x'; 255]];
        for name in names {
            let path = folder.path().join(OsStr::from_bytes(name));
            std::fs::write(&path, "old").unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            let is_root = rustix::process::geteuid().is_root();
            if is_root {
                std::os::unix::fs::chown(&path, Some(12_345), Some(23_456)).unwrap();
            }
            let before = std::fs::metadata(&path).unwrap();
            replace_file(&path, b"new").unwrap();
            let after = std::fs::metadata(&path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
            assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
            assert_ne!(after.ino(), before.ino());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing else is left");
    }
}
