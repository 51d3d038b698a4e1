//! Files that are whole or not there: a temporary file in the same folder, synced, then linked or renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a new file with mode 0600. An error of kind `AlreadyExists` when it is there.
pub(crate) fn new_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
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
