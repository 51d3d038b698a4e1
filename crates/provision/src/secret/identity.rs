//! The operator's identities that open files: those that sops would use, and the one that opens the escrow.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use kubestead_core::outcome::causes;
use kubestead_secrets::Escrow;
use kubestead_secrets::sops::{self, Document, Format, Identities, Sops};

use super::error::Error;

/// Identities, looked for when the first Secret is applied and not before.
#[derive(Default)]
pub struct Keys(OnceLock<Result<Arc<Opened>, String>>);

/// What was found.
pub(crate) struct Opened {
    identities: Identities,
    /// Where it was looked, in order, each with what was there.
    searched: Vec<String>,
}

impl Opened {
    /// Opens a file of these bytes.
    pub(crate) fn open(&self, path: &Path, format: Format, bytes: &[u8]) -> Result<Document, Error> {
        Sops::open_text(path, format, bytes, &self.identities).map_err(|error| match error {
            refusal @ sops::Error::NoKey { .. } => Error::NoKey { refusal: Box::new(refusal), searched: self.searched.clone() },
            other => other.into(),
        })
    }
}

impl Keys {
    /// The identities of sops' own variables and places, and that of the escrow.
    pub(crate) fn get(&self, escrow: &Escrow) -> Result<Arc<Opened>, Error> {
        let found = self.0.get_or_init(|| open(escrow.identity_file(), &|name| std::env::var(name).ok()).map(Arc::new));
        found.clone().map_err(Error::Identities)
    }
}

/// Looks for identities. A place that was named and cannot be used is an error, so that nobody wonders why another one was taken.
fn open(escrow: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Opened, String> {
    let set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
    let mut searched: Vec<String> =
        ["SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE"].map(|name| format!("{name} ({})", if set(name) { "used" } else { "not set" })).into();
    let config =
        environment("XDG_CONFIG_HOME").filter(|v| !v.is_empty()).or_else(|| environment("HOME").map(|home| format!("{home}/.config")));
    let usual = config.map(|folder| Path::new(&folder).join("sops/age/keys.txt"));
    let mut identities = Identities::discover(environment).map_err(|e| causes(&e))?;
    let named = environment("SOPS_AGE_KEY_FILE");
    for path in usual.iter().map(PathBuf::as_path).chain([escrow]) {
        let known = |other: &str| Path::new(other) == path;
        if searched.iter().any(|place| place.starts_with(&path.display().to_string())) || named.as_deref().is_some_and(known) {
            continue;
        }
        searched.push(format!("{} ({})", path.display(), if path.exists() { "used" } else { "not there" }));
        if path == escrow && path.exists() {
            identities = identities.with_age_file(path).map_err(|e| causes(&e))?;
        }
    }
    searched.push("the program gpg".to_owned());
    Ok(Opened { identities, searched })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_in_order_and_a_named_file_that_cannot_be_used_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().display().to_string();
        let escrow = dir.path().join("age.txt");
        let environment = |name: &str| (name == "HOME").then(|| home.clone());
        let found = open(&escrow, &environment).unwrap();
        let told = found.searched.join(", ");
        let expected = format!(
            "SOPS_AGE_KEY (not set), SOPS_AGE_KEY_FILE (not set), {home}/.config/sops/age/keys.txt (not there), {home}/age.txt (not there), the program gpg"
        );
        assert_eq!(told, expected);
        let named = |name: &str| (name == "SOPS_AGE_KEY_FILE").then(|| "/none/key.txt".to_owned());
        assert!(open(&escrow, &named).err().unwrap().contains("/none/key.txt"));
    }
}
