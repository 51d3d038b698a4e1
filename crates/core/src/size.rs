//! Sizes in whole bytes, written as Kubernetes quantities are (`8Gi`, `500Mi`) or with a `B` (`8GiB`, `100GB`).

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// Why a text is not a size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a size: write a whole number of bytes or one with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000), such as 8Gi"
)]
pub struct BadSize(pub String);

impl Bytes {
    /// The next multiple of `unit`; None if it is beyond what 64 bits hold.
    pub fn round_up(self, unit: u64) -> Option<Self> {
        self.0.checked_next_multiple_of(unit).map(Self)
    }

    /// This many of it; None if they are beyond what 64 bits hold.
    pub fn times(self, count: u64) -> Option<Self> {
        self.0.checked_mul(count).map(Self)
    }

    /// All of them together; None if they are beyond what 64 bits hold.
    pub fn total(sizes: impl IntoIterator<Item = Self>) -> Option<Self> {
        sizes.into_iter().try_fold(0_u64, |sum, size| sum.checked_add(size.0)).map(Self)
    }
}

const UNITS: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1000),
];

impl std::str::FromStr for Bytes {
    type Err = BadSize;

    fn from_str(text: &str) -> Result<Self, BadSize> {
        let bad = || BadSize(text.to_owned());
        let body = text.strip_suffix('B').unwrap_or(text);
        let (digits, factor) = UNITS.iter().find_map(|(unit, factor)| Some((body.strip_suffix(unit)?, *factor))).unwrap_or((body, 1));
        // Other programs take a number with a zero before it for an octal one.
        let octal = digits.len() > 1 && digits.starts_with('0');
        if digits.is_empty() || octal || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return Err(bad());
        }
        digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).map(Self).ok_or_else(bad)
    }
}

impl std::fmt::Display for Bytes {
    /// The largest power of 1024 that divides it, so that parsing gives the same number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match UNITS[..4].iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sum_wraps() {
        let most = Bytes(u64::MAX);
        assert_eq!((most.round_up(4 << 20), most.times(2), Bytes::total([most, Bytes(1)])), (None, None, None));
        assert_eq!(Bytes(100_000_000).round_up(4 << 20), Some(Bytes(96 << 20)));
        assert_eq!((Bytes(3).times(4), Bytes::total([Bytes(3), Bytes(4)])), (Some(Bytes(12)), Some(Bytes(7))));
        assert_eq!("18446744073709551615".parse(), Ok(most));
        assert!("18446744073709551616".parse::<Bytes>().is_err() && "16777216Ti".parse::<Bytes>().is_err());
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [("8Gi", 8 << 30), ("8GiB", 8 << 30), ("500Mi", 500 << 20), ("1G", 1_000_000_000), ("512", 512)] {
            let size: Bytes = text.parse().unwrap();
            assert_eq!(size.0, bytes, "{text}");
            assert_eq!(size.to_string().parse::<Bytes>().unwrap(), size);
        }
        for bad in ["", "Gi", "08Gi", "010", "00", "8 Gi", "-1", "1.5Gi", "8gi", "99999999999999999999", "99999999999Ti"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }
}
