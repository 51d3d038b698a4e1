//! The cipher of values: AES-256-GCM with a random nonce of 32 bytes, the path as additional data.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInPlace, AesGcm, KeyInit, Tag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::value::{Kind, Value};

const PREFIX: &str = "ENC[AES256_GCM,data:";

/// The key of one document. Wiped when dropped.
pub(crate) struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A new random key.
    pub(crate) fn generate() -> Result<Self, String> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|e| format!("the operating system gave no random bytes: {e}"))?;
        Ok(Self(bytes))
    }

    /// Takes the bytes of a key; none when they are not 32.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// Encrypts with a fresh nonce.
    pub(crate) fn seal(&self, value: &Value, aad: &str) -> Result<String, String> {
        let mut nonce = [0_u8; 32];
        getrandom::fill(&mut nonce).map_err(|e| format!("the operating system gave no random bytes: {e}"))?;
        self.seal_with(value, aad, &nonce)
    }

    fn seal_with(&self, value: &Value, aad: &str, nonce: &[u8; 32]) -> Result<String, String> {
        // Go writes text for raw bytes too.
        let kind = if value.kind() == Kind::Bytes { Kind::Text } else { value.kind() };
        let mut buffer = Zeroizing::new(value.bytes().expose().to_vec());
        let tag = AesGcm::<Aes256, U32>::new(GenericArray::from_slice(self.bytes()))
            .encrypt_in_place_detached(GenericArray::from_slice(nonce), aad.as_bytes(), &mut buffer)
            .map_err(|_| "it is too long to be encrypted".to_owned())?;
        let (data, iv, tag) = (STANDARD.encode(&*buffer), STANDARD.encode(nonce), STANDARD.encode(tag));
        Ok(format!("{PREFIX}{data},iv:{iv},tag:{tag},type:{}]", kind.word()))
    }

    /// Decrypts what [`DataKey::seal`] or sops made. The error holds no value.
    pub(crate) fn open(&self, text: &str, aad: &str) -> Result<Value, String> {
        let sealed = Sealed::parse(text)?;
        let decode = |field: &str, what: &str| STANDARD.decode(field).map_err(|_| format!("its {what} is no base64"));
        let mut data = decode(sealed.data, "data")?;
        let (nonce, tag) = (decode(sealed.iv, "iv")?, decode(sealed.tag, "tag")?);
        let kind = Kind::from_word(sealed.kind).ok_or_else(|| format!("its type {:?} is not known", sealed.kind))?;
        if tag.len() != 16 {
            return Err("its tag is not 16 bytes long".to_owned());
        }
        self.open_in_place(&mut data, aad, &nonce, &tag)?;
        Value::from_decrypted(kind, data)
    }

    fn open_in_place(&self, data: &mut [u8], aad: &str, nonce: &[u8], tag: &[u8]) -> Result<(), String> {
        let (key, tag) = (GenericArray::from_slice(self.bytes()), Tag::from_slice(tag));
        let failed = |_| "authentication failed: it was changed, moved to another key, or belongs to another file".to_owned();
        match nonce.len() {
            32 => AesGcm::<Aes256, U32>::new(key)
                .decrypt_in_place_detached(GenericArray::from_slice(nonce), aad.as_bytes(), data, tag)
                .map_err(failed),
            12 => aes_gcm::Aes256Gcm::new(key)
                .decrypt_in_place_detached(GenericArray::from_slice(nonce), aad.as_bytes(), data, tag)
                .map_err(failed),
            other => Err(format!("its iv is {other} bytes long, neither 32 nor 12")),
        }
    }
}

/// The parts of an encrypted value.
pub(crate) struct Sealed<'a> {
    pub(super) data: &'a str,
    iv: &'a str,
    tag: &'a str,
    pub(super) kind: &'a str,
}

impl<'a> Sealed<'a> {
    /// Takes `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]` apart.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        let Some(body) = text.strip_prefix(PREFIX) else {
            let cipher = text.strip_prefix("ENC[").and_then(|t| t.split(',').next());
            return Err(cipher.map_or("it is not encrypted, and by the rules of this file it should be".to_owned(), |name| {
                format!("its cipher {name:?} is not known; sops has AES256_GCM only")
            }));
        };
        let parts = || {
            let (data, rest) = body.split_once(",iv:")?;
            let (iv, rest) = rest.split_once(",tag:")?;
            let (tag, rest) = rest.split_once(",type:")?;
            let (kind, _) = rest.rsplit_once(']')?;
            Some(Self { data, iv, tag, kind })
        };
        parts().ok_or_else(|| "it begins like an encrypted value and is cut short".to_owned())
    }

    /// True for an encrypted comment.
    pub(crate) fn is_comment(text: &'a str) -> bool {
        Self::parse(text).is_ok_and(|sealed| sealed.kind == "comment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DataKey {
        DataKey::new(&[0x66; 32]).unwrap()
    }

    #[test]
    fn vectors_that_sops_accepts() {
        let cases = [
            (Value::text("foo"), "bar:", "LAxv", "KRZjIa0+GfJEUGZKR3rTnw==", "str"),
            (Value::bool(true), "bar:", "HhF1ew==", "uoQi0qCeM2Uehhgp/rU4Aw==", "bool"),
            (Value::float(3.0), "f:", "eQ==", "WhHwmZRYq3Q39jZyJrsdkQ==", "float"),
            (Value::text("a secret"), "stringData:password:", "K0NzezEJnjg=", "5qxVa6zrHro/k8xjmAVrnA==", "str"),
        ];
        for (value, aad, data, tag, kind) in cases {
            let sealed = key().seal_with(&value, aad, &[1; 32]).unwrap();
            let iv = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
            assert_eq!(sealed, format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]"));
            assert!(key().open(&sealed, aad).unwrap().same(&value));
        }
    }

    #[test]
    fn every_changed_byte_another_path_and_another_key_are_refused() {
        let sealed = key().seal(&Value::text("hunter2"), "a:b:").unwrap();
        for index in PREFIX.len()..sealed.len() - 10 {
            let mut bytes = sealed.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            assert!(key().open(std::str::from_utf8(&bytes).unwrap(), "a:b:").is_err(), "{index}");
        }
        assert!(key().open(&sealed, "a:").is_err());
        assert!(DataKey::new(&[0x67; 32]).unwrap().open(&sealed, "a:b:").is_err());
        assert!(key().open(&sealed.replace("AES256_GCM", "ROT13"), "a:b:").unwrap_err().contains("ROT13"));
        for cut in 4..sealed.len() {
            assert!(key().open(&sealed[..cut], "a:b:").is_err(), "{cut}");
        }
    }
}
