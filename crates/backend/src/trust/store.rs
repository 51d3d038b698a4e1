//! The operator's known_hosts: read whole, and replaced by a whole one under a lock. All lines that are there stay, byte for byte.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// The most that is read of a file.
const MOST: u64 = 16 << 20;
/// How long another program's lock is waited for.
const WAIT: Duration = Duration::from_secs(30);
/// How often the file may change while it is written.
const TRIES: usize = 20;

/// What a file holds; nothing if it is not there.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // One that is a pipe has no end, and its opening none either.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = match OpenOptions::new().read(true).custom_flags(nonblocking).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::other(format!("it is larger than {} MiB", MOST >> 20)));
    }
    Ok(bytes)
}

/// Appends what `more` answers of what is there; nothing is written where that is nothing. The file is for its owner alone from then on.
pub(super) fn append<E: From<io::Error>>(path: &Path, more: impl Fn(&[u8]) -> Result<String, E>) -> Result<(), E> {
    let path = real(path)?;
    let folder = path.parent().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    if !folder.exists() {
        // As ssh makes ~/.ssh.
        std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    }
    // The folder's own: no file is left behind, and the lock does not go with the file that is replaced.
    let folder_file = File::open(folder)?;
    lock(&folder_file)?;
    for _ in 0..TRIES {
        let before = read(&path)?;
        let lines = more(&before)?;
        if lines.is_empty() {
            return Ok(());
        }
        let mut part = tempfile::Builder::new().prefix(".kubestead-").permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
        let end = if before.last().is_some_and(|last| *last != b'\n') { "\n" } else { "" };
        for bytes in [&before[..], end.as_bytes(), lines.as_bytes()] {
            part.write_all(bytes)?;
        }
        part.as_file().sync_all()?;
        // ssh appends without a lock.
        if read(&path)? == before {
            part.persist(&path).map_err(|error| error.error)?;
            return Ok(folder_file.sync_all()?);
        }
    }
    Err(io::Error::other("it changes all the time: another program writes to it").into())
}

/// Where a path really is, so that a link stays one. A link to nothing is an error.
fn real(path: &Path) -> io::Result<PathBuf> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
        Ok(_) => path.canonicalize(),
    }
}

/// Takes a folder's lock. Nobody waits for it for good.
fn lock(folder: &File) -> io::Result<()> {
    let begin = Instant::now();
    loop {
        match flock(folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::INTR) if begin.elapsed() < WAIT => std::thread::sleep(Duration::from_millis(20)),
            Err(Errno::WOULDBLOCK) => {
                return Err(io::Error::new(ErrorKind::WouldBlock, "another program has had the lock of its folder for 30 s"));
            }
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(path: &Path, text: &str) -> io::Result<()> {
        append(path, |_| Ok::<_, io::Error>(text.to_owned()))
    }

    #[test]
    fn what_is_there_stays_to_the_byte_and_a_line_without_an_end_gets_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ssh/known_hosts");
        add(&path, "one\n").unwrap();
        assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        for before in [b"a\xff\r\n\n# b".as_slice(), b"a\n", b""] {
            std::fs::write(&path, before).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            add(&path, "new\n").unwrap();
            let after = std::fs::read(&path).unwrap();
            let end: &[u8] = if before.ends_with(b"b") { b"\n" } else { b"" };
            assert_eq!(after, [before, end, b"new\n"].concat());
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn nothing_to_add_touches_nothing_and_a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("real"), dir.path().join("known_hosts"));
        std::fs::write(&path, "a\n").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let id = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap());
        let before = id();
        add(&link, "").unwrap();
        assert_eq!(id(), before);
        add(&link, "b\n").unwrap();
        assert!(link.is_symlink() && std::fs::read(&path).unwrap() == b"a\nb\n");
        std::fs::remove_file(&path).unwrap();
        assert!(add(&link, "c\n").is_err() && !path.exists(), "a link to nothing");
        assert!(add(dir.path(), "c\n").is_err());
    }

    #[test]
    fn several_that_write_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_hosts");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || add(path, &format!("line {n}\n")).unwrap());
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert!((0..8).all(|n| text.lines().filter(|line| *line == format!("line {n}")).count() == 1), "{text}");
    }

    #[test]
    fn what_is_written_meanwhile_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_hosts");
        let told = std::cell::RefCell::new(Vec::new());
        append(&path, |before| {
            told.borrow_mut().push(before.to_vec());
            if told.borrow().len() == 1 {
                std::fs::write(&path, "of ssh\n")?;
            }
            Ok::<_, io::Error>("ours\n".to_owned())
        })
        .unwrap();
        assert_eq!(*told.borrow(), [b"".to_vec(), b"of ssh\n".to_vec()]);
        assert_eq!(std::fs::read(&path).unwrap(), b"of ssh\nours\n");
    }
}
