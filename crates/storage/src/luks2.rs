//! One copy of a LUKS2 header, read from its bytes: "LUKS2 On-Disk Format Specification" 1.1.2, 2.1 (binary header) and 3.1 (JSON area).
//! A look by `cryptsetup` itself would take its own copy of every header, as it repairs what is damaged.

use sha2::{Digest, Sha256};

use crate::report::LuksMetadata;

/// The binary header, in bytes; the JSON area follows it.
const BINARY: usize = 4096;
/// Where the checksum of the whole copy stands. It is made with zeros in its place.
const CHECKSUM: std::ops::Range<usize> = 448..512;

/// Which of the two copies: they differ in their magic and in where they lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// At the begin of the device.
    First,
    /// Right after the first.
    Second,
}

/// The metadata of a copy; `None` if it does not load: another magic, version, size or place, a checksum that does not fit (cryptsetup
/// knows sha256 only), broken JSON.
pub(crate) fn read(copy: &[u8], which: Which) -> Option<LuksMetadata> {
    let field = |from: usize, length: usize| copy.get(from..from + length);
    let number = |from: usize| field(from, 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
    let (magic, place) = match which {
        Which::First => (b"LUKS\xba\xbe", 0),
        Which::Second => (b"SKUL\xba\xbe", copy.len() as u64),
    };
    let fits = field(0, 6)? == magic
        && field(6, 2)? == [0, 2]
        && number(8)? == copy.len() as u64
        && number(256)? == place
        && field(72, 32)?.starts_with(b"sha256\0")
        && copy.len() > BINARY;
    if !fits {
        return None;
    }
    let sum = Sha256::new().chain_update(&copy[..CHECKSUM.start]).chain_update([0; 64]).chain_update(&copy[CHECKSUM.end..]).finalize();
    if !field(CHECKSUM.start, 64)?.starts_with(&sum) {
        return None;
    }
    let json = &copy[BINARY..];
    serde_json::from_slice(&json[..json.iter().position(|b| *b == 0)?]).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by it
mod tests {
    use super::*;

    /// What the program makes is read, and no byte of it may change.
    #[test]
    fn a_header_of_the_program_loads_and_any_flipped_bit_shows() {
        let dir = tempfile::tempdir().unwrap();
        let (file, key) = (dir.path().join("image"), dir.path().join("key"));
        std::fs::File::create(&file).unwrap().set_len(20 << 20).unwrap();
        std::fs::write(&key, "a key").unwrap();
        let status = std::process::Command::new("cryptsetup")
            .args(["luksFormat", "-q", "--type", "luks2", "--key-slot", "3", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"])
            .arg("--key-file")
            .args([&key, &file])
            .status()
            .unwrap();
        assert!(status.success());
        let bytes = std::fs::read(&file).unwrap();
        let (first, second) = (&bytes[..16384], &bytes[16384..32768]);
        for (copy, which) in [(first, Which::First), (second, Which::Second)] {
            assert_eq!(read(copy, which).unwrap().keyslots.keys().collect::<Vec<_>>(), ["3"]);
            for at in (0..copy.len()).step_by(7).chain(0..600) {
                let mut flipped = copy.to_vec();
                flipped[at] ^= 1 << (at % 8);
                // The checksum's field is longer than a sha256; what follows it there is not read.
                let unread = CHECKSUM.start + 32..CHECKSUM.end;
                assert_eq!(read(&flipped, which).is_none(), !unread.contains(&at), "byte {at}");
            }
            for cut in [0, 5, 600, 4096, 16383] {
                assert!(read(&copy[..cut], which).is_none());
            }
        }
        assert!(read(first, Which::Second).is_none() && read(second, Which::First).is_none());
    }
}
