//! Reading a sops file: without a key what it holds and what is encrypted, with a key the values. No sops program is needed.
#![allow(clippy::print_stdout)] // a program for a terminal

use std::error::Error;

use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Identities, Kind, Outline, Policy, Selector, Sops};
use kubestead_secrets::{make_identity, public_keys};

const PLAIN: &[u8] =
    b"# of the registry\nkind: Secret\nmetadata:\n  name: registry\nstringData:\n  user: admin\n  password: correct horse\n";

fn main() -> Result<(), Box<dyn Error>> {
    // In place of a file and a key of yours: both are made for this program, and are gone after it.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("registry.yaml");
    let own = folder.path().join("age.key");
    make_identity(&own)?;
    let policy = Policy::age(public_keys(&own)?).with_selector(Selector::encrypted_regex("^(data|stringData)$")?);
    Sops::encrypt_new(&path, &Secret::new(PLAIN.to_vec()), &policy, &Identities::new())?.save()?;

    let outline = Outline::read(&path, &std::fs::read(&path)?)?;
    println!("{} values are encrypted", outline.sealed());
    println!("without a key: {}", Sops::open(&path, &Identities::new()).err().map_or("it opens".into(), |_| "it does not open".to_owned()));

    let key = Secret::new(std::fs::read(&own)?);
    let document = Sops::open(&path, &Identities::new().with_age(&key, "the example's key")?)?;
    for path in document.paths() {
        let Some(value) = document.get(path.clone()).filter(|value| value.kind() == Kind::Text) else { continue };
        // A value is shown because this program is asked to: `Secret` has no other way out than `expose`.
        let text = String::from_utf8_lossy(value.bytes().expose()).into_owned();
        println!("{path}{}: {text}", if document.is_encrypted(path.clone()) { " (encrypted)" } else { "" });
    }
    Ok(())
}
