//! Commands that print an identity: `SOPS_AGE_KEY_CMD` and `SOPS_AGE_SSH_PRIVATE_KEY_CMD`.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use kubestead_core::secret::Secret;

use super::error::Error;
use super::identities::Identities;

/// Takes what a command prints.
pub(crate) type Take = fn(&Secret, &str) -> Result<Identities, Error>;

/// A command, asked once for each recipient. It learns the recipient from `SOPS_AGE_RECIPIENT`, as with sops.
pub(crate) struct KeyCommand {
    variable: &'static str,
    command: String,
    take: Take,
    answers: Mutex<BTreeMap<String, Result<Arc<Identities>, String>>>,
}

impl KeyCommand {
    /// The command that a variable holds.
    pub(crate) fn new(variable: &'static str, command: String, take: Take) -> Self {
        Self { variable, command, take, answers: Mutex::default() }
    }

    /// The identities that it has for a recipient. One call at a time: it may ask somebody.
    pub(crate) fn ask(&self, recipient: &str) -> Result<Arc<Identities>, String> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.entry(recipient.to_owned()).or_insert_with(|| self.run(recipient).map(Arc::new)).clone()
    }

    fn run(&self, recipient: &str) -> Result<Identities, String> {
        let mut command = Command::new("sh");
        command.args(["-c", &self.command]).env("SOPS_AGE_RECIPIENT", recipient);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.map_err(|e| format!("the command of {} did not run: {e}", self.variable))?;
        let printed = Secret::new(output.stdout);
        if !output.status.success() {
            return Err(format!("the command of {} failed ({}); its own message stands above", self.variable, output.status));
        }
        (self.take)(&printed, self.variable).map_err(|e| e.to_string())
    }
}
