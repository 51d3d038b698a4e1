//! The key that an apt repository is signed with: an armoured OpenPGP public key, on the operator's computer or as the repository offers it.

mod openpgp;

use std::path::{Path, PathBuf};

pub use openpgp::{Fingerprint, PublicKey, parse};

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// More bytes than any key has.
const MOST: u64 = 1 << 20;

/// Why a file is no keyring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{} is not an armoured OpenPGP public key: {detail}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
}

/// The text of a keyring.
pub fn load(path: &Path) -> Result<String, Error> {
    let file = |source| Error::File { path: path.to_owned(), source };
    let format = |detail| Error::Format { path: path.to_owned(), detail };
    // A pipe would keep whoever reads it waiting, and a device has no end.
    let data = std::fs::metadata(path).map_err(file)?;
    if !data.is_file() || data.len() > MOST {
        return Err(format("it is no regular file, or larger than any key"));
    }
    let bytes = std::fs::read(path).map_err(file)?;
    let text = String::from_utf8(bytes).map_err(|_| format("it is binary: take the Release.key as it is, without `gpg --dearmor`"))?;
    // It is copied to every node, where everybody may read it.
    if text.contains("PRIVATE KEY") {
        return Err(format("it holds a private key"));
    }
    let text = text.replace("\r\n", "\n");
    let body = text.trim();
    if !body.starts_with(BEGIN) || !body.ends_with(END) {
        return Err(format("its first line must be -----BEGIN PGP PUBLIC KEY BLOCK----- and its last line the END of it"));
    }
    Ok(format!("{body}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_armoured_public_key_is_taken() {
        let path = std::env::temp_dir().join(format!("kubestead-keyring-{}", std::process::id()));
        let load = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            super::load(&path)
        };
        let good = format!("{BEGIN}\n\nmQ==\n{END}\n");
        assert_eq!(load(format!("\n{}", good.replace('\n', "\r\n")).as_bytes()).unwrap(), good);
        let secret = good.replace("PUBLIC", "PRIVATE");
        let pair = format!("{good}{secret}");
        let cut = &good.as_bytes()[..50];
        for bad in [&b"\x99\x01\xff"[..], b"", b"<html>", cut, secret.as_bytes(), pair.as_bytes()] {
            assert!(matches!(load(bad), Err(Error::Format { .. })));
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(super::load(&path), Err(Error::File { .. })));
    }
}
