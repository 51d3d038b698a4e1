//! ansible-vault files, 1.1 and 1.2, as ansible-core writes them: PBKDF2-HMAC-SHA256 with 10,000 rounds, HMAC-SHA256 over the ciphertext,
//! AES-256-CTR with PKCS#7 padding. Only read.

use aes_gcm::aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use kubestead_core::secret::Secret;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

const MAGIC: &str = "$ANSIBLE_VAULT";
const ROUNDS: u32 = 10_000;

/// Why a vault could not be read. No message holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// There is no header.
    #[error("this is no ansible-vault text: it does not begin with $ANSIBLE_VAULT")]
    NoVault,
    /// A version or cipher that is not read.
    #[error("this vault is of the kind {0}, which is not read here: rewrite it with `ansible-vault rekey`, which makes 1.1;AES256")]
    Kind(String),
    /// The body cannot be taken apart.
    #[error("this vault is damaged: {0}")]
    Damaged(&'static str),
    /// The HMAC does not fit.
    #[error("the password is wrong for this vault{}, or it was changed", .0.as_ref().map(|id| format!(" (vault id {id})")).unwrap_or_default())]
    Password(Option<String>),
}

/// True when a text is a vault.
pub fn is_vault(text: &[u8]) -> bool {
    text.starts_with(MAGIC.as_bytes())
}

/// The vault id of a 1.2 header.
pub fn vault_id(text: &str) -> Option<String> {
    text.lines().next()?.trim().split(';').nth(3).map(str::to_owned)
}

/// Decrypts a vault.
pub fn open(text: &str, password: &Secret) -> Result<Secret, VaultError> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().trim().split(';').collect();
    match header.as_slice() {
        [MAGIC, "1.1", "AES256"] | [MAGIC, "1.2", "AES256", _] => {}
        [MAGIC, kind @ ..] => return Err(VaultError::Kind(kind.join(";"))),
        _ => return Err(VaultError::NoVault),
    }
    let body: String = lines.flat_map(str::split_whitespace).collect();
    let inner = hex(body.as_bytes()).ok_or(VaultError::Damaged("its body is no hexadecimal text, or one digit is missing"))?;
    let mut parts = inner.splitn(3, |byte| *byte == b'\n');
    let mut part = || hex(parts.next()?);
    let (Some(salt), Some(seal), Some(mut data)) = (part(), part(), part()) else {
        return Err(VaultError::Damaged("its body is not salt, HMAC and ciphertext"));
    };
    let mut keys = Zeroizing::new([0_u8; 80]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password.expose(), &salt, ROUNDS, &mut *keys);
    let mut hmac = Hmac::<Sha256>::new_from_slice(&keys[32..64]).map_err(|_| VaultError::Damaged("its key has a wrong length"))?;
    hmac.update(&data);
    // In constant time, and before anything is decrypted.
    hmac.verify_slice(&seal).map_err(|_| VaultError::Password(vault_id(text)))?;
    let mut cipher =
        Ctr128BE::<Aes256>::new_from_slices(&keys[..32], &keys[64..]).map_err(|_| VaultError::Damaged("its key has a wrong length"))?;
    cipher.apply_keystream(&mut data);
    let pad = data.last().map_or(0, |byte| usize::from(*byte));
    let whole = data.len().checked_sub(pad).filter(|_| (1..=16).contains(&pad));
    let Some(whole) = whole.filter(|whole| data[*whole..].iter().all(|byte| usize::from(*byte) == pad)) else {
        data.zeroize();
        return Err(VaultError::Damaged("its padding is wrong"));
    };
    data.truncate(whole);
    Ok(Secret::new(data))
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    fn to_hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn vault(header: &str) -> String {
        let (salt, mac, data) =
            ("01".repeat(32), "2ff7a40f17017acae386e6b96691b405d71e938d738638256fa423655d0f2c3c", "7948aa2fb6708f126fb2d264f9fc4dde");
        let body = to_hex(format!("{salt}\n{mac}\n{data}").as_bytes());
        let lines: Vec<&str> = body.as_bytes().chunks(80).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("{header}\n{}\n", lines.join("\n"))
    }

    #[test]
    fn the_vector_of_the_specification() {
        for header in ["$ANSIBLE_VAULT;1.1;AES256", "$ANSIBLE_VAULT;1.2;AES256;prod"] {
            assert_eq!(open(&vault(header), &secret("hunter2")).unwrap().expose(), b"foo\n");
        }
        let indented: String = vault("$ANSIBLE_VAULT;1.1;AES256").lines().map(|line| format!("      {line}\r\n")).collect();
        assert_eq!(open(indented.trim_start(), &secret("hunter2")).unwrap().expose(), b"foo\n");
    }

    #[test]
    fn wrong_passwords_old_kinds_and_damage_are_told_apart() {
        let good = vault("$ANSIBLE_VAULT;1.1;AES256");
        assert_eq!(open(&good, &secret("hunter3")).unwrap_err(), VaultError::Password(None));
        let named = vault("$ANSIBLE_VAULT;1.2;AES256;prod");
        assert!(open(&named, &secret("x")).unwrap_err().to_string().contains("vault id prod"));
        assert_eq!(open("$ANSIBLE_VAULT;1.0;AES\n00", &secret("x")).unwrap_err(), VaultError::Kind("1.0;AES".into()));
        assert_eq!(open("a: b\n", &secret("x")).unwrap_err(), VaultError::NoVault);
        for cut in [good.len() - 2, good.len() - 3, good.len() / 2, 40] {
            assert!(open(&good[..cut], &secret("hunter2")).is_err(), "{cut}");
        }
        // Each costs a key derivation, so not every byte is tried.
        for at in (good.find('\n').unwrap() + 1..good.len()).step_by(29).filter(|at| good.as_bytes()[*at] != b'\n') {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'3' { b'6' } else { b'3' };
            assert!(open(std::str::from_utf8(&bytes).unwrap(), &secret("hunter2")).is_err() || bytes == good.as_bytes(), "{at}");
        }
    }
}
