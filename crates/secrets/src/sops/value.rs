//! Values: a kind, and the bytes that sops encrypts and hashes for it.

use kubestead_core::secret::Secret;

use super::time::Time;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number within 64 bits.
    Int,
    /// Another number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A point in time (YAML only).
    Time,
    /// Raw bytes: written by old versions of sops only.
    Bytes,
    /// A comment. Never the value of a key.
    Comment,
    /// Nothing. Never encrypted.
    Null,
}

impl Kind {
    /// The word in `type:` of an encrypted value.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Text => "str",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::Bytes => "bytes",
            Self::Comment => "comment",
            Self::Null => "null",
        }
    }

    /// The kind behind a word of `type:`.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let known = [Self::Text, Self::Int, Self::Float, Self::Bool, Self::Time, Self::Bytes, Self::Comment];
        known.into_iter().find(|kind| kind.word() == word)
    }
}

/// A value of a document. The bytes are those that the MAC is made of; they are wiped when the last copy goes, and never printed.
#[derive(Clone, Debug)]
pub struct Value {
    kind: Kind,
    bytes: Secret,
}

impl Value {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: Kind::Text, bytes: Secret::new(text.into().into_bytes()) }
    }

    /// Text as sops has it: any bytes. YAML writes what is not UTF-8 as `!!binary`; no other format can hold it.
    pub(crate) fn raw_text(bytes: Vec<u8>) -> Self {
        Self { kind: Kind::Text, bytes: Secret::new(bytes) }
    }

    /// Text that is held as a secret already; it must be UTF-8.
    pub fn secret(text: &Secret) -> Option<Self> {
        std::str::from_utf8(text.expose()).ok()?;
        Some(Self { kind: Kind::Text, bytes: text.clone() })
    }

    /// A whole number.
    pub fn int(number: i64) -> Self {
        Self { kind: Kind::Int, bytes: Secret::new(number.to_string().into_bytes()) }
    }

    /// A number.
    pub fn float(number: f64) -> Self {
        Self { kind: Kind::Float, bytes: Secret::new(float_text(number).into_bytes()) }
    }

    /// A truth value.
    pub fn bool(truth: bool) -> Self {
        Self { kind: Kind::Bool, bytes: Secret::new(if truth { b"True".to_vec() } else { b"False".to_vec() }) }
    }

    /// Nothing.
    pub fn null() -> Self {
        Self { kind: Kind::Null, bytes: Secret::new(Vec::new()) }
    }

    pub(crate) fn time(time: Time) -> Self {
        Self { kind: Kind::Time, bytes: Secret::new(time.render(true).into_bytes()) }
    }

    pub(crate) fn comment(text: &str) -> Self {
        Self { kind: Kind::Comment, bytes: Secret::new(text.as_bytes().to_vec()) }
    }

    /// Reads decrypted bytes as the kind that was written beside them. The error says what is wrong without showing them.
    pub(crate) fn from_decrypted(kind: Kind, bytes: Vec<u8>) -> Result<Self, String> {
        let text = || std::str::from_utf8(&bytes).map_err(|_| format!("it is called {} and is not text", kind.word()));
        let bad = || format!("it is called {} and is none", kind.word());
        match kind {
            Kind::Text | Kind::Bytes | Kind::Comment | Kind::Null => Ok(Self { kind, bytes: Secret::new(bytes) }),
            Kind::Int => text()?.parse().map(Self::int).map_err(|_| bad()),
            Kind::Float => text()?.parse().map(Self::float).map_err(|_| bad()),
            Kind::Bool => match text()? {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Self::bool(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Self::bool(false)),
                _ => Err(bad()),
            },
            Kind::Time => Time::parse(text()?, false).map(Self::time).ok_or_else(bad),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The bytes: text as it is, numbers in decimal, `True` or `False`, RFC 3339.
    pub fn bytes(&self) -> &Secret {
        &self.bytes
    }

    /// The text of a text, a comment or bytes that are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes.expose()).ok()
    }

    /// The number of an [`Kind::Int`].
    pub fn as_int(&self) -> Option<i64> {
        (self.kind == Kind::Int).then(|| self.as_str()?.parse().ok()).flatten()
    }

    /// The truth of a [`Kind::Bool`].
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind == Kind::Bool).then(|| self.bytes.expose() == b"True")
    }

    /// True when it is stored as it is, even where values are encrypted: nothing, and the empty text.
    pub(crate) fn is_bare(&self) -> bool {
        self.kind == Kind::Null || self.bytes.expose().is_empty() && matches!(self.kind, Kind::Text | Kind::Comment | Kind::Bytes)
    }

    /// The same kind and bytes.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.kind == other.kind && bool::from(subtle::ConstantTimeEq::ct_eq(self.bytes.expose(), other.bytes.expose()))
    }
}

/// As Go's `strconv.FormatFloat(number, 'f', -1, 64)`: the shortest digits that read back the same, never an exponent.
fn float_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_bytes_are_those_of_sops() {
        let cases: [(Value, &str); 7] = [
            (Value::float(3.0), "3"),
            (Value::float(1e30), "1000000000000000000000000000000"),
            (Value::float(0.000_001), "0.000001"),
            (Value::float(f64::NEG_INFINITY), "-Inf"),
            (Value::bool(true), "True"),
            (Value::int(-7), "-7"),
            (Value::text("ä"), "ä"),
        ];
        for (value, expected) in cases {
            assert_eq!(value.as_str(), Some(expected));
        }
    }

    #[test]
    fn decrypted_bytes_must_fit_their_kind() {
        assert_eq!(Value::from_decrypted(Kind::Float, b"1e+30".to_vec()).unwrap().as_str(), Value::float(1e30).as_str());
        for (kind, bytes) in [(Kind::Int, "1.5"), (Kind::Bool, "yes"), (Kind::Time, "2024-01-01"), (Kind::Float, "x")] {
            let error = Value::from_decrypted(kind, bytes.as_bytes().to_vec()).unwrap_err();
            assert!(!error.contains(bytes), "the message holds no value: {error}");
        }
    }

    #[test]
    fn debug_shows_the_kind_only() {
        let shown = format!("{:?}", Value::text("hunter2"));
        assert!(shown.contains("Text") && !shown.contains("hunter2"), "{shown}");
    }
}
