//! What opens documents: age identities and the programs age and gpg.

use std::path::{Path, PathBuf};

use kubestead_core::secret::Secret;

use super::age_program::{self, AgeProgram};
use super::error::Error;
use super::key_command::{KeyCommand, Take};
use super::pgp::Gpg;

const KEY_COMMAND: &str = "SOPS_AGE_KEY_CMD";
#[cfg(feature = "ssh")]
const SSH_COMMAND: &str = "SOPS_AGE_SSH_PRIVATE_KEY_CMD";

/// The identities at hand, and where they came from.
#[derive(Default)]
pub struct Identities {
    pub(crate) age: Vec<Box<dyn age::Identity + Send + Sync>>,
    /// Post-quantum age identities, as they are written.
    pub(crate) post_quantum: Vec<Secret>,
    /// Identities of age plugins, which the program age runs, and where they stand.
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) age_program: Option<AgeProgram>,
    /// Asked when no identity at hand fits.
    pub(crate) commands: Vec<KeyCommand>,
    pub(crate) gpg: Option<Gpg>,
    pub(crate) places: Vec<String>,
}

/// An identity of an age plugin.
pub(crate) struct Plugin {
    pub(crate) identity: Secret,
    /// The plugin's name and the line, for messages.
    pub(crate) told: String,
}

impl Plugin {
    /// None for any other word.
    fn of(word: &str, line: usize, place: &str) -> Option<Self> {
        let (name, _) = word.strip_prefix("AGE-PLUGIN-")?.rsplit_once('1')?;
        let name = name.trim_end_matches('-').to_ascii_lowercase();
        let told = format!("the identity of the age plugin {name:?} in line {line} of {place}");
        Some(Self { identity: Secret::new(word.as_bytes().to_vec()), told })
    }
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identities").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Identities {
    /// None. Enough to encrypt to age recipients.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the age identities of a text: lines that begin with `AGE-SECRET-KEY-1`, or `AGE-SECRET-KEY-PQ-1` for the program age (see
    /// [`Identities::with_age_program`]). `place` names the text in messages.
    pub fn with_age(mut self, text: &Secret, place: &str) -> Result<Self, Error> {
        let refuse = |why: String| Error::Identity { place: place.to_owned(), why };
        let text = std::str::from_utf8(text.expose())
            .map_err(|_| refuse("it is no text; an encrypted key file must be decrypted first".to_owned()))?;
        let count = |found: &Self| found.age.len() + found.post_quantum.len() + found.plugins.len();
        let before = count(&self);
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
        for (line, word) in lines.flat_map(|(index, line)| line.split_whitespace().map(move |word| (index + 1, word))) {
            if age_program::is_identity(word) {
                self.post_quantum.push(Secret::new(word.as_bytes().to_vec()));
                continue;
            }
            if let Some(plugin) = Plugin::of(word, line, place) {
                self.plugins.push(plugin);
                continue;
            }
            let identity: age::x25519::Identity =
                word.parse().map_err(|why| refuse(format!("a word in it is no age identity ({why}); one begins with AGE-SECRET-KEY-1")))?;
            self.age.push(Box::new(identity));
        }
        if count(&self) == before {
            return Err(refuse("it holds no identity (a line that begins with AGE-SECRET-KEY-1)".to_owned()));
        }
        self.places.push(place.to_owned());
        Ok(self)
    }

    /// With the identities of an age key file, which only its owner may read.
    pub fn with_age_file(self, path: &Path) -> Result<Self, Error> {
        let text = private_file(path)?;
        self.with_age(&text, &path.display().to_string())
    }

    /// With an ssh private key (ed25519 or RSA, without a passphrase) as an age identity.
    #[cfg(feature = "ssh")]
    pub fn with_ssh_file(self, path: &Path) -> Result<Self, Error> {
        let text = private_file(path)?;
        self.with_ssh(&text, &path.display().to_string())
    }

    #[cfg(feature = "ssh")]
    fn with_ssh(mut self, text: &Secret, place: &str) -> Result<Self, Error> {
        let refuse = |why: String| Error::Identity { place: place.to_owned(), why };
        match age::ssh::Identity::from_buffer(text.expose(), Some(place.to_owned())).map_err(|e| refuse(e.to_string()))? {
            age::ssh::Identity::Unencrypted(key) => self.age.push(Box::new(age::ssh::Identity::from(key))),
            age::ssh::Identity::Encrypted(_) => return Err(refuse("it has a passphrase; name a key without one".to_owned())),
            age::ssh::Identity::Unsupported(_) => {
                return Err(refuse("its kind is not supported; age knows ssh-ed25519 and ssh-rsa".to_owned()));
            }
        }
        self.places.push(place.to_owned());
        Ok(self)
    }

    fn with_command(mut self, variable: &'static str, command: String, take: Take) -> Self {
        self.commands.push(KeyCommand::new(variable, command, take));
        self.places.push(variable.to_owned());
        self
    }

    /// With the program age, for post-quantum recipients (`age1pq1…`).
    #[must_use]
    pub fn with_age_program(mut self, program: AgeProgram) -> Self {
        self.age_program = Some(program);
        self
    }

    /// With the program gpg, for OpenPGP recipients.
    #[must_use]
    pub fn with_gpg(mut self, gpg: Gpg) -> Self {
        self.gpg = Some(gpg);
        self
    }

