//! The escrow: a folder with one age file a secret, `NAME.age`, and the file `recipients` that says who can open them.
//!
//! To keep a secret only the public recipients are needed; to open one, an identity. A file opens with plain
//! `age -d -i IDENTITY NAME.age` too, on a day when kubestead is not at hand.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use async_trait::async_trait;
use kubestead_core::key::{KeyError, KeyRef, KeySource};
use kubestead_core::outcome::Done;
use kubestead_core::secret::Secret;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::write::new_file;

/// An escrow folder with the identities that open it.
pub struct Escrow {
    dir: PathBuf,
    identity: PathBuf,
    recipients: Vec<Recipient>,
    identities: Vec<Identity>,
}

fn file_error(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}

impl Escrow {
    /// Makes an identity (0600; kept when it is there) and the folder with it as the only recipient.
    pub fn init(dir: &Path, identity: &Path) -> Result<(), Error> {
        let list = dir.join("recipients");
        if list.exists() {
            return Err(Error::Exists(list));
        }
        if !identity.exists() {
            let made = Identity::generate();
            let secret = made.to_string();
            let text = Zeroizing::new(format!("# public key: {}\n{}\n", made.to_public(), secret.expose_secret()));
            new_file(identity, text.as_bytes()).map_err(file_error("write", identity))?;
        }
        let public: Vec<String> = identities(identity)?.iter().map(|i| i.to_public().to_string()).collect();
        new_file(&list, format!("{}\n", public.join("\n")).as_bytes()).map_err(file_error("write", &list))
    }

    /// Opens a folder. An identity file that is not there is no error: then secrets can be kept but not read.
    pub fn open(dir: &Path, identity: &Path) -> Result<Self, Error> {
        let list = dir.join("recipients");
        let recipients = recipients(&list)?;
        let identities = if identity.exists() { identities(identity)? } else { Vec::new() };
        Ok(Self { dir: dir.to_owned(), identity: identity.to_owned(), recipients, identities })
    }

    /// The file with the operator's identity, which need not be there; an empty path when the identity is in memory.
    pub fn identity_file(&self) -> &Path {
        &self.identity
    }

    /// Opens a folder with an identity that is in memory.
    pub fn open_with(dir: &Path, identity: &Secret) -> Result<Self, Error> {
        let text = std::str::from_utf8(identity.expose()).unwrap_or_default();
        let recipients = recipients(&dir.join("recipients"))?;
        Ok(Self { dir: dir.to_owned(), identity: PathBuf::new(), recipients, identities: parse(text) })
    }

    /// The public halves of the recipients, `age1…`.
    pub fn recipients(&self) -> Vec<String> {
        self.recipients.iter().map(ToString::to_string).collect()
    }

    /// Whether there is an identity that may open what is here.
    pub fn can_open(&self) -> bool {
        !self.identities.is_empty()
    }

    /// The first identity that is one of the recipients, with its public half.
    pub fn identity(&self) -> Result<(Secret, String), Error> {
        let listed = self.recipients();
        let found = self.identities.iter().find(|i| listed.contains(&i.to_public().to_string()));
        let identity = found.ok_or_else(|| Error::NotRecipient(self.dir.join("recipients")))?;
        let text = identity.to_string();
        Ok((Secret::new(text.expose_secret().as_bytes().to_vec()), identity.to_public().to_string()))
    }

    fn path(&self, name: &str) -> Result<PathBuf, Error> {
        let word = |w: &str| !w.is_empty() && w.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
        if name.split('.').all(word) { Ok(self.dir.join(format!("{name}.age"))) } else { Err(Error::BadName(name.to_owned())) }
    }

    /// The names of all secrets of a folder; needs no key.
    pub fn names(dir: &Path) -> Result<BTreeSet<String>, Error> {
        let entries = match std::fs::read_dir(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            other => other.map_err(file_error("read", dir))?,
        };
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.strip_suffix(".age").map(str::to_owned);
        Ok(entries.filter_map(name).filter(|n| !n.starts_with('.')).collect())
    }

