//! Files of a bounded size: what is written by hand is small, and a device or a mistaken path has no end.

use std::io::Read;
use std::path::Path;

/// The most that is read, in bytes: a cluster of ten thousand nodes takes less.
const MOST: u64 = 2 << 20;

/// The text of a file; an error if it is larger than any that is written by hand.
pub fn bounded(path: &Path) -> std::io::Result<String> {
    within(path, MOST)
}

/// The text of a file; an error if it has more than so many bytes.
pub(crate) fn within(path: &Path, most: u64) -> std::io::Result<String> {
    let wrong = |text: String| std::io::Error::new(std::io::ErrorKind::InvalidData, text);
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(wrong(format!("it is larger than {} MiB", most >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|c| *c == b'\n').count();
        wrong(format!("line {line} is not UTF-8 text"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_or_is_no_text_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            bounded(&path).map_err(|error| error.to_string())
        };
        assert_eq!(at("good", b"a: 1\n"), Ok("a: 1\n".into()));
        assert_eq!(at("large", &vec![b'a'; 10 << 20]), Err("it is larger than 2 MiB".into()));
        assert_eq!(at("latin", b"a: 1\nb: \xe4\n"), Err("line 2 is not UTF-8 text".into()));
        for endless in ["/dev/zero", "/"] {
            assert!(bounded(Path::new(endless)).is_err(), "{endless}");
        }
    }
}
