//! Who can open a document, and which of its values are encrypted.

use super::meta::Entry;
use super::select::Selector;

/// Someone whom a document is encrypted to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Recipient {
    /// An age recipient: `age1…`, or an ssh public key with feature `ssh`.
    Age(String),
    /// The fingerprint of an OpenPGP key.
    Pgp(String),
    /// A key service, which only the sops program can ask. Entries for it are kept as they are.
    Foreign {
        /// Such as `kms`.
        kind: String,
        /// Such as an ARN.
        name: String,
    },
}

/// Whether a text is, or holds, a private key: people write one where the public one belongs.
pub(crate) fn is_private(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    text.contains("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY-----") || text.contains("PRIVATE KEY BLOCK-----")
}

impl Recipient {
    /// Of age: an `age1…`, or an ssh public key. The error says why it is none, and quotes nothing of a private key.
    pub fn age(text: &str) -> Result<Self, String> {
        if is_private(text) {
            return Err(
                "it is a private key: name the recipient that belongs to it (age1…), and make a new key if others could read this one"
                    .to_owned(),
            );
        }
        super::wrap::check_age(text)?;
        Ok(Self::Age(text.to_owned()))
    }

    /// The kind as sops names it in files.
    pub fn kind(&self) -> &str {
        match self {
            Self::Age(_) => "age",
            Self::Pgp(_) => "pgp",
            Self::Foreign { kind, .. } => kind,
        }
    }

    /// What tells it from others of its kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Age(name) | Self::Pgp(name) | Self::Foreign { name, .. } => name,
        }
    }

    pub(crate) fn of(kind: &str, name: String) -> Self {
        match kind {
            "age" => Self::Age(name),
            "pgp" => Self::Pgp(name),
            kind => Self::Foreign { kind: kind.to_owned(), name },
        }
    }

    pub(crate) fn from_entry(entry: &Entry) -> Self {
        Self::of(&entry.kind, entry.name())
    }
}

/// How a document is to be encrypted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Policy {
    /// The key groups. With one, any of its recipients can open the document; with more, one recipient of each of `threshold` groups is
    /// needed.
    pub groups: Vec<Vec<Recipient>>,
    /// How many groups are needed; all when none is given.
    pub threshold: Option<usize>,
    /// What is encrypted.
    pub selector: Selector,
    /// The MAC covers encrypted values only, so that the others may be changed by hand. It is weaker: a name or namespace is not
    /// protected then.
    pub mac_only_encrypted: bool,
}

impl Policy {
    /// To age recipients, all values except below keys that end with `_unencrypted`.
    pub fn age<S: Into<String>>(recipients: impl IntoIterator<Item = S>) -> Self {
        let group = recipients.into_iter().map(|recipient| Recipient::Age(recipient.into())).collect();
        Self { groups: vec![group], ..Self::default() }
    }

    /// To several key groups of which `threshold` are needed.
    pub fn key_groups(groups: Vec<Vec<Recipient>>, threshold: usize) -> Self {
        Self { groups, threshold: Some(threshold), ..Self::default() }
    }

    /// With another selector.
    #[must_use]
    pub fn with_selector(mut self, selector: Selector) -> Self {
        self.selector = selector;
        self
    }

    /// With a MAC over encrypted values only.
    #[must_use]
    pub fn with_mac_only_encrypted(mut self) -> Self {
        self.mac_only_encrypted = true;
        self
    }

    /// The recipient without whom nobody could open a document: if that key is lost, so are the values.
    pub fn lone_recipient(&self) -> Option<&Recipient> {
        lone_recipient(&self.groups, self.needed())
    }

    pub(crate) fn needed(&self) -> usize {
        self.threshold.filter(|threshold| *threshold > 0).unwrap_or(self.groups.len())
    }
}

/// The recipient without whom fewer groups open than are needed.
pub(crate) fn lone_recipient(groups: &[Vec<Recipient>], needed: usize) -> Option<&Recipient> {
    let opens_without = |lost: &Recipient| groups.iter().filter(|group| group.iter().any(|recipient| recipient != lost)).count() >= needed;
    groups.iter().flatten().find(|recipient| !opens_without(recipient))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_lone_when_its_loss_is_that_of_the_values() {
        let group = |names: &str| names.chars().map(|name| Recipient::Age(name.to_string())).collect::<Vec<_>>();
        for (groups, needed, expected) in [
            (vec!["a"], 1, Some("a")),
            (vec!["aa"], 1, Some("a")),
            (vec!["ab"], 1, None),
            (vec!["ab", "c"], 2, Some("c")),
            (vec!["ab", "c", "d"], 2, None),
            (vec!["a", "a", "b"], 2, Some("a")),
        ] {
            let policy = Policy::key_groups(groups.iter().map(|names| group(names)).collect(), needed);
            assert_eq!(policy.lone_recipient().map(Recipient::name), expected, "{groups:?}");
        }
    }
}
