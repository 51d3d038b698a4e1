//! Who is who: the keys by which hosts are known, shown to be compared, and kept in the operator's known_hosts once they are accepted.
//!
//! Nothing that a host shows is believed: it becomes a key or an error. A key is accepted by whoever compared it, and a changed one never is.

mod judge;
mod key;
mod known;
mod openssh;
mod store;

use std::io;
use std::path::{Path, PathBuf};

use futures::stream::{self, StreamExt as _};

pub use judge::Spot;
pub use key::{BadFingerprint, Fingerprint, HostKey};
use kubestead_core::transport::Login;

use crate::ssh::by_hand;
use judge::{Book, Verdict};
use openssh::{Opinion, Route};

/// Why nothing is said of a host, or nothing is kept of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program of OpenSSH did not do its work.
    #[error("{host}: {what}: {why}")]
    Program {
        /// The host.
        host: String,
        /// The program.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The ssh configuration says what cannot be used here.
    #[error("{host}: by the ssh configuration {why}: fix it there, or accept the key by hand (`ssh {host}`)")]
    Route {
        /// The host.
        host: String,
        /// What.
        why: String,
    },
    /// No key came.
    #[error("{host}: no key came: {why}")]
    Silent {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// What came is no key.
    #[error("{host}: {why}: nothing of it is used; see what listens there")]
    Answer {
        /// The host.
        host: String,
        /// What.
        why: String,
    },
    /// A file of known hosts.
    #[error("{}: {source}: fix the file, then run again", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no file to write to.
    #[error("{host}: ssh names no known_hosts of yours for it (UserKnownHostsFile): name one in the ssh configuration")]
    NoFile {
        /// The host.
        host: String,
    },
    /// known_hosts says otherwise since the keys were shown.
    #[error("{host}: what known_hosts says of it changed meanwhile: run again, and compare again")]
    Meanwhile {
        /// The host.
        host: String,
    },
    /// ssh does not take what was written.
    #[error("{host}: its key is written to {}, and ssh still does not take it: {said}", path.display())]
    Refused {
        /// The host.
        host: String,
        /// Where it is.
        path: PathBuf,
        /// ssh's words.
        said: String,
    },
}

/// How ssh stands to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It takes the host's key: there is nothing to do.
    Known,
    /// It takes the host's certificate, or its key by other ways than lines of known_hosts: there is nothing to do.
    Vouched,
    /// It knows no key of the host.
    New,
    /// It knows the host by another key. That is never accepted here.
    Changed {
        /// Where that key is.
        spot: Spot,
        /// Which it is.
        was: Fingerprint,
    },
    /// The host shows a key that is revoked. That is never accepted here.
    Revoked {
        /// Where that is said.
        spot: Spot,
        /// Which it is.
        key: Fingerprint,
    },
    /// ssh goes through something, where ssh-keyscan cannot follow, and does not take the host's key.
    Behind {
        /// Through what.
        jump: String,
        /// What to type instead.
        command: String,
    },
}

/// A host with the keys that it shows.
#[derive(Clone, Debug)]
pub struct Host {
    login: Login,
    route: Route,
    /// One of each kind that it has, the most usual kind first; none where ssh-keyscan cannot go.
    pub keys: Vec<HostKey>,
    /// How ssh stands to it.
    pub state: KeyState,
}

/// Looks at a host: nothing is written, and nobody logs in to it.
pub async fn look(login: &Login) -> Result<Host, Error> {
    let route = openssh::route(login).await?;
    let host = |route, keys, state| Ok(Host { login: login.clone(), route, keys, state });
    if let Some(jump) = route.jump.clone() {
        let state = match openssh::opinion(login).await? {
            Opinion::Accepted => KeyState::Vouched,
            Opinion::Refused(_) => KeyState::Behind { jump, command: by_hand(login) },
            Opinion::Unreached(said) => return Err(Error::Silent { host: login.name.clone(), why: format!("through {jump}: {said}") }),
        };
        return host(route, Vec::new(), state);
    }
    let keys = openssh::scan(login, &route).await?;
    let files = files(&route)?;
    let book = Book::of(&route.name, route.other.as_deref(), &files);
    let state = match book.judge(&keys) {
        Verdict::Known => KeyState::Known,
        Verdict::Revoked(spot, key) => KeyState::Revoked { spot, key },
        verdict @ (Verdict::New | Verdict::Changed(..)) => match (book.has_authority(), verdict) {
            (true, _) if openssh::opinion(login).await? == Opinion::Accepted => KeyState::Vouched,
            (_, Verdict::Changed(spot, was)) => KeyState::Changed { spot, was },
            (_, Verdict::New | Verdict::Known | Verdict::Revoked(..)) => KeyState::New,
        },
    };
    host(route, keys, state)
}

