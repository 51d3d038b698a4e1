//! Encrypts a Kubernetes Secret into a file of sops, and changes one of its values. What is secret comes on standard input.
//!
//! ```sh
//! seal new db.yaml age1… < plain.yaml
//! printf 'correct horse' | SOPS_AGE_KEY_FILE=age.txt seal set db.yaml password
//! ```

use std::io::Read;
use std::path::Path;

use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Identities, Policy, Selector, Sops, Value};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    let text = Secret::new(text);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["new", file, recipient] => {
            let policy = Policy::age([*recipient]).with_selector(Selector::encrypted_regex("^(data|stringData)$")?);
            Sops::encrypt_new(Path::new(file), &text, &policy, &Identities::new())?.save()?;
        }
        ["set", file, key] => {
            let identities = Identities::discover(&|name| std::env::var(name).ok())?;
            let mut document = Sops::open(Path::new(file), &identities)?;
            document.set(["stringData", key], &Value::secret(&text).ok_or("standard input is no UTF-8")?)?;
            document.save()?;
        }
        _ => return Err("usage: seal new FILE RECIPIENT, or seal set FILE KEY".into()),
    }
    Ok(())
}