    /// What sops itself would use, from the environment that the caller looks up: `SOPS_AGE_SSH_PRIVATE_KEY_FILE`,
    /// `SOPS_AGE_SSH_PRIVATE_KEY_CMD`, `~/.ssh/id_ed25519` and `~/.ssh/id_rsa` (all four with feature `ssh`), `SOPS_AGE_KEY`,
    /// `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY_CMD`, `sops/age/keys.txt` in the configuration folder, `SOPS_GPG_EXEC`; and
    /// `KUBESTEAD_AGE_EXEC`, the program age. Files that were not named and are not there, or cannot be used, are passed over. Commands
    /// are run only when no other identity fits, in this order, with the recipient in `SOPS_AGE_RECIPIENT`.
    pub fn discover(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let var = |name: &str| environment(name).filter(|value| !value.is_empty());
        let mut found = Self::new();
        #[cfg(feature = "ssh")]
        {
            if let Some(path) = var("SOPS_AGE_SSH_PRIVATE_KEY_FILE") {
                found = found.with_ssh_file(Path::new(&path))?;
            }
            if let Some(command) = var(SSH_COMMAND) {
                let take = |text: &Secret, place: &str| Self::new().with_ssh(text, place);
                found = found.with_command(SSH_COMMAND, command, take);
            }
            for name in [".ssh/id_ed25519", ".ssh/id_rsa"] {
                let path = var("HOME").map(|home| Path::new(&home).join(name)).filter(|path| path.exists());
                // The key in a usual place may have a passphrase; only a named key must work.
                if let Some(Ok(with)) = path.map(|path| Self::new().with_ssh_file(&path)) {
                    found.age.extend(with.age);
                    found.places.extend(with.places);
                }
            }
        }
        if let Some(text) = var("SOPS_AGE_KEY") {
            found = found.with_age(&Secret::new(text.into_bytes()), "SOPS_AGE_KEY")?;
        }
        if let Some(path) = var("SOPS_AGE_KEY_FILE") {
            found = found.with_age_file(Path::new(&path))?;
        }
        if let Some(command) = var(KEY_COMMAND) {
            let take = |text: &Secret, place: &str| Self::new().with_age(text, place);
            found = found.with_command(KEY_COMMAND, command, take);
        }
        let config = var("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| var("HOME").map(|home| Path::new(&home).join(".config")));
        if let Some(path) = config.map(|folder| folder.join("sops/age/keys.txt")).filter(|path| path.exists()) {
            found = found.with_age_file(&path)?;
        }
        let age = var("KUBESTEAD_AGE_EXEC").map_or_else(AgeProgram::default, AgeProgram::new);
        let gpg = var("SOPS_GPG_EXEC").map_or_else(Gpg::default, Gpg::new);
        Ok(found.with_age_program(age).with_gpg(gpg))
    }
}

/// The recipients that an age key file opens: those of its ordinary identities, and of the post-quantum ones those that stand in its
/// comments (`# public key: age1pq1…`, as age-keygen writes them), once the program age has opened with them what it encrypted to them.
pub fn own_recipients(path: &Path, program: &AgeProgram) -> Result<Vec<String>, Error> {
    let text = private_file(path)?;
    let place = path.display().to_string();
    let refuse = |why: String| Error::Identity { place: place.clone(), why };
    let Identities { post_quantum, .. } = Identities::new().with_age(&text, &place)?;
    let text = std::str::from_utf8(text.expose()).unwrap_or_default();
    let ordinary = text.lines().filter_map(|line| line.trim().parse::<age::x25519::Identity>().ok());
    let mut found: Vec<String> = ordinary.map(|identity| identity.to_public().to_string()).collect();
    if post_quantum.is_empty() {
        return Ok(found);
    }
    let comments = text.lines().filter_map(|line| line.trim().strip_prefix('#')).flat_map(str::split_whitespace);
    for recipient in comments.filter(|word| age_program::is_recipient(word)) {
        let mut probe = [0; 32];
        getrandom::fill(&mut probe).map_err(|e| refuse(format!("the operating system gave no random bytes: {e}")))?;
        let message = program.encrypt(recipient, &probe).map_err(refuse)?;
        if program.decrypt(&message, &post_quantum).map_err(refuse)?.is_some_and(|opened| *opened == probe) {
            found.push(recipient.to_owned());
        }
    }
    if found.is_empty() {
        let why = "it holds post-quantum identities, and no comment `# public key: age1pq1…` that belongs to one: add what `age-keygen -y` prints";
        return Err(refuse(why.to_owned()));
    }
    Ok(found)
}

fn private_file(path: &Path) -> Result<Secret, Error> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| Error::File { what: "read", path: path.to_owned(), source };
    let data = std::fs::metadata(path).map_err(failed)?;
    if data.is_dir() {
        let why = "it is a folder; name the file in it that holds the key".to_owned();
        return Err(Error::Identity { place: path.display().to_string(), why });
    }
    let mode = data.permissions().mode();
    if mode & 0o077 != 0 {
        let why = format!("others may read it (mode {:o}); run `chmod 600` on it", mode & 0o777);
        return Err(Error::Identity { place: path.display().to_string(), why });
    }
    std::fs::read(path).map(Secret::new).map_err(failed)
}
