//! What containers and a namespace may use: values of the cluster file, in the normal form in which the API server keeps them.

use std::collections::BTreeMap;
use std::fmt;

use kubestead_core::size::Bytes;

/// A share of processors, in thousandths of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(pub u64);

/// What a container uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Of processors.
    pub cpu: Option<Cpu>,
    /// Of memory.
    pub memory: Option<Bytes>,
}

/// What containers of the namespace use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The limits of one that names none.
    pub default: Amounts,
    /// What is kept for one that does not say what it needs.
    pub request: Amounts,
    /// The largest limits that one may name.
    pub max: Amounts,
}

impl Default for Limits {
    fn default() -> Self {
        let amounts = |cpu, memory: u64| Amounts { cpu: Some(Cpu(cpu)), memory: Some(Bytes(memory << 20)) };
        Self { default: amounts(500, 256), request: amounts(50, 64), max: Amounts::default() }
    }
}

impl Amounts {
    /// These, and where nothing is said of one, what others say.
    fn or(&self, others: &Self) -> Self {
        Self { cpu: self.cpu.or(others.cpu), memory: self.memory.or(others.memory) }
    }
}

impl Limits {
    /// The limits of a container that names none, as the API server has them: the most where there is no default (`SetDefaults_LimitRangeItem`).
    pub(crate) fn for_none(&self) -> Amounts {
        self.default.or(&self.max)
    }

    /// What is kept for a container that says nothing.
    pub(crate) fn request_for_none(&self) -> Amounts {
        self.request.or(&self.for_none())
    }
}

/// What the namespace may use as a whole: by Kubernetes' names, each in normal form.
pub type Quota = BTreeMap<&'static str, String>;

impl Cpu {
    /// `500m`, `2` or `0.25`. `None` if it is not larger than 0, or finer than a thousandth.
    pub fn new(text: &str) -> Option<Self> {
        let digits = |text: &str| {
            (!text.is_empty() && text.len() <= 9 && text.bytes().all(|c| c.is_ascii_digit())).then(|| text.parse::<u64>().ok())?
        };
        let milli = match (text.strip_suffix('m'), text.split_once('.')) {
            (Some(milli), _) => digits(milli)?,
            (None, None) => digits(text)?.checked_mul(1000)?,
            (None, Some((whole, part))) if (1..=3).contains(&part.len()) => digits(whole)? * 1000 + digits(&format!("{part:0<3}"))?,
            (None, Some(_)) => return None,
        };
        (milli > 0).then_some(Self(milli))
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            milli if milli.is_multiple_of(1000) => f.write_str(&count(milli / 1000)),
            milli => write!(f, "{milli}m"),
        }
    }
}

/// A number in normal form: with the largest power of 1000 that divides it.
pub(super) fn count(number: u64) -> String {
    power(number, 1000, &["", "k", "M", "G", "T", "P", "E"])
}

/// A size in normal form: with the largest power of 1024 that divides it, or else of 1000.
pub fn quantity(bytes: Bytes) -> String {
    match bytes.0 {
        whole if whole.is_multiple_of(1024) => power(whole / 1024, 1024, &["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
        other => count(other),
    }
}

fn power(mut number: u64, base: u64, words: &[&str]) -> String {
    let mut word = 0;
    while number > 0 && number.is_multiple_of(base) && word + 1 < words.len() {
        number /= base;
        word += 1;
    }
    format!("{number}{}", words[word])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_the_api_server_keeps_them() {
        for (text, kept) in
            [("500m", "500m"), ("1000m", "1"), ("0.5", "500m"), ("2", "2"), ("1.25", "1250m"), ("2000", "2k"), ("0.001", "1m")]
        {
            assert_eq!(Cpu::new(text).map(|cpu| cpu.to_string()).as_deref(), Some(kept), "{text}");
        }
        for bad in ["", "0", "0m", "0.0", "-1", "1.2345", "1.", ".5", "1k", "m", "1e3", "0x1", "99999999999"] {
            assert_eq!(Cpu::new(bad), None, "{bad}");
        }
        for (bytes, kept) in
            [(256 << 20, "256Mi"), (1 << 30, "1Gi"), (1_000_000_000, "1G"), (1_048_576_000, "1000Mi"), (1500, "1500"), (1 << 10, "1Ki")]
        {
            assert_eq!(quantity(Bytes(bytes)), kept);
        }
        for (number, kept) in [(1, "1"), (100, "100"), (1000, "1k"), (1_500_000, "1500k")] {
            assert_eq!(count(number), kept);
        }
    }
}
