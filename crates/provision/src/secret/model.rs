//! What each action does to the facts: for tests, and to see ahead.

use std::collections::BTreeMap;

use super::action::Action;
use super::observe::{Live, SecretFacts};
use super::spec::owner;

/// The facts after an action that succeeded.
pub fn model(action: &Action, facts: &mut SecretFacts) {
    match action {
        Action::Apply { secret, .. } => {
            let live = Live {
                uid: secret.owner(),
                digest: Some(secret.digest.clone()),
                keys: secret.keys.clone(),
                others: BTreeMap::new(),
                labels: secret.labels.clone(),
                annotations: secret.annotations.clone(),
                immutable: secret.immutable,
                deleting: false,
            };
            facts.types.insert(secret.owner(), secret.kind.clone());
            facts.ours.insert(secret.owner(), live);
        }
        Action::Delete { namespace, name, .. } => {
            facts.types.remove(&owner(namespace, name));
            facts.ours.remove(&owner(namespace, name));
        }
    }
}
