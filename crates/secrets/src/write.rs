//! Files that are whole or not there: a temporary file in the same folder, synced, then linked or renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a new file with mode 0600. An error of kind `AlreadyExists` when it is there.
pub fn new_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("file");
    let part = folder.join(format!(".{name}.{}", std::process::id()));
    let _ = std::fs::remove_file(&part);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    // A hard link, unlike a rename, never replaces what is there.
    let linked = written.and_then(|()| std::fs::hard_link(&part, path));
    std::fs::remove_file(&part)?;
    linked?;
    File::open(folder)?.sync_all()
}

/// Writes a file that may be there, with its mode (0600 when it is new).
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // A link is followed, so that it stays one.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mode = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return new_file(path, content),
        other => other?.permissions().mode() & 0o7777,
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("file");
    let part = folder.join(format!(".{name}.{}", std::process::id()));
    let _ = std::fs::remove_file(&part);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.set_permissions(std::fs::Permissions::from_mode(mode)))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written?;
    File::open(folder)?.sync_all()
}
