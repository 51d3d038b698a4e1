//! Keys from the operating system's random numbers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::secret::Secret;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;

/// Letters and digits that are hard to mistake for one another: no l, o, 0 and 1.
pub(crate) const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A recovery key for a volume: 52 letters and digits that are hard to mistake for one another (260 bits), in groups of four joined
/// by `-`, one line without an end. It can be typed at a console by `cryptsetup open --key-slot 7`.
pub fn recovery_key() -> Result<Secret, Error> {
    let mut random = [0_u8; 52];
    getrandom::fill(&mut random).map_err(|e| Error::Random(e.to_string()))?;
    let mut text = Vec::with_capacity(64);
    for (index, byte) in random.iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push(b'-');
        }
        text.push(ALPHABET[usize::from(byte & 31)]);
    }
    random.zeroize();
    Ok(Secret::new(text))
}

/// A key for the API server's providers `secretbox` and `aesgcm`: 32 random bytes in base64.
pub fn encryption_key() -> Result<Secret, Error> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random).map_err(|e| Error::Random(e.to_string()))?;
    let text = STANDARD.encode(random);
    random.zeroize();
    Ok(Secret::new(text.into_bytes()))
}

/// The secret part of a bootstrap token of kubeadm: 16 letters and digits (80 bits).
pub fn token_secret() -> Result<Secret, Error> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|e| Error::Random(e.to_string()))?;
    let text = random.iter().map(|byte| ALPHABET[usize::from(byte & 31)]).collect();
    random.zeroize();
    Ok(Secret::new(text))
}

/// What tells one key in base64 from another without telling the key: the first 16 hex digits of the sha256 of its bytes. `None` if it
/// is not base64. Of a key of random bytes it says nothing; a key that somebody thought up could be guessed and tried with it.
pub fn fingerprint(key: &Secret) -> Option<String> {
    let bytes = Zeroizing::new(STANDARD.decode(key.expose()).ok()?);
    Some(Sha256::digest(&*bytes).iter().take(8).map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_that_of_the_bytes() {
        // printf canary | sha256sum
        assert_eq!(fingerprint(&Secret::new(b"Y2FuYXJ5".to_vec())).unwrap(), "e100fbce008c04ec");
        assert_eq!(fingerprint(&Secret::new(b"not base64".to_vec())), None);
        assert_ne!(fingerprint(&encryption_key().unwrap()), fingerprint(&encryption_key().unwrap()));
    }

    #[test]
    fn recovery_keys_are_long_typeable_and_never_the_same() {
        let (a, b) = (recovery_key().unwrap(), recovery_key().unwrap());
        assert_ne!(a.expose(), b.expose());
        assert_eq!(a.expose().len(), 64);
        assert!(a.expose().iter().all(|c| ALPHABET.contains(c) || *c == b'-'));
    }
}