/// Hosts that are looked at side by side.
const AT_ONCE: usize = 16;

/// Looks at several hosts, in their order.
pub async fn look_all(logins: &[Login]) -> Vec<Result<Host, Error>> {
    stream::iter(logins).map(look).buffered(AT_ONCE).collect().await
}

/// All files that ssh reads for a host, the operator's first.
fn files(route: &Route) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let all = route.own.iter().chain(&route.system);
    all.map(|path| Ok((path.clone(), store::read(path).map_err(|source| Error::File { path: path.clone(), source })?))).collect()
}

impl Host {
    /// What the host is called in known_hosts: a name or an address, with the port where it is another than 22.
    pub fn name(&self) -> &str {
        &self.route.name
    }

    /// The operator's own file that ssh names first. None of the system's is written to.
    pub fn file(&self) -> Result<&Path, Error> {
        let is_own = |path: &&PathBuf| !self.route.system.contains(path) && !path.starts_with("/etc") && !path.starts_with("/dev");
        self.route.own.iter().find(is_own).map(PathBuf::as_path).ok_or_else(|| Error::NoFile { host: self.login.name.clone() })
    }

    /// Writes those of the keys that are not there to the operator's known_hosts, and asks ssh whether it takes the host now. `keys` are some that
    /// were shown and compared. Returns how many were written. What known_hosts says is looked at again, under a lock.
    pub async fn accept(&self, keys: &[HostKey]) -> Result<usize, Error> {
        let path = self.file()?.to_owned();
        let written = std::cell::Cell::new(0);
        store::append(&path, |own| self.lines(&path, own, keys).inspect(|lines| written.set(lines.lines().count())))
            .map_err(|error| error.at(&path))?;
        if written.get() == 0 {
            return Ok(0);
        }
        match openssh::opinion(&self.login).await? {
            Opinion::Accepted => Ok(written.get()),
            Opinion::Refused(said) | Opinion::Unreached(said) => Err(Error::Refused { host: self.login.name.clone(), path, said }),
        }
    }

    /// The lines to add to `own`, which is what `path` holds now.
    fn lines(&self, path: &Path, own: &[u8], keys: &[HostKey]) -> Result<String, Failed> {
        let mut files = files(&self.route).map_err(Failed::Other)?;
        if let Some((_, text)) = files.iter_mut().find(|(file, _)| file == path) {
            own.clone_into(text);
        }
        let book = Book::of(&self.route.name, self.route.other.as_deref(), &files);
        match book.judge(&self.keys) {
            Verdict::Known | Verdict::New => {}
            Verdict::Changed(..) | Verdict::Revoked(..) => return Err(Failed::Other(Error::Meanwhile { host: self.login.name.clone() })),
        }
        let mut lines = String::new();
        for key in keys.iter().filter(|key| self.keys.contains(key) && !book.has(key)) {
            let mut salt = [0; 20];
            getrandom::fill(&mut salt).map_err(|error| Failed::File(io::Error::other(error.to_string())))?;
            lines.push_str(&known::hashed(&self.route.name, key, salt).unwrap_or_default());
        }
        Ok(lines)
    }
}

/// Why a file is not written.
enum Failed {
    File(io::Error),
    Other(Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl Failed {
    fn at(self, path: &Path) -> Error {
        match self {
            Self::File(source) => Error::File { path: path.to_owned(), source },
            Self::Other(error) => error,
        }
    }
}
