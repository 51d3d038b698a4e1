//! An operator's age identity: one file, which opens what is encrypted to it.

use std::path::Path;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::write::new_file;

/// Makes an identity in a new file, mode 0600. A file that is there is an error.
pub fn make_identity(path: &Path) -> Result<(), Error> {
    let made = Identity::generate();
    let secret = made.to_string();
    let text = Zeroizing::new(format!("# public key: {}\n{}\n", made.to_public(), secret.expose_secret()));
    new_file(path, text.as_bytes()).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => Error::File { what: "write", path: path.to_owned(), source },
    })
}

/// The public keys of an identity file: what others encrypt to.
pub fn public_keys(path: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { what: "read", path: path.to_owned(), source })?;
    let text = Zeroizing::new(text);
    let found: Vec<String> =
        text.lines().filter_map(|line| line.trim().parse::<Identity>().ok()).map(|identity| identity.to_public().to_string()).collect();
    if found.is_empty() { Err(Error::NoIdentity(path.to_owned())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_identity_is_made_once_for_its_owner_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("age/keys.txt");
        make_identity(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let public = public_keys(&path).unwrap();
        assert!(public.len() == 1 && public[0].starts_with("age1"));
        assert!(matches!(make_identity(&path), Err(Error::Exists(_))));
        assert_eq!(public_keys(&path).unwrap(), public);
        std::fs::write(&path, "nothing\n").unwrap();
        assert!(matches!(public_keys(&path), Err(Error::NoIdentity(_))));
    }
}
