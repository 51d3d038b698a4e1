//! Keys from the operating system's random numbers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::secret::Secret;
use zeroize::Zeroize;

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

/// A key for the API server's secretbox provider: 32 random bytes in base64.
pub fn encryption_key() -> Result<Secret, Error> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random).map_err(|e| Error::Random(e.to_string()))?;
    let text = STANDARD.encode(random);
    random.zeroize();
    Ok(Secret::new(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_keys_are_long_typeable_and_never_the_same() {
        let (a, b) = (recovery_key().unwrap(), recovery_key().unwrap());
        assert_ne!(a.expose(), b.expose());
        assert_eq!(a.expose().len(), 64);
        assert!(a.expose().iter().all(|c| ALPHABET.contains(c) || *c == b'-'));
    }
}
