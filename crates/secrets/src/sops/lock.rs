//! A lock on a file from its reading to its replacement, so that of several commands that change it none loses what another one did.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Held as long as it lives. It is the kernel's (flock) and on the file itself, so it goes with the process, however that ends, and leaves
/// nothing behind.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Waits until no other program holds it; `waits` is called once if one does. None for a file that is not there.
    pub(crate) fn take(path: &Path, waits: &dyn Fn()) -> io::Result<Option<Self>> {
        let mut told = false;
        loop {
            let file = match open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other?,
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => {
                    if !told {
                        waits();
                        told = true;
                    }
                    rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
                }
                other => other?,
            }
            let lock = Self { file };
            // Whoever held it has put another file in its place, and that is the one to lock.
            if is_at(path, &lock.file)? {
                return Ok(Some(lock));
            }
        }
    }
}

/// Writable where that is allowed: file systems of a network lock only such.
fn open(path: &Path) -> io::Result<File> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => File::open(path),
        other => other,
    }
}

fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(now) => Ok((now.dev(), now.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn the_next_one_gets_the_file_that_took_the_place_of_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let (path, part) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, "old").unwrap();
        std::fs::write(&part, "new").unwrap();
        let first = Lock::take(&path, &|| {}).unwrap().unwrap();
        let (waits, waiting) = channel();
        let other = path.clone();
        let second = std::thread::spawn(move || Lock::take(&other, &|| waits.send(()).unwrap()).unwrap().unwrap());
        waiting.recv().unwrap();
        std::fs::rename(&part, &path).unwrap();
        drop(first);
        assert!(is_at(&path, &second.join().unwrap().file).unwrap());
        assert!(Lock::take(&folder.path().join("none"), &|| {}).unwrap().is_none());
    }
}
