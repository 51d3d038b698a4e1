//! A value that must not be seen: no `Display`, no `Serialize`, a `Debug` that shows nothing, wiped on drop.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretSlice};

/// Secret bytes. Cloning shares the one copy in memory; it is wiped when the last holder is dropped.
#[derive(Clone)]
pub struct Secret(Arc<SecretSlice<u8>>);

impl Secret {
    /// Takes the bytes over. The caller's buffer is not copied.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(SecretSlice::from(bytes)))
    }

    /// The bytes, for the one place that hands them to a program's standard input or to a cipher.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert!(!format!("{:?}", Secret::new(b"hunter2".to_vec())).contains("hunter2"));
    }
}
