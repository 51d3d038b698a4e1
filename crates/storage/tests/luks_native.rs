//! libcryptsetup in this process and the program cryptsetup say the same of the same headers, and neither a look nor a wrong key changes a byte.
#![cfg(feature = "luks-native")]
#![allow(clippy::unwrap_used)] // a test fails by it

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kubestead_core::secret::Secret;
use kubestead_storage::luks_native::{Error, Loaded};

/// Runs cryptsetup with a key on its standard input.
fn cryptsetup(arguments: &[&str], key: &[u8]) -> bool {
    let mut child = Command::new("cryptsetup").args(arguments).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(key).unwrap();
    child.wait().unwrap().success()
}

const MACHINE: &[u8] = b"a machine's key\0 with any bytes\n";
const RECOVERY: &[u8] = b"a recovery key";

/// A header as kubestead makes it: a machine key in slot 0, a recovery key in slot 7 that is tried only by its number, our token.
fn header(dir: &Path) -> PathBuf {
    let (file, key) = (dir.join("image"), dir.join("key"));
    std::fs::File::create(&file).unwrap().set_len(20 << 20).unwrap();
    std::fs::write(&key, MACHINE).unwrap();
    let (path, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    assert!(cryptsetup(&[&["luksFormat", "-q", "--type", "luks2", "--key-slot", "0", "--key-file", key, path], &cheap[..]].concat(), b""));
    let recovery = dir.join("recovery");
    std::fs::write(&recovery, RECOVERY).unwrap();
    let add = ["luksAddKey", "-q", "--key-file", key, "--key-slot", "7", path, recovery.to_str().unwrap()];
    assert!(cryptsetup(&[&add[..], &cheap[..]].concat(), b""));
    assert!(cryptsetup(&["config", "--priority", "ignore", "--key-slot", "7", path], b""));
    assert!(cryptsetup(&["token", "import", "--json-file", "-", path], br#"{"type":"kubestead","keyslots":["0"]}"#));
    file
}

#[test]
fn the_library_and_the_program_agree_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = header(dir.path());
    let before = std::fs::read(&file).unwrap();
    let mut loaded = Loaded::new(&file, dir.path()).unwrap();
    assert_eq!(loaded.slots().unwrap(), [0, 7]);
    assert!(loaded.is_ours());
    for slot in [0, 1, 7] {
        for key in [MACHINE, RECOVERY, b"another"] {
            let number = slot.to_string();
            let program = cryptsetup(&["open", "--test-passphrase", "--key-slot", &number, "--key-file", "-", file.to_str().unwrap()], key);
            assert_eq!(loaded.opens(slot, &Secret::new(key.to_vec())).unwrap(), program, "slot {slot}");
        }
    }
    drop(loaded);
    assert!(std::fs::read(&file).unwrap() == before);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "the copy is gone");
}

#[test]
fn a_damaged_header_is_not_repaired_and_none_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = header(dir.path());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4200] ^= 1; // in the first copy of the metadata
    std::fs::write(&file, &bytes).unwrap();
    assert!(Loaded::new(&file, dir.path()).unwrap().opens(0, &Secret::new(MACHINE.to_vec())).unwrap(), "the second copy does");
    assert!(std::fs::read(&file).unwrap() == bytes, "and the first one stays as it is");
    std::fs::write(&file, [0; 4096]).unwrap();
    assert!(matches!(Loaded::new(&file, dir.path()), Err(Error::Header { .. })));
    assert!(matches!(Loaded::new(&dir.path().join("none"), dir.path()), Err(Error::File { .. })));
}