    /// Reads a secret; `None` if there is none.
    pub fn get(&self, name: &str) -> Result<Option<Secret>, Error> {
        let path = self.path(name)?;
        let sealed = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(file_error("read", &path))?,
        };
        self.unseal(&path, &sealed).map(Some)
    }

    /// Opens bytes that [`Escrow::seal`] made. `path` is for messages.
    pub fn unseal(&self, path: &Path, sealed: &[u8]) -> Result<Secret, Error> {
        let failed = |why: &dyn std::fmt::Display| Error::Decrypt { path: path.to_owned(), why: why.to_string() };
        if self.identities.is_empty() {
            return Err(failed(&"there is no identity file here; name one with KUBESTEAD_AGE_KEY_FILE"));
        }
        let decryptor = age::Decryptor::new(ArmoredReader::new(sealed)).map_err(|e| failed(&e))?;
        let mut reader = decryptor.decrypt(self.identities.iter().map(|i| i as &dyn age::Identity)).map_err(|e| failed(&e))?;
        let mut value = Vec::with_capacity(sealed.len());
        reader.read_to_end(&mut value).map_err(|e| failed(&e))?;
        Ok(Secret::new(value))
    }

    /// Makes a secret when it is not there. It is written whole, read back and compared before this returns; what is there is never
    /// replaced.
    pub fn ensure(&self, name: &str, generate: impl FnOnce() -> Result<Secret, Error>) -> Result<Done, Error> {
        let path = self.path(name)?;
        if path.exists() {
            return Ok(Done::Already);
        }
        let secret = generate()?;
        new_file(&path, &self.seal(&path, &secret)?).map_err(file_error("write", &path))?;
        match self.get(name)? {
            Some(back) if back.expose() == secret.expose() => Ok(Done::Changed),
            Some(_) | None => Err(Error::ReadBack(path)),
        }
    }

    /// Encrypts to all recipients, as an armoured age file. `path` is for messages.
    pub fn seal(&self, path: &Path, secret: &Secret) -> Result<Vec<u8>, Error> {
        let failed = |why: &dyn std::fmt::Display| Error::Encrypt { path: path.to_owned(), why: why.to_string() };
        let encryptor =
            age::Encryptor::with_recipients(self.recipients.iter().map(|r| r as &dyn age::Recipient)).map_err(|e| failed(&e))?;
        let mut sealed = Vec::new();
        let armor = ArmoredWriter::wrap_output(&mut sealed, Format::AsciiArmor).map_err(|e| failed(&e))?;
        let mut writer = encryptor.wrap_output(armor).map_err(|e| failed(&e))?;
        writer.write_all(secret.expose()).map_err(|e| failed(&e))?;
        writer.finish().and_then(ArmoredWriter::finish).map_err(|e| failed(&e))?;
        Ok(sealed)
    }
}

fn recipients(path: &Path) -> Result<Vec<Recipient>, Error> {
    let text = std::fs::read_to_string(path).map_err(file_error("read", path))?;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parsed = line.parse().map_err(|why: &str| Error::BadRecipient {
            path: path.to_owned(),
            line: index + 1,
            found: line.to_owned(),
            why: why.to_owned(),
        })?;
        found.push(parsed);
    }
    if found.is_empty() { Err(Error::NoRecipients(path.to_owned())) } else { Ok(found) }
}

fn identities(path: &Path) -> Result<Vec<Identity>, Error> {
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(file_error("read", path))?);
    let found = parse(&text);
    if found.is_empty() { Err(Error::NoIdentity(path.to_owned())) } else { Ok(found) }
}

fn parse(text: &str) -> Vec<Identity> {
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

#[async_trait]
impl KeySource for Escrow {
    async fn open(&self, key: &KeyRef) -> Result<Secret, KeyError> {
        match self.get(&key.0) {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(KeyError::Missing { key: key.clone() }),
            Err(error) => Err(KeyError::Unreadable { key: key.clone(), detail: error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escrow(dir: &Path) -> Escrow {
        Escrow::init(&dir.join("escrow"), &dir.join("keys.txt")).unwrap();
        Escrow::open(&dir.join("escrow"), &dir.join("keys.txt")).unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn a_secret_is_kept_once_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let escrow = escrow(dir.path());
        assert_eq!(escrow.ensure("recovery.kube1.data", || Ok(secret("canary-one"))).unwrap(), Done::Changed);
        assert_eq!(escrow.ensure("recovery.kube1.data", || Ok(secret("canary-two"))).unwrap(), Done::Already);
        assert_eq!(escrow.get("recovery.kube1.data").unwrap().unwrap().expose(), b"canary-one");
        assert_eq!(Escrow::names(&dir.path().join("escrow")).unwrap(), BTreeSet::from(["recovery.kube1.data".to_owned()]));
        assert!(escrow.get("recovery.kube1.other").unwrap().is_none());
    }

    #[test]
    fn no_file_of_the_folder_holds_the_plain_value() {
        let dir = tempfile::tempdir().unwrap();
        let escrow = escrow(dir.path());
        escrow.ensure("a", || Ok(secret("canary-one"))).unwrap();
        std::fs::write(dir.path().join("proof"), "canary-one").unwrap();
        let holds = |path: &Path| std::fs::read(path).unwrap().windows(10).any(|w| w == b"canary-one");
        assert!(holds(&dir.path().join("proof")), "the search can find it");
        for entry in std::fs::read_dir(dir.path().join("escrow")).unwrap() {
            assert!(!holds(&entry.unwrap().path()));
        }
    }

    #[test]
    fn damage_a_missing_identity_and_names_that_leave_the_folder_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let own = escrow(dir.path());
        own.ensure("a", || Ok(secret("value"))).unwrap();
        let without = Escrow::open(&dir.path().join("escrow"), &dir.path().join("none")).unwrap();
        assert!(matches!(without.get("a"), Err(Error::Decrypt { .. })));
        let path = dir.path().join("escrow/a.age");
        let mut text = std::fs::read(&path).unwrap();
        let middle = text.len() / 2;
        text[middle] = if text[middle] == b'A' { b'B' } else { b'A' };
        std::fs::write(&path, text).unwrap();
        assert!(matches!(own.get("a"), Err(Error::Decrypt { .. })));
        for name in ["../x", "a/b", "", "A", "a..b"] {
            assert!(matches!(own.get(name), Err(Error::BadName(_))), "{name}");
        }
        assert!(matches!(Escrow::init(&dir.path().join("escrow"), &dir.path().join("keys.txt")), Err(Error::Exists(_))));
    }

    #[test]
    fn files_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        escrow(dir.path()).ensure("a", || Ok(secret("value"))).unwrap();
        for name in ["keys.txt", "escrow/a.age"] {
            assert_eq!(std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
}
