//! Who can open a document: rotation, and the change of recipients.

use super::cipher::DataKey;
use super::document::Document;
use super::error::Error;
use super::identities::Identities;
use super::policy::{Policy, Recipient};
use super::wrap::{self, Wanted};

/// What [`Document::update_recipients`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// Who is new.
    pub added: Vec<Recipient>,
    /// Who is gone.
    pub removed: Vec<Recipient>,
    /// The key and all ciphertexts are new.
    pub rotated: bool,
    /// Something is another than before.
    pub changed: bool,
}

impl Document {
    /// The recipients, a list for each key group.
    pub fn recipients(&self) -> Vec<Vec<Recipient>> {
        self.meta.groups().iter().map(|group| group.iter().map(Recipient::from_entry).collect()).collect()
    }

    /// A new key and new ciphertexts for the same recipients. It does not undo that someone who could open it has seen the values.
    pub fn rotate(&mut self, identities: &Identities) -> Result<(), Error> {
        let groups = self.recipients();
        self.rekey(&groups, self.meta.threshold(), identities)
    }

    fn rekey(&mut self, groups: &[Vec<Recipient>], threshold: usize, identities: &Identities) -> Result<(), Error> {
        let key = DataKey::generate().map_err(|why| self.metadata(why))?;
        let wrapped = wrap::wrap(&self.path, &key, &Wanted { groups, threshold, kept: &[] }, identities)?;
        let mut meta = self.meta.clone();
        meta.set_groups(&wrapped, threshold);
        self.encrypt_anew(meta, key)
    }

    /// Makes the recipients those of a policy; its selector is left aside, as sops does. When someone is taken away the key and all
    /// ciphertexts are made anew: what that person has seen must still be changed at its source.
    pub fn update_recipients(&mut self, policy: &Policy, identities: &Identities) -> Result<Update, Error> {
        let (old, new) = (self.recipients(), &policy.groups);
        let threshold = policy.needed();
        if fits(&old, self.meta.threshold(), policy) {
            return Ok(Update::default());
        }
        let flat = |groups: &[Vec<Recipient>]| -> Vec<Recipient> { groups.iter().flatten().cloned().collect() };
        let (before, after) = (flat(&old), flat(new));
        let added = after.iter().filter(|r| !before.contains(r)).cloned().collect();
        let removed: Vec<Recipient> = before.iter().filter(|r| !after.contains(r)).cloned().collect();
        let rotated = !removed.is_empty();
        if rotated {
            self.rekey(new, threshold, identities)?;
        } else {
            let groups = self.meta.groups();
            // Shares of another splitting would not fit, so only whole copies of the key are kept.
            let kept = if groups.len() == 1 { groups.concat() } else { Vec::new() };
            let wrapped = wrap::wrap(&self.path, &self.key, &Wanted { groups: new, threshold, kept: &kept }, identities)?;
            let mut meta = self.meta.clone();
            meta.set_groups(&wrapped, threshold);
            self.attach(meta)?;
        }
        Ok(Update { added, removed, rotated, changed: true })
    }
}

/// Whether recipients and their threshold are those of a policy.
pub(super) fn fits(groups: &[Vec<Recipient>], needed: usize, policy: &Policy) -> bool {
    same_groups(groups, &policy.groups) && (groups.len() == 1 || needed == policy.needed())
}

/// The same groups in any order within a group.
fn same_groups(a: &[Vec<Recipient>], b: &[Vec<Recipient>]) -> bool {
    let sorted = |groups: &[Vec<Recipient>]| -> Vec<Vec<Recipient>> {
        groups
            .iter()
            .map(|group| {
                let mut group = group.clone();
                group.sort();
                group.dedup();
                group
            })
            .collect()
    };
    sorted(a) == sorted(b)
}
