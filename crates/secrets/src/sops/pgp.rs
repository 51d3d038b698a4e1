//! OpenPGP through the program `gpg`, which alone reaches agents, smart cards and keyboxes.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use zeroize::Zeroizing;

/// One call at a time: the agent runs out of locked memory otherwise.
static ONE: Mutex<()> = Mutex::new(());

/// The program `gpg`.
#[derive(Clone, Debug)]
pub struct Gpg {
    program: PathBuf,
    home: Option<PathBuf>,
    terminal: Option<PathBuf>,
    asks: bool,
}

impl Default for Gpg {
    fn default() -> Self {
        Self::new("gpg")
    }
}

impl Gpg {
    /// By its name or path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), home: None, terminal: None, asks: true }
    }

    /// With another home folder than the user's.
    #[must_use]
    pub fn with_home(mut self, home: &Path) -> Self {
        self.home = Some(home.to_owned());
        self
    }

    /// With a terminal where the agent may ask for a passphrase; `GPG_TTY`, if it is set, goes before.
    #[must_use]
    pub fn with_terminal(mut self, terminal: &Path) -> Self {
        self.terminal = Some(terminal.to_owned());
        self
    }

    /// Where nobody can be asked: a key that is locked is an error at once.
    #[must_use]
    pub fn without_asking(mut self) -> Self {
        self.asks = false;
        self
    }

    /// Whether a key is at hand that can be encrypted to. The error says why not, and what to do.
    pub fn examine(&self, fingerprint: &str) -> Result<(), String> {
        let output = self.run(&["--with-colons", "--list-keys", "--", fingerprint.trim_end_matches('!')], &[])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Fields as in GnuPG's doc/DETAILS: the second is the validity, the twelfth what the key can do; `E` is to be encrypted to.
        let fields: Vec<&str> = text.lines().find(|line| line.starts_with("pub:")).unwrap_or_default().split(':').collect();
        match (fields.get(1), fields.get(11)) {
            (Some(&"e"), _) => Err("the key has expired; extend it, or take it from the recipients".to_owned()),
            (Some(&"r"), _) => Err("the key is revoked; take it from the recipients".to_owned()),
            (Some(_), Some(can)) if can.contains('E') && !can.contains('D') => Ok(()),
            (Some(_), _) => Err("the key cannot be encrypted to: it is disabled, or its subkey for that has expired; extend it".to_owned()),
            (None, _) => Err("gpg does not have the public key; import it with `gpg --import`".to_owned()),
        }
    }

    /// Encrypts to one key; the message is armored.
    pub(crate) fn encrypt(&self, fingerprint: &str, data: &[u8]) -> Result<String, String> {
        let end = fingerprint.trim_end_matches('!');
        let trusted = end.get(end.len().saturating_sub(16)..).unwrap_or(end);
        // No AEAD packets: older programs drop them and give nothing back.
        let arguments = [
            "--no-default-recipient",
            "--no-encrypt-to",
            "--rfc4880",
            "--encrypt",
            "--armor",
            "--trusted-key",
            trusted,
            "--recipient",
            fingerprint,
        ];
        let output = self.run(&arguments, data)?;
        let message = String::from_utf8(output.stdout.clone()).unwrap_or_default();
        if output.status.success() && message.contains("BEGIN PGP MESSAGE") {
            return Ok(message);
        }
        Err(explain(&output, "gpg could not encrypt; import the public key with `gpg --import`"))
    }

    /// Decrypts a message.
    pub(crate) fn decrypt(&self, message: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let mut output = self.run(&["--decrypt"], message.as_bytes())?;
        let data = Zeroizing::new(std::mem::take(&mut output.stdout));
        if !output.status.success() {
            return Err(explain(&output, "gpg could not decrypt"));
        }
        if data.is_empty() {
            return Err(
                "gpg said that all was well and gave nothing: the message is of a kind it does not know; encrypt it again with --rfc4880"
                    .to_owned(),
            );
        }
        Ok(data)
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Output, String> {
        let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let home: Vec<OsString> = self.home.iter().flat_map(|home| ["--homedir".into(), home.into()]).collect();
        let failed =
            |e: std::io::Error| format!("{} did not run: {e}; install GnuPG or name it with SOPS_GPG_EXEC", self.program.display());
        let mut command = Command::new(&self.program);
        if let Some(terminal) = self.terminal.as_ref().filter(|_| std::env::var_os("GPG_TTY").is_none()) {
            command.env("GPG_TTY", terminal);
        }
        let asking: &[&str] = if self.asks { &[] } else { &["--pinentry-mode", "error"] };
        let mut child = command
            .args(home)
            .args(["--batch", "--yes", "--no-tty", "--status-fd", "2"])
            .args(asking)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        // The input is far smaller than a pipe holds, so this does not block.
        if let Some(mut stdin) = child.stdin.take() {
            // It may have stopped already; then its own words say why.
            let _ = stdin.write_all(input);
        }
        child.wait_with_output().map_err(failed)
    }
}

/// The reason among the status lines.
fn explain(output: &Output, otherwise: &str) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let has = |status: &str| text.lines().any(|line| line.starts_with(&format!("[GNUPG:] {status}")));
    let reason = if has("NO_SECKEY") {
        "gpg holds no secret key for it"
    } else if has("PINENTRY_LAUNCHED")
        || has("MISSING_PASSPHRASE")
        || ["Inappropriate ioctl", "No pinentry", "cancelled"].iter().any(|words| text.contains(words))
    {
        "gpg could not ask for the passphrase; run it in a terminal with `export GPG_TTY=$(tty)`, or unlock the key first"
    } else if has("KEYEXPIRED") || has("INV_RECP 5") {
        "the key has expired; extend it, or take it from the recipients"
    } else if has("INV_RECP 4") {
        "the key is revoked; take it from the recipients"
    } else if has("INV_RECP 10") {
        "gpg does not trust the key; sign or trust it with `gpg --edit-key`"
    } else if has("INV_RECP") {
        "gpg does not have the public key; import it with `gpg --import`"
    } else {
        otherwise
    };
    let last = text.lines().rfind(|line| line.starts_with("gpg: ")).unwrap_or_default();
    if last.is_empty() { reason.to_owned() } else { format!("{reason} ({last})") }
}
